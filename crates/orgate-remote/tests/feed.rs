//! The change feed of an issuer, followed over a real socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod common;

use std::time::Duration;

use common::{bounded, eventually};
use orgate_claims::{IssuerUrl, Principal, SessionId, SubjectId};
use orgate_remote::{Feed, FeedRefusal, FeedTerms, HttpClient, Limits};
use orgate_testkit::{FeedIssuer, FeedManner, TestKey};
use orgate_verify::{MarkHit, Marks};
use serde_json::json;

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(400);

async fn issuer() -> FeedIssuer {
    FeedIssuer::start([TestKey::es256()]).await
}

fn feed_with(issuer: &FeedIssuer, key: &str, terms: FeedTerms) -> Feed {
    let client = HttpClient::for_questions(Limits::default());
    let feed = Feed::new(IssuerUrl::parse(&issuer.url()).unwrap(), key, terms, client).unwrap();
    feed.spawn();
    feed
}

fn feed(issuer: &FeedIssuer) -> Feed {
    feed_with(issuer, FeedIssuer::KEY, FeedTerms::new(LONG, false))
}

async fn loaded(issuer: &FeedIssuer) -> Feed {
    let feed = feed(issuer);
    bounded(feed.wait_until_loaded()).await;
    feed
}

fn of_session(feed: &Feed, session: &str) -> Result<(), FeedRefusal> {
    let issuer = IssuerUrl::parse("https://issuer.example").unwrap();
    let ann = Principal::builder(issuer, SubjectId::parse("ann").unwrap())
        .session(Some(SessionId::parse(session).unwrap()));
    feed.check(&ann.build(), Some("k1"))
}

fn session(id: &str) -> serde_json::Value {
    json!({ "kind": "session", "sid": id })
}

const REVOKED: Result<(), FeedRefusal> = Err(FeedRefusal::Revoked(MarkHit::Session));

#[tokio::test]
async fn what_lives_is_known_at_once_and_what_comes_a_moment_later() {
    let issuer = issuer().await;
    issuer.revoke(session("old"));
    let feed = loaded(&issuer).await;
    assert_eq!((of_session(&feed, "old"), of_session(&feed, "new")), (REVOKED, Ok(())));
    issuer.revoke(session("new"));
    eventually(|| of_session(&feed, "new") == REVOKED).await;
    let figures = feed.figures();
    assert!(figures.connected && figures.loaded && !figures.stale && figures.last_error.is_none());
    assert_eq!((figures.marks, figures.connections, figures.failures), (2, 1, 0));
    let asked = issuer.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].0.as_str(), asked[0].1.get("last-event-id")), ("", None));
}

#[tokio::test]
async fn before_any_mark_is_known_nobody_is_believed() {
    let issuer = issuer().await;
    issuer.set(FeedManner::Down);
    let feed = feed_with(&issuer, FeedIssuer::KEY, FeedTerms::new(LONG, false));
    eventually(|| feed.figures().failures > 1).await;
    assert_eq!(of_session(&feed, "any"), Err(FeedRefusal::NeverLoaded));
    assert!(feed.figures().refuses && !feed.wait_at_most(Duration::ZERO).await);
    issuer.set(FeedManner::Streams);
    bounded(feed.wait_until_loaded()).await;
    assert_eq!(of_session(&feed, "any"), Ok(()));
}

#[tokio::test]
async fn after_an_outage_it_goes_on_where_it_was() {
    let issuer = issuer().await;
    issuer.revoke(session("before"));
    let feed = loaded(&issuer).await;
    issuer.set(FeedManner::Down);
    eventually(|| !feed.figures().connected).await;
    issuer.revoke(session("meanwhile"));
    assert_eq!(of_session(&feed, "before"), REVOKED);
    let _ = issuer.asked();
    issuer.set(FeedManner::Streams);
    eventually(|| of_session(&feed, "meanwhile") == REVOKED).await;
    assert_eq!(of_session(&feed, "before"), REVOKED);
    let asked = issuer.asked();
    let (query, head) = asked.last().unwrap();
    assert_eq!((query.as_str(), head["last-event-id"].as_bytes()), ("after=1", &b"1"[..]));
    assert!(feed.figures().last_error.is_none());
}

#[tokio::test]
async fn marks_that_are_too_old_refuse_or_are_gone_on_with_as_the_policy_says() {
    let issuer = issuer().await;
    issuer.revoke(session("out"));
    let ttl = feed_with(&issuer, FeedIssuer::KEY, FeedTerms::new(SHORT, false));
    let deny = ttl.on_terms(FeedTerms::new(SHORT, true));
    bounded(deny.wait_until_loaded()).await;
    assert_eq!((of_session(&deny, "any"), of_session(&deny, "out")), (Ok(()), REVOKED));
    issuer.set(FeedManner::Down);
    eventually(|| of_session(&deny, "any") == Err(FeedRefusal::Stale)).await;
    assert_eq!(of_session(&deny, "out"), Err(FeedRefusal::Stale));
    assert_eq!((of_session(&ttl, "any"), of_session(&ttl, "out")), (Ok(()), REVOKED));
    assert!(deny.figures().refuses && !ttl.figures().refuses && ttl.figures().stale);
    // Bytes of a connection that has not caught up do not make the marks younger.
    issuer.set(FeedManner::Says("event: marks\ndata: {\"seq\":1,\n:\n:\n".into(), false));
    eventually(|| !issuer.asked().is_empty()).await;
    assert_eq!(of_session(&deny, "any"), Err(FeedRefusal::Stale));
    issuer.revoke(session("meanwhile"));
    issuer.set(FeedManner::Streams);
    eventually(|| of_session(&deny, "any").is_ok()).await;
    assert_eq!(of_session(&deny, "meanwhile"), REVOKED);
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_asked_again_and_again() {
    let issuer = issuer().await;
    issuer.set(FeedManner::Answers);
    issuer.revoke(session("old"));
    let feed = loaded(&issuer).await;
    assert_eq!(of_session(&feed, "old"), REVOKED);
    issuer.revoke(session("new"));
    eventually(|| of_session(&feed, "new") == REVOKED).await;
    eventually(|| feed.figures().connected).await;
    let asked = issuer.asked();
    assert!(asked.iter().any(|(query, _)| query == "after=1&wait=1"), "{asked:?}");
    assert!(asked.len() < 10, "whoever does not know `wait` is not overrun");
    assert_eq!(feed.figures().connections, 1);
}

#[tokio::test]
async fn a_database_that_was_put_back_replaces_what_was_known() {
    let issuer = issuer().await;
    for id in ["a", "b", "c"] {
        issuer.revoke(session(id));
    }
    let feed = loaded(&issuer).await;
    issuer.set(FeedManner::Down);
    eventually(|| !feed.figures().connected).await;
    issuer.put_back(1);
    issuer.revoke(session("d"));
    issuer.set(FeedManner::Streams);
    eventually(|| of_session(&feed, "d") == REVOKED).await;
    assert_eq!((of_session(&feed, "a"), feed.figures().marks), (Ok(()), 1));
}

/// A stream that says this, then is left open.
fn saying(text: &str) -> FeedManner {
    FeedManner::Says(text.to_owned().into(), false)
}

#[tokio::test]
async fn what_cannot_be_understood_changes_nothing_and_is_asked_for_anew() {
    let issuer = issuer().await;
    issuer.revoke(session("out"));
    let feed = loaded(&issuer).await;
    let event = |data: &str| saying(&format!("event: marks\ndata: {data}\n\n"));
    let far = 1_u64 << 40;
    let mark = |rest: &str| format!(r#"{{"seq":2,"marks":[{{"seq":2,"expires_at":{far},{rest}}}]}}"#);
    for hostile in [
        event(&mark(r#""kind":"device","sid":"x""#)),
        event(&mark(r#""kind":"session""#)),
        event("[]"),
        event("{"),
        saying("event: other\ndata: {\"seq\":2,\"marks\":[]}\n\n"),
        saying("data: {\"seq\":2,\"marks\":[]}\n\n"),
        saying("\u{0}\u{ff}\n\n\r\r\n: x\n\nevent\ndata\n\n"),
        FeedManner::Json("<html>".into()),
    ] {
        let before = feed.figures().failures;
        issuer.set(hostile.clone());
        eventually(|| feed.figures().failures > before + 1).await;
        let error = feed.figures().last_error.unwrap();
        assert!(error.contains("cannot be understood"), "{hostile:?}: {error}");
        assert_eq!((of_session(&feed, "out"), of_session(&feed, "x")), (REVOKED, Ok(())), "{hostile:?}");
        let _ = issuer.asked();
        issuer.set(FeedManner::Streams);
        eventually(|| feed.figures().last_error.is_none()).await;
        let asked = issuer.asked();
        assert!(asked.iter().all(|(query, _)| !query.contains("after")), "{asked:?}");
        assert_eq!(of_session(&feed, "out"), REVOKED);
    }
}

#[tokio::test]
async fn a_position_that_went_back_is_not_gone_on_from_but_all_is_asked_for() {
    let issuer = issuer().await;
    issuer.revoke(session("out"));
    let feed = loaded(&issuer).await;
    let _ = issuer.asked();
    issuer.set(saying("event: marks\ndata: {\"seq\":0,\"marks\":[]}\n\n"));
    eventually(|| feed.figures().marks == 0).await;
    let queries: Vec<String> = issuer.asked().into_iter().map(|(query, _)| query).collect();
    assert_eq!((queries[0].as_str(), queries.last().unwrap().as_str()), ("after=1", ""), "{queries:?}");
}

#[tokio::test]
async fn what_is_told_in_several_messages_counts_when_the_last_is_here() {
    let issuer = issuer().await;
    let part = |seq: u64, more: bool| {
        let mark = format!(r#"{{"seq":{seq},"kind":"session","sid":"s{seq}","expires_at":4102444800}}"#);
        format!("event: marks\ndata: {{\"seq\":{seq},\"more\":{more},\"marks\":[{mark}]}}\n\n")
    };
    issuer.set(FeedManner::Says(part(1, true).into(), true));
    let feed = feed(&issuer);
    eventually(|| feed.figures().connections > 1).await;
    assert_eq!(of_session(&feed, "any"), Err(FeedRefusal::NeverLoaded), "it is the beginning only");
    issuer.set(FeedManner::Says((part(2, true) + &part(3, false)).into(), false));
    bounded(feed.wait_until_loaded()).await;
    assert_eq!(["s1", "s2", "s3"].map(|id| of_session(&feed, id)), [REVOKED; 3]);
    assert_eq!(of_session(&feed, "any"), Ok(()));
    let asked = issuer.asked();
    assert!(asked.iter().any(|(query, _)| query.contains("after=1")), "it goes on behind what it has");
}

#[tokio::test]
async fn a_stream_that_is_cut_in_the_middle_of_a_line_says_nothing() {
    let issuer = issuer().await;
    let feed = loaded(&issuer).await;
    let far = 1_u64 << 40;
    let whole = format!(
        "event: marks\ndata: {{\"seq\":5,\"marks\":[{{\"seq\":5,\"kind\":\"session\",\"sid\":\"x\",\"expires_at\":{far}}}]}}\n\n"
    );
    for end in [20, whole.len() - 30, whole.len() - 3, whole.len() - 1] {
        let before = feed.figures().connections;
        issuer.set(FeedManner::Says(whole[..end].to_owned().into(), true));
        eventually(|| feed.figures().connections > before + 1).await;
        assert_eq!(of_session(&feed, "x"), Ok(()), "{end}");
    }
    issuer.set(FeedManner::Says(whole.into(), true));
    eventually(|| of_session(&feed, "x") == REVOKED).await;
}

#[tokio::test]
async fn more_marks_than_there_is_room_for_are_not_understood() {
    let issuer = issuer().await;
    let mut list = String::new();
    for number in 0..=Marks::MOST {
        let comma = if number == 0 { "" } else { "," };
        list += &format!(r#"{comma}{{"seq":1,"kind":"session","sid":"{number}","expires_at":9999999999}}"#);
    }
    issuer.set(FeedManner::Json(format!(r#"{{"seq":1,"marks":[{list}]}}"#).into()));
    let feed = feed(&issuer);
    eventually(|| feed.figures().last_error.is_some_and(|error| error.contains("cannot be"))).await;
    assert_eq!(of_session(&feed, "1"), Err(FeedRefusal::NeverLoaded));
    assert_eq!(feed.figures().marks, 0);
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let issuer = issuer().await;
    let feed = loaded(&issuer).await;
    let mut endless = b"event: marks\ndata: ".to_vec();
    endless.resize(33 * 1024 * 1024, b'x');
    issuer.set(FeedManner::Says(endless.clone().into(), false));
    eventually(|| feed.figures().last_error.is_some_and(|error| error.contains("too large"))).await;
    issuer.set(FeedManner::Json(endless.into()));
    eventually(|| feed.figures().last_error.is_some_and(|error| error.contains("more than 32768 KiB"))).await;
    assert_eq!(of_session(&feed, "any"), Ok(()));
}

#[tokio::test]
async fn a_key_that_is_refused_is_told_and_never_shown() {
    let issuer = issuer().await;
    let feed = feed_with(&issuer, "sk_wrong", FeedTerms::new(LONG, false));
    eventually(|| feed.figures().last_error.is_some()).await;
    let error = feed.figures().last_error.unwrap();
    assert!(error.contains("answered 401; help: `feed: {key: …}` must name a project key"), "{error}");
    assert!(!format!("{feed:?}{error}").contains("sk_wrong"));
    let of = |key: &str| {
        let issuer = IssuerUrl::parse("https://issuer.example").unwrap();
        Feed::new(issuer, key, FeedTerms::new(LONG, false), HttpClient::new())
    };
    let error = of("sk_\n").unwrap_err().to_string();
    assert!(error.contains("no header") && !error.contains("sk_"), "{error}");
    let plain = IssuerUrl::parse("http://issuer.example").unwrap();
    assert!(Feed::new(plain, "sk_", FeedTerms::new(LONG, false), HttpClient::new()).is_err());
}

#[tokio::test]
async fn nobody_reads_the_feed_when_nobody_needs_it() {
    let issuer = issuer().await;
    let feed = loaded(&issuer).await;
    let same = feed.on_terms(FeedTerms::new(SHORT, true));
    drop(feed);
    issuer.revoke(session("x"));
    eventually(|| of_session(&same, "x") == REVOKED).await;
    let readers = issuer.readers();
    drop(same);
    eventually(|| issuer.readers() < readers).await;
    let _ = issuer.asked();
    issuer.set(FeedManner::Down);
    issuer.set(FeedManner::Streams);
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert!(issuer.asked().is_empty(), "it would have been read again within a second");
}

#[tokio::test]
async fn with_another_key_one_need_not_be_without_marks() {
    let issuer = issuer().await;
    issuer.revoke(session("out"));
    let before = loaded(&issuer).await;
    issuer.set(FeedManner::Down);
    let client = HttpClient::for_questions(Limits::default());
    let url = IssuerUrl::parse(&issuer.url()).unwrap();
    let after = Feed::new(url, "sk_next", FeedTerms::new(LONG, true), client).unwrap();
    assert!(!after.is_the_same(&before) && before.is_the_same(&before.clone()));
    after.take_over(&before);
    assert_eq!((of_session(&after, "out"), of_session(&after, "any")), (REVOKED, Ok(())));
    // Nor do they become younger by that.
    let age = before.figures().age.unwrap();
    assert!(after.figures().age.unwrap() >= age);
    let strict = after.on_terms(FeedTerms::new(age, true));
    assert_eq!(of_session(&strict, "any"), Err(FeedRefusal::Stale));
}
