use http::Method;
use serde_json::{Value, json};

use crate::testing::{Browser, NOW, ORIGIN, Reply, Site, site};

const ORGANIZATIONS: &str = "/v1/auth/organizations";

async fn post(browser: &Browser, path: &str, key: &str, body: &Value) -> Reply {
    let headers = [("content-type", "application/json"), ("origin", ORIGIN), ("idempotency-key", key)];
    browser.send(Method::POST, path, &headers, body.to_string()).await
}

fn is_replayed(reply: &Reply) -> bool {
    reply.headers.contains_key("idempotency-replayed")
}

async fn organizations(site: &Site) -> i64 {
    site.count("SELECT count(*) AS n FROM organizations").await
}

#[orgate_testkit::both]
async fn the_same_request_is_done_once_and_answered_twice() {
    let site = site().await;
    let n = site.signed_in("n").await;
    let before = organizations(&site).await;
    let body = json!({ "name": "Corner Shop" });
    let first = post(&n, ORGANIZATIONS, "k1", &body).await;
    assert_eq!((first.status.as_u16(), is_replayed(&first)), (201, false), "{}", first.text());
    // The draft writes a key as a text in quotation marks.
    for key in ["k1", "\"k1\""] {
        let again = post(&n, ORGANIZATIONS, key, &body).await;
        assert_eq!((again.status, again.text(), is_replayed(&again)), (first.status, first.text(), true));
        for name in ["etag", "content-type", "cache-control"] {
            assert_eq!(again.headers.get(name), first.headers.get(name), "{name}");
        }
    }
    assert_eq!(organizations(&site).await, before + 1);
    // Another session of the same person is the same person.
    assert!(is_replayed(&post(&site.signed_in("n").await, ORGANIZATIONS, "k1", &body).await));
    // Another key, and no key, are another wish.
    assert_eq!(post(&n, ORGANIZATIONS, "k2", &body).await.status, 201);
    assert_eq!(n.json(Method::POST, ORGANIZATIONS, &body).await.status, 201);
    assert_eq!(organizations(&site).await, before + 3);
}

#[orgate_testkit::both]
async fn a_key_is_for_one_request_and_for_whoever_asks() {
    let site = site().await;
    let n = site.signed_in("n").await;
    assert_eq!(post(&n, ORGANIZATIONS, "k", &json!({ "name": "One" })).await.status, 201);
    let other = post(&n, ORGANIZATIONS, "k", &json!({ "name": "Two" })).await;
    assert_eq!((other.status.as_u16(), other.code()), (422, json!("idempotency_key_reused")));
    let elsewhere = post(&n, "/v1/auth/organizations/one/roles", "k", &json!({ "name": "One" })).await;
    assert_eq!(elsewhere.code(), json!("idempotency_key_reused"));
    // Somebody else with the same key neither sees the answer nor is stopped by it.
    let x =
        post(&site.signed_in("x").await, ORGANIZATIONS, "k", &json!({ "name": "One", "slug": "of-x" })).await;
    assert_eq!((x.status.as_u16(), is_replayed(&x)), (201, false), "{}", x.text());
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    let orgs = "/api/platform/projects/proj_p/orgs";
    let body = json!({ "name": "Three", "creator_end_user_id": "usr_n" });
    assert_eq!(post(&operator, orgs, "k", &body).await.status, 201);
    assert!(is_replayed(&post(&operator, orgs, "k", &body).await));
    // Nobody, and an operator of nothing, are told so as always.
    assert_eq!(post(&site.browser(), ORGANIZATIONS, "k", &body).await.status, 401);
    assert_eq!(post(&operator, "/api/platform/projects/proj_none/orgs", "k", &body).await.status, 404);
    for key in ["", "\"\"", "a b", &"k".repeat(256), "k\u{e9}"] {
        let refused = post(&n, ORGANIZATIONS, key, &body).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, json!("bad_request")), "{key}");
    }
    let large = json!({ "name": "x".repeat(70_000) });
    assert_eq!(post(&n, ORGANIZATIONS, "l", &large).await.status, 413);
}

#[orgate_testkit::both]
async fn a_refusal_is_not_kept_and_a_key_ends_after_a_day() {
    let site = site().await;
    let n = site.signed_in("n").await;
    let body = json!({ "name": "Mine", "slug": "acme" });
    assert_eq!(post(&n, ORGANIZATIONS, "k", &body).await.code(), json!("slug_taken"));
    site.change("UPDATE organizations SET slug = 'acme-2' WHERE id = 'org_acme'").await;
    assert_eq!(post(&n, ORGANIZATIONS, "k", &body).await.status, 201, "it is asked anew");
    assert_eq!(site.count("SELECT count(*) AS n FROM idempotency").await, 1);

    site.clock.advance(24 * 3600 * 1000);
    assert_eq!(post(&site.signed_in("n").await, ORGANIZATIONS, "k", &body).await.code(), json!("slug_taken"));
    let app = site.issuer.app();
    assert_eq!(
        post(&site.signed_in("n").await, ORGANIZATIONS, "z", &json!({ "name": "Z" })).await.status,
        201
    );
    site.clock.advance(24 * 3600 * 1000);
    crate::upkeep::purge(app).await.unwrap();
    assert_eq!(site.count("SELECT count(*) AS n FROM idempotency").await, 0);
}

#[orgate_testkit::both]
async fn what_was_begun_and_never_ended_is_not_begun_again() {
    let site = site().await;
    let n = site.signed_in("n").await;
    let (before, body) = (organizations(&site).await, json!({ "name": "Mine" }));
    assert_eq!(post(&n, ORGANIZATIONS, "k", &body).await.status, 201);
    // As it is after a process that died between the change and its answer.
    site.change("UPDATE idempotency SET status = NULL, answer_enc = NULL").await;
    let again = post(&n, ORGANIZATIONS, "k", &body).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, json!("request_in_progress")));
    assert_eq!(organizations(&site).await, before + 1);
}

#[orgate_testkit::both]
async fn twenty_at_once_are_one() {
    let site = site().await;
    let (before, body) = (organizations(&site).await, json!({ "name": "Mine" }));
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (browser, body) = (site.signed_in("n").await, body.clone());
        requests.spawn(async move { post(&browser, ORGANIZATIONS, "k", &body).await });
    }
    let replies = requests.join_all().await;
    let made = replies.iter().filter(|reply| reply.status == 201 && !is_replayed(reply)).count();
    assert_eq!((made, organizations(&site).await), (1, before + 1));
    assert!(replies.iter().all(|reply| matches!(reply.status.as_u16(), 201 | 409)));
}

#[orgate_testkit::both]
async fn a_key_that_is_shown_once_is_not_readable_in_the_database() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let path = format!("{ORGANIZATIONS}/acme/api-keys");
    let body = json!({ "name": "CI", "permissions": ["read"] });
    let first = post(&owner, &path, "k", &body).await.json();
    let again = post(&owner, &path, "k", &body).await.json();
    assert_eq!(first, again);
    let secret = first["key"].as_str().unwrap().to_owned();
    assert!(!site.disk().windows(secret.len()).any(|part| part == secret.as_bytes()));
    assert_eq!(site.count("SELECT count(*) AS n FROM api_keys").await, 1);
    let expiry = site.count("SELECT expires_at AS n FROM idempotency").await;
    assert_eq!(expiry, NOW + 24 * 3600 * 1000);
}
