//! Every example of `docs/policy.md` is executed: a policy is enforced by the real proxy, and each row of a table is a
//! request sent to it.
//!
//! In the page, a block ```` ```yaml ```` is a policy, or the part of one that the text is about: `version`, an issuer, the
//! permissions of the profile `orgate` and at least one rule are added where it lacks them. The table after it lists
//! requests, callers and answers. A block that starts with `# refused: CODE` must be refused with that code, and one that
//! starts with `# warned: CODE` must stand and be warned about.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{fmt::Write as _, fs, path::Path};

use orgate_e2e::{Folder, Response, clock, orgate, request_to};
use orgate_testkit::{
    Answer, TestKey, Upstream, access_token_claims, dpop_claims, dpop_proof, jwks, thumbprint,
};
use serde_json::{Map, Value, json};

/// What a caller has whose token is bound to a key, and who proves with each request to hold it.
const PROVEN: &str = " and a proof";

const ISSUER: &str = "https://id.example.com/p/proj_demo";

/// The SHA-256 of `open sesame`.
const OPEN_SESAME: &str = "41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb";

/// A policy of the page, with the requests that follow it.
struct Example {
    line: usize,
    policy: String,
    requests: Vec<Row>,
}

struct Row {
    line: usize,
    request: String,
    caller: String,
    answer: String,
}

fn page() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join("docs/policy.md")).unwrap()
}

fn examples() -> Vec<Example> {
    let page = page();
    let mut examples: Vec<Example> = Vec::new();
    let mut lines = (1..).zip(page.lines());
    while let Some((line, text)) = lines.next() {
        if let Some(language) = text.strip_prefix("```").filter(|language| !language.is_empty()) {
            let body: Vec<&str> =
                lines.by_ref().map(|(_, text)| text).take_while(|text| *text != "```").collect();
            match language {
                "yaml" => {
                    examples.push(Example { line, policy: body.join("\n") + "\n", requests: Vec::new() })
                }
                "text" | "ebnf" => {}
                other => panic!("line {line}: nothing executes `{other}`"),
            }
        } else if let Some(row) = row(line, text) {
            let example =
                examples.last_mut().unwrap_or_else(|| panic!("line {line}: requests without a policy"));
            example.requests.push(row);
        }
    }
    examples
}

/// A row whose first cell is a request line in backticks.
fn row(line: usize, text: &str) -> Option<Row> {
    let cells: Vec<String> = text
        .strip_prefix("| ")?
        .strip_suffix(" |")?
        .split(" | ")
        .map(|cell| cell.replace("\\|", "|"))
        .collect();
    let [request, caller, answer] = cells.as_slice() else { return None };
    let request = request.strip_prefix('`')?.strip_suffix('`')?.to_owned();
    Some(Row { line, request, caller: caller.clone(), answer: answer.replace('`', "") })
}

/// The whole policy that a part of one stands for.
fn whole(part: &str) -> String {
    let has = |key: &str| part.lines().any(|line| line.starts_with(&format!("{key}:")));
    let mut text = String::new();
    if !has("version") {
        text.push_str("version: 1\n");
    }
    if !has("issuers") {
        writeln!(
            text,
            "issuers:\n  main: {{issuer: \"{ISSUER}\", audience: demo-api, profile: orgate, keys: {{file: keys.json}}}}"
        )
        .unwrap();
    }
    text.push_str(part);
    if !has("rules") {
        text.push_str("rules:\n  GET /healthz: public\n");
    }
    text
}

fn compile(policy: &str) -> Result<Vec<String>, Vec<String>> {
    let codes = |findings: &orgate_config::diagnostic::Diagnostics| {
        findings.iter().map(|finding| finding.code.to_owned()).collect::<Vec<_>>()
    };
    match orgate_config::compile("orgate.yaml", policy.as_bytes(), &|_| None) {
        Ok(file) => Ok(codes(&file.warnings)),
        Err(findings) => Err(codes(&findings)),
    }
}

#[test]
fn every_policy_of_the_page_stands_or_is_refused_as_it_says() {
    let examples = examples();
    assert!(examples.len() >= 20, "{} examples", examples.len());
    for Example { line, policy, requests } in &examples {
        let found = compile(&whole(policy));
        let first = policy.lines().next().unwrap_or_default();
        if let Some(code) = first.strip_prefix("# refused: ") {
            let refused = found.err().unwrap_or_else(|| panic!("line {line}: the policy is not refused"));
            assert!(refused.iter().any(|found| found == code), "line {line}: {refused:?}");
            assert!(requests.is_empty(), "line {line}: requests to a policy that is refused");
        } else {
            let warnings =
                found.unwrap_or_else(|codes| panic!("line {line}: refused with {codes:?}\n{policy}"));
            let expected: Vec<&str> = first.strip_prefix("# warned: ").into_iter().collect();
            assert_eq!(warnings, expected, "line {line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_the_page_is_answered_as_it_says() {
    let upstream = Upstream::start().await;
    upstream.answer(Answer::status(200));
    let mut asked = 0;
    for example in examples().iter().filter(|example| !example.requests.is_empty()) {
        let folder = Folder::new();
        folder.write("orgate.yaml", &whole(&example.policy));
        folder.write("keys.json", &jwks([TestKey::es256()]));
        let running = orgate()
            .args([
                "proxy",
                "--upstream",
                &upstream.url(),
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
            ])
            .env("CI_KEY_SHA256", OPEN_SESAME)
            .env("STRIPE_SECRET", "whsec_of_the_page")
            .folder(folder.path())
            .ready();
        let proxy = running.url("proxy");
        for row in &example.requests {
            let answer = send(&proxy, row);
            assert_eq!(
                told(&answer),
                row.answer,
                "docs/policy.md:{}: {} as {}",
                row.line,
                row.request,
                row.caller
            );
            asked += 1;
        }
    }
    assert!(asked >= 60, "{asked} requests");
}

/// `200`, or status and code; a redirect with its target.
fn told(answer: &Response) -> String {
    match answer.header("location") {
        Some(location) => format!("{} {location}", answer.status),
        None => answer.verdict(),
    }
}

/// Sends `METHOD target [Name: value …]` as the caller of the row.
fn send(proxy: &str, row: &Row) -> Response {
    let mut parts = row.request.splitn(3, ' ');
    let (method, target) = (parts.next().unwrap(), parts.next().unwrap());
    let mut headers: Vec<(String, String)> = parts
        .next()
        .map(|rest| rest.split("; ").map(|field| field.split_once(": ").unwrap()))
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if let Some(token) = token(row) {
        let scheme = if row.caller.ends_with(PROVEN) { "DPoP" } else { "Bearer" };
        headers.push(("Authorization".to_owned(), format!("{scheme} {token}")));
        if row.caller.ends_with(PROVEN) {
            // As a client makes it that calls the proxy itself.
            let (url, id) = (format!("{proxy}{target}"), format!("{}{}", row.line, row.request));
            let claims = dpop_claims(&id, method, &url, &token, clock::now());
            headers.push(("DPoP".to_owned(), dpop_proof(TestKey::other_es256(), &claims)));
        }
    }
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    request_to(proxy, method, target, &headers)
}

/// The token of `viewer of acme`, `viewer of acme with {"team": "t1"}`, `somebody`; none for `nobody`.
fn token(row: &Row) -> Option<String> {
    let (caller, is_proven) = match row.caller.strip_suffix(PROVEN) {
        Some(caller) => (caller, true),
        None => (&*row.caller, false),
    };
    let (who, more) = caller.split_once(" with ").unwrap_or((caller, "{}"));
    let more: Map<String, Value> = serde_json::from_str(&more.replace('`', ""))
        .unwrap_or_else(|error| panic!("line {}: {error}", row.line));
    let now = clock::now();
    let mut claims = access_token_claims(ISSUER, "demo-api", now);
    let fields = claims.as_object_mut().unwrap();
    fields.retain(|name, _| !name.starts_with("org_"));
    match who.split_once(" of ") {
        Some((role, org)) => {
            let grants = orgate_config::matrix::permissions(role)
                .unwrap_or_else(|| panic!("line {}: no role {role}", row.line));
            fields.insert("org_id".into(), json!(org));
            fields.insert("org_slug".into(), json!(org));
            fields.insert("org_role".into(), json!(role));
            fields.insert("org_permissions".into(), json!(grants));
        }
        None if who == "nobody" => return None,
        None => assert_eq!(who, "somebody", "line {}: an unknown caller", row.line),
    }
    if is_proven {
        fields.insert("cnf".into(), json!({"jkt": thumbprint(TestKey::other_es256())}));
    }
    for (name, value) in more {
        // Times are written as seconds before now.
        let value = match value.as_i64().filter(|_| name.ends_with("_time")) {
            Some(ago) => json!(now - ago),
            None => value,
        };
        match value.is_null() {
            true => fields.remove(&name),
            false => fields.insert(name, value),
        };
    }
    Some(TestKey::es256().mint(&claims))
}
