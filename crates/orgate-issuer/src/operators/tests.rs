use http::Method;
use serde_json::json;

use crate::testing::{ORIGIN, PASSWORD, site};

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
