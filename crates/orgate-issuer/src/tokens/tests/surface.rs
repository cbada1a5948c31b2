//! What can be seen from outside: metadata, the disk, and answers to what cannot be read.

use super::*;

#[orgate_testkit::both]
async fn both_discovery_documents_say_what_exists() {
    let site = site().await;
    let one = site.browser().get("/p/proj_p/.well-known/openid-configuration").await;
    let other = site.browser().get("/.well-known/oauth-authorization-server/p/proj_p").await;
    assert_eq!(one.body, other.body);
    let document = one.json();
    let issuer = format!("{ORIGIN}/p/proj_p");
    assert_eq!(document["issuer"], issuer);
    assert_eq!(document["jwks_uri"], format!("{issuer}/jwks.json"));
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["RS256"]));
    assert_eq!(site.browser().get("/p/proj_none/.well-known/openid-configuration").await.status, 404);
    for (name, value) in document.as_object().unwrap() {
        if let Some(url) = value.as_str().filter(|_| name.ends_with("_endpoint") || name == "jwks_uri") {
            assert!(url.starts_with(&format!("{issuer}/")), "{name}");
            assert_ne!(site.browser().get(url).await.status, 404, "{name}");
        }
    }
}

#[orgate_testkit::both]
async fn the_metadata_is_complete_and_true() {
    let site = site().await;
    let document = site.browser().get("/p/proj_p/.well-known/openid-configuration").await.json();
    let text = serde_json::to_string_pretty(&document).unwrap();
    insta::assert_snapshot!("metadata", text);
    // What is listed exists, and what is not listed is refused.
    for grant in document["grant_types_supported"].as_array().unwrap() {
        let body = json!({ "grant_type": grant, "client_id": "proj_p", "client_secret": SECRET });
        let reply = site.browser().token(&body).await;
        assert_ne!(reply.json()["error"], "unsupported_grant_type", "{grant}");
    }
    for grant in ["password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer"] {
        let body = json!({ "grant_type": grant, "client_id": "proj_p", "client_secret": SECRET });
        assert_eq!(error(&site.browser().token(&body).await), "unsupported_grant_type", "{grant}");
    }
}

#[orgate_testkit::both]
async fn the_disk_holds_nothing_that_opens_anything() {
    let site = site().await;
    let browser = site.browser();
    let code = browser.code("admin", None, "openid").await;
    let unused = site.browser().code("admin", None, "openid").await;
    let tokens = browser.token(&exchange(&code)).await.json();
    let session = browser.cookie("orgate-proj_p").unwrap();
    browser.operator("ops@example.com").await;
    let operator = browser.cookie("session").unwrap();
    let disk = site.disk();
    assert!(disk.len() > 10_000);
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    for secret in [
        &code,
        &unused,
        &session,
        &operator,
        refresh_token,
        refresh_token.strip_prefix("ort_").unwrap(),
        SECRET,
        "PRIVATE KEY",
    ]
    .into_iter()
    .chain([tokens["access_token"].as_str().unwrap(), crate::testing::PASSWORD])
    {
        assert!(!disk.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
}

#[orgate_testkit::both]
async fn unknown_members_of_any_type_are_ignored() {
    let site = site().await;
    let code = site.browser().code("x", None, "").await;
    let mut body = exchange(&code);
    for (name, value) in
        [("a", json!(1)), ("b", json!([{}])), ("c", json!({ "d": null })), ("e", json!(true))]
    {
        body[name] = value;
    }
    for known in ["code", "scope", "organization", "client_secret"] {
        let reply = site.browser().token(&and(body.clone(), known, 1)).await;
        assert_eq!(error(&reply), "invalid_request", "{known}");
    }
    let reply = site.browser().token(&body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[orgate_testkit::both]
async fn what_is_too_large_is_refused_in_the_form_of_the_endpoint() {
    let site = site().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let send = async |path: &str| site.browser().send(Method::POST, path, &form, "x".repeat(70_000)).await;
    for path in ["/p/proj_p/token", "/api/platform/token"] {
        let reply = send(path).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["error"]),
            (413, &json!("invalid_request")),
            "{path}"
        );
        assert_eq!(reply.headers["cache-control"], "no-store");
    }
    for path in ["/p/proj_p/login", "/p/proj_p/organizations/choose", "/setup/x"] {
        let reply = send(path).await;
        assert_eq!((reply.status.as_u16(), reply.page_code().as_deref()), (413, Some("too_large")), "{path}");
    }
}

#[orgate_testkit::both]
async fn a_path_that_is_no_text_is_refused_in_the_form_of_the_endpoint() {
    let site = site().await;
    let post = [("content-type", "application/json")];
    let reply = site.browser().send(Method::POST, "/p/%FF/token", &post, "{}".to_owned()).await;
    assert_eq!((reply.status.as_u16(), error(&reply)), (400, json!("invalid_request")));
    for path in ["/p/%FF/authorize", "/p/%FF/login", "/p/%FF/organizations/choose", "/setup/%FF"] {
        let reply = site.browser().get(path).await;
        assert_eq!(
            (reply.status.as_u16(), reply.page_code().as_deref()),
            (400, Some("invalid_request")),
            "{path}"
        );
    }
    for path in ["/p/%FF/v1/auth/session", "/p/%FF/jwks.json", "/api/platform/projects/%FF"] {
        let reply = site.browser().get(path).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (400, json!("bad_request")), "{path}");
        assert_eq!(reply.headers["content-type"], "application/problem+json");
    }
}
