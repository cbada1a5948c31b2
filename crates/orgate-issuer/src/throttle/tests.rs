use http::Method;
use serde_json::json;

use crate::testing::{Browser, PASSWORD, Reply, Site, site};

async fn login(browser: &Browser, email: &str, password: &str) -> Reply {
    let body = json!({ "email": email, "password": password });
    browser.json(Method::POST, "/p/proj_p/v1/auth/login", &body).await
}

async fn fail(site: &Site, from: &str, email: &str, times: usize) -> Reply {
    let browser = site.browser_from(from);
    let mut last = None;
    for _ in 0..times {
        last = Some(login(&browser, email, "wrong password").await);
    }
    last.unwrap()
}

#[orgate_testkit::both]
async fn guessing_from_one_network_is_stopped_and_says_for_how_long() {
    let site = site().await;
    assert_eq!(fail(&site, "192.0.2.1", "d@example.com", 10).await.status, 401);
    let stopped = fail(&site, "192.0.2.1", "d@example.com", 1).await;
    assert_eq!((stopped.status.as_u16(), stopped.code()), (429, json!("locked")));
    let wait: i64 = stopped.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
    // Even the right password is not looked at, so that nothing is learnt.
    let browser = site.browser_from("192.0.2.1");
    assert_eq!(login(&browser, "d@example.com", PASSWORD).await.status, 429);
    let worked = |site: &Site| site.issuer.app().passwords.worked.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(worked(&site), 10, "a refused attempt costs no hash");
    site.clock.advance(wait * 1000);
    assert_eq!(login(&browser, "d@example.com", PASSWORD).await.status, 200);
}

#[orgate_testkit::both]
async fn an_unknown_address_is_stopped_like_a_known_one() {
    let site = site().await;
    let (known, unknown) = (
        fail(&site, "192.0.2.1", "d@example.com", 11).await,
        fail(&site, "192.0.2.2", "nobody@example.com", 11).await,
    );
    assert_eq!(known.status, 429);
    assert_eq!((known.status, known.text()), (unknown.status, unknown.text()));
    assert_eq!(known.headers, unknown.headers);
    // Other spellings of one address are one address.
    assert_eq!(fail(&site, "192.0.2.1", " D@EXAMPLE.com", 1).await.status, 429);
    // A network of IPv6 is one network.
    assert_eq!(fail(&site, "2001:db8::1", "x@example.com", 10).await.status, 401);
    assert_eq!(fail(&site, "2001:db8::ffff:1", "x@example.com", 1).await.status, 429);
}

#[orgate_testkit::both]
async fn an_attack_from_many_networks_does_not_shut_the_owner_out() {
    let site = site().await;
    let owner = site.browser_from("198.51.100.1");
    assert_eq!(login(&owner, "d@example.com", PASSWORD).await.status, 200);
    for network in 0..10 {
        fail(&site, &format!("192.0.2.{network}"), "d@example.com", 6).await;
    }
    let elsewhere = site.browser_from("203.0.113.1");
    assert_eq!(
        login(&elsewhere, "d@example.com", PASSWORD).await.status,
        429,
        "the account as a whole is closed"
    );
    // From the network where the owner signed in before, with any browser.
    assert_eq!(login(&site.browser_from("198.51.100.1"), "d@example.com", PASSWORD).await.status, 200);
    // From the device where the owner signed in before, in any network.
    owner.travel("203.0.113.77");
    assert_eq!(login(&owner, "d@example.com", PASSWORD).await.status, 200);
    // A device that signed in to another account is nobody here.
    let other = site.browser_from("203.0.113.5");
    assert_eq!(login(&other, "x@example.com", PASSWORD).await.status, 200);
    assert_eq!(login(&other, "d@example.com", PASSWORD).await.status, 429);
}

#[orgate_testkit::both]
async fn behind_one_proxy_nobody_shuts_out_who_has_a_device() {
    let site = site().await;
    let owner = site.browser_from("127.0.0.1");
    assert_eq!(login(&owner, "d@example.com", PASSWORD).await.status, 200);
    fail(&site, "127.0.0.1", "d@example.com", 50).await;
    assert_eq!(fail(&site, "127.0.0.1", "d@example.com", 1).await.status, 429);
    assert_eq!(login(&owner, "d@example.com", PASSWORD).await.status, 200);
    assert_eq!(login(&site.browser_from("127.0.0.1"), "x@example.com", PASSWORD).await.status, 200);
    // A device has its limit, too.
    for _ in 0..10 {
        assert_eq!(login(&owner, "d@example.com", "wrong password").await.status, 401);
    }
    assert_eq!(login(&owner, "d@example.com", PASSWORD).await.status, 429);
}

#[orgate_testkit::both]
async fn right_passwords_cost_nothing() {
    let site = site().await;
    let browser = site.browser_from("192.0.2.1");
    for _ in 0..30 {
        browser.forget();
        assert_eq!(login(&browser, "d@example.com", PASSWORD).await.status, 200);
    }
}

#[orgate_testkit::both]
async fn a_burst_at_once_gets_no_more_than_one_after_the_other() {
    let site = site().await;
    let app = site.issuer.app();
    let headers = http::HeaderMap::new();
    let peer = crate::http::peer::Peer(Some("192.0.2.1".parse().unwrap()));
    let visitor = super::Visitor::of(app, "proj_p", peer, &headers);
    let account = || super::Account {
        realm: "proj_p".to_owned(),
        address: "d@example.com".to_owned(),
        owner: Some(super::Owner::User("usr_d".to_owned())),
    };
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (app, visitor) = (app.clone(), visitor.clone());
        let account = account();
        waiting.spawn(async move { super::admit(&app, &visitor, account).await.unwrap() });
    }
    let granted =
        waiting.join_all().await.iter().filter(|one| matches!(one, super::Admission::Granted(_))).count();
    assert_eq!(granted, 10);
}

#[orgate_testkit::both]
async fn a_network_cannot_try_one_password_on_every_account() {
    let site = site().await;
    let browser = site.browser_from("192.0.2.1");
    let mut refused = None;
    for at in 0..61 {
        refused = Some(login(&browser, &format!("u{at}@example.com"), "spring2024!").await);
    }
    assert_eq!(refused.unwrap().status, 429);
    assert_eq!(login(&site.browser_from("192.0.2.2"), "d@example.com", PASSWORD).await.status, 200);
}

#[orgate_testkit::both]
async fn what_the_limits_keep_names_nobody() {
    let site = site().await;
    fail(&site, "192.0.2.199", "nobody.here@example.com", 2).await;
    let disk = site.disk();
    for text in [&b"nobody.here"[..], b"192.0.2.199"] {
        assert!(!disk.windows(text.len()).any(|window| window == text));
    }
    assert!(site.count("SELECT COUNT(*) AS n FROM limits").await > 0);
    site.clock.advance(86_400_000);
    crate::upkeep::purge(site.issuer.app()).await.unwrap();
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM limits").await, 0);
}
