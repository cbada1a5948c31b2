//! One token for another (RFC 8693), and a session for one.

use super::{
    clients::{add, form},
    *,
};
use crate::clients::{ClientKind, TOKEN_EXCHANGE};

const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The exchange of `token` by `client`.
async fn swap(site: &Site, client: &str, token: &Value, more: &[(&str, &str)]) -> Reply {
    let mut fields = vec![
        ("grant_type", TOKEN_EXCHANGE),
        ("subject_token", token.as_str().unwrap()),
        ("subject_token_type", ACCESS),
    ];
    fields.extend_from_slice(more);
    form(site, "token", Some(client), &fields).await
}

#[orgate_testkit::both]
async fn a_client_switches_the_organization_of_its_own_token() {
    let site = site().await;
    let tokens = site.tokens("d", Some("org_acme")).await;
    let first = claims(&tokens["access_token"]);
    site.clock.advance(100_000);
    let reply = swap(&site, "proj_p", &tokens["access_token"], &[("org_id", "globex")]).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let body = reply.json();
    assert_eq!((&body["issued_token_type"], &body["token_type"]), (&json!(ACCESS), &json!("Bearer")));
    assert!(body.get("refresh_token").is_none() && body.get("id_token").is_none());
    let now = verified(&site, &body["access_token"], "demo-api").await;
    assert_eq!((&now["org_id"], &now["org_role"]), (&json!("org_globex"), &json!("admin")));
    assert_eq!((&now["sid"], &now["sub"], &now["exp"]), (&first["sid"], &first["sub"], &first["exp"]));
    assert_eq!(body["expires_in"], 200, "it ends with the first one");
    assert!(now.get("act").is_none());

    let stays = swap(&site, "proj_p", &tokens["access_token"], &[]).await.json();
    assert_eq!(stays["org_id"], "org_acme");
    let without = swap(&site, "proj_p", &tokens["access_token"], &[("org_id", "")]).await.json();
    assert_eq!(without["org_id"], Value::Null);
    let by_scope = swap(&site, "proj_p", &tokens["access_token"], &[("scope", "org:globex")]).await.json();
    assert_eq!((&by_scope["org_id"], &by_scope["scope"]), (&json!("org_globex"), &json!("openid")));

    let other = site.tokens("x", None).await;
    let foreign = swap(&site, "proj_p", &other["access_token"], &[("org_id", "org_acme")]).await;
    let unknown = swap(&site, "proj_p", &other["access_token"], &[("org_id", "org_none")]).await;
    assert_eq!((error(&foreign), foreign.body), (json!("invalid_target"), unknown.body));
    let wider = swap(&site, "proj_p", &tokens["access_token"], &[("scope", "openid email")]).await;
    assert_eq!(error(&wider), "invalid_scope");
}

#[orgate_testkit::both]
async fn an_exchanged_token_dies_with_the_family_of_the_first() {
    let site = site().await;
    let tokens = site.tokens("d", Some("org_acme")).await;
    let switched = swap(&site, "proj_p", &tokens["access_token"], &[("org_id", "globex")]).await.json();
    let switched = switched["access_token"].as_str().unwrap().to_owned();
    let active = async || {
        form(&site, "introspect", Some("proj_p"), &[("token", &switched)]).await.json()["active"].clone()
    };
    assert_eq!(active().await, true);
    form(&site, "revoke", Some("proj_p"), &[("token", tokens["refresh_token"].as_str().unwrap())]).await;
    assert_eq!(active().await, false);
    assert_eq!(error(&swap(&site, "proj_p", &tokens["access_token"], &[]).await), "invalid_request");
}

#[orgate_testkit::both]
async fn a_service_acts_on_behalf_of_a_user_and_says_so() {
    let site = site().await;
    for id in ["app_api", "app_next"] {
        add(&site, id, ClientKind::Confidential, |client| client.grants = vec![TOKEN_EXCHANGE.to_owned()])
            .await;
    }
    let tokens = site.tokens("d", Some("org_acme")).await;
    let reply = swap(&site, "app_api", &tokens["access_token"], &[]).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let one = reply.json();
    let first = verified(&site, &one["access_token"], "demo-api").await;
    assert_eq!((&first["sub"], &first["client_id"]), (&json!("usr_d"), &json!("app_api")));
    assert_eq!((&first["act"], &first["org_id"]), (&json!({ "sub": "app_api" }), &json!("org_acme")));
    let two = swap(&site, "app_next", &one["access_token"], &[]).await.json();
    assert_eq!(
        claims(&two["access_token"])["act"],
        json!({ "sub": "app_next", "act": { "sub": "app_api" } })
    );
    // It cannot go where the user did not send it, but it may know less.
    let elsewhere = swap(&site, "app_api", &tokens["access_token"], &[("org_id", "globex")]).await;
    assert_eq!(error(&elsewhere), "invalid_target");
    // Nor by its own token, once it has one.
    let elsewhere = swap(&site, "app_api", &one["access_token"], &[("org_id", "globex")]).await;
    assert_eq!(error(&elsewhere), "invalid_target");
    let without = swap(&site, "app_api", &one["access_token"], &[("org_id", "")]).await.json();
    let back = swap(&site, "app_api", &without["access_token"], &[("org_id", "acme")]).await;
    assert_eq!(error(&back), "invalid_target");
    let without = swap(&site, "app_api", &tokens["access_token"], &[("org_id", "")]).await.json();
    assert_eq!(without["org_id"], Value::Null);
    let mut token = two["access_token"].clone();
    for at in 3..=5 {
        let client = if at % 2 == 1 { "app_api" } else { "app_next" };
        let reply = swap(&site, client, &token, &[]).await;
        assert_eq!(reply.status, if at <= 4 { 200 } else { 400 }, "{at} actors");
        token = reply.json()["access_token"].clone();
    }
}

#[orgate_testkit::both]
async fn only_what_is_meant_for_a_service_can_be_exchanged_by_it() {
    let site = site().await;
    let grants = || vec![TOKEN_EXCHANGE.to_owned()];
    add(&site, "app_far", ClientKind::Confidential, |client| {
        client.grants = grants();
        client.audiences = vec!["far-api".to_owned()];
    })
    .await;
    add(&site, "app_open", ClientKind::Public, |client| client.grants = grants()).await;
    let tokens = site.tokens("d", Some("org_acme")).await;
    let access = &tokens["access_token"];
    assert_eq!(error(&swap(&site, "app_far", access, &[]).await), "invalid_request");
    assert_eq!(error(&swap(&site, "app_strict", access, &[("resource", "far-api")]).await), "invalid_target");
    let fields = [
        ("grant_type", TOKEN_EXCHANGE),
        ("client_id", "app_open"),
        ("subject_token", access.as_str().unwrap()),
        ("subject_token_type", ACCESS),
    ];
    assert_eq!(error(&form(&site, "token", None, &fields).await), "invalid_request", "it keeps no secret");

    for (token, more) in [
        (&tokens["id_token"], vec![]),
        (&tokens["refresh_token"], vec![]),
        (&json!("x"), vec![]),
        (access, vec![("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")]),
        (access, vec![("actor_token", "x")]),
    ] {
        assert_eq!(error(&swap(&site, "proj_p", token, &more).await), "invalid_request", "{more:?}");
    }
    site.clock.advance(301_000);
    assert_eq!(error(&swap(&site, "proj_p", access, &[]).await), "invalid_request", "ended");
}

#[orgate_testkit::both]
async fn a_session_is_exchanged_for_a_token_of_its_organization() {
    let site = site().await;
    let browser = site.browser();
    browser.code("d", Some("org_acme"), "").await;
    let reply = browser.get("/p/proj_p/session/token").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.headers["cache-control"], "no-store");
    assert!(reply.headers.get("access-control-allow-origin").is_none());
    let body = reply.json();
    let claims = verified(&site, &body["token"], "demo-api").await;
    assert_eq!((&claims["sub"], &claims["org_id"]), (&json!("usr_d"), &json!("org_acme")));
    assert!(body.get("refresh_token").is_none());
    let from = async |headers: &[(&str, &str)]| {
        browser.send(Method::GET, "/p/proj_p/session/token", headers, String::new()).await.status
    };
    assert_eq!(from(&[("origin", "https://evil.test")]).await, 403);
    assert_eq!(from(&[("sec-fetch-site", "cross-site")]).await, 403);
    assert_eq!(site.browser().get("/p/proj_p/session/token").await.status, 401);
    assert_eq!(browser.get("/p/proj_q/session/token").await.status, 401, "another project's");
    site.clock.advance(7 * 24 * 3_600_000 - 60_000);
    assert_eq!(browser.get("/p/proj_p/session/token").await.status, 200);
    site.change("UPDATE sessions SET revoked_at = 1").await;
    assert_eq!(browser.get("/p/proj_p/session/token").await.status, 401);
}
