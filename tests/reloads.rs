//! A policy that is exchanged a thousand times while requests are judged: every request gets the verdict of one policy, whole.
//! `ORGATE_RELOADS` asks for more.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use orgate_e2e::{Folder, clock, orgate, request, request_to};
use orgate_testkit::{Answer, TestKey, Upstream, access_token_claims, jwks};
use serde_json::json;

const ISSUER: &str = "https://id.example.com/p/proj_demo";

/// Two policies that agree on nothing about `/x`: neither which rule it is, nor what that asks, nor what else there is.
const RULES: [&str; 2] = [
    "  GET /x: delete_org\n  GET /y: read\n  GET /always: read\n",
    "  GET /x/**: invite\n  GET /always: read\n  GET /z/{id}: public\n",
];

fn policy(rules: &str) -> String {
    format!(
        "version: 1\nissuers:\n  main: {{issuer: \"{ISSUER}\", audience: demo-api, profile: orgate, keys: {{file: keys.json}}}}\n\
         rules:\n{rules}"
    )
}

/// What a process keeps in memory, in KiB.
fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[test]
fn a_thousand_policies_under_load_and_no_verdict_of_two_of_them() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let application = runtime.block_on(Upstream::start());
    application.answer(Answer::status(200));
    let folder = Folder::new();
    folder.write("keys.json", &jwks([TestKey::es256()]));
    folder.write("orgate.yaml", &policy(RULES[0]));
    let free = "127.0.0.1:0";
    let running = orgate()
        .args([
            "proxy",
            "--upstream",
            &application.url(),
            "--listen",
            free,
            "--admin",
            free,
            "--log",
            "error",
        ])
        .folder(folder.path())
        .ready();
    let (base, admin) = (running.url("proxy"), running.url("admin"));
    let mut claims = access_token_claims(ISSUER, "demo-api", clock::now());
    claims["org_permissions"] = json!(["read"]);
    let token = format!("Bearer {}", TestKey::es256().mint(&claims));

    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let (base, token, over) = (base.clone(), token.clone(), Arc::clone(&over));
            thread::spawn(move || {
                let mut seen: BTreeMap<String, usize> = BTreeMap::new();
                while !over.load(Ordering::Relaxed) {
                    for target in ["/x", "/always"] {
                        let answer = request_to(&base, "GET", target, &[("Authorization", &token)]);
                        let verdict = match answer.status {
                            403 => {
                                let body = answer.json();
                                format!(
                                    "{target} {} asks {} by {}",
                                    body["code"], body["required"], body["rule"]
                                )
                            }
                            status => format!("{target} {status}"),
                        };
                        *seen.entry(verdict).or_default() += 1;
                    }
                }
                seen
            })
        })
        .collect();
    let mut after_some = 0;
    let reloads = std::env::var("ORGATE_RELOADS").map_or(1000, |text| text.parse().expect("a number"));
    for number in 1..=reloads {
        folder.write("orgate.yaml", &policy(RULES[number % 2]));
        let answer = request("POST", &format!("{admin}/-/reload"), &[], None);
        assert_eq!(answer.status, 200, "{}", answer.body);
        if number == 200 {
            after_some = resident(running.id());
        }
    }
    let grown = resident(running.id()).saturating_sub(after_some);
    over.store(true, Ordering::Relaxed);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for client in clients {
        for (verdict, count) in client.join().unwrap() {
            *seen.entry(verdict).or_default() += count;
        }
    }
    let verdicts: Vec<&str> = seen.keys().map(String::as_str).collect();
    assert_eq!(
        verdicts,
        [
            "/always 200",
            "/x \"missing_permission\" asks \"delete_org\" by \"GET /x\"",
            "/x \"missing_permission\" asks \"invite\" by \"GET /x/**\"",
        ],
        "{seen:?}"
    );
    assert!(grown < 16 * 1024, "{grown} KiB more after {} policies", reloads - 200);
    let metrics = request("GET", &format!("{admin}/metrics"), &[], None).body;
    let counted = format!("orgate_policy_reloads_total{{result=\"applied\"}} {reloads}\n");
    assert!(metrics.contains(&counted), "{metrics}");
}
