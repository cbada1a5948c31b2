//! The whole way, through real processes: people sign in at the issuer, their tokens open and close the doors of the
//! sidecar and of an axum application, and the application behind the sidecar sees nothing that was refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use orgate_e2e::{
    Folder, Running, example, orgate, request,
    sign_in::{Browser, encode, parameter},
};
use orgate_testkit::{Answer, Upstream};
use serde_json::{Value, json};

const CALLBACK: &str = "http://127.0.0.1:3000/callback";
const PASSWORD: &str = "correct horse battery";
const ROLES: [&str; 4] = ["owner", "admin", "member", "viewer"];

/// The seven permissions of the built-in roles, each with a request that needs it and the roles that have it.
const MATRIX: [(&str, &str, &str, [bool; 4]); 7] = [
    ("read", "GET", "/docs", [true, true, true, true]),
    ("write", "POST", "/docs", [true, true, true, false]),
    ("invite", "POST", "/members", [true, true, false, false]),
    ("remove_members", "DELETE", "/members/mem_7", [true, true, false, false]),
    ("change_roles", "PUT", "/members/mem_7", [true, true, false, false]),
    ("delete_org", "DELETE", "/orgs/org_acme", [true, false, false, false]),
    ("transfer_ownership", "POST", "/orgs/org_acme/transfer", [true, false, false, false]),
];

fn bootstrap() -> String {
    let users: Vec<String> = ROLES
        .iter()
        .chain(&["guest"])
        .map(|name| {
            format!(
                "{{id: usr_{name}, email: {name}@example.com, password: {PASSWORD}, email_verified: true}}"
            )
        })
        .collect();
    format!(
        "projects:\n  - id: proj_demo\n    name: Demo\n    org_enabled: true\n    audience: [demo-api]\n    \
         redirect_uris: [\"{CALLBACK}\"]\n    client_secret: {{env: JOURNEY_SECRET}}\n    users: [{}]\n    organizations:\n      \
         - {{id: org_acme, slug: acme, name: Acme Corp, owner: owner@example.com, members: [\
         {{user: admin@example.com, role: admin}}, {{user: member@example.com, role: member}}, \
         {{user: viewer@example.com, role: viewer}}]}}\n      \
         - {{id: org_globex, slug: globex, name: Globex, owner: guest@example.com, members: [{{user: member@example.com, role: admin}}]}}\n",
        users.join(", ")
    )
}

fn policy(issuer: &str) -> String {
    let rules: String = MATRIX
        .iter()
        .map(|(permission, method, path, _)| {
            let path = path.replace("mem_7", "{id}").replace("org_acme", "{org_id}");
            format!("  {method} {path}: {permission}\n")
        })
        .collect();
    format!(
        "version: 1\nissuers:\n  demo: {{issuer: \"{issuer}\", audience: demo-api, profile: orgate}}\nrules:\n  GET /healthz: public\n{rules}"
    )
}

struct World {
    folder: Folder,
    issuer: String,
    _issuer: Running,
}

impl World {
    fn start() -> Self {
        let folder = Folder::new();
        let file = folder.write("bootstrap.yaml", &bootstrap());
        let running = orgate()
            .args(["issuer", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--bootstrap"])
            .args([file])
            .env("JOURNEY_SECRET", "a secret of the journey")
            .folder(folder.path())
            .ready();
        let issuer = format!("{}/p/proj_demo", running.url("issuer"));
        folder.write("orgate.yaml", &policy(&issuer));
        Self { folder, issuer, _issuer: running }
    }

    /// Signs in and returns the code, with the number of pages that were shown.
    fn code(&self, name: &str, organization: &str) -> (String, usize) {
        let url = format!(
            "{}/authorize?response_type=code&client_id=proj_demo&redirect_uri={}&state=s&scope=openid",
            self.issuer,
            encode(CALLBACK)
        );
        let fill = |field: &str, value: &str| match field {
            "email" => format!("{name}@example.com"),
            "password" => PASSWORD.to_owned(),
            "org_id" => organization.to_owned(),
            _ => value.to_owned(),
        };
        let (location, pages) = Browser::default().walk(&url, CALLBACK, fill);
        assert_eq!(parameter(&location, "state").as_deref(), Some("s"), "{location}");
        assert_eq!(parameter(&location, "iss"), Some(encode(&self.issuer)), "RFC 9207");
        (parameter(&location, "code").unwrap_or_else(|| panic!("{location}")), pages)
    }

    /// Asks the token endpoint; JSON in, JSON out.
    fn token(&self, mut body: Value) -> (u16, Value) {
        body["client_id"] = "proj_demo".into();
        body["client_secret"] = "a secret of the journey".into();
        let headers = [("content-type", "application/json")];
        let response = request("POST", &format!("{}/token", self.issuer), &headers, Some(&body.to_string()));
        (response.status, response.json())
    }

    fn exchange(&self, code: &str) -> (u16, Value) {
        self.token(json!({ "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK }))
    }

    fn access_token(&self, name: &str, organization: &str) -> String {
        let (status, body) = self.exchange(&self.code(name, organization).0);
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    fn proxy(&self, upstream: &str) -> Running {
        orgate()
            .args([
                "proxy",
                "--upstream",
                upstream,
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
                "--require-keys",
            ])
            .folder(self.folder.path())
            .ready()
    }
}

fn ask(door: &str, method: &str, path: &str, token: Option<&str>) -> String {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.iter().map(|value| ("authorization", value.as_str())).collect();
    request(method, &format!("{door}{path}"), &headers, None).verdict()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_28_cells_of_role_and_permission_are_the_same_through_sidecar_and_layer() {
    let world = World::start();
    let upstream = Upstream::start().await;
    upstream.answer(Answer::status(200));
    let proxy = world.proxy(&upstream.url());
    let layer = example("example-axum-layer").folder(world.folder.path()).listening();
    let (proxy, layer) = (proxy.url("proxy"), layer_url(&layer));

    let tokens = ROLES.map(|role| world.access_token(role, "org_acme"));
    let (mut cells, mut allowed) = (0, 0);
    for (permission, method, path, row) in MATRIX {
        for ((role, token), may) in ROLES.iter().zip(&tokens).zip(row) {
            let (through_sidecar, through_layer) =
                (ask(&proxy, method, path, Some(token)), ask(&layer, method, path, Some(token)));
            if may {
                allowed += 1;
                assert_eq!(through_sidecar, "200", "{role} {permission}");
                // The example has not all of these routes; what matters is that the gate let the request pass.
                assert!(
                    ["200", "404", "405"].contains(&&*through_layer),
                    "{role} {permission}: {through_layer}"
                );
            } else {
                assert_eq!(through_sidecar, "403 missing_permission", "{role} {permission}");
                assert_eq!(through_layer, through_sidecar, "{role} {permission}");
            }
            cells += 1;
        }
    }
    assert_eq!((cells, allowed), (28, 4 + 3 + 2 + 2 + 2 + 1 + 1));

    let [owner, ..] = &tokens;
    for (method, path, token, verdict) in [
        ("DELETE", "/orgs/org_globex", Some(owner), "403 org_mismatch"),
        ("GET", "/docs", None, "401 no_credential"),
        ("GET", "/nowhere", Some(owner), "403 no_rule"),
        ("PATCH", "/docs", Some(owner), "403 method_not_covered"),
        ("GET", "/docs/../members", Some(owner), "400 bad_request_target"),
        ("GET", "/%64ocs", Some(owner), "400 bad_request_target"),
    ] {
        for door in [&proxy, &layer] {
            assert_eq!(
                ask(door, method, path, token.map(String::as_str)),
                verdict,
                "{method} {path} at {door}"
            );
        }
    }

    let seen = upstream.requests();
    assert_eq!(seen.len(), allowed, "the application saw exactly what was allowed");
    for (recorded, role) in seen.iter().zip(ROLES) {
        assert_eq!(recorded.header("x-orgate-sub"), Some(&*format!("usr_{role}")));
        assert_eq!(recorded.header("x-orgate-org-id"), Some("org_acme"));
        assert_eq!(recorded.header("x-orgate-role"), Some(role));
    }
}

fn layer_url(layer: &Running) -> String {
    layer.url("app")
}

#[test]
fn a_person_with_two_organizations_picks_one_and_switches_without_signing_in_again() {
    let world = World::start();
    let (code, pages) = world.code("member", "org_globex");
    assert_eq!(pages, 2, "sign-in and picker");
    assert_eq!(world.code("viewer", "").1, 1, "nobody with one organization sees the picker");

    let (status, first) = world.exchange(&code);
    assert_eq!((status, first["org_id"].as_str()), (200, Some("org_globex")), "the choice is in the code");
    assert_eq!(claims(&first)["org_role"], "admin");

    let refresh = |token: &Value, organization: &str| {
        world.token(json!({ "grant_type": "refresh_token", "refresh_token": token, "org_id": organization }))
    };
    let (status, second) = refresh(&first["refresh_token"], "org_acme");
    assert_eq!((status, claims(&second)["org_role"].as_str()), (200, Some("member")));
    assert_eq!(claims(&second)["org_permissions"], json!(["read", "write"]));
    for stranger in ["org_nowhere", "org_acm"] {
        let (status, refused) = refresh(&second["refresh_token"], stranger);
        assert_eq!((status, refused["error"].as_str()), (400, Some("invalid_target")));
    }
    let (status, third) = refresh(&second["refresh_token"], "");
    assert_eq!((status, &third["org_id"]), (200, &Value::Null), "the refused ones rotated nothing");
    assert!(claims(&third).as_object().unwrap().keys().all(|name| !name.starts_with("org_")));

    let (status, again) = world.exchange(&code);
    assert_eq!((status, again["error"].as_str()), (400, Some("invalid_grant")));
    let (status, dead) = refresh(&third["refresh_token"], "");
    assert_eq!(
        (status, dead["error"].as_str()),
        (400, Some("invalid_grant")),
        "a replayed code ends what it made"
    );
}

/// The claims of the access token in a token response.
fn claims(response: &Value) -> Value {
    let token = response["access_token"].as_str().unwrap_or_else(|| panic!("{response}"));
    let payload = token.split('.').nth(1).unwrap();
    let mut bits = 0u32;
    let mut have = 0;
    let mut bytes = Vec::new();
    for c in payload.bytes() {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        bits = bits << 6 | u32::try_from(alphabet.iter().position(|known| *known == c).unwrap()).unwrap();
        have += 6;
        if have >= 8 {
            have -= 8;
            bytes.push(u8::try_from(bits >> have & 0xff).unwrap());
        }
    }
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn the_issuer_keeps_everything_over_a_restart() {
    let folder = Folder::new();
    let file = folder.write("bootstrap.yaml", &bootstrap());
    let start = || {
        orgate()
            .args([
                "issuer",
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
                "--public-url",
                "http://127.0.0.1:18999",
                "--bootstrap",
            ])
            .args([&file])
            .env("JOURNEY_SECRET", "a secret of the journey")
            .folder(folder.path())
            .ready()
    };
    let keys = |running: &Running| {
        request("GET", &format!("{}/p/proj_demo/jwks.json", running.url("issuer")), &[], None).json()
    };
    let first = start();
    let before = keys(&first);
    assert_eq!(first.terminate().code, Some(0));
    let second = start();
    assert_eq!(keys(&second), before, "the same keys, readable by the same secret");
    drop(second); // killed
    assert_eq!(keys(&start()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_finishes_what_is_under_way() {
    let world = World::start();
    let upstream = Upstream::start().await;
    let proxy = world.proxy(&upstream.url());
    assert_eq!(ask(&proxy.url("proxy"), "GET", "/healthz", None), "200");
    let metrics = request("GET", &format!("{}/metrics", proxy.url("admin")), &[], None);
    assert!(
        metrics.body.contains("orgate_requests_total{rule=\"GET /healthz\",code=\"ok\"")
            || metrics.body.contains("rule=\"GET /healthz\""),
        "{}",
        metrics.body
    );
    let ended = proxy.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
