//! A policy that is exchanged a thousand times while requests are judged: every request gets the verdict of one policy, whole.
//! `ORGATE_RELOADS` asks for more, `ORGATE_RELOAD_SECONDS` for as many as that takes, about ten a second; what the process keeps in
//! memory is printed as a graph.

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
    time::{Duration, Instant},
};

use orgate_e2e::{Folder, clock, graph, orgate, request, request_to};
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

/// How many policies: a number, or what a time holds.
struct Wanted {
    reloads: usize,
    until: Option<Instant>,
}

impl Wanted {
    fn asked() -> Self {
        let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
        match number("ORGATE_RELOAD_SECONDS") {
            Some(seconds) => {
                Self { reloads: usize::MAX, until: Some(Instant::now() + Duration::from_secs(seconds)) }
            }
            None => {
                let reloads = number("ORGATE_RELOADS").unwrap_or(1000);
                Self { reloads: usize::try_from(reloads).expect("a number"), until: None }
            }
        }
    }

    /// Whether there is to be one behind `done`; where there is an hour for them, somewhat later.
    fn more(&self, done: usize) -> bool {
        match self.until {
            None => done < self.reloads,
            Some(until) => {
                thread::sleep(Duration::from_millis(100));
                Instant::now() < until
            }
        }
    }
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
    let (wanted, mut reloads, mut kept) = (Wanted::asked(), 0, Vec::new());
    while wanted.more(reloads) {
        reloads += 1;
        folder.write("orgate.yaml", &policy(RULES[reloads % 2]));
        let answer = request("POST", &format!("{admin}/-/reload"), &[], None);
        assert_eq!(answer.status, 200, "{}", answer.body);
        if reloads % 20 == 0 {
            kept.push(resident(running.id()));
        }
    }
    println!("{}", graph("KiB resident", "every 20 policies", &kept));
    // The first two hundred make what is made once.
    let begun = &kept[10.min(kept.len() - 1)..];
    let part = (begun.len() / 4).max(1);
    let middle = |kept: &[u64]| {
        let mut sorted = kept.to_vec();
        sorted.sort_unstable();
        sorted[sorted.len() / 2]
    };
    let grown = middle(&begun[begun.len() - part..]).saturating_sub(middle(&begun[..part]));
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
    assert!(grown < 16 * 1024, "{grown} KiB more after {reloads} policies");
    let metrics = request("GET", &format!("{admin}/metrics"), &[], None).body;
    let counted = format!("orgate_policy_reloads_total{{result=\"applied\"}} {reloads}\n");
    assert!(metrics.contains(&counted), "{metrics}");
}
