//! What is mailed and works once: another password, and signing in.

use super::*;
use crate::testing::{exchange, refresh};

#[orgate_testkit::both]
async fn a_forgotten_password_is_replaced_by_a_link_and_everything_else_ends() {
    let site = site().await;
    let elsewhere = site.browser();
    let code = elsewhere.code("d", Some("org_acme"), "openid offline_access").await;
    let tokens = site.browser().token(&exchange(&code)).await.json();
    assert_eq!(
        post(&site.browser(), "password/forgot", &json!({ "email": "D@example.com" })).await.status,
        202
    );
    let (path, token) = link(&site.letter("D@example.com").await.unwrap());
    site.clock.advance(1);
    // A second mail, and a link to sign in: all of them end with the password.
    post(&site.browser(), "password/forgot", &json!({ "email": "d@example.com" })).await;
    post(&site.browser(), "magic-link", &json!({ "email": "d@example.com" })).await;

    let page = site.browser().get(&path).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("autocomplete=\"new-password\""));
    let reset = async |password: &str| {
        post(&site.browser(), "password/reset", &json!({ "token": token, "password": password })).await
    };
    let weak = reset("d@example.com").await;
    assert_eq!((weak.status.as_u16(), weak.json()["field"].clone()), (422, json!("password")));
    site.clock.advance(1);
    assert_eq!(reset(NEW).await.status, 204);
    assert_eq!(reset(NEW).await.code(), "link_invalid");
    assert_eq!(site.browser().get(&path).await.page_code().as_deref(), Some("link_invalid"));
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM user_secrets").await, 0);

    assert_eq!(elsewhere.get("/p/proj_p/v1/auth/session").await.status, 401);
    assert_eq!(site.browser().token(&refresh(&tokens)).await.json()["error"], "invalid_grant");
    let login = async |password: &str| {
        post(&site.browser(), "login", &json!({ "email": "d@example.com", "password": password }))
            .await
            .status
    };
    assert_eq!((login(PASSWORD).await.as_u16(), login(NEW).await.as_u16()), (401, 200));
    let note = site.letter("d@example.com").await.unwrap();
    assert!(note["subject"].as_str().unwrap().contains("was changed"), "{note}");
}

#[orgate_testkit::both]
async fn a_mail_to_nobody_costs_the_same_and_goes_nowhere() {
    let site = site().await;
    execute(&site, "UPDATE users SET status = 'suspended' WHERE id = 'usr_viewer'").await;
    for path in ["password/forgot", "magic-link"] {
        let mut answers = Vec::new();
        for email in ["d@example.com", "nobody@example.com", "viewer@example.com"] {
            let count = async |statement| site.count(statement).await;
            let (mails, secrets) = (
                count("SELECT COUNT(*) AS n FROM mails").await,
                count("SELECT COUNT(*) AS n FROM user_secrets").await,
            );
            let reply = post(&site.browser(), path, &json!({ "email": email })).await;
            assert_eq!(count("SELECT COUNT(*) AS n FROM mails").await, mails + 1, "{path} {email}");
            assert_eq!(count("SELECT COUNT(*) AS n FROM user_secrets").await, secrets + 1, "{path} {email}");
            answers.push((reply.status, reply.text(), reply.headers));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }
    assert_eq!(hashes(&site), 0);
    assert!(site.letter("d@example.com").await.is_some());
    assert!(site.letter("nobody@example.com").await.is_none());
    assert!(site.letter("viewer@example.com").await.is_none());
    assert_eq!(
        site.count("SELECT COUNT(*) AS n FROM user_secrets WHERE user_id IS NULL AND email_norm = ''").await,
        4
    );
}

#[orgate_testkit::both]
async fn a_link_that_is_wrong_old_foreign_or_for_something_else_opens_nothing() {
    let site = site().await;
    post(&site.browser(), "password/forgot", &json!({ "email": "d@example.com" })).await;
    let (_, token) = link(&site.letter("d@example.com").await.unwrap());
    let reset = |token: &str| json!({ "token": token, "password": NEW });
    for wrong in ["", "guess", &format!("{token}x")] {
        assert_eq!(post(&site.browser(), "password/reset", &reset(wrong)).await.code(), "link_invalid");
    }
    assert_eq!(
        post(&site.browser(), "magic-link/verify", &json!({ "token": token })).await.code(),
        "link_invalid"
    );
    let other = site.browser().json(Method::POST, "/p/proj_q/v1/auth/password/reset", &reset(&token)).await;
    assert_eq!((other.status.as_u16(), other.code()), (410, json!("link_invalid")));
    assert_eq!(hashes(&site), 0, "without a link nothing is hashed");
    site.clock.advance(3_600_000);
    assert_eq!(post(&site.browser(), "password/reset", &reset(&token)).await.code(), "link_invalid");
    // What is in the database opens nothing.
    assert!(!site.disk().windows(token.len()).any(|window| window == token.as_bytes()));
}

#[orgate_testkit::both]
async fn of_two_who_use_a_link_at_once_one_gets_in() {
    let site = site().await;
    post(&site.browser(), "magic-link", &json!({ "email": "n@example.com" })).await;
    let (_, token) = link(&site.letter("n@example.com").await.unwrap());
    let (one, two) = (site.browser(), site.browser());
    let body = json!({ "token": token });
    let (one, two) =
        tokio::join!(post(&one, "magic-link/verify", &body), post(&two, "magic-link/verify", &body));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 410]);
}

#[orgate_testkit::both]
async fn a_mailed_link_signs_in_when_its_button_is_pressed_and_not_when_it_is_opened() {
    let site = site().await;
    let browser = site.browser();
    let started = browser.authorize(&[]).await;
    let login = browser.get(&started.location()).await.text();
    let login = login.replace("&#x2f;", "/").replace("&amp;", "&");
    let magic =
        login.split("href=\"").find(|part| part.contains("/magic?")).unwrap().split('"').next().unwrap();
    let page = browser.get(magic).await;
    assert_eq!(page.status, 200, "{magic}");
    let request = started.parameter("request").unwrap();
    let sent = browser.form("/p/proj_p/magic", &[("request", &request), ("email", "x@example.com")]).await;
    assert_eq!(sent.page_code().as_deref(), Some("mail_sent"));
    let nobody =
        browser.form("/p/proj_p/magic", &[("request", &request), ("email", "nobody@example.com")]).await;
    assert_eq!((sent.status, sent.text(), &sent.headers), (nobody.status, nobody.text(), &nobody.headers));

    let (path, token) = link(&site.letter("x@example.com").await.unwrap());
    // What reads mail before people do: it opens the link, more than once.
    for _ in 0..3 {
        let scanned = site.browser().get(&path).await;
        assert_eq!(scanned.status, 200);
        assert!(!scanned.headers.contains_key("set-cookie"));
    }
    let done = browser.form("/p/proj_p/magic", &[("token", &token), ("request", &request)]).await;
    assert!(done.parameter("code").is_some(), "{done:?}");
    let tokens = site.browser().token(&exchange(&done.parameter("code").unwrap())).await.json();
    assert_eq!(crate::testing::claims(&tokens["access_token"])["amr"], json!(["email"]));
}

#[orgate_testkit::both]
async fn in_another_browser_a_mailed_link_signs_in_there_and_leads_nowhere() {
    let site = site().await;
    let browser = site.browser();
    let request = browser.authorize(&[]).await.parameter("request").unwrap();
    browser.form("/p/proj_p/magic", &[("request", &request), ("email", "x@example.com")]).await;
    let (_, token) = link(&site.letter("x@example.com").await.unwrap());
    let other = site.browser();
    let done = other.form("/p/proj_p/magic", &[("token", &token), ("request", &request)]).await;
    assert_eq!(done.page_code().as_deref(), Some("signed_in"));
    assert_eq!(other.get("/p/proj_p/v1/auth/session").await.json()["user"]["id"], "usr_x");
    assert_eq!(browser.get("/p/proj_p/v1/auth/session").await.status, 401);
    // A page of another origin presses no buttons.
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")];
    let forged = other.send(Method::POST, "/p/proj_p/magic", &headers, format!("token={token}")).await;
    assert_eq!(forged.status, 403);
}

#[orgate_testkit::both]
async fn mail_is_limited_by_address_and_network_but_not_for_who_is_known_there() {
    let site = site().await;
    let owner = site.browser_from("198.51.100.1");
    post(&owner, "login", &json!({ "email": "d@example.com", "password": PASSWORD })).await;
    let forgot = json!({ "email": "d@example.com" });
    let attacker = site.browser_from("192.0.2.1");
    for _ in 0..5 {
        assert_eq!(post(&attacker, "password/forgot", &forgot).await.status, 202);
    }
    let reply = post(&attacker, "password/forgot", &forgot).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (429, json!("rate_limited")));
    assert!(reply.headers.contains_key("retry-after"));
    for network in 2..9 {
        let attacker = site.browser_from(&format!("192.0.2.{network}"));
        for _ in 0..4 {
            post(&attacker, "password/forgot", &forgot).await;
        }
    }
    let elsewhere = site.browser_from("203.0.113.1");
    assert_eq!(post(&elsewhere, "password/forgot", &forgot).await.status, 429);
    assert_eq!(post(&owner, "password/forgot", &forgot).await.status, 202);
    // The same for an address that is nobody's.
    for _ in 0..5 {
        post(&elsewhere, "password/forgot", &json!({ "email": "nobody@example.com" })).await;
    }
    let nobody = post(&elsewhere, "password/forgot", &json!({ "email": "nobody@example.com" })).await;
    assert_eq!((nobody.status, nobody.text()), (reply.status, reply.text()));
}

#[orgate_testkit::both]
async fn links_are_made_of_the_public_url_whatever_a_request_says() {
    let site = site().await;
    let headers = [
        ("content-type", "application/json"),
        ("host", "evil.test"),
        ("x-forwarded-host", "evil.test"),
        ("forwarded", "host=evil.test"),
    ];
    let body = json!({ "email": "d@example.com" }).to_string();
    let reply = site.browser().send(Method::POST, "/p/proj_p/v1/auth/password/forgot", &headers, body).await;
    assert_eq!(reply.status, 202);
    let letter = site.letter("d@example.com").await.unwrap();
    assert!(!letter.to_string().contains("evil"), "{letter}");
    assert!(letter["links"][0].as_str().unwrap().starts_with(&format!("{ORIGIN}/p/proj_p/reset?token=")));
    assert!(letter["text"].as_str().unwrap().contains(letter["links"][0].as_str().unwrap()));
}

#[orgate_testkit::both]
async fn an_address_in_two_spellings_is_one() {
    assert_eq!(Address::parse("D@EXAMPLE.com").unwrap().key(), "d@example.com");
    let site = site().await;
    post(&site.browser(), "signup", &wish("NEW@example.com")).await;
    let body =
        json!({ "email": " new@EXAMPLE.com", "code": code(&site.letter("NEW@example.com").await.unwrap()) });
    assert_eq!(post(&site.browser(), "email/verify", &body).await.status, 200);
    let again = post(&site.browser(), "signup", &wish("New@Example.Com")).await;
    assert_eq!(again.status, 202);
    assert!(
        site.letter("New@Example.Com").await.unwrap()["subject"]
            .as_str()
            .unwrap()
            .contains("have an account")
    );
}
