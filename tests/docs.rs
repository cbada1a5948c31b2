//! Every snippet of the README is executed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{fs, path::Path};

use orgate_config::diagnostic::Diagnostics;
use orgate_e2e::{Folder, example, orgate, request};

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name)).unwrap()
}

/// The code blocks of the README, with what the comment before each says executes it.
fn snippets() -> Vec<(String, String, String)> {
    let readme = read("README.md");
    let mut found = Vec::new();
    let mut label = String::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("<!-- executed: ").and_then(|rest| rest.strip_suffix(" -->")) {
            label = name.to_owned();
        } else if let Some(language) = line.strip_prefix("```").filter(|language| !language.is_empty()) {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push((std::mem::take(&mut label), language.to_owned(), body.join("\n") + "\n"));
        }
    }
    found
}

fn snippet(label: &str) -> String {
    snippets().into_iter().find(|(name, ..)| name == label).unwrap_or_else(|| panic!("no snippet {label}")).2
}

fn compiled(policy: &str) -> Result<usize, String> {
    orgate_config::compile("orgate.yaml", policy.as_bytes(), &|_| None)
        .map(|file| file.policy.rule_count())
        .map_err(|findings: Diagnostics| findings.render(false))
}

#[test]
fn every_snippet_says_what_executes_it() {
    let commands = ["cargo run --release -- demo\n", "./tests/run\n"];
    let unlabelled: Vec<_> = snippets()
        .into_iter()
        .filter(|(label, _, body)| label.is_empty() && !commands.contains(&body.as_str()))
        .collect();
    assert!(unlabelled.is_empty(), "{unlabelled:?}");
    let known = [
        "policy",
        "mistake",
        "issuers",
        "examples/axum-layer",
        "examples/hyper-service",
        "proxy",
        "serve",
        "explain",
        "explained",
        "cases",
        "review",
        "diff",
        "difference",
        "issuer",
        "bootstrap",
    ];
    let labels: Vec<_> =
        snippets().into_iter().map(|(label, ..)| label).filter(|label| !label.is_empty()).collect();
    assert_eq!(labels.iter().collect::<std::collections::BTreeSet<_>>().len(), known.len());
    assert!(labels.iter().all(|label| known.contains(&label.as_str())), "{labels:?}");
}

#[test]
fn the_policy_compiles_and_the_mistake_is_told_as_shown() {
    let policy = snippet("policy");
    assert_eq!(compiled(&policy), Ok(8));
    let told = compiled(&policy.replace(": delete_org", ": delet_org")).unwrap_err();
    assert!(told.starts_with(snippet("mistake").trim_end()), "{told}");
}

#[test]
fn the_issuers_of_others_compile() {
    let policy =
        format!("version: 1\n{}permissions: [read]\nrules:\n  GET /docs: read\n", snippet("issuers"));
    assert_eq!(compiled(&policy), Ok(1));
}

#[test]
fn the_rust_snippets_are_the_examples_which_run() {
    let folder = Folder::new();
    folder.write("orgate.yaml", &snippet("policy"));
    assert_eq!(read("examples/axum-layer/orgate.yaml"), snippet("policy"), "what the example is built with");
    for (name, healthz) in [("axum-layer", "ok"), ("hyper-service", "hello, stranger")] {
        let source = read(&format!("examples/{name}/src/main.rs"));
        assert!(
            source.contains(snippet(&format!("examples/{name}")).trim()),
            "examples/{name}/src/main.rs differs from the README"
        );
        let running = example(&format!("example-{name}")).folder(folder.path()).listening();
        let app = running.url("app");
        assert_eq!(request("GET", &format!("{app}/healthz"), &[], None).body, healthz);
        assert_eq!(request("GET", &format!("{app}/docs"), &[], None).verdict(), "401 no_credential");
        assert_eq!(request("GET", &format!("{app}/elsewhere"), &[], None).verdict(), "403 no_rule");
    }
}

#[test]
fn the_explanation_is_told_as_shown() {
    let folder = Folder::new();
    folder.write("orgate.yaml", &snippet("policy"));
    let finished = orgate().args(arguments("explain")).folder(folder.path()).finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(finished.stdout, snippet("explained").trim_end());
}

#[test]
fn the_commands_of_a_review_pass_over_the_policy_and_its_cases() {
    let folder = Folder::new();
    folder.write("orgate.yaml", &snippet("policy"));
    folder.write("orgate.test.yaml", &snippet("cases"));
    let commands = snippet("review");
    let told: Vec<String> = commands
        .lines()
        .map(|line| {
            let finished = orgate().args(words(line)).folder(folder.path()).finish();
            assert_eq!(finished.code, Some(0), "{line}: {}{}", finished.stdout, finished.stderr);
            finished.stdout
        })
        .collect();
    let [checked, tested, matrix] = told.as_slice() else { panic!("three commands: {told:?}") };
    assert!(checked.starts_with("no findings"), "{checked}");
    assert!(tested.contains("16 decisions as expected"), "{tested}");
    assert!(matrix.contains("| `DELETE /orgs/{org_id}` | `delete_org` | - | - | - | - | own |"), "{matrix}");
}

#[test]
fn the_difference_is_told_as_shown() {
    let folder = Folder::new();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"];
        let git = std::process::Command::new("git")
            .args(identity)
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(git.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&git.stderr));
    };
    folder.write("orgate.yaml", &snippet("policy"));
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["add", "orgate.yaml"]);
    git(&["commit", "--quiet", "--message=policy"]);
    let changed = snippet("policy")
        .replace("POST /members: invite", "POST /members: write")
        .replace("GET /docs: read", "GET /docs: public");
    folder.write("orgate.yaml", &changed);
    let finished = orgate().args(arguments("diff")).folder(folder.path()).finish();
    assert_eq!(finished.code, Some(1), "{}{}", finished.stdout, finished.stderr);
    assert_eq!(finished.stdout, snippet("difference").trim_end());
}

/// The arguments of a command line that starts with `orgate`.
fn arguments(label: &str) -> Vec<String> {
    words(&snippet(label))
}

fn words(line: &str) -> Vec<String> {
    let mut words = line.split_whitespace().map(str::to_owned);
    assert_eq!(words.next().as_deref(), Some("orgate"));
    words.collect()
}

#[test]
fn the_proxy_command_starts() {
    let folder = Folder::new();
    folder.write("orgate.yaml", &snippet("policy"));
    // On free ports, so that it runs anywhere.
    let running = orgate()
        .args(arguments("proxy"))
        .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .folder(folder.path())
        .ready();
    let url = running.url("proxy");
    assert_eq!(request("GET", &format!("{url}/docs"), &[], None).verdict(), "401 no_credential");
    assert_eq!(request("GET", &format!("{url}/elsewhere"), &[], None).verdict(), "403 no_rule");
}

#[test]
fn the_decision_door_answers_as_the_proxy_does() {
    let folder = Folder::new();
    folder.write("orgate.yaml", &snippet("policy"));
    let running = orgate()
        .args(arguments("serve"))
        .args(["--forward-auth", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .folder(folder.path())
        .ready();
    let url = running.url("forward-auth");
    let ask = |target: &str| {
        request("GET", &url, &[("x-original-method", "GET"), ("x-original-uri", target)], None).verdict()
    };
    assert_eq!((ask("/docs"), ask("/elsewhere")), ("401 no_credential".to_owned(), "403 no_rule".to_owned()));
}

#[test]
fn the_issuer_command_starts_with_the_bootstrap_file() {
    let folder = Folder::new();
    folder.write("bootstrap.yaml", &snippet("bootstrap"));
    let running = orgate()
        .args(arguments("issuer"))
        .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .env("DEMO_CLIENT_SECRET", "a secret")
        .env("DEMO_PASSWORD", "correct horse battery")
        .folder(folder.path())
        .ready();
    let issuer = format!("{}/p/proj_demo", running.url("issuer"));
    let discovery = request("GET", &format!("{issuer}/.well-known/openid-configuration"), &[], None).json();
    assert_eq!(discovery["issuer"], issuer.as_str());
    assert!(folder.path().join("orgate.db.secret").is_file(), "the secret is where the README says");
}

#[test]
fn without_a_bootstrap_file_the_first_start_prints_a_link_that_works() {
    let folder = Folder::new();
    let mut running = orgate()
        .args(["issuer", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .folder(folder.path())
        .ready();
    let issuer = running.url("issuer");
    let prefix = format!("{issuer}/setup/");
    let mut link = None;
    for _ in 0..200 {
        let told = running.stderr_so_far();
        link = told.split_whitespace().find(|word| word.starts_with(&prefix)).map(str::to_owned);
        if link.is_some() {
            break;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(25));
    }
    let page = request("GET", &link.expect("a link on stderr"), &[], None);
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("name=\"email\"") && page.body.contains("name=\"password\""));
    let guessed = request("GET", &format!("{prefix}guessed"), &[], None);
    assert_eq!(guessed.status, 410, "a link that never was and one that is used up look the same");
}
