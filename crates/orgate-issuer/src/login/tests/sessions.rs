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
