//! Every attack that RFC 9700 names, and those of the list of past vulnerabilities of other issuers, one row each. A row is
//! named by its section; what a row needs in more depth has a test of its own beside this list.

use super::{
    clients::{add, add_machine, form},
    *,
};
use crate::{clients::ClientKind, db::BoxFuture, testing::PASSWORD};

type Row = (&'static str, &'static str, for<'s> fn(&'s Site) -> BoxFuture<'s, ()>);

macro_rules! rows {
    ($($section:literal $what:literal $check:ident,)*) => {
        const ROWS: &[Row] = &[$(($section, $what, |site| Box::pin($check(site))),)*];
    };
}

rows! {
    "RFC 9700 2.1, 4.1, D1.4" "a redirect URI is compared as text" redirect_uris_are_compared_as_text,
    "RFC 9700 4.1.3" "only the port of a loopback address is free, and for public clients only" loopback_ports,
    "RFC 9700 2.1.1" "public clients need a proof key" public_clients_need_a_proof_key,
    "RFC 9700 2.1.1, 4.5" "an injected code lacks the verifier" injected_code,
    "RFC 9700 4.8" "the proof key cannot be taken away" proof_key_downgrade,
    "RFC 9700 2.1.2" "no token comes from the authorization endpoint" no_implicit_grant,
    "RFC 9700 2.2.1, 4.10" "a bound token is no bearer token" bound_tokens_say_so,
    "RFC 9700 2.2.2, 4.14" "a refresh token that comes back ends its family" refresh_reuse,
    "RFC 9700 2.3" "a token is for its audience" audience_is_restricted,
    "RFC 9700 2.4" "there is no password grant" no_password_grant,
    "RFC 9700 2.5, D1.11" "a client proves itself in one way, with its own secret" client_authentication,
    "RFC 9700 2.6" "metadata says what holds" metadata,
    "RFC 9700 4.2, 4.3" "no token in an address, and no address is told on" nothing_leaks_by_address,
    "RFC 9700 4.4, D1.5" "every answer says who gives it" mix_up,
    "RFC 9700 4.6" "an access token says whose and for whom it is, and the ID token which one it is" injected_token,
    "RFC 9700 4.7" "a sign-in belongs to the browser that began it" login_csrf,
    "RFC 9700 4.9, D1.9" "what a token says is read anew" rights_are_read_anew,
    "RFC 9700 4.11" "an error is never sent to an unknown address" no_open_redirect,
    "RFC 9700 4.12, D1.15" "a form is never sent on" no_form_is_sent_on,
    "RFC 9700 4.13" "what a proxy would write into headers is not believed" no_header_of_a_proxy_is_believed,
    "RFC 9700 4.15" "a machine's token is not a user's" machines_are_not_users,
    "RFC 9700 4.16" "no page can be framed" no_frames,
    "RFC 9700 4.17" "no answer by messages between windows" no_messages,
    "D1.1" "a code works once" code_once,
    "D1.2" "a code is for one client, one address and one minute" code_is_bound,
    "D1.3" "verifiers of the wrong length or alphabet" odd_verifiers,
    "D1.6" "response types, modes and requests that are not offered" not_offered,
    "D1.7" "the grace gives the same successor to the same client only" grace,
    "D1.8" "refreshes at once leave one token that works" refreshes_at_once,
    "D1.10" "an organization that is not the user's" foreign_organizations,
    "D1.12" "parameters twice, of the wrong type, by the wrong method" malformed_requests,
    "D1.13" "a revocation is always answered alike" revocation,
    "D1.14" "an introspection tells a stranger nothing" introspection,
    "D1.16" "what is not offered is not there" absent_endpoints,
    "D1.17" "keys show no private part and name their algorithm" key_hygiene,
}

#[orgate_testkit::both]
async fn every_attack_of_the_list_is_refused() {
    let site = site().await;
    add_machine(&site).await;
    add(&site, "app_second", ClientKind::Confidential, |client| {
        client.grants.push("client_credentials".to_owned())
    })
    .await;
    for (section, what, check) in ROWS {
        // The name of a row that panics is the last one printed.
        println!("{section}: {what}");
        check(&site).await;
    }
    let mut names: Vec<_> = ROWS.iter().map(|(section, what, _)| (section, what)).collect();
    names.dedup();
    println!("{} rows hold", names.len());
    assert_eq!(names.len(), 35);
}

/// The sections of RFC 9700 that say what an authorization server does, and the rows of the list of vulnerabilities.
#[test]
fn every_section_has_a_row() {
    let sections = [
        "2.1", "2.1.1", "2.1.2", "2.2.1", "2.2.2", "2.3", "2.4", "2.5", "2.6", "4.1", "4.1.3", "4.2", "4.3",
        "4.4", "4.5", "4.6", "4.7", "4.8", "4.9", "4.10", "4.11", "4.12", "4.13", "4.14", "4.15", "4.16",
        "4.17",
    ];
    let named: Vec<&str> = ROWS.iter().flat_map(|(sections, ..)| sections.split([' ', ','])).collect();
    let vulnerabilities = (1..=17).map(|row| format!("D1.{row}"));
    for section in sections.iter().map(|section| (*section).to_owned()).chain(vulnerabilities) {
        assert!(named.contains(&section.as_str()), "{section} has no row");
    }
}

const SPA: &str = "https://spa.example.com/cb";

fn spa(code: &str) -> Value {
    json!({ "grant_type": "authorization_code", "code": code, "client_id": "app_spa", "redirect_uri": SPA,
            "code_verifier": VERIFIER })
}

async fn code(site: &Site) -> String {
    site.browser().code("admin", None, "openid").await
}

async fn redirect_uris_are_compared_as_text(site: &Site) {
    let long = format!("{CALLBACK}?{}", "a".repeat(3_000));
    for uri in [
        "//evil.test",
        "\\\\evil.test",
        "http://127.0.0.1:3000/callback.evil.com",
        "http://127.0.0.1:3000@evil.test/callback",
        "http://a@127.0.0.1:3000/callback",
        "http://a@b@127.0.0.1:3000/callback",
        "http://127.0.0.1:3000/callback/..;/",
        "http://127.0.0.1:3000/callback/../x",
        "http://127.0.0.1:3000/callback?x=1",
        "http://127.0.0.1:3000/callback#x",
        "http://127.0.0.1:3000/Callback",
        "HTTP://127.0.0.1:3000/callback",
        "http://127.0.0.1:3001/callback",
        "http://127.0.0.1:3000%2fcallback",
        "http://127.0.0.1.:3000/callback",
        "http://localhost:3000/callback",
        "http://127.1:3000/callback",
        "https://127.0.0.1:3000/callback",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "",
        &long,
    ] {
        let reply = site.browser().authorize(&[("redirect_uri", uri)]).await;
        assert_eq!(reply.page_code().as_deref(), Some("invalid_redirect_uri"), "{uri}");
        assert!(reply.headers.get("location").is_none(), "{uri}");
    }
    let twice = format!(
        "/p/proj_p/authorize?response_type=code&client_id=proj_p&redirect_uri={CALLBACK}&redirect_uri={CALLBACK}"
    );
    assert_eq!(site.browser().get(&twice).await.page_code().as_deref(), Some("invalid_request"));
}

async fn loopback_ports(site: &Site) {
    let proof = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    let with = async |client: &str, uri: &str| {
        let mut fields = vec![("client_id", client), ("redirect_uri", uri)];
        fields.extend(proof);
        site.browser().authorize(&fields).await.headers.contains_key("location")
    };
    assert!(with("app_spa", "http://127.0.0.1:51004/cb").await);
    assert!(!with("app_spa", "http://localhost:51004/cb").await);
    assert!(!with("proj_p", "http://127.0.0.1:51004/callback").await);
}

async fn public_clients_need_a_proof_key(site: &Site) {
    let reply = code_with(site, "app_spa", &[("redirect_uri", SPA)]).await;
    assert_eq!(reply.parameter("error").as_deref(), Some("invalid_request"));
}

async fn injected_code(site: &Site) {
    let proof = [("redirect_uri", SPA), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    let stolen = code_with(site, "app_spa", &proof).await.parameter("code").unwrap();
    let other = and(spa(&stolen), "code_verifier", "b".repeat(43));
    assert_eq!(error(&site.browser().token(&other).await), "invalid_grant");
    let mut without = spa(&stolen);
    without.as_object_mut().unwrap().remove("code_verifier");
    assert_eq!(error(&site.browser().token(&without).await), "invalid_grant");
}

async fn proof_key_downgrade(site: &Site) {
    let bare = code(site).await;
    let reply = site.browser().token(&and(exchange(&bare), "code_verifier", VERIFIER)).await;
    assert_eq!(error(&reply), "invalid_grant");
    for method in ["plain", "s256", ""] {
        let fields = [("code_challenge", CHALLENGE), ("code_challenge_method", method)];
        let reply = site.browser().authorize(&fields).await;
        assert_eq!(reply.parameter("error").as_deref(), Some("invalid_request"), "{method}");
    }
}

async fn no_implicit_grant(site: &Site) {
    for kind in ["token", "id_token", "code token", "code id_token", "none", "CODE"] {
        let reply = site.browser().authorize(&[("response_type", kind)]).await;
        assert_eq!(reply.parameter("error").as_deref(), Some("unsupported_response_type"), "{kind}");
    }
}

async fn bound_tokens_say_so(site: &Site) {
    let document = site.browser().get("/p/proj_p/.well-known/openid-configuration").await.json();
    assert!(document["dpop_signing_alg_values_supported"].as_array().unwrap().contains(&json!("ES256")));
    let tokens = site.tokens("admin", None).await;
    let headers = [("authorization", &*format!("DPoP {}", tokens["access_token"].as_str().unwrap()))];
    let reply = site.browser().send(Method::GET, "/p/proj_p/userinfo", &headers, String::new()).await;
    assert_eq!(reply.status, 401);
}

async fn refresh_reuse(site: &Site) {
    let first = site.tokens("admin", None).await;
    let second = site.browser().token(&refresh(&first)).await.json();
    let third = site.browser().token(&refresh(&second)).await.json();
    assert_eq!(error(&site.browser().token(&refresh(&first)).await), "invalid_grant");
    assert_eq!(error(&site.browser().token(&refresh(&third)).await), "invalid_grant");
    let seen =
        form(site, "introspect", Some("proj_p"), &[("token", third["access_token"].as_str().unwrap())]).await;
    assert_eq!(seen.json()["active"], false, "the access tokens go too");
}

async fn audience_is_restricted(site: &Site) {
    let tokens = site.tokens("admin", None).await;
    assert_eq!(claims(&tokens["access_token"])["aud"], "demo-api");
    assert_eq!(claims(&tokens["id_token"])["aud"], "proj_p");
    let reply = site.browser().token(&and(refresh(&tokens), "resource", "https://evil.test/")).await;
    assert_eq!(error(&reply), "invalid_target");
}

async fn no_password_grant(site: &Site) {
    let body = json!({ "grant_type": "password", "username": "admin@example.com", "password": PASSWORD,
                       "client_id": "proj_p", "client_secret": SECRET });
    assert_eq!(error(&site.browser().token(&body).await), "unsupported_grant_type");
}

async fn client_authentication(site: &Site) {
    let body = json!({ "grant_type": "client_credentials" });
    let headers = |value: &'static str| [("content-type", "application/json"), ("authorization", value)];
    for (value, body) in [
        ("Basic cHJval9wOndyb25n", body.clone()),
        ("Basic cHJval9wOg==", body.clone()),
        ("Basic cHJval9wOiV6eg==", body.clone()),
        ("Basic !!!", body.clone()),
    ] {
        let reply =
            site.browser().send(Method::POST, "/p/proj_p/token", &headers(value), body.to_string()).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["error"]),
            (401, &json!("invalid_client")),
            "{value}"
        );
        assert!(reply.headers.contains_key("www-authenticate"));
    }
    for body in [
        and(body.clone(), "client_id", "proj_p"),
        and(and(body.clone(), "client_id", "proj_p"), "client_secret", ""),
    ] {
        assert_eq!(site.browser().token(&body).await.status, 401, "none is for public clients");
    }
    let two = and(body, "client_secret", SECRET);
    let headers = headers("Basic cHJval9wOnNlY3JldF9oZXJl");
    let reply = site.browser().send(Method::POST, "/p/proj_p/token", &headers, two.to_string()).await;
    assert_eq!(error(&reply), "invalid_request", "both at once");
}

async fn metadata(site: &Site) {
    let document = site.browser().get("/.well-known/oauth-authorization-server/p/proj_p").await.json();
    assert_eq!(document["issuer"], format!("{ORIGIN}/p/proj_p"));
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(document["response_types_supported"], json!(["code"]));
}

async fn nothing_leaks_by_address(site: &Site) {
    let browser = site.browser();
    let page = browser.get(&browser.authorize(&[]).await.location()).await;
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    assert_eq!(page.headers["cache-control"], "no-store");
    let tokens = site.tokens("admin", None).await;
    let token = tokens["access_token"].as_str().unwrap();
    let reply = site.browser().get(&format!("/p/proj_p/userinfo?access_token={token}")).await;
    assert_eq!(reply.status, 401, "a token in an address is none");
}

async fn mix_up(site: &Site) {
    let issuer = format!("{ORIGIN}/p/proj_p");
    let good = site.browser().login("admin@example.com", PASSWORD, &[]).await;
    let bad = site.browser().authorize(&[("response_type", "token")]).await;
    for reply in [good, bad] {
        assert_eq!(reply.parameter("iss").as_deref(), Some(issuer.as_str()));
        assert_eq!(reply.parameter("state").as_deref(), Some("st&1"));
    }
    let document = site.browser().get("/p/proj_p/.well-known/openid-configuration").await.json();
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
}

async fn login_csrf(site: &Site) {
    let (attacker, victim) = (site.browser(), site.browser());
    let request = attacker.authorize(&[]).await.parameter("request").unwrap();
    victim.authorize(&[]).await;
    let fields = [("email", "x@example.com"), ("password", PASSWORD), ("request", request.as_str())];
    let reply = victim.form("/p/proj_p/login", &fields).await;
    assert_eq!((reply.status.as_u16(), reply.page_code().as_deref()), (403, Some("csrf")));
    assert!(victim.cookie("orgate-proj_p").is_none());
}

async fn rights_are_read_anew(site: &Site) {
    let tokens = site.tokens("viewer", None).await;
    site.change("UPDATE memberships SET role_key = 'member' WHERE user_id = 'usr_viewer'").await;
    let next = site.browser().token(&refresh(&tokens)).await.json();
    assert_eq!(claims(&next["access_token"])["org_permissions"], json!(["read", "write"]));
    site.change("UPDATE memberships SET status = 'suspended' WHERE user_id = 'usr_viewer'").await;
    assert_eq!(error(&site.browser().token(&refresh(&next)).await), "invalid_target");
    site.change("UPDATE memberships SET status = 'active', role_key = 'viewer' WHERE user_id = 'usr_viewer'")
        .await;
    site.change("UPDATE users SET status = 'suspended' WHERE id = 'usr_viewer'").await;
    assert_eq!(error(&site.browser().token(&refresh(&next)).await), "invalid_grant");
    site.change("UPDATE users SET status = 'active'").await;
    let wider = and(refresh(&next), "scope", "openid email");
    assert_eq!(error(&site.browser().token(&wider).await), "invalid_scope");
    assert_eq!(site.browser().token(&refresh(&next)).await.status, 200, "nothing of that rotated it");
}

async fn no_open_redirect(site: &Site) {
    for fields in [
        [("client_id", "proj_unknown"), ("redirect_uri", "https://evil.test/")],
        [("client_id", "proj_p"), ("redirect_uri", "https://evil.test/")],
    ] {
        let reply = site.browser().authorize(&fields).await;
        assert!(reply.status == 400 && reply.headers.get("location").is_none());
    }
    let reply = site.browser().get("/p/proj_p/logout?post_logout_redirect_uri=https://evil.test/").await;
    assert!(reply.status == 400 && reply.headers.get("location").is_none());
}

async fn no_form_is_sent_on(site: &Site) {
    let reply = site.browser().login("admin@example.com", PASSWORD, &[]).await;
    assert_eq!(reply.status, 303);
    let tokens = site.browser().token(&exchange(&reply.parameter("code").unwrap())).await;
    assert_eq!(tokens.headers["cache-control"], "no-store");
}

async fn machines_are_not_users(site: &Site) {
    let fields = [("grant_type", "client_credentials")];
    let token = form(site, "token", Some("app_robot"), &fields).await.json()["access_token"].clone();
    let headers = [("authorization", &*format!("Bearer {}", token.as_str().unwrap()))];
    let reply = site.browser().send(Method::GET, "/p/proj_p/userinfo", &headers, String::new()).await;
    assert_eq!(reply.status, 403);
    let openid = form(site, "token", Some("app_robot"), &[fields[0], ("scope", "openid")]).await;
    assert_eq!(error(&openid), "invalid_scope");
}

async fn no_frames(site: &Site) {
    let browser = site.browser();
    let login = browser.get(&browser.authorize(&[]).await.location()).await;
    let device = browser.get("/p/proj_p/device").await;
    let fields = [
        ("request", &*browser.authorize(&[]).await.parameter("request").unwrap()),
        ("email", "d@example.com"),
        ("password", PASSWORD),
    ];
    let picker = browser.form("/p/proj_p/login", &fields).await.location();
    let picker = browser.get(&picker).await;
    let logout = browser.get("/p/proj_p/logout").await;
    for page in [login, device, picker, logout] {
        assert_eq!(page.status, 200);
        assert_eq!(page.headers["x-frame-options"], "DENY");
        assert!(page.headers["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
    }
}

async fn code_once(site: &Site) {
    let code = code(site).await;
    let tokens = site.browser().token(&exchange(&code)).await.json();
    assert_eq!(error(&site.browser().token(&exchange(&code)).await), "invalid_grant");
    assert_eq!(error(&site.browser().token(&refresh(&tokens)).await), "invalid_grant");
    let seen =
        form(site, "introspect", Some("proj_p"), &[("token", tokens["access_token"].as_str().unwrap())])
            .await;
    assert_eq!(seen.json()["active"], false);
}

async fn code_is_bound(site: &Site) {
    let code = code(site).await;
    for body in [
        and(exchange(&code), "client_id", "app_second"),
        and(exchange(&code), "redirect_uri", "http://127.0.0.1:3000/callback?"),
        and(exchange(&code), "code", format!("{code}x")),
    ] {
        assert_eq!(error(&site.browser().token(&body).await), "invalid_grant");
    }
    let mut without = exchange(&code);
    without.as_object_mut().unwrap().remove("redirect_uri");
    assert_eq!(error(&site.browser().token(&without).await), "invalid_request");
    site.clock.advance(60_000);
    assert_eq!(error(&site.browser().token(&exchange(&code)).await), "invalid_grant");
}

async fn odd_verifiers(site: &Site) {
    let proof = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    let code = code_with(site, "proj_p", &proof).await.parameter("code").unwrap();
    for verifier in ["", &"a".repeat(42), &"a".repeat(129), &"é".repeat(43), &" ".repeat(43), CHALLENGE] {
        let reply = site.browser().token(&and(exchange(&code), "code_verifier", verifier)).await;
        assert_eq!(error(&reply), "invalid_grant", "{verifier}");
    }
    assert_eq!(site.browser().token(&and(exchange(&code), "code_verifier", VERIFIER)).await.status, 200);
}

async fn not_offered(site: &Site) {
    for (fields, expected) in [
        ([("response_mode", "form_post")], "invalid_request"),
        ([("response_mode", "fragment")], "invalid_request"),
        ([("request", "a.b.c")], "request_not_supported"),
        ([("request_uri", "https://evil.test/r")], "request_uri_not_supported"),
        ([("prompt", "none")], "login_required"),
    ] {
        let reply = site.browser().authorize(&fields).await;
        assert_eq!(reply.parameter("error").as_deref(), Some(expected), "{fields:?}");
    }
}

/// An answer comes by a redirect to a registered address and in no other way; the pages say nothing to other windows.
async fn no_messages(site: &Site) {
    for mode in ["web_message", "web_message.opener", "fragment.jwt"] {
        let reply = site.browser().authorize(&[("response_mode", mode)]).await;
        assert_eq!(reply.parameter("error").as_deref(), Some("invalid_request"), "{mode}");
    }
    let browser = site.browser();
    let started = browser.authorize(&[]).await;
    let request = started.parameter("request").unwrap();
    for page in ["login", "signup", "passkey"] {
        let shown = browser.get(&format!("/p/proj_p/{page}?request={request}")).await;
        assert!(!shown.text().contains("postMessage"), "{page}");
        assert_eq!(shown.headers["cross-origin-opener-policy"], "same-origin", "{page}");
    }
}

/// An application that gets a token by another way than its own code can tell: by `client_id`, by `aud`, and by the hash in
/// the ID token. There is no way of ours but the code.
async fn injected_token(site: &Site) {
    let tokens = site.tokens("admin", None).await;
    let (access, id) = (claims(&tokens["access_token"]), claims(&tokens["id_token"]));
    assert_eq!(access["client_id"], "proj_p");
    assert!(access["aud"].to_string().contains("\"demo-api\""), "{access}");
    assert_eq!(id["aud"], "proj_p");
    let token = tokens["access_token"].as_str().unwrap();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    assert_eq!(id["at_hash"], crate::encoding::base64url(&hash.as_ref()[..16]));
}

async fn no_header_of_a_proxy_is_believed(site: &Site) {
    let headers = [
        ("host", "evil.test"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "host=evil.test;proto=https"),
        ("x-forwarded-prefix", "/evil"),
        ("x-ssl-client-cert", "evil"),
    ];
    let metadata = "/p/proj_p/.well-known/openid-configuration";
    let reply = site.browser().send(Method::GET, metadata, &headers, String::new()).await;
    assert_eq!(reply.json()["issuer"], format!("{ORIGIN}/p/proj_p"));
    assert!(!reply.text().contains("evil"), "{}", reply.text());
    let begin = "/p/proj_p/authorize?response_type=code&client_id=proj_p&redirect_uri=http%3A%2F%2F127.0.0.1%3A3000%2Fcallback";
    let reply = site.browser().send(Method::GET, begin, &headers, String::new()).await;
    assert!(reply.location().starts_with(&format!("{ORIGIN}/p/proj_p/login")), "{}", reply.location());
}

async fn refreshes_at_once(site: &Site) {
    let tokens = site.tokens("admin", None).await;
    let browser = site.browser();
    let body = refresh(&tokens);
    let (a, b, c, d) =
        tokio::join!(browser.token(&body), browser.token(&body), browser.token(&body), browser.token(&body));
    let next: Vec<Value> = [a, b, c, d].iter().map(|reply| reply.json()["refresh_token"].clone()).collect();
    assert!(next.iter().all(|one| one.is_string() && *one == next[0]), "{next:?}");
    assert_eq!(site.browser().token(&refresh(&json!({ "refresh_token": next[0] }))).await.status, 200);
}

async fn grace(site: &Site) {
    let first = site.tokens("admin", None).await;
    let second = site.browser().token(&refresh(&first)).await.json();
    let again = site.browser().token(&refresh(&first)).await.json();
    assert_eq!(again["refresh_token"], second["refresh_token"]);
    let other = site.browser().token(&and(refresh(&first), "client_id", "app_second")).await;
    assert_eq!(error(&other), "invalid_grant");
    assert_eq!(site.browser().token(&refresh(&second)).await.status, 200, "a stranger ends nothing");
}

async fn foreign_organizations(site: &Site) {
    let tokens = site.tokens("x", None).await;
    for org in ["org_acme", "acme", "org_none", "ACME", "globex,acme", "*"] {
        let reply = site.browser().token(&and(refresh(&tokens), "org_id", org)).await;
        assert_eq!(error(&reply), "invalid_target", "{org}");
        let reply = site.browser().login("x@example.com", PASSWORD, &[("org_id", org)]).await;
        assert_eq!(reply.parameter("error").as_deref(), Some("invalid_target"), "{org}");
    }
    for org in [json!(["org_globex"]), json!(1), json!({})] {
        let reply = site.browser().token(&and(refresh(&tokens), "org_id", org)).await;
        assert_eq!(error(&reply), "invalid_request");
    }
    let two =
        "/p/proj_p/authorize?response_type=code&client_id=proj_p&org_id=acme&org_id=globex&redirect_uri=";
    assert_eq!(
        site.browser().get(&format!("{two}{CALLBACK}")).await.page_code().as_deref(),
        Some("invalid_request")
    );
    assert_eq!(site.browser().token(&refresh(&tokens)).await.json()["org_id"], "org_globex");
}

async fn malformed_requests(site: &Site) {
    let send = async |path: &str, kind: &str, body: &str| {
        site.browser().send(Method::POST, path, &[("content-type", kind)], body.to_owned()).await
    };
    for endpoint in ["token", "introspect", "revoke", "par"] {
        let path = format!("/p/proj_p/{endpoint}");
        for (kind, body) in [
            ("application/x-www-form-urlencoded", "client_id=proj_p&client_id=proj_p"),
            ("application/json", r#"{"client_id":"proj_p","client_id":"proj_p"}"#),
            ("application/json", r#"{"grant_type":["x"],"client_id":"proj_p"}"#),
            ("multipart/form-data; boundary=x", "--x--"),
            ("", "client_id=proj_p"),
        ] {
            assert_eq!(error(&send(&path, kind, body).await), "invalid_request", "{path} {body}");
        }
        assert_eq!(site.browser().get(&path).await.json()["error"], "invalid_request");
        let large = send(&path, "application/x-www-form-urlencoded", &"x".repeat(70_000)).await;
        assert_eq!(large.status, 413);
    }
}

async fn revocation(site: &Site) {
    let tokens = site.tokens("admin", None).await;
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    for (client, token) in [("app_second", refresh_token), ("proj_p", "x"), ("proj_p", "")] {
        let reply = form(site, "revoke", Some(client), &[("token", token)]).await;
        assert_eq!(reply.status, if token.is_empty() { 400 } else { 200 });
    }
    let tokens = site.browser().token(&refresh(&tokens)).await.json();
    for _ in 0..2 {
        let fields = [("token", tokens["refresh_token"].as_str().unwrap())];
        assert_eq!(form(site, "revoke", Some("proj_p"), &fields).await.status, 200);
    }
    assert_eq!(error(&site.browser().token(&refresh(&tokens)).await), "invalid_grant");
}

async fn introspection(site: &Site) {
    let tokens = site.tokens("admin", None).await;
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    for (client, token) in [
        ("app_second", refresh_token),
        ("proj_p", refresh_token.split_at(30).0),
        ("proj_p", "ort_"),
        ("proj_p", "a.b.c"),
    ] {
        let reply = form(site, "introspect", Some(client), &[("token", token)]).await;
        assert_eq!(reply.json(), json!({ "active": false }), "{client} {token}");
    }
}

async fn absent_endpoints(site: &Site) {
    for path in ["register", "clients", "ciba", "bc-authorize", "request", "check_session", "fapi"] {
        assert_eq!(site.browser().get(&format!("/p/proj_p/{path}")).await.status, 404, "{path}");
        assert_eq!(site.browser().form(&format!("/p/proj_p/{path}"), &[]).await.status, 404, "{path}");
    }
}

async fn key_hygiene(site: &Site) {
    let set = site.browser().get("/p/proj_p/jwks.json").await.json();
    let mut kids = std::collections::HashSet::new();
    for key in set["keys"].as_array().unwrap() {
        assert!(["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().all(|part| key.get(part).is_none()));
        assert!(key["alg"].is_string() && key["use"] == "sig" && kids.insert(key["kid"].to_string()));
    }
}
