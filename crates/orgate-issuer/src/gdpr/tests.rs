use std::{pin::Pin, sync::Arc};

use http::Method;
use serde_json::{Value, json};

use super::Contributor;
use crate::{
    db::sql,
    maintenance::{self, AuditScope},
    management::tests::{bare, refused},
    testing::{Browser, Engine, NOW, ORIGIN, Site, TempDir, settings, site},
};

const USERS: &str = "/api/platform/projects/proj_p/users";

#[derive(Debug)]
struct Notes(&'static str);

impl Contributor for Notes {
    fn label(&self) -> &str {
        self.0
    }

    fn export<'a>(
        &'a self,
        project_id: &'a str,
        user_id: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Value, String>> + Send + 'a>> {
        Box::pin(async move {
            match self.0 {
                "broken" => Err("the notes are away".to_owned()),
                "panics" => panic!("on purpose"),
                _ => Ok(json!([{ "project": project_id, "user": user_id }])),
            }
        })
    }
}

async fn with(contributors: Vec<Arc<dyn Contributor>>) -> Site {
    let dir = TempDir::new();
    let mut settings = settings(&dir);
    settings.contributors = contributors;
    let site = Site::with(settings, dir, crate::ManualClock::at(NOW)).await;
    site.populate().await;
    site
}

async fn operator(site: &Site) -> Browser {
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    operator
}

/// Every text of every table in which `needle` stands, as `table.column: text`.
async fn found(site: &Site, needle: &str) -> Vec<String> {
    let mut out = Vec::new();
    maintenance::export(&site.dir.database(), true, &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    let mut found = Vec::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        for (column, value) in line["row"].as_object().into_iter().flatten() {
            if value.as_str().is_some_and(|text| text.to_lowercase().contains(&needle.to_lowercase())) {
                found.push(format!("{}.{column}: {value}", line["table"].as_str().unwrap()));
            }
        }
    }
    found
}

#[orgate_testkit::both]
async fn scenario_18_an_export_has_everything_of_one_person_and_of_no_other() {
    let site = with(vec![Arc::new(Notes("notes"))]).await;
    let d = site.signed_in("d").await;
    let whole = d.get("/v1/auth/me/export").await;
    assert_eq!(whole.status, 200, "{}", whole.text());
    assert_eq!(whole.headers["cache-control"], "no-store");
    let sections = whole.json();
    let names: Vec<&str> = sections.as_object().unwrap().keys().map(String::as_str).collect();
    for name in [
        "export",
        "profile",
        "organizations",
        "teams",
        "invitations",
        "api_keys",
        "sessions",
        "applications",
        "consents",
        "passkeys",
        "authenticators",
        "recovery_codes",
        "places",
        "audit",
        "notes",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert_eq!(
        (&sections["profile"]["email"], &sections["profile"]["name"]),
        (&json!("d@example.com"), &json!("d"))
    );
    let organizations = sections["organizations"].as_array().unwrap();
    let mut of: Vec<(&str, &str)> = organizations
        .iter()
        .map(|one| (one["slug"].as_str().unwrap(), one["role"].as_str().unwrap()))
        .collect();
    of.sort_unstable();
    assert_eq!(of, [("acme", "member"), ("globex", "admin")]);
    assert!(organizations.iter().all(|one| one["joined_at"].is_string()));
    assert_eq!(sections["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(sections["notes"], json!([{ "project": "proj_p", "user": "usr_d" }]));
    for other in ["owner@example.com", "usr_owner", "usr_admin", "argon2", "token_hash"] {
        assert!(!whole.text().contains(other), "{other}");
    }
    let operator = operator(&site).await;
    assert_eq!(
        operator.get(&format!("{USERS}/usr_d/export")).await.json()["organizations"],
        sections["organizations"]
    );
    assert_eq!(operator.get(&format!("{USERS}/usr_none/export")).await.status, 404);
    assert_eq!(operator.get(&format!("{USERS}/usr_q/export")).await.status, 404);
    let stranger = site.browser();
    stranger.operator("ops2@example.com").await;
    assert_eq!(stranger.get(&format!("{USERS}/usr_d/export")).await.status, 404);
    site.change("UPDATE project_operators SET role = 'viewer'").await;
    refused(&operator.get(&format!("{USERS}/usr_d/export")).await, 403, "forbidden");
    assert_eq!(site.browser().get("/v1/auth/me/export").await.status, 401);
}

#[orgate_testkit::both]
async fn an_export_that_lacks_something_is_none() {
    for label in ["broken", "panics", "organizations"] {
        let site = with(vec![Arc::new(Notes(label))]).await;
        let reply = site.signed_in("d").await.get("/v1/auth/me/export").await;
        assert_eq!(reply.status, 503, "{label}: {}", reply.text());
    }
}

/// A user with something in every table that has to do with users.
async fn somebody(site: &Site) -> Browser {
    site.change("UPDATE projects SET personal_orgs = 1").await;
    let browser = site.browser();
    let body = json!({ "email": "Zebulon.Quartz@Example.com", "password": "correct horse battery", "name": "Zebulon Quartz",
                       "project": "proj_p" });
    let begun = browser.json(Method::POST, "/v1/auth/signup", &body).await;
    assert!(begun.status.is_success(), "{}", begun.text());
    let letter = site.letter("Zebulon.Quartz@Example.com").await.unwrap();
    let code = letter["subject"].as_str().unwrap().rsplit(": ").next().unwrap();
    let body = json!({ "email": "zebulon.quartz@example.com", "code": code, "project": "proj_p" });
    let verified = browser.json(Method::POST, "/v1/auth/email/verify", &body).await;
    assert!(verified.status.is_success(), "{}", verified.text());
    // A second sign-up that nobody confirmed, a reset that nobody used, a letter that waits.
    let body = json!({ "email": "zebulon.quartz@example.com", "project": "proj_p" });
    assert!(site.browser().json(Method::POST, "/v1/auth/password/forgot", &body).await.status.is_success());
    browser
}

async fn id_of(site: &Site, email: &'static str) -> String {
    let mut conn = site.issuer.app().db.read().await.unwrap();
    let row = conn.first(sql("SELECT id FROM users WHERE email_norm = $1").bind(email)).await.unwrap();
    row.unwrap().text("id").unwrap()
}

#[orgate_testkit::both]
async fn scenario_18_who_is_erased_is_nowhere_and_the_audit_log_holds() {
    let site = site().await;
    let browser = somebody(&site).await;
    let id = id_of(&site, "zebulon.quartz@example.com").await;
    let personal = browser.get("/v1/auth/me/organizations").await.json()["data"][0].clone();
    assert_eq!(personal["is_personal"], true);
    // The personal organization gets another name and slug, which the log notes.
    let renamed = json!({ "name": "Quartz Family", "slug": "quartz-family" });
    let path = format!("/v1/auth/organizations/{}", personal["id"].as_str().unwrap());
    assert_eq!(browser.json(Method::PATCH, &path, &renamed).await.status, 200);
    let added = json!({ "user_id": id, "role": "admin" });
    let (owner, acme) = (site.signed_in("owner").await, "/v1/auth/organizations/acme");
    assert_eq!(owner.json(Method::POST, &format!("{acme}/members"), &added).await.status, 201);
    let team =
        owner.json(Method::POST, &format!("{acme}/teams"), &json!({ "name": "Night shift" })).await.json();
    let team = format!("{acme}/teams/{}/members", team["id"].as_str().unwrap());
    assert_eq!(owner.json(Method::POST, &team, &json!({ "user_id": id })).await.status, 201);
    let invited = json!({ "email": "Zebulon.Quartz@example.com", "role": "viewer" });
    let x = site.signed_in("x").await;
    let asked = x.json(Method::POST, "/v1/auth/organizations/globex/invitations", &invited).await;
    assert_eq!(asked.status, 201, "{}", asked.text());
    let key = json!({ "name": "CI", "permissions": ["read"] }).to_string();
    let headers = [("content-type", "application/json"), ("origin", ORIGIN), ("idempotency-key", "k")];
    let made = browser.send(Method::POST, &format!("{acme}/api-keys"), &headers, key).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let export = browser.get("/v1/auth/me/export").await.json();
    for (section, count) in [("organizations", 2), ("teams", 1), ("invitations", 1), ("api_keys", 1)] {
        assert_eq!(export[section].as_array().unwrap().len(), count, "{section}");
    }
    assert!(!found(&site, "quartz").await.is_empty());

    site.clock.advance(11 * 60_000);
    refused(&bare(&browser, Method::DELETE, "/v1/auth/me").await, 403, "reauthentication_required");
    site.clock.advance(-11 * 60_000);
    let foreign =
        browser.send(Method::DELETE, "/v1/auth/me", &[("origin", "https://evil.test")], String::new()).await;
    refused(&foreign, 403, "csrf");
    let erased = bare(&browser, Method::DELETE, "/v1/auth/me").await;
    assert_eq!(erased.status, 204, "{}", erased.text());

    for needle in ["quartz", "zebulon"] {
        assert_eq!(found(&site, needle).await, Vec::<String>::new(), "{needle}");
    }
    assert!(site.letter("Zebulon.Quartz@Example.com").await.is_none());
    assert!(site.letter("zebulon.quartz@example.com").await.is_none());
    // The id stays where somebody did something, and nowhere else.
    for place in found(&site, &id).await {
        assert!(place.starts_with("events."), "{place}");
    }
    let reports = maintenance::verify_audit(&site.dir.database(), &AuditScope::default(), &mut |_, _| {})
        .await
        .unwrap();
    assert!(reports.iter().all(|report| report.broken.is_none()), "{reports:?}");
    let operator = operator(&site).await;
    let log = operator.get(&format!("/api/platform/projects/proj_p/audit?limit=100&actor={id}")).await.json();
    let actions: Vec<&str> =
        log["data"].as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(&actions[..3], ["user.erased", "organization.deleted", "member.removed"]);
    assert_eq!(browser.get("/v1/auth/session").await.status, 401);
    assert_eq!(site.count("SELECT member_count AS n FROM organizations WHERE slug = 'acme'").await, 5);
    // The address is free, and whoever has it now is somebody else.
    let again = somebody(&site).await;
    assert_ne!(id_of(&site, "zebulon.quartz@example.com").await, id);
    assert_eq!(bare(&again, Method::DELETE, "/v1/auth/me").await.status, 204);
}

#[orgate_testkit::both]
async fn an_organization_with_others_in_it_does_not_go_with_its_owner() {
    let site = site().await;
    let (owner, operator) = (site.signed_in("owner").await, operator(&site).await);
    let before = site.events().await.len();
    for (browser, path) in [(&owner, "/v1/auth/me".to_owned()), (&operator, format!("{USERS}/usr_owner"))] {
        let reply = bare(browser, Method::DELETE, &path).await;
        refused(&reply, 409, "owner_of_organizations");
        assert_eq!(reply.json()["organizations"], "acme");
    }
    assert_eq!(site.events().await.len(), before);
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM users WHERE id = 'usr_owner'").await, 1);
    assert_eq!(bare(&operator, Method::DELETE, &format!("{USERS}/usr_d")).await.status, 204);
    assert_eq!(bare(&operator, Method::DELETE, &format!("{USERS}/usr_d")).await.status, 404);
    assert_eq!(bare(&operator, Method::DELETE, &format!("{USERS}/usr_q")).await.status, 404);
    site.change("UPDATE project_operators SET role = 'viewer'").await;
    refused(&bare(&operator, Method::DELETE, &format!("{USERS}/usr_n")).await, 403, "forbidden");
    if Engine::current() == Engine::Sqlite {
        return;
    }
    // While somebody is erased, they make an organization: either one is refused, and nobody owns what is nobody's.
    let n = site.signed_in("n").await;
    let new = json!({ "name": "Late" });
    let (made, erased) = tokio::join!(
        n.json(Method::POST, "/v1/auth/organizations", &new),
        bare(&n, Method::DELETE, "/v1/auth/me")
    );
    assert!(made.status != 201 || erased.status != 204, "{} {}", made.status, erased.status);
    assert!(made.status.as_u16() < 500 && erased.status.as_u16() < 500, "{} {}", made.text(), erased.text());
}
