//! Positions, waiting, pages, streams.

use axum::{
    body::{Body, BodyDataStream},
    http::Request,
};
use http::Method;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{Feed, ask, make_key, operator};
use crate::{
    events::{Actor, Event, EventType},
    testing::{NOW, Site, site},
};

fn ended(number: i64) -> Event {
    Event {
        project_id: "proj_p".to_owned(),
        kind: EventType::SessionRevoked,
        actor: Actor::System,
        org_id: None,
        target_id: format!("ses_{number}"),
        data: json!({}),
        at: NOW,
    }
}

/// As many sessions end, in one change.
pub(super) async fn end(site: &Site, count: i64) {
    site.write(move |tx| {
        Box::pin(async move {
            for number in 0..count {
                tx.record(ended(number));
            }
            Ok(())
        })
    })
    .await;
}

#[orgate_testkit::both]
async fn a_position_stays_good_and_nothing_is_told_twice() {
    let site = site().await;
    let feed = Feed::open(&site).await;
    end(&site, 3).await;
    let all = ask(&site, &feed.key, "").await.json();
    assert_eq!(all["marks"].as_array().unwrap().len(), 3);
    assert!(all.get("reset").is_none() && all.get("more").is_none());
    let rest = ask(&site, &feed.key, &format!("?after={}", feed.from + 1)).await.json();
    assert_eq!(rest["marks"][0]["sid"], "ses_1");
    let none = ask(&site, &feed.key, &format!("?after={}", all["seq"])).await;
    assert_eq!(none.headers["cache-control"], "no-store");
    assert_eq!(none.json(), json!({ "seq": all["seq"], "marks": [] }));
}

#[orgate_testkit::both]
async fn who_was_further_than_the_project_is_begins_anew() {
    let site = site().await;
    let feed = Feed::open(&site).await;
    end(&site, 2).await;
    let reply = ask(&site, &feed.key, "?after=1000000").await.json();
    assert_eq!((&reply["reset"], reply["marks"].as_array().unwrap().len()), (&json!(true), 2));
    assert_eq!(ask(&site, &feed.key, &format!("?after={}", reply["seq"])).await.json().get("reset"), None);
}

#[orgate_testkit::both]
async fn a_mark_lives_as_long_as_the_longest_token_and_leeway() {
    let site = site().await;
    let feed = Feed::open(&site).await;
    end(&site, 1).await;
    let mark = ask(&site, &feed.key, "").await.json()["marks"][0].clone();
    assert_eq!(mark["expires_at"], json!(NOW / 1000 + 300 + 300));
    // Tokens that were issued with a longer life are not forgotten when it is made shorter.
    site.write(|tx| {
        Box::pin(async move {
            let before = crate::projects::find(tx, "proj_p").await?.unwrap();
            let after = crate::projects::Project { access_ttl_ms: 60_000, ..before.clone() };
            crate::projects::update(tx, &before, &after, Actor::Setup, NOW).await
        })
    })
    .await;
    let mark = ask(&site, &feed.key, "").await.json()["marks"][0].clone();
    assert_eq!(mark["expires_at"], json!(NOW / 1000 + 300 + 300));
    site.clock.advance(599_000);
    assert_eq!(ask(&site, &feed.key, "").await.json()["marks"].as_array().unwrap().len(), 1);
    site.clock.advance(1_000);
    assert_eq!(ask(&site, &feed.key, "").await.json()["marks"], json!([]));
}

#[orgate_testkit::both]
async fn who_waits_is_answered_by_the_change() {
    let site = site().await;
    let feed = Feed::open(&site).await;
    let query = format!("?after={}&wait=30", feed.from);
    let waiting = ask(&site, &feed.key, &query);
    let (reply, ()) = tokio::join!(waiting, async {
        // The one who waits comes first, as nothing else is awaited here.
        tokio::task::yield_now().await;
        end(&site, 1).await;
    });
    assert_eq!(reply.json()["marks"][0]["sid"], "ses_0");
}

#[orgate_testkit::both]
async fn what_ends_nobodys_right_wakes_nobody() {
    let site = site().await;
    let feed = Feed::open(&site).await;
    let mut wakes = site.issuer.app().db.wakes().watch("proj_p");
    site.tokens("member", Some("org_acme")).await;
    assert!(!wakes.has_changed().unwrap());
    end(&site, 1).await;
    assert!(wakes.has_changed().unwrap());
    wakes.borrow_and_update();
    assert!(feed.from > 0);
}

#[orgate_testkit::both]
async fn a_wait_has_bounds() {
    let site = site().await;
    let key = make_key(&site, &["feed"]).await;
    for bad in ["?wait=31", "?wait=x", "?after=-1", "?after=x", "?after=1&after=2"] {
        assert!(ask(&site, &key, bad).await.status.is_client_error(), "{bad}");
    }
}

#[orgate_testkit::both]
async fn after_much_change_a_reader_gets_everything_page_by_page() {
    let site = site().await;
    let key = make_key(&site, &["feed"]).await;
    // Long ago, and so nobody's business; nearly all of it is not even looked at.
    end(&site, 12_000).await;
    site.clock.advance(24 * 3_600_000);
    let at = NOW + 24 * 3_600_000;
    site.write(move |tx| {
        Box::pin(async move {
            for number in 0..11_000 {
                tx.record(Event { at, ..ended(number) });
            }
            Ok(())
        })
    })
    .await;
    let (mut after, mut seen, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let page = ask(&site, &key, &after).await.json();
        seen.extend(page["marks"].as_array().unwrap().iter().map(|mark| mark["sid"].clone()));
        pages += 1;
        after = format!("?after={}", page["seq"]);
        if page.get("more").is_none() {
            break;
        }
    }
    let expected: Vec<Value> = (0..11_000).map(|number| json!(format!("ses_{number}"))).collect();
    assert_eq!(seen, expected);
    assert_eq!(pages, 2, "what is long over is passed over");
}

/// The stream of a reader.
async fn stream(site: &Site, key: &str, last: Option<i64>) -> BodyDataStream {
    let mut request = Request::builder()
        .uri("/p/proj_p/revocations")
        .header("accept", "text/event-stream")
        .header("authorization", format!("Bearer {key}"));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let response = site.issuer.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.into_body().into_data_stream()
}

/// The next message; what says only that the reader is connected is passed over.
async fn message(stream: &mut BodyDataStream) -> Option<(i64, Value)> {
    loop {
        let bytes = http_body_util::BodyExt::frame(stream).await?.unwrap().into_data().unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        if text == ":\n\n" {
            continue;
        }
        let mut lines = text.lines();
        let id = lines.next().unwrap().strip_prefix("id: ").unwrap().parse().unwrap();
        assert_eq!(lines.next(), Some("event: marks"));
        let data = lines.next().unwrap().strip_prefix("data: ").unwrap();
        return Some((id, serde_json::from_str(data).unwrap()));
    }
}

#[orgate_testkit::both]
async fn a_stream_begins_with_what_lives_and_goes_on_with_each_change() {
    let site = site().await;
    let feed = Feed::open(&site).await;
    end(&site, 2).await;
    let mut all = stream(&site, &feed.key, None).await;
    let (id, first) = message(&mut all).await.unwrap();
    assert_eq!((first["seq"].as_i64().unwrap(), first["marks"].as_array().unwrap().len()), (id, 2));
    let mut rest = stream(&site, &feed.key, Some(id)).await;
    assert_eq!(message(&mut rest).await.unwrap(), (id, json!({ "seq": id, "marks": [] })));
    end(&site, 1).await;
    for reader in [&mut all, &mut rest] {
        let (next, data) = message(reader).await.unwrap();
        assert_eq!((next, &data["marks"][0]["sid"]), (id + 1, &json!("ses_0")));
    }
}

#[orgate_testkit::both]
async fn a_stream_ends_with_its_key_and_with_the_issuer() {
    let site = site().await;
    let operator = operator(&site).await;
    let keys = "/api/platform/projects/proj_p/keys";
    let made = operator.json(Method::POST, keys, &json!({ "name": "x", "scopes": ["feed"] })).await.json();
    let other = make_key(&site, &["feed"]).await;
    let mut one = stream(&site, made["secret"].as_str().unwrap(), None).await;
    let mut two = stream(&site, &other, None).await;
    assert!(message(&mut one).await.is_some() && message(&mut two).await.is_some());
    let path = format!("{keys}/{}", made["id"].as_str().unwrap());
    assert_eq!(operator.json(Method::DELETE, &path, &json!({})).await.status, 204);
    assert_eq!(message(&mut one).await, None);
    site.issuer.release();
    assert_eq!(message(&mut two).await, None);
}

#[orgate_testkit::both]
async fn a_project_has_so_many_readers_and_no_more() {
    let site = site().await;
    let key = make_key(&site, &["feed"]).await;
    let feed = &site.issuer.app().feed;
    let mut places: Vec<_> = (0..64).map(|_| feed.place("proj_p").unwrap()).collect();
    let reply = ask(&site, &key, "").await;
    assert_eq!((reply.status.as_u16(), reply.code()), (503, json!("unavailable")));
    assert_eq!(reply.headers["retry-after"], "5");
    assert!(feed.place("proj_q").is_some(), "another project has its own");
    places.pop();
    assert_eq!(ask(&site, &key, "").await.status, 200);
    assert_eq!(ask(&site, &key, "").await.status, 200, "who was answered is gone");
}
