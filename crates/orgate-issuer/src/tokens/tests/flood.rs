//! A flood of sign-ins: it waits for its hashes, and what needs none is answered beside it.

use tokio::task::JoinSet;

use super::{clients::add_machine, *};
use crate::testing::Browser;

async fn attempt(browser: Browser, email: String) -> Reply {
    let body = json!({ "email": email, "password": "a guess" });
    browser.json(http::Method::POST, "/p/proj_p/v1/auth/login", &body).await
}

#[orgate_testkit::both]
async fn while_sign_ins_wait_for_their_hashes_tokens_are_given() {
    let site = site().await;
    add_machine(&site).await;
    let mut tokens = site.tokens("member", None).await;
    let passwords = &site.issuer.app().passwords;
    let held = passwords.pause().await;

    // As many as may wait, four of them from one network.
    let mut flood = JoinSet::new();
    for at in 0..passwords.most_waiting() {
        let network =
            if at < 4 { "192.0.2.1".to_owned() } else { format!("198.{}.{}.1", at / 256, at % 256) };
        flood.spawn(attempt(site.browser_from(&network), format!("u{at}@example.com")));
    }
    while passwords.waiting() < passwords.most_waiting() {
        tokio::task::yield_now().await;
        assert!(flood.try_join_next().is_none(), "nobody is answered");
    }

    for _ in 0..50 {
        let renewed = site.browser().token(&refresh(&tokens)).await;
        assert_eq!(renewed.status, 200, "{}", renewed.text());
        tokens = renewed.json();
        let own =
            clients::form(&site, "token", Some("app_robot"), &[("grant_type", "client_credentials")]).await;
        assert_eq!(own.status, 200, "{}", own.text());
    }
    assert_eq!((flood.len(), passwords.waiting()), (passwords.most_waiting(), passwords.most_waiting()));
    assert!(flood.try_join_next().is_none(), "the flood waited all the time");

    // Beyond them nobody waits: neither a script, nor a person at a page, nor an operator.
    let late = tokio::spawn(attempt(site.browser_from("203.0.113.1"), "x@example.com".to_owned()));
    while !late.is_finished() {
        assert_eq!(passwords.waiting(), passwords.most_waiting(), "nor one more");
        tokio::task::yield_now().await;
    }
    let late = late.await.unwrap();
    assert_eq!((late.status.as_u16(), late.code()), (503, json!("busy")));
    let page = site.browser_from("203.0.113.2").login("x@example.com", crate::testing::PASSWORD, &[]).await;
    assert_eq!((page.status.as_u16(), page.page_code().as_deref()), (503, Some("busy")));
    let operator = site.browser_from("203.0.113.3").operator("ops@example.com").await;
    assert_eq!(operator.status, 503);
    // Nor anybody from a network that has its share.
    let greedy = attempt(site.browser_from("192.0.2.1"), "y@example.com".to_owned()).await;
    assert_eq!((greedy.status.as_u16(), greedy.code()), (429, json!("rate_limited")));
    for refused in [&late, &page, &operator, &greedy] {
        assert!(refused.headers.contains_key("retry-after"), "{}", refused.text());
    }

    // Who goes away makes room.
    flood.shutdown().await;
    assert_eq!(passwords.waiting(), 0);
    drop(held);
    assert_eq!(site.browser_from("203.0.113.1").operator("ops@example.com").await.status, 204);
}
