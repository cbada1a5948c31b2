//! Where one is signed in, and ending that.

use super::*;
use crate::testing::{Browser, refresh};

async fn signed_in(site: &crate::testing::Site, agent: &str) -> Browser {
    let browser = site.browser();
    let body = json!({ "email": "x@example.com", "password": PASSWORD }).to_string();
    let headers = [("content-type", "application/json"), ("user-agent", agent)];
    assert_eq!(browser.send(Method::POST, "/p/proj_p/v1/auth/login", &headers, body).await.status, 200);
    browser
}

async fn list(browser: &Browser) -> Vec<Value> {
    let reply = browser.get("/p/proj_p/v1/auth/sessions").await;
    if reply.status == 401 { Vec::new() } else { reply.json()["data"].as_array().unwrap().clone() }
}

async fn end(browser: &Browser, path: &str) -> crate::testing::Reply {
    browser
        .send(Method::DELETE, &format!("/p/proj_p/v1/auth/{path}"), &[("origin", ORIGIN)], String::new())
        .await
}

#[orgate_testkit::both]
async fn sessions_are_listed_and_one_can_be_ended_with_all_that_came_of_it() {
    let site = site().await;
    let (phone, laptop) = (signed_in(&site, "Phone").await, signed_in(&site, "Laptop").await);
    let code = phone.authorize(&[("scope", "openid offline_access")]).await.parameter("code").unwrap();
    let tokens = site.browser().token(&exchange(&code)).await.json();
    let other = site.browser();
    other.login("d@example.com", PASSWORD, &[]).await;

    let sessions = list(&laptop).await;
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    let of = |agent: &str| sessions.iter().find(|one| one["user_agent"] == agent).unwrap();
    assert_eq!((&of("Laptop")["current"], &of("Phone")["current"]), (&json!(true), &json!(false)));
    assert_eq!(of("Phone")["amr"], json!(["pwd"]));
    let id = of("Phone")["id"].as_str().unwrap().to_owned();

    assert_eq!(end(&other, &format!("sessions/{id}")).await.status, 404, "somebody else's");
    assert_eq!(end(&site.browser(), &format!("sessions/{id}")).await.status, 401);
    let forged = laptop.send(Method::DELETE, &format!("/v1/auth/sessions/{id}"), &[], String::new()).await;
    assert_eq!(forged.code(), "csrf");
    assert_eq!(end(&laptop, "sessions/ses_none").await.status, 404);
    assert_eq!(end(&laptop, &format!("sessions/{id}")).await.status, 204);
    assert_eq!(list(&phone).await.len(), 0);
    assert_eq!(list(&laptop).await.len(), 1);
    assert_eq!(site.browser().token(&refresh(&tokens)).await.json()["error"], "invalid_grant");
    assert_eq!(end(&laptop, &format!("sessions/{id}")).await.status, 404, "it has ended");
}

#[orgate_testkit::both]
async fn all_other_sessions_can_be_ended_at_once() {
    let site = site().await;
    let (one, two, three) =
        (signed_in(&site, "1").await, signed_in(&site, "2").await, signed_in(&site, "3").await);
    let tokens = async |browser: &Browser| {
        let code = browser.authorize(&[("scope", "openid")]).await.parameter("code").unwrap();
        site.browser().token(&exchange(&code)).await.json()
    };
    let (own, theirs) = (tokens(&one).await, tokens(&two).await);
    assert_eq!(end(&one, "sessions").await.status, 204);
    assert_eq!((list(&one).await.len(), list(&two).await.len(), list(&three).await.len()), (1, 0, 0));
    assert_eq!(site.browser().token(&refresh(&theirs)).await.json()["error"], "invalid_grant");
    assert_eq!(site.browser().token(&refresh(&own)).await.status, 200);
}

#[orgate_testkit::both]
async fn what_has_ended_is_forgotten_after_a_week_and_what_lives_is_not() {
    let site = site().await;
    let (gone, stays) = (signed_in(&site, "gone").await, signed_in(&site, "stays").await);
    let offline = gone.authorize(&[("scope", "openid offline_access")]).await.parameter("code").unwrap();
    let offline = site.browser().token(&exchange(&offline)).await.json();
    let online = gone.authorize(&[("scope", "openid")]).await.parameter("code").unwrap();
    let online = site.browser().token(&exchange(&online)).await.json();
    assert_eq!(gone.json(Method::POST, "/p/proj_p/v1/auth/logout", &json!({})).await.status, 204);
    for (days, sessions, families) in [(6, 2, 2), (2, 1, 1)] {
        site.clock.advance(days * 86_400_000);
        assert_eq!(stays.get("/p/proj_p/v1/auth/session").await.status, 200);
        crate::upkeep::purge(site.issuer.app()).await.unwrap();
        assert_eq!(site.count("SELECT COUNT(*) AS n FROM sessions").await, sessions, "{days}");
        assert_eq!(site.count("SELECT COUNT(*) AS n FROM token_families").await, families, "{days}");
    }
    // What was given for use without a session outlives the session, and its row; the other one does not come back.
    assert_eq!(site.browser().token(&refresh(&offline)).await.status, 200);
    assert_eq!(site.browser().token(&refresh(&online)).await.json()["error"], "invalid_grant");
}

/// Another password, and the end of every session, as a reset does it.
async fn change_password(site: &crate::testing::Site, phc: &'static str) {
    site.write(move |tx| {
        Box::pin(async move {
            crate::users::set_password(tx, "usr_x", phc, crate::testing::NOW).await?;
            crate::login::session::expel_others(tx, "proj_p", "usr_x", None, crate::testing::NOW).await
        })
    })
    .await;
}

#[orgate_testkit::both]
async fn a_password_that_is_changed_while_it_is_checked_lets_nobody_in() {
    const CHANGED: &str = "UPDATE users SET password_phc = '$argon2id$v=19$m=8192,t=2,p=1$c29tZSBzYWx0IQ$rG6pK2mB4tvlHPobfNUoLKL/0oI2Wk0CTg4hXqTEtbE' WHERE id = 'usr_x'";
    let site = site().await;
    let (browser, body) = (site.browser(), json!({ "email": "x@example.com", "password": PASSWORD }));
    let other = site.count("SELECT COUNT(*) AS n FROM sessions").await;
    let login = browser.json(Method::POST, "/p/proj_p/v1/auth/login", &body);
    let (reply, ()) = tokio::join!(login, async { site.change(CHANGED).await });
    assert_eq!((reply.status.as_u16(), reply.code()), (401, json!("invalid_credentials")));
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM sessions").await, other);
    let kept = "SELECT COUNT(*) AS n FROM users WHERE id = 'usr_x' AND password_phc LIKE '%m=8192%'";
    assert_eq!(site.count(kept).await, 1, "the new password stands");
}

#[orgate_testkit::both]
async fn nothing_that_is_begun_outlives_the_end_of_all_sessions() {
    let site = site().await;
    for _ in 0..12 {
        let browser = site.browser();
        browser.login("x@example.com", PASSWORD, &[]).await;
        let code = browser.authorize(&[("scope", "openid offline_access")]).await.parameter("code").unwrap();
        let (body, late) = (exchange(&code), site.browser());
        let again = late.login("x@example.com", PASSWORD, &[]);
        let (redeemed, _, ()) =
            tokio::join!(browser.token(&body), again, change_password(&site, crate::testing::phc()));
        assert!(redeemed.status == 200 || redeemed.status == 400, "{redeemed:?}");
        let alive = "SELECT COUNT(*) AS n FROM token_families f JOIN sessions s ON s.id = f.session_id \
                     WHERE f.revoked_at IS NULL AND s.revoked_at IS NOT NULL";
        assert_eq!(site.count(alive).await, 0, "a family outlived its session");
        change_password(&site, crate::testing::phc()).await;
    }
}

#[orgate_testkit::both]
async fn a_user_who_is_suspended_meanwhile_does_not_come_in_by_the_second_step() {
    let site = site().await;
    site.write(|tx| {
        Box::pin(async move {
            let waiting =
                crate::factors::Waiting { user_id: "usr_x".to_owned(), amr: vec!["pwd".to_owned()] };
            let hash = crate::secret::fingerprint("ticket");
            crate::factors::wait(tx, &hash, "proj_p", &waiting, crate::testing::NOW).await
        })
    })
    .await;
    site.change("UPDATE users SET status = 'suspended' WHERE id = 'usr_x'").await;
    let body = json!({ "ticket": "ticket", "code": "123456" });
    let reply = site.browser().json(Method::POST, "/p/proj_p/v1/auth/mfa/verify", &body).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (401, json!("sign_in_expired")), "{}", reply.text());
}

#[orgate_testkit::both]
async fn a_session_that_says_the_same_is_not_sent_again() {
    let site = site().await;
    let browser = site.signed_in("d").await;
    let again = async |tag: &str| {
        browser.send(Method::GET, "/v1/auth/session", &[("if-none-match", tag)], String::new()).await
    };
    let tag_of = |reply: &crate::testing::Reply| reply.headers["etag"].to_str().unwrap().to_owned();
    let first = browser.get("/v1/auth/session").await;
    assert_eq!(first.headers["cache-control"], "private, no-cache");
    assert_eq!(first.headers["vary"], "cookie");
    let mut tag = tag_of(&first);
    // Its use moves its end, and that is no news.
    site.clock.advance(3_600_000);
    let unchanged = again(&format!("\"x\", {tag}")).await;
    assert_eq!((unchanged.status.as_u16(), tag_of(&unchanged)), (304, tag.clone()));
    assert!(unchanged.body.is_empty());

    let globex = "/v1/auth/organizations/globex";
    let member = format!("{globex}/members/usr_d");
    let x = site.signed_in("x").await;
    for (who, method, path, body) in [
        (&browser, Method::POST, format!("{globex}/switch"), json!({})),
        (&x, Method::PATCH, globex.to_owned(), json!({ "name": "Globex" })),
        (&x, Method::PUT, member.clone(), json!({ "role": "viewer" })),
        (&x, Method::DELETE, member, json!({})),
    ] {
        let done = who.json(method, &path, &body).await;
        assert!(done.status.is_success(), "{path}: {}", done.text());
        let changed = again(&tag).await;
        assert_eq!(changed.status, 200, "{path}");
        tag = tag_of(&changed);
    }
    assert_eq!(browser.json(Method::POST, "/v1/auth/logout", &json!({})).await.status, 204);
    assert_eq!(again(&tag).await.status, 401);
}
