//! Every id of one tenant with the credentials of another: 404, and word for word what an id gets that does not exist.

use http::Method;
use serde_json::{Value, json};

use super::{ACME, OPERATORS, USERS, bare, census, make_role, refused};
use crate::testing::{Browser, site};

/// Every route of the API behind an organization, with a body that would be good.
fn routes() -> Vec<(Method, &'static str, Value)> {
    vec![
        (Method::GET, "", Value::Null),
        (Method::PATCH, "", json!({ "name": "Mine" })),
        (Method::PUT, "", json!({ "name": "Mine" })),
        (Method::DELETE, "", Value::Null),
        (Method::GET, "/members", Value::Null),
        (Method::POST, "/members", json!({ "user_id": "usr_n", "role": "viewer" })),
        (Method::GET, "/members/{member}", Value::Null),
        (Method::PATCH, "/members/{member}", json!({ "role": "viewer" })),
        (Method::PUT, "/members/{member}", json!({ "role": "viewer" })),
        (Method::DELETE, "/members/{member}", Value::Null),
        (Method::POST, "/transfer-ownership", json!({ "member_id": "usr_d" })),
        (Method::GET, "/roles", Value::Null),
        (Method::POST, "/roles", json!({ "name": "Mine", "permissions": [] })),
        (Method::GET, "/roles/{role}", Value::Null),
        (Method::PATCH, "/roles/{role}", json!({ "name": "Mine" })),
        (Method::PUT, "/roles/{role}", json!({ "name": "Mine", "permissions": [] })),
        (Method::DELETE, "/roles/{role}", Value::Null),
        (Method::GET, "/api-keys", Value::Null),
        (Method::POST, "/api-keys", json!({ "name": "Mine", "permissions": ["read"] })),
        (Method::GET, "/api-keys/{key}", Value::Null),
        (Method::DELETE, "/api-keys/{key}", Value::Null),
        (Method::GET, "/permissions", Value::Null),
        (Method::GET, "/domains", Value::Null),
        (Method::POST, "/domains", json!({ "domain": "mine.example" })),
        (Method::GET, "/domains/{domain}", Value::Null),
        (Method::PATCH, "/domains/{domain}", json!({ "mode": "off" })),
        (Method::PUT, "/domains/{domain}", json!({ "mode": "off" })),
        (Method::DELETE, "/domains/{domain}", Value::Null),
        (Method::POST, "/domains/{domain}/verify", Value::Null),
        (Method::GET, "/invitations", Value::Null),
        (Method::POST, "/invitations", json!({ "email": "new@example.com", "role": "viewer" })),
        (Method::GET, "/invitations/{invitation}", Value::Null),
        (Method::DELETE, "/invitations/{invitation}", Value::Null),
        (Method::POST, "/invitations/{invitation}/resend", Value::Null),
        (Method::GET, "/teams", Value::Null),
        (Method::POST, "/teams", json!({ "name": "Mine" })),
        (Method::GET, "/teams/{team}", Value::Null),
        (Method::PATCH, "/teams/{team}", json!({ "name": "Mine" })),
        (Method::PUT, "/teams/{team}", json!({ "name": "Mine" })),
        (Method::DELETE, "/teams/{team}", Value::Null),
        (Method::GET, "/teams/{team}/members", Value::Null),
        (Method::POST, "/teams/{team}/members", json!({ "user_id": "usr_member" })),
        (Method::DELETE, "/teams/{team}/members/{member}", Value::Null),
        (Method::GET, "/audit", Value::Null),
        (Method::POST, "/leave", Value::Null),
        (Method::POST, "/activate", Value::Null),
        (Method::POST, "/switch", Value::Null),
    ]
}

async fn ask(browser: &Browser, method: &Method, path: &str, body: &Value) -> (u16, String) {
    let reply = match body.is_null() {
        true => bare(browser, method.clone(), path).await,
        false => browser.json(method.clone(), path, body).await,
    };
    (reply.status.as_u16(), reply.text())
}

#[orgate_testkit::both]
async fn no_id_of_another_organization_opens_anything() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let role = make_role(&owner, "billing", &["read"]).await.json()["id"].as_str().unwrap().to_owned();
    let key = json!({ "name": "CI", "permissions": ["read"] });
    let key = owner.json(Method::POST, &format!("{ACME}/api-keys"), &key).await.json();
    let key = key["id"].as_str().unwrap();
    let body = json!({ "email": "k@example.com" });
    let invitation = owner.json(Method::POST, &format!("{ACME}/invitations"), &body).await.json();
    let invitation = invitation["id"].as_str().unwrap().to_owned();
    let team = owner.json(Method::POST, &format!("{ACME}/teams"), &json!({ "name": "Theirs" })).await.json();
    let team = team["id"].as_str().unwrap().to_owned();
    let body = json!({ "domain": "acme.example" });
    let domain = owner.json(Method::POST, &format!("{ACME}/domains"), &body).await.json();
    let domain = domain["id"].as_str().unwrap();
    let list = owner.get(&format!("{ACME}/members")).await.json();
    let of = |user: &str| {
        let row = list["data"].as_array().unwrap().iter().find(|row| row["user_id"] == user).unwrap();
        row["id"].as_str().unwrap().to_owned()
    };
    let (member, before) = (of("usr_member"), census(&site).await);
    // The owner of globex asks.
    let x = site.signed_in("x").await;
    for (method, rest, body) in routes() {
        for (their_member, their_role) in [(member.as_str(), role.as_str()), ("usr_member", "billing")] {
            let rest =
                rest.replace("{member}", their_member).replace("{role}", their_role).replace("{key}", key);
            let rest = rest.replace("{invitation}", &invitation).replace("{team}", &team);
            let their_domain = if their_role == "billing" { "acme.example" } else { domain };
            let rest = rest.replace("{domain}", their_domain);
            for org in ["org_acme", "acme"] {
                let theirs = ask(&x, &method, &format!("{USERS}/{org}{rest}"), &body).await;
                let absent = ask(&x, &method, &format!("{USERS}/org_absent{rest}"), &body).await;
                assert_eq!(theirs.0, 404, "{method} {org}{rest}: {}", theirs.1);
                assert_eq!(theirs, absent, "{method} {org}{rest}");
            }
            // Below one's own organization the ids of the other are nothing either.
            let theirs = [their_member, their_role, key, &invitation, &team, their_domain];
            if theirs.iter().any(|id| rest.contains(id)) {
                let nested = ask(&x, &method, &format!("{USERS}/globex{rest}"), &body).await;
                let absent = rest.replace(their_member, "mem_absent").replace(their_role, "absent");
                let absent = absent.replace(&invitation, "inv_absent").replace(&team, "team_absent");
                let absent = absent.replace(key, "ak_absent").replace(their_domain, "dom_absent");
                let absent = ask(&x, &method, &format!("{USERS}/globex{absent}"), &body).await;
                assert_eq!(nested.0, 404, "{method} globex{rest}: {}", nested.1);
                assert_eq!(nested, absent, "{method} globex{rest}");
            }
        }
    }
    let transfer = format!("{USERS}/globex/transfer-ownership");
    for id in [member.as_str(), "usr_member", "mem_absent"] {
        let reply = x.json(Method::POST, &transfer, &json!({ "member_id": id })).await;
        refused(&reply, 422, "invalid_value");
    }
    let body = json!({ "role": "billing" });
    let reply = x.json(Method::PUT, &format!("{USERS}/globex/members/usr_d"), &body).await;
    refused(&reply, 422, "unknown_role");
    let reply = x
        .json(
            Method::POST,
            &format!("{USERS}/globex/members"),
            &json!({ "user_id": "usr_n", "role": "billing" }),
        )
        .await;
    refused(&reply, 422, "unknown_role");
    // A cursor from elsewhere shows one's own rows only.
    let cursor = owner.get(&format!("{ACME}/members?limit=1")).await.json()["next_cursor"].clone();
    let page = x.get(&format!("{USERS}/globex/members?cursor={}", cursor.as_str().unwrap())).await.json();
    assert!(
        page["data"].as_array().unwrap().iter().all(|row| row["organization_id"] == "org_globex"),
        "{page}"
    );
    assert_eq!(census(&site).await, before);
}

#[orgate_testkit::both]
async fn no_id_of_another_project_opens_anything() {
    let site = site().await;
    site.change("UPDATE projects SET org_enabled = 1").await;
    let q = site.signed_in_at("proj_q", "q").await;
    assert_eq!(q.json(Method::POST, USERS, &json!({ "name": "Acme", "slug": "acme" })).await.status, 201);
    let operator = site.browser();
    operator.operator("ops2@example.com").await;
    let own = "/api/platform/projects/proj_q/orgs";
    let before = census(&site).await;
    for (method, rest, body) in routes() {
        let rest = rest.replace("{member}", "usr_member").replace("{role}", "member");
        let rest = rest.replace("{invitation}", "inv_x").replace("{team}", "team_x");
        let path = format!("{USERS}/org_acme{rest}");
        assert_eq!(ask(&q, &method, &path, &body).await.0, 404, "{method} {path}");
        if matches!(rest.as_str(), "/leave" | "/activate" | "/switch") {
            continue;
        }
        for path in [format!("{OPERATORS}/org_acme{rest}"), format!("{own}/org_acme{rest}")] {
            let theirs = ask(&operator, &method, &path, &body).await;
            let absent = ask(&operator, &method, &path.replace("org_acme", "org_absent"), &body).await;
            assert_eq!((theirs.0, &theirs), (404, &absent), "{method} {path}");
        }
    }
    let path = "/api/platform/projects/proj_p/permissions";
    assert_eq!(operator.get(path).await.status, 404);
    assert_eq!(operator.json(Method::POST, path, &json!({ "key": "a" })).await.status, 404);
    // A user of another project is no user here.
    let acme = site.signed_in("owner").await;
    let body = json!({ "user_id": "usr_q", "role": "viewer" });
    refused(&acme.json(Method::POST, &format!("{ACME}/members"), &body).await, 422, "unknown_user");
    // The slug of the one is not the slug of the other.
    let (theirs, ours) = (q.get(ACME).await.json(), acme.get(ACME).await.json());
    assert_eq!((&theirs["project_id"], &ours["project_id"]), (&json!("proj_q"), &json!("proj_p")));
    assert_eq!(census(&site).await, before);
}

#[orgate_testkit::both]
async fn a_request_that_comes_from_elsewhere_changes_nothing() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let before = census(&site).await;
    for (method, rest, body) in routes().into_iter().filter(|(method, ..)| *method != Method::GET) {
        let rest = rest.replace("{member}", "usr_member").replace("{role}", "member");
        let path = format!("{ACME}{}", rest.replace("{invitation}", "inv_x").replace("{team}", "team_x"));
        for headers in [vec![], vec![("origin", "https://evil.test")], vec![("sec-fetch-site", "cross-site")]]
        {
            let headers = [headers, vec![("content-type", "application/json")]].concat();
            let reply = owner.send(method.clone(), &path, &headers, body.to_string()).await;
            refused(&reply, 403, "csrf");
        }
    }
    assert_eq!(census(&site).await, before);
}
