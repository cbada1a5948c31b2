use http::Method;
use serde_json::json;

use crate::testing::{Browser, ORIGIN, PASSWORD, Reply, Site, site};

#[orgate_testkit::both]
async fn an_operator_signs_in_with_the_documented_cookie() {
    let site = site().await;
    let browser = site.browser();
    let reply = browser.operator("ops@example.com").await;
    assert_eq!(reply.status, 204);
    let cookie = reply.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("session="), "{cookie}");
    assert!(cookie.contains("HttpOnly; SameSite=Lax; Path=/api/platform; Max-Age="), "{cookie}");
    assert!(!cookie.contains("Secure"));
    assert_eq!(browser.get("/api/platform/projects/proj_p").await.json()["org_enabled"], true);
    let reply = browser
        .send(Method::POST, "/api/platform/operators/logout", &[("origin", ORIGIN)], String::new())
        .await;
    assert_eq!(reply.status, 204);
    assert_eq!(browser.get("/api/platform/projects/proj_p").await.status, 401);
}

#[orgate_testkit::both]
async fn a_wrong_operator_password_looks_like_an_unknown_operator() {
    let site = site().await;
    let mut bodies = Vec::new();
    for (email, password) in [("ops@example.com", "wrong"), ("no@example.com", PASSWORD), ("x", "x")] {
        let body = json!({ "email": email, "password": password });
        let reply = site.browser().json(Method::POST, "/api/platform/operators/login", &body).await;
        assert_eq!(reply.status, 401);
        bodies.push(reply.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    // A user of a project is no operator.
    assert_eq!(site.browser().operator("admin@example.com").await.status, 401);
}

#[orgate_testkit::both]
async fn an_operators_session_ends() {
    let site = site().await;
    let browser = site.browser();
    browser.operator("ops@example.com").await;
    site.clock.advance(7 * 24 * 3_600_000);
    assert_eq!(browser.get("/api/platform/projects/proj_p").await.status, 401);
}

#[orgate_testkit::both]
async fn a_foreign_page_cannot_sign_an_operator_in() {
    let site = site().await;
    let body = json!({ "email": "ops@example.com", "password": PASSWORD }).to_string();
    for (headers, status) in [
        (vec![("content-type", "application/json"), ("origin", "https://evil.test")], 403),
        (vec![("content-type", "text/plain")], 415),
        (vec![("content-type", "application/json")], 204),
    ] {
        let reply =
            site.browser().send(Method::POST, "/api/platform/operators/login", &headers, body.clone()).await;
        assert_eq!(reply.status, status, "{headers:?}");
    }
}

async fn sign_in(browser: &Browser, email: &str, password: &str) -> Reply {
    let body = json!({ "email": email, "password": password });
    browser.json(Method::POST, "/api/platform/operators/login", &body).await
}

async fn fail(site: &Site, from: &str, email: &str, times: usize) -> Reply {
    let browser = site.browser_from(from);
    let mut last = None;
    for _ in 0..times {
        last = Some(sign_in(&browser, email, "wrong password").await);
    }
    last.unwrap()
}

#[orgate_testkit::both]
async fn guessing_an_operators_password_is_stopped_before_any_hash() {
    let site = site().await;
    assert_eq!(fail(&site, "192.0.2.1", "ops@example.com", 10).await.status, 401);
    let stopped = sign_in(&site.browser_from("192.0.2.1"), "ops@example.com", PASSWORD).await;
    assert_eq!((stopped.status.as_u16(), stopped.code()), (429, json!("locked")));
    let worked = site.issuer.app().passwords.worked.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(worked, 10, "a refused attempt costs no hash");
    // An address that is nobody's is stopped in the same words.
    let unknown = fail(&site, "192.0.2.2", "nobody@example.com", 11).await;
    assert_eq!((unknown.status, unknown.text()), (stopped.status, stopped.text()));
    // Another spelling is the same account, and users of a project have limits of their own.
    assert_eq!(fail(&site, "192.0.2.1", " OPS@example.com", 1).await.status, 429);
    let wait: i64 = stopped.headers["retry-after"].to_str().unwrap().parse().unwrap();
    site.clock.advance(wait * 1000);
    assert_eq!(sign_in(&site.browser_from("192.0.2.1"), "ops@example.com", PASSWORD).await.status, 204);
}

#[orgate_testkit::both]
async fn an_attack_on_an_operator_does_not_shut_a_known_device_out() {
    let site = site().await;
    let own = site.browser_from("198.51.100.1");
    assert_eq!(sign_in(&own, "ops@example.com", PASSWORD).await.status, 204);
    assert!(own.cookie("orgate-operator-device").is_some());
    for network in 0..10 {
        fail(&site, &format!("192.0.2.{network}"), "ops@example.com", 6).await;
    }
    let elsewhere = site.browser_from("203.0.113.1");
    assert_eq!(sign_in(&elsewhere, "ops@example.com", PASSWORD).await.status, 429, "the account is closed");
    assert_eq!(sign_in(&site.browser_from("198.51.100.1"), "ops@example.com", PASSWORD).await.status, 204);
    own.travel("203.0.113.77");
    assert_eq!(sign_in(&own, "ops@example.com", PASSWORD).await.status, 204);
    // The device of another operator is nobody here, and a guessing device is stopped as well.
    let other = site.browser_from("203.0.113.5");
    assert_eq!(sign_in(&other, "ops2@example.com", PASSWORD).await.status, 204);
    assert_eq!(sign_in(&other, "ops@example.com", PASSWORD).await.status, 429);
    for _ in 0..10 {
        assert_eq!(sign_in(&own, "ops@example.com", "wrong password").await.status, 401);
    }
    assert_eq!(sign_in(&own, "ops@example.com", PASSWORD).await.status, 429);
}

#[orgate_testkit::both]
async fn where_an_operator_was_is_forgotten_and_names_nobody() {
    let site = site().await;
    sign_in(&site.browser_from("198.51.100.1"), "ops@example.com", PASSWORD).await;
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM operator_places").await, 2);
    let disk = site.disk();
    assert!(!disk.windows(12).any(|window| window == b"198.51.100.1"));
    site.clock.advance(400 * 24 * 3_600_000);
    crate::upkeep::purge(site.issuer.app()).await.unwrap();
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM operator_places").await, 0);
}

const ME: &str = "/api/platform/operators/me";

/// A key of `proj_p` for everything, made by the operator of the browser.
async fn key(browser: &Browser) -> String {
    let keys = "/api/platform/projects/proj_p/keys";
    let made = browser.json(Method::POST, keys, &json!({ "name": "ci" })).await;
    made.json()["secret"].as_str().unwrap().to_owned()
}

#[orgate_testkit::both]
async fn an_operator_reads_who_asks() {
    let site = site().await;
    assert_eq!(site.browser().get(ME).await.status, 401);
    let own = site.browser();
    own.operator("ops@example.com").await;
    let me = own.get(ME).await.json();
    assert_eq!((&me["email"], &me["project_id"]), (&json!("ops@example.com"), &json!(null)));
    assert_eq!(me["expires_at"], json!(crate::clock::rfc3339(crate::testing::NOW + super::SESSION_IDLE_MS)));
    let authorization = format!("Bearer {}", key(&own).await);
    let headers = [("authorization", authorization.as_str())];
    let program = site.browser().send(Method::GET, ME, &headers, String::new()).await.json();
    assert_eq!((&program["id"], &program["project_id"]), (&me["id"], &json!("proj_p")));
    assert_eq!(program["expires_at"], json!(null), "a key is no session");
}

#[orgate_testkit::both]
async fn another_password_of_an_operator_ends_every_other_session() {
    const PATH: &str = "/api/platform/operators/password";
    let site = site().await;
    let (own, other) = (site.browser(), site.browser());
    own.operator("ops@example.com").await;
    other.operator("ops@example.com").await;
    let wish = |known: &str, new: &str| json!({ "current_password": known, "password": new });
    for (known, new, field) in [
        ("wrong", "a new long one", "current_password"),
        (PASSWORD, "short", "password"),
        (PASSWORD, "ops@example.com", "password"),
    ] {
        let reply = own.json(Method::POST, PATH, &wish(known, new)).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["field"]), (422, &json!(field)));
    }
    let authorization = format!("Bearer {}", key(&own).await);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let body = wish(PASSWORD, "a new long one");
    let program = site.browser().send(Method::POST, PATH, &headers, body.to_string()).await;
    assert_eq!(program.status, 403, "a key that leaked does not shut its maker out");
    let headers = [("content-type", "application/json"), ("origin", "https://evil.test")];
    assert_eq!(own.send(Method::POST, PATH, &headers, body.to_string()).await.status, 403);

    assert_eq!(own.json(Method::POST, PATH, &body).await.status, 204);
    assert_eq!((own.get(ME).await.status.as_u16(), other.get(ME).await.status.as_u16()), (200, 401));
    assert_eq!(sign_in(&site.browser(), "ops@example.com", PASSWORD).await.status, 401);
    assert_eq!(sign_in(&site.browser(), "ops@example.com", "a new long one").await.status, 204);
}

#[orgate_testkit::both]
async fn guesses_at_the_current_password_count_as_those_of_a_sign_in() {
    let site = site().await;
    let own = site.browser_from("192.0.2.1");
    own.operator("ops@example.com").await;
    let body = json!({ "current_password": "wrong", "password": "a new long one" });
    let mut last = 0;
    for _ in 0..11 {
        last = own.json(Method::POST, "/api/platform/operators/password", &body).await.status.as_u16();
    }
    assert_eq!(last, 429);
}
