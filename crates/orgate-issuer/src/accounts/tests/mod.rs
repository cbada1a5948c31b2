mod directory;
mod invitation;
mod letters;
mod mailed;
mod own_page;
mod passkeys;
mod second;

use std::sync::atomic::Ordering;

use http::Method;
use serde_json::{Value, json};

use crate::{
    address::Address,
    testing::{Browser, ORIGIN, PASSWORD, Reply, Site, and, site},
};

const NEW: &str = "a brand new password";

async fn post(browser: &Browser, path: &str, body: &Value) -> Reply {
    browser.json(Method::POST, &format!("/p/proj_p/v1/auth/{path}"), body).await
}

fn wish(email: &str) -> Value {
    json!({ "email": email, "password": NEW, "name": "New" })
}

/// The digits of a letter.
fn code(letter: &Value) -> String {
    let line = letter["text"].as_str().unwrap().lines().find(|line| line.starts_with("    ")).unwrap();
    line.trim().to_owned()
}

/// The path of a letter's link, and its token.
fn link(letter: &Value) -> (String, String) {
    let link = letter["links"][0].as_str().unwrap();
    let path = link.strip_prefix(ORIGIN).unwrap().to_owned();
    let token = path.split_once("token=").map_or("", |(_, rest)| rest.split('&').next().unwrap());
    (path.clone(), token.to_owned())
}

async fn execute(site: &Site, statement: &'static str) {
    site.write(move |tx| Box::pin(async move { tx.run(crate::db::sql(statement)).await.map(|_| ()) })).await;
}

fn hashes(site: &Site) -> usize {
    site.issuer.app().passwords.worked.load(Ordering::Relaxed)
}

#[orgate_testkit::both]
async fn who_signs_up_becomes_a_user_with_the_code_and_is_signed_in() {
    let site = site().await;
    execute(&site, "UPDATE projects SET personal_orgs = 1").await;
    let browser = site.browser();
    let reply = post(&browser, "signup", &wish("New@Example.com")).await;
    assert_eq!(reply.status, 202, "{}", reply.text());
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM users WHERE email_norm = 'new@example.com'").await, 0);
    let before = post(&browser, "login", &json!({ "email": "new@example.com", "password": NEW })).await;
    assert_eq!((before.status.as_u16(), before.code()), (401, json!("invalid_credentials")));

    let letter = site.letter("New@Example.com").await.unwrap();
    let wrong =
        post(&browser, "email/verify", &json!({ "email": "new@example.com", "code": "0000 0000" })).await;
    assert_eq!((wrong.status.as_u16(), wrong.code()), (400, json!("code_invalid")));
    let body = json!({ "email": "new@example.com", "code": code(&letter) });
    let done = post(&browser, "email/verify", &body).await;
    assert_eq!(done.status, 200, "{}", done.text());
    let session = done.json();
    assert_eq!(session["user"]["email_verified"], true);
    assert_eq!(session["user"]["name"], "New");
    assert_eq!(
        (&session["organization"]["name"], &session["role"]),
        (&json!("New's Workspace"), &json!("owner"))
    );
    assert_eq!(browser.get("/p/proj_p/v1/auth/session").await.status, 200);
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM organizations WHERE kind = 'personal'").await, 1);

    // Used up, by this code and by the link of the same letter.
    assert_eq!(post(&site.browser(), "email/verify", &body).await.code(), "code_invalid");
    assert_eq!(site.browser().get(&link(&letter).0).await.status, 410);
    let login = json!({ "email": "new@example.com", "password": NEW });
    assert_eq!(post(&site.browser(), "login", &login).await.status, 200);
}

#[orgate_testkit::both]
async fn the_answer_to_a_sign_up_does_not_say_who_is_known() {
    let site = site().await;
    let mut answers = Vec::new();
    for email in ["d@example.com", "nobody@example.com"] {
        let before = hashes(&site);
        let reply = post(&site.browser(), "signup", &wish(email)).await;
        assert_eq!(hashes(&site) - before, 1, "one hash, whoever it is");
        let mut body = reply.json();
        assert!(body["sign_up"].as_str().unwrap().len() == 43);
        body["sign_up"] = Value::Null;
        answers.push((reply.status, reply.headers, body));
    }
    assert_eq!(answers[0], answers[1]);
    let known = site.letter("d@example.com").await.unwrap();
    assert!(known["subject"].as_str().unwrap().contains("have an account"), "{known}");
    assert!(known["links"][0].as_str().unwrap().ends_with("/p/proj_p/forgot"));
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM sign_ups").await, 2, "the same rows");
    // The password of the known one is what it was.
    let login = json!({ "email": "d@example.com", "password": PASSWORD });
    assert_eq!(post(&site.browser(), "login", &login).await.status, 200);
}

#[orgate_testkit::both]
async fn a_sign_up_by_somebody_else_gives_nobody_a_foreign_password() {
    let site = site().await;
    let theirs = json!({ "email": "victim@example.com", "password": "chosen by the attacker" });
    assert_eq!(post(&site.browser(), "signup", &theirs).await.status, 202);
    let trap = site.letter("victim@example.com").await.unwrap();
    site.clock.advance(1);
    assert_eq!(post(&site.browser(), "signup", &wish("victim@example.com")).await.status, 202);
    let own = site.letter("victim@example.com").await.unwrap();
    // The link of the attacker's letter asks for the attacker's password.
    let (path, token) = link(&trap);
    let page = site.browser().get(&path).await;
    assert!(page.text().contains("name=\"password\""), "{}", page.text());
    let reply = site.browser().form("/p/proj_p/verify", &[("token", &token), ("password", NEW)]).await;
    assert_eq!((reply.status.as_u16(), reply.page_code().as_deref()), (401, Some("invalid_credentials")));
    let (_, token) = link(&own);
    let reply = site.browser().form("/p/proj_p/verify", &[("token", &token), ("password", NEW)]).await;
    assert_eq!(reply.page_code().as_deref(), Some("signed_in"));
    // The attacker's sign-up went with it.
    let body = json!({ "email": "victim@example.com", "code": code(&trap) });
    assert_eq!(post(&site.browser(), "email/verify", &body).await.code(), "code_invalid");
    let theirs = json!({ "email": "victim@example.com", "password": "chosen by the attacker" });
    assert_eq!(post(&site.browser(), "login", &theirs).await.status, 401);
}

#[orgate_testkit::both]
async fn a_code_may_be_tried_ten_times_and_lasts_a_day() {
    let site = site().await;
    post(&site.browser(), "signup", &wish("new@example.com")).await;
    let right =
        json!({ "email": "new@example.com", "code": code(&site.letter("new@example.com").await.unwrap()) });
    for at in 0..10 {
        let wrong = json!({ "email": "new@example.com", "code": format!("1111111{at}") });
        assert_eq!(post(&site.browser(), "email/verify", &wrong).await.code(), "code_invalid");
    }
    assert_eq!(post(&site.browser(), "email/verify", &right).await.code(), "code_invalid");
    site.clock.advance(1);
    post(&site.browser(), "signup", &wish("new@example.com")).await;
    let right =
        json!({ "email": "new@example.com", "code": code(&site.letter("new@example.com").await.unwrap()) });
    site.clock.advance(86_400_000);
    assert_eq!(post(&site.browser(), "email/verify", &right).await.code(), "code_invalid");
    crate::upkeep::purge(site.issuer.app()).await.unwrap();
    for table in ["SELECT COUNT(*) AS n FROM sign_ups", "SELECT COUNT(*) AS n FROM mails"] {
        assert_eq!(site.count(table).await, 0, "{table}");
    }
}

#[orgate_testkit::both]
async fn the_maker_of_a_sign_up_gets_another_code_and_the_first_one_ends() {
    let site = site().await;
    let handle = post(&site.browser(), "signup", &wish("new@example.com")).await.json()["sign_up"].clone();
    let first = code(&site.letter("new@example.com").await.unwrap());
    site.clock.advance(1);
    assert_eq!(post(&site.browser(), "email/resend", &json!({ "sign_up": handle })).await.status, 202);
    let second = code(&site.letter("new@example.com").await.unwrap());
    assert_ne!(first, second);
    let nobody = post(&site.browser(), "email/resend", &json!({ "sign_up": "guess" })).await;
    assert_eq!((nobody.status.as_u16(), nobody.json()), (202, super::sent()));
    let verify = |code: String| json!({ "sign_up": handle, "code": code });
    assert_eq!(post(&site.browser(), "email/verify", &verify(first)).await.code(), "code_invalid");
    assert_eq!(post(&site.browser(), "email/verify", &verify(second)).await.status, 200);
    // Without a handle and without a session there is nothing to send again.
    let reply = post(&site.browser(), "email/resend", &json!({})).await;
    assert_eq!((reply.status.as_u16(), reply.json()["field"].clone()), (422, json!("sign_up")));
}

#[orgate_testkit::both]
async fn a_user_confirms_an_address_that_was_not_confirmed() {
    let site = site().await;
    execute(&site, "UPDATE users SET email_verified_at = NULL WHERE id = 'usr_n'").await;
    let browser = site.browser();
    post(&browser, "login", &json!({ "email": "n@example.com", "password": PASSWORD })).await;
    assert_eq!(post(&browser, "email/resend", &json!({})).await.status, 202);
    let letter = site.letter("n@example.com").await.unwrap();
    // Nobody but the code says so: a body cannot.
    let lie = json!({ "email": "n@example.com", "code": "12345678", "email_verified": true });
    assert_eq!(post(&browser, "email/verify", &lie).await.code(), "unknown_field");
    // Another address ends what was mailed to the old one.
    execute(&site, "UPDATE users SET email_norm = 'm@example.com' WHERE id = 'usr_n'").await;
    let (path, token) = link(&letter);
    assert_eq!(site.browser().get(&path).await.status, 410);
    execute(&site, "UPDATE users SET email_norm = 'n@example.com' WHERE id = 'usr_n'").await;
    assert_eq!(site.browser().get(&path).await.status, 200, "opening it does nothing");
    assert_eq!(site.count("SELECT COUNT(email_verified_at) AS n FROM users WHERE id = 'usr_n'").await, 0);
    let done = site.browser().form("/p/proj_p/verify", &[("token", &token)]).await;
    assert_eq!(done.page_code().as_deref(), Some("email_verified"));
    assert_eq!(browser.get("/p/proj_p/v1/auth/session").await.json()["user"]["email_verified"], true);
    let body = json!({ "email": "n@example.com", "code": code(&letter) });
    assert_eq!(post(&browser, "email/verify", &body).await.code(), "code_invalid", "used up with the link");
}

#[orgate_testkit::both]
async fn what_cannot_be_is_refused_with_the_field() {
    let site = site().await;
    for (body, field) in [
        (json!({ "email": "no address", "password": NEW }), "email"),
        (json!({ "email": "new@example.com", "password": "short" }), "password"),
        (json!({ "email": "new@example.com", "password": "password123" }), "password"),
        (json!({ "email": "new.person@example.com", "password": "New.Person" }), "password"),
        (json!({ "email": "new@example.com", "password": "x".repeat(1025) }), "password"),
        (json!({ "email": "new@example.com", "password": NEW, "name": "a\u{0}b" }), "name"),
        (json!({ "email": "new@example.com", "password": NEW, "name": "x".repeat(101) }), "name"),
        (json!({ "email": "new@example.com" }), "password"),
        (json!({ "email": 1, "password": NEW }), "email"),
        (and(wish("new@example.com"), "project", "proj_q"), "project"),
    ] {
        let reply = post(&site.browser(), "signup", &body).await;
        assert_eq!((reply.status.as_u16(), reply.json()["field"].clone()), (422, json!(field)), "{body}");
    }
    let unknown = and(wish("new@example.com"), "email_verified", true);
    assert_eq!(post(&site.browser(), "signup", &unknown).await.code(), "unknown_field");
    for path in ["signup", "email/verify", "email/resend", "password/forgot", "password/reset", "magic-link"]
    {
        let path = format!("/p/proj_p/v1/auth/{path}");
        for (body, kind, status) in
            [("{", "application/json", 400), ("[]", "application/json", 400), ("a=1", "text/plain", 415)]
        {
            let reply =
                site.browser().send(Method::POST, &path, &[("content-type", kind)], body.to_owned()).await;
            assert_eq!(reply.status, status, "{path} {body}");
        }
        let foreign = [("content-type", "application/json"), ("origin", "https://evil.test")];
        let reply =
            site.browser().send(Method::POST, &path, &foreign, wish("new@example.com").to_string()).await;
        assert!(reply.status == 403 || reply.status == 422, "{path}: {}", reply.status);
    }
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM mails").await, 0);
    assert_eq!(hashes(&site), 0, "nothing of it cost a hash");
    let elsewhere =
        site.browser().json(Method::POST, "/p/proj_none/v1/auth/signup", &wish("new@example.com")).await;
    assert_eq!(elsewhere.status, 404);
}

#[orgate_testkit::both]
async fn one_password_is_one_however_it_was_typed() {
    let site = site().await;
    let composed = json!({ "email": "new@example.com", "password": "cr\u{e8}me br\u{fb}l\u{e9}e" });
    post(&site.browser(), "signup", &composed).await;
    let body =
        json!({ "email": "new@example.com", "code": code(&site.letter("new@example.com").await.unwrap()) });
    assert_eq!(post(&site.browser(), "email/verify", &body).await.status, 200);
    let decomposed = json!({ "email": "new@example.com", "password": "cre\u{300}me bru\u{302}le\u{301}e" });
    assert_eq!(post(&site.browser(), "login", &decomposed).await.status, 200);
}

#[orgate_testkit::both]
async fn on_the_pages_sign_up_leads_to_the_application() {
    let site = site().await;
    let browser = site.browser();
    let started = browser.authorize(&[("prompt", "create")]).await;
    assert!(started.location().contains("/p/proj_p/signup?request="), "{}", started.location());
    let page = browser.get(&started.location()).await;
    for part in [
        "autocomplete=\"new-password\"",
        "autocomplete=\"username\"",
        "name=\"name\"",
        "proj_p&#x2f;login?request=",
    ] {
        assert!(page.text().contains(part), "{part} in {}", page.text());
    }
    assert!(
        page.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("form-action 'self' http://127.0.0.1:3000;")
    );
    let request = started.parameter("request").unwrap();
    let fields = |password: &'static str| {
        [("email", "new@example.com"), ("password", password), ("name", "<b>New"), ("request", "")].map(
            |(name, value)| {
                (name.to_owned(), if name == "request" { request.clone() } else { value.to_owned() })
            },
        )
    };
    let submit = async |fields: [(String, String); 4]| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        browser.form("/p/proj_p/signup", &fields).await
    };
    let wrong = submit(fields("password")).await;
    assert_eq!((wrong.status.as_u16(), wrong.page_code().as_deref()), (422, Some("invalid_value")));
    assert!(
        wrong.text().contains("value=\"&lt;b&gt;New\"") && !wrong.text().contains("<b>"),
        "{}",
        wrong.text()
    );
    let sent = submit(fields(NEW)).await;
    assert_eq!(sent.status, 303, "{}", sent.text());
    let page = browser.get(&sent.location()).await;
    assert!(page.text().contains("autocomplete=\"one-time-code\""), "{}", page.text());
    let handle = sent.parameter("sign_up").unwrap();
    let verify = async |browser: &Browser, code: &str| {
        browser.form("/p/proj_p/verify", &[("request", &request), ("sign_up", &handle), ("code", code)]).await
    };
    assert_eq!(verify(&browser, "00000000").await.page_code().as_deref(), Some("code_invalid"));
    let code = code(&site.letter("new@example.com").await.unwrap());
    assert_eq!(verify(&site.browser(), &code).await.page_code().as_deref(), Some("csrf"), "another browser");
    let done = verify(&browser, &code).await;
    assert!(done.parameter("code").is_some(), "{done:?}");
    assert!(browser.cookie("orgate-proj_p").is_some());
}
