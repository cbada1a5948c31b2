//! Mail domains: whose they are, who may say what becomes of those who have an address there, and who comes in by it.

use std::sync::{Arc, Mutex};

use http::Method;
use serde_json::{Value, json};

use super::{ACME, OPERATORS, USERS, bare, last_event, races::at_once, refused, role_of};
use crate::{
    Courier, ManualClock, Message, Reach,
    db::BoxFuture,
    testing::{Browser, NOW, PASSWORD, Reply, Site, TempDir, settings, site},
};

const DOMAINS: &str = "/v1/auth/organizations/acme/domains";
const SUGGESTED: &str = "/v1/auth/me/organizations/suggested";

/// What lies at the addresses that are looked at.
#[derive(Debug, Default)]
struct Places {
    asked: Mutex<Vec<String>>,
    text: Mutex<Option<String>>,
}

impl Courier for Places {
    fn post<'a>(&'a self, _: Message<'a>) -> BoxFuture<'a, Result<u16, String>> {
        Box::pin(std::future::ready(Ok(200)))
    }

    fn get<'a>(&'a self, url: &'a str, _: &'a Reach, most: usize) -> BoxFuture<'a, Result<String, String>> {
        assert!(most > 1000);
        self.asked.lock().unwrap().push(url.to_owned());
        let text = self.text.lock().unwrap().clone();
        Box::pin(std::future::ready(text.ok_or_else(|| "no connection to 10.0.0.1".to_owned())))
    }
}

/// Signs in as people do.
async fn enters(site: &Site, name: &str) -> Browser {
    let browser = site.browser();
    let email =
        if name.contains('@') { format!("{name}.example.com") } else { format!("{name}@example.com") };
    let body = json!({ "email": email, "password": PASSWORD, "project": "proj_p" });
    let reply = browser.json(Method::POST, "/v1/auth/login", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    browser
}

async fn add(browser: &Browser, body: Value) -> Reply {
    browser.json(Method::POST, DOMAINS, &body).await
}

/// A domain of acme that an operator says is its own.
async fn owned(site: &Site, body: Value) -> String {
    let owner = site.signed_in("owner").await;
    let made = add(&owner, body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    confirm(site, &id).await;
    id
}

async fn confirm(site: &Site, id: &str) {
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    let path = format!("{OPERATORS}/org_acme/domains/{id}");
    let reply = operator.json(Method::PUT, &path, &json!({ "verified": true })).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

fn everybody(mode: &str, role: &str) -> Value {
    json!({ "domain": "example.com", "mode": mode, "role": role })
}

#[orgate_testkit::both]
async fn a_domain_is_read_changed_and_removed_and_each_change_is_one_event() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let made = add(&owner, json!({ "domain": " Acme.Example " })).await;
    let domain = made.json();
    assert_eq!(
        (made.status.as_u16(), &domain["domain"], &domain["mode"], &domain["role"], &domain["status"]),
        (201, &json!("acme.example"), &json!("off"), &json!("member"), &json!("pending")),
    );
    assert_eq!(domain["proof"]["url"], "https://acme.example/.well-known/orgate-domain.txt");
    refused(&add(&owner, json!({ "domain": "acme.example" })).await, 409, "domain_taken");
    for (body, status, code) in [
        (json!({ "domain": "gmail.com" }), 422, "domain_public"),
        (json!({ "domain": "127.0.0.1" }), 422, "invalid_value"),
        (json!({}), 422, "invalid_value"),
        (json!({ "domain": "b.example", "mode": "always" }), 422, "invalid_value"),
        (json!({ "domain": "b.example", "role": "chief" }), 422, "unknown_role"),
        (json!({ "domain": "b.example", "role": "owner" }), 403, "role_not_grantable"),
        (json!({ "domain": "b.example", "verified": true }), 422, "unknown_field"),
        (json!({ "domain": "b.example", "id": "dom_a" }), 422, "unknown_field"),
    ] {
        refused(&add(&owner, body).await, status, code);
    }
    for name in [domain["id"].as_str().unwrap(), "acme.example"] {
        assert_eq!(owner.get(&format!("{DOMAINS}/{name}")).await.json(), domain);
    }
    assert_eq!(owner.get(DOMAINS).await.json()["data"], json!([domain]));
    let one = format!("{DOMAINS}/acme.example");
    let changed = owner.json(Method::PATCH, &one, &json!({ "mode": "suggest", "role": "viewer" })).await;
    assert_eq!((&changed.json()["mode"], &changed.json()["role"]), (&json!("suggest"), &json!("viewer")));
    let same = owner.json(Method::PATCH, &one, &json!({ "mode": "suggest" })).await;
    assert_eq!(same.json(), changed.json(), "nothing changes");
    let old =
        [("if-match", "\"1\""), ("content-type", "application/json"), ("origin", crate::testing::ORIGIN)];
    let late = owner.send(Method::PATCH, &one, &old, json!({ "mode": "off" }).to_string()).await;
    refused(&late, 412, "precondition_failed");
    assert_eq!(bare(&owner, Method::DELETE, &one).await.status, 204);
    refused(&owner.get(&one).await, 404, "not_found");
    let events = site.events().await;
    let of_domains: Vec<&str> =
        events.iter().map(|(_, kind)| kind.as_str()).filter(|kind| kind.starts_with("domain.")).collect();
    assert_eq!(of_domains, ["domain.added", "domain.updated", "domain.removed"]);
}

#[orgate_testkit::both]
async fn a_domain_shows_by_a_file_whose_it_is() {
    let places = Arc::new(Places::default());
    let dir = TempDir::new();
    let settings =
        crate::Settings { courier: Some(Arc::clone(&places) as Arc<dyn Courier>), ..settings(&dir) };
    let site = Site::with(settings, dir, ManualClock::at(NOW)).await;
    site.populate().await;
    let owner = site.signed_in("owner").await;
    let made = add(&owner, json!({ "domain": "acme.example", "mode": "auto_join" })).await.json();
    let verify = format!("{DOMAINS}/{}/verify", made["id"].as_str().unwrap());
    let line = made["proof"]["line"].as_str().unwrap().to_owned();
    for text in [None, Some(String::new()), Some(format!("x{line}")), Some(format!("{line}x"))] {
        places.text.lock().unwrap().clone_from(&text);
        let reply = bare(&owner, Method::POST, &verify).await;
        refused(&reply, 422, "domain_unproven");
        assert!(!reply.text().contains("10.0.0.1"), "nothing is told of what is there");
    }
    *places.text.lock().unwrap() = Some(format!("orgate-domain=another\r\n{line}\r\n"));
    // Somebody else lists the domain too, and cannot show it.
    let x = site.signed_in("x").await;
    let theirs = "/v1/auth/organizations/globex/domains";
    assert_eq!(x.json(Method::POST, theirs, &json!({ "domain": "acme.example" })).await.status, 201);
    refused(&bare(&x, Method::POST, &format!("{theirs}/acme.example/verify")).await, 422, "domain_unproven");

    let shown = bare(&owner, Method::POST, &verify).await;
    assert_eq!(shown.status, 200, "{}", shown.text());
    let shown = shown.json();
    assert_eq!((&shown["status"], &shown["verified_by"]), (&json!("verified"), &json!("file")));
    let asked = places.asked.lock().unwrap().len();
    assert_eq!(
        bare(&owner, Method::POST, &verify).await.json(),
        shown,
        "what is known is not looked at again"
    );
    assert_eq!(places.asked.lock().unwrap().len(), asked);
    assert!(
        places
            .asked
            .lock()
            .unwrap()
            .iter()
            .all(|url| url == "https://acme.example/.well-known/orgate-domain.txt")
    );
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    let path = format!("{OPERATORS}/org_globex/domains/acme.example");
    let reply = operator.json(Method::PATCH, &path, &json!({ "verified": true })).await;
    refused(&reply, 409, "domain_taken");
    // A domain is not looked at without end.
    *places.text.lock().unwrap() = None;
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(bare(&x, Method::POST, &format!("{theirs}/acme.example/verify")).await.status.as_u16());
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
}

#[orgate_testkit::both]
async fn whoever_signs_in_with_a_confirmed_address_there_becomes_a_member_once() {
    let site = site().await;
    owned(&site, everybody("auto_join", "viewer")).await;
    assert_eq!(role_of(&site, "org_acme", "usr_n").await, None);
    enters(&site, "n").await;
    assert_eq!(role_of(&site, "org_acme", "usr_n").await.as_deref(), Some("viewer"));
    let (actor, data) = last_event(&site, "member.added").await;
    assert_eq!((actor.as_str(), data), ("usr_n", json!({ "user_id": "usr_n", "role": "viewer" })));
    let events = site.events().await.len();
    enters(&site, "n").await;
    enters(&site, "admin").await;
    assert_eq!(
        role_of(&site, "org_acme", "usr_admin").await.as_deref(),
        Some("admin"),
        "who is in stays as is"
    );
    let added = site.events().await.split_off(events);
    assert!(added.iter().all(|(_, kind)| kind.starts_with("session.")), "{added:?}");
}

#[orgate_testkit::both]
async fn nobody_joins_where_it_is_off_not_shown_or_the_address_is_not_confirmed() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let one = format!("{DOMAINS}/example.com");
    assert_eq!(add(&owner, everybody("auto_join", "viewer")).await.status, 201);
    enters(&site, "n").await;
    assert_eq!(role_of(&site, "org_acme", "usr_n").await, None, "it is not shown to be acme's");
    confirm(&site, "example.com").await;
    site.change("UPDATE users SET email_verified_at = NULL WHERE id = 'usr_n'").await;
    enters(&site, "n").await;
    assert_eq!(role_of(&site, "org_acme", "usr_n").await, None, "the address is not confirmed");
    site.change("UPDATE users SET email_verified_at = 1 WHERE id = 'usr_n'").await;
    for statement in [
        "UPDATE organizations SET status = 'suspended' WHERE id = 'org_acme'",
        "UPDATE users SET email = 'n@sub.example.com', email_norm = 'n@sub.example.com' WHERE id = 'usr_n'",
    ] {
        site.change(statement).await;
        enters(&site, if statement.contains("sub.") { "n@sub" } else { "n" }).await;
        assert_eq!(role_of(&site, "org_acme", "usr_n").await, None, "{statement}");
        site.change("UPDATE organizations SET status = 'active' WHERE id = 'org_acme'").await;
        site.change(
            "UPDATE users SET email = 'n@example.com', email_norm = 'n@example.com' WHERE id = 'usr_n'",
        )
        .await;
    }
    for mode in ["suggest", "off"] {
        owner.json(Method::PATCH, &one, &json!({ "mode": mode })).await;
        enters(&site, "n").await;
        assert_eq!(role_of(&site, "org_acme", "usr_n").await, None, "{mode}");
    }
    site.change("UPDATE projects SET org_enabled = 0 WHERE id = 'proj_p'").await;
    site.change("UPDATE org_domains SET mode = 'auto_join'").await;
    enters(&site, "n").await;
    assert_eq!(role_of(&site, "org_acme", "usr_n").await, None, "organizations are off");
    site.change("UPDATE projects SET org_enabled = 1 WHERE id = 'proj_p'").await;
    enters(&site, "n").await;
    assert_eq!(role_of(&site, "org_acme", "usr_n").await.as_deref(), Some("viewer"));
    // The same name is nobody's in the other project.
    site.signed_in_at("proj_q", "q").await;
    assert_eq!(role_of(&site, "org_acme", "usr_q").await, None);
}

#[orgate_testkit::both]
async fn whoever_was_removed_or_suspended_does_not_come_back_by_it() {
    let site = site().await;
    owned(&site, everybody("auto_join", "viewer")).await;
    let owner = site.signed_in("owner").await;
    let member = format!("{ACME}/members/usr_member");
    owner.json(Method::PATCH, &member, &json!({ "status": "suspended" })).await;
    let browser = enters(&site, "member").await;
    refused(&browser.get(ACME).await, 404, "not_found");
    assert_eq!(bare(&owner, Method::DELETE, &member).await.status, 204);
    let browser = enters(&site, "member").await;
    assert_eq!(role_of(&site, "org_acme", "usr_member").await, None, "removed");
    assert_eq!(browser.get(SUGGESTED).await.json()["data"], json!([]));
    let body = json!({ "organization_id": "org_acme" });
    refused(&browser.json(Method::POST, SUGGESTED, &body).await, 404, "not_found");
    // Who left may come back, by their own word.
    let viewer = site.signed_in("viewer").await;
    assert_eq!(bare(&viewer, Method::POST, &format!("{ACME}/leave")).await.status, 204);
    let viewer = enters(&site, "viewer").await;
    assert_eq!(role_of(&site, "org_acme", "usr_viewer").await, None, "left");
    assert_eq!(viewer.get(SUGGESTED).await.json()["data"][0]["id"], "org_acme");
    assert_eq!(viewer.json(Method::POST, SUGGESTED, &body).await.status, 201);
    assert_eq!(role_of(&site, "org_acme", "usr_viewer").await.as_deref(), Some("viewer"));
}

#[orgate_testkit::both]
async fn what_is_suggested_is_joined_by_ones_own_word() {
    let site = site().await;
    owned(&site, everybody("suggest", "viewer")).await;
    let n = site.signed_in("n").await;
    let list = n.get(SUGGESTED).await.json();
    assert_eq!(
        list,
        json!({ "data": [{ "id": "org_acme", "name": "The acme", "slug": "acme", "logo_url": null,
                           "role": "viewer" }], "next_cursor": null })
    );
    let body = |org: &str| json!({ "organization_id": org });
    for other in ["org_globex", "globex", "org_absent", ""] {
        refused(&n.json(Method::POST, SUGGESTED, &body(other)).await, 404, "not_found");
    }
    refused(&n.json(Method::POST, SUGGESTED, &json!({})).await, 422, "invalid_value");
    let foreign = [("origin", "https://evil.test"), ("content-type", "application/json")];
    refused(&n.send(Method::POST, SUGGESTED, &foreign, body("acme").to_string()).await, 403, "csrf");
    assert_eq!(site.browser().get(SUGGESTED).await.status, 401);
    let joined = n.json(Method::POST, SUGGESTED, &body("acme")).await;
    assert_eq!((joined.status.as_u16(), &joined.json()["role"]), (201, &json!("viewer")));
    refused(&n.json(Method::POST, SUGGESTED, &body("acme")).await, 404, "not_found");
    assert_eq!(n.get(SUGGESTED).await.json()["data"], json!([]));
}

#[orgate_testkit::both]
async fn nobody_gives_by_a_domain_what_they_could_not_give_now() {
    let site = site().await;
    let admin = site.signed_in("admin").await;
    refused(&add(&admin, everybody("auto_join", "admin")).await, 403, "role_not_grantable");
    assert_eq!(add(&admin, everybody("auto_join", "member")).await.status, 201);
    confirm(&site, "example.com").await;
    let owner = site.signed_in("owner").await;
    // The role that the owner chose is not an administrator's to keep going.
    let one = format!("{DOMAINS}/example.com");
    owner.json(Method::PATCH, &one, &json!({ "role": "admin" })).await;
    refused(&admin.json(Method::PATCH, &one, &json!({ "mode": "suggest" })).await, 403, "role_not_grantable");
    assert_eq!(admin.json(Method::PATCH, &one, &json!({ "role": "member" })).await.status, 200);
    let of_admin = format!("{ACME}/members/usr_admin");
    owner.json(Method::PUT, &of_admin, &json!({ "role": "member" })).await;
    enters(&site, "n").await;
    assert_eq!(role_of(&site, "org_acme", "usr_n").await, None, "whoever set it may ask nobody in any more");
    bare(&owner, Method::DELETE, &of_admin).await;
    enters(&site, "n").await;
    assert_eq!(role_of(&site, "org_acme", "usr_n").await, None, "whoever set it is gone");
    assert_eq!(owner.json(Method::PATCH, &one, &json!({ "mode": "auto_join" })).await.status, 200);
    enters(&site, "n").await;
    assert_eq!(
        role_of(&site, "org_acme", "usr_n").await.as_deref(),
        Some("member"),
        "somebody else answers for it"
    );
}

#[orgate_testkit::both]
async fn a_sign_in_goes_on_where_the_organization_is_full_and_many_at_once_are_one_member_each() {
    let site = site().await;
    owned(&site, everybody("auto_join", "viewer")).await;
    site.change("UPDATE organizations SET max_members = 6 WHERE id = 'org_acme'").await;
    let body = |name: &str| json!({ "email": format!("{name}@example.com"), "password": PASSWORD, "project": "proj_p" });
    let requests = ["n", "x", "n", "x"]
        .map(|name| (Arc::new(site.browser()), Method::POST, "/v1/auth/login".to_owned(), body(name)));
    assert_eq!(at_once(requests.into()).await, [200; 4]);
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM memberships WHERE org_id = 'org_acme'").await, 6);
    let added = site.count(
        "SELECT COUNT(*) AS n FROM events WHERE type = 'member.added' AND org_id = 'org_acme' AND actor_kind = 'user'",
    );
    assert_eq!(added.await, 1);
}

#[orgate_testkit::both]
async fn of_many_who_show_a_domain_at_once_one_has_it() {
    let site = site().await;
    let (owner, x) = (site.signed_in("owner").await, site.signed_in("x").await);
    assert_eq!(add(&owner, everybody("off", "viewer")).await.status, 201);
    let body = everybody("off", "viewer");
    assert_eq!(x.json(Method::POST, &format!("{USERS}/globex/domains"), &body).await.status, 201);
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    let operator = Arc::new(operator);
    let requests = ["acme", "globex"].map(|org| {
        let path = format!("{OPERATORS}/org_{org}/domains/example.com");
        (Arc::clone(&operator), Method::PATCH, path, json!({ "verified": true }))
    });
    assert_eq!(at_once(requests.into()).await, [200, 409]);
}
