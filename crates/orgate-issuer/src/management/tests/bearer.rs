//! Access tokens with the scope `account` in place of the session's cookie.

use http::Method;
use serde_json::{Value, json};

use super::{ACME, SWITCHED, bare, refused};
use crate::testing::{Browser, PASSWORD, Reply, SECRET, Site, and, exchange, refresh, site};

/// Tokens of `name` with these scopes, for an organization if one is named, and the browser that got them.
async fn tokens(site: &Site, name: &str, scope: &str, org: Option<&str>) -> (Value, Browser) {
    let browser = site.browser();
    let email = format!("{name}@example.com");
    let mut more = vec![("scope", scope)];
    more.push(("org_id", org.unwrap_or_default()));
    let reply = browser.login(&email, PASSWORD, &more).await;
    let code = reply.parameter("code").unwrap_or_else(|| panic!("{reply:?}"));
    (site.browser().token(&exchange(&code)).await.json(), browser)
}

/// A site whose client may ask for the scope.
async fn with_scope() -> Site {
    let site = site().await;
    site.change("UPDATE clients SET scopes = '[\"account\"]' WHERE id = 'proj_p'").await;
    site
}

/// A request with a token, as a program sends it.
async fn ask(site: &Site, method: Method, path: &str, token: &Value, body: Option<Value>) -> Reply {
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend(body.is_some().then_some(("content-type", "application/json")));
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    site.browser().send(method, path, &headers, body).await
}

#[orgate_testkit::both]
async fn a_token_with_the_scope_is_as_good_as_the_cookie_and_comes_from_nowhere() {
    let site = with_scope().await;
    let (tokens, _) = tokens(&site, "admin", "openid account", None).await;
    let token = &tokens["access_token"];
    for path in [
        "/v1/auth/session",
        "/v1/auth/me/organizations",
        "/v1/auth/me/invitations",
        ACME,
        "/p/proj_p/v1/auth/session",
    ] {
        let reply = ask(&site, Method::GET, path, token, None).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    }
    let body = json!({ "user_id": "usr_n", "role": "viewer" });
    let members = format!("{ACME}/members");
    let added = ask(&site, Method::POST, &members, token, Some(body.clone())).await;
    assert_eq!(added.status, 201, "no Origin is asked for: {}", added.text());
    let beyond = json!({ "user_id": "usr_x", "role": "admin" });
    refused(&ask(&site, Method::POST, &members, token, Some(beyond)).await, 403, "role_not_grantable");
    // A token of one project is nothing in another, and nothing is nobody.
    refused(&ask(&site, Method::GET, "/p/proj_q/v1/auth/session", token, None).await, 401, "unauthenticated");
    for wrong in [json!("x"), json!(""), json!("a.b.c"), json!(format!("{}x", token.as_str().unwrap()))] {
        refused(&ask(&site, Method::GET, "/v1/auth/session", &wrong, None).await, 401, "unauthenticated");
    }
}

#[orgate_testkit::both]
async fn an_ordinary_token_opens_nothing_here() {
    let site = site().await;
    // Who asks for the scope and may not have it gets a token without.
    let (ordinary, browser) = tokens(&site, "admin", "openid account", None).await;
    let token = &ordinary["access_token"];
    for (method, path) in [
        (Method::GET, "/v1/auth/session"),
        (Method::GET, "/v1/auth/me/organizations"),
        (Method::GET, "/v1/auth/me/export"),
        (Method::POST, "/v1/auth/logout"),
        (Method::DELETE, "/v1/auth/me"),
        (Method::GET, ACME),
    ] {
        refused(&ask(&site, method.clone(), path, token, None).await, 403, "forbidden");
        // The cookie beside it does not count.
        let bearer = format!("Bearer {}", token.as_str().unwrap());
        let reply = browser.send(method, path, &[("authorization", &bearer)], String::new()).await;
        refused(&reply, 403, "forbidden");
    }
    // A client that lost the scope takes it from the tokens that are out.
    site.change("UPDATE clients SET scopes = '[\"account\"]' WHERE id = 'proj_p'").await;
    let (good, _) = tokens(&site, "admin", "openid account", None).await;
    let good = &good["access_token"];
    assert_eq!(ask(&site, Method::GET, ACME, good, None).await.status, 200);
    site.change("UPDATE clients SET scopes = '[]' WHERE id = 'proj_p'").await;
    refused(&ask(&site, Method::GET, ACME, good, None).await, 403, "forbidden");
    // What is narrowed is without.
    site.change("UPDATE clients SET scopes = '[\"account\"]' WHERE id = 'proj_p'").await;
    let (good, _) = tokens(&site, "admin", "openid account", None).await;
    let narrow = site.browser().token(&and(refresh(&good), "scope", "openid")).await.json();
    refused(&ask(&site, Method::GET, ACME, &narrow["access_token"], None).await, 403, "forbidden");
}

#[orgate_testkit::both]
async fn a_token_reaches_its_own_organization_only_and_ends_with_its_session() {
    let site = with_scope().await;
    let (of_globex, browser) = tokens(&site, "d", "openid account", Some("org_globex")).await;
    let token = &of_globex["access_token"];
    assert_eq!(ask(&site, Method::GET, "/v1/auth/organizations/globex", token, None).await.status, 200);
    for (method, rest) in
        [(Method::GET, ""), (Method::GET, "/members"), (Method::POST, "/leave"), (Method::POST, "/switch")]
    {
        let path = format!("{ACME}{rest}");
        let absent = ask(&site, method.clone(), &path.replace("acme", "absent"), token, None).await;
        let other = ask(&site, method, &path, token, None).await;
        refused(&other, 404, "not_found");
        assert_eq!(other.text(), absent.text());
    }
    for org in [json!("acme"), Value::Null] {
        let reply = ask(&site, Method::PUT, SWITCHED, token, Some(json!({ "org_id": org }))).await;
        refused(&reply, 404, "not_found");
    }
    // No cookie comes of a token.
    let activate = "/v1/auth/organizations/globex/activate";
    refused(&ask(&site, Method::POST, activate, token, None).await, 403, "forbidden");
    let (own, _) = tokens(&site, "d", "openid account", None).await;
    assert_eq!(bare(&browser, Method::POST, "/v1/auth/logout").await.status, 204);
    refused(&ask(&site, Method::GET, "/v1/auth/session", token, None).await, 401, "unauthenticated");
    assert_eq!(ask(&site, Method::GET, "/v1/auth/session", &own["access_token"], None).await.status, 200);
    let fields = [
        ("token", own["refresh_token"].as_str().unwrap()),
        ("client_id", "proj_p"),
        ("client_secret", SECRET),
    ];
    assert_eq!(site.browser().form("/p/proj_p/revoke", &fields).await.status, 200);
    refused(
        &ask(&site, Method::GET, "/v1/auth/session", &own["access_token"], None).await,
        401,
        "unauthenticated",
    );
}

#[orgate_testkit::both]
async fn what_wants_a_fresh_sign_in_goes_by_that_of_the_token() {
    let site = with_scope().await;
    let (tokens, browser) = tokens(&site, "owner", "openid account", None).await;
    site.clock.advance(11 * 60_000);
    let later = site.browser().token(&refresh(&tokens)).await.json();
    let body = json!({ "member_id": "usr_admin" });
    let transfer = format!("{ACME}/transfer-ownership");
    let reply = ask(&site, Method::POST, &transfer, &later["access_token"], Some(body.clone())).await;
    refused(&reply, 403, "reauthentication_required");
    // The session is fresh again; the token still speaks of the sign-in before.
    let again = json!({ "email": "owner@example.com", "password": PASSWORD, "project": "proj_p" });
    assert_eq!(browser.json(Method::POST, "/v1/auth/login", &again).await.status, 200);
    let reply = ask(&site, Method::POST, &transfer, &later["access_token"], Some(body.clone())).await;
    refused(&reply, 403, "reauthentication_required");
    let (fresh, _) = self::tokens(&site, "owner", "openid account", None).await;
    let reply = ask(&site, Method::POST, &transfer, &fresh["access_token"], Some(body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}
