use http::Method;
use serde_json::{Value, json};

use crate::testing::{ORIGIN, PASSWORD, site};

const PATH: &str = "/api/platform/projects/proj_p";

#[orgate_testkit::both]
async fn the_documented_toggle_switches_organizations_on() {
    let site = site().await;
    let browser = site.browser();
    browser.operator("ops@example.com").await;
    assert_eq!(browser.json(Method::PATCH, PATH, &json!({ "org_enabled": false })).await.status, 200);
    assert!(
        site.browser().login("d@example.com", PASSWORD, &[]).await.parameter("code").is_some(),
        "no picker"
    );

    let reply = browser.json(Method::PATCH, PATH, &json!({ "org_enabled": true })).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["org_enabled"]), (200, &json!(true)));
    assert!(
        site.browser()
            .login("d@example.com", PASSWORD, &[])
            .await
            .location()
            .contains("/organizations/choose")
    );
    assert_eq!(site.events().await.iter().filter(|(_, kind)| kind == "project.updated").count(), 2);
    browser.json(Method::PATCH, PATH, &json!({ "org_enabled": true })).await;
    assert_eq!(
        site.events().await.iter().filter(|(_, kind)| kind == "project.updated").count(),
        2,
        "no change, no event"
    );
}

#[orgate_testkit::both]
async fn the_toggle_is_for_the_projects_own_operators() {
    let site = site().await;
    let body = json!({ "org_enabled": false });
    assert_eq!(site.browser().json(Method::PATCH, PATH, &body).await.status, 401);

    let other = site.browser();
    other.operator("ops2@example.com").await;
    let foreign = other.json(Method::PATCH, PATH, &body).await;
    let absent = other.json(Method::PATCH, "/api/platform/projects/proj_none", &body).await;
    assert_eq!((foreign.status.as_u16(), &foreign.body), (404, &absent.body));

    let own = site.browser();
    own.operator("ops@example.com").await;
    let kind = ("content-type", "application/json");
    for (headers, status) in [
        (vec![kind], 403),
        (vec![kind, ("origin", "https://evil.test")], 403),
        (vec![kind, ("origin", "null")], 403),
        (vec![kind, ("sec-fetch-site", "same-site")], 403),
        (vec![kind, ("sec-fetch-site", "same-origin")], 200),
        (vec![kind, ("origin", ORIGIN)], 200),
    ] {
        let reply = own.send(Method::PATCH, PATH, &headers, body.to_string()).await;
        assert_eq!(reply.status, status, "{headers:?}");
    }
    let twice = site.browser();
    twice.set_cookie("session", &own.cookie("session").unwrap());
    let cookie = format!("session={}", own.cookie("session").unwrap());
    let reply = twice.send(Method::GET, PATH, &[("cookie", &cookie)], String::new()).await;
    assert_eq!(reply.status, 401, "a cookie that comes twice is none");
}

#[orgate_testkit::both]
async fn a_body_that_asks_for_more_is_refused() {
    let site = site().await;
    let browser = site.browser();
    browser.operator("ops@example.com").await;
    for (body, status, code) in [
        (r#"{"org_enabled":"yes"}"#, 422, "invalid_value"),
        (r#"{"org_enabled":true,"id":"proj_x"}"#, 422, "unknown_field"),
        (r#"{"name":" "}"#, 422, "invalid_value"),
        (r#"{"org_enabled":true,"org_enabled":false}"#, 400, "bad_request"),
        ("{", 400, "bad_request"),
        ("", 400, "bad_request"),
    ] {
        let headers = [("content-type", "application/json"), ("origin", ORIGIN)];
        let reply = browser.send(Method::PATCH, PATH, &headers, body.to_owned()).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (status, json!(code)), "{body}");
        assert_eq!(reply.headers["content-type"], "application/problem+json");
    }
    let shown = browser.get(PATH).await.json();
    assert_eq!((&shown["name"], &shown["org_enabled"]), (&json!("Demo"), &Value::Bool(true)));
    let reply = browser.get("/api/platform/nothing").await;
    assert_eq!((reply.status.as_u16(), reply.code()), (404, json!("not_found")));
}
