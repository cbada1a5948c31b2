//! Ways to a token with more than one step: pushed requests, devices, and the way out.

use super::{
    clients::{add, form},
    *,
};
use crate::{
    clients::{ClientKind, DEVICE_CODE},
    testing::{Browser, PASSWORD},
};

#[orgate_testkit::both]
async fn a_pushed_request_is_taken_once_and_by_its_client() {
    let site = site().await;
    add(&site, "app_par", ClientKind::Confidential, |client| client.require_par = true).await;
    let asked = [
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("state", "pushed"),
        ("scope", "openid"),
        ("org_id", "acme"),
    ];
    let reply = form(&site, "par", Some("app_par"), &asked).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["expires_in"]), (201, &json!(60)), "{}", reply.text());
    assert_eq!(reply.headers["cache-control"], "no-store");
    let uri = reply.json()["request_uri"].as_str().unwrap().to_owned();
    assert!(uri.starts_with("urn:ietf:params:oauth:request_uri:"));
    let begin = async |client: &str, uri: &str| {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("client_id", client), ("request_uri", uri)])
            .finish();
        site.browser().get(&format!("/p/proj_p/authorize?{query}")).await
    };
    assert_eq!(begin("proj_p", &uri).await.page_code().as_deref(), Some("request_expired"), "not its own");
    let browser = site.browser();
    let query = form_urlencoded::byte_serialize(uri.as_bytes()).collect::<String>();
    let started = browser
        .get(&format!("/p/proj_p/authorize?client_id=app_par&request_uri={query}&state=other&redirect_uri=x"))
        .await;
    let request = started.parameter("request").unwrap();
    let fields = [("email", "admin@example.com"), ("password", PASSWORD), ("request", &request)];
    let back = browser.form("/p/proj_p/login", &fields).await;
    assert_eq!(back.parameter("state").as_deref(), Some("pushed"), "nothing from the link counts");
    let code = back.parameter("code").unwrap();
    let tokens = site.browser().token(&and(exchange(&code), "client_id", "app_par")).await.json();
    assert_eq!(tokens["org_id"], "org_acme");
    assert_eq!(begin("app_par", &uri).await.page_code().as_deref(), Some("request_expired"), "twice");
    let bare = code_with(&site, "app_par", &[]).await;
    assert_eq!(bare.parameter("error").as_deref(), Some("invalid_request"), "it must push");

    let late = form(&site, "par", Some("app_par"), &asked).await.json();
    site.clock.advance(60_000);
    let late = begin("app_par", late["request_uri"].as_str().unwrap()).await;
    assert_eq!(late.page_code().as_deref(), Some("request_expired"));
}

#[orgate_testkit::both]
async fn a_pushed_request_is_judged_at_once() {
    let site = site().await;
    let good = [("response_type", "code"), ("redirect_uri", CALLBACK)];
    for (change, expected) in [
        (("redirect_uri", "https://evil.test/"), "invalid_request"),
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("request_uri", "urn:ietf:params:oauth:request_uri:x"), "request_uri_not_supported"),
        (("request", "x.y.z"), "request_not_supported"),
        (("resource", "https://evil.test/"), "invalid_target"),
    ] {
        let mut fields = good.to_vec();
        fields.retain(|(name, _)| *name != change.0);
        fields.push(change);
        assert_eq!(error(&form(&site, "par", Some("proj_p"), &fields).await), expected, "{change:?}");
    }
    let mut wrong = good.to_vec();
    wrong.extend([("client_id", "proj_p"), ("client_secret", "wrong")]);
    assert_eq!(form(&site, "par", None, &wrong).await.status, 401);
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM pushed_requests").await, 0);
}

async fn device(site: &Site) -> Value {
    let fields = [("client_id", "app_tv"), ("scope", "openid email")];
    let reply = form(site, "device_authorization", None, &fields).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn poll(site: &Site, device: &Value) -> Reply {
    let code = device["device_code"].as_str().unwrap();
    let fields = [("grant_type", DEVICE_CODE), ("client_id", "app_tv"), ("device_code", code)];
    form(site, "token", None, &fields).await
}

async fn tv(site: &Site) {
    add(site, "app_tv", ClientKind::Public, |client| {
        client.grants = vec![DEVICE_CODE.to_owned(), "refresh_token".to_owned()];
        client.redirect_uris = Vec::new();
    })
    .await;
}

/// The page that asks the person, after the code was entered.
async fn entered(browser: &Browser, device: &Value) -> (Reply, String) {
    let code = device["user_code"].as_str().unwrap().to_lowercase().replace('-', " ");
    let page = browser.form("/p/proj_p/device", &[("user_code", &code)]).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let text = page.text();
    let handle =
        text.split_once("name=\"request\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    (page, handle)
}

#[orgate_testkit::both]
async fn a_device_is_signed_in_by_a_person_somewhere_else() {
    let site = site().await;
    tv(&site).await;
    let started = device(&site).await;
    assert_eq!((&started["expires_in"], &started["interval"]), (&json!(600), &json!(5)));
    assert_eq!(error(&poll(&site, &started).await), "authorization_pending");
    assert_eq!(error(&poll(&site, &started).await), "slow_down");
    site.clock.advance(5_000);
    assert_eq!(error(&poll(&site, &started).await), "slow_down", "five seconds more than before");
    site.clock.advance(15_000);
    assert_eq!(error(&poll(&site, &started).await), "authorization_pending");

    let browser = site.browser();
    let prefilled = browser.get(started["verification_uri_complete"].as_str().unwrap()).await;
    assert!(prefilled.text().contains(started["user_code"].as_str().unwrap()), "{}", prefilled.text());
    let (page, handle) = entered(&browser, &started).await;
    assert!(page.text().contains("The app_tv"), "the person sees which application it is");
    let yes = [("request", handle.as_str()), ("decision", "approve")];
    let login = browser.form("/p/proj_p/device/confirm", &yes).await;
    assert!(login.location().contains("/login?request="), "{}", login.location());
    let fields = [("email", "d@example.com"), ("password", PASSWORD), ("request", &handle)];
    let picker = browser.form("/p/proj_p/login", &fields).await;
    let done = browser.pick(&picker, "org_globex").await;
    assert_eq!(done.page_code().as_deref(), Some("device_approved"), "{}", done.text());
    assert!(done.headers.get("location").is_none());

    let reply = poll(&site, &started).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let tokens = reply.json();
    assert_eq!((&tokens["org_id"], &tokens["scope"]), (&json!("org_globex"), &json!("openid email")));
    assert_eq!(claims(&tokens["id_token"])["email"], "d@example.com");
    assert_eq!(error(&poll(&site, &started).await), "invalid_grant", "once");
    let refresh = json!({ "grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": "app_tv" });
    assert_eq!(site.browser().token(&refresh).await.json()["org_id"], "org_globex");
}

#[orgate_testkit::both]
async fn a_person_who_is_signed_in_only_says_yes_or_no() {
    let site = site().await;
    tv(&site).await;
    let browser = site.browser();
    browser.code("admin", None, "").await;
    let (yes, no) = (device(&site).await, device(&site).await);
    for (device, decision, page) in [(&yes, "approve", "device_approved"), (&no, "deny", "device_denied")] {
        let (_, handle) = entered(&browser, device).await;
        let fields = [("request", handle.as_str()), ("decision", decision)];
        let done = browser.form("/p/proj_p/device/confirm", &fields).await;
        assert_eq!(done.page_code().as_deref(), Some(page));
        let again = browser.form("/p/proj_p/device/confirm", &fields).await;
        assert_eq!(again.page_code().as_deref(), Some("request_expired"));
    }
    assert_eq!(poll(&site, &yes).await.json()["org_id"], "org_acme");
    assert_eq!(error(&poll(&site, &no).await), "access_denied");
}

#[orgate_testkit::both]
async fn no_foreign_page_signs_a_device_in() {
    let site = site().await;
    tv(&site).await;
    let started = device(&site).await;
    let victim = site.browser();
    victim.code("admin", None, "").await;
    let code = started["user_code"].as_str().unwrap();
    let form_type = ("content-type", "application/x-www-form-urlencoded");
    let cross = [form_type, ("sec-fetch-site", "cross-site")];
    let body = format!("user_code={code}");
    let reply = victim.send(Method::POST, "/p/proj_p/device", &cross, body).await;
    assert_eq!(reply.page_code().as_deref(), Some("csrf"));
    // A handle from the attacker's own browser does not work in the victim's.
    let (_, handle) = entered(&site.browser(), &started).await;
    let yes = [("request", handle.as_str()), ("decision", "approve")];
    let reply = victim.form("/p/proj_p/device/confirm", &yes).await;
    assert_eq!(reply.page_code().as_deref(), Some("csrf"));
    assert_eq!(error(&poll(&site, &started).await), "authorization_pending");

    let unknown = victim.form("/p/proj_p/device", &[("user_code", "BBBB-BBBB")]).await;
    assert_eq!((unknown.status.as_u16(), unknown.page_code().as_deref()), (400, Some("unknown_user_code")));
    let other = [("grant_type", DEVICE_CODE), ("device_code", started["device_code"].as_str().unwrap())];
    assert_eq!(error(&form(&site, "token", Some("proj_p"), &other).await), "unauthorized_client");
    assert_eq!(error(&form(&site, "device_authorization", Some("proj_p"), &[]).await), "unauthorized_client");
    site.clock.advance(600_000);
    assert_eq!(error(&poll(&site, &started).await), "expired_token");
    let late = victim.form("/p/proj_p/device", &[("user_code", code)]).await;
    assert_eq!(late.page_code().as_deref(), Some("unknown_user_code"));
}

/// RFC 8628 §5.1: codes are short, so nobody may try many of them. Right ones do not count, and no network is shut out
/// because of another.
#[orgate_testkit::both]
async fn nobody_guesses_the_codes_of_devices() {
    let site = site().await;
    tv(&site).await;
    let started = device(&site).await;
    let right = started["user_code"].as_str().unwrap();
    let enter = async |peer: &str, code: &str| {
        site.browser_from(peer).form("/p/proj_p/device", &[("user_code", code)]).await
    };
    for _ in 0..25 {
        assert_eq!(enter("192.0.2.7", right).await.status, 200);
    }
    for _ in 0..20 {
        assert_eq!(enter("192.0.2.7", "BBBB-BBBB").await.status, 400);
    }
    let late = enter("192.0.2.7", right).await;
    assert_eq!((late.status.as_u16(), late.page_code().as_deref()), (429, Some("rate_limited")));
    assert_eq!(late.headers["retry-after"], "16");
    assert_eq!(enter("192.0.2.8", right).await.status, 200);
    site.clock.advance(16_000);
    assert_eq!(enter("192.0.2.7", right).await.status, 200);
}

const AFTER: &str = "http://127.0.0.1:3000/signed-out";

/// A browser that is signed in at an application which wants to hear of its end; and the tokens.
async fn signed_in(site: &Site) -> (Browser, Value) {
    add(site, "app_out", ClientKind::Confidential, |client| {
        client.post_logout_redirect_uris = vec![AFTER.to_owned()];
        client.backchannel_logout_uri = Some("http://127.0.0.1:1/logout".to_owned());
    })
    .await;
    let browser = site.browser();
    let fields = [("client_id", "app_out"), ("scope", "openid")];
    let code = browser.login("admin@example.com", PASSWORD, &fields).await.parameter("code").unwrap();
    let tokens = browser.token(&and(exchange(&code), "client_id", "app_out")).await.json();
    (browser, tokens)
}

async fn log_out(browser: &Browser, fields: &[(&str, &str)]) -> Reply {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    browser.get(&format!("/p/proj_p/logout?{query}")).await
}

#[orgate_testkit::both]
async fn the_id_token_of_the_session_ends_it_without_a_question() {
    let site = site().await;
    let (browser, tokens) = signed_in(&site).await;
    let hint = tokens["id_token"].as_str().unwrap();
    site.clock.advance(400_000);
    let fields = [("id_token_hint", hint), ("post_logout_redirect_uri", AFTER), ("state", "a b")];
    let reply = log_out(&browser, &fields).await;
    assert_eq!((reply.status.as_u16(), reply.location()), (303, format!("{AFTER}?state=a+b")));
    assert_eq!(browser.get("/v1/auth/session").await.status, 401);
    let refresh = and(refresh(&tokens), "client_id", "app_out");
    assert_eq!(error(&site.browser().token(&refresh).await), "invalid_grant");
    assert_eq!(
        site.count("SELECT COUNT(*) AS n FROM logout_deliveries").await,
        1,
        "the application will hear"
    );
    // Once more: there is nothing left to end, and the way on is the same.
    assert_eq!(log_out(&browser, &fields).await.location(), format!("{AFTER}?state=a+b"));
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM logout_deliveries").await, 1);
}

#[orgate_testkit::both]
async fn without_a_hint_the_person_is_asked() {
    let site = site().await;
    let (browser, _) = signed_in(&site).await;
    let page = log_out(&browser, &[("client_id", "app_out"), ("post_logout_redirect_uri", AFTER)]).await;
    assert_eq!(page.status, 200);
    assert_eq!(browser.get("/v1/auth/session").await.status, 200, "a link alone ends nothing");
    let text = page.text();
    let word = text.split_once("name=\"confirm\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    let fields = [("client_id", "app_out"), ("post_logout_redirect_uri", AFTER), ("confirm", word.as_str())];
    let linked = log_out(&browser, &fields).await;
    assert_eq!(linked.status, 200, "not by a link either");
    let wrong = browser.form("/p/proj_p/logout", &[("confirm", "x")]).await;
    assert_eq!(wrong.status, 200);
    assert_eq!(browser.get("/v1/auth/session").await.status, 200);
    let done = browser.form("/p/proj_p/logout", &fields).await;
    assert_eq!(done.location(), AFTER);
    assert_eq!(browser.get("/v1/auth/session").await.status, 401);
    let nothing = log_out(&browser, &[]).await;
    assert_eq!(nothing.page_code().as_deref(), Some("signed_out"));
}

#[orgate_testkit::both]
async fn the_browser_is_sent_to_registered_addresses_only() {
    let site = site().await;
    let (browser, tokens) = signed_in(&site).await;
    let hint = tokens["id_token"].as_str().unwrap();
    let forged = format!("{}x", hint.split_at(hint.len() - 1).0);
    for (fields, code) in [
        (vec![("post_logout_redirect_uri", AFTER)], "invalid_redirect_uri"),
        (vec![("client_id", "app_out"), ("post_logout_redirect_uri", CALLBACK)], "invalid_redirect_uri"),
        (
            vec![("client_id", "app_out"), ("post_logout_redirect_uri", "http://127.0.0.1:3000/signed-out/")],
            "invalid_redirect_uri",
        ),
        (vec![("client_id", "proj_q"), ("post_logout_redirect_uri", AFTER)], "unknown_client"),
        (vec![("client_id", "proj_p"), ("id_token_hint", hint)], "invalid_request"),
        (vec![("id_token_hint", "x")], "invalid_request"),
        (vec![("id_token_hint", &forged)], "invalid_request"),
        (vec![("id_token_hint", tokens["access_token"].as_str().unwrap())], "invalid_request"),
    ] {
        let reply = log_out(&browser, &fields).await;
        assert_eq!(reply.page_code().as_deref(), Some(code), "{fields:?}");
        assert!(reply.headers.get("location").is_none());
    }
    assert_eq!(browser.get("/v1/auth/session").await.status, 200, "none of that ended the session");
    // The hint of somebody else's session asks first.
    let other = site.browser();
    other.code("member", None, "").await;
    assert_eq!(log_out(&other, &[("id_token_hint", hint)]).await.status, 200);
    assert_eq!(other.get("/v1/auth/session").await.status, 200);
}
