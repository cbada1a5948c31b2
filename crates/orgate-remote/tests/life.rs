//! The life of a key set: renewed, rotated, withdrawn, kept over a restart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::{fs, sync::Arc, time::Duration};

use common::{Folder, bounded, client, eventually, kids, remote};
use orgate_claims::IssuerUrl;
use orgate_remote::{KeySettings, Location, RemoteKeys, Timing};
use orgate_testkit::{Reply, Stub, TestKey, b64url, jwks};
use orgate_verify::KeySource;
use serde_json::json;

const QUICK: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(3_600);

fn at(stub: &Stub, path: &str, timing: Timing) -> Arc<RemoteKeys> {
    remote(&stub.url(), Location::JwksUri(format!("{}{path}", stub.url())), timing)
}

/// Looks for an unknown key as often as it is asked to.
fn eager() -> Timing {
    Timing::default().minimum_interval(Duration::ZERO)
}

#[tokio::test]
async fn a_set_that_has_not_changed_is_not_sent_again() {
    let stub = Stub::start().await;
    stub.set(Stub::JWKS, Reply::json(jwks([TestKey::es256()])).tagged("W/\"1\""));
    let keys = at(&stub, Stub::JWKS, eager().lifetimes(QUICK, QUICK));
    RemoteKeys::spawn(&keys);
    bounded(keys.wait_until_loaded()).await;
    let before = keys.current().unwrap();
    eventually(|| stub.hits(Stub::JWKS) > 4).await;
    let conditions = stub.heads(Stub::JWKS);
    assert!(conditions[0].get("if-none-match").is_none());
    assert!(conditions[1..].iter().all(|head| head["if-none-match"] == "W/\"1\""));
    assert!(Arc::ptr_eq(&before, &keys.current().unwrap()), "what is cached under it stays cached");
    assert_eq!(keys.status().last_error, None);
    stub.set(Stub::JWKS, Reply::json(jwks([TestKey::eddsa()])).tagged("W/\"2\""));
    eventually(|| kids(&keys) == ["ed-1"]).await;
}

#[tokio::test]
async fn what_nobody_asked_for_is_no_answer() {
    let stub = Stub::start().await;
    stub.set(Stub::JWKS, Reply::status(304));
    let keys = at(&stub, Stub::JWKS, eager());
    let error = keys.refresh().await.unwrap_err().to_string();
    assert!(error.contains("answered 304"), "{error}");
}

#[tokio::test]
async fn whoever_waits_for_a_key_asks_past_every_cache() {
    let stub = Stub::start().await;
    stub.set(Stub::JWKS, Reply::json(jwks([TestKey::es256()])).tagged("\"1\""));
    let keys = at(&stub, Stub::JWKS, eager());
    keys.refresh().await.unwrap();
    keys.look_for(Some("new")).await.unwrap();
    let head = &stub.heads(Stub::JWKS)[1];
    assert!(head.get("if-none-match").is_none() && head["cache-control"] == "no-cache", "{head:?}");
}

#[tokio::test]
async fn the_issuer_says_how_long_its_set_is_good() {
    let stub = Stub::start().await;
    let with = |value| Reply::json(jwks([TestKey::es256()])).header("cache-control", value);
    stub.set("/short", with("max-age=0"));
    stub.set("/long", with("max-age=3600"));
    let timing = Timing::default().lifetimes(QUICK, HOUR);
    let (short, long) = (at(&stub, "/short", timing), at(&stub, "/long", timing));
    RemoteKeys::spawn(&short);
    RemoteKeys::spawn(&long);
    bounded(long.wait_until_loaded()).await;
    eventually(|| stub.hits("/short") > 4).await;
    assert_eq!(stub.hits("/long"), 1);
}

#[tokio::test]
async fn a_new_key_is_found_by_the_first_token_that_names_it() {
    let stub = Stub::start().await;
    stub.serve_keys([TestKey::es256()]);
    let keys = at(&stub, Stub::JWKS, Timing::default());
    RemoteKeys::spawn(&keys);
    bounded(keys.wait_until_loaded()).await;
    stub.serve_keys([TestKey::es256(), TestKey::other_es256()]);
    keys.look_for(Some("es-2")).await.unwrap();
    assert_eq!((kids(&keys).len(), stub.hits(Stub::JWKS)), (2, 2));
    keys.look_for(Some("es-2")).await.unwrap();
    assert_eq!(stub.hits(Stub::JWKS), 2, "it is there");
}

#[tokio::test]
async fn a_look_that_began_before_a_rotation_is_followed_by_another() {
    let stub = Stub::start().await;
    let old = Reply::json(jwks([TestKey::es256()]));
    stub.set(Stub::JWKS, old.clone());
    let keys = at(&stub, Stub::JWKS, eager());
    keys.refresh().await.unwrap();
    stub.set(Stub::JWKS, old.delay(Duration::from_millis(150)));
    RemoteKeys::spawn(&keys);
    eventually(|| stub.hits(Stub::JWKS) == 2).await;
    stub.serve_keys([TestKey::other_es256()]);
    bounded(keys.look_for(Some("es-2"))).await.unwrap();
    assert_eq!((kids(&keys), stub.hits(Stub::JWKS)), (vec!["es-2".to_owned()], 3));
}

#[tokio::test]
async fn an_issuer_that_cannot_be_asked_proves_nothing_about_a_key() {
    let stub = Stub::start().await;
    stub.serve_keys([TestKey::es256()]);
    let keys = at(&stub, Stub::JWKS, Timing::default());
    keys.refresh().await.unwrap();
    assert!(keys.look_for(Some("x")).await.is_ok(), "asked a moment ago");
    let keys = at(&stub, Stub::JWKS, eager());
    keys.refresh().await.unwrap();
    stub.set(Stub::JWKS, Reply::status(500));
    assert!(keys.look_for(Some("x")).await.is_err());
    assert!(keys.look_for(Some("x")).await.is_err(), "and that is remembered");
    assert!(keys.current().is_some());
}

#[tokio::test]
async fn unknown_kids_are_counted_and_cause_one_look() {
    let stub = Stub::start().await;
    stub.serve_keys([TestKey::es256()]);
    let keys = at(&stub, Stub::JWKS, Timing::default());
    RemoteKeys::spawn(&keys);
    bounded(keys.wait_until_loaded()).await;
    for kid in 0..200 {
        keys.look_for(Some(&kid.to_string())).await.unwrap();
    }
    let figures = keys.status().figures;
    assert_eq!((figures.unknown_kids, figures.refused_looks, figures.looks), (200, 199, 2));
    assert_eq!(stub.hits(Stub::JWKS), 2);
}

#[tokio::test]
async fn only_so_many_wait_for_an_issuer_that_hangs() {
    let stub = Stub::start().await;
    stub.set(Stub::JWKS, Reply::hang());
    let keys = at(&stub, Stub::JWKS, Timing::default().total(Duration::from_secs(2)));
    let waiting: Vec<_> = (0..1_100)
        .map(|kid: i32| {
            let keys = Arc::clone(&keys);
            tokio::spawn(async move { keys.look_for(Some(&kid.to_string())).await.unwrap_err().to_string() })
        })
        .collect();
    let mut turned_away = 0;
    for caller in waiting {
        turned_away += usize::from(bounded(caller).await.unwrap().contains("waited for by 1024 requests"));
    }
    assert_eq!((turned_away, stub.hits(Stub::JWKS)), (1_100 - 1_024, 1));
}

/// Keys from a file, which a test can change while time is paused.
fn in_file(folder: &Folder) -> Arc<RemoteKeys> {
    remote("https://issuer.example", Location::File(folder.path().join("jwks.json")), Timing::default())
}

async fn minutes(minutes: u64) {
    tokio::time::sleep(Duration::from_secs(60 * minutes)).await;
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_publishes_no_key_at_all_is_believed_after_ten_minutes() {
    let folder = Folder::new();
    folder.write("jwks.json", &jwks([TestKey::es256()]));
    let keys = in_file(&folder);
    RemoteKeys::spawn(&keys);
    keys.wait_until_loaded().await;
    folder.write("jwks.json", "{\"keys\":[]}");
    minutes(10).await;
    assert!(keys.current().is_some(), "a slip of a deployment takes nobody down");
    assert!(keys.status().last_error.unwrap().contains("no key that can be used"));
    minutes(5).await;
    assert!(keys.current().is_none() && !keys.status().loaded, "what was withdrawn is gone");
    folder.write("jwks.json", &jwks([TestKey::es256()]));
    minutes(1).await;
    assert_eq!(kids(&keys), ["es-1"], "and comes back alone");
}

#[tokio::test(start_paused = true)]
async fn a_set_that_is_empty_for_a_while_ends_nothing() {
    let folder = Folder::new();
    folder.write("jwks.json", &jwks([TestKey::es256()]));
    let keys = in_file(&folder);
    RemoteKeys::spawn(&keys);
    keys.wait_until_loaded().await;
    folder.write("jwks.json", "{\"keys\":[]}");
    minutes(6).await;
    folder.write("jwks.json", &jwks([TestKey::es256()]));
    minutes(20).await;
    assert_eq!(kids(&keys), ["es-1"]);
    // An outage afterwards has the whole limit again.
    folder.write("jwks.json", "<html>");
    minutes(23 * 60).await;
    assert_eq!(kids(&keys), ["es-1"]);
}

#[tokio::test]
async fn a_key_whose_private_part_is_published_is_gone_at_once() {
    let stub = Stub::start().await;
    stub.serve_keys([TestKey::eddsa()]);
    let keys = at(&stub, Stub::JWKS, eager());
    keys.refresh().await.unwrap();
    let mut leaked = TestKey::eddsa().jwk();
    leaked["d"] = b64url(TestKey::eddsa().ed25519_seed()).into();
    stub.set(Stub::JWKS, Reply::json(json!({ "keys": [leaked] }).to_string()));
    assert!(keys.refresh().await.is_err());
    assert!(keys.current().is_none());
}

#[tokio::test]
async fn a_key_that_is_withdrawn_beside_others_is_gone_at_the_next_look() {
    let stub = Stub::start().await;
    stub.serve_keys([TestKey::es256(), TestKey::eddsa()]);
    let keys = at(&stub, Stub::JWKS, eager().lifetimes(QUICK, QUICK));
    RemoteKeys::spawn(&keys);
    eventually(|| kids(&keys).len() == 2).await;
    stub.serve_keys([TestKey::eddsa()]);
    eventually(|| kids(&keys) == ["ed-1"]).await;
}

fn kept_in(folder: &Folder, stub: &Stub) -> Arc<RemoteKeys> {
    let place = Location::JwksUri(format!("{}{}", stub.url(), Stub::JWKS));
    let settings = KeySettings::new(IssuerUrl::parse(&stub.url()).unwrap(), place)
        .timing(eager())
        .snapshots(Some(folder.path().join("snapshots")));
    RemoteKeys::new(settings, client()).unwrap()
}

#[tokio::test]
async fn a_start_without_the_issuer_has_the_keys_of_the_last_run() {
    let folder = Folder::new();
    let stub = Stub::start().await;
    stub.serve_keys([TestKey::es256()]);
    let before = kept_in(&folder, &stub);
    assert!(before.current().is_none());
    before.refresh().await.unwrap();
    let snapshots = || fs::read_dir(folder.path().join("snapshots")).map(|files| files.count()).unwrap_or(0);
    eventually(|| snapshots() == 1).await;
    stub.set(Stub::JWKS, Reply::hang());
    let after = kept_in(&folder, &stub);
    bounded(after.wait_until_loaded()).await;
    assert_eq!(kids(&after), ["es-1"]);
    assert!(after.status().loaded && after.status().figures.age.is_some());
    assert!(after.look_for(Some("es-2")).await.is_err(), "what is not in it cannot be known");

    // An issuer that withdraws its keys takes them off the disk as well.
    stub.set(Stub::JWKS, Reply::json("{\"keys\":[]}"));
    after.refresh().await.unwrap();
    assert_eq!(snapshots(), 0);
    assert!(kept_in(&folder, &stub).current().is_none());
}

#[tokio::test]
async fn keys_do_not_depend_on_a_disk_that_takes_nothing() {
    let folder = Folder::new();
    folder.write("snapshots", "a file where the folder should be");
    let stub = Stub::start().await;
    stub.serve_keys([TestKey::es256()]);
    let keys = kept_in(&folder, &stub);
    keys.refresh().await.unwrap();
    eventually(|| keys.status().figures.snapshot_failures == 1).await;
    assert_eq!(kids(&keys), ["es-1"]);
    assert_eq!(keys.status().last_error, None);
}

#[tokio::test]
async fn other_limits_for_the_same_keys_do_not_mean_to_be_without() {
    let stub = Stub::start().await;
    stub.serve_keys([TestKey::es256()]);
    let old = at(&stub, Stub::JWKS, Timing::default());
    old.refresh().await.unwrap();
    let new = at(&stub, Stub::JWKS, Timing::default().stale_limit(HOUR));
    new.take_over(&old);
    assert_eq!(kids(&new), ["es-1"]);
    let elsewhere = at(&stub, "/elsewhere", Timing::default());
    elsewhere.take_over(&old);
    assert!(elsewhere.current().is_none());
    let none = at(&stub, Stub::JWKS, Timing::default().stale_limit(Duration::ZERO));
    none.take_over(&old);
    assert!(none.current().is_none(), "the new limit holds");
}

#[tokio::test]
async fn an_entity_tag_says_nothing_about_another_address() {
    let stub = Stub::start().await;
    stub.serve_issuer([]);
    stub.set(Stub::JWKS, Reply::json(jwks([TestKey::es256()])).tagged("\"1\""));
    stub.set("/moved.json", Reply::json(jwks([TestKey::eddsa()])).tagged("\"1\""));
    let keys = remote(&stub.url(), Location::Discover, eager());
    keys.refresh().await.unwrap();
    stub.set(Stub::JWKS, Reply::status(404));
    keys.refresh().await.unwrap();
    let moved = json!({"issuer": stub.url(), "jwks_uri": format!("{}/moved.json", stub.url())});
    stub.set(Stub::DISCOVERY, Reply::json(moved.to_string()));
    RemoteKeys::spawn(&keys);
    eventually(|| kids(&keys) == ["ed-1"]).await;
}
