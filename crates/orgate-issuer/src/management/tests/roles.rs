//! Roles of an organization's own, and the catalogue.

use http::Method;
use serde_json::json;

use super::{ACME, OPERATORS, USERS, bare, last_event, make_role, refused};
use crate::testing::{Site, and, claims, refresh, site};

const CATALOGUE: &str = "/api/platform/projects/proj_p/permissions";

async fn with_billing() -> (Site, crate::testing::Browser) {
    let site = site().await;
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    for key in ["billing:read", "billing:write"] {
        let reply = operator.json(Method::POST, CATALOGUE, &json!({ "key": key })).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
    }
    (site, operator)
}

#[orgate_testkit::both]
async fn scenario_16_a_custom_role_is_in_the_tokens_of_its_organization_alone() {
    let (site, _) = with_billing().await;
    let owner = site.signed_in("owner").await;
    let tokens = site.tokens("member", Some("org_acme")).await;
    // In the order of the catalogue, whatever the order of the request.
    let made = make_role(&owner, "billing", &["billing:read", "read", "read"]).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let role = made.json();
    assert_eq!(role["permissions"], json!(["read", "billing:read"]));
    assert_eq!((&role["rank"], &role["built_in"]), (&json!(1), &json!(false)));
    let given =
        owner.json(Method::PUT, &format!("{ACME}/members/usr_member"), &json!({ "role": "billing" })).await;
    assert_eq!(given.status, 200, "{}", given.text());
    assert_eq!(given.json()["permissions"], json!(["read", "billing:read"]));

    let tokens = site.browser().token(&refresh(&tokens)).await.json();
    let token = claims(&tokens["access_token"]);
    assert_eq!(
        (&token["org_role"], &token["org_permissions"]),
        (&json!("billing"), &json!(["read", "billing:read"]))
    );
    let member = site.signed_in("member").await;
    member.json(Method::POST, &format!("{ACME}/switch"), &json!({})).await;
    let session = member.get("/v1/auth/session").await.json();
    assert_eq!(
        (&session["role"], &session["permissions"]),
        (&json!("billing"), &json!(["read", "billing:read"]))
    );

    // An edited role is in the next token, and the organization's counter has moved.
    let edit = json!({ "permissions": ["read", "billing:read", "billing:write"] });
    let edited = owner.json(Method::PATCH, &format!("{ACME}/roles/billing"), &edit).await;
    assert_eq!(edited.status, 200, "{}", edited.text());
    let tokens = site.browser().token(&refresh(&tokens)).await.json();
    let newer = claims(&tokens["access_token"]);
    assert_eq!(newer["org_permissions"], json!(["read", "billing:read", "billing:write"]));
    assert!(newer["org_ver"].as_u64() > token["org_ver"].as_u64());
    let (actor, data) = last_event(&site, "role.updated").await;
    assert_eq!(actor, "usr_owner");
    assert_eq!(data["before"]["permissions"], json!(["read", "billing:read"]));
    assert_eq!(data["after"]["permissions"], edit["permissions"]);

    // The same name is nothing in another organization.
    let x = site.signed_in("x").await;
    let elsewhere =
        x.json(Method::PUT, &format!("{USERS}/globex/members/usr_d"), &json!({ "role": "billing" })).await;
    refused(&elsewhere, 422, "unknown_role");

    // An administrator makes none, and nobody changes what is built in.
    let admin = site.signed_in("admin").await;
    refused(&make_role(&admin, "boss", &["delete_org"]).await, 403, "forbidden");
    for method in [Method::PATCH, Method::DELETE] {
        let reply = owner.json(method, &format!("{ACME}/roles/admin"), &json!({ "name": "Boss" })).await;
        refused(&reply, 403, "built_in");
    }
    refused(&make_role(&owner, "owner", &["read"]).await, 409, "role_taken");
    refused(&make_role(&owner, "billing", &["read"]).await, 409, "role_taken");

    // Somebody has it, so it stays; or they get another.
    let path = format!("{ACME}/roles/billing");
    refused(&bare(&owner, Method::DELETE, &path).await, 409, "role_in_use");
    for bad in ["owner", "billing", "nothing"] {
        let reply = bare(&owner, Method::DELETE, &format!("{path}?reassign_to={bad}")).await;
        assert!(reply.status.is_client_error(), "{bad}: {}", reply.text());
    }
    assert_eq!(bare(&owner, Method::DELETE, &format!("{path}?reassign_to=viewer")).await.status, 200);
    assert_eq!(super::role_of(&site, "org_acme", "usr_member").await.as_deref(), Some("viewer"));
    let tokens = site.browser().token(&refresh(&tokens)).await.json();
    assert_eq!(claims(&tokens["access_token"])["org_permissions"], json!(["read"]));
}

#[orgate_testkit::both]
async fn a_role_that_does_not_fit_into_a_token_is_refused_when_it_is_edited() {
    let (site, operator) = with_billing().await;
    for number in 0..64 {
        operator.json(Method::POST, CATALOGUE, &json!({ "key": format!("p{number}") })).await;
    }
    let owner = site.signed_in("owner").await;
    let keys: Vec<String> = (0..64).map(|number| format!("p{number}")).collect();
    let most: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(make_role(&owner, "most", &most).await.status, 201);
    let more = [most.as_slice(), &["read"]].concat();
    refused(&make_role(&owner, "more", &more).await, 422, "permissions_too_large");
    let edit = json!({ "permissions": more });
    let reply = owner.json(Method::PATCH, &format!("{ACME}/roles/most"), &edit).await;
    refused(&reply, 422, "permissions_too_large");
    // In the words of another profile a permission may be two.
    site.change("UPDATE projects SET claims_profile = 'aero2' WHERE id = 'proj_p'").await;
    let words = [&most[..63], &["change_roles"]].concat();
    refused(&make_role(&owner, "words", &words).await, 422, "permissions_too_large");
}

#[orgate_testkit::both]
async fn the_catalogue_is_the_operators() {
    let (site, operator) = with_billing().await;
    let list = operator.get(&format!("{CATALOGUE}?limit=5")).await.json();
    let keys = |list: &serde_json::Value| -> Vec<String> {
        list["data"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&list), ["read", "write", "invite", "remove_members", "change_roles"]);
    let next = list["next_cursor"].as_str().unwrap();
    let list = operator.get(&format!("{CATALOGUE}?limit=5&cursor={next}")).await.json();
    assert_eq!(keys(&list), ["delete_org", "transfer_ownership", "billing:read", "billing:write"]);
    assert!(list["next_cursor"].is_null());

    refused(
        &operator.json(Method::POST, CATALOGUE, &json!({ "key": "read" })).await,
        409,
        "permission_taken",
    );
    refused(
        &operator.json(Method::POST, CATALOGUE, &json!({ "key": "billing:read" })).await,
        409,
        "permission_taken",
    );
    for bad in ["", "a b", "ä", "*", &"x".repeat(129)] {
        refused(&operator.json(Method::POST, CATALOGUE, &json!({ "key": bad })).await, 422, "invalid_value");
    }
    let slashed = json!({ "key": "docs/read", "description": "Read documents" });
    assert_eq!(operator.json(Method::POST, CATALOGUE, &slashed).await.status, 201);
    let path = format!("{CATALOGUE}/docs/read");
    let told = operator.json(Method::PATCH, &path, &json!({ "description": "Reads" })).await;
    assert_eq!((told.status.as_u16(), &told.json()["description"]), (200, &json!("Reads")));
    assert_eq!(bare(&operator, Method::DELETE, &path).await.status, 204);
    assert_eq!(bare(&operator, Method::DELETE, &path).await.status, 404);
    refused(&bare(&operator, Method::DELETE, &format!("{CATALOGUE}/read")).await, 403, "built_in");

    let owner = site.signed_in("owner").await;
    make_role(&owner, "billing", &["billing:read"]).await;
    let used = bare(&operator, Method::DELETE, &format!("{CATALOGUE}/billing:read")).await;
    refused(&used, 409, "permission_in_use");
    refused(&make_role(&owner, "other", &["nothing"]).await, 422, "unknown_permission");
    // Members read it, and only that.
    assert_eq!(owner.get(&format!("{ACME}/permissions")).await.json()["data"].as_array().unwrap().len(), 9);
    // One may look without being one who changes.
    site.change("UPDATE project_operators SET role = 'viewer' WHERE project_id = 'proj_p'").await;
    assert_eq!(operator.get(CATALOGUE).await.status, 200);
    refused(&operator.json(Method::POST, CATALOGUE, &json!({ "key": "z" })).await, 403, "forbidden");
    refused(&bare(&operator, Method::DELETE, &format!("{CATALOGUE}/billing:write")).await, 403, "forbidden");
    let body = json!({ "name": "X", "creator_end_user_id": "usr_n" });
    refused(&operator.json(Method::POST, OPERATORS, &body).await, 403, "forbidden");
}

#[orgate_testkit::both]
async fn a_member_is_given_what_its_giver_holds_and_no_more() {
    let (site, _) = with_billing().await;
    let owner = site.signed_in("owner").await;
    make_role(&owner, "billing", &["read", "billing:read"]).await;
    let admin = site.signed_in("admin").await;
    let path = format!("{ACME}/members/usr_viewer");
    refused(&admin.json(Method::PUT, &path, &json!({ "role": "billing" })).await, 403, "role_not_grantable");
    assert_eq!(owner.json(Method::PUT, &path, &json!({ "role": "billing" })).await.status, 200);
    // A role that looks like an operator's gives nothing of theirs.
    assert_eq!(make_role(&owner, "operator", &["read"]).await.status, 201);
    owner.json(Method::PUT, &path, &json!({ "role": "operator" })).await;
    let viewer = site.signed_in("viewer").await;
    refused(&viewer.json(Method::PATCH, ACME, &json!({ "name": "Mine" })).await, 403, "forbidden");
    refused(&make_role(&viewer, "mine", &["read"]).await, 403, "forbidden");
    // Nor does a permission make an owner of somebody.
    let rights = ["read", "change_roles", "transfer_ownership", "invite"];
    assert_eq!(make_role(&owner, "deputy", &rights).await.status, 201);
    owner.json(Method::PUT, &path, &json!({ "role": "deputy" })).await;
    let body = json!({ "member_id": "usr_viewer" });
    let reply = viewer.json(Method::POST, &format!("{ACME}/transfer-ownership"), &body).await;
    refused(&reply, 403, "role_not_grantable");
    refused(
        &viewer.json(Method::PUT, &format!("{ACME}/members/me"), &json!({ "role": "owner" })).await,
        403,
        "role_not_grantable",
    );
}

#[orgate_testkit::both]
async fn a_version_that_is_gone_is_not_changed() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let role = make_role(&owner, "billing", &["read"]).await;
    let tag = role.headers["etag"].to_str().unwrap().to_owned();
    let path = format!("{ACME}/roles/billing");
    let with = async |tag: &str, body: serde_json::Value| {
        let headers =
            [("content-type", "application/json"), ("origin", crate::testing::ORIGIN), ("if-match", tag)];
        owner.send(Method::PATCH, &path, &headers, body.to_string()).await
    };
    assert_eq!(with(&tag, json!({ "name": "One" })).await.status, 200);
    refused(&with(&tag, json!({ "name": "Two" })).await, 412, "precondition_failed");
    assert_eq!(with("*", json!({ "name": "Two" })).await.status, 200);
    let missing = and(json!({ "name": "Three" }), "description", "x");
    refused(&owner.json(Method::PUT, &path, &missing).await, 422, "invalid_value");
}
