//! API keys of organizations: who makes them, what they are worth, and when they are worth nothing.

use http::Method;
use serde_json::{Value, json};

use super::{ACME, OPERATORS, USERS, bare, make_role, refused};
use crate::testing::{Browser, Reply, SECRET, Site, site};

const KEYS: &str = "/v1/auth/organizations/acme/api-keys";

async fn make(browser: &Browser, permissions: &[&str], more: Value) -> Reply {
    let mut body = json!({ "name": "CI", "permissions": permissions });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    browser.json(Method::POST, KEYS, &body).await
}

async fn key(browser: &Browser, permissions: &[&str]) -> Value {
    let reply = make(browser, permissions, Value::Null).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()
}

/// What a gate is told of a key.
async fn worth(site: &Site, key: &Value) -> Value {
    let fields =
        [("token", key["key"].as_str().unwrap()), ("client_id", "proj_p"), ("client_secret", SECRET)];
    site.browser().form("/p/proj_p/introspect", &fields).await.json()
}

fn permissions(answer: &Value) -> Vec<&str> {
    answer["org_permissions"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect()
}

#[orgate_testkit::both]
async fn a_key_is_shown_once_and_worth_what_was_put_into_it() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let made = key(&owner, &["write", "read", "read"]).await;
    let secret = made["key"].as_str().unwrap();
    assert!(secret.starts_with("oak_") && secret.len() > 40, "{made}");
    let end: String = secret.chars().skip(secret.len() - 4).collect();
    assert_eq!(made["hint"], format!("oak_…{end}"));
    assert_eq!(made["permissions"], json!(["read", "write"]), "in the order of the catalogue, each once");
    let about = worth(&site, &made).await;
    assert_eq!(
        (&about["active"], &about["sub"], &about["org_id"], &about["org_slug"], permissions(&about)),
        (&json!(true), &made["id"], &json!("org_acme"), &json!("acme"), vec!["read", "write"]),
    );
    assert!(about.get("org_role").is_none() && about.get("exp").is_none(), "{about}");

    let one = format!("{KEYS}/{}", made["id"].as_str().unwrap());
    for reply in [owner.get(KEYS).await, owner.get(&one).await] {
        assert_eq!(reply.status, 200);
        assert!(!reply.text().contains(secret) && reply.text().contains(made["id"].as_str().unwrap()));
    }
    let stored = site.disk();
    assert!(!stored.windows(secret.len()).any(|part| part == secret.as_bytes()), "the secret is stored");
    assert_ne!(owner.get(&one).await.json()["last_used_at"], Value::Null);

    let ended = bare(&owner, Method::DELETE, &one).await;
    assert_eq!((ended.status.as_u16(), &ended.json()["status"]), (200, &json!("revoked")));
    assert_eq!(bare(&owner, Method::DELETE, &one).await.json()["revoked_at"], ended.json()["revoked_at"]);
    assert_eq!(worth(&site, &made).await, json!({ "active": false }));
    let events = site.events().await;
    let of_keys: Vec<&str> =
        events.iter().map(|(_, kind)| kind.as_str()).filter(|kind| kind.starts_with("api_key")).collect();
    assert_eq!(of_keys, ["api_key.created", "api_key.revoked"]);
}

#[orgate_testkit::both]
async fn a_key_is_worth_no_more_than_its_maker() {
    let site = site().await;
    let (owner, admin) = (site.signed_in("owner").await, site.signed_in("admin").await);
    let of_admin = key(&admin, &["read", "invite"]).await;
    let of_owner = key(&owner, &["delete_org"]).await;
    assert_eq!(permissions(&worth(&site, &of_admin).await), ["read", "invite"]);
    assert_eq!(permissions(&worth(&site, &of_owner).await), ["delete_org"]);

    let member = |name: &str| format!("{ACME}/members/usr_{name}");
    owner.json(Method::PUT, &member("admin"), &json!({ "role": "viewer" })).await;
    assert_eq!(permissions(&worth(&site, &of_admin).await), ["read"], "it shrinks with its maker's role");
    owner.json(Method::PUT, &member("admin"), &json!({ "status": "suspended" })).await;
    assert_eq!(worth(&site, &of_admin).await, json!({ "active": false }), "its maker is suspended");
    owner.json(Method::PUT, &member("admin"), &json!({ "status": "active" })).await;
    assert_eq!(permissions(&worth(&site, &of_admin).await), ["read"]);
    bare(&owner, Method::DELETE, &member("admin")).await;
    assert_eq!(worth(&site, &of_admin).await, json!({ "active": false }), "its maker has left");
    let path = format!("{KEYS}/{}", of_admin["id"].as_str().unwrap());
    assert_eq!(owner.get(&path).await.json()["status"], "orphaned");

    site.change("UPDATE users SET status = 'suspended' WHERE id = 'usr_owner'").await;
    assert_eq!(worth(&site, &of_owner).await, json!({ "active": false }), "its maker is locked out");
    site.change("UPDATE users SET status = 'active' WHERE id = 'usr_owner'").await;
    site.change("UPDATE organizations SET status = 'suspended' WHERE id = 'org_acme'").await;
    assert_eq!(worth(&site, &of_owner).await, json!({ "active": false }), "nobody works there");
}

#[orgate_testkit::both]
async fn an_operators_key_stays_and_every_key_ends_in_time_and_with_its_organization() {
    let site = site().await;
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    let keys = format!("{OPERATORS}/org_acme/api-keys");
    let body = json!({ "name": "Import", "permissions": ["write"], "expires_in": 60 });
    let made = operator.json(Method::POST, &keys, &body).await.json();
    assert_eq!(made["created_by"], Value::Null);
    let about = worth(&site, &made).await;
    assert_eq!((permissions(&about), about["exp"].as_i64()), (vec!["write"], Some(1_800_000_060)));
    site.clock.advance(59_999);
    assert_eq!(worth(&site, &made).await["active"], true);
    site.clock.advance(1);
    assert_eq!(worth(&site, &made).await, json!({ "active": false }));
    let path = format!("{keys}/{}", made["id"].as_str().unwrap());
    assert_eq!(operator.get(&path).await.json()["status"], "expired");

    let lasting =
        operator.json(Method::POST, &keys, &json!({ "name": "Sync", "permissions": ["read"] })).await.json();
    assert_eq!(worth(&site, &lasting).await["active"], true);
    site.change("UPDATE projects SET org_enabled = 0 WHERE id = 'proj_p'").await;
    assert_eq!(
        worth(&site, &lasting).await,
        json!({ "active": false }),
        "no organizations, no keys of theirs"
    );
    site.change("UPDATE projects SET org_enabled = 1 WHERE id = 'proj_p'").await;
    let gone = bare(&operator, Method::DELETE, &format!("{OPERATORS}/org_acme")).await;
    assert_eq!(gone.status, 204, "{}", gone.text());
    assert_eq!(worth(&site, &lasting).await, json!({ "active": false }));
    assert_eq!(site.count("SELECT count(*) AS n FROM api_keys").await, 0);
}

#[orgate_testkit::both]
async fn nobody_puts_into_a_key_what_they_do_not_hold() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    for name in ["member", "viewer"] {
        refused(&make(&site.signed_in(name).await, &["read"], Value::Null).await, 403, "forbidden");
        refused(&site.signed_in(name).await.get(KEYS).await, 403, "forbidden");
    }
    // A role of one's own, however strong, is neither of the two that may.
    make_role(&owner, "strong", &["read", "write", "invite", "change_roles"]).await;
    owner.json(Method::PUT, &format!("{ACME}/members/usr_member"), &json!({ "role": "strong" })).await;
    refused(&make(&site.signed_in("member").await, &["read"], Value::Null).await, 403, "forbidden");
    let admin = site.signed_in("admin").await;
    refused(&make(&admin, &["read", "delete_org"], Value::Null).await, 403, "permission_not_held");
    refused(&make(&admin, &["red"], Value::Null).await, 422, "unknown_permission");
    // What another project's client, or another project, is told.
    let made = key(&owner, &["read"]).await;
    let fields =
        [("token", made["key"].as_str().unwrap()), ("client_id", "proj_q"), ("client_secret", SECRET)];
    let elsewhere = site.browser().form("/p/proj_q/introspect", &fields).await;
    assert!(
        elsewhere.status == 401 || elsewhere.json() == json!({ "active": false }),
        "{}",
        elsewhere.text()
    );
    let foreign = format!("{USERS}/globex/api-keys/{}", made["id"].as_str().unwrap());
    let x = site.signed_in("x").await;
    refused(&x.get(&foreign).await, 404, "not_found");
    refused(&bare(&x, Method::DELETE, &foreign).await, 404, "not_found");
    assert_eq!(worth(&site, &made).await["active"], true);
}

#[orgate_testkit::both]
async fn what_is_wrong_with_a_key_is_said() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    for (more, field) in [
        (json!({ "name": " " }), "name"),
        (json!({ "name": "x".repeat(101) }), "name"),
        (json!({ "name": "a\u{7}b" }), "name"),
        (json!({ "name": 1 }), "name"),
        (json!({ "permissions": [] }), "permissions"),
        (json!({ "permissions": "read" }), "permissions"),
        (json!({ "permissions": null }), "permissions"),
        (json!({ "expires_in": 0 }), "expires_in"),
        (json!({ "expires_in": -1 }), "expires_in"),
        (json!({ "expires_in": "60" }), "expires_in"),
        (json!({ "expires_in": 1e30 }), "expires_in"),
    ] {
        let reply = make(&owner, &["read"], more.clone()).await;
        refused(&reply, 422, "invalid_value");
        assert_eq!(reply.json()["field"], field, "{more}");
    }
    refused(&make(&owner, &["read"], json!({ "by_operator": true })).await, 422, "unknown_field");
    for token in ["oak_", "oak_x", "oak_\u{0}", &format!("oak_{}", "a".repeat(5000))] {
        let asked = worth(&site, &json!({ "key": token })).await;
        assert_eq!(asked, json!({ "active": false }), "{token}");
    }
    for at in 0..100 {
        let reply = make(&owner, &["read"], json!({ "name": format!("n{at}") })).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
    }
    refused(&make(&owner, &["read"], Value::Null).await, 409, "conflict");
    let list = owner.get(&format!("{KEYS}?limit=1")).await.json();
    let first = format!("{KEYS}/{}", list["data"][0]["id"].as_str().unwrap());
    bare(&owner, Method::DELETE, &first).await;
    assert_eq!(make(&owner, &["read"], Value::Null).await.status, 201, "what is revoked makes room");
}
