//! The applications of `examples/signed-identity`, behind the real proxy: they believe what it signed for the request at
//! hand, and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{path::Path, process::Command};

use orgate_e2e::{Folder, Program, Running, clock, orgate, request_to};
use orgate_testkit::{Reply, Stub, TestKey, access_token_claims, jwks};

const POLICY: &str = "version: 1
issuers:
  main: {issuer: https://issuer.example, audience: app, profile: orgate, keys: {file: keys.json}}
identity:
  sign: {issuer: https://gate.example.com, audience: notes}
  publish: true
rules:
  GET /open: public
  GET /orgs/{org_id}/notes: read
";

/// A Python that has PyJWT.
fn python() -> &'static str {
    let has_it = |python: &&str| {
        let asked = Command::new(python).args(["-c", "import jwt, cryptography"]).output();
        asked.is_ok_and(|output| output.status.success())
    };
    ["python3", "/usr/bin/python3"]
        .into_iter()
        .find(has_it)
        .expect("a python3 with PyJWT is needed (Debian: apt-get install python3-jwt python3-cryptography)")
}

/// The application and the proxy in front of it.
fn behind_the_proxy(program: Program, script: &str, folder: &Folder, keys: &Stub) -> (Running, Running) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples/signed-identity");
    let application = program
        .args([script])
        .folder(&example)
        .env("KEYS", &format!("{}/keys", keys.url()))
        .env("PORT", "0")
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .listening();
    folder.write("orgate.yaml", POLICY);
    folder.write("keys.json", &jwks([TestKey::es256()]));
    let upstream = application.url("app");
    let proxy = orgate()
        .args(["proxy", "--upstream", &upstream, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .folder(folder.path())
        .ready();
    let published = request_to(&proxy.url("proxy"), "GET", "/.well-known/orgate-identity/jwks.json", &[]);
    assert_eq!(published.status, 200);
    assert_eq!(published.header("content-type"), Some("application/jwk-set+json"));
    let administered = request_to(&proxy.url("admin"), "GET", "/.well-known/jwks.json", &[]);
    assert_eq!(administered.body, published.body);
    keys.set("/keys", Reply::json(published.body));
    (application, proxy)
}

async fn believes_the_gate_only(program: Program, script: &str) {
    let (folder, keys) = (Folder::new(), Stub::start().await);
    let (application, proxy) = behind_the_proxy(program, script, &folder, &keys);
    let token = TestKey::es256().mint(&access_token_claims("https://issuer.example", "app", clock::now()));
    let bearer = format!("Bearer {token}");
    let (gate, direct) = (proxy.url("proxy"), application.url("app"));

    let answer = request_to(&gate, "GET", "/orgs/org_acme/notes?x=1", &[("authorization", &bearer)]);
    let told = answer.json();
    assert_eq!(answer.status, 200, "{told}");
    for (name, value) in [
        ("iss", "https://gate.example.com"),
        ("sub", "usr_ann"),
        ("org_id", "org_acme"),
        ("org_slug", "acme"),
        ("org_role", "member"),
        ("auth", "token"),
        ("auth_iss", "https://issuer.example"),
        ("htm", "GET"),
        ("htu", "/orgs/org_acme/notes"),
    ] {
        assert_eq!(told[name], value, "{name}");
    }
    assert_eq!(told["aud"], serde_json::json!(["notes"]));
    assert_eq!(told["org_permissions"], serde_json::json!(["read", "write"]));
    assert_eq!(told["exp"].as_i64().unwrap() - told["iat"].as_i64().unwrap(), 60);
    assert_eq!(told["jti"].as_str().unwrap().len(), 26);

    // Around the gate, with the plain headers, with a token of the issuer, with one that a client brings to a public route.
    let around: [(&str, &[(&str, &str)]); 3] = [
        (&direct, &[("x-orgate-sub", "usr_ann")]),
        (&direct, &[("x-orgate-assertion", &token)]),
        (&gate, &[("x-orgate-assertion", &token), ("x_orgate_assertion", &token)]),
    ];
    for (url, headers) in around {
        let answer = request_to(url, "GET", "/open", headers);
        assert_eq!(answer.status, 401, "{headers:?}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_in_python_believes_the_gate_and_nobody_else() {
    believes_the_gate_only(Program::of(python()), "app.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_in_node_believes_the_gate_and_nobody_else() {
    believes_the_gate_only(Program::of("node"), "app.mjs").await;
}
