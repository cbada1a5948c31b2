//! What people do about themselves: answering what they are invited to, and choosing where they work.

use http::Method;
use serde_json::{Value, json};

use super::{ACME, OPERATORS, SWITCHED, bare, refused, role_of};
use crate::testing::{Browser, Site, claims, site};

const OWN: &str = "/v1/auth/me/invitations";
const SWITCH: &str = "/v1/auth/me/switch-org";

async fn invited(site: &Site) -> String {
    let owner = site.signed_in("owner").await;
    let body = json!({ "email": "n@example.com", "role": "viewer" });
    let made = owner.json(Method::POST, &format!("{ACME}/invitations"), &body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["id"].as_str().unwrap().to_owned()
}

#[orgate_testkit::both]
async fn whoever_is_signed_in_answers_an_invitation_by_its_id() {
    let site = site().await;
    let id = invited(&site).await;
    let (n, x) = (site.signed_in("n").await, site.signed_in("x").await);
    assert_eq!(n.get(OWN).await.json()["data"][0]["id"], id.as_str());
    let accept = format!("{OWN}/{id}/accept");
    for (browser, path) in [
        (&x, accept.as_str()),
        (&n, "/v1/auth/me/invitations/inv_absent/accept"),
        (&x, &format!("{OWN}/{id}/decline")),
    ] {
        refused(&bare(browser, Method::POST, path).await, 404, "invitation_invalid");
    }
    refused(&bare(&site.browser(), Method::POST, &accept).await, 401, "unauthenticated");
    let foreign = [("origin", "https://evil.test")];
    refused(&n.send(Method::POST, &accept, &foreign, String::new()).await, 403, "csrf");
    site.change("UPDATE users SET email_verified_at = NULL WHERE id = 'usr_n'").await;
    refused(&bare(&n, Method::POST, &accept).await, 404, "invitation_invalid");
    site.change("UPDATE users SET email_verified_at = 1 WHERE id = 'usr_n'").await;
    let joined = bare(&n, Method::POST, &accept).await;
    assert_eq!((joined.status.as_u16(), &joined.json()["role"]), (201, &json!("viewer")));
    assert_eq!(bare(&n, Method::POST, &accept).await.status, 200, "again");
    assert_eq!(role_of(&site, "org_acme", "usr_n").await.as_deref(), Some("viewer"));
}

#[orgate_testkit::both]
async fn an_invitation_that_was_declined_by_its_id_has_ended() {
    let site = site().await;
    let id = invited(&site).await;
    let n = site.signed_in("n").await;
    assert_eq!(bare(&n, Method::POST, &format!("{OWN}/{id}/decline")).await.status, 200);
    refused(&bare(&n, Method::POST, &format!("{OWN}/{id}/accept")).await, 410, "invitation_declined");
    assert_eq!(role_of(&site, "org_acme", "usr_n").await, None);
}

async fn active(browser: &Browser) -> Value {
    browser.get("/v1/auth/session").await.json()["activeOrganizationId"].clone()
}

#[orgate_testkit::both]
async fn the_organization_is_switched_in_the_words_of_others() {
    let site = site().await;
    let d = site.signed_in("d").await;
    let reply = d.json(Method::POST, SWITCH, &json!({ "org_id": "globex" })).await.json();
    let session = d.get("/v1/auth/session").await.json();
    assert_eq!(reply, json!({ "session_id": session["id"], "org_id": "org_globex" }));
    assert_eq!(active(&d).await, "org_globex");
    let reply = d.json(Method::POST, SWITCH, &json!({ "org_id": "" })).await.json();
    assert_eq!((&reply["org_id"], active(&d).await), (&Value::Null, Value::Null));
    let n = site.signed_in("n").await;
    for org in ["org_acme", "org_absent"] {
        refused(&n.json(Method::POST, SWITCH, &json!({ "org_id": org })).await, 404, "not_found");
    }
    refused(&d.json(Method::POST, SWITCH, &json!({})).await, 422, "invalid_value");
    refused(&d.json(Method::POST, SWITCH, &json!({ "org_id": 1 })).await, 422, "invalid_value");
}

#[orgate_testkit::both]
async fn whoever_switches_may_have_a_token_for_it_in_the_same_answer() {
    let site = site().await;
    let d = site.signed_in("d").await;
    let path = format!("{SWITCHED}?return=token");
    let reply = d.json(Method::PUT, &path, &json!({ "org_id": "org_globex" })).await.json();
    let said = claims(&reply["token"]["access_token"]);
    assert_eq!((&said["org_id"], &said["org_role"]), (&json!("org_globex"), &json!("admin")));
    assert_eq!((&said["sub"], &reply["activeOrganizationId"]), (&json!("usr_d"), &json!("org_globex")));
    let reply = d.json(Method::PUT, &path, &json!({ "org_id": null })).await.json();
    assert!(claims(&reply["token"]["access_token"]).get("org_id").is_none(), "{reply}");
    let plain = d.json(Method::PUT, SWITCHED, &json!({ "org_id": "acme" })).await.json();
    assert!(plain.get("token").is_none());
    let other = format!("{SWITCHED}?return=cookie");
    refused(&d.json(Method::PUT, &other, &json!({ "org_id": null })).await, 422, "invalid_value");
    assert_eq!(active(&d).await, "org_acme", "what is refused changes nothing");
}

/// The token of the newest letter to this address.
async fn mailed(site: &Site, to: &str) -> String {
    let letter = site.letter(to).await.unwrap();
    letter["links"][0].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

#[orgate_testkit::both]
async fn whoever_was_mailed_an_invitation_signs_up_by_it_in_one_step() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let invite = async |email: &str| {
        let body = json!({ "email": email, "role": "viewer" });
        let made = owner.json(Method::POST, &format!("{ACME}/invitations"), &body).await;
        assert_eq!(made.status, 201, "{}", made.text());
        mailed(&site, email).await
    };
    let sign_up = |token: &str| format!("/v1/auth/invitations/{token}/sign-up");
    let token = invite("new@example.com").await;
    let browser = site.browser();
    let good = json!({ "password": "a long enough phrase", "name": "Nele" });
    for (path, body, status, code) in [
        (sign_up("nothing"), good.clone(), 404, "invitation_invalid"),
        (sign_up(&token), json!({ "password": "short" }), 422, "invalid_value"),
        (sign_up(&token), json!({}), 422, "invalid_value"),
        (sign_up(&token), json!({ "password": "x", "role": "owner" }), 422, "unknown_field"),
    ] {
        refused(&browser.json(Method::POST, &path, &body).await, status, code);
    }
    let made = browser.json(Method::POST, &sign_up(&token), &good).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let session = browser.get("/v1/auth/session").await.json();
    assert_eq!(
        (&session["user"]["email_verified"], &session["activeOrganizationId"], &session["role"]),
        (&json!(true), &json!("org_acme"), &json!("viewer")),
    );
    refused(&site.browser().json(Method::POST, &sign_up(&token), &good).await, 410, "invitation_used");
    // Who has an account signs in.
    let token = invite("n@example.com").await;
    refused(&site.browser().json(Method::POST, &sign_up(&token), &good).await, 409, "conflict");
    // What an operator was told shows nothing about the address.
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    let body = json!({ "email": "other@example.com", "return_token": true });
    let told = operator.json(Method::POST, &format!("{OPERATORS}/acme/invitations"), &body).await.json();
    let path = sign_up(told["token"].as_str().unwrap());
    refused(&site.browser().json(Method::POST, &path, &good).await, 403, "forbidden");
}
