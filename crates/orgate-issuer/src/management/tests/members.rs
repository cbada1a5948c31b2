use http::Method;
use serde_json::json;

use crate::testing::site;

const PATH: &str = "/api/platform/projects/proj_p/orgs/org_acme/members";

#[orgate_testkit::both]
async fn a_member_is_added_with_one_role() {
    let site = site().await;
    let browser = site.browser();
    browser.operator("ops@example.com").await;
    let reply = browser.json(Method::POST, PATH, &json!({ "user_id": "usr_n", "role": "viewer" })).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let member = reply.json();
    assert_eq!((&member["role"], &member["email"]), (&json!("viewer"), &json!("n@example.com")));
    let list = browser.get(PATH).await.json();
    assert_eq!(list["data"].as_array().unwrap().len(), 6);
    assert!(list["data"].as_array().unwrap().contains(&member));
}

#[orgate_testkit::both]
async fn what_cannot_be_a_member_is_refused() {
    let site = site().await;
    let browser = site.browser();
    browser.operator("ops@example.com").await;
    for (user, role, status, code) in [
        ("usr_admin", "viewer", 409, "already_member"),
        ("usr_n", "owner", 403, "role_not_grantable"),
        ("usr_n", "auditor", 422, "unknown_role"),
        ("usr_n", "", 422, "unknown_role"),
        ("usr_q", "viewer", 422, "unknown_user"),
        ("usr_none", "viewer", 422, "unknown_user"),
    ] {
        let reply = browser.json(Method::POST, PATH, &json!({ "user_id": user, "role": role })).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (status, json!(code)), "{user} {role}");
    }
    let body = json!({ "user_id": "usr_n", "role": "viewer" });
    let absent = PATH.replace("org_acme", "org_none");
    assert_eq!(browser.json(Method::POST, &absent, &body).await.status, 404);
    assert_eq!(browser.get(&absent).await.status, 404);
    let other = site.browser();
    other.operator("ops2@example.com").await;
    assert_eq!(other.json(Method::POST, PATH, &body).await.status, 404);
    assert_eq!(other.get(PATH).await.status, 404);
    assert_eq!(site.count("SELECT member_count AS n FROM organizations WHERE id = 'org_acme'").await, 5);
}

#[orgate_testkit::both]
async fn a_viewing_operator_changes_nothing() {
    let site = site().await;
    site.write(|tx| {
        Box::pin(async move {
            tx.run(crate::db::sql("UPDATE project_operators SET role = 'viewer'")).await.map(|_| ())
        })
    })
    .await;
    let browser = site.browser();
    browser.operator("ops@example.com").await;
    assert_eq!(browser.get(PATH).await.status, 200);
    let reply = browser.json(Method::POST, PATH, &json!({ "user_id": "usr_n", "role": "viewer" })).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (403, json!("forbidden")));
}
