//! What the life of a key set leaves in the log. Alone in its process: what is logged is asked for once and remembered, by
//! all threads together.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::{fs, time::Duration};

use common::{Folder, Log, client, eventually, kids, remote};
use orgate_claims::IssuerUrl;
use orgate_remote::{KeySettings, Location, RemoteKeys, Timing};
use orgate_testkit::{Reply, Stub, TestKey, b64url, jwks};
use orgate_verify::KeySource;
use serde_json::json;

fn eager() -> Timing {
    Timing::default().minimum_interval(Duration::ZERO)
}

fn place(stub: &Stub) -> Location {
    Location::JwksUri(format!("{}{}", stub.url(), Stub::JWKS))
}

fn kept_in(folder: &Folder, stub: &Stub) -> std::sync::Arc<RemoteKeys> {
    let settings = KeySettings::new(IssuerUrl::parse(&stub.url()).unwrap(), place(stub))
        .timing(eager())
        .snapshots(Some(folder.path().join("snapshots")));
    RemoteKeys::new(settings, client()).unwrap()
}

#[tokio::test]
async fn what_an_operator_must_know_is_told_once_and_without_secrets() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    keys_that_are_skipped(&log).await;
    a_snapshot_that_is_damaged(&log).await;
    an_outage(&log).await;
}

async fn keys_that_are_skipped(log: &Log) {
    let stub = Stub::start().await;
    let mut private = TestKey::eddsa().jwk();
    private["d"] = b64url(TestKey::eddsa().ed25519_seed()).into();
    log.clear();
    let mut good =
        vec![TestKey::es256().jwk(), private, json!({"kty": "oct", "kid": "hmac", "k": "c2VjcmV0"})];
    let keys = remote(&stub.url(), place(&stub), eager());
    for more in [TestKey::rs256(), TestKey::other_es256()] {
        stub.set(Stub::JWKS, Reply::json(json!({ "keys": good }).to_string()));
        keys.refresh().await.unwrap();
        keys.refresh().await.unwrap();
        good.push(more.jwk());
    }
    assert_eq!(kids(&keys), ["es-1", "rs-1"]);
    assert_eq!((keys.status().figures.usable, keys.status().figures.skipped), (2, 2));
    let told = log.text();
    for kid in ["ed-1", "hmac"] {
        let about =
            format!("WARN of `{}`: key `{kid}` is not used: it publishes secret key material", stub.url());
        assert_eq!(told.matches(&about).count(), 1, "{told}");
    }
    assert!(!told.contains("c2VjcmV0") && !told.contains(&b64url(TestKey::eddsa().ed25519_seed())));
}

async fn a_snapshot_that_is_damaged(log: &Log) {
    let folder = Folder::new();
    let stub = Stub::start().await;
    stub.serve_keys([TestKey::es256()]);
    kept_in(&folder, &stub).refresh().await.unwrap();
    let file = || fs::read_dir(folder.path().join("snapshots")).ok()?.next()?.ok().map(|file| file.path());
    eventually(|| file().is_some_and(|file| file.extension().is_some_and(|kind| kind == "keys"))).await;
    log.clear();
    let text = fs::read_to_string(file().unwrap()).unwrap();
    fs::write(file().unwrap(), text.replace("es-1", "es-9")).unwrap();
    assert!(kept_in(&folder, &stub).current().is_none());
    let told = log.text();
    assert!(
        told.contains("WARN the snapshot of the keys of") && told.contains("is ignored: it is damaged"),
        "{told}"
    );
}

async fn an_outage(log: &Log) {
    let stub = Stub::start().await;
    stub.serve_keys([TestKey::es256()]);
    let keys = remote(&stub.url(), place(&stub), eager());
    keys.refresh().await.unwrap();
    log.clear();
    for status in [500, 500, 500, 404, 404] {
        stub.set(Stub::JWKS, Reply::status(status));
        keys.refresh().await.unwrap();
    }
    stub.set(Stub::JWKS, Reply::json(jwks([TestKey::es256()])));
    keys.refresh().await.unwrap();
    let told = log.text();
    let lines: Vec<_> = told.lines().filter(|line| !line.starts_with("DEBUG")).collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(lines[0].starts_with("WARN") && lines[0].contains("answered 500"), "{told}");
    assert!(lines[1].starts_with("WARN") && lines[1].contains("answered 404"), "{told}");
    assert!(lines[2].starts_with("INFO") && lines[2].contains("can be loaded again"), "{told}");
}
