//! Every command of docs/tools.md is run, in the order of the page, in a repository with the policy of the README.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use orgate_e2e::{Folder, clock, orgate, request};
use orgate_testkit::{Answer, TestKey, Upstream, access_token_claims, jwks};
use serde_json::Value;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name)).unwrap()
}

fn snippet(label: &str) -> String {
    let readme = read("README.md");
    let (_, rest) = readme.split_once(&format!("<!-- executed: {label} -->\n```yaml\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// The commands of the page, with the code that each ends with.
fn commands() -> Vec<(String, i32)> {
    let page = read("docs/tools.md");
    let mut commands = Vec::new();
    let mut shell = false;
    for line in page.lines() {
        if line.starts_with("```") {
            shell = line == "```sh";
        } else if shell {
            let (command, code) = line.split_once("# exit ").unwrap_or((line, "0"));
            assert!(command.starts_with("orgate "), "{line}");
            commands.push((command.trim().to_owned(), code.parse().unwrap()));
        }
    }
    commands
}

fn repository(folder: &Folder) {
    let policy =
        snippet("policy").replace("audience: demo-api,", "audience: demo-api, keys: {file: jwks.json},");
    folder.write("orgate.yaml", &policy);
    folder.write("jwks.json", &jwks([TestKey::es256()]));
    folder.write("orgate.test.yaml", &snippet("cases"));
    folder.write("typo.yaml", &policy.replace("delete_org", "delet_org"));
    folder.write("new.yaml", &policy.replace("GET /docs: read", "GET /docs: public"));
    folder.write("other-paths.yaml", &format!("paths: {{trailing_slash: distinct}}\n{policy}"));
    folder.write("claims.json", r#"{"sub": "usr_ann", "org_id": "acme", "org_permissions": ["read"]}"#);
    folder.write("requests.jsonl", "{\"method\":\"GET\",\"path\":\"/docs\",\"principal\":null}\n");
    fs::create_dir(folder.path().join("fresh")).unwrap();
    folder.write("access.log", "::1 - - [22/Nov/2026:06:44:00 +0000] \"GET //docs HTTP/1.1\" 200 2\n");
    folder.write("routes.txt", "GET /healthz\nGET /docs\n");
    let operations = "{responses: {'200': {description: ok}}}";
    folder.write(
        "openapi.yaml",
        &format!(
            "openapi: 3.1.0\ninfo: {{title: t, version: '1'}}\npaths:\n  /docs: {{get: {operations}}}\n"
        ),
    );
    for arguments in [&["init", "-q", "-b", "main"][..], &["add", "."], &["commit", "-q", "-m", "policy"]] {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"];
        let done = Command::new("git").args(identity).args(arguments).current_dir(folder.path()).status();
        assert!(done.unwrap().success(), "{arguments:?}");
    }
}

/// Puts the proxy of the page in front of an application, and asks it as anybody and as a viewer.
fn asked(folder: &Folder, command: &str, upstream: &Upstream) {
    let command = command.replace("http://127.0.0.1:3000", &upstream.url());
    let arguments = command.split_whitespace().skip(1).map(str::to_owned);
    let ports = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"].map(str::to_owned);
    let running = orgate().args(arguments.chain(ports)).folder(folder.path()).ready();
    let docs = format!("{}/docs", running.url("proxy"));
    let mut claims = access_token_claims("https://id.example.com/p/proj_demo", "demo-api", clock::now());
    claims["org_permissions"] = ["read"].as_slice().into();
    let token = format!("Bearer {}", TestKey::es256().mint(&claims));
    let statuses = [None, Some(token)].map(|token| {
        let headers: Vec<_> = token.iter().map(|token| ("authorization", token.as_str())).collect();
        request("GET", &docs, &headers, None).status
    });
    assert_eq!(statuses, [401, 200], "{command}");
    assert_eq!(running.terminate().code, Some(0), "{command}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_page_does_what_it_says() {
    let folder = Folder::new();
    repository(&folder);
    let upstream = Upstream::start().await;
    upstream.answer(Answer::status(200));
    let all = commands();
    assert!(all.len() > 40, "{}", all.len());
    for (command, code) in &all {
        if command.starts_with("orgate proxy ") {
            asked(&folder, command, &upstream);
            continue;
        }
        let (command, file) = match command.split_once(" > ") {
            Some((command, file)) => (command, Some(file.trim())),
            None => (command.as_str(), None),
        };
        let finished = orgate().args(command.split_whitespace().skip(1)).folder(folder.path()).finish();
        assert_eq!(finished.code, Some(*code), "{command}\n{}{}", finished.stdout, finished.stderr);
        assert!(
            !finished.stdout.is_empty()
                || command.contains("--quiet")
                || command.contains("--check")
                || *code == 2
                || command.contains("github")
                || command.starts_with("orgate fmt"),
            "{command}"
        );
        assert!(!command.contains("--quiet") || finished.stdout.is_empty(), "{command}: {}", finished.stdout);
        if let Some(file) = file {
            folder.write(file, &(finished.stdout + "\n"));
        }
    }
    let verbs: BTreeSet<&str> =
        all.iter().filter_map(|(command, _)| command.split_whitespace().nth(1)).collect();
    let listed = orgate().args(["help"]).folder(folder.path()).finish().stdout;
    for verb in [
        "check",
        "test",
        "explain",
        "matrix",
        "diff",
        "import",
        "schema",
        "fmt",
        "init",
        "replay",
        "shadow",
        "snippet",
        "token",
        "completions",
        "man",
        "help",
    ] {
        assert!(verbs.contains(verb) && listed.contains(&format!("  {verb} ")), "{verb}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_members_of_a_line_are_those_of_the_page() {
    let folder = Folder::new();
    repository(&folder);
    let upstream = Upstream::start().await;
    upstream.answer(Answer::status(200));
    asked(&folder, "orgate proxy --upstream http://127.0.0.1:3000 --decision-log decisions.log", &upstream);
    let log = fs::read_to_string(folder.path().join("decisions.log")).unwrap();
    let line: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    let written: BTreeSet<String> = line.as_object().unwrap().keys().cloned().collect();
    let page = read("docs/tools.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" | "));
    let told: BTreeSet<String> = rows
        .flat_map(|(names, _)| {
            names.split(", ").map(|name| name.trim_matches('`').to_owned()).collect::<Vec<_>>()
        })
        .filter(|name| !["would", "shadow", "sub", "sample"].contains(&name.as_str()))
        .collect();
    assert_eq!(written, told);
}
