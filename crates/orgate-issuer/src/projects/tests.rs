use http::Method;
use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    testing::{Browser, NOW, ORIGIN, PASSWORD, site},
};

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

#[orgate_testkit::both]
async fn two_changes_at_once_are_both_kept() {
    let site = site().await;
    let browser = site.browser();
    browser.operator("ops@example.com").await;
    for turn in 0..10 {
        let (on, name) = (turn % 2 == 0, format!("Name {turn}"));
        let (toggle, rename) = (json!({ "org_enabled": on }), json!({ "name": name }));
        let (one, two) = tokio::join!(
            browser.json(Method::PATCH, PATH, &toggle),
            browser.json(Method::PATCH, PATH, &rename)
        );
        assert_eq!((one.status.as_u16(), two.status.as_u16()), (200, 200));
        let now = browser.get(PATH).await.json();
        assert_eq!((&now["org_enabled"], &now["name"]), (&json!(on), &json!(name)), "{turn}");
    }
}

const ALL: &str = "/api/platform/projects";

/// A key of `proj_p` for everything, as the header that shows it.
async fn bearer(browser: &Browser) -> String {
    let made = browser.json(Method::POST, &format!("{PATH}/keys"), &json!({ "name": "ci" })).await.json();
    format!("Bearer {}", made["secret"].as_str().unwrap())
}

#[orgate_testkit::both]
async fn an_operator_sees_the_projects_that_were_given_to_them() {
    let site = site().await;
    assert_eq!(site.browser().get(ALL).await.status, 401);
    let own = site.browser();
    own.operator("ops@example.com").await;
    site.change(
        "INSERT INTO project_operators (project_id, operator_id, role)
         SELECT 'proj_q', id, 'viewer' FROM operators WHERE email = 'ops@example.com'",
    )
    .await;
    let first = own.get(&format!("{ALL}?limit=1")).await.json();
    assert_eq!(first["data"][0]["id"], "proj_p");
    assert_eq!((&first["data"][0]["role"], &first["data"][0]["name"]), (&json!("owner"), &json!("Demo")));
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = own.get(&format!("{ALL}?limit=1&cursor={cursor}")).await.json();
    assert_eq!((&second["data"][0]["id"], &second["data"][0]["role"]), (&json!("proj_q"), &json!("viewer")));
    assert_eq!(second["next_cursor"], Value::Null);

    let other = site.browser();
    other.operator("ops2@example.com").await;
    let theirs = other.get(ALL).await.json();
    assert_eq!((theirs["data"].as_array().unwrap().len(), &theirs["data"][0]["id"]), (1, &json!("proj_q")));
    // A key is for its project alone.
    let authorization = bearer(&own).await;
    let headers = [("authorization", authorization.as_str())];
    let program = site.browser().send(Method::GET, ALL, &headers, String::new()).await.json();
    assert_eq!((program["data"].as_array().unwrap().len(), &program["data"][0]["id"]), (1, &json!("proj_p")));
}

fn of_algorithm(listed: &Value, algorithm: &str) -> Vec<Value> {
    let all = listed["data"].as_array().unwrap();
    all.iter().filter(|key| key["algorithm"] == algorithm).cloned().collect()
}

const KEYS: &str = "/api/platform/projects/proj_p/signing-keys";
const ROTATE: &str = "/api/platform/projects/proj_p/signing-keys/rotate";
const DAY_MS: i64 = 24 * 3_600_000;

#[orgate_testkit::both]
async fn a_key_is_seen_from_its_first_day_to_its_last() {
    let site = site().await;
    let browser = site.browser();
    browser.operator("ops@example.com").await;
    let at = |ms: i64| json!(rfc3339(NOW + ms));
    let listed = browser.get(KEYS).await.json();
    let first = of_algorithm(&listed, "ES256");
    assert_eq!((first.len(), &first[0]["state"], &first[0]["since"]), (1, &json!("active"), &at(0)));
    assert_eq!((&first[0]["until"], &first[0]["signs_until"]), (&Value::Null, &Value::Null));
    assert!(!listed.to_string().contains("private"));

    site.clock.advance(1_000);
    let rotated = browser.json(Method::POST, ROTATE, &json!({ "algorithm": "ES256" })).await;
    assert_eq!(rotated.status, 200);
    let keys = of_algorithm(&rotated.json(), "ES256");
    assert_eq!((&keys[0]["state"], &keys[0]["until"]), (&json!("active"), &at(1_000 + DAY_MS)));
    assert_eq!((&keys[1]["state"], &keys[1]["until"]), (&json!("next"), &at(1_000 + DAY_MS)));
    assert_eq!(keys[1]["signs_from"], at(1_000 + DAY_MS));
    let again = browser.json(Method::POST, ROTATE, &json!({ "algorithm": "ES256" })).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, json!("conflict")));

    site.clock.advance(DAY_MS);
    let keys = of_algorithm(&browser.get(KEYS).await.json(), "ES256");
    assert_eq!((&keys[0]["state"], &keys[0]["signs_until"]), (&json!("retiring"), &at(1_000 + DAY_MS)));
    assert_eq!(keys[0]["until"], keys[0]["shown_until"]);
    assert_eq!((&keys[1]["state"], &keys[1]["until"]), (&json!("active"), &Value::Null));
    site.clock.advance(2 * DAY_MS);
    let keys = of_algorithm(&browser.get(KEYS).await.json(), "ES256");
    assert_eq!((&keys[0]["state"], &keys[0]["until"]), (&json!("removed"), &Value::Null));
    assert_eq!(of_algorithm(&browser.get(KEYS).await.json(), "RS256").len(), 1, "the others stay");
}

#[orgate_testkit::both]
async fn a_key_that_leaked_is_replaced_at_once_in_the_name_of_the_operator() {
    let site = site().await;
    let browser = site.browser();
    browser.operator("ops@example.com").await;
    let leaked = of_algorithm(&browser.get(KEYS).await.json(), "EdDSA");
    site.clock.advance(1_000);
    browser.json(Method::POST, ROTATE, &json!({ "algorithm": "EdDSA" })).await;
    site.clock.advance(4_000);
    let wish = json!({ "algorithm": "EdDSA", "at_once": true });
    let rotated = browser.json(Method::POST, ROTATE, &wish).await;
    let keys = of_algorithm(&rotated.json(), "EdDSA");
    let states: Vec<_> = keys.iter().map(|key| key["state"].as_str().unwrap()).collect();
    assert_eq!((states, &keys[0]["kid"]), (vec!["removed", "removed", "active"], &leaked[0]["kid"]));
    let gone_at = json!(rfc3339(NOW + 5_000));
    assert_eq!((&keys[0]["signs_until"], &keys[0]["shown_until"]), (&gone_at, &gone_at));
    assert_eq!((&keys[1]["signs_from"], &keys[1]["signs_until"]), (&Value::Null, &Value::Null));
    let set = browser.get("/p/proj_p/jwks.json").await.text();
    assert!(!set.contains(leaked[0]["kid"].as_str().unwrap()));
    let events = browser.get(&format!("{PATH}/audit?type=key.revoked")).await.json();
    assert_eq!(events["data"].as_array().unwrap().len(), 2);
    assert_eq!(events["data"][0]["actor"]["kind"], "operator");
}

#[orgate_testkit::both]
async fn keys_are_rotated_by_owners_alone() {
    let site = site().await;
    let own = site.browser();
    own.operator("ops@example.com").await;
    let wish = json!({ "algorithm": "ES256" });
    let other = site.browser();
    other.operator("ops2@example.com").await;
    assert_eq!(other.get(KEYS).await.status, 404);
    assert_eq!(other.json(Method::POST, ROTATE, &wish).await.status, 404);
    assert_eq!(site.browser().get(KEYS).await.status, 401);
    for (body, field) in [(json!({}), "algorithm"), (json!({ "algorithm": "HS256" }), "algorithm")] {
        let reply = own.json(Method::POST, ROTATE, &body).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["field"]), (422, &json!(field)));
    }
    let headers = [("content-type", "application/json"), ("origin", "https://evil.test")];
    assert_eq!(own.send(Method::POST, ROTATE, &headers, wish.to_string()).await.status, 403);

    let authorization = bearer(&own).await;
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let reply = site.browser().send(Method::POST, ROTATE, &headers, wish.to_string()).await;
    assert_eq!(reply.status, 200, "a key of the owner");
    for rank in ["admin", "viewer"] {
        let lower = format!("UPDATE project_operators SET role = '{rank}' WHERE project_id = 'proj_p'");
        site.change(lower.leak()).await;
        assert_eq!(own.get(KEYS).await.status, 200, "{rank}");
        assert_eq!(own.json(Method::POST, ROTATE, &wish).await.status, 403, "{rank}");
        let reply = site.browser().send(Method::POST, ROTATE, &headers, wish.to_string()).await;
        assert_eq!(reply.status, 403, "{rank}");
    }
}
