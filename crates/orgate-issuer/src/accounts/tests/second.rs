//! A second factor: added, shown, lost, removed; and applications that ask for it.

use super::*;
use crate::{
    factors::totp::Secret,
    testing::{claims, exchange},
};

async fn login(browser: &Browser, name: &str) -> Reply {
    post(browser, "login", &json!({ "email": format!("{name}@example.com"), "password": PASSWORD })).await
}

/// A user with an authenticator application: the application, the recovery codes and the browser.
async fn enrolled(site: &Site, name: &str) -> (Secret, Vec<String>, Browser) {
    let browser = site.browser();
    assert_eq!(login(&browser, name).await.status, 200);
    let begun = post(&browser, "mfa/totp", &json!({})).await;
    assert_eq!(begun.status, 201, "{}", begun.text());
    let secret = Secret::from_base32(begun.json()["secret"].as_str().unwrap());
    let code = secret.code_at(site.issuer.app().now_ms());
    let done = post(&browser, "mfa/totp/confirm", &json!({ "code": code })).await;
    assert_eq!(done.status, 200, "{}", done.text());
    let codes = done.json()["recovery_codes"].as_array().unwrap().clone();
    site.clock.advance(30_000);
    (secret, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect(), browser)
}

fn now_code(site: &Site, secret: &Secret) -> String {
    secret.code_at(site.issuer.app().now_ms())
}

async fn ticket(site: &Site, browser: &Browser, name: &str) -> String {
    let reply = login(browser, name).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (401, json!("second_factor_required")));
    assert!(browser.cookie("orgate-proj_p").is_none(), "no session before the second factor");
    let _ = site;
    reply.json()["ticket"].as_str().unwrap().to_owned()
}

async fn show(browser: &Browser, ticket: &str, code: &str) -> Reply {
    post(browser, "mfa/verify", &json!({ "ticket": ticket, "code": code })).await
}

#[orgate_testkit::both]
async fn with_an_application_the_password_is_not_enough() {
    let site = site().await;
    let (secret, codes, own) = enrolled(&site, "x").await;
    assert_eq!(codes.len(), 10);
    assert_eq!(
        own.get("/p/proj_p/v1/auth/mfa").await.json(),
        json!({ "totp": true, "recovery_codes": 10, "passkeys": 0 })
    );
    let browser = site.browser();
    let waiting = ticket(&site, &browser, "x").await;
    let wrong = show(&browser, &waiting, "000000").await;
    assert_eq!((wrong.status.as_u16(), wrong.code()), (400, json!("code_invalid")));
    let code = now_code(&site, &secret);
    assert_eq!(show(&browser, &waiting, &code).await.status, 200);
    let session = browser.get("/p/proj_p/v1/auth/sessions").await.json();
    let own = session["data"].as_array().unwrap().iter().find(|one| one["current"] == true).unwrap().clone();
    assert_eq!(own["amr"], json!(["pwd", "otp", "mfa"]));
    assert_eq!(
        show(&browser, &waiting, &code).await.code(),
        "sign_in_expired",
        "a ticket is for one sign-in"
    );

    // The code was taken: who looked over the shoulder has nothing.
    let thief = site.browser();
    let waiting = ticket(&site, &thief, "x").await;
    assert_eq!(show(&thief, &waiting, &code).await.code(), "code_invalid");
    // Nor one from before the last one that was taken.
    let earlier = secret.code_at(site.issuer.app().now_ms() - 30_000);
    assert_eq!(show(&thief, &waiting, &earlier).await.code(), "code_invalid");
}

#[orgate_testkit::both]
async fn a_recovery_code_works_once() {
    let site = site().await;
    let (_, codes, _) = enrolled(&site, "x").await;
    let browser = site.browser();
    let waiting = ticket(&site, &browser, "x").await;
    let typed = codes[3].to_uppercase().replace('-', " ");
    assert_eq!(show(&browser, &waiting, &typed).await.status, 200);
    let again = site.browser();
    let waiting = ticket(&site, &again, "x").await;
    assert_eq!(show(&again, &waiting, &codes[3]).await.code(), "code_invalid");
    assert_eq!(browser.get("/p/proj_p/v1/auth/mfa").await.json()["recovery_codes"], 9);
    // Another user's code is nobody's here; new codes end the old ones.
    let (_, theirs, _) = enrolled(&site, "n").await;
    assert_eq!(show(&again, &waiting, &theirs[0]).await.code(), "code_invalid");
    let new = post(&browser, "mfa/recovery-codes", &json!({})).await;
    assert_eq!(new.json()["recovery_codes"].as_array().unwrap().len(), 10);
    assert_eq!(show(&again, &waiting, &codes[4]).await.code(), "code_invalid");
    let disk = site.disk();
    assert!(!disk.windows(10).any(|window| window == codes[5].replace('-', "").as_bytes()));
}

#[orgate_testkit::both]
async fn a_ticket_is_for_five_attempts_and_ten_minutes_and_one_project() {
    let site = site().await;
    let (secret, _, _) = enrolled(&site, "x").await;
    let browser = site.browser();
    let waiting = ticket(&site, &browser, "x").await;
    let body = json!({ "ticket": waiting, "code": now_code(&site, &secret) });
    let foreign = browser.json(Method::POST, "/p/proj_q/v1/auth/mfa/verify", &body).await;
    assert_eq!(foreign.code(), "sign_in_expired");
    for _ in 0..5 {
        assert_eq!(show(&browser, &waiting, "000000").await.code(), "code_invalid");
    }
    assert_eq!(show(&browser, &waiting, &now_code(&site, &secret)).await.code(), "sign_in_expired");
    let waiting = ticket(&site, &browser, "x").await;
    site.clock.advance(600_000);
    assert_eq!(show(&browser, &waiting, &now_code(&site, &secret)).await.code(), "sign_in_expired");
    // Another password ends what rests on the old one.
    let waiting = ticket(&site, &browser, "x").await;
    post(&browser, "password/forgot", &json!({ "email": "x@example.com" })).await;
    let (_, token) = link(&site.letter("x@example.com").await.unwrap());
    post(&browser, "password/reset", &json!({ "token": token, "password": NEW })).await;
    assert_eq!(show(&browser, &waiting, &now_code(&site, &secret)).await.code(), "sign_in_expired");
}

#[orgate_testkit::both]
async fn codes_cannot_be_guessed_by_signing_in_again_and_again() {
    let site = site().await;
    let (secret, _, _) = enrolled(&site, "x").await;
    let thief = site.browser_from("192.0.2.1");
    let mut last = None;
    for _ in 0..3 {
        let waiting = ticket(&site, &thief, "x").await;
        for _ in 0..5 {
            last = Some(show(&thief, &waiting, "000000").await);
        }
    }
    assert_eq!(last.unwrap().code(), "locked");
    // Somebody else's attempts do not shut the owner out.
    let owner = site.browser_from("198.51.100.1");
    let waiting = ticket(&site, &owner, "x").await;
    assert_eq!(show(&owner, &waiting, &now_code(&site, &secret)).await.status, 200);
}

#[orgate_testkit::both]
async fn an_application_is_added_and_removed_by_who_has_just_signed_in() {
    let site = site().await;
    let browser = site.browser();
    login(&browser, "x").await;
    let begun = post(&browser, "mfa/totp", &json!({})).await.json();
    assert!(
        begun["uri"].as_str().unwrap().starts_with("otpauth://totp/Demo:x%40example.com?secret="),
        "{begun}"
    );
    assert!(begun["qr"].as_str().unwrap().starts_with("<svg "));
    let wrong = post(&browser, "mfa/totp/confirm", &json!({ "code": "000000" })).await;
    assert_eq!(wrong.code(), "code_invalid");
    assert_eq!(login(&site.browser(), "x").await.status, 200, "nothing changes before the first code");
    site.clock.advance(600_001);
    for (path, body) in [
        ("mfa/totp", json!({})),
        ("mfa/totp/confirm", json!({ "code": "1" })),
        ("mfa/recovery-codes", json!({})),
    ] {
        assert_eq!(post(&browser, path, &body).await.code(), "reauthentication_required", "{path}");
    }
    let (secret, _, own) = enrolled(&site, "x").await;
    assert_eq!(post(&own, "mfa/totp", &json!({})).await.code(), "conflict");
    let remove = async |browser: &Browser| {
        browser.send(Method::DELETE, "/p/proj_p/v1/auth/mfa/totp", &[("origin", ORIGIN)], String::new()).await
    };
    assert_eq!(
        remove(&own).await.code(),
        "reauthentication_required",
        "this session has shown a password only"
    );
    let full = site.browser();
    let waiting = ticket(&site, &full, "x").await;
    assert_eq!(show(&full, &waiting, &now_code(&site, &secret)).await.status, 200);
    let forged = full.send(Method::DELETE, "/p/proj_p/v1/auth/mfa/totp", &[], String::new()).await;
    assert_eq!(forged.code(), "csrf");
    assert_eq!(remove(&full).await.status, 204);
    assert_eq!(login(&site.browser(), "x").await.status, 200);
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM recovery_codes").await, 0);
    let disk = site.disk();
    let text = secret.base32();
    assert!(!disk.windows(text.len()).any(|window| window == text.as_bytes()));
}

#[orgate_testkit::both]
async fn on_the_pages_the_second_factor_comes_after_the_password_and_after_a_mailed_link() {
    let site = site().await;
    let (secret, _, _) = enrolled(&site, "x").await;
    let browser = site.browser();
    let page = browser.login("x@example.com", PASSWORD, &[("scope", "openid")]).await;
    assert_eq!(page.status, 200);
    let hidden = |page: &Reply, name: &str| {
        let text = page.text();
        let rest = text.split_once(&format!("name=\"{name}\" value=\"")).unwrap().1;
        rest.split_once('"').unwrap().0.to_owned()
    };
    assert!(
        page.text().contains("autocomplete=\"one-time-code\"") && browser.cookie("orgate-proj_p").is_none()
    );
    let (waiting, request) = (hidden(&page, "ticket"), hidden(&page, "request"));
    let submit = async |browser: &Browser, code: &str| {
        let fields = [("ticket", waiting.as_str()), ("request", request.as_str()), ("code", code)];
        browser.form("/p/proj_p/second-factor", &fields).await
    };
    let wrong = submit(&browser, "000000").await;
    assert_eq!((wrong.status.as_u16(), wrong.page_code().as_deref()), (400, Some("code_invalid")));
    let code = now_code(&site, &secret);
    assert_eq!(submit(&site.browser(), &code).await.page_code().as_deref(), Some("csrf"));
    let done = submit(&browser, &code).await;
    let tokens = site.browser().token(&exchange(&done.parameter("code").unwrap())).await.json();
    for token in [&tokens["access_token"], &tokens["id_token"]] {
        let claims = claims(token);
        assert_eq!((&claims["acr"], &claims["amr"]), (&json!("mfa"), &json!(["pwd", "otp", "mfa"])));
        assert_eq!(claims["auth_time"], json!(site.issuer.app().now_ms() / 1000));
    }
    site.clock.advance(30_000);
    post(&site.browser(), "magic-link", &json!({ "email": "x@example.com" })).await;
    let (_, token) = link(&site.letter("x@example.com").await.unwrap());
    let other = site.browser();
    let page = other.form("/p/proj_p/magic", &[("token", &token)]).await;
    let fields = [("ticket", hidden(&page, "ticket")), ("code", now_code(&site, &secret))];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let done = other.form("/p/proj_p/second-factor", &fields).await;
    assert_eq!(done.page_code().as_deref(), Some("signed_in"));
}

#[orgate_testkit::both]
async fn an_application_gets_the_class_it_asks_for_or_is_told_that_it_cannot() {
    let site = site().await;
    // Who has no second factor.
    let browser = site.browser();
    let refused = browser.login("n@example.com", PASSWORD, &[("acr_values", "mfa")]).await;
    assert_eq!(refused.parameter("error").as_deref(), Some("unmet_authentication_requirements"));
    let again = browser.authorize(&[("acr_values", "mfa")]).await;
    assert_eq!(again.parameter("error").as_deref(), Some("unmet_authentication_requirements"), "at once");
    assert!(browser.authorize(&[("acr_values", "mfa pwd")]).await.parameter("code").is_some());
    let unknown = site.browser().authorize(&[("acr_values", "gold")]).await;
    assert_eq!(unknown.parameter("error").as_deref(), Some("unmet_authentication_requirements"));
    let long = "x".repeat(257);
    assert_eq!(
        browser.authorize(&[("acr_values", &long)]).await.parameter("error").as_deref(),
        Some("invalid_request")
    );

    // Who has one, in a session from before.
    let (secret, _, own) = enrolled(&site, "x").await;
    assert!(own.authorize(&[]).await.parameter("code").is_some());
    let silent = own.authorize(&[("acr_values", "mfa"), ("prompt", "none")]).await;
    assert_eq!(silent.parameter("error").as_deref(), Some("login_required"));
    let page = own.login("x@example.com", PASSWORD, &[("acr_values", "mfa")]).await;
    let text = page.text();
    let hidden = |name: &str| {
        text.split_once(&format!("name=\"{name}\" value=\"")).unwrap().1.split_once('"').unwrap().0.to_owned()
    };
    let (waiting, request, code) = (hidden("ticket"), hidden("request"), now_code(&site, &secret));
    let fields = [("ticket", waiting.as_str()), ("request", &request), ("code", &code)];
    assert!(own.form("/p/proj_p/second-factor", &fields).await.parameter("code").is_some());
    assert!(own.authorize(&[("acr_values", "mfa"), ("prompt", "none")]).await.parameter("code").is_some());
    // The first session was renewed, so that its old cookie is dead.
    let code = own.authorize(&[("scope", "openid")]).await.parameter("code").unwrap();
    let tokens = site.browser().token(&exchange(&code)).await.json();
    assert_eq!(claims(&tokens["access_token"])["acr"], "mfa");
}

#[orgate_testkit::both]
async fn an_age_of_nothing_wants_another_sign_in() {
    let site = site().await;
    let browser = site.browser();
    login(&browser, "x").await;
    assert!(browser.authorize(&[("max_age", "60")]).await.parameter("code").is_some());
    assert!(browser.authorize(&[("max_age", "0")]).await.location().contains("/login?"));
    site.clock.advance(61_000);
    assert!(browser.authorize(&[("max_age", "60")]).await.location().contains("/login?"));
    let silent = browser.authorize(&[("max_age", "60"), ("prompt", "none")]).await;
    assert_eq!(silent.parameter("error").as_deref(), Some("login_required"));
}
