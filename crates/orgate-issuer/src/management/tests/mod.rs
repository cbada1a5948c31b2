//! The organizations' API, as operators and end users meet it.

mod api_keys;
mod audit;
mod bad_input;
mod bearer;
mod domains;
mod escalation;
mod invitation_bounds;
mod invitations;
mod isolation;
mod life;
mod members;
mod oneself;
mod organizations;
mod page;
mod races;
mod roles;
mod scale;
mod teams;
mod told;

use http::Method;
use serde_json::{Value, json};

use crate::testing::{Browser, Reply, Site};

pub(super) const USERS: &str = "/v1/auth/organizations";
pub(super) const OPERATORS: &str = "/api/platform/projects/proj_p/orgs";
pub(crate) const ACME: &str = "/v1/auth/organizations/acme";
pub(super) const SWITCHED: &str = "/v1/auth/session/active-organization";

/// The membership of a user in an organization, as stored.
pub(crate) async fn role_of(site: &Site, org: &'static str, user: &'static str) -> Option<String> {
    let mut conn = site.issuer.app().db.read().await.unwrap();
    let statement = crate::db::sql("SELECT role_key FROM memberships WHERE org_id = $1 AND user_id = $2");
    conn.first(statement.bind(org).bind(user)).await.unwrap().map(|row| row.text("role_key").unwrap())
}

/// Who is what in `acme`, as one text.
pub(crate) async fn census(site: &Site) -> String {
    let mut conn = site.issuer.app().db.read().await.unwrap();
    let rows = conn
        .all(crate::db::sql(
            "SELECT m.user_id, m.role_key, m.status, o.slug, o.name FROM memberships m
             JOIN organizations o ON o.id = m.org_id WHERE m.org_id = 'org_acme' ORDER BY m.user_id",
        ))
        .await
        .unwrap();
    let cell = |row: &crate::db::Row, name: &str| row.text(name).unwrap();
    rows.iter()
        .map(|row| ["user_id", "role_key", "status", "slug", "name"].map(|name| cell(row, name)).join(" "))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The data of the newest event of a kind.
pub(crate) async fn last_event(site: &Site, kind: &'static str) -> (String, Value) {
    let mut conn = site.issuer.app().db.read().await.unwrap();
    let statement =
        crate::db::sql("SELECT actor_id, data FROM events WHERE type = $1 ORDER BY seq DESC LIMIT 1");
    let row = conn.first(statement.bind(kind)).await.unwrap().unwrap_or_else(|| panic!("no {kind}"));
    let data = serde_json::from_str(&row.text("data").unwrap()).unwrap();
    (row.text_opt("actor_id").unwrap().unwrap_or_default(), data)
}

/// A request without a body, as our own pages would send it.
pub(crate) async fn bare(browser: &Browser, method: Method, path: &str) -> Reply {
    browser.send(method, path, &[("origin", crate::testing::ORIGIN)], String::new()).await
}

/// Makes the role `key` in acme.
pub(crate) async fn make_role(owner: &Browser, key: &str, permissions: &[&str]) -> Reply {
    let body = json!({ "name": key, "slug": key, "permissions": permissions });
    owner.json(Method::POST, &format!("{ACME}/roles"), &body).await
}

/// Status and code of a refusal.
#[track_caller]
pub(crate) fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status.as_u16(), reply.code()), (status, json!(code)), "{}", reply.text());
}
