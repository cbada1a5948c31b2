//! The life of an organization, as the documentation of others tells it.

use http::Method;
use serde_json::{Value, json};

use super::{ACME, OPERATORS, USERS, bare, last_event, refused, role_of};
use crate::testing::{PASSWORD, and, claims, refresh, site};

#[orgate_testkit::both]
async fn scenario_20_an_object_has_the_documented_shape() {
    let site = site().await;
    let (user, operator) = (site.signed_in("n").await, site.browser());
    operator.operator("ops@example.com").await;
    let body = json!({ "name": "Acme Corp", "logo_url": "https://cdn.example.com/a.png" });
    let made = user.json(Method::POST, USERS, &body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    assert_eq!(made["slug"], "acme-corp");
    let shown = user.get(&format!("{USERS}/{}", made["id"].as_str().unwrap())).await.json();
    for (name, value) in [
        ("tenant_id", json!("proj_p")),
        ("project_id", json!("proj_p")),
        ("name", json!("Acme Corp")),
        ("slug", json!("acme-corp")),
        ("logo_url", json!("https://cdn.example.com/a.png")),
        ("member_count", json!(1)),
        ("public_metadata", json!({})),
        ("metadata", json!({})),
        ("role", json!("owner")),
        ("is_personal", json!(false)),
        ("created_at", json!("2027-01-15T08:00:00.000Z")),
    ] {
        assert_eq!(shown[name], value, "{name}");
    }
    // The public half is merged or replaced; the private half is the operators'.
    let path = format!("{USERS}/acme-corp");
    user.json(Method::PATCH, &path, &json!({ "public_metadata": { "b": 2 } })).await;
    let patched = user.json(Method::PATCH, &path, &json!({ "public_metadata": { "a": 1 } })).await.json();
    assert_eq!(patched["public_metadata"], json!({ "a": 1, "b": 2 }));
    let theirs = format!("{OPERATORS}/acme-corp");
    let secret = json!({ "private_metadata": { "stripe": "cus_1" } });
    assert_eq!(
        operator.json(Method::PATCH, &theirs, &secret).await.json()["private_metadata"]["stripe"],
        "cus_1"
    );
    for reply in [user.get(&path).await, user.get(USERS).await] {
        assert!(!reply.text().contains("cus_1") && !reply.text().contains("private"), "{}", reply.text());
    }
    let (_, data) = last_event(&site, "organization.updated").await;
    assert!(!data.to_string().contains("cus_1") && data["private_metadata_changed"] == true, "{data}");
    // On behalf of somebody, by either name.
    for name in ["created_by", "creator_end_user_id"] {
        let body = and(json!({ "name": "Theirs" }), name, "usr_viewer");
        let made = operator.json(Method::POST, OPERATORS, &body).await.json();
        let members = format!("{OPERATORS}/{}/members", made["id"].as_str().unwrap());
        let members = operator.get(&members).await.json();
        assert_eq!(
            (&members["data"][0]["user_id"], &members["data"][0]["role"]),
            (&json!("usr_viewer"), &json!("owner"))
        );
    }
}

#[orgate_testkit::both]
async fn scenario_20_a_personal_organization_is_first_and_stays() {
    let site = site().await;
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    let on = json!({ "personal_orgs": true });
    assert_eq!(
        operator.json(Method::PATCH, "/api/platform/projects/proj_p", &on).await.json()["personal_orgs"],
        true
    );
    let browser = site.browser();
    let body =
        json!({ "email": "new@example.com", "password": PASSWORD, "name": "Ann", "project": "proj_p" });
    browser.json(Method::POST, "/v1/auth/signup", &body).await;
    let letter = site.letter("new@example.com").await.unwrap()["text"].as_str().unwrap().to_owned();
    let code = letter
        .lines()
        .map(str::trim)
        .find(|line| line.len() >= 8 && line.chars().all(|c| c.is_ascii_digit() || c == ' '));
    let code = code.unwrap_or_else(|| panic!("{letter}"));
    let body = json!({ "email": "new@example.com", "code": code, "project": "proj_p" });
    let reply = browser.json(Method::POST, "/v1/auth/email/verify", &body).await;
    assert_eq!(reply.status, 200, "{} {letter}", reply.text());
    // Older ones exist; the personal one is first all the same, on the first page only.
    let user_id = reply.json()["user"]["id"].as_str().unwrap().to_owned();
    let add = json!({ "user_id": user_id, "role": "viewer" });
    assert_eq!(operator.json(Method::POST, &format!("{OPERATORS}/acme/members"), &add).await.status, 201);
    for list in ["/v1/auth/me/organizations", USERS] {
        let first = browser.get(&format!("{list}?limit=1")).await.json();
        assert_eq!(
            (&first["data"][0]["name"], &first["data"][0]["is_personal"]),
            (&json!("Ann's Workspace"), &json!(true))
        );
        let next = first["next_cursor"].as_str().unwrap();
        let second = browser.get(&format!("{list}?limit=1&cursor={next}")).await.json();
        assert_eq!((&second["data"][0]["slug"], &second["next_cursor"]), (&json!("acme"), &Value::Null));
    }
    let own = browser.get(USERS).await.json()["data"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("{USERS}/{own}");
    refused(&bare(&browser, Method::DELETE, &path).await, 409, "personal_organization");
    refused(
        &bare(&operator, Method::DELETE, &format!("{OPERATORS}/{own}")).await,
        409,
        "personal_organization",
    );
    refused(&bare(&browser, Method::POST, &format!("{path}/leave")).await, 409, "personal_organization");
    let add = json!({ "user_id": "usr_n", "role": "admin" });
    refused(
        &browser.json(Method::POST, &format!("{path}/members"), &add).await,
        409,
        "personal_organization",
    );
}

#[orgate_testkit::both]
async fn scenario_14_the_documented_requests_work_verbatim() {
    let site = site().await;
    let user = site.signed_in("n").await;
    let send = async |method: Method, path: &str, body: Value| user.json(method, path, &body).await;
    let body = json!({ "name": "Acme Corp", "slug": "acme-corp", "metadata": { "plan": "enterprise" } });
    let made = send(Method::POST, USERS, body).await;
    assert_eq!((made.status.as_u16(), &made.json()["metadata"]), (201, &json!({ "plan": "enterprise" })));
    let org = format!("{USERS}/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(user.get(&org).await.json()["name"], "Acme Corp");
    let body = json!({ "name": "Acme Corporation", "metadata": { "plan": "enterprise", "seats": 100 } });
    let replaced = send(Method::PUT, &org, body).await.json();
    assert_eq!((&replaced["metadata"]["seats"], &replaced["slug"]), (&json!(100), &json!("acme-corp")));
    let added =
        send(Method::POST, &format!("{org}/members"), json!({ "user_id": "usr_viewer", "role": "admin" }))
            .await;
    assert_eq!(added.status, 201);
    let member = format!("{org}/members/{}", added.json()["id"].as_str().unwrap());
    let twice =
        send(Method::POST, &format!("{org}/members"), json!({ "user_id": "usr_viewer", "role": "admin" }))
            .await;
    refused(&twice, 409, "already_member");
    assert_eq!(user.get(&format!("{org}/members")).await.json()["data"].as_array().unwrap().len(), 2);
    assert_eq!(user.get(&member).await.json()["role"], "admin");
    // The owner makes another the owner; there is one before and one after.
    let promoted = send(Method::PUT, &member, json!({ "role": "owner" })).await;
    assert_eq!((promoted.status.as_u16(), &promoted.json()["role"]), (200, &json!("owner")));
    let own = user.get(&format!("{org}/members/me")).await.json();
    assert_eq!(own["role"], "admin");
    let viewer = site.signed_in("viewer").await;
    assert_eq!(bare(&viewer, Method::DELETE, &format!("{org}/members/usr_n")).await.status, 204);
    assert_eq!(user.get(&org).await.status, 404);
    assert_eq!(bare(&viewer, Method::DELETE, &org).await.status, 204);
    assert_eq!(viewer.get(&org).await.status, 404);
}

#[orgate_testkit::both]
async fn scenario_9_a_deleted_organization_is_nobodys_any_more() {
    let site = site().await;
    let tokens = site.tokens("admin", Some("org_acme")).await;
    let (admin, owner) = (site.signed_in("admin").await, site.signed_in("owner").await);
    admin.json(Method::POST, &format!("{ACME}/switch"), &json!({})).await;
    refused(&bare(&admin, Method::DELETE, ACME).await, 403, "forbidden");
    refused(&bare(&owner, Method::DELETE, &format!("{ACME}?confirm=globex")).await, 422, "invalid_value");
    assert_eq!(bare(&owner, Method::DELETE, &format!("{ACME}?confirm=acme")).await.status, 204);
    let session = admin.get("/v1/auth/session").await.json();
    assert_eq!((&session["activeOrganizationId"], &session["organization"]), (&Value::Null, &Value::Null));
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM sessions WHERE active_member_id IS NOT NULL").await, 0);
    for _ in 0..2 {
        let lost = site.browser().token(&refresh(&tokens)).await;
        assert_eq!(
            (lost.status.as_u16(), &lost.json()["error"]),
            (400, &json!("invalid_target")),
            "nothing rotates"
        );
    }
    let without = site.browser().token(&and(refresh(&tokens), "org_id", "")).await;
    assert_eq!(without.status, 200, "{}", without.text());
    assert!(claims(&without.json()["access_token"]).get("org_id").is_none());
    let (actor, data) = last_event(&site, "organization.deleted").await;
    assert_eq!(
        (actor.as_str(), &data["before"]["slug"], &data["member_count"]),
        ("usr_owner", &json!("acme"), &json!(5))
    );
    // Its slug waits.
    let body = json!({ "name": "Acme", "slug": "acme" });
    refused(&owner.json(Method::POST, USERS, &body).await, 409, "slug_taken");
    assert_ne!(owner.json(Method::POST, USERS, &json!({ "name": "Acme" })).await.json()["slug"], "acme");
    site.clock.advance(91 * 24 * 3_600_000);
    let later = site.signed_in("owner").await;
    assert_eq!(later.json(Method::POST, USERS, &body).await.status, 201);
}

#[orgate_testkit::both]
async fn a_slug_that_was_given_up_leads_on_and_is_not_taken_by_another() {
    let site = site().await;
    let (owner, x) = (site.signed_in("owner").await, site.signed_in("x").await);
    assert_eq!(owner.json(Method::PATCH, ACME, &json!({ "slug": "acme-two" })).await.status, 200);
    assert_eq!(owner.get(ACME).await.json()["slug"], "acme-two");
    assert_eq!(x.get(ACME).await.status, 404, "only for those who are in it");
    refused(
        &x.json(Method::PATCH, &format!("{USERS}/globex"), &json!({ "slug": "acme" })).await,
        409,
        "slug_taken",
    );
    refused(&x.json(Method::POST, USERS, &json!({ "name": "A", "slug": "acme" })).await, 409, "slug_taken");
    // Its own it may have back.
    assert_eq!(owner.json(Method::PATCH, ACME, &json!({ "slug": "acme" })).await.json()["slug"], "acme");
    // After the time the other way round is free, and what waits no longer is forgotten.
    site.clock.advance(91 * 24 * 3_600_000);
    crate::upkeep::purge(site.issuer.app()).await.unwrap();
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM slug_tombstones").await, 0);
}

#[orgate_testkit::both]
async fn a_suspended_organization_is_no_one_s_workplace() {
    let site = site().await;
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    let tokens = site.tokens("member", Some("org_acme")).await;
    let member = site.signed_in("member").await;
    member.json(Method::POST, &format!("{ACME}/switch"), &json!({})).await;
    let path = format!("{OPERATORS}/acme");
    let set = async |status: &str| operator.json(Method::PATCH, &path, &json!({ "status": status })).await;
    assert_eq!(set("suspended").await.json()["status"], "suspended");
    refused(&member.get(ACME).await, 403, "org_suspended");
    assert_eq!(site.signed_in("x").await.get(ACME).await.status, 404, "an outsider is not told");
    assert_eq!(site.browser().token(&refresh(&tokens)).await.json()["error"], "invalid_target");
    assert_eq!(member.get("/v1/auth/session").await.json()["activeOrganizationId"], Value::Null);
    assert_eq!(member.get("/v1/auth/me/organizations").await.json()["data"], json!([]));
    assert_eq!(set("active").await.json()["status"], "active");
    // It is back, and nobody finds himself in it without having gone there.
    assert_eq!(member.get("/v1/auth/session").await.json()["activeOrganizationId"], Value::Null);
    assert_eq!(site.browser().token(&refresh(&tokens)).await.status, 200);
    let kinds: Vec<String> = site.events().await.into_iter().map(|(_, kind)| kind).collect();
    for kind in ["organization.suspended", "organization.activated"] {
        assert_eq!(kinds.iter().filter(|known| *known == kind).count(), 1, "{kind}");
    }
}

#[orgate_testkit::both]
async fn scenario_24_whoever_is_removed_or_suspended_is_out_at_once() {
    let site = site().await;
    let admin = site.signed_in("admin").await;
    for (name, remove) in [("member", true), ("viewer", false)] {
        let org = if name == "member" { "usr_member" } else { "usr_viewer" };
        let tokens = site.tokens(name, Some("org_acme")).await;
        let browser = site.signed_in(name).await;
        browser.json(Method::POST, &format!("{ACME}/switch"), &json!({})).await;
        let path = format!("{ACME}/members/{org}");
        let before = site.count("SELECT ver AS n FROM organizations WHERE id = 'org_acme'").await;
        let reply = match remove {
            true => bare(&admin, Method::DELETE, &path).await,
            false => admin.json(Method::PATCH, &path, &json!({ "status": "suspended" })).await,
        };
        assert!(reply.status.is_success(), "{}", reply.text());
        assert!(site.count("SELECT ver AS n FROM organizations WHERE id = 'org_acme'").await > before);
        let lost = site.browser().token(&refresh(&tokens)).await;
        assert_eq!((lost.status.as_u16(), &lost.json()["error"]), (400, &json!("invalid_target")), "{name}");
        assert_eq!(site.browser().token(&and(refresh(&tokens), "org_id", "")).await.status, 200, "{name}");
        assert_eq!(browser.get("/v1/auth/session").await.json()["activeOrganizationId"], Value::Null);
        assert_eq!(browser.get(ACME).await.status, 404, "{name}");
        let sessions = "SELECT COUNT(*) AS n FROM sessions WHERE active_member_id IS NOT NULL";
        assert_eq!(site.count(sessions).await, 0, "nobody comes back into it by himself: {name}");
        assert_eq!(browser.json(Method::POST, &format!("{ACME}/switch"), &json!({})).await.status, 404);
    }
    let back = admin
        .json(Method::PATCH, &format!("{ACME}/members/usr_viewer"), &json!({ "status": "active" }))
        .await;
    assert_eq!(back.json()["status"], "active");
    let viewer = site.signed_in("viewer").await;
    assert_eq!(viewer.get(ACME).await.status, 200);
    // Who only looks sees names.
    let list = viewer.get(&format!("{ACME}/members")).await.json();
    for row in list["data"].as_array().unwrap() {
        assert_eq!(row["email"].is_null(), row["user_id"] != "usr_viewer", "{row}");
    }
    let only = admin.get(&format!("{ACME}/members?role=viewer")).await.json();
    assert_eq!(only["data"].as_array().unwrap().len(), 1);
    let (actor, data) = last_event(&site, "member.removed").await;
    assert_eq!(
        (actor.as_str(), &data["before"]["role"], &data["left"]),
        ("usr_admin", &json!("member"), &json!(false))
    );
}

#[orgate_testkit::both]
async fn scenario_21_activating_gives_another_session_and_switching_does_not() {
    let site = site().await;
    let browser = site.signed_in("d").await;
    let old = browser.cookie("orgate-proj_p").unwrap();
    let switched = browser.json(Method::POST, &format!("{USERS}/globex/switch"), &json!({})).await;
    assert_eq!((switched.status.as_u16(), &switched.json()["organization"]["slug"]), (200, &json!("globex")));
    assert_eq!(browser.cookie("orgate-proj_p").unwrap(), old);
    let reply = bare(&browser, Method::POST, &format!("{ACME}/activate")).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["activeOrganizationId"]), (200, &json!("org_acme")));
    let stale = site.browser();
    stale.set_cookie("orgate-proj_p", &old);
    assert_eq!(stale.get("/v1/auth/session").await.status, 401);
    assert_eq!(browser.get("/v1/auth/session").await.json()["role"], "member");
    // None, and back; an organization that one is not in is not there.
    let path = "/v1/auth/session/active-organization";
    let none = browser.json(Method::PUT, path, &json!({ "org_id": null })).await;
    assert_eq!((none.status.as_u16(), &none.json()["activeOrganizationId"]), (200, &Value::Null));
    let back = browser.json(Method::PUT, path, &json!({ "org_id": "globex" })).await.json();
    assert_eq!((&back["activeOrganizationId"], &back["role"]), (&json!("org_globex"), &json!("admin")));
    let x = site.signed_in("x").await;
    for (method, path) in
        [(Method::POST, format!("{ACME}/activate")), (Method::POST, format!("{ACME}/switch"))]
    {
        assert_eq!(bare(&x, method, &path).await.status, 404, "{path}");
    }
    assert_eq!(x.json(Method::PUT, path, &json!({ "org_id": "acme" })).await.status, 404);
    refused(&x.json(Method::PUT, path, &json!({})).await, 422, "invalid_value");
    let elsewhere = [("content-type", "application/json"), ("origin", "https://evil.test")];
    let reply = browser.send(Method::PUT, path, &elsewhere, json!({ "org_id": null }).to_string()).await;
    refused(&reply, 403, "csrf");
}

#[orgate_testkit::both]
async fn scenario_10_what_cannot_be_undone_wants_a_fresh_sign_in() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    site.clock.advance(10 * 60_000 + 1);
    let path = format!("{ACME}/transfer-ownership");
    let body = json!({ "member_id": "usr_admin" });
    refused(&owner.json(Method::POST, &path, &body).await, 403, "reauthentication_required");
    let promote = json!({ "role": "owner" });
    refused(
        &owner.json(Method::PUT, &format!("{ACME}/members/usr_admin"), &promote).await,
        403,
        "reauthentication_required",
    );
    refused(&bare(&owner, Method::DELETE, ACME).await, 403, "reauthentication_required");
    // Everything else goes on.
    assert_eq!(owner.json(Method::PATCH, ACME, &json!({ "name": "Other" })).await.status, 200);
    let owner = site.signed_in("owner").await;
    let done = owner.json(Method::POST, &path, &body).await;
    assert_eq!(done.status, 200, "{}", done.text());
    let done = done.json();
    assert_eq!((&done["owner"]["user_id"], &done["owner"]["role"]), (&json!("usr_admin"), &json!("owner")));
    assert_eq!(
        (&done["previous_owner"]["user_id"], &done["previous_owner"]["role"]),
        (&json!("usr_owner"), &json!("admin"))
    );
    assert_eq!(role_of(&site, "org_acme", "usr_owner").await.as_deref(), Some("admin"));
    let (actor, data) = last_event(&site, "organization.ownership_transferred").await;
    assert_eq!((actor.as_str(), &data["after"]["owner"]["user_id"]), ("usr_owner", &json!("usr_admin")));
    refused(&owner.json(Method::POST, &path, &body).await, 403, "forbidden");
}

#[orgate_testkit::both]
async fn the_project_says_who_makes_organizations() {
    let site = site().await;
    let (operator, user) = (site.browser(), site.signed_in("n").await);
    operator.operator("ops@example.com").await;
    let path = "/api/platform/projects/proj_p";
    let set =
        async |word: &str| operator.json(Method::PATCH, path, &json!({ "org_creation": word })).await.status;
    let make = async || user.json(Method::POST, USERS, &json!({ "name": "Mine" })).await;
    assert_eq!(set("operator").await, 200);
    refused(&make().await, 403, "forbidden");
    assert_eq!(set("verified").await, 200);
    assert_eq!(make().await.status, 201);
    site.change("UPDATE users SET email_verified_at = NULL WHERE id = 'usr_n'").await;
    refused(&make().await, 403, "email_not_verified");
    assert_eq!(set("any").await, 200);
    assert_eq!(make().await.status, 201);
    let body = json!({ "org_enabled": false });
    operator.json(Method::PATCH, path, &body).await;
    refused(&make().await, 409, "organizations_disabled");
}
