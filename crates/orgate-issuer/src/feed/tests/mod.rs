use http::Method;
use serde_json::{Value, json};

use crate::testing::{Reply, Site, site};

/// A key of `proj_p` with these scopes.
async fn key(site: &Site, scopes: &[&str]) -> String {
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    let wish = json!({ "name": "gate", "scopes": scopes });
    let reply = operator.json(Method::POST, "/api/platform/projects/proj_p/keys", &wish).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()["secret"].as_str().unwrap().to_owned()
}

/// What the feed answers to a holder of `key`.
async fn ask(site: &Site, key: &str, query: &str) -> Reply {
    let bearer = format!("Bearer {key}");
    let uri = format!("/p/proj_p/revocations{query}");
    site.browser().send(Method::GET, &uri, &[("authorization", &bearer)], String::new()).await
}

async fn marks(site: &Site, key: &str, after: i64) -> Vec<Value> {
    let reply = ask(site, key, &format!("?after={after}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["marks"].as_array().unwrap().clone()
}

#[orgate_testkit::both]
async fn who_was_removed_is_marked() {
    let site = site().await;
    let key = key(&site, &["feed"]).await;
    let from = ask(&site, &key, "").await.json()["seq"].as_i64().unwrap();
    let admin = site.signed_in("admin").await;
    let reply =
        admin.json(Method::DELETE, "/v1/auth/organizations/acme/members/usr_member", &json!({})).await;
    assert!(reply.status.is_success(), "{}", reply.text());
    let marks = marks(&site, &key, from).await;
    assert_eq!(marks.len(), 1, "{marks:?}");
    assert_eq!(marks[0]["kind"], "member");
    assert_eq!((&marks[0]["sub"], &marks[0]["org_id"]), (&json!("usr_member"), &json!("org_acme")));
    let ver = site.count("SELECT ver AS n FROM organizations WHERE id = 'org_acme'").await;
    assert_eq!(marks[0]["min"], ver);
}
