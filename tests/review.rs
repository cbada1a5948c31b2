//! The tools that make a policy reviewable, through the binary: what a change changes, in a real repository; a policy from
//! a real-sized OpenAPI document; the schema for editors.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::process::Command;

use orgate_e2e::{Finished, Folder, orgate};
use serde_json::{Value, json};

const POLICY: &str = "\
version: 1
issuers:
  main: {issuer: \"https://id.example.com\", audience: demo-api, profile: orgate, feed: off}
rules:
  GET /healthz: public
  GET /docs/**: read
  POST /docs: write
  DELETE /orgs/{org_id}: delete_org
";

fn run(folder: &Folder, arguments: &[&str]) -> Finished {
    orgate().args(arguments).folder(folder.path()).finish()
}

fn git(folder: &Folder, arguments: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"];
    let output = Command::new("git")
        .args(identity)
        .args(arguments)
        .current_dir(folder.path())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn repository() -> Folder {
    let folder = Folder::new();
    git(&folder, &["init", "-q", "-b", "main"]);
    folder.write("orgate.yaml", POLICY);
    std::fs::create_dir(folder.path().join("api")).unwrap();
    folder.write("api/orgate.yaml", POLICY);
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "-q", "-m", "policy"]);
    folder
}

#[track_caller]
fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_branch_is_compared_with_main() {
    let folder = repository();
    let diff = |arguments: &[&str]| run(&folder, &[&["diff", "git:main"], arguments].concat());
    let same = diff(&["orgate.yaml"]);
    assert_eq!((same.code, same.stdout.as_str(), same.stderr.as_str()), (Some(0), "4 unchanged", ""));

    let formatted = POLICY
        .replace("  GET /healthz: public\n", "")
        .replace("POST /docs: write", "POST /docs:\n    require: \"write\"");
    folder.write("orgate.yaml", &(formatted + "  GET /healthz: public\n"));
    assert_eq!(
        diff(&["orgate.yaml", "--fail-on", "any"]).stdout,
        "4 unchanged",
        "order and form change nothing"
    );

    let tighter = POLICY.replace("POST /docs: write", "POST /docs: invite");
    folder.write("orgate.yaml", &tighter);
    let told = diff(&["orgate.yaml"]);
    assert_eq!(
        (told.code, told.stdout.as_str()),
        (
            Some(0),
            "TIGHTENED  POST /docs  member loses; a token with only invite gains  write -> invite  orgate.yaml:7\n\
             1 tightened, 3 unchanged"
        )
    );
    assert_eq!(diff(&["orgate.yaml", "--fail-on", "any"]).code, Some(1));

    folder.write(
        "orgate.yaml",
        &tighter.replace("GET /docs/**: read", "GET /docs/**: read\n  GET /docs/open: public"),
    );
    let told = diff(&["orgate.yaml", "--fail-on", "public", "--format", "json"]);
    assert_eq!(told.code, Some(1), "{}", told.stderr);
    let told = object(&told.stdout);
    assert_eq!(told["unchanged"], 3);
    assert_eq!(
        told["changes"][0],
        json!({"kind": "public", "method": "GET", "path": "/docs/open", "who": ["anonymous"],
            "before": "read", "after": "public", "file": "orgate.yaml", "line": 7})
    );
    let comment = diff(&["orgate.yaml", "--format", "markdown", "--fail-on", "none"]);
    assert_eq!(comment.code, Some(0));
    let row = "| 🔴 public | `GET /docs/open` | anonymous gains | `read` -> `public` | orgate.yaml:7 |";
    assert!(comment.stdout.contains(row), "{}", comment.stdout);
    let notes = diff(&["orgate.yaml", "--format", "github"]).stdout;
    assert!(notes.contains("::error file=orgate.yaml,line=7,title=PUBLIC `GET /docs/open`::"), "{notes}");
    assert!(notes.contains("::notice file=orgate.yaml,line=8,title=TIGHTENED `POST /docs`::"), "{notes}");

    git(&folder, &["commit", "-q", "-a", "-m", "open"]);
    assert_eq!(run(&folder, &["diff", "git:HEAD~1", "git:HEAD"]).code, Some(1), "revisions alone");
    assert_eq!(
        run(&folder, &["diff", "git:HEAD~1:api/orgate.yaml", "git:HEAD:api/orgate.yaml"]).code,
        Some(0)
    );
    assert_eq!(run(&folder, &["diff", "git:main", "api/orgate.yaml"]).code, Some(0), "the same file there");
}

#[test]
fn the_files_that_a_revision_includes_are_those_of_the_revision() {
    let folder = repository();
    for base in ["", "api/"] {
        std::fs::create_dir(folder.path().join(format!("{base}parts"))).unwrap();
        folder.write(&format!("{base}orgate.yaml"), &format!("include: [parts/*.yaml]\n{POLICY}"));
        folder.write(&format!("{base}parts/bills.yaml"), "base: /bills\nrules:\n  GET /{id}: write\n");
    }
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "-q", "-m", "parts"]);
    for base in ["", "api/"] {
        folder.write(&format!("{base}parts/bills.yaml"), "base: /bills\nrules:\n  GET /{id}: read\n");
        let file = format!("{base}orgate.yaml");
        for old in ["git:main".to_owned(), format!("git:main:{file}")] {
            let told = run(&folder, &["diff", &old, &file]);
            assert!(told.stdout.contains("GET /bills/{id}"), "{old} {file}: {} {}", told.stdout, told.stderr);
            assert!(told.stdout.contains("1 loosened, 4 unchanged"), "{old} {file}: {}", told.stdout);
        }
    }
}

#[test]
fn what_cannot_be_compared_has_an_exit_code_of_its_own() {
    let folder = repository();
    folder.write("bad.yaml", &POLICY.replace("delete_org", "delet_org"));
    folder.write("unset.yaml", &POLICY.replace("https://id.example.com", "${ORGATE_TEST_NOT_SET}"));
    for (arguments, code, part) in [
        (["orgate.yaml", "bad.yaml"], 1, "error[E031]"),
        (["none.yaml", "orgate.yaml"], 2, "none.yaml"),
        (["git:nowhere", "orgate.yaml"], 2, "git has no"),
        (["git:main:none.yaml", "orgate.yaml"], 2, "git has no"),
        (["git:--help", "orgate.yaml"], 2, "git:REVISION"),
        (["unset.yaml", "unset.yaml"], 0, ""),
    ] {
        let finished = run(&folder, &[&["diff"], &arguments[..]].concat());
        assert_eq!(finished.code, Some(code), "{arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(part), "{arguments:?}: {}", finished.stderr);
    }
}

#[test]
fn how_tokens_are_sent_and_what_they_are_bound_to_is_told_and_counts_where_it_may_widen() {
    let folder = Folder::new();
    let policy = |terms: &str| {
        let (issuer, token) = terms.split_once(" | ").unwrap_or((terms, ""));
        let asked =
            "introspect: {url: \"https://i.example/i\", client_id: g, secret: {env: S}, opaque: true}";
        let issuer = issuer.replace("asked", asked);
        format!(
            "version: 1\nissuers: {{main: {{issuer: \"https://i.example\", audience: a, {issuer}}}}}\n\
             {token}\nrules: {{GET /a: authenticated}}\n"
        )
    };
    for (old, new, line, back) in [
        ("dpop: required", "dpop: off", "issuer main may widen dpop required -> dpop off", 1),
        ("dpop: required", "dpop: allowed", "issuer main may widen dpop required -> dpop allowed", 0),
        ("dpop: off", "dpop: allowed", "issuer main may widen dpop off -> dpop allowed", 0),
        ("mtls: required", "mtls: allowed", "issuer main may widen mtls required -> mtls allowed", 0),
        ("keys: none, asked", "asked", "issuer main may widen keys none -> keys discover", 0),
        (
            "leeway: 9s, asked",
            "leeway: 9s, asked | token: {from: [bearer, {query: t}]}",
            "token.from may widen bearer -> bearer, query t",
            0,
        ),
        (
            "asked, leeway: 9s",
            "leeway: 9s, introspect: {url: \"https://i.example/i\", client_id: g, secret: {env: S}, opaque: true, cache: 1m}",
            "issuers.main.introspect.cache may widen 0s -> 60s",
            0,
        ),
    ] {
        folder.write("old.yaml", &policy(old));
        folder.write("new.yaml", &policy(new));
        let told = run(&folder, &["diff", "old.yaml", "new.yaml"]);
        let words =
            told.stdout.lines().next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!((told.code, words), (Some(1), format!("MAPPING {line}")), "{}", told.stderr);
        assert!(told.stdout.contains(" mapping, 1 unchanged"), "{}", told.stdout);
        let told = object(&run(&folder, &["diff", "old.yaml", "new.yaml", "--format", "json"]).stdout);
        let first = &told["changes"][0];
        assert_eq!(
            (&first["kind"], &first["widens"], &first["method"]),
            (&json!("mapping"), &json!(true), &Value::Null)
        );
        let told = run(&folder, &["diff", "new.yaml", "old.yaml"]);
        assert_eq!(told.code, Some(back), "{new} -> {old}: {}", told.stdout);
    }
}

const FORGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/forge.openapi.yaml");

#[test]
fn a_large_document_becomes_a_policy_that_is_sound() {
    let folder = Folder::new();
    let imported = run(&folder, &["import", "openapi", FORGE]);
    assert_eq!((imported.code, imported.stderr.as_str()), (Some(0), ""));
    folder.write("orgate.yaml", &(imported.stdout.clone() + "\n"));
    let checked = run(&folder, &["check", "--openapi", FORGE]);
    assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.stderr);
    assert!(!checked.stdout.contains("W031") && !checked.stdout.contains("W032"), "{}", checked.stdout);
    let rules = imported.stdout.split_once("rules:\n").unwrap().1;
    assert!(rules.lines().count() > 300, "{}", rules.lines().count());
    for rule in [
        "  GET /api/v1/version: public\n",
        "  GET /api/v1/repos/{owner}/{repo}: optional\n",
        "  PATCH|DELETE /api/v1/repos/{owner}/{repo}: repo:admin\n",
        "  GET /api/v1/orgs/{org}: {require: public, unbound: [org]}\n",
        "  GET|POST /api/v1/users/{username}/tokens: authenticated\n",
    ] {
        assert!(rules.contains(rule), "{rule}\n{rules}");
    }
    let again = run(&folder, &["import", "openapi", FORGE, "--merge", "orgate.yaml"]);
    assert_eq!(
        (again.code, again.stdout.as_str()),
        (Some(0), imported.stdout.as_str()),
        "nothing is missing"
    );

    let dropped = imported.stdout.lines().filter(|line| !line.contains("GET /api/v1/version:"));
    let dropped = dropped.collect::<Vec<_>>().join("\n").replace("/api/v1/nodeinfo", "/api/v1/nodeinf");
    folder.write("less.yaml", &dropped);
    let drift = object(&run(&folder, &["check", "less.yaml", "--openapi", FORGE, "--format", "json"]).stdout);
    let told: Vec<&Value> =
        drift["findings"].as_array().unwrap().iter().filter(|f| f["code"] != "W053").collect();
    let codes: Vec<&str> =
        told.iter().filter_map(|f| f["code"].as_str()).filter(|c| c.starts_with("W03")).collect();
    assert_eq!(codes, ["W032", "W031", "W031"], "{told:?}");
    let missing =
        told.iter().find(|f| f["message"].as_str().unwrap().contains("GET /api/v1/version")).unwrap();
    assert!(missing["file"].as_str().unwrap().ends_with("forge.openapi.yaml") && missing["line"].is_u64());
    assert_eq!(run(&folder, &["check", "less.yaml", "--openapi", "none.yaml"]).code, Some(2));
}

#[test]
fn the_schema_offers_the_names_of_a_policy() {
    let folder = repository();
    let plain = object(&run(&folder, &["schema"]).stdout);
    assert_eq!(plain["$schema"], "http://json-schema.org/draft-07/schema#");
    let named = run(&folder, &["schema", "--for", "orgate.yaml"]).stdout;
    assert!(named.contains("\"transfer_ownership\"") && named.contains("\"role(owner)\""), "{named}");
    let tests = run(&folder, &["schema", "--of", "tests"]).stdout;
    assert!(object(&tests)["properties"]["cases"].is_object());
}
