//! Tokens that come back: userinfo, introspection, revocation.

use super::{
    clients::{add, form},
    *,
};
use crate::clients::ClientKind;

/// The answer of userinfo to this `Authorization`.
async fn userinfo(site: &Site, authorization: Option<&str>) -> Reply {
    let headers: Vec<_> = authorization.into_iter().map(|value| ("authorization", value)).collect();
    site.browser().send(Method::GET, "/p/proj_p/userinfo", &headers, String::new()).await
}

fn bearer(tokens: &Value) -> String {
    format!("Bearer {}", tokens["access_token"].as_str().unwrap())
}

async fn is_active(site: &Site, token: &Value) -> bool {
    let reply = form(site, "introspect", Some("proj_p"), &[("token", token.as_str().unwrap())]).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.headers["cache-control"], "no-store");
    let body = reply.json();
    if body["active"] == false {
        assert_eq!(body, json!({ "active": false }), "nothing else is told");
    }
    body["active"] == true
}

#[orgate_testkit::both]
async fn userinfo_says_who_it_is_as_far_as_the_scopes_go() {
    let site = site().await;
    let code = site.browser().code("admin", None, "openid email").await;
    let tokens = site.browser().token(&exchange(&code)).await.json();
    let reply = userinfo(&site, Some(&bearer(&tokens))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        reply.json(),
        json!({ "sub": "usr_admin", "email": "admin@example.com", "email_verified": true, "org_id": "org_acme",
                "org_slug": "acme", "org_role": "admin",
                "org_permissions": ["read", "write", "invite", "remove_members", "change_roles"] })
    );
    let fields = [("access_token", tokens["access_token"].as_str().unwrap())];
    assert_eq!(form(&site, "userinfo", None, &fields).await.json()["sub"], "usr_admin");
    // The scheme of a bound token does not make it one.
    let as_bound = bearer(&tokens).replace("Bearer", "DPoP");
    assert_eq!(userinfo(&site, Some(&as_bound)).await.status, 401);

    let challenge = |reply: &Reply| reply.headers["www-authenticate"].to_str().unwrap().to_owned();
    let bare = userinfo(&site, None).await;
    assert_eq!((bare.status.as_u16(), challenge(&bare).contains("error")), (401, false));
    for wrong in ["Bearer x", "Bearer a.b.c", &format!("{}x", bearer(&tokens))] {
        let reply = userinfo(&site, Some(wrong)).await;
        assert_eq!(reply.status, 401);
        assert!(challenge(&reply).contains("error=\"invalid_token\""), "{wrong}");
    }
    let id_token = format!("Bearer {}", tokens["id_token"].as_str().unwrap());
    assert_eq!(userinfo(&site, Some(&id_token)).await.status, 401, "an ID token is no access token");
    let both = [("authorization", &*bearer(&tokens)), ("content-type", "application/x-www-form-urlencoded")];
    let body = "access_token=x".to_owned();
    let two = site.browser().send(Method::POST, "/p/proj_p/userinfo", &both, body).await;
    assert_eq!(two.status, 400);
    let without = site.browser().code("admin", None, "email").await;
    let without = site.browser().token(&exchange(&without)).await.json();
    let reply = userinfo(&site, Some(&bearer(&without))).await;
    assert_eq!(reply.status, 403);
    assert!(challenge(&reply).contains("insufficient_scope"));
    site.clock.advance(301_000);
    assert_eq!(userinfo(&site, Some(&bearer(&tokens))).await.status, 401, "ended");
}

#[orgate_testkit::both]
async fn an_introspection_tells_how_it_is_now() {
    let site = site().await;
    let tokens = site.tokens("member", None).await;
    let access = &tokens["access_token"];
    let reply =
        form(&site, "introspect", Some("proj_p"), &[("token", access.as_str().unwrap())]).await.json();
    for (name, value) in [
        ("active", json!(true)),
        ("sub", json!("usr_member")),
        ("client_id", json!("proj_p")),
        ("token_type", json!("Bearer")),
        ("scope", json!("openid")),
        ("aud", json!("demo-api")),
        ("org_id", json!("org_acme")),
        ("org_role", json!("member")),
        ("iss", json!(format!("{ORIGIN}/p/proj_p"))),
    ] {
        assert_eq!(reply[name], value, "{name}");
    }
    let fields = [("token", tokens["refresh_token"].as_str().unwrap()), ("token_type_hint", "access_token")];
    let refresh_token = form(&site, "introspect", Some("proj_p"), &fields).await;
    assert_eq!(refresh_token.json()["sub"], "usr_member");

    for (change, undo) in [
        (
            "UPDATE memberships SET role_key = 'viewer' WHERE user_id = 'usr_member'",
            "UPDATE memberships SET role_key = 'member' WHERE user_id = 'usr_member'",
        ),
        (
            "UPDATE memberships SET status = 'suspended' WHERE user_id = 'usr_member'",
            "UPDATE memberships SET status = 'active' WHERE user_id = 'usr_member'",
        ),
        ("UPDATE organizations SET status = 'suspended'", "UPDATE organizations SET status = 'active'"),
        ("UPDATE users SET status = 'suspended'", "UPDATE users SET status = 'active'"),
        ("UPDATE projects SET org_enabled = 0 WHERE id = 'proj_p'", "UPDATE projects SET org_enabled = 1"),
        ("UPDATE sessions SET revoked_at = 1", "UPDATE sessions SET revoked_at = NULL"),
        ("UPDATE token_families SET revoked_at = 1", "UPDATE token_families SET revoked_at = NULL"),
    ] {
        assert!(is_active(&site, access).await, "before {change}");
        site.change(change).await;
        assert!(!is_active(&site, access).await, "{change}");
        assert_eq!(userinfo(&site, Some(&bearer(&tokens))).await.status, 401, "{change}");
        site.change(undo).await;
    }
    assert!(is_active(&site, access).await);
    site.change("DELETE FROM memberships WHERE user_id = 'usr_member'").await;
    assert!(!is_active(&site, access).await);
}

#[orgate_testkit::both]
async fn nobody_is_told_of_a_token_that_is_not_meant_for_them() {
    let site = site().await;
    add(&site, "app_other", ClientKind::Confidential, |client| {
        client.audiences = vec!["other-api".to_owned()]
    })
    .await;
    let tokens = site.tokens("admin", None).await;
    let [access, refresh] = ["access_token", "refresh_token"].map(|name| tokens[name].as_str().unwrap());
    for token in [access, refresh, "x", "ort_x", access.strip_suffix(|_: char| true).unwrap()] {
        let reply = form(&site, "introspect", Some("app_other"), &[("token", token)]).await;
        assert_eq!(reply.json(), json!({ "active": false }));
    }
    let foreign =
        site.browser().form("/p/proj_q/introspect", &[("token", access), ("client_id", "proj_p")]).await;
    assert_eq!(foreign.status, 401);
    let public = form(&site, "introspect", None, &[("token", access), ("client_id", "app_spa")]).await;
    assert_eq!(public.json()["error"], "invalid_client", "whoever asks keeps a secret");
    assert_eq!(
        form(&site, "introspect", None, &[("token", access)]).await.json()["error"],
        "invalid_request"
    );
    assert_eq!(error(&form(&site, "introspect", Some("proj_p"), &[]).await), "invalid_request");
}

#[orgate_testkit::both]
async fn what_was_revoked_stays_revoked() {
    let site = site().await;
    let tokens = site.tokens("admin", None).await;
    let other = site.tokens("admin", None).await;
    let revoke = async |client: &str, token: &Value| {
        let fields = [("token", token.as_str().unwrap()), ("token_type_hint", "nonsense")];
        let reply = form(&site, "revoke", Some(client), &fields).await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (200, 0));
    };
    // What belongs to somebody else, or is no token, is answered alike and nothing happens.
    for token in [&tokens["access_token"], &tokens["refresh_token"], &json!("x"), &json!("ort_x")] {
        revoke("app_strict", token).await;
    }
    assert!(is_active(&site, &tokens["access_token"]).await);
    revoke("proj_p", &tokens["access_token"]).await;
    revoke("proj_p", &tokens["access_token"]).await;
    assert!(!is_active(&site, &tokens["access_token"]).await);
    assert_eq!(userinfo(&site, Some(&bearer(&tokens))).await.status, 401);
    assert_eq!(site.browser().token(&refresh(&tokens)).await.status, 200, "the grant itself goes on");
    assert!(is_active(&site, &other["access_token"]).await);

    revoke("proj_p", &other["refresh_token"]).await;
    assert!(!is_active(&site, &other["access_token"]).await, "the access token goes with its family");
    assert!(!is_active(&site, &other["refresh_token"]).await);
    assert_eq!(error(&site.browser().token(&refresh(&other)).await), "invalid_grant");
    let events = site.events().await;
    assert_eq!(events.iter().filter(|(_, kind)| kind == "token.revoked").count(), 2);
    // The note goes when the token would have ended.
    site.clock.advance(400_000);
    let last = site.tokens("admin", None).await;
    revoke("proj_p", &last["access_token"]).await;
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM revoked_tokens").await, 1);
}

#[orgate_testkit::both]
async fn endpoints_beside_the_token_endpoint_read_forms_and_nothing_else() {
    let site = site().await;
    for endpoint in ["token", "introspect", "revoke", "par", "device_authorization"] {
        let path = format!("/p/proj_p/{endpoint}");
        let get = site.browser().get(&path).await;
        assert_eq!((get.status.as_u16(), &get.json()["error"]), (405, &json!("invalid_request")), "{path}");
        let kinds = [
            ("application/x-www-form-urlencoded", "token=a&token=b&client_id=proj_p"),
            ("application/x-www-form-urlencoded", "client_id=proj_p&client_id=proj_p"),
            ("text/plain", "token=a"),
            ("application/json", "[]"),
            ("application/json", r#"{"client_id":["proj_p"],"grant_type":["refresh_token"]}"#),
        ];
        for (kind, body) in kinds {
            let headers = [("content-type", kind)];
            let reply = site.browser().send(Method::POST, &path, &headers, body.to_owned()).await;
            assert_eq!(error(&reply), "invalid_request", "{path} {body}");
        }
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let large = site.browser().send(Method::POST, &path, &form, "x".repeat(70_000)).await;
        assert_eq!((large.status.as_u16(), &large.json()["error"]), (413, &json!("invalid_request")));
    }
}
