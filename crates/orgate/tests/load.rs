//! From a policy file to a working gate, with keys from each place they can come from.

#![cfg(all(feature = "config", feature = "remote"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use common::check;
use orgate::{Gate, LoadOptions};
use orgate_testkit::{Folder, Reply, Stub, TestKey, access_token_claims, jwks};

fn policy(issuer: &str, keys: &str) -> String {
    format!(
        "version: 1\nissuers:\n  main: {{issuer: \"{issuer}\", audience: api, profile: orgate, keys: {keys}}}\n\
         rules:\n  GET /healthz: public\n  GET /docs: read\n"
    )
}

async fn verdict(gate: &Gate, issuer: &str, key: &TestKey) -> String {
    gate.ready().await;
    let now = orgate::clock::now().seconds();
    let bearer = format!("Bearer {}", key.mint(&access_token_claims(issuer, "api", now)));
    check(gate, "GET /docs", &[("authorization", &bearer)], now)
}

#[tokio::test]
async fn keys_come_from_discovery_from_a_url_or_from_a_file() {
    let folder = Folder::new();
    let stub = Stub::start().await;
    let url = stub.url();
    stub.serve_issuer([TestKey::es256()]);
    folder.write("keys.json", &jwks([TestKey::rs256()]));
    for (keys, key) in [
        ("discover".to_owned(), TestKey::es256()),
        (format!("{{jwks_uri: \"{url}/jwks.json\"}}"), TestKey::es256()),
        ("{file: keys.json}".to_owned(), TestKey::rs256()),
    ] {
        let file = folder.write("orgate.yaml", &policy(&url, &keys));
        let gate = Gate::load(&file).await.unwrap();
        assert_eq!(verdict(&gate, &url, key).await, "allow GET /docs", "{keys}");
        assert_eq!(verdict(&gate, &url, TestKey::eddsa()).await, "needs Keys(IssuerIndex(0))", "{keys}");
        let status = gate.status();
        assert!(status.is_ready() && status.rules == 2, "{status:?}");
    }
}

#[tokio::test]
async fn the_secret_of_an_issuer_is_read_when_the_gate_is_made() {
    let (folder, url) = (Folder::new(), "https://issuer.example");
    let file = folder.write("orgate.yaml", &policy(url, "{secret: {file: issuer.key}}"));
    folder.write("issuer.key", &format!("{}\n", TestKey::SECRET));
    let gate = Gate::load(&file).await.unwrap();
    assert_eq!(verdict(&gate, url, TestKey::hs256()).await, "allow GET /docs");
    assert!(verdict(&gate, url, TestKey::hs384()).await.contains("invalid_token"));
    assert!(verdict(&gate, url, TestKey::rs256()).await.contains("invalid_token"));
    assert!(!format!("{gate:?}").contains(TestKey::SECRET));

    folder.write("issuer.key", "a-secret-that-is-too-short");
    let error = Gate::load(&file).await.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert_eq!(
        error.to_string(),
        "a secret of the issuer `main`: it is not fit: it must have 32 to 1024 bytes"
    );
    std::fs::remove_file(folder.path().join("issuer.key")).unwrap();
    assert!(Gate::load(&file).await.is_err(), "no secret is not an empty one");
}

#[tokio::test]
async fn a_bad_policy_gives_no_gate_and_says_where() {
    let folder = Folder::new();
    let file = folder
        .write("orgate.yaml", &policy("https://issuer.example", "discover").replace(": read", ": raed"));
    let error = Gate::load(&file).await.unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(
        error.to_string().contains("orgate.yaml:6:14") && error.to_string().contains("`read`"),
        "{error}"
    );
    let missing = Gate::load(folder.path().join("nowhere.yaml")).await.unwrap_err();
    assert_eq!(missing.exit_code(), 2);
}

#[tokio::test]
async fn keys_in_hand_move_over_to_another_limit_and_snapshots_stay_on() {
    let folder = Folder::new();
    let stub = Stub::start().await;
    let url = stub.url();
    stub.serve_issuer([TestKey::es256()]);
    let snapshots = folder.path().join("snapshots");
    let count = || std::fs::read_dir(&snapshots).map(|files| files.count()).unwrap_or(0);
    let file = folder.write("orgate.yaml", &policy(&url, "discover"));
    let gate = Gate::load_with(&file, LoadOptions::default().key_snapshots(&snapshots)).await.unwrap();
    gate.ready().await;
    until(|| count() == 1).await;

    stub.set(Stub::JWKS, Reply::hang());
    folder.write("orgate.yaml", &policy(&url, "{max_stale: 12h}"));
    gate.reload(&file).await.unwrap();
    assert_eq!(verdict(&gate, &url, TestKey::es256()).await, "allow GET /docs", "the issuer is out of reach");

    stub.serve_issuer([TestKey::es256()]);
    folder.write("orgate.yaml", &policy(&url, &format!("{{jwks_uri: \"{url}/jwks.json\"}}")));
    gate.reload(&file).await.unwrap();
    gate.ready().await;
    until(|| count() == 2).await;
}

async fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..4_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("it does not come");
}
