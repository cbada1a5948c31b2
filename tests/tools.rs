//! The tools over a policy file, through the binary: they say what the doors do, in forms that scripts rely on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use orgate_e2e::{Finished, Folder, orgate, request};
use orgate_testkit::{Answer, TestKey, Upstream, access_token_claims, jwks};
use serde_json::{Value, json};

const ISSUER: &str = "https://id.example.com/p/proj_demo";

/// The policy of the README, with its keys in a file.
fn policy() -> String {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let (_, rest) = readme.split_once("<!-- executed: policy -->\n```yaml\n").unwrap();
    let (policy, _) = rest.split_once("```").unwrap();
    let with_keys = policy.replace("audience: demo-api,", "audience: demo-api, keys: {file: jwks.json},");
    assert_ne!(with_keys, policy);
    with_keys
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("orgate.yaml", &policy());
    folder.write("jwks.json", &jwks([TestKey::es256()]));
    folder
}

fn run(folder: &Folder, arguments: &[&str]) -> Finished {
    orgate().args(arguments).folder(folder.path()).finish()
}

#[track_caller]
fn succeeded(folder: &Folder, arguments: &[&str]) -> String {
    let finished = run(folder, arguments);
    assert_eq!(finished.code, Some(0), "{arguments:?}: {}", finished.stderr);
    assert_eq!(finished.stderr, "", "{arguments:?}");
    finished.stdout
}

#[track_caller]
fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What tokens of the issuer carry, written here once more and not taken from the product.
const ROLES: [(&str, &[&str]); 4] = [
    ("viewer", &["read"]),
    ("member", &["read", "write"]),
    ("admin", &["read", "write", "invite", "remove_members", "change_roles"]),
    (
        "owner",
        &["read", "write", "invite", "remove_members", "change_roles", "delete_org", "transfer_ownership"],
    ),
];

const REQUESTS: [(&str, &str); 7] = [
    ("GET", "/docs"),
    ("POST", "/docs"),
    ("POST", "/members"),
    ("DELETE", "/members/mem_7"),
    ("PUT", "/members/mem_7"),
    ("DELETE", "/orgs/org_acme"),
    ("POST", "/orgs/org_acme/transfer"),
];

const BEYOND: [(&str, &str); 8] = [
    ("GET", "/healthz"),
    ("HEAD", "/docs"),
    ("DELETE", "/orgs/org_globex"),
    ("GET", "/nowhere"),
    ("PATCH", "/docs"),
    ("GET", "/docs/../members"),
    ("GET", "/%64ocs"),
    ("GET", "/docs/?page=2"),
];

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_what_the_gate_answers() {
    let folder = folder();
    let upstream = Upstream::start().await;
    upstream.answer(Answer::status(200));
    let base = ["proxy", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--require-keys", "--upstream"];
    let running = orgate().args(base).args([upstream.url()]).folder(folder.path()).ready();
    let door = running.url("proxy");

    let now = std::process::Command::new("date").arg("+%s").output().unwrap().stdout;
    let now: i64 = String::from_utf8(now).unwrap().trim().parse().unwrap();
    let mut callers = vec![(None, Value::Null)];
    for (role, permissions) in ROLES {
        let mut claims = access_token_claims(ISSUER, "demo-api", now);
        claims["org_role"] = role.into();
        claims["org_permissions"] = permissions.into();
        let told = json!({"roles": [role], "org_id": "org_acme", "org_slug": "acme"});
        callers.push((Some(format!("Bearer {}", TestKey::es256().mint(&claims))), told));
    }
    let mut lines = String::new();
    let mut answers = Vec::new();
    for (bearer, principal) in &callers {
        for (method, path) in REQUESTS.iter().chain(&BEYOND) {
            lines.push_str(&json!({"method": method, "path": path, "principal": principal}).to_string());
            lines.push('\n');
            let headers: Vec<_> = bearer.iter().map(|value| ("authorization", value.as_str())).collect();
            let answer = request(method, &format!("{door}{path}"), &headers, None);
            answers.push((format!("{method} {path} by {principal}"), *method, answer));
        }
    }
    folder.write("requests.jsonl", &lines);
    let told = succeeded(&folder, &["explain", "--batch", "requests.jsonl"]);
    let told: Vec<Value> = told.lines().map(object).collect();
    assert_eq!(told.len(), 5 * 15);
    assert_eq!(told.len(), answers.len());
    for ((request, method, answer), told) in answers.iter().zip(&told) {
        assert_eq!(told["status"], answer.status, "{request}: {told}");
        assert_eq!(told["decision"], if answer.status == 200 { "allow" } else { "deny" }, "{request}");
        assert_eq!(told["challenge"].as_str(), answer.header("www-authenticate"), "{request}: {told}");
        if answer.status == 200 || *method == "HEAD" {
            continue;
        }
        let body = answer.json();
        assert_eq!(told["code"], body["code"], "{request}: {told}");
        assert_eq!(told["rule"], body["rule"], "{request}: {told}");
        if !body["missing"].is_null() {
            assert_eq!(told["missing"], body["missing"], "{request}: {told}");
            assert_eq!(told["required"], body["required"], "{request}: {told}");
        }
    }
    let allowed = told.iter().filter(|told| told["decision"] == "allow").count();
    assert_eq!(allowed, 15 + 5 + 2 * 4, "the matrix, /healthz, and /docs in two more ways");
}

#[test]
fn an_explanation_names_the_rule_the_parts_and_the_way_in() {
    let folder = folder();
    let told = succeeded(&folder, &["explain", "DELETE", "/orgs/acme", "--role", "admin", "--org", "acme"]);
    assert_eq!(
        told,
        "\
DENY 403 missing_permission
  path     /orgs/acme -> /orgs/{org_id}  (org_id = \"acme\")  orgate.yaml:11
  method   DELETE named                                     ok
  who      usr_example in acme, role admin
  holds    change_roles invite read remove_members write
  bind     org_id \"acme\" == org.id \"acme\"                   ok
  require  delete_org                                       MISSING delete_org
  would be allowed for roles: owner
  the client gets WWW-Authenticate: Bearer realm=\"orgate\", error=\"insufficient_scope\", scope=\"delete_org\""
    );
    let arguments =
        ["explain", "DELETE", "/orgs/acme", "--role", "admin", "--org", "acme", "--format", "json"];
    let told = object(&succeeded(&folder, &arguments));
    assert_eq!(
        told,
        json!({
            "decision": "deny", "status": 403, "code": "missing_permission",
            "rule": "DELETE /orgs/{org_id}", "file": "orgate.yaml", "line": 11,
            "params": {"org_id": "acme"}, "required": "delete_org", "missing": ["delete_org"],
            "allowed_roles": ["owner"],
            "principal": {
                "sub": "usr_example", "org_id": "acme", "org_slug": null, "roles": ["admin"],
                "permissions": ["change_roles", "invite", "read", "remove_members", "write"],
            },
            "challenge": "Bearer realm=\"orgate\", error=\"insufficient_scope\", scope=\"delete_org\"",
        })
    );
    let nothing = object(&succeeded(&folder, &["explain", "GET", "/nowhere", "--format", "json"]));
    assert_eq!((&nothing["code"], &nothing["rule"]), (&json!("no_rule"), &Value::Null));
    let twofold = object(&succeeded(&folder, &["explain", "GET", "/a//b", "--format", "json"]));
    assert_eq!((&twofold["code"], &twofold["status"]), (&json!("bad_request_target"), &json!(400)));
}

#[test]
fn explain_ends_with_1_where_the_answer_is_unexpected_and_with_2_where_there_is_none() {
    let folder = folder();
    let claims = r#"{"sub": "u", "org_id": "acme", "org_permissions": ["read"]}"#;
    folder.write("claims.json", claims);
    folder.write("bad.jsonl", "{\"method\":\"GET\",\"path\":\"/docs\"}\n{\"method\":\"GET\"}\n");
    for (arguments, code, part) in [
        (&["GET", "/docs", "--claims", "@claims.json", "--issuer", "main", "--expect", "allow"][..], 0, ""),
        (&["GET", "/docs", "--claims", claims, "--expect", "deny"], 1, "expected deny, got allow"),
        (&["GET", "/docs", "--anonymous", "--expect", "allow"], 1, "expected allow, got deny"),
        (&["GET", "/docs", "--role", "ownr"], 2, "did you mean `owner`?"),
        (&["get", "/docs"], 2, "did you mean `GET`?"),
        (&["GET", "/docs", "--claims", claims, "--issuer", "mian"], 2, "did you mean `main`?"),
        (&["GET", "/docs", "--claims", "{}"], 2, "no `sub`"),
        (&["GET", "/docs", "--anonymous", "--role", "owner"], 2, "cannot be used with"),
        (&["GET", "/docs", "--org-slug", "acme"], 2, "--org"),
        (&["GET"], 2, "<PATH>"),
        (&["--batch", "bad.jsonl"], 2, "bad.jsonl:2: there is no `path`"),
        (&["--batch", "none.jsonl"], 2, "none.jsonl"),
    ] {
        let finished = run(&folder, &[&["explain"], arguments].concat());
        assert_eq!(finished.code, Some(code), "{arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(part), "{arguments:?}: {}", finished.stderr);
    }
}

#[test]
fn the_matrix_is_the_same_in_every_form() {
    let folder = folder();
    let table = object(&succeeded(&folder, &["matrix", "--format", "json"]));
    assert_eq!(table["roles"], json!(["anonymous", "viewer", "member", "admin", "owner"]));
    assert_eq!(table["routes"].as_array().unwrap().len(), 8);
    assert_eq!(
        table["routes"][6],
        json!({"rule": "DELETE /orgs/{org_id}", "line": 11, "requirement": "delete_org",
            "cells": {"anonymous": "no", "viewer": "no", "member": "no", "admin": "no", "owner": "own"}})
    );
    let markdown = succeeded(&folder, &["matrix", "--format", "markdown", "--roles", "owner,viewer"]);
    assert_eq!(
        markdown,
        "\
| Route | Requires | anonymous | owner | viewer |
|---|---|:-:|:-:|:-:|
| `GET /healthz` | `public` | yes | yes | yes |
| `GET /docs` | `read` | - | yes | yes |
| `POST /docs` | `write` | - | yes | - |
| `POST /members` | `invite` | - | yes | - |
| `DELETE /members/{id}` | `remove_members` | - | yes | - |
| `PUT /members/{id}` | `change_roles` | - | yes | - |
| `DELETE /orgs/{org_id}` | `delete_org` | - | own | - |
| `POST /orgs/{org_id}/transfer` | `transfer_ownership` | - | own | - |

`own`: only in the caller's own organization."
    );
    let csv = succeeded(&folder, &["matrix", "--format", "csv"]);
    assert!(csv.contains("DELETE /orgs/{org_id},delete_org,orgate.yaml,11,no,no,no,no,own"), "{csv}");
    let text = succeeded(&folder, &["matrix"]);
    let row = text.lines().find(|line| line.starts_with("POST /docs")).unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words, ["POST", "/docs", "write", "-", "-", "yes", "yes", "yes", "orgate.yaml:7"]);
    let page = succeeded(&folder, &["matrix", "--format", "html"]);
    assert_eq!(page.matches("<tr data-text=").count(), 8);
    assert_eq!(page.matches("<th scope=\"row\">").count(), 8);
    assert_eq!(run(&folder, &["matrix", "--roles", "ownr"]).code, Some(2));
}

#[test]
fn a_committed_matrix_that_is_stale_is_found() {
    let folder = folder();
    let table = succeeded(&folder, &["matrix", "--format", "markdown"]);
    folder.write("access.md", &table);
    let check = ["matrix", "--format", "markdown", "--check", "access.md"];
    assert_eq!(succeeded(&folder, &check), "");
    folder.write("orgate.yaml", &policy().replace("POST /docs: write", "POST /docs: read"));
    let stale = run(&folder, &check);
    assert_eq!((stale.code, stale.stdout.as_str()), (Some(1), ""));
    assert!(stale.stderr.contains("+ | `POST /docs` | `read` |"), "{}", stale.stderr);
    assert_eq!(run(&folder, &["matrix", "--check", "none.md"]).code, Some(2));
}

#[test]
fn check_finds_everything_in_every_form() {
    let folder = folder();
    assert_eq!(succeeded(&folder, &["check"]), "no findings; 8 rules, 4 roles, 7 permissions");
    assert_eq!(
        object(&succeeded(&folder, &["check", "--format", "json"])),
        json!({"findings": [], "rules": 8})
    );

    folder.write("bad.yaml", &policy().replace(": delete_org", ": delet_org"));
    let finished = run(&folder, &["check", "bad.yaml", "--format", "json"]);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(1), ""));
    assert_eq!(
        object(&finished.stdout),
        json!({"findings": [{
            "code": "E031", "severity": "error", "message": "unknown permission `delet_org`",
            "file": "bad.yaml", "line": 11, "column": 26, "help": "did you mean `delete_org`?",
        }], "rules": 8})
    );
    let text = run(&folder, &["check", "orgate.yaml", "bad.yaml"]);
    assert_eq!(text.code, Some(1));
    assert!(
        text.stdout.contains("error[E031]") && text.stdout.contains("1 error; 8 rules"),
        "{}",
        text.stdout
    );
    let github = run(&folder, &["check", "bad.yaml", "--format", "github"]);
    assert_eq!(
        github.stdout,
        "::error file=bad.yaml,line=11,col=26,endColumn=35,title=E031::unknown permission `delet_org`%0Ahelp: did you mean `delete_org`?"
    );
    let sarif = object(&run(&folder, &["check", "bad.yaml", "--format", "sarif"]).stdout);
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "E031");

    let broken = folder.write("broken.yaml", "version: 1\n\trules: {}\n");
    assert_eq!(run(&folder, &["check", broken.to_str().unwrap()]).code, Some(1));
    assert_eq!(run(&folder, &["check", "none.yaml"]).code, Some(2));
    assert_eq!(run(&folder, &["check", "--fromat", "json"]).code, Some(2));
}

#[test]
fn warnings_count_only_where_they_are_asked_to() {
    let folder = folder();
    folder.write("orgate.yaml", &policy().replace("audience: demo-api", "audience: any"));
    let finished = run(&folder, &["check"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stdout.contains("warning[W051]"), "{}", finished.stdout);
    assert_eq!(run(&folder, &["check", "--deny-warnings"]).code, Some(1));
}

const CASES: &str = "\
principals:
  ann: {role: owner, org: acme}
  bob: {role: viewer, org: acme}
  eve: {role: owner, org: evil}
cases:
  GET /healthz: everyone
  GET /docs: [ann, bob, eve]
  DELETE /orgs/acme: [ann]
  DELETE /orgs/evil: {allow: [eve], deny: {ann: org_mismatch, anonymous: no_credential}}
";

#[test]
fn the_tests_of_a_policy_pass_or_say_why_not() {
    let folder = folder();
    folder.write("orgate.test.yaml", CASES);
    assert_eq!(
        succeeded(&folder, &["test"]),
        "orgate.test.yaml: 16 decisions as expected; coverage 3/8 rules have an allow and a deny case"
    );
    let covered = succeeded(&folder, &["test", "--coverage"]);
    assert!(covered.contains("  not covered  orgate.yaml:7   POST /docs\n"), "{covered}");

    let unbound = "DELETE /orgs/{org_id}: {require: delete_org, unbound: [org_id]}";
    folder.write("orgate.yaml", &policy().replace("DELETE /orgs/{org_id}: delete_org", unbound));
    let failed = run(&folder, &["test"]);
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    let expected = "FAIL orgate.test.yaml:8  DELETE /orgs/acme\n  eve  expected deny, got ALLOW\n    ALLOW\n";
    assert!(failed.stdout.starts_with(expected), "{}", failed.stdout);
    let told = object(&run(&folder, &["test", "--format", "json"]).stdout);
    assert_eq!((&told["passed"], &told["failed"]), (&json!(14), &json!(2)));
    assert_eq!(
        told["failures"][0],
        json!({"case": "DELETE /orgs/acme", "principal": "eve", "expected": "deny", "got": "allow", "code": null,
            "rule": "DELETE /orgs/{org_id}", "line": 11, "file": "orgate.test.yaml", "case_line": 8})
    );
    assert_eq!((&told["coverage"]["rules"], &told["coverage"]["covered"]), (&json!(8), &json!(3)));
    let junit = run(&folder, &["test", "--format", "junit"]);
    assert_eq!((junit.code, junit.stdout.matches("<failure ").count()), (Some(1), 2));
}

#[test]
fn mistakes_in_a_file_of_tests_are_told_with_their_place() {
    let folder = folder();
    folder.write("orgate.test.yaml", &CASES.replace("[ann, bob, eve]", "[ann, bbo]"));
    let finished = run(&folder, &["test"]);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    assert!(finished.stderr.contains("--> orgate.test.yaml:7:"), "{}", finished.stderr);
    assert!(finished.stderr.contains("did you mean `bob`?"), "{}", finished.stderr);
    let missing = run(&folder, &["test", "none.test.yaml"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("help:"), "{}", missing.stderr);
}

#[test]
fn help_completions_and_manual_are_made_of_the_command_line() {
    let folder = Folder::new();
    assert!(succeeded(&folder, &["help", "E042"]).starts_with("E042: ambiguous rules\n"));
    assert!(
        succeeded(&folder, &["help", "org_mismatch"])
            .starts_with("org_mismatch: Another organization (403)\n")
    );
    assert!(succeeded(&folder, &["help", "matrix"]).contains("--check"));
    assert!(succeeded(&folder, &["help"]).contains("completions"));
    let unknown = run(&folder, &["help", "org_mismach"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("did you mean `org_mismatch`?"), "{}", unknown.stderr);
    assert!(succeeded(&folder, &["completions", "bash"]).contains("--deny-warnings"));
    assert!(succeeded(&folder, &["man", "explain"]).contains(".TH orgate-explain 1"));
    for verb in ["check", "test", "explain", "matrix", "help", "completions", "man"] {
        assert!(succeeded(&folder, &[verb, "--help"]).contains("Examples:"), "{verb}");
    }
}
