//! Keys from an issuer that rotates, fails, lies and comes back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{Folder, bounded, client, eventually, kids, remote as keys};
use orgate_claims::IssuerUrl;
use orgate_remote::{HttpClient, KeySettings, Limits, Location, RemoteKeys, Timing};
use orgate_testkit::{Reply, Stub, TestKey, jwks, unfit_jwks};
use orgate_verify::{KeySet, KeySource};
use serde_json::json;

/// Without a wait between fetches, and without a background task.
fn discovered(stub: &Stub) -> Arc<RemoteKeys> {
    keys(&stub.url(), Location::Discover, Timing::default().minimum_interval(Duration::ZERO))
}

async fn refusal(keys: &RemoteKeys) -> String {
    // Longer than every limit of `client`: what gets here was not bounded.
    bounded(keys.refresh()).await.unwrap_err().to_string()
}

#[tokio::test]
async fn nothing_is_in_hand_before_the_first_fetch() {
    let stub = Stub::start().await;
    let keys = discovered(&stub);
    assert!(keys.current().is_none());
    let status = keys.status();
    assert!(!status.loaded);
    assert_eq!(status.last_error, None);
    assert_eq!(status.location, format!("{}/.well-known/openid-configuration", stub.url()));
    assert_eq!(stub.hits(Stub::DISCOVERY), 0);
}

#[tokio::test]
async fn discovery_leads_to_the_keys() {
    let stub = Stub::start().await;
    stub.serve_issuer([TestKey::es256(), TestKey::eddsa()]);
    let keys = discovered(&stub);
    keys.refresh().await.unwrap();
    assert_eq!(kids(&keys), ["es-1", "ed-1"]);
    assert!(keys.status().loaded);
}

#[tokio::test]
async fn the_place_of_oauth_metadata_is_tried_where_openid_has_none() {
    let stub = Stub::start().await;
    let issuer = format!("{}/p/demo", stub.url());
    let document = json!({"issuer": issuer, "jwks_uri": format!("{}/jwks.json", stub.url())});
    stub.set("/.well-known/oauth-authorization-server/p/demo", Reply::json(document.to_string()));
    stub.serve_keys([TestKey::es256()]);
    let keys = keys(&issuer, Location::Discover, Timing::default());
    keys.refresh().await.unwrap();
    assert_eq!(kids(&keys), ["es-1"]);
    assert_eq!(stub.hits("/p/demo/.well-known/openid-configuration"), 1);
}

#[tokio::test]
async fn a_key_sets_url_needs_no_discovery() {
    let stub = Stub::start().await;
    stub.serve_keys([TestKey::rs256()]);
    let keys = keys("urn:issuer", Location::JwksUri(format!("{}/jwks.json", stub.url())), Timing::default());
    keys.refresh().await.unwrap();
    assert_eq!(kids(&keys), ["rs-1"]);
    assert_eq!(stub.hits(Stub::DISCOVERY), 0);
}

#[tokio::test]
async fn a_rotation_is_picked_up_by_a_refresh() {
    let stub = Stub::start().await;
    stub.serve_issuer([TestKey::es256()]);
    let keys = discovered(&stub);
    keys.refresh().await.unwrap();
    let before = keys.current().unwrap().generation();
    stub.serve_keys([TestKey::es256(), TestKey::other_es256()]);
    keys.refresh().await.unwrap();
    assert_eq!(kids(&keys), ["es-1", "es-2"]);
    assert_ne!(keys.current().unwrap().generation(), before);
    stub.serve_keys([TestKey::other_es256()]);
    keys.refresh().await.unwrap();
    assert_eq!(kids(&keys), ["es-2"], "what is withdrawn is gone");
    assert_eq!(stub.hits(Stub::DISCOVERY), 1, "the place of the keys is remembered");
}

#[tokio::test]
async fn the_same_text_is_the_same_set() {
    let stub = Stub::start().await;
    stub.serve_issuer([TestKey::es256()]);
    let keys = discovered(&stub);
    keys.refresh().await.unwrap();
    let before = keys.current().unwrap();
    keys.refresh().await.unwrap();
    assert_eq!(stub.hits(Stub::JWKS), 2);
    assert!(Arc::ptr_eq(&before, &keys.current().unwrap()));
}

#[tokio::test]
async fn a_failure_keeps_the_last_good_set_and_is_told() {
    let stub = Stub::start().await;
    stub.serve_issuer([TestKey::es256()]);
    let keys = discovered(&stub);
    keys.refresh().await.unwrap();
    for (reply, told) in [
        (Reply::status(500), "answered 500"),
        (Reply::status(404), "answered 404"),
        (Reply::status(204), "answered 204"),
        (
            Reply::typed("text/html; charset=utf-8", jwks([TestKey::eddsa()])),
            "with `text/html`, not with JSON",
        ),
        (Reply::json("<html></html>"), "is not JSON"),
        (Reply::json(r#"{"keys":[]}"#), "no key that can be used"),
        (Reply::json(r#"{"keys":[],"keys":[]}"#), "names a member twice"),
        (Reply::redirect("https://elsewhere.example/jwks.json"), "redirect"),
        (Reply::huge(256 * 1024 + 1), "more than 256 KiB"),
        (Reply::close(), "broke off"),
        (Reply::hang(), "did not answer within 500ms"),
        (Reply::stall(), "did not answer within 500ms"),
        (Reply::drip(jwks([TestKey::eddsa()]), Duration::from_millis(20)), "did not answer within 500ms"),
        (Reply::truncated(jwks([TestKey::eddsa()])), "broke off"),
        (Reply::json(jwks([TestKey::eddsa()])).header("content-encoding", "gzip"), "compressed"),
        (Reply::redirect("/elsewhere.json"), "redirect 302"),
    ] {
        stub.set(Stub::JWKS, reply);
        bounded(keys.refresh()).await.expect("a set is in place");
        assert_eq!(kids(&keys), ["es-1"]);
        let error = keys.status().last_error.expect("the failure is told");
        assert!(
            error.contains(told) && error.contains("/jwks.json`") && error.contains("; help: "),
            "{error}"
        );
    }
    stub.serve_issuer([TestKey::es256()]);
    keys.refresh().await.unwrap();
    assert_eq!(keys.status().last_error, None, "repaired");
}

#[tokio::test]
async fn without_a_set_a_failure_is_the_callers() {
    let stub = Stub::start().await;
    let keys = discovered(&stub);
    let error = refusal(&keys).await;
    assert_eq!(
        error,
        format!(
            "`{}/.well-known/openid-configuration` answered 404; help: check the issuer's URL, or name its key set by \
             `jwks_uri`",
            stub.url()
        )
    );
    assert_eq!(keys.status().last_error, Some(error));
}

#[tokio::test]
async fn nobody_listening_is_said_plainly() {
    let url = Stub::start().await.url();
    let keys = keys(&url, Location::Discover, Timing::default());
    let error = refusal(&keys).await;
    assert!(error.contains("cannot be reached: ") && error.contains("is the issuer running"), "{error}");
}

#[tokio::test]
async fn a_document_of_another_issuer_is_refused() {
    let stub = Stub::start().await;
    stub.serve_keys([TestKey::es256()]);
    let ours = stub.url();
    for theirs in [format!("{ours}/"), ours.replace("http", "HTTP"), format!("{ours}/p/other"), String::new()]
    {
        let document = json!({"issuer": theirs, "jwks_uri": format!("{ours}/jwks.json")});
        stub.set(Stub::DISCOVERY, Reply::json(document.to_string()));
        let error = refusal(&discovered(&stub)).await;
        assert!(error.contains(&format!("another issuer than `{ours}`")), "{error}");
    }
    assert_eq!(stub.hits(Stub::JWKS), 0);
}

#[tokio::test]
async fn a_document_that_is_none_is_refused() {
    let stub = Stub::start().await;
    let ours = stub.url();
    for body in [
        String::new(),
        "<html></html>".to_owned(),
        "[]".to_owned(),
        json!({"issuer": ours}).to_string(),
        json!({"issuer": ours, "jwks_uri": 1}).to_string(),
        json!({"issuer": [ours], "jwks_uri": format!("{ours}/jwks.json")}).to_string(),
        format!(r#"{{"issuer":"{ours}","jwks_uri":"{ours}/a","jwks_uri":"{ours}/b"}}"#),
    ] {
        stub.set(Stub::DISCOVERY, Reply::json(body.clone()));
        let error = refusal(&discovered(&stub)).await;
        assert!(error.contains("is not a discovery document"), "{body}: {error}");
    }
}

#[tokio::test]
async fn a_document_cannot_point_the_gate_anywhere_else() {
    let stub = Stub::start().await;
    let ours = stub.url();
    for jwks_uri in [
        "http://169.254.169.254/latest/meta-data",
        "http://elsewhere.example/jwks.json",
        "https://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "/jwks.json",
        "",
    ] {
        let document = json!({"issuer": ours, "jwks_uri": jwks_uri});
        stub.set(Stub::DISCOVERY, Reply::json(document.to_string()));
        let error = refusal(&discovered(&stub)).await;
        let told = ["plain http", "another machine", "not a URL"].iter().any(|text| error.contains(text));
        assert!(told, "{jwks_uri}: {error}");
    }
}

#[tokio::test]
async fn a_redirect_of_the_document_is_not_followed() {
    let stub = Stub::start().await;
    let document = json!({"issuer": stub.url(), "jwks_uri": format!("{}/jwks.json", stub.url())});
    stub.set("/moved", Reply::json(document.to_string()));
    stub.serve_keys([TestKey::es256()]);
    for status in ["/moved".to_owned(), format!("{}/moved", stub.url())] {
        stub.set(Stub::DISCOVERY, Reply::redirect(&status));
        let error = refusal(&discovered(&stub)).await;
        assert!(error.contains("answered with the redirect 302"), "{error}");
    }
    assert_eq!(stub.hits("/moved"), 0);
}

#[tokio::test]
async fn discovery_and_keys_together_are_bounded() {
    let stub = Stub::start().await;
    stub.serve_issuer([TestKey::es256()]);
    stub.set(Stub::JWKS, Reply::hang());
    let settings = KeySettings::new(IssuerUrl::parse(&stub.url()).unwrap(), Location::Discover)
        .timing(Timing::default().total(Duration::from_millis(300)));
    let mut patient = Limits::default();
    patient.total = Duration::from_secs(600);
    let keys = RemoteKeys::new(settings, HttpClient::with_limits(patient)).unwrap();
    let error = refusal(&keys).await;
    assert!(error.contains("did not answer within 300ms"), "{error}");
}

#[tokio::test]
async fn one_bad_key_among_good_ones_is_skipped() {
    let stub = Stub::start().await;
    let mut set = vec![TestKey::es256().jwk()];
    let unfit = unfit_jwks().len();
    set.extend(unfit_jwks().into_iter().map(|(_, jwk)| jwk));
    set.push(TestKey::rs256().jwk());
    stub.serve_issuer([]);
    stub.set(Stub::JWKS, Reply::json(json!({ "keys": set }).to_string()));
    let keys = discovered(&stub);
    keys.refresh().await.unwrap();
    assert_eq!(kids(&keys), ["es-1", "rs-1"]);
    assert_eq!(keys.status().figures.skipped, unfit);
}

#[tokio::test]
async fn many_callers_at_once_share_one_fetch() {
    let stub = Stub::start().await;
    stub.serve_issuer([TestKey::es256()]);
    stub.set(Stub::JWKS, Reply::json(jwks([TestKey::es256()])).delay(Duration::from_millis(100)));
    let keys = discovered(&stub);
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let keys = Arc::clone(&keys);
            tokio::spawn(async move { keys.refresh().await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!((stub.hits(Stub::DISCOVERY), stub.hits(Stub::JWKS)), (1, 1));
    assert_eq!(kids(&keys), ["es-1"]);
}

#[tokio::test]
async fn unknown_kids_in_a_row_cause_one_fetch_per_interval() {
    let stub = Stub::start().await;
    stub.serve_issuer([TestKey::es256()]);
    let keys = keys(&stub.url(), Location::Discover, Timing::default());
    for _ in 0..200 {
        keys.refresh().await.unwrap();
    }
    assert_eq!(stub.hits(Stub::JWKS), 1);
}

#[tokio::test]
async fn a_fetch_goes_on_when_its_caller_goes_away() {
    let stub = Stub::start().await;
    stub.serve_issuer([TestKey::es256()]);
    stub.set(Stub::JWKS, Reply::json(jwks([TestKey::es256()])).delay(Duration::from_millis(100)));
    let keys = discovered(&stub);
    let gone = tokio::time::timeout(Duration::from_millis(20), keys.refresh()).await;
    assert!(gone.is_err(), "the caller did not wait for the end");
    bounded(keys.wait_until_loaded()).await;
    assert_eq!(stub.hits(Stub::JWKS), 1);
}

#[tokio::test]
async fn an_issuer_that_is_down_at_the_start_is_found_when_it_comes() {
    let stub = Stub::start().await;
    stub.set(Stub::DISCOVERY, Reply::close());
    let keys = keys(&stub.url(), Location::Discover, Timing::default());
    RemoteKeys::spawn(&keys);
    eventually(|| keys.status().last_error.is_some()).await;
    assert!(keys.current().is_none());
    assert!(!keys.status().loaded);
    stub.serve_issuer([TestKey::es256()]);
    bounded(keys.wait_until_loaded()).await;
    assert_eq!(kids(&keys), ["es-1"]);
    assert_eq!(keys.status().last_error, None);
}

#[tokio::test]
async fn the_background_task_ends_with_its_keys() {
    let stub = Stub::start().await;
    stub.serve_issuer([TestKey::es256()]);
    let keys = keys(&stub.url(), Location::Discover, Timing::default());
    RemoteKeys::spawn(&keys);
    bounded(keys.wait_until_loaded()).await;
    let metrics = tokio::runtime::Handle::current().metrics();
    let weak = Arc::downgrade(&keys);
    let alive = metrics.num_alive_tasks();
    drop(keys);
    eventually(|| weak.strong_count() == 0 && metrics.num_alive_tasks() < alive).await;
}

#[tokio::test]
async fn urls_that_nobody_should_fetch_are_refused_at_the_start() {
    let new = |issuer: &str, location| {
        let settings = KeySettings::new(IssuerUrl::parse(issuer).unwrap(), location);
        RemoteKeys::new(settings, client()).map(drop).map_err(|error| error.to_string())
    };
    assert!(new("https://issuer.example", Location::Discover).is_ok());
    assert!(new("urn:issuer", Location::Discover).unwrap_err().contains("not a URL"));
    assert!(new("https://u:p@issuer.example", Location::Discover).unwrap_err().contains("not a URL"));
    let error = new("https://issuer.example", Location::JwksUri("http://issuer.example/jwks".to_owned()))
        .unwrap_err();
    assert!(error.contains("plain http") && error.contains("help: use https"), "{error}");
}

#[tokio::test]
async fn https_is_not_spoken_to_a_server_that_cannot_prove_itself() {
    let stub = Stub::start().await;
    stub.serve_issuer([TestKey::es256()]);
    let issuer = stub.url().replace("http://", "https://");
    let error = refusal(&keys(&issuer, Location::Discover, Timing::default())).await;
    assert!(error.contains("cannot be"), "{error}");
    assert_eq!(stub.hits(Stub::DISCOVERY), 0);
}

fn in_file(folder: &Folder) -> Arc<RemoteKeys> {
    keys("https://issuer.example", Location::File(folder.path().join("jwks.json")), Timing::default())
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_again_at_each_refresh() {
    let file = Folder::new();
    file.write("jwks.json", &jwks([TestKey::es256()]));
    let keys = in_file(&file);
    keys.refresh().await.unwrap();
    file.write("jwks.json", &jwks([TestKey::eddsa()]));
    keys.refresh().await.unwrap();
    assert_eq!(kids(&keys), ["es-1"], "within the interval");
    tokio::time::advance(Duration::from_secs(10)).await;
    keys.refresh().await.unwrap();
    assert_eq!(kids(&keys), ["ed-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_missing_or_endless_is_said_plainly() {
    let missing =
        keys("https://issuer.example", Location::File("/nonexistent/keys.json".into()), Timing::default());
    let error = refusal(&missing).await;
    assert!(error.starts_with("the file `/nonexistent/keys.json` cannot be read: "), "{error}");
    let large = Folder::new();
    large.write("jwks.json", &" ".repeat(KeySet::MAX_BYTES + 1));
    assert!(refusal(&in_file(&large)).await.contains("larger than 256 KiB"));
}

#[tokio::test(start_paused = true)]
async fn a_set_that_cannot_be_renewed_is_trusted_for_a_day() {
    let file = Folder::new();
    file.write("jwks.json", &jwks([TestKey::es256()]));
    let keys = in_file(&file);
    RemoteKeys::spawn(&keys);
    keys.wait_until_loaded().await;
    file.write("jwks.json", "{}");
    tokio::time::sleep(Duration::from_secs(24 * 60 * 60 - 10 * 60)).await;
    assert!(keys.current().is_some());
    assert!(keys.status().last_error.is_some());
    tokio::time::sleep(Duration::from_secs(11 * 60)).await;
    assert!(keys.current().is_none());
    assert!(!keys.status().loaded);
    file.write("jwks.json", &jwks([TestKey::eddsa()]));
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(kids(&keys), ["ed-1"], "it recovers alone");
}

#[tokio::test(start_paused = true)]
async fn the_background_task_renews_before_the_lifetime_ends() {
    let file = Folder::new();
    file.write("jwks.json", &jwks([TestKey::es256()]));
    let keys = in_file(&file);
    RemoteKeys::spawn(&keys);
    keys.wait_until_loaded().await;
    file.write("jwks.json", &jwks([TestKey::eddsa()]));
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(kids(&keys), ["es-1"], "not before 70 % of five minutes");
    tokio::time::sleep(Duration::from_secs(45)).await;
    assert_eq!(kids(&keys), ["ed-1"]);
}
