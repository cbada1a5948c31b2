use http::Method;
use serde_json::{Value, json};

use crate::testing::{and, claims, exchange, site};

const PATH: &str = "/api/platform/projects/proj_p/orgs";

fn body(slug: &str) -> Value {
    json!({ "name": "Acme Corp", "slug": slug, "creator_end_user_id": "usr_n" })
}

#[orgate_testkit::both]
async fn the_documented_call_makes_an_organization_whose_creator_owns_it() {
    let site = site().await;
    let browser = site.browser();
    browser.operator("ops@example.com").await;
    let reply = browser.json(Method::POST, PATH, &body("acme-corp")).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let made = reply.json();
    assert_eq!(
        (&made["name"], &made["slug"], &made["member_count"]),
        (&json!("Acme Corp"), &json!("acme-corp"), &json!(1))
    );
    assert!(made["id"].as_str().unwrap().starts_with("org_"));
    assert!(made["created_at"].as_str().unwrap().ends_with('Z'));

    let code = site.browser().code("n", None, "").await;
    let tokens = site.browser().token(&and(exchange(&code), "org_id", made["id"].clone())).await.json();
    assert_eq!(claims(&tokens["access_token"])["org_role"], "owner");
    // The id is accepted in the plain form of a UUID, too.
    let uuid = crate::ids::Kind::Organization.uuid_of(made["id"].as_str().unwrap()).unwrap().to_string();
    let reply = site.browser().token(&and(crate::testing::refresh(&tokens), "org_id", uuid)).await.json();
    assert_eq!(reply["org_id"], made["id"]);

    let list = browser.get(&format!("{PATH}?limit=2")).await.json();
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    let next =
        browser.get(&format!("{PATH}?limit=2&cursor={}", list["next_cursor"].as_str().unwrap())).await.json();
    assert_eq!((next["data"].as_array().unwrap().len(), &next["next_cursor"]), (1, &Value::Null));
}

#[orgate_testkit::both]
async fn a_slug_is_given_once() {
    let site = site().await;
    let browser = site.browser();
    browser.operator("ops@example.com").await;
    let taken = browser.json(Method::POST, PATH, &body("acme")).await;
    assert_eq!((taken.status.as_u16(), taken.code()), (409, json!("slug_taken")));
    for (slug, code) in
        [("", "invalid_value"), ("A", "invalid_value"), ("--", "invalid_value"), ("admin", "slug_reserved")]
    {
        let reply = browser.json(Method::POST, PATH, &body(slug)).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (422, json!(code)), "{slug}");
    }
    let mut without = body("");
    without.as_object_mut().unwrap().remove("slug");
    assert_eq!(browser.json(Method::POST, PATH, &without).await.json()["slug"], "acme-corp");
    let second = browser.json(Method::POST, PATH, &without).await.json()["slug"].as_str().unwrap().to_owned();
    assert!(second.starts_with("acme-corp-") && second.len() == "acme-corp-".len() + 6, "{second}");
}

#[orgate_testkit::both]
async fn of_twenty_creations_of_one_slug_one_succeeds() {
    let site = site().await;
    let browser = std::sync::Arc::new(site.browser());
    browser.operator("ops@example.com").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let browser = std::sync::Arc::clone(&browser);
        tasks.spawn(async move { browser.json(Method::POST, PATH, &body("racing")).await.status.as_u16() });
    }
    let mut statuses = tasks.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
}

#[orgate_testkit::both]
async fn an_organization_needs_a_creator_and_the_switch() {
    let site = site().await;
    let browser = site.browser();
    browser.operator("ops@example.com").await;
    for creator in ["usr_none", "usr_q", ""] {
        let reply = browser.json(Method::POST, PATH, &and(body("x1"), "creator_end_user_id", creator)).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (422, json!("unknown_user")), "{creator}");
    }
    let unknown = browser.json(Method::POST, PATH, &and(body("x1"), "owner", "me")).await;
    assert_eq!(unknown.code(), "unknown_field");
    browser.json(Method::PATCH, "/api/platform/projects/proj_p", &json!({ "org_enabled": false })).await;
    let off = browser.json(Method::POST, PATH, &body("x1")).await;
    assert_eq!((off.status.as_u16(), off.code()), (409, json!("organizations_disabled")));
    assert_eq!(site.browser().json(Method::POST, PATH, &body("x1")).await.status, 401);
    let other = site.browser();
    other.operator("ops2@example.com").await;
    assert_eq!(other.json(Method::POST, PATH, &body("x1")).await.status, 404);
    assert_eq!(other.get(PATH).await.status, 404);
}
