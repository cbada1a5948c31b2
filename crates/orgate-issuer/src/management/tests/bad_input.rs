//! What cannot be: a stable code, the field, and never a fault of ours.

use http::Method;
use serde_json::{Value, json};

use super::{ACME, OPERATORS, USERS, census, make_role};
use crate::testing::{Browser, ORIGIN, site};

async fn raw(browser: &Browser, method: &Method, path: &str, body: &str) -> (u16, String, Value) {
    let headers = [("content-type", "application/json"), ("origin", ORIGIN)];
    let reply = browser.send(method.clone(), path, &headers, body.to_owned()).await;
    let problem = reply.json();
    assert_eq!(reply.headers["content-type"], "application/problem+json", "{method} {path} {body}");
    (reply.status.as_u16(), problem["code"].as_str().unwrap().to_owned(), problem["field"].clone())
}

const MEMBERS: &str = "/v1/auth/organizations/acme/members";
const ONE: &str = "/v1/auth/organizations/acme/members/usr_viewer";
const TRANSFER: &str = "/v1/auth/organizations/acme/transfer-ownership";
const ROLES: &str = "/v1/auth/organizations/acme/roles";
const INVITE: &str = "/v1/auth/organizations/acme/invitations";
const TEAMS: &str = "/v1/auth/organizations/acme/teams";
const ROLE: &str = "/v1/auth/organizations/acme/roles/billing";

/// Who, method, path, body, status, code, field.
type Case = (&'static str, &'static str, &'static str, &'static str, u16, &'static str, &'static str);

const CASES: &[Case] = &[
    // Making an organization.
    ("n", "POST", USERS, r#"{}"#, 422, "invalid_value", "name"),
    ("n", "POST", USERS, r#"{"name":""}"#, 422, "invalid_value", "name"),
    ("n", "POST", USERS, r#"{"name":" \t "}"#, 422, "invalid_value", "name"),
    ("n", "POST", USERS, "{\"name\":\"a\\u0000b\"}", 422, "invalid_value", "name"),
    ("n", "POST", USERS, r#"{"name":1}"#, 422, "invalid_value", "name"),
    ("n", "POST", USERS, r#"{"name":"A","slug":""}"#, 422, "invalid_value", "slug"),
    ("n", "POST", USERS, r#"{"name":"A","slug":"A"}"#, 422, "invalid_value", "slug"),
    ("n", "POST", USERS, r#"{"name":"A","slug":"--"}"#, 422, "invalid_value", "slug"),
    ("n", "POST", USERS, r#"{"name":"A","slug":"раypal"}"#, 422, "invalid_value", "slug"),
    ("n", "POST", USERS, r#"{"name":"A","slug":"xn--pypal-4ve"}"#, 422, "invalid_value", "slug"),
    ("n", "POST", USERS, r#"{"name":"A","slug":"admin"}"#, 422, "slug_reserved", "slug"),
    ("n", "POST", USERS, r#"{"name":"A","slug":"adm1n"}"#, 422, "slug_reserved", "slug"),
    ("n", "POST", USERS, r#"{"name":"A","slug":"acme"}"#, 409, "slug_taken", "slug"),
    ("n", "POST", USERS, r#"{"name":"A","slug":["a"]}"#, 422, "invalid_value", "slug"),
    (
        "n",
        "POST",
        USERS,
        r#"{"name":"A","logo_url":"http://a.example/x.png"}"#,
        422,
        "invalid_value",
        "logo_url",
    ),
    (
        "n",
        "POST",
        USERS,
        r#"{"name":"A","logo_url":"javascript:alert(1)"}"#,
        422,
        "invalid_value",
        "logo_url",
    ),
    (
        "n",
        "POST",
        USERS,
        r#"{"name":"A","logo_url":"https://u:p@a.example/"}"#,
        422,
        "invalid_value",
        "logo_url",
    ),
    ("n", "POST", USERS, r#"{"name":"A","metadata":"x"}"#, 422, "invalid_value", "public_metadata"),
    ("n", "POST", USERS, r#"{"name":"A","metadata":null}"#, 422, "invalid_value", "public_metadata"),
    (
        "n",
        "POST",
        USERS,
        r#"{"name":"A","metadata":{},"public_metadata":{}}"#,
        422,
        "invalid_value",
        "metadata",
    ),
    ("n", "POST", USERS, r#"{"name":"A","name":"B"}"#, 400, "bad_request", ""),
    ("n", "POST", USERS, r#"{"name":"A","metadata":{"a":1,"a":2}}"#, 400, "bad_request", ""),
    ("n", "POST", USERS, r#"{"name":"A","metadata":{"a":1e999}}"#, 400, "bad_request", ""),
    ("n", "POST", USERS, "[]", 400, "bad_request", ""),
    // What nobody may set, or not this one.
    ("n", "POST", USERS, r#"{"name":"A","id":"org_mine"}"#, 422, "unknown_field", "id"),
    ("n", "POST", USERS, r#"{"name":"A","owner":"usr_x"}"#, 422, "unknown_field", "owner"),
    ("n", "POST", USERS, r#"{"name":"A","created_by":"usr_x"}"#, 422, "unknown_field", "created_by"),
    ("n", "POST", USERS, r#"{"name":"A","private_metadata":{}}"#, 422, "unknown_field", "private_metadata"),
    ("n", "POST", USERS, r#"{"name":"A","project_id":"proj_q"}"#, 422, "unknown_field", "project_id"),
    ("owner", "PATCH", ACME, r#"{"status":"suspended"}"#, 422, "unknown_field", "status"),
    ("owner", "PATCH", ACME, r#"{"max_members":1}"#, 422, "unknown_field", "max_members"),
    ("owner", "PATCH", ACME, r#"{"private_metadata":{}}"#, 422, "unknown_field", "private_metadata"),
    ("owner", "PATCH", ACME, r#"{"member_count":0}"#, 422, "unknown_field", "member_count"),
    ("owner", "PATCH", ACME, r#"{"created_at":"2026-01-01T00:00:00Z"}"#, 422, "unknown_field", "created_at"),
    ("owner", "PATCH", ACME, r#"{"owner_member_id":"mem_x"}"#, 422, "unknown_field", "owner_member_id"),
    ("owner", "PATCH", ACME, r#"{"slug":"globex"}"#, 409, "slug_taken", "slug"),
    ("owner", "PATCH", ACME, r#"{"logo_url":1}"#, 422, "invalid_value", "logo_url"),
    ("owner", "PUT", ACME, r#"{"metadata":{}}"#, 422, "invalid_value", "name"),
    (
        "operator",
        "PATCH",
        "/api/platform/projects/proj_p/orgs/acme",
        r#"{"status":"gone"}"#,
        422,
        "invalid_value",
        "status",
    ),
    (
        "operator",
        "PATCH",
        "/api/platform/projects/proj_p/orgs/acme",
        r#"{"max_members":-1}"#,
        422,
        "invalid_value",
        "max_members",
    ),
    (
        "operator",
        "PATCH",
        "/api/platform/projects/proj_p/orgs/acme",
        r#"{"max_members":"8"}"#,
        422,
        "invalid_value",
        "max_members",
    ),
    (
        "operator",
        "PATCH",
        "/api/platform/projects/proj_p",
        r#"{"org_creation":"all"}"#,
        422,
        "invalid_value",
        "org_creation",
    ),
    ("operator", "POST", OPERATORS, r#"{"name":"A"}"#, 422, "invalid_value", "creator_end_user_id"),
    // Members.
    ("owner", "POST", MEMBERS, r#"{"role":"member"}"#, 422, "invalid_value", "user_id"),
    ("owner", "POST", MEMBERS, r#"{"user_id":"usr_n","role":"auditor"}"#, 422, "unknown_role", "role"),
    ("owner", "POST", MEMBERS, r#"{"user_id":"usr_n","role":""}"#, 422, "unknown_role", "role"),
    ("owner", "POST", MEMBERS, r#"{"user_id":"usr_n","role":["admin"]}"#, 422, "invalid_value", "role"),
    ("owner", "POST", MEMBERS, r#"{"user_id":"usr_n","role":"owner"}"#, 403, "role_not_grantable", "role"),
    ("owner", "POST", MEMBERS, r#"{"user_id":"usr_none","role":"viewer"}"#, 422, "unknown_user", "user_id"),
    ("owner", "POST", MEMBERS, r#"{"user_id":"usr_admin","role":"viewer"}"#, 409, "already_member", ""),
    (
        "owner",
        "POST",
        MEMBERS,
        r#"{"user_id":"usr_n","role":"viewer","permissions":["delete_org"]}"#,
        422,
        "unknown_field",
        "permissions",
    ),
    (
        "owner",
        "POST",
        MEMBERS,
        r#"{"user_id":"usr_n","role":"viewer","org_id":"org_globex"}"#,
        422,
        "unknown_field",
        "org_id",
    ),
    ("owner", "PUT", ONE, r#"{}"#, 422, "invalid_value", "role"),
    ("owner", "PUT", ONE, r#"{"role":"auditor"}"#, 422, "unknown_role", "role"),
    ("owner", "PUT", ONE, r#"{"status":"gone"}"#, 422, "invalid_value", "status"),
    ("owner", "POST", TRANSFER, r#"{}"#, 422, "invalid_value", "member_id"),
    ("owner", "POST", TRANSFER, r#"{"member_id":"usr_none"}"#, 422, "invalid_value", "member_id"),
    // Invitations.
    ("owner", "POST", INVITE, r#"{"role":"member"}"#, 422, "invalid_value", "email"),
    ("owner", "POST", INVITE, r#"{"email":""}"#, 422, "invalid_value", "email"),
    ("owner", "POST", INVITE, r#"{"email":"a@b@example.com"}"#, 422, "invalid_value", "email"),
    ("owner", "POST", INVITE, r#"{"email":"раypal@example.com"}"#, 422, "invalid_value", "email"),
    (
        "owner",
        "POST",
        INVITE,
        "{\"email\":\"a@example.com\\r\\nBcc: b@example.com\"}",
        422,
        "invalid_value",
        "email",
    ),
    ("owner", "POST", INVITE, r#"{"email":["a@example.com"]}"#, 422, "invalid_value", "email"),
    ("owner", "POST", INVITE, r#"{"email":"a@example.com","email":"b@example.com"}"#, 400, "bad_request", ""),
    ("owner", "POST", INVITE, r#"{"email":"a@example.com","role":"auditor"}"#, 422, "unknown_role", "role"),
    (
        "owner",
        "POST",
        INVITE,
        r#"{"email":"a@example.com","role":"owner"}"#,
        403,
        "role_not_grantable",
        "role",
    ),
    ("owner", "POST", INVITE, r#"{"email":"a@example.com","role":1}"#, 422, "invalid_value", "role"),
    (
        "owner",
        "POST",
        INVITE,
        r#"{"email":"a@example.com","expires_in":0}"#,
        422,
        "invalid_value",
        "expires_in",
    ),
    (
        "owner",
        "POST",
        INVITE,
        r#"{"email":"a@example.com","expires_in":"60"}"#,
        422,
        "invalid_value",
        "expires_in",
    ),
    (
        "owner",
        "POST",
        INVITE,
        r#"{"email":"a@example.com","expires_in":9e18}"#,
        422,
        "invalid_value",
        "expires_in",
    ),
    (
        "owner",
        "POST",
        INVITE,
        r#"{"email":"a@example.com","expires_in":2592001}"#,
        422,
        "invalid_value",
        "expires_in",
    ),
    (
        "owner",
        "POST",
        INVITE,
        r#"{"email":"a@example.com","invited_by":7}"#,
        422,
        "invalid_value",
        "invited_by",
    ),
    ("owner", "POST", INVITE, r#"{"email":"a@example.com","token":"x"}"#, 422, "unknown_field", "token"),
    (
        "owner",
        "POST",
        INVITE,
        r#"{"email":"a@example.com","status":"accepted"}"#,
        422,
        "unknown_field",
        "status",
    ),
    ("owner", "POST", INVITE, r#"{"email":"member@example.com"}"#, 409, "already_member", ""),
    ("owner", "POST", INVITE, r#"{"email":"a@example.com","teams":"x"}"#, 422, "invalid_value", "teams"),
    ("owner", "POST", INVITE, r#"{"email":"a@example.com","teams":["x"]}"#, 422, "unknown_team", "teams"),
    // Teams.
    ("owner", "POST", TEAMS, r#"{}"#, 422, "invalid_value", "name"),
    ("owner", "POST", TEAMS, r#"{"name":" "}"#, 422, "invalid_value", "name"),
    ("owner", "POST", TEAMS, r#"{"name":["X"]}"#, 422, "invalid_value", "name"),
    ("owner", "POST", TEAMS, r#"{"name":"X","name":"Y"}"#, 400, "bad_request", ""),
    ("owner", "POST", TEAMS, r#"{"name":"X","slug":""}"#, 422, "invalid_value", "slug"),
    ("owner", "POST", TEAMS, r#"{"name":"X","slug":"tеam"}"#, 422, "invalid_value", "slug"),
    ("owner", "POST", TEAMS, r#"{"name":"X","slug":"team_x"}"#, 422, "invalid_value", "slug"),
    (
        "owner",
        "POST",
        TEAMS,
        "{\"name\":\"X\",\"description\":\"a\\u0000\"}",
        422,
        "invalid_value",
        "description",
    ),
    ("owner", "POST", TEAMS, r#"{"name":"X","is_default":"yes"}"#, 422, "invalid_value", "is_default"),
    ("owner", "POST", TEAMS, r#"{"name":"X","org_id":"org_globex"}"#, 422, "unknown_field", "org_id"),
    // Roles.
    ("owner", "POST", ROLES, r#"{"name":"X"}"#, 422, "invalid_value", "permissions"),
    ("owner", "POST", ROLES, r#"{"name":"X","permissions":"read"}"#, 422, "invalid_value", "permissions"),
    ("owner", "POST", ROLES, r#"{"name":"X","permissions":[1]}"#, 422, "invalid_value", "permissions"),
    (
        "owner",
        "POST",
        ROLES,
        r#"{"name":"X","permissions":["root"]}"#,
        422,
        "unknown_permission",
        "permissions",
    ),
    ("owner", "POST", ROLES, r#"{"name":"X","slug":"X","permissions":[]}"#, 422, "invalid_value", "slug"),
    (
        "owner",
        "POST",
        ROLES,
        r#"{"name":"X","slug":"bіlling","permissions":[]}"#,
        422,
        "invalid_value",
        "slug",
    ),
    ("owner", "POST", ROLES, r#"{"name":"X","rank":3,"permissions":[]}"#, 422, "invalid_value", "rank"),
    ("owner", "POST", ROLES, r#"{"name":"X","rank":-1,"permissions":[]}"#, 422, "invalid_value", "rank"),
    ("owner", "POST", ROLES, r#"{"name":"X","rank":1.5,"permissions":[]}"#, 422, "invalid_value", "rank"),
    (
        "owner",
        "POST",
        ROLES,
        r#"{"name":"X","permissions":[],"built_in":true}"#,
        422,
        "unknown_field",
        "built_in",
    ),
    ("owner", "PATCH", ROLE, r#"{"slug":"other"}"#, 422, "invalid_value", "slug"),
];

#[orgate_testkit::both]
async fn what_cannot_be_is_named() {
    let site = site().await;
    let (owner, user) = (site.signed_in("owner").await, site.signed_in("n").await);
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    make_role(&owner, "billing", &["read"]).await;
    let before = census(&site).await;
    for (who, method, path, body, status, code, field) in CASES {
        let browser = match *who {
            "owner" => &owner,
            "operator" => &operator,
            _ => &user,
        };
        let (got, named, about) = raw(browser, &method.parse().unwrap(), path, body).await;
        assert_eq!((got, named.as_str()), (*status, *code), "{method} {path} {body}");
        assert_eq!(about.as_str().unwrap_or_default(), *field, "{method} {path} {body}");
    }
    let nested = |open: &str, close: &str, levels: usize| {
        format!("{{\"name\":\"A\",\"metadata\":{}1{}}}", open.repeat(levels), close.repeat(levels))
    };
    for (body, status, code, field) in [
        (json!({ "name": "x".repeat(101) }).to_string(), 422, "invalid_value", "name"),
        (
            json!({ "name": "A", "metadata": { "a": "x".repeat(9_000) } }).to_string(),
            422,
            "invalid_value",
            "public_metadata",
        ),
        (nested("{\"a\":", "}", 12), 422, "invalid_value", "public_metadata"),
        (nested("[", "]", 500), 400, "bad_request", ""),
    ] {
        let (got, named, about) = raw(&user, &Method::POST, USERS, &body).await;
        assert_eq!((got, named.as_str()), (status, code), "{}", body.split_at(40).0);
        assert_eq!(about.as_str().unwrap_or_default(), field, "{}", body.split_at(40).0);
    }
    for path in ["?limit=0", "?limit=1&limit=2", "?cursor=!!", "?limit=x"] {
        assert_eq!(owner.get(&format!("{MEMBERS}{path}")).await.status, 422, "{path}");
    }
    for path in ["/members/%ff", "/members/..%2f..", "/roles/%00", "/members/a%2fb", "/roles/a;b"] {
        let reply = owner.get(&format!("{ACME}{path}")).await;
        assert!(matches!(reply.status.as_u16(), 400 | 404), "{path}: {}", reply.status);
    }
    assert_eq!(census(&site).await, before);
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM organizations").await, 2);
}

#[orgate_testkit::both]
async fn an_answer_that_is_old_changes_nothing() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let shown = owner.get(ACME).await;
    let tag = shown.headers["etag"].to_str().unwrap().to_owned();
    let with = async |method: Method, path: &str, tag: &str, body: &Value| {
        let headers = [("content-type", "application/json"), ("origin", ORIGIN), ("if-match", tag)];
        owner.send(method, path, &headers, body.to_string()).await
    };
    let rename = json!({ "name": "One" });
    let reply = with(Method::PATCH, ACME, &tag, &rename).await;
    assert_eq!(reply.status, 200);
    let newer = reply.headers["etag"].to_str().unwrap().to_owned();
    assert_ne!(newer, tag);
    let path = format!("{ACME}/members/usr_viewer");
    for (method, path, body) in [
        (Method::PATCH, ACME, json!({ "name": "Two" })),
        (Method::PUT, ACME, json!({ "name": "Two" })),
        (Method::PUT, path.as_str(), json!({ "role": "member" })),
        (Method::DELETE, path.as_str(), Value::Null),
        (Method::DELETE, ACME, Value::Null),
    ] {
        let reply = with(method.clone(), path, &tag, &body).await;
        super::refused(&reply, 412, "precondition_failed");
    }
    // Whoever changes a member changes the organization that was read.
    assert_eq!(with(Method::PUT, &path, &newer, &json!({ "role": "member" })).await.status, 200);
    super::refused(&with(Method::PATCH, ACME, &newer, &rename).await, 412, "precondition_failed");
    assert_eq!(owner.get(ACME).await.json()["name"], "One");
}
