//! The change feed of an issuer: from the policy file to the answer of the layer.

#![cfg(all(feature = "config", feature = "remote"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use orgate::{Checked, Gate, Need};
use orgate_testkit::{FeedIssuer, FeedManner, Folder, Introspector, TestKey, access_token_claims, jwks};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

const FEED: &str = ", feed: {key: {file: feed.key}}";
const DENY: &str = ", feed: {key: {file: feed.key}}, max_stale: 2s, on_stale: deny";
const TTL: &str = ", feed: {key: {file: feed.key}}, max_stale: 2s, on_stale: ttl";

/// A folder with a policy of `issuer` on these terms, its keys and its project key.
fn policy(issuer: &FeedIssuer, terms: &str) -> Folder {
    let folder = Folder::new();
    folder.write("feed.key", &format!("{}\n", FeedIssuer::KEY));
    folder.write("keys.json", &jwks([TestKey::es256()]));
    write(&folder, issuer, terms);
    folder
}

fn write(folder: &Folder, issuer: &FeedIssuer, terms: &str) {
    folder.write(
        "orgate.yaml",
        &format!(
            "version: 1\nissuers:\n  main: {{issuer: \"{}\", audience: api, profile: orgate, keys: {{file: keys.json}}{terms}}}\n\
             rules:\n  GET /docs: read\n  GET /open: public\n  GET /feed: optional\n",
            issuer.url()
        ),
    );
}

async fn load(folder: &Folder) -> Gate {
    Gate::load(folder.path().join("orgate.yaml")).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn stand(terms: &str) -> (FeedIssuer, Folder, Gate) {
    let issuer = FeedIssuer::start([TestKey::es256()]).await;
    let folder = policy(&issuer, terms);
    let gate = load(&folder).await;
    gate.ready().await;
    (issuer, folder, gate)
}

fn claims(issuer: &FeedIssuer) -> Value {
    access_token_claims(&issuer.url(), "api", orgate::clock::now().seconds())
}

fn token(issuer: &FeedIssuer) -> String {
    TestKey::es256().mint(&claims(issuer))
}

async fn answer(gate: &Gate, path: &str, token: &str) -> Response<Full<Bytes>> {
    let service =
        service_fn(
            |_: Request<Full<Bytes>>| async move { Ok::<_, Infallible>(Response::new(Full::default())) },
        );
    let request = Request::get(path).header("authorization", format!("Bearer {token}"));
    gate.layer().layer(service).oneshot(request.body(Full::default()).unwrap()).await.unwrap()
}

async fn ask(gate: &Gate, path: &str, token: &str) -> String {
    let response = answer(gate, path, token).await;
    let status = response.status().as_u16();
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let code = body.split_once("\"code\":\"").and_then(|(_, rest)| rest.split('"').next());
    format!("{status} {}", code.unwrap_or(&body))
}

/// Asks until the answer is this one.
async fn becomes(gate: &Gate, path: &str, token: &str, expected: &str) {
    let asking = async {
        while ask(gate, path, token).await != expected {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let asked = tokio::time::timeout(Duration::from_secs(20), asking).await;
    assert!(asked.is_ok(), "{path} is not {expected} but {}", ask(gate, path, token).await);
}

#[tokio::test]
async fn a_removed_member_is_refused_everywhere_and_a_new_token_passes_at_once() {
    let (issuer, _folder, gate) = stand(FEED).await;
    let old = token(&issuer);
    assert_eq!(ask(&gate, "/docs", &old).await, "200 ");
    assert_eq!(ask(&gate, "/docs", &old).await, "200 ", "from the cache");
    issuer.revoke(json!({"kind": "member", "sub": "usr_ann", "org_id": "org_acme", "min": 8}));
    becomes(&gate, "/docs", &old, "401 revoked").await;
    assert_eq!(ask(&gate, "/feed", &old).await, "401 revoked", "a credential that is shown is judged");
    assert_eq!(ask(&gate, "/open", &old).await, "200 ");
    let mut fresh = claims(&issuer);
    fresh["org_ver"] = 8.into();
    assert_eq!(ask(&gate, "/docs", &TestKey::es256().mint(&fresh)).await, "200 ");
    fresh["org_ver"] = 7.into();
    fresh["sub"] = "usr_bob".into();
    assert_eq!(ask(&gate, "/docs", &TestKey::es256().mint(&fresh)).await, "200 ", "somebody else");
}

#[tokio::test]
async fn a_key_that_is_withdrawn_ends_what_it_signed_even_where_tokens_do_not_name_it() {
    let (issuer, _folder, gate) = stand(FEED).await;
    let named = token(&issuer);
    let unnamed = TestKey::es256().mint_with("kid", Value::Null, &claims(&issuer));
    assert_eq!(
        (ask(&gate, "/docs", &named).await, ask(&gate, "/docs", &unnamed).await),
        ("200 ".to_owned(), "200 ".to_owned())
    );
    let kid = TestKey::es256().jwk()["kid"].clone();
    issuer.revoke(json!({"kind": "key", "kid": kid}));
    becomes(&gate, "/docs", &named, "401 revoked").await;
    assert_eq!(ask(&gate, "/docs", &unnamed).await, "401 revoked");
}

#[tokio::test]
async fn a_request_waits_a_moment_for_the_first_marks_and_is_then_refused() {
    let issuer = FeedIssuer::start([TestKey::es256()]).await;
    issuer.set(FeedManner::Down);
    let folder = policy(&issuer, TTL);
    let gate = load(&folder).await;
    let caller = token(&issuer);
    let response = answer(&gate, "/docs", &caller).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    assert_eq!(ask(&gate, "/docs", &caller).await, "503 stale_feed");
    assert_eq!(ask(&gate, "/open", &caller).await, "200 ", "nobody looks at it");
    let status = gate.status();
    assert!(!status.is_ready() && status.issuers[0].keys_loaded, "{status:?}");
    // A token that is none is none.
    assert_eq!(ask(&gate, "/docs", &format!("{caller}x")).await, "401 invalid_token");
    issuer.set(FeedManner::Streams);
    becomes(&gate, "/docs", &caller, "200 ").await;
    assert!(gate.status().is_ready());
    // At the start nobody is refused for being early.
    let gate = load(&folder).await;
    assert_eq!(ask(&gate, "/docs", &caller).await, "200 ");
}

#[tokio::test]
async fn in_an_outage_the_policy_says_what_holds_until_what_was_missed_is_known() {
    for (terms, meanwhile) in [(DENY, "503 stale_feed"), (TTL, "200 ")] {
        let (issuer, _folder, gate) = stand(terms).await;
        let (caller, mut other) = (token(&issuer), claims(&issuer));
        other["sid"] = "ses_2".into();
        let other = TestKey::es256().mint(&other);
        assert_eq!(ask(&gate, "/docs", &caller).await, "200 ", "{terms}");
        issuer.set(FeedManner::Down);
        issuer.revoke(json!({"kind": "session", "sid": "ses_2"}));
        let is_stale = async {
            while !gate.status().issuers[0].feed.as_ref().unwrap().stale {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), is_stale).await.unwrap();
        for token in [&caller, &other] {
            assert_eq!(ask(&gate, "/docs", token).await, meanwhile, "{terms}");
        }
        assert_eq!(gate.status().is_ready(), terms == TTL);
        issuer.set(FeedManner::Streams);
        // Under `deny` there is no moment in which it passes.
        let settles = async {
            loop {
                let answer = ask(&gate, "/docs", &other).await;
                assert!(answer == meanwhile || answer == "401 revoked", "{terms}: {answer}");
                if answer == "401 revoked" {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), settles).await.unwrap();
        assert_eq!(ask(&gate, "/docs", &caller).await, "200 ", "{terms}");
    }
}

#[tokio::test]
async fn a_policy_that_is_read_again_keeps_marks_and_connection() {
    let (issuer, folder, gate) = stand(FEED).await;
    let caller = token(&issuer);
    issuer.revoke(json!({"kind": "session", "sid": "ses_1"}));
    becomes(&gate, "/docs", &caller, "401 revoked").await;
    let _ = issuer.asked();
    write(&folder, &issuer, DENY);
    let path = folder.path().join("orgate.yaml");
    gate.reload(&path).await.unwrap();
    assert_eq!(ask(&gate, "/docs", &caller).await, "401 revoked");
    assert_eq!(gate.status().issuers[0].feed.as_ref().unwrap().connections, 1);
    assert!(issuer.asked().is_empty());
    // With a key that is wrong, what is in hand still holds.
    folder.write("feed.key", "sk_wrong");
    gate.reload(&path).await.unwrap();
    assert_eq!(ask(&gate, "/docs", &caller).await, "401 revoked");
    std::fs::remove_file(folder.path().join("feed.key")).unwrap();
    let error = gate.reload(&path).await.unwrap_err();
    assert!(error.to_string().contains("a secret of `feed` of the issuer `main`"), "{error}");
    let readers = issuer.readers();
    write(&folder, &issuer, "");
    gate.reload(&path).await.unwrap();
    assert_eq!(ask(&gate, "/docs", &caller).await, "200 ", "nobody reads it any more");
    assert!(gate.status().issuers[0].feed.is_none() && issuer.readers() <= readers);
}

#[tokio::test]
async fn what_was_heard_of_an_opaque_token_is_heard_anew_once_something_was_revoked() {
    let asked = Introspector::start().await;
    let terms = format!(
        "{FEED}, introspect: {{url: \"{}\", client_id: gate, secret: {{file: feed.key}}, cache: 5m, opaque: true}}",
        asked.url()
    );
    let (issuer, _folder, gate) = stand(&terms).await;
    let mut known = claims(&issuer);
    known["active"] = true.into();
    asked.knows("opaque", &known);
    assert_eq!(ask(&gate, "/docs", "opaque").await, "200 ");
    assert_eq!(ask(&gate, "/docs", "opaque").await, "200 ");
    assert_eq!(asked.asked().len(), 1);
    asked.forgets("opaque");
    issuer.revoke(json!({"kind": "org", "org_id": "org_acme", "min": 8}));
    becomes(&gate, "/docs", "opaque", "401 invalid_token").await;
    // Its issuer knows better than a mark.
    known["org_ver"] = 7.into();
    asked.knows("other", &known);
    assert_eq!(ask(&gate, "/docs", "other").await, "200 ");
}

#[tokio::test]
async fn whoever_serves_one_request_for_long_can_ask_whether_the_caller_still_stands() {
    let (issuer, folder, gate) = stand(FEED).await;
    let caller = token(&issuer);
    let permit_of = |gate: &Gate| {
        let bearer = format!("Bearer {caller}");
        let sent = common::Sent::new("GET /docs", &[("authorization", &bearer)]);
        match sent.checked_at(gate, orgate::clock::now().seconds()) {
            Checked::Done(orgate::Verdict::Forward(permit)) => permit,
            other => panic!("{other:?}"),
        }
    };
    let tenure = permit_of(&gate).tenure(&gate).unwrap();
    assert!(tenure.stands());
    gate.reload(folder.path().join("orgate.yaml")).await.unwrap();
    assert!(tenure.stands());
    issuer.revoke(json!({"kind": "subject", "sub": "usr_ann", "before": 9_999_999_999_u64}));
    becomes(&gate, "/docs", &caller, "401 revoked").await;
    assert!(!tenure.stands());
    write(&folder, &issuer, "");
    gate.reload(folder.path().join("orgate.yaml")).await.unwrap();
    assert!(permit_of(&gate).tenure(&gate).is_none(), "nobody says what is revoked");
}

#[tokio::test]
async fn without_marks_a_door_is_told_what_is_missing() {
    let issuer = FeedIssuer::start([TestKey::es256()]).await;
    issuer.set(FeedManner::Down);
    let folder = policy(&issuer, FEED);
    let gate = load(&folder).await;
    let caller = token(&issuer);
    assert_eq!(ask(&gate, "/docs", &caller).await, "503 stale_feed", "its keys are in hand");
    let bearer = format!("Bearer {caller}");
    let sent = common::Sent::new("GET /docs", &[("authorization", &bearer)]);
    let checked = sent.checked_at(&gate, orgate::clock::now().seconds());
    assert!(matches!(checked, Checked::Needs(Need::Marks(_))), "{checked:?}");
    assert!(!format!("{gate:?}").contains(FeedIssuer::KEY));
}
