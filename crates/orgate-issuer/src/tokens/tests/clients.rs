//! Clients: how they prove themselves, and what they get for themselves.

use super::*;
use crate::{
    clients::{self, Client, ClientKind, Post, TOKEN_EXCHANGE},
    testing::NOW,
};

/// A client of `proj_p` with the usual secret, unless it is public.
pub(super) async fn add(site: &Site, id: &str, kind: ClientKind, change: impl FnOnce(&mut Client)) {
    let mut client = Client::new(id.to_owned(), "proj_p".to_owned(), format!("The {id}"), kind);
    client.redirect_uris = vec![CALLBACK.to_owned()];
    client.grants = vec!["authorization_code".to_owned(), "refresh_token".to_owned()];
    if kind != ClientKind::Public {
        client.secret_hash = Some(site.issuer.app().secrets.hash_client_secret(SECRET));
        client.require_pkce = false;
    }
    change(&mut client);
    site.write(move |tx| Box::pin(async move { clients::create(tx, &client, NOW).await })).await;
}

/// A machine that works for `acme`.
pub(super) async fn add_machine(site: &Site) {
    add(site, "app_robot", ClientKind::Machine, |client| {
        client.redirect_uris = Vec::new();
        client.grants = vec!["client_credentials".to_owned(), TOKEN_EXCHANGE.to_owned()];
        client.post = Some(Post { org_id: "org_acme".to_owned(), role: "admin".to_owned() });
        client.scopes = vec!["jobs".to_owned(), "reports".to_owned()];
    })
    .await;
}

/// The form of `fields` at an endpoint of the project, as `client` proves itself by Basic.
pub(super) async fn form(
    site: &Site,
    endpoint: &str,
    client: Option<&str>,
    fields: &[(&str, &str)],
) -> Reply {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
    let basic = client.map(|client| format!("Basic {}", STANDARD.encode(format!("{client}:{SECRET}"))));
    headers.extend(basic.as_deref().map(|basic| ("authorization", basic)));
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    site.browser().send(Method::POST, &format!("/p/proj_p/{endpoint}"), &headers, body).await
}

#[orgate_testkit::both]
async fn a_machine_gets_the_claims_of_its_post() {
    let site = site().await;
    add_machine(&site).await;
    let own = [("grant_type", "client_credentials")];
    let reply = form(&site, "token", Some("app_robot"), &own).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let body = reply.json();
    assert_eq!(body["org_id"], "org_acme");
    assert!(body.get("refresh_token").is_none() && body.get("id_token").is_none());
    let access = verified(&site, &body["access_token"], "demo-api").await;
    assert_eq!((&access["sub"], &access["client_id"]), (&json!("app_robot"), &json!("app_robot")));
    assert_eq!(access["org_slug"], "acme");
    assert_eq!(
        access["org_permissions"],
        json!(["read", "write", "invite", "remove_members", "change_roles"])
    );
    assert!(
        access.get("sid").is_none() && access.get("auth_time").is_none() && access.get("scope").is_none()
    );

    for org in ["acme", "org_acme"] {
        let named = form(&site, "token", Some("app_robot"), &[own[0], ("org_id", org)]).await;
        assert_eq!(named.json()["org_id"], "org_acme");
    }
    let without = form(&site, "token", Some("app_robot"), &[own[0], ("org_id", "")]).await.json();
    assert_eq!(without["org_id"], Value::Null);
    let foreign = form(&site, "token", Some("app_robot"), &[own[0], ("org_id", "org_globex")]).await;
    let unknown = form(&site, "token", Some("app_robot"), &[own[0], ("org_id", "org_none")]).await;
    assert_eq!((error(&foreign), foreign.body), (json!("invalid_target"), unknown.body));
    let loose = form(&site, "token", Some("proj_p"), &[own[0], ("org_id", "org_acme")]).await;
    assert_eq!(error(&loose), "invalid_target", "never dropped");
    assert_eq!(form(&site, "token", Some("proj_p"), &own).await.json()["org_id"], Value::Null);
}

#[orgate_testkit::both]
async fn a_machine_has_its_own_scopes_and_no_others() {
    let site = site().await;
    add_machine(&site).await;
    let with = async |scope: &str| {
        form(&site, "token", Some("app_robot"), &[("grant_type", "client_credentials"), ("scope", scope)])
            .await
    };
    assert_eq!(with("jobs").await.json()["scope"], "jobs");
    for scope in ["openid", "jobs admin"] {
        assert_eq!(error(&with(scope).await), "invalid_scope", "{scope}");
    }
    let public = [("grant_type", "client_credentials"), ("client_id", "app_spa")];
    assert_eq!(error(&form(&site, "token", None, &public).await), "unauthorized_client");
    let code = [("grant_type", "authorization_code"), ("code", "x"), ("redirect_uri", CALLBACK)];
    assert_eq!(error(&form(&site, "token", Some("app_robot"), &code).await), "unauthorized_client");
}

#[orgate_testkit::both]
async fn a_machine_whose_organization_cannot_be_used_gets_nothing() {
    let site = site().await;
    add_machine(&site).await;
    let own = [("grant_type", "client_credentials")];
    let token = form(&site, "token", Some("app_robot"), &own).await.json()["access_token"].clone();
    let active = async || {
        let fields = [("token", token.as_str().unwrap())];
        form(&site, "introspect", Some("app_robot"), &fields).await.json()["active"].clone()
    };
    assert_eq!(active().await, true);
    site.change("UPDATE organizations SET status = 'suspended' WHERE id = 'org_acme'").await;
    assert_eq!(error(&form(&site, "token", Some("app_robot"), &own).await), "invalid_target");
    assert_eq!(active().await, false);
    site.change("UPDATE organizations SET status = 'active'").await;
    assert_eq!(active().await, true);
    site.change("UPDATE clients SET org_role = 'viewer' WHERE id = 'app_robot'").await;
    assert_eq!(active().await, false, "the token carries more than the post");
    site.change("UPDATE clients SET org_id = 'org_gone' WHERE id = 'app_robot'").await;
    assert_eq!(error(&form(&site, "token", Some("app_robot"), &own).await), "invalid_target");
}

#[orgate_testkit::both]
async fn a_client_that_needs_an_organization_gets_no_token_without_one() {
    let site = site().await;
    add(&site, "app_b2b", ClientKind::Confidential, |client| client.require_org = true).await;
    let body = |code: &str| and(exchange(code), "client_id", "app_b2b");
    let code = code_with(&site, "app_b2b", &[("org_id", "")]).await.parameter("code").unwrap();
    assert_eq!(error(&site.browser().token(&body(&code)).await), "interaction_required");
    let reply = site.browser().token(&and(body(&code), "org_id", "acme")).await.json();
    assert_eq!(reply["org_id"], "org_acme", "the code was not used up");
    let refresh = and(refresh(&reply), "client_id", "app_b2b");
    let dropped = site.browser().token(&and(refresh.clone(), "org_id", "")).await;
    assert_eq!(error(&dropped), "interaction_required");
    assert_eq!(site.browser().token(&refresh).await.status, 200, "nothing was rotated");
}

#[orgate_testkit::both]
async fn a_token_is_for_the_resources_that_were_asked_for() {
    let site = site().await;
    let (one, two) = ("https://one.example.com/api", "https://two.example.com/api");
    add(&site, "app_res", ClientKind::Confidential, |client| {
        client.audiences = vec![one.to_owned(), two.to_owned()];
    })
    .await;
    let wrong = code_with(&site, "app_res", &[("resource", "https://evil.example.com/")]).await;
    assert_eq!(wrong.parameter("error").as_deref(), Some("invalid_target"));
    let code = code_with(&site, "app_res", &[("resource", one)]).await.parameter("code").unwrap();
    let body = and(exchange(&code), "client_id", "app_res");
    let other = site.browser().token(&and(body.clone(), "resource", two)).await;
    assert_eq!(error(&other), "invalid_target", "the person agreed to one");
    let tokens = site.browser().token(&body).await.json();
    assert_eq!(claims(&tokens["access_token"])["aud"], one);
    let wider = and(and(refresh(&tokens), "client_id", "app_res"), "audience", json!([one, two]));
    assert_eq!(error(&site.browser().token(&wider).await), "invalid_target");
    let again = site.browser().token(&and(refresh(&tokens), "client_id", "app_res")).await.json();
    assert_eq!(claims(&again["access_token"])["aud"], one);

    let code = code_with(&site, "app_res", &[]).await.parameter("code").unwrap();
    let both = site.browser().token(&and(exchange(&code), "client_id", "app_res")).await.json();
    assert_eq!(claims(&both["access_token"])["aud"], json!([one, two]));
    let refreshed = and(and(refresh(&both), "client_id", "app_res"), "resource", two);
    assert_eq!(claims(&site.browser().token(&refreshed).await.json()["access_token"])["aud"], two);
}
