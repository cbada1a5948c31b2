//! Signing up, and signing in again with more, through real processes: mail is read where developers read it, a gate asks
//! for a second factor (RFC 9470), and the issuer gives what the gate then takes. Programs get in with keys of their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use orgate_e2e::{
    Folder, Running, clock, orgate, request,
    sign_in::{Browser, encode, parameter},
    totp,
};
use orgate_testkit::Upstream;
use serde_json::{Value, json};

const CALLBACK: &str = "http://127.0.0.1:3000/callback";
const PASSWORD: &str = "a password that nobody knows";
const PROJECT: &str = "projects:\n  - id: proj_demo\n    name: Demo\n    org_enabled: true\n    personal_orgs: true\n    \
                       audience: [demo-api]\n    redirect_uris: [\"http://127.0.0.1:3000/callback\"]\n    \
                       client_secret: a secret of the test\n";

struct World {
    folder: Folder,
    issuer: Running,
}

impl World {
    fn start() -> Self {
        let folder = Folder::new();
        folder.write("bootstrap.yaml", PROJECT);
        let issuer = Self::issuer(&folder, "127.0.0.1:0");
        Self { folder, issuer }
    }

    fn issuer(folder: &Folder, listen: &str) -> Running {
        orgate()
            .args(["issuer", "--listen", listen, "--admin", "127.0.0.1:0", "--dev-outbox"])
            .args(["--bootstrap", "bootstrap.yaml"])
            .folder(folder.path())
            .ready()
    }

    fn url(&self) -> String {
        format!("{}/p/proj_demo", self.issuer.url("issuer"))
    }

    /// Asks the end users' API as a script does; the answer with the session's cookie, if there is one.
    fn post(&self, path: &str, cookie: &str, body: &Value) -> (u16, Value, String) {
        let origin = self.issuer.url("issuer");
        let headers = [("content-type", "application/json"), ("origin", &origin), ("cookie", cookie)];
        let url = format!("{}/v1/auth/{path}", self.url());
        let response = request("POST", &url, &headers, Some(&body.to_string()));
        let cookies: Vec<&str> = response
            .headers
            .iter()
            .filter(|(name, _)| name == "set-cookie")
            .map(|(_, value)| value.split(';').next().unwrap())
            .collect();
        (response.status, response.json(), cookies.join("; "))
    }

    fn outbox(&self) -> Vec<Value> {
        let response = request("GET", &format!("{}/dev/outbox", self.issuer.url("admin")), &[], None);
        assert_eq!(response.status, 200, "{}", response.body);
        response.json().as_array().unwrap().clone()
    }

    /// Signs up and gives the cookie of the session.
    fn sign_up(&self, email: &str) -> String {
        let wish = json!({ "email": email, "password": PASSWORD, "name": "Ann" });
        assert_eq!(self.post("signup", "", &wish).0, 202);
        let code = code_for(&self.outbox(), email);
        let (status, body, cookie) = self.post("email/verify", "", &json!({ "email": email, "code": code }));
        assert_eq!((status, &body["role"]), (200, &json!("owner")), "{body}");
        cookie
    }

    /// Signs in at the pages and exchanges the code; `more` goes with the authorization request.
    fn token(&self, email: &str, more: &str, second: &str) -> Value {
        let url = format!(
            "{}/authorize?response_type=code&client_id=proj_demo&redirect_uri={}&scope=openid{more}",
            self.url(),
            encode(CALLBACK)
        );
        let fill = |field: &str, value: &str| match field {
            "email" => email.to_owned(),
            "password" => PASSWORD.to_owned(),
            "code" => second.to_owned(),
            _ => value.to_owned(),
        };
        let (location, _) = Browser::default().walk(&url, CALLBACK, fill);
        let Some(code) = parameter(&location, "code") else { return json!({ "location": location }) };
        let body = json!({ "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK,
                           "client_id": "proj_demo", "client_secret": "a secret of the test" });
        let headers = [("content-type", "application/json")];
        request("POST", &format!("{}/token", self.url()), &headers, Some(&body.to_string())).json()
    }
}

fn code_for(outbox: &[Value], email: &str) -> String {
    let letter = outbox.iter().find(|letter| letter["to"] == email).unwrap_or_else(|| panic!("{outbox:?}"));
    letter["text"].as_str().unwrap().lines().find(|line| line.starts_with("    ")).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_asks_for_a_second_factor_and_takes_the_token_that_has_it() {
    let world = World::start();
    let upstream = Upstream::start().await;
    let issuer = world.url();
    world.folder.write(
        "orgate.yaml",
        &format!(
            "version: 1\nissuers:\n  demo: {{issuer: \"{issuer}\", audience: demo-api, profile: orgate}}\nrules:\n  \
             GET /docs: read\n  DELETE /docs: delete_org and acr(\"mfa\") and fresh(15m)\n"
        ),
    );
    let gate = orgate()
        .args(["proxy", "--upstream", &upstream.url(), "--listen", "127.0.0.1:0", "--require-keys"])
        .args(["--admin", "127.0.0.1:0"])
        .folder(world.folder.path())
        .ready();
    let ask = |method: &str, token: &Value| {
        let bearer =
            format!("Bearer {}", token["access_token"].as_str().unwrap_or_else(|| panic!("{token}")));
        request(method, &format!("{}/docs", gate.url("proxy")), &[("authorization", &bearer)], None)
    };

    let cookie = world.sign_up("ann@example.com");
    let token = world.token("ann@example.com", "", "");
    assert_eq!(ask("GET", &token).verdict(), "200");
    let refused = ask("DELETE", &token);
    assert_eq!(refused.verdict(), "401 step_up_required");
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
    // It names what is missing: the sign-in is fresh.
    let (_, rest) = challenge.split_once("acr_values=\"").unwrap_or_else(|| panic!("{challenge}"));
    let more = format!("&acr_values={}", encode(rest.split('"').next().unwrap()));

    // Without a second factor the issuer says so, instead of going round in a circle.
    let unmet = world.token("ann@example.com", &more, "");
    let location = unmet["location"].as_str().unwrap_or_else(|| panic!("{unmet}"));
    assert_eq!(parameter(location, "error").as_deref(), Some("unmet_authentication_requirements"));

    let (status, begun, _) = world.post("mfa/totp", &cookie, &json!({}));
    assert_eq!(status, 201, "{begun}");
    let (secret, step) = (begun["secret"].as_str().unwrap(), clock::now() / 30);
    let (status, done, _) = world.post("mfa/totp/confirm", &cookie, &json!({ "code": totp(secret, step) }));
    assert_eq!(status, 200, "{done}");
    let token = world.token("ann@example.com", &more, &totp(secret, step + 1));
    assert_eq!(ask("DELETE", &token).verdict(), "200");
}

#[test]
fn mail_survives_a_kill_and_is_shown_on_this_machine_only() {
    let world = World::start();
    let wish = json!({ "email": "new@example.com", "password": PASSWORD });
    assert_eq!(world.post("signup", "", &wish).0, 202);
    world.issuer.signal("KILL");
    let issuer = World::issuer(&world.folder, "127.0.0.1:0");
    let again = World { folder: world.folder, issuer };
    let code = code_for(&again.outbox(), "new@example.com");
    let verify = json!({ "email": "new@example.com", "code": code });
    assert_eq!(again.post("email/verify", "", &verify).0, 200);

    let refused = |args: &[&str]| {
        let finished = orgate().args(["issuer"]).args(args).folder(again.folder.path()).finish();
        assert_eq!(finished.code, Some(2), "{args:?}: {}", finished.stderr);
        finished.stderr
    };
    let local = ["--listen", "127.0.0.1:0", "--dev-outbox", "--database", "sqlite::memory:"];
    let with = |more: &[&'static str]| [&local[..], more].concat();
    for args in [
        with(&["--admin", "0.0.0.0:0"]),
        with(&["--admin", "127.0.0.1:0", "--public-url", "https://id.example.com"]),
        vec![
            "--listen",
            "0.0.0.0:0",
            "--dev-outbox",
            "--admin",
            "127.0.0.1:0",
            "--public-url",
            "http://127.0.0.1:1",
        ],
    ] {
        assert!(refused(&args).contains("--dev-outbox"), "{args:?}");
    }
    assert!(refused(&local).contains("--admin"));
    assert!(
        refused(&with(&["--admin", "127.0.0.1:0", "--smtp", "smtp://127.0.0.1:1"]))
            .contains("cannot be used with")
    );
    let wrong = refused(&["--listen", "127.0.0.1:0", "--smtp", "ann:hunter2@mail.example.com"]);
    assert!(wrong.contains("help:") && !wrong.contains("hunter2"), "{wrong}");
}

#[test]
fn no_address_token_or_code_is_in_the_log() {
    let folder = Folder::new();
    folder.write("bootstrap.yaml", PROJECT);
    let issuer = orgate()
        .args([
            "issuer",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--dev-outbox",
            "--log",
            "trace",
        ])
        .args(["--bootstrap", "bootstrap.yaml"])
        .folder(folder.path())
        .ready();
    let world = World { folder, issuer };
    let cookie = world.sign_up("secretly.ann@example.com");
    let mut hidden = vec!["secretly".to_owned(), PASSWORD.to_owned()];
    hidden.extend(cookie.split("; ").map(|pair| pair.split_once('=').unwrap().1.to_owned()));
    let token = world.token("secretly.ann@example.com", "", "");
    hidden.push(token["access_token"].as_str().unwrap().split('.').nth(2).unwrap().to_owned());
    for (path, body) in [
        ("login", json!({ "email": "secretly.unknown@example.com", "password": "wrong" })),
        ("login", json!({ "email": "secretly.ann@example.com", "password": "wrong" })),
        ("password/forgot", json!({ "email": "secretly.ann@example.com" })),
        ("magic-link", json!({ "email": "secretly.ann@example.com" })),
        ("signup", json!({ "email": "secretly.ann@example.com", "password": PASSWORD })),
        ("email/verify", json!({ "email": "secretly.ann@example.com", "code": "87654321" })),
    ] {
        let _ = world.post(path, "", &body);
    }
    hidden.push("87654321".to_owned());
    for letter in world.outbox() {
        hidden.extend(
            letter["links"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|link| Some(link.as_str().unwrap().split_once("token=")?.1.to_owned())),
        );
    }
    let (_, begun, _) = world.post("mfa/totp", &cookie, &json!({}));
    hidden.push(begun["secret"].as_str().unwrap().to_owned());
    let log = world.issuer.terminate().stderr;
    assert!(log.contains("signed in"), "{log}");
    for text in hidden {
        assert!(!log.contains(&text), "`{text}` is in the log");
    }
}

/// The settings of a gate for API keys, as the page shows them.
fn page_of_api_keys() -> &'static str {
    let page = include_str!("../docs/organizations.md");
    let (_, section) = page.split_once("## API keys").unwrap();
    let (_, snippet) = section.split_once("```yaml\n").unwrap();
    snippet.split_once("```").unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_in_with_an_api_key_until_it_is_revoked() {
    let world = World::start();
    let upstream = Upstream::start().await;
    let settings = page_of_api_keys()
        .replace("https://id.example.com/p/proj_demo", &world.url())
        .replace("client_id: gate", "client_id: proj_demo");
    assert_eq!(settings.matches(&world.url()).count(), 2, "{settings}");
    let rules = "rules: {GET /docs: read, POST /docs: write, DELETE /docs: delete_org}\n";
    world.folder.write("orgate.yaml", &format!("version: 1\n{settings}{rules}"));
    let gate = orgate()
        .args(["proxy", "--upstream", &upstream.url(), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .env("GATE_SECRET", "a secret of the test")
        .folder(world.folder.path())
        .ready();

    let cookie = world.sign_up("ann@example.com");
    let mine = format!("{}/v1/auth/session", world.url());
    let session = request("GET", &mine, &[("cookie", &cookie)], None).json();
    let org = session["active_organization_id"].as_str().unwrap_or_else(|| panic!("{session}"));
    let make = |permissions: &[&str]| {
        let wish = json!({ "name": "CI", "permissions": permissions });
        let (status, key, _) = world.post(&format!("organizations/{org}/api-keys"), &cookie, &wish);
        assert_eq!(status, 201, "{key}");
        key
    };
    let ask = |method: &str, key: &Value| {
        let bearer = format!("Bearer {}", key["key"].as_str().unwrap());
        request(method, &format!("{}/docs", gate.url("proxy")), &[("authorization", &bearer)], None).verdict()
    };
    let (writer, revoked) = (make(&["read", "write"]), make(&["read"]));
    assert_eq!(ask("GET", &writer), "200");
    assert_eq!(ask("POST", &writer), "200");
    assert_eq!(ask("DELETE", &writer), "403 missing_permission");
    let seen = upstream.take_requests();
    assert_eq!(seen[0].header("x-orgate-sub"), writer["id"].as_str());
    assert_eq!(seen[0].header("x-orgate-org-id"), Some(org));
    assert_eq!(seen[0].header("x-orgate-role"), None);

    let path =
        format!("{}/v1/auth/organizations/{org}/api-keys/{}", world.url(), revoked["id"].as_str().unwrap());
    let origin = world.issuer.url("issuer");
    let gone = request("DELETE", &path, &[("cookie", &cookie), ("origin", &origin)], None);
    assert_eq!(gone.json()["status"], "revoked", "{}", gone.body);
    assert!(ask("GET", &revoked).starts_with("401"), "{}", ask("GET", &revoked));
}
