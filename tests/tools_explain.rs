//! `orgate explain` and `orgate token` with tokens, hosts and header fields, through the binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::io::Write as _;

use orgate_e2e::{Finished, Folder, orgate};
use orgate_testkit::{TestKey, access_token_claims, jwks};
use serde_json::{Value, json};

const ISSUER: &str = "https://id.example.com";
const POLICY: &str = "version: 1
issuers:
  main: {issuer: \"https://id.example.com\", audience: api, profile: orgate, keys: {file: jwks.json}}
bind: {header.x-org-id: org.id}
rules:
  GET /h: public
  GET /docs: read
  DELETE /docs: delete_org
";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("orgate.yaml", POLICY);
    folder.write("jwks.json", &jwks([TestKey::es256()]));
    folder
}

fn now() -> i64 {
    let now = std::process::Command::new("date").arg("+%s").output().unwrap().stdout;
    String::from_utf8(now).unwrap().trim().parse().unwrap()
}

fn token() -> String {
    TestKey::es256().mint(&access_token_claims(ISSUER, "api", now()))
}

fn run(folder: &Folder, arguments: &[&str]) -> Finished {
    orgate().args(arguments).folder(folder.path()).finish()
}

fn explained(folder: &Folder, arguments: &[&str]) -> Value {
    let all = [&["explain"], arguments, &["--format", "json"]].concat();
    let finished = run(folder, &all);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    serde_json::from_str(&finished.stdout).unwrap()
}

#[test]
fn a_token_that_holds_is_explained_and_never_shown() {
    let folder = folder();
    let token = token();
    let told = explained(&folder, &["GET", "/docs", "--token", &token]);
    assert_eq!((&told["decision"], &told["token"]["verified"]), (&json!("allow"), &json!(true)));
    assert_eq!(
        told["claims"],
        json!({"issuer": "main", "slots": {
            "sub": "usr_ann", "org.id": "org_acme", "org.slug": "acme", "role": "member", "permissions": "read write",
        }})
    );
    let finished = run(&folder, &["explain", "DELETE", "/docs", "--token", &token, "--expect", "deny"]);
    assert_eq!(finished.code, Some(0));
    for part in [
        "DENY 403 missing_permission",
        "WWW-Authenticate: Bearer realm=\"orgate\", error=\"insufficient_scope\", scope=\"delete_org\"",
        "the claims, as issuer `main` has them read:",
        "org.slug     acme",
    ] {
        assert!(finished.stdout.contains(part), "{part}: {}", finished.stdout);
    }
    for part in token.split('.') {
        assert!(!finished.stdout.contains(part) && !finished.stderr.contains(part));
    }
}

#[test]
fn a_token_that_does_not_hold_is_refused_as_a_door_would() {
    let folder = folder();
    let mut claims = access_token_claims(ISSUER, "api", now() - 3600);
    let old = TestKey::es256().mint(&claims);
    claims["exp"] = (now() + 300).into();
    claims["iss"] = "https://evil.example".into();
    let foreign = TestKey::es256().mint(&claims);
    let forged = format!("{}AAAA", token().rsplit_once('.').map(|(signed, _)| format!("{signed}.")).unwrap());
    for (token, code) in [(&old, "expired_token"), (&foreign, "unknown_issuer"), (&forged, "invalid_token")] {
        let told = explained(&folder, &["GET", "/docs", "--token", token]);
        assert_eq!((&told["status"], &told["code"]), (&json!(401), &json!(code)), "{told}");
        assert_eq!(told["token"]["verified"], false);
        assert!(told["challenge"].as_str().unwrap().contains("error=\"invalid_token\""), "{told}");
        assert_eq!(told["principal"], Value::Null);
        let public = explained(&folder, &["GET", "/h", "--token", token]);
        assert_eq!(public["decision"], "allow", "credentials do not matter there");
    }
    let finished = run(&folder, &["explain", "GET", "/docs", "--token", &old]);
    assert!(finished.stdout.contains("REFUSED"), "{}", finished.stdout);
    // Decoded without being verified, it speaks all the same, and loudly so.
    let finished = run(&folder, &["explain", "GET", "/docs", "--token", &forged, "--no-verify"]);
    assert!(
        finished.stdout.starts_with("ALLOW") && finished.stdout.contains("NOT VERIFIED"),
        "{}",
        finished.stdout
    );
    let finished = run(&folder, &["explain", "GET", "/docs", "--token", &foreign, "--no-verify"]);
    assert!(
        finished.code == Some(2) && finished.stderr.contains("none of the policy's issuers"),
        "{}",
        finished.stderr
    );
    let told = explained(&folder, &["GET", "/docs", "--token", &foreign, "--no-verify", "--issuer", "main"]);
    assert_eq!(told["decision"], "allow");
    let finished = run(&folder, &["explain", "GET", "/docs", "--no-verify"]);
    assert_eq!(finished.code, Some(2));
}

#[test]
fn keys_that_cannot_be_had_are_503() {
    let folder = folder();
    std::fs::remove_file(folder.path().join("jwks.json")).unwrap();
    let told = explained(&folder, &["GET", "/docs", "--token", &token()]);
    assert_eq!((&told["status"], &told["code"]), (&json!(503), &json!("keys_unavailable")), "{told}");
}

#[test]
fn header_fields_are_part_of_the_request() {
    let folder = folder();
    let base = ["GET", "/docs", "--role", "viewer", "--org", "acme"];
    let code = |more: &[&str]| explained(&folder, &[&base, more].concat())["code"].clone();
    assert_eq!(code(&[]), Value::Null);
    assert_eq!(code(&["-H", "X-Org-Id: acme"]), Value::Null);
    assert_eq!(code(&["-H", "x-org-id:evil"]), "org_mismatch");
    assert_eq!(code(&["-H", "x-org-id:acme", "-H", "x-org-id:acme"]), "org_mismatch");
    assert_eq!(code(&["--host", "a b"]), "bad_request_target");
    assert_eq!(run(&folder, &["explain", "GET", "/docs", "-H", "x"]).code, Some(2));
    folder.write(
        "requests.jsonl",
        "{\"method\":\"GET\",\"path\":\"/docs\",\"headers\":{\"x-org-id\":[\"acme\",\"acme\"]},\"principal\":{\"roles\":[\"viewer\"],\"org_id\":\"acme\"}}\n{\"method\":\"GET\",\"path\":\"/docs\",\"host\":\"a.example\",\"headers\":{\"x-org-id\":\"acme\"},\"principal\":{\"roles\":[\"viewer\"],\"org_id\":\"acme\",\"claims\":{\"n\":1,\"s\":[\"a\"]}}}\n",
    );
    let finished = run(&folder, &["explain", "--batch", "requests.jsonl"]);
    let codes: Vec<Value> = finished
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["code"].clone())
        .collect();
    assert_eq!(codes, [json!("org_mismatch"), Value::Null], "{}", finished.stderr);
}

#[test]
fn a_token_is_inspected_without_its_signature() {
    let folder = Folder::new();
    let token = token();
    let mut child = orgate().args(["token", "inspect", "-"]).folder(folder.path()).piped();
    child.stdin.take().unwrap().write_all(format!("Bearer {token}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(
        told.starts_with("NOT VERIFIED") && told.contains("\"usr_ann\"") && told.contains("it ends in"),
        "{told}"
    );
    assert!(!told.contains(token.rsplit('.').next().unwrap()));
    let finished = run(&folder, &["token", "inspect", &token, "--format", "json"]);
    let told: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(
        (&told["verified"], &told["expired"], &told["claims"]["org_id"]),
        (&json!(false), &json!(false), &json!("org_acme"))
    );
    for bad in ["x", "a.b.c", "..", "e30.e30"] {
        let finished = run(&folder, &["token", "inspect", bad]);
        assert!(finished.code == Some(2) && finished.stderr.contains("no JWT"), "{bad}: {}", finished.stderr);
    }
}
