//! The decision doors behind real proxies: nginx, Caddy and Envoy with the configuration that `orgate snippet` prints.
//! Traefik is in no registry of packages; its requests are replayed as its source writes them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use orgate_e2e::{
    Folder, Response, Running, clock,
    front::{Front, Kind},
    orgate, request, request_to,
};
use orgate_testkit::{Recorded, TestKey, Upstream, access_token_claims, jwks};
use serde_json::json;

const POLICY: &str = "version: 1
issuers:
  main: {issuer: https://issuer.example, audience: app, profile: orgate, keys: {file: keys.json}}
  away: {issuer: https://away.example, audience: app, profile: orgate, keys: {jwks_uri: \"http://127.0.0.1:1/keys\"}}
identity: {also_strip: [X-Org-Id]}
rules:
  GET /open: public
  GET|POST /docs: read
  GET /docs/{name}: read
  PUT /docs: delete_org
  GET /orgs/{org_id}/notes: read
  GET /once: {require: read, limit: 1/h per sub}
";

struct World {
    _folder: Folder,
    gate: Running,
    app: Upstream,
    policy: std::path::PathBuf,
}

impl World {
    async fn start() -> Self {
        Self::with(POLICY).await
    }

    async fn with(policy: &str) -> Self {
        let folder = Folder::new();
        folder.write("orgate.yaml", policy);
        folder.write("keys.json", &jwks([TestKey::es256()]));
        let any = "127.0.0.1:0";
        let gate = orgate()
            .args(["serve", "--forward-auth", any, "--ext-authz", any, "--authzen", any, "--admin", any])
            .args(["--decision-log", "decisions.log"])
            .folder(folder.path())
            .ready();
        let policy = folder.path().to_owned();
        Self { _folder: folder, gate, app: Upstream::start().await, policy }
    }

    fn behind(&self, kind: Kind) -> Front {
        Front::start(kind, &self.policy, &self.gate.url(kind.door()), &self.app.url())
    }

    /// The only request that reached the application since it was last asked.
    fn seen(&self) -> Recorded {
        let mut seen = self.app.take_requests();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }
}

fn bearer(issuer: &str) -> String {
    format!("Bearer {}", TestKey::es256().mint(&access_token_claims(issuer, "app", clock::now())))
}

fn ann() -> String {
    bearer("https://issuer.example")
}

/// What a client gets where the gate answers `status`: nginx passes on 401 and 403, and makes 500 of the rest.
fn through(kind: Kind, status: u16) -> u16 {
    match (kind, status) {
        (Kind::Nginx, 400 | 429) => 403,
        (Kind::Nginx, 500..) => 500,
        // To Envoy it would be an error, and an error is a yes where somebody wrote `failure_mode_allow`.
        (Kind::EnvoyHttp, 500..) => 403,
        (_, status) => status,
    }
}

/// The headers by which an application would take somebody for somebody, folded as careless ones fold them; without those
/// that say nothing.
fn identity(seen: &Recorded) -> Vec<(String, String)> {
    let fold = |name: &str| name.replace(['_', '.'], "-");
    let mut told: Vec<_> = seen
        .headers
        .iter()
        .map(|(name, value)| (fold(name.as_str()), value.to_str().unwrap().to_owned()))
        .filter(|(name, value)| (name.starts_with("x-orgate-") || name == "x-org-id") && !value.is_empty())
        .collect();
    told.sort();
    told
}

const TOLD: [(&str, &str); 7] = [
    ("x-orgate-auth", "token"),
    ("x-orgate-issuer", "https://issuer.example"),
    ("x-orgate-org-id", "org_acme"),
    ("x-orgate-org-slug", "acme"),
    ("x-orgate-permissions", "read,write"),
    ("x-orgate-role", "member"),
    ("x-orgate-sub", "usr_ann"),
];

fn told() -> Vec<(String, String)> {
    TOLD.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

fn every_answer_arrives(world: &World, kind: Kind) {
    let front = world.behind(kind);
    let url = front.url();
    let token = ann();
    let ask =
        |method: &str, target: &str, headers: &[(&str, &str)]| request_to(&url, method, target, headers);

    // What goes on is what was judged, byte by byte, with who is calling.
    for (method, target) in [
        ("GET", "/docs"),
        ("HEAD", "/docs"),
        ("GET", "/docs/a%C3%BC~!?x=%2F&y=//"),
        ("GET", "/orgs/org_acme/notes"),
    ] {
        let answer = ask(method, target, &[("authorization", &token)]);
        assert_eq!(answer.status, 200, "{kind:?} {target}: {answer:?}\n{}", front.log());
        let seen = world.seen();
        assert_eq!((seen.method.as_str(), seen.target.as_str()), (method, target), "{kind:?}");
        assert_eq!(identity(&seen), told(), "{kind:?} {target}");
        assert_eq!(seen.header("authorization"), Some(&*token));
    }
    let answer = request("POST", &format!("{url}/docs"), &[("authorization", &token)], Some("a body"));
    assert_eq!(answer.status, 200, "{kind:?}");
    let seen = world.seen();
    assert_eq!((seen.method.as_str(), &*seen.body), ("POST", b"a body".as_slice()), "{kind:?}");

    // Every refusal is one, and the application hears of none.
    let away = bearer("https://away.example");
    assert_eq!(ask("GET", "/once", &[("authorization", &token)]).status, 200);
    assert_eq!(world.seen().target, "/once");
    let cases: [(&str, &str, Option<&str>, u16, &str); 10] = [
        ("GET", "/docs", None, 401, "no_credential"),
        ("GET", "/docs", Some("Bearer a.b.c"), 401, "invalid_token"),
        ("POST", "/docs", None, 401, "no_credential"),
        ("PUT", "/docs", Some(&token), 403, "missing_permission"),
        ("GET", "/orgs/org_evil/notes", Some(&token), 403, "org_mismatch"),
        ("GET", "/nowhere", Some(&token), 403, "no_rule"),
        ("DELETE", "/docs", Some(&token), 403, "method_not_covered"),
        ("GET", "/docs", Some("Bearer a Bearer b"), 400, "bad_request"),
        ("GET", "/once", Some(&token), 429, "rate_limited"),
        ("GET", "/docs", Some(&away), 503, "keys_unavailable"),
    ];
    for (method, target, authorization, status, code) in cases {
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", *value)).collect();
        let body = (method != "GET").then_some("a body");
        let answer = request(method, &format!("{url}{target}"), &headers, body);
        assert_eq!(answer.status, through(kind, status), "{kind:?} {code}: {answer:?}\n{}", front.log());
        if kind != Kind::Nginx {
            assert_eq!(answer.json()["code"], code, "{kind:?}");
        }
        if status == 401 {
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            assert!(challenge.starts_with("Bearer realm=\"orgate\""), "{kind:?} {code}: {challenge}");
        }
        if matches!(status, 429 | 503) && kind != Kind::Nginx {
            assert!(answer.header("retry-after").is_some(), "{kind:?} {code}");
        }
        assert_eq!(world.app.take_requests().len(), 0, "{kind:?} {method} {target}");
    }
}

fn nobody_is_somebody_else(world: &World, kind: Kind) {
    let front = world.behind(kind);
    let url = front.url();
    let spoofed = [
        ("X-Orgate-Sub", "root"),
        ("x-orgate-ROLE", "owner"),
        ("X_Orgate_Sub", "root"),
        ("X.Orgate.Org.Id", "org_evil"),
        ("X-Orgate_Permissions", "delete_org"),
        ("X-Orgate-Assertion", "a.b.c"),
        ("X-Org-Id", "org_evil"),
        // nginx removes names that it is told, and not all that begin alike.
        ("X-Orgate-Anything", "root"),
    ];
    let spoofed = if kind == Kind::Nginx { &spoofed[..7] } else { &spoofed[..] };
    assert_eq!(request_to(&url, "GET", "/open", spoofed).status, 200, "{kind:?}\n{}", front.log());
    assert_eq!(identity(&world.seen()), [], "{kind:?}");
    let token = ann();
    let with_token = [spoofed, &[("authorization", &*token)]].concat();
    assert_eq!(request_to(&url, "GET", "/docs", &with_token).status, 200, "{kind:?}");
    assert_eq!(identity(&world.seen()), told(), "{kind:?}");

    // `Connection` names what goes no further; that must not be what the gate says.
    let headers = [("authorization", &*token), ("connection", "close, X-Orgate-Sub, x-orgate-role")];
    match request_to(&url, "GET", "/docs", &headers).status {
        200 => assert_eq!(identity(&world.seen()), told(), "{kind:?}"),
        status => {
            assert!((400..500).contains(&status), "{kind:?} {status}");
            assert_eq!(world.app.take_requests().len(), 0, "{kind:?}");
        }
    }

    // Nor can a client say which request is meant.
    let elsewhere = [
        ("X-Original-URL", "/open"),
        ("X-Original-URI", "/open"),
        ("X-Original-Method", "GET"),
        ("X-Forwarded-Uri", "/open"),
        ("X-Forwarded-Method", "GET"),
        ("X-Rewrite-URL", "/open"),
        ("X-HTTP-Method-Override", "GET"),
    ];
    let answer = request_to(&url, "GET", "/nowhere", &elsewhere);
    assert!(matches!(answer.status, 400 | 403), "{kind:?}: {answer:?}");
    assert_eq!(world.app.take_requests().len(), 0, "{kind:?}");
    let allowed = [("X-Rewrite-URL", "/docs"), ("X-HTTP-Method-Override", "PUT"), ("X-Script-Name", "/x")];
    assert_eq!(request_to(&url, "GET", "/open", &allowed).status, 200, "{kind:?}");
    let seen = world.seen();
    for (name, _) in allowed {
        assert!(!seen.headers.contains_key(name), "{kind:?} {name}");
    }
}

fn a_path_with_two_readings_goes_nowhere(world: &World, kind: Kind) {
    let front = world.behind(kind);
    for target in [
        "/open/../docs",
        "/open/%2e%2e/docs",
        "/docs/..",
        "//open",
        "/open//",
        "/open%2f..%2fdocs",
        "/open;x",
        "/open%3Bx",
        "/open%00",
        "/open%5c",
        "/open\\docs",
        "/open%",
        "/open%zz",
        "/open.",
        "/open#/docs",
        "/open%c0%ae",
    ] {
        let answer = request_to(&front.url(), "GET", target, &[("authorization", &ann())]);
        assert!(matches!(answer.status, 400 | 403 | 404), "{kind:?} {target}: {answer:?}");
        assert_eq!(world.app.take_requests().len(), 0, "{kind:?} {target}");
    }
}

/// If nobody answers, nobody gets in.
fn without_a_gate_nothing_passes(world: &World, kind: Kind) {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gate = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let front = Front::start(kind, &world.policy, &gate, &world.app.url());
    let answer = request_to(&front.url(), "GET", "/open", &[]);
    assert!(answer.status >= 400, "{kind:?}: {answer:?}");
    assert_eq!(world.app.take_requests().len(), 0, "{kind:?}");
}

async fn holds(kind: Kind) {
    let world = World::start().await;
    every_answer_arrives(&world, kind);
    nobody_is_somebody_else(&world, kind);
    a_path_with_two_readings_goes_nowhere(&world, kind);
    without_a_gate_nothing_passes(&world, kind);
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_lets_pass_what_the_gate_lets_pass() {
    holds(Kind::Nginx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caddy_lets_pass_what_the_gate_lets_pass() {
    holds(Kind::Caddy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_lets_pass_what_the_gate_lets_pass_over_grpc() {
    holds(Kind::EnvoyGrpc).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_lets_pass_what_the_gate_lets_pass_over_http() {
    holds(Kind::EnvoyHttp).await;
}

/// As `pkg/middlewares/auth/forward.go` writes it: a GET with all headers of the client and what is forwarded.
fn traefik(gate: &str, method: &str, uri: &str, client: &[(&str, &str)]) -> Response {
    let mut headers = vec![
        ("Accept-Encoding", "gzip"),
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-Method", method),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Host", "app.example"),
        ("X-Forwarded-Uri", uri),
        ("X-Forwarded-Server", "traefik-1"),
    ];
    headers.extend(client);
    request_to(gate, "GET", "/", &headers)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_requests_of_traefik_get_the_very_refusal_or_the_identity() {
    let world = World::start().await;
    let gate = world.gate.url("forward-auth");
    let token = ann();
    let answer =
        traefik(&gate, "POST", "/docs?a=%2F", &[("Authorization", &token), ("Content-Length", "12")]);
    assert_eq!(answer.status, 200, "{answer:?}");
    for (name, value) in TOLD {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    // What is listed and absent would stay the client's in a front that cannot delete.
    for name in ["x-orgate-assertion", "x-org-id"] {
        assert_eq!(answer.header(name), Some(""), "{name}");
    }
    assert_eq!(
        traefik(&gate, "PUT", "/docs", &[("Authorization", &token)]).verdict(),
        "403 missing_permission"
    );
    assert_eq!(traefik(&gate, "GET", "/docs", &[]).verdict(), "401 no_credential");
    assert_eq!(traefik(&gate, "GET", "/docs/../open", &[]).verdict(), "400 bad_request_target");
    let trusting = traefik(&gate, "GET", "/open", &[("X-Forwarded-Uri", "/docs")]);
    assert_eq!(trusting.verdict(), "400 bad_request");
    assert_eq!(request_to(&gate, "GET", "/open", &[]).verdict(), "400 bad_request");
}

fn evaluate(url: &str, path: &str, question: &serde_json::Value) -> Response {
    let headers = [("content-type", "application/json"), ("x-request-id", "req-1")];
    request("POST", &format!("{url}/access/v1/{path}"), &headers, Some(&question.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn authzen_says_the_same_and_believes_no_subject() {
    let world = World::start().await;
    let url = world.gate.url("authzen");
    let token = ann();
    let token = token.strip_prefix("Bearer ").unwrap();
    let asking = |method: &str, target: &str, properties: serde_json::Value| {
        json!({
            "subject": {"type": "user", "id": "usr_owner", "properties": properties},
            "action": {"name": method},
            "resource": {"type": "route", "id": target},
        })
    };
    let with_token = json!({"access_token": token});
    let answer = evaluate(&url, "evaluation", &asking("GET", "/docs?x", with_token.clone()));
    assert_eq!((answer.status, &answer.json()["decision"]), (200, &json!(true)), "{answer:?}");
    assert_eq!(answer.header("x-request-id"), Some("req-1"));
    for (question, code) in [
        (asking("GET", "/docs", json!({"role": "owner"})), "no_credential"),
        (asking("PUT", "/docs", with_token.clone()), "missing_permission"),
        (asking("GET", "/docs/../open", with_token.clone()), "bad_request_target"),
        (asking("GET", "open", with_token.clone()), "bad_request_target"),
    ] {
        let answer = evaluate(&url, "evaluation", &question);
        let told = answer.json();
        assert_eq!((answer.status, &told["decision"]), (200, &json!(false)), "{told}");
        assert_eq!(told["context"]["code"], code);
        assert!(!answer.body.contains("usr_owner"));
    }
    let missing = evaluate(&url, "evaluation", &asking("PUT", "/docs", with_token.clone())).json();
    assert_eq!(missing["context"]["missing"], json!(["delete_org"]));

    let mut batch = asking("GET", "/docs", with_token);
    batch["evaluations"] = json!([
        {}, {"resource": {"type": "route", "id": "/nowhere"}}, {"resource": {"type": "route", "id": "/open"}},
    ]);
    for (semantic, decisions) in [
        (None, vec![true, false, true]),
        (Some("execute_all"), vec![true, false, true]),
        (Some("deny_on_first_deny"), vec![true, false]),
        (Some("permit_on_first_permit"), vec![true]),
    ] {
        if let Some(semantic) = semantic {
            batch["options"] = json!({"evaluations_semantic": semantic});
        }
        let told = evaluate(&url, "evaluations", &batch).json();
        let told: Vec<bool> = told["evaluations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|evaluation| evaluation["decision"].as_bool().unwrap())
            .collect();
        assert_eq!(told, decisions, "{semantic:?}");
    }
    assert_eq!(evaluate(&url, "evaluation", &json!({})).verdict(), "400 bad_request");
    let metadata = request("GET", &format!("{url}/.well-known/authzen-configuration"), &[], None).json();
    assert_eq!(metadata["access_evaluation_endpoint"], format!("{url}/access/v1/evaluation"));
    assert_eq!(metadata["policy_decision_point"], url);
    assert_eq!(request("GET", &format!("{url}/access/v1/evaluation"), &[], None).status, 405);
    assert_eq!(request("GET", &format!("{url}/elsewhere"), &[], None).status, 404);
}
