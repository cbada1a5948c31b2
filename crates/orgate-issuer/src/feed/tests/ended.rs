//! Each way in which a right ends: the token of before is marked, and the one that a refresh or a new sign-in gives is not.

use http::Method;
use serde_json::{Value, json};

use super::{Feed, header, operator, refused};
use crate::{
    events::Actor,
    keys::Algorithm,
    testing::{Browser, Site, and, claims, exchange, refresh, site},
};

const ACME: &str = "/v1/auth/organizations/acme";
const OPERATORS: &str = "/api/platform/projects/proj_p";

/// Tokens of a member of `acme`, with somebody who reads the feed from now on.
async fn begin(name: &'static str) -> (Site, Feed, Value) {
    let site = site().await;
    let tokens = site.tokens(name, Some("org_acme")).await;
    let feed = Feed::open(&site).await;
    (site, feed, tokens)
}

async fn json(browser: &Browser, method: Method, uri: &str, body: Value) {
    let reply = browser.json(method, uri, &body).await;
    assert!(reply.status.is_success(), "{uri}: {}", reply.text());
}

async fn refreshed(site: &Site, tokens: &Value) -> Value {
    let reply = site.browser().token(&refresh(tokens)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// The family goes on without an organization where it has lost its own.
async fn without(site: &Site, tokens: &Value) -> Value {
    assert_eq!(site.browser().token(&refresh(tokens)).await.json()["error"], "invalid_target");
    let reply = site.browser().token(&and(refresh(tokens), "org_id", "")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[orgate_testkit::both]
async fn a_member_who_is_removed() {
    let (site, feed, old) = begin("member").await;
    let other = site.tokens("viewer", Some("org_acme")).await;
    let admin = site.signed_in("admin").await;
    json(&admin, Method::DELETE, &format!("{ACME}/members/usr_member"), json!({})).await;
    assert!(feed.refuses(&site, &old).await);
    assert!(!feed.refuses(&site, &other).await, "nobody else");
    assert!(!feed.refuses(&site, &without(&site, &old).await).await);
}

#[orgate_testkit::both]
async fn a_member_who_leaves() {
    let (site, feed, old) = begin("member").await;
    let member = site.signed_in("member").await;
    json(&member, Method::DELETE, &format!("{ACME}/members/me"), json!({})).await;
    assert!(feed.refuses(&site, &old).await);
    assert!(!feed.refuses(&site, &without(&site, &old).await).await);
}

#[orgate_testkit::both]
async fn a_member_with_another_role() {
    let (site, feed, old) = begin("admin").await;
    let owner = site.signed_in("owner").await;
    json(&owner, Method::PUT, &format!("{ACME}/members/usr_admin"), json!({ "role": "viewer" })).await;
    assert!(feed.refuses(&site, &old).await);
    assert!(!feed.refuses(&site, &refreshed(&site, &old).await).await, "the next one is good at once");
}

#[orgate_testkit::both]
async fn a_member_who_is_suspended() {
    let (site, feed, old) = begin("member").await;
    let owner = site.signed_in("owner").await;
    let path = format!("{ACME}/members/usr_member");
    json(&owner, Method::PUT, &path, json!({ "status": "suspended" })).await;
    assert!(feed.refuses(&site, &old).await);
    json(&owner, Method::PUT, &path, json!({ "status": "active" })).await;
    assert!(!feed.refuses(&site, &refreshed(&site, &old).await).await);
}

#[orgate_testkit::both]
async fn an_owner_who_gives_the_organization_away() {
    let (site, feed, old) = begin("owner").await;
    let heir = site.tokens("admin", Some("org_acme")).await;
    let owner = site.signed_in("owner").await;
    let path = format!("{ACME}/members/usr_admin");
    json(&owner, Method::PUT, &path, json!({ "role": "owner" })).await;
    for tokens in [old, heir] {
        assert!(feed.refuses(&site, &tokens).await);
        assert!(!feed.refuses(&site, &refreshed(&site, &tokens).await).await);
    }
}

#[orgate_testkit::both]
async fn an_organization_that_is_suspended() {
    let (site, feed, old) = begin("member").await;
    let elsewhere = site.tokens("x", Some("org_globex")).await;
    let operator = operator(&site).await;
    let path = format!("{OPERATORS}/orgs/org_acme");
    json(&operator, Method::PATCH, &path, json!({ "status": "suspended" })).await;
    assert!(feed.refuses(&site, &old).await);
    assert!(!feed.refuses(&site, &elsewhere).await);
    json(&operator, Method::PATCH, &path, json!({ "status": "active" })).await;
    assert!(!feed.refuses(&site, &refreshed(&site, &old).await).await);
}

#[orgate_testkit::both]
async fn an_organization_that_is_deleted() {
    let (site, feed, old) = begin("member").await;
    let owner = site.signed_in("owner").await;
    json(&owner, Method::DELETE, ACME, json!({})).await;
    assert!(feed.refuses(&site, &old).await);
    assert!(!feed.refuses(&site, &without(&site, &old).await).await);
}

#[orgate_testkit::both]
async fn organizations_that_are_switched_off() {
    let (site, feed, old) = begin("member").await;
    let none = site.tokens("n", None).await;
    let operator = operator(&site).await;
    json(&operator, Method::PATCH, OPERATORS, json!({ "org_enabled": false })).await;
    assert!(feed.refuses(&site, &old).await);
    assert!(!feed.refuses(&site, &none).await, "one without an organization");
    site.clock.advance(3_000);
    json(&operator, Method::PATCH, OPERATORS, json!({ "org_enabled": true })).await;
    assert!(!feed.refuses(&site, &refreshed(&site, &old).await).await);
}

/// `member` has a role of the organization's own.
async fn with_a_role() -> (Site, Feed, Value) {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let role = json!({ "name": "Billing", "slug": "billing", "permissions": ["read", "invite"] });
    json(&owner, Method::POST, &format!("{ACME}/roles"), role).await;
    json(&owner, Method::PUT, &format!("{ACME}/members/usr_member"), json!({ "role": "billing" })).await;
    let tokens = site.tokens("member", Some("org_acme")).await;
    let feed = Feed::open(&site).await;
    (site, feed, tokens)
}

#[orgate_testkit::both]
async fn a_role_that_may_less() {
    let (site, feed, old) = with_a_role().await;
    let other = site.tokens("viewer", Some("org_acme")).await;
    let owner = site.signed_in("owner").await;
    let path = format!("{ACME}/roles/billing");
    json(&owner, Method::PATCH, &path, json!({ "description": "for money" })).await;
    assert!(!feed.refuses(&site, &old).await, "other words are no other rights");
    json(&owner, Method::PATCH, &path, json!({ "permissions": ["read"] })).await;
    assert!(feed.refuses(&site, &old).await);
    assert!(!feed.refuses(&site, &other).await, "another role");
    assert!(!feed.refuses(&site, &refreshed(&site, &old).await).await);
}

#[orgate_testkit::both]
async fn a_role_that_is_deleted() {
    let (site, feed, old) = with_a_role().await;
    let owner = site.signed_in("owner").await;
    let path = format!("{ACME}/roles/billing?reassign_to=viewer");
    json(&owner, Method::DELETE, &path, json!({})).await;
    assert!(feed.refuses(&site, &old).await);
    assert!(!feed.refuses(&site, &refreshed(&site, &old).await).await);
}

/// What somebody was given for use without the session and for use with it, and the browser of the session.
async fn signed_in_twice() -> (Site, Feed, [Value; 2], Browser) {
    let site = site().await;
    let browser = site.browser();
    let code = browser.code("member", Some("org_acme"), "openid").await;
    let with = browser.token(&exchange(&code)).await.json();
    // The browser is signed in by now, and the person belongs to one organization.
    let reply = browser.authorize(&[("scope", "openid offline_access")]).await;
    let without = browser.token(&exchange(&reply.parameter("code").unwrap())).await.json();
    let feed = Feed::open(&site).await;
    (site, feed, [with, without], browser)
}

#[orgate_testkit::both]
async fn a_session_whose_person_signs_out() {
    let (site, feed, [old, offline], browser) = signed_in_twice().await;
    json(&browser, Method::POST, "/v1/auth/logout", json!({})).await;
    assert!(feed.refuses(&site, &old).await);
    assert!(!feed.refuses(&site, &offline).await, "what is for use without the session goes on");
    assert!(!feed.refuses(&site, &refreshed(&site, &offline).await).await);
    assert!(!feed.refuses(&site, &site.tokens("member", Some("org_acme")).await).await);
}

#[orgate_testkit::both]
async fn a_session_that_is_ended_from_elsewhere() {
    let (site, feed, both, _) = signed_in_twice().await;
    let elsewhere = site.signed_in("member").await;
    json(&elsewhere, Method::DELETE, "/v1/auth/sessions", json!({})).await;
    for tokens in both {
        assert!(feed.refuses(&site, &tokens).await);
    }
    assert!(!feed.refuses(&site, &site.tokens("member", Some("org_acme")).await).await);
}

#[orgate_testkit::both]
async fn everything_before_another_password() {
    let (site, feed, [old, offline], browser) = signed_in_twice().await;
    json(&browser, Method::POST, "/v1/auth/logout", json!({})).await;
    let kept = site.tokens("viewer", Some("org_acme")).await;
    site.write(|tx| {
        Box::pin(async move {
            crate::login::session::expel_others(tx, "proj_p", "usr_member", None, crate::testing::NOW).await
        })
    })
    .await;
    assert!(feed.refuses(&site, &old).await);
    assert!(feed.refuses(&site, &offline).await, "its session had ended before");
    assert!(!feed.refuses(&site, &kept).await, "another person");
}

#[orgate_testkit::both]
async fn a_person_who_is_suspended() {
    let (site, feed, both, browser) = signed_in_twice().await;
    let operator = operator(&site).await;
    let path = format!("{OPERATORS}/users/usr_member");
    json(&operator, Method::PATCH, &path, json!({ "status": "suspended" })).await;
    for tokens in &both {
        assert!(feed.refuses(&site, tokens).await);
        assert_eq!(site.browser().token(&refresh(tokens)).await.status, 400);
    }
    assert_eq!(browser.get("/v1/auth/session").await.status, 401);
    site.clock.advance(3_000);
    json(&operator, Method::PATCH, &path, json!({ "status": "active" })).await;
    assert!(!feed.refuses(&site, &site.tokens("member", Some("org_acme")).await).await);
}

#[orgate_testkit::both]
async fn a_person_who_is_erased() {
    let (site, feed, old) = begin("member").await;
    let operator = operator(&site).await;
    json(&operator, Method::DELETE, &format!("{OPERATORS}/users/usr_member"), json!({})).await;
    let marks = feed.marks(&site).await;
    let subject = marks.iter().find(|mark| mark["kind"] == "subject").unwrap();
    assert!(refused(subject, &claims(&old["access_token"]), &header(&old)), "{marks:?}");
    assert_eq!(subject["before"], subject["expires_at"], "nobody of this name comes back");
}

#[orgate_testkit::both]
async fn a_refresh_token_that_comes_back() {
    let (site, feed, [old, other], _) = signed_in_twice().await;
    let next = refreshed(&site, &old).await;
    let last = refreshed(&site, &next).await;
    site.clock.advance(60_000);
    assert_eq!(site.browser().token(&refresh(&old)).await.status, 400);
    for tokens in [&old, &next, &last] {
        assert!(feed.refuses(&site, tokens).await);
    }
    assert!(!feed.refuses(&site, &other).await, "another family of the session");
}

#[orgate_testkit::both]
async fn a_token_that_its_application_revokes() {
    let (site, feed, [old, other], _) = signed_in_twice().await;
    let revoke = async |token: &Value| {
        let fields = [
            ("token", token.as_str().unwrap()),
            ("client_id", "proj_p"),
            ("client_secret", crate::testing::SECRET),
        ];
        assert_eq!(site.browser().form("/p/proj_p/revoke", &fields).await.status, 200);
    };
    revoke(&old["access_token"]).await;
    assert!(feed.refuses(&site, &old).await);
    let next = refreshed(&site, &old).await;
    assert!(!feed.refuses(&site, &next).await, "one token, not its family");
    revoke(&next["refresh_token"]).await;
    assert!(feed.refuses(&site, &next).await);
    assert!(!feed.refuses(&site, &other).await, "another family of the session");
}

#[orgate_testkit::both]
async fn a_signing_key_that_leaked() {
    let (site, feed, old) = begin("member").await;
    let now = crate::testing::NOW;
    site.issuer.app().keys.rotate("proj_p", Algorithm::Es256, false, (Actor::System, now)).await.unwrap();
    assert!(!feed.refuses(&site, &old).await, "one that is followed by another");
    site.issuer.app().keys.rotate("proj_p", Algorithm::Es256, true, (Actor::System, now)).await.unwrap();
    assert!(feed.refuses(&site, &old).await);
    assert!(!feed.refuses(&site, &refreshed(&site, &old).await).await);
}

#[orgate_testkit::both]
async fn a_client_that_may_less() {
    let (site, feed, old) = begin("member").await;
    let change = async |redirect: &'static str, hash: Option<String>| {
        site.write(move |tx| {
            Box::pin(async move {
                let before = crate::clients::find(tx, "proj_p").await?.unwrap();
                let mut after = before.clone();
                after.redirect_uris.push(redirect.to_owned());
                after.secret_hash = hash.or(after.secret_hash);
                crate::clients::update(tx, &before, &after, Actor::Setup, crate::testing::NOW).await
            })
        })
        .await;
    };
    change("https://a.example/", None).await;
    assert!(!feed.refuses(&site, &old).await, "another redirect URI is no right");
    change("https://b.example/", Some(site.issuer.app().secrets.hash_client_secret("another"))).await;
    assert!(feed.refuses(&site, &old).await);
    site.clock.advance(3_000);
    let again = and(refresh(&old), "client_secret", "another");
    assert!(!feed.refuses(&site, &site.browser().token(&again).await.json()).await);
}

#[orgate_testkit::both]
async fn an_api_key_that_is_revoked() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let wish = json!({ "name": "reports", "permissions": ["read"] });
    let made = owner.json(Method::POST, &format!("{ACME}/api-keys"), &wish).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let feed = Feed::open(&site).await;
    json(&owner, Method::DELETE, &format!("{ACME}/api-keys/{id}"), json!({})).await;
    let marks = feed.marks(&site).await;
    assert_eq!((&marks[0]["kind"], &marks[0]["jti"]), (&json!("token"), &json!(id)));
}
