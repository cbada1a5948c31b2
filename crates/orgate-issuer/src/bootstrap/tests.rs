use std::sync::Arc;

use http::Method;
use serde_json::json;

use super::*;
use crate::{
    Issuer, ManualClock,
    testing::{NOW, PASSWORD, Site, TempDir, claims},
};

const FILE: &str = r#"
projects:
  - id: proj_p
    name: Demo
    org_enabled: true
    personal_orgs: false
    audience: [demo-api]
    access_ttl: 10m
    redirect_uris: [http://127.0.0.1:3000/callback]
    post_logout_redirect_uris: [http://127.0.0.1:3000/]
    client_secret: {env: DEMO_CLIENT_SECRET}
    trusted_origins: [chrome-extension://aaaabbbbccccddddeeeeffffgggghhhh]
    clients:
      - {id: app_spa, kind: public, redirect_uris: [http://127.0.0.1/cb]}
    operators: [{email: ops@example.com, password: correct horse battery}]
    users:
      - {id: usr_ann, email: ann@example.com, password: correct horse battery, email_verified: true}
      - {email: bob@example.com, password: correct horse battery}
    organizations:
      - {id: org_acme, slug: acme, name: Acme Corp, owner: ann@example.com, members: [{user: bob@example.com, role: viewer}]}
      - {slug: globex, name: Globex, owner: bob@example.com, members: [{user: usr_ann, role: admin}]}
"#;

fn env(name: &str) -> Option<String> {
    (name == "DEMO_CLIENT_SECRET").then(|| crate::testing::SECRET.to_owned())
}

fn findings(text: &str) -> String {
    plan("boot.yaml", text.as_bytes(), &env).unwrap_err().render(false)
}

async fn applied(site: &Site) {
    let plan = plan("boot.yaml", FILE.as_bytes(), &env).unwrap();
    apply(site.issuer.app(), plan).await.unwrap();
}

/// Every row of every table the file reaches, but for the time of writing.
async fn rows(site: &Site) -> Vec<String> {
    let mut conn = site.issuer.app().db.read().await.unwrap();
    let mut all = Vec::new();
    for statement in [
        "SELECT id || name || org_enabled || audience || access_ttl || updated_at || event_seq || ver AS t FROM projects",
        "SELECT id || secret_hash || redirect_uris || updated_at AS t FROM clients WHERE secret_hash IS NOT NULL",
        "SELECT id || redirect_uris || updated_at AS t FROM clients WHERE secret_hash IS NULL",
        "SELECT id || password_phc || updated_at AS t FROM operators",
        "SELECT id || password_phc || updated_at AS t FROM users",
        "SELECT id || name || ver || updated_at AS t FROM organizations",
        "SELECT id || role_key || updated_at AS t FROM memberships",
        "SELECT project_id || operator_id || role AS t FROM project_operators",
    ] {
        let found = conn.all(crate::db::sql(statement)).await.unwrap();
        assert!(!found.is_empty(), "{statement}");
        all.extend(found.iter().map(|row| row.text("t").unwrap()));
    }
    all.sort();
    all
}

#[orgate_testkit::both]
async fn applying_it_twice_changes_nothing() {
    let site = Site::empty().await;
    applied(&site).await;
    let before = rows(&site).await;
    site.clock.advance(5_000);
    applied(&site).await;
    assert_eq!(rows(&site).await, before);
}

#[orgate_testkit::both]
async fn what_the_file_says_can_be_used_at_once() {
    let site = Site::empty().await;
    applied(&site).await;
    let body = site.tokens("ann", Some("org_acme")).await;
    assert_eq!(body["expires_in"], 600);
    let claims = claims(&body["access_token"]);
    assert_eq!((&claims["org_role"], &claims["aud"]), (&json!("owner"), &json!("demo-api")));
    assert_eq!(site.browser().operator("ops@example.com").await.status, 204);
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM memberships").await, 4);
    assert_eq!(site.count("SELECT require_pkce AS n FROM clients WHERE id = 'proj_p'").await, 0);
    assert_eq!(site.count("SELECT require_pkce AS n FROM clients WHERE id = 'app_spa'").await, 1);
}

#[orgate_testkit::both]
async fn clients_are_the_projects_own_unless_the_file_says_otherwise() {
    let site = Site::empty().await;
    applied(&site).await;
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM clients WHERE first_party = 1").await, 2);
    let changed = FILE.replace("kind: public,", "kind: public, first_party: false,");
    apply(site.issuer.app(), plan("boot.yaml", changed.as_bytes(), &env).unwrap()).await.unwrap();
    assert_eq!(site.count("SELECT first_party AS n FROM clients WHERE id = 'app_spa'").await, 0);
    assert_eq!(site.count("SELECT first_party AS n FROM clients WHERE id = 'proj_p'").await, 1);
    // What it has by now nobody was asked for, and gates are told.
    let told = "SELECT COUNT(*) AS n FROM events WHERE type = 'client.updated' AND data LIKE '%first_party%'";
    assert_eq!(site.count(told).await, 1);
}

#[orgate_testkit::both]
async fn a_member_who_was_removed_does_not_come_back() {
    let site = Site::empty().await;
    applied(&site).await;
    site.write(|tx| {
        Box::pin(async move {
            tx.run(crate::db::sql("DELETE FROM memberships WHERE role_key = 'viewer'")).await.map(|_| ())
        })
    })
    .await;
    applied(&site).await;
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM memberships").await, 3);
}

#[orgate_testkit::both]
async fn the_file_decides_about_passwords_and_secrets() {
    let site = Site::empty().await;
    applied(&site).await;
    let changed =
        FILE.replace("{env: DEMO_CLIENT_SECRET}", "other secret").replace(PASSWORD, "another long one");
    apply(site.issuer.app(), plan("boot.yaml", changed.as_bytes(), &env).unwrap()).await.unwrap();
    let body = json!({ "email": "ops@example.com", "password": PASSWORD });
    let reply = site.browser().json(Method::POST, "/api/platform/operators/login", &body).await;
    assert_eq!(reply.status, 401);
    assert_eq!(site.browser().login("ann@example.com", "another long one", &[]).await.status, 303);
}

#[test]
fn every_mistake_is_named_with_its_place_and_a_suggestion() {
    let text = findings(
        "projects:\n  - id: Demo\n    nmae: Demo\n    access_ttl: 2d\n    redirect_uris: [http://app.example.com/cb]\n    \
         client_secret: {env: NOT_SET}\n    trusted_origins: ['https://*.example.com']\n",
    );
    for part in [
        "boot.yaml:2:9",
        "`Demo` cannot be an id here",
        "boot.yaml:3:5",
        "did you mean `name`?",
        "boot.yaml:4:17",
        "expected a duration from 1s to 1d",
    ] {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
    let text = findings(
        "projects:\n  - id: proj_a\n    redirect_uris: [http://app.example.com/cb]\n    client_secret: {env: NOT_SET}\n    \
         trusted_origins: ['https://*.example.com']\n    users:\n      - {id: usr_a, email: ann@example.com, password: short}\n      \
         - {id: usr_a, email: ANN@example.com}\n      - {email: nobody}\n    organizations:\n      \
         - {slug: Acme, owner: ann@example.com}\n      - {slug: admin, owner: ann@example.com}\n      \
         - {slug: acme, owner: anm@example.com, members: [{user: ann@example.com, role: viewr}]}\n      \
         - {slug: other, owner: ann@example.com, members: [{user: ann@example.com, role: admin}]}\n      \
         - {slug: third, owner: ann@example.com, members: [{user: ann@example.com, role: owner}]}\n  - {id: proj_a}\n",
    );
    for part in [
        "is http, and that is for this machine only",
        "the environment variable `NOT_SET` is not set",
        "`https://*.example.com` is not an origin",
        "a password has 8 characters at least",
        "the id `usr_a` is used twice",
        "`nobody` is not an email address",
        "the slug `Acme` has 2 to 63 lower-case letters",
        "the slug `admin` is a reserved word",
        "did you mean `ann@example.com`?",
        "did you mean `viewer`?",
        "`ann@example.com` has two roles in this organization",
        "an organization has one owner",
        "the id `proj_a` is used twice",
    ] {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
    assert!(
        !text.contains("short") && text.contains("password: *****}"),
        "no password in a message:\n{text}"
    );
}

#[test]
fn clients_that_contradict_themselves_are_refused() {
    let client =
        |client: &str| findings(&format!("projects:\n  - id: proj_a\n    clients:\n      - {client}\n"));
    for (text, part) in [
        ("{id: app_a, kind: public, secret: abc}", "a public client has no secret"),
        ("{id: app_a, kind: public, require_pkce: false}", "always needs a proof key"),
        ("{id: app_a, kind: confidential}", "has no `secret`"),
        ("{id: app_a, kind: pubic}", "did you mean `public`?"),
        ("{id: App, kind: public}", "cannot be a client id"),
        ("{id: proj_a, kind: public}", "used twice"),
        ("{id: app_a, kind: public, grants: [refresh_tokn]}", "did you mean `refresh_token`?"),
        ("{id: app_a, kind: public, redirect_uris: ['javascript:alert(1)']}", "has a scheme"),
    ] {
        let found = client(text);
        assert!(found.contains(part), "no `{part}` in:\n{found}");
    }
}

#[test]
fn a_file_that_cannot_be_read_shows_no_password() {
    let text =
        findings("projects:\n  - id: proj_a\n    operators: [{email: a@example.com, password: hunter22 }\n");
    assert!(!text.contains("hunter22"), "{text}");
}

#[test]
fn without_users_there_is_no_empty_list_of_known_ones() {
    let text = findings("projects: [{id: proj_a, organizations: [{slug: acme, owner: bob@example.com}]}]\n");
    assert!(text.contains("help: name somebody who is under `users`") && !text.contains("known:"), "{text}");
}

#[test]
fn nothing_that_may_be_a_secret_is_shown() {
    for (name, text) in [
        (
            "written twice",
            "projects:\n  - id: proj_a\n    client_secret: hunter22\n    client_secret: hunter22\n",
        ),
        ("written twice", "projects: [{id: proj_a, client_secret: a, client_secret: hunter22}]\n"),
        (
            "a misspelt key",
            "projects:\n  - id: proj_a\n    operators: [{email: o@example.com, passwrod: hunter22}]\n",
        ),
        ("another spelling", "projects: [{id: proj_a, clientSecret: hunter22, nmae: x}]\n"),
        ("a list", "projects: [{id: proj_a, client_secret: [hunter22], nmae: x}]\n"),
        ("a map", "projects: [{id: proj_a, client_secret: {hunter22: x}}]\n"),
        ("a map, twice", "projects: [{id: proj_a, client_secret: {hunter22: x, hunter22: y}}]\n"),
        ("a deeper map", "projects: [{id: proj_a, client_secret: {value: hunter22}}]\n"),
        ("a map under a name", "projects: [{id: proj_a, name: {hunter22: x}}]\n"),
        ("no list", "projects: [{id: proj_a, users: hunter22}]\n"),
        ("no project", "projects: [hunter22]\n"),
        ("a comment", "projects: [{id: proj_a, nmae: x}] # hunter22\n"),
        ("a quoted key", "projects: [{id: proj_a, \"pass word\": \"hunter22\"}]\n"),
        ("a number", "projects: [{id: proj_a, client_secret: 22}, {id: proj_a, secret: 0x22}]\n"),
    ] {
        let found = findings(text);
        assert!(!found.contains("hunter") && !found.contains("22"), "{name}:\n{found}");
        assert!(
            found.contains("boot.yaml:") && found.contains("id: proj_a") == text.contains("{id: proj_a"),
            "{found}"
        );
    }
}

#[test]
fn a_finding_names_nobody_it_is_not_about() {
    let text = findings(
        "projects:\n  - id: proj_a\n    users: [{email: ann@example.com, nmae: x}, {email: nobody, name: a@b.c}]\n    \
         organizations: [{slug: acme, owner: bob@example.com, members: [{user: ann@example.com, role: x}]}]\n",
    );
    assert!(!text.contains("ann@example.com") && !text.contains("a@b.c"), "{text}");
    assert!(text.contains("`nobody` is not an email") && text.contains("{email: nobody"), "{text}");
    assert!(text.contains("no user `bob@example.com`") && text.contains("owner: bob@example.com"), "{text}");
}

#[test]
fn what_is_no_file_of_projects_is_refused() {
    for bad in ["", "[]", "projects: {}", "project: []", "projects: [1]", "projects:\n\t- x"] {
        assert!(plan("boot.yaml", bad.as_bytes(), &env).is_err(), "{bad:?}");
    }
    assert!(plan("boot.yaml", b"projects: []", &env).is_ok());
}

#[orgate_testkit::both]
async fn a_file_with_a_mistake_makes_nothing() {
    let dir = TempDir::new();
    let path = dir.path().join("boot.yaml");
    std::fs::write(&path, "projects:\n  - {id: proj_a, nmae: x}\n").unwrap();
    let mut settings = crate::testing::settings_of_nothing(&dir);
    settings.bootstrap = Some(path);
    let error = Issuer::open(settings.clone(), Arc::new(ManualClock::at(NOW))).await.unwrap_err();
    assert_eq!((error.exit_code(), error.diagnostics().unwrap().errors()), (1, 1));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no database, no secret");
    settings.bootstrap = Some(dir.path().join("absent.yaml"));
    let error = Issuer::open(settings, Arc::new(ManualClock::at(NOW))).await.unwrap_err();
    assert_eq!(error.exit_code(), 2);
}

#[orgate_testkit::both]
async fn a_file_that_contradicts_the_database_changes_nothing() {
    let site = Site::empty().await;
    applied(&site).await;
    let before = rows(&site).await;
    let other = FILE.replace("name: Demo", "name: Changed").replace("usr_ann", "usr_other");
    let error = apply(site.issuer.app(), plan("b", other.as_bytes(), &env).unwrap()).await.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("usr_ann"), "{error}");
    assert_eq!(rows(&site).await, before);
}

#[orgate_testkit::both]
async fn users_of_the_file_are_noted_once() {
    let site = Site::empty().await;
    applied(&site).await;
    let made = async || {
        let events = site.events().await;
        events.into_iter().filter(|(_, kind)| kind == "user.created").count()
    };
    assert_eq!(made().await, 2);
    let by_setup = "SELECT COUNT(*) AS n FROM events WHERE type = 'user.created' AND actor_kind = 'setup' AND target_id = 'usr_ann'";
    assert_eq!(site.count(by_setup).await, 1);
    applied(&site).await;
    assert_eq!(made().await, 2, "the second time makes nobody");
}
