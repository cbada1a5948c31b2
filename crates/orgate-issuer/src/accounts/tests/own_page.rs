//! The page about one's own security.

use super::*;
use crate::{
    factors::totp::Secret,
    testing::{claims, exchange},
};

const PAGE: &str = "/p/proj_p/account/security";

/// A browser in which this user has just signed in with the password.
async fn entered(site: &Site, name: &str) -> Browser {
    let browser = site.browser();
    let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
    assert_eq!(post(&browser, "login", &body).await.status, 200);
    browser
}

/// A field that the page carries.
fn hidden(page: &Reply, name: &str) -> String {
    let text = page.text();
    let rest = text.split_once(&format!("name=\"{name}\" value=\""));
    rest.unwrap_or_else(|| panic!("no {name}: {text}")).1.split_once('"').unwrap().0.to_owned()
}

/// Sends a form of the page.
async fn change(browser: &Browser, what: &str, fields: &[(&str, &str)]) -> Reply {
    let word = hidden(&browser.get(PAGE).await, "word");
    let mut all = vec![("word", word.as_str()), ("change", what)];
    all.extend_from_slice(fields);
    browser.form(PAGE, &all).await
}

fn told(reply: &Reply) -> (u16, Option<String>) {
    (reply.status.as_u16(), reply.page_code())
}

fn said(status: u16, code: &str) -> (u16, Option<String>) {
    (status, Some(code.to_owned()))
}

/// Follows a redirect to the page, and gives what it says.
async fn follow(browser: &Browser, reply: &Reply) -> Reply {
    assert_eq!(reply.status, 303, "{}", reply.text());
    assert!(reply.location().starts_with(&format!("{ORIGIN}{PAGE}?done=")), "{}", reply.location());
    browser.get(&reply.location()).await
}

/// Sets an application up; gives it and its recovery codes.
async fn set_up(site: &Site, browser: &Browser) -> (Secret, Vec<String>) {
    let begun = change(browser, "add_totp", &[]).await;
    assert_eq!(begun.status, 200, "{}", begun.text());
    let text = begun.text();
    assert!(text.contains("<svg ") && text.contains("otpauth:"), "{text}");
    let key = text.split_once("<code class=\"key\">").unwrap().1.split_once('<').unwrap().0.replace(' ', "");
    let secret = Secret::from_base32(&key);
    let wrong = change(browser, "confirm_totp", &[("code", "000000")]).await;
    assert_eq!(told(&wrong), said(400, "code_invalid"));
    assert!(wrong.text().replace(' ', "").contains(&key), "the same key is shown again");
    let code = secret.code_at(site.issuer.app().now_ms());
    let done = change(browser, "confirm_totp", &[("code", &code)]).await;
    assert_eq!(told(&done), said(200, "totp_added"));
    let codes = done
        .text()
        .split("<li><code>")
        .skip(1)
        .map(|part| part.split('<').next().unwrap().to_owned())
        .collect();
    site.clock.advance(30_000);
    (secret, codes)
}

#[orgate_testkit::both]
async fn who_is_not_signed_in_signs_in_and_comes_back() {
    let site = site().await;
    let browser = site.browser();
    let started = browser.get(PAGE).await;
    let request = started.parameter("request").unwrap();
    assert!(started.location().starts_with(&format!("{ORIGIN}/p/proj_p/login?")), "{}", started.location());
    assert_eq!(browser.get(&started.location()).await.status, 200);
    let fields = [("email", "x@example.com"), ("password", PASSWORD), ("request", request.as_str())];
    // What is asked for by a page leads to no code, wherever it is shown.
    let stray =
        browser.form("/p/proj_p/organizations/choose", &[("request", &request), ("org_id", "")]).await;
    assert_eq!(stray.page_code().as_deref(), Some("sign_in_required"));
    let done = browser.form("/p/proj_p/login", &fields).await;
    let page = follow(&browser, &done).await;
    assert_eq!(told(&page), said(200, "signed_in"));
    assert!(page.text().contains("x@example.com"), "{}", page.text());
    for stray in ["organizations/choose", "device/confirm"] {
        let fields = [("request", request.as_str()), ("org_id", ""), ("decision", "approve")];
        let reply = browser.form(&format!("/p/proj_p/{stray}"), &fields).await;
        assert_eq!(reply.page_code().as_deref(), Some("request_expired"), "{stray}");
    }
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM auth_codes").await, 0);
    assert_eq!(site.browser().get("/p/proj_none/account/security").await.status, 404);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(!policy.contains("script-src") && policy.contains("form-action 'self';"), "{policy}");
    assert!(!page.text().contains("<script") && !page.text().contains(" style="));
}

#[orgate_testkit::both]
async fn a_form_without_the_word_of_the_session_changes_nothing() {
    let site = site().await;
    let browser = entered(&site, "x").await;
    let other = entered(&site, "d").await;
    let foreign = hidden(&other.get(PAGE).await, "word");
    let old = hidden(&browser.get(PAGE).await, "word");
    for word in ["", "x", &foreign] {
        let reply = browser.form(PAGE, &[("word", word), ("change", "end_others")]).await;
        assert_eq!(told(&reply), said(403, "csrf"), "{word}");
    }
    assert_eq!(told(&browser.form(PAGE, &[("change", "end_others")]).await), said(403, "csrf"));
    assert_eq!(told(&change(&browser, "everything", &[]).await), said(400, "invalid_request"));
    // Each sign-in has another word.
    browser.login("x@example.com", PASSWORD, &[("prompt", "login")]).await;
    let reply = browser.form(PAGE, &[("word", &old), ("change", "end_others")]).await;
    assert_eq!(told(&reply), said(403, "csrf"));
    // Without a session a form leads to the sign-in.
    let stranger = site.browser().form(PAGE, &[("word", &old), ("change", "end_others")]).await;
    assert!(stranger.location().contains("/login?request="));
}

#[orgate_testkit::both]
async fn a_session_that_was_left_open_shows_the_page_and_changes_nothing() {
    let site = site().await;
    let browser = entered(&site, "x").await;
    site.clock.advance(600_001);
    let page = browser.get(PAGE).await.text();
    assert!(
        page.contains("Sign in again") && !page.contains("add_totp") && !page.contains("name=\"password\"")
    );
    for (what, fields) in [
        ("sign_in", vec![]),
        ("add_totp", vec![]),
        ("confirm_totp", vec![("code", "000000")]),
        ("remove_totp", vec![]),
        ("new_codes", vec![]),
        ("add_passkey", vec![]),
        ("save_passkey", vec![("credential", "{}")]),
        ("rename_passkey", vec![("id", "x"), ("name", "x")]),
        ("remove_passkey", vec![("id", "x")]),
        ("password", vec![("current_password", PASSWORD), ("password", NEW)]),
    ] {
        let reply = change(&browser, what, &fields).await;
        assert!(
            reply.status == 303 && reply.location().contains("/login?request="),
            "{what}: {}",
            reply.text()
        );
    }
    let asked = change(&browser, "sign_in", &[]).await;
    let form = browser.get(&asked.location()).await;
    assert!(form.text().contains("value=\"x@example.com\""), "whom it is about is known");
    let request = asked.parameter("request").unwrap();
    let fields = [("email", "x@example.com"), ("password", PASSWORD), ("request", request.as_str())];
    let page = follow(&browser, &browser.form("/p/proj_p/login", &fields).await).await.text();
    assert!(page.contains("add_totp") && !page.contains("Sign in again"));
}

#[orgate_testkit::both]
async fn an_authenticator_application_is_set_up_used_and_removed() {
    let site = site().await;
    let browser = entered(&site, "x").await;
    let (secret, codes) = set_up(&site, &browser).await;
    assert_eq!(codes.len(), 10);
    let page = browser.get(PAGE).await.text();
    assert!(page.contains("10 recovery codes are left") && !page.contains(&codes[0]), "{page}");
    assert_eq!(told(&change(&browser, "add_totp", &[]).await), said(409, "conflict"));
    assert_eq!(
        told(&change(&browser, "confirm_totp", &[("code", "000000")]).await),
        said(400, "code_invalid")
    );

    // Removing it, or making other codes, wants the second factor in this session.
    for what in ["remove_totp", "new_codes"] {
        let asked = change(&browser, what, &[]).await;
        let request = asked.parameter("request").unwrap();
        let fields = [("email", "x@example.com"), ("password", PASSWORD), ("request", request.as_str())];
        let second = browser.form("/p/proj_p/login", &fields).await;
        assert_eq!(second.status, 200, "{}", second.text());
        let (ticket, request) = (hidden(&second, "ticket"), hidden(&second, "request"));
        let code =
            if what == "new_codes" { codes[2].clone() } else { secret.code_at(site.issuer.app().now_ms()) };
        if what == "new_codes" {
            let fields = [("ticket", ticket.as_str()), ("request", &request), ("code", &code)];
            follow(&browser, &browser.form("/p/proj_p/second-factor", &fields).await).await;
        }
    }
    assert!(browser.get(PAGE).await.text().contains("9 recovery codes are left"));
    let new = change(&browser, "new_codes", &[]).await;
    assert_eq!(told(&new), said(200, "recovery_codes"));
    assert!(!new.text().contains(&codes[3]) && browser.get(PAGE).await.text().contains("10 recovery codes"));
    let gone = follow(&browser, &change(&browser, "remove_totp", &[]).await).await;
    assert_eq!(told(&gone), said(200, "totp_removed"));
    assert!(gone.text().contains("Not set up"));
    assert_eq!(told(&change(&browser, "remove_totp", &[]).await), said(404, "not_found"));
    let code =
        site.browser().login("x@example.com", PASSWORD, &[("scope", "openid")]).await.parameter("code");
    let tokens = site.browser().token(&exchange(&code.unwrap())).await.json();
    assert_eq!(claims(&tokens["access_token"])["acr"], "pwd");
}

#[orgate_testkit::both]
async fn the_password_is_changed_by_who_knows_it_and_ends_every_other_session() {
    let site = site().await;
    let (browser, elsewhere) = (entered(&site, "x").await, entered(&site, "x").await);
    let with = async |known: &str, new: &str| {
        change(&browser, "password", &[("current_password", known), ("password", new)]).await
    };
    let wrong = with("something else", NEW).await;
    assert_eq!(told(&wrong), said(422, "invalid_value"));
    assert!(
        wrong.text().contains("<details open>") && wrong.text().contains("is another one"),
        "{}",
        wrong.text()
    );
    for short in ["short", "password", "x@example.com"] {
        assert_eq!(told(&with(PASSWORD, short).await), said(422, "invalid_value"), "{short}");
    }
    assert_eq!(elsewhere.get("/v1/auth/session").await.status, 200);
    let done = follow(&browser, &with(PASSWORD, NEW).await).await;
    assert_eq!(told(&done), said(200, "password_changed"));
    assert_eq!(elsewhere.get("/v1/auth/session").await.status, 401);
    assert_eq!(browser.get("/v1/auth/session").await.status, 200);
    assert!(
        site.letter("x@example.com").await.unwrap()["text"].as_str().unwrap().contains("everywhere else")
    );
    let login = async |password: &str| {
        post(&site.browser(), "login", &json!({ "email": "x@example.com", "password": password }))
            .await
            .status
    };
    assert_eq!((login(PASSWORD).await.as_u16(), login(NEW).await.as_u16()), (401, 200));
    assert!(site.events().await.iter().any(|(_, kind)| kind == "user.password_changed"));
}

#[orgate_testkit::both]
async fn the_known_password_cannot_be_guessed_in_a_stolen_session() {
    let site = site().await;
    let browser = entered(&site, "x").await;
    for _ in 0..10 {
        let reply = change(&browser, "password", &[("current_password", "guess"), ("password", NEW)]).await;
        assert_eq!(told(&reply), said(422, "invalid_value"));
    }
    let reply = change(&browser, "password", &[("current_password", PASSWORD), ("password", NEW)]).await;
    assert_eq!(told(&reply), said(429, "locked"));
    assert!(reply.headers.contains_key("retry-after"));
}

#[orgate_testkit::both]
async fn where_there_is_a_second_factor_another_password_wants_it_too() {
    let site = site().await;
    let browser = entered(&site, "x").await;
    set_up(&site, &browser).await;
    let reply = change(&browser, "password", &[("current_password", PASSWORD), ("password", NEW)]).await;
    assert!(reply.status == 303 && reply.location().contains("/login?request="), "{}", reply.text());
    let by_api =
        post(&browser, "password/change", &json!({ "current_password": PASSWORD, "password": NEW })).await;
    assert_eq!(by_api.code(), "reauthentication_required");
}

#[orgate_testkit::both]
async fn the_api_changes_the_password_as_the_page_does() {
    let site = site().await;
    let browser = entered(&site, "x").await;
    let body = json!({ "current_password": "guess", "password": NEW });
    let wrong = post(&browser, "password/change", &body).await;
    assert_eq!(
        (wrong.code(), wrong.json()["field"].clone()),
        (json!("invalid_value"), json!("current_password"))
    );
    assert_eq!(post(&browser, "password/change", &json!({ "password": NEW })).await.status, 422);
    let body = json!({ "current_password": PASSWORD, "password": NEW });
    assert_eq!(post(&browser, "password/change", &body).await.status, 204);
    assert_eq!(post(&site.browser(), "password/change", &body).await.status, 401);
}

#[orgate_testkit::both]
async fn sessions_are_listed_and_ended() {
    let site = site().await;
    let (browser, one, two) =
        (entered(&site, "x").await, entered(&site, "x").await, entered(&site, "x").await);
    let stranger = entered(&site, "d").await;
    let page = browser.get(PAGE).await;
    assert_eq!(page.text().matches("This browser").count(), 1);
    let list = one.get("/p/proj_p/v1/auth/sessions").await.json();
    let id =
        list["data"].as_array().unwrap().iter().find(|one| one["current"] == true).unwrap()["id"].clone();
    let id = id.as_str().unwrap();
    assert!(page.text().contains(id));
    assert_eq!(told(&change(&stranger, "end_session", &[("id", id)]).await), said(404, "not_found"));
    let ended = follow(&browser, &change(&browser, "end_session", &[("id", id)]).await).await;
    assert_eq!(told(&ended), said(200, "session_ended"));
    assert_eq!(one.get("/v1/auth/session").await.status, 401);
    assert_eq!(two.get("/v1/auth/session").await.status, 200);
    assert_eq!(told(&change(&browser, "end_session", &[("id", id)]).await), said(404, "not_found"));
    let ended = follow(&browser, &change(&browser, "end_others", &[]).await).await;
    assert_eq!(told(&ended), said(200, "sessions_ended"));
    assert_eq!(two.get("/v1/auth/session").await.status, 401);
    assert_eq!(stranger.get("/v1/auth/session").await.status, 200);
    // Ending sessions is not what a thief wants, so that it needs no new sign-in.
    let again = entered(&site, "x").await;
    site.clock.advance(600_001);
    follow(&again, &change(&again, "end_others", &[]).await).await;
    assert_eq!(browser.get("/v1/auth/session").await.status, 401);
}
