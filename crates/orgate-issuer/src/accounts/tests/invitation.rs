//! The page that the letter of an invitation leads to.

use http::Method;
use serde_json::json;

use super::NEW;
use crate::testing::{Browser, ORIGIN, PASSWORD, Reply, Site, site};

async fn invited(site: &Site, email: &str) -> String {
    site.clock.advance(1);
    let owner = site.signed_in("owner").await;
    let body = json!({ "email": email, "role": "member" });
    let reply = owner.json(Method::POST, "/v1/auth/organizations/acme/invitations", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let letter = site.letter(email).await.unwrap();
    letter["links"][0].as_str().unwrap().strip_prefix(ORIGIN).unwrap().to_owned()
}

async fn decide(browser: &Browser, page: &str, decision: &str) -> Reply {
    browser.form(page, &[("decision", decision)]).await
}

fn code(reply: &Reply) -> (u16, String) {
    (reply.status.as_u16(), reply.page_code().unwrap_or_default())
}

#[orgate_testkit::both]
async fn the_letter_leads_to_a_page_that_says_who_invites_to_what() {
    let site = site().await;
    let page = invited(&site, "n@example.com").await;
    let browser = site.browser();
    let shown = browser.get(&page).await;
    assert_eq!(shown.status, 200);
    let text = shown.text();
    for word in ["owner invites you", "The acme", "<strong>member</strong>", "n***@example.com"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    // Whoever was sent the link by somebody else learns no address, and nothing happened.
    assert!(!text.contains("n@example.com") && !text.contains("<script"), "{text}");
    for (name, value) in [("referrer-policy", "no-referrer"), ("cache-control", "no-store")] {
        assert_eq!(shown.headers[name], value);
    }
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM invitations WHERE status = 'pending'").await, 1);
    let wrong = [("decision", "sign_in"), ("email", "n@example.com"), ("password", "wrong")];
    assert_eq!(code(&browser.form(&page, &wrong).await), (401, "invalid_credentials".to_owned()));
    let right = [("decision", "sign_in"), ("email", "n@example.com"), ("password", PASSWORD)];
    let signed_in = browser.form(&page, &right).await;
    assert_eq!((signed_in.status.as_u16(), signed_in.location()), (303, format!("{ORIGIN}{page}")));
    let text = browser.get(&page).await.text();
    assert!(text.contains("value=\"accept\"") && text.contains("value=\"decline\""), "{text}");
    assert_eq!(code(&decide(&browser, &page, "accept").await), (200, "invitation_accepted".to_owned()));
    let own = browser.get("/p/proj_p/v1/auth/me/organizations").await.json();
    assert_eq!((&own["data"][0]["slug"], &own["data"][0]["role"]), (&json!("acme"), &json!("member")));
    // Once more by the same person, and the page from then on.
    assert_eq!(code(&decide(&browser, &page, "accept").await), (200, "invitation_accepted".to_owned()));
    assert_eq!(code(&browser.get(&page).await), (410, "invitation_used".to_owned()));
    assert_eq!(code(&decide(&browser, &page, "decline").await), (410, "invitation_used".to_owned()));
    assert_eq!(code(&decide(&site.signed_in("x").await, &page, "accept").await).0, 403);
}

#[orgate_testkit::both]
async fn who_signs_up_by_an_invitation_is_a_user_and_a_member_in_one_step() {
    let site = site().await;
    super::execute(&site, "UPDATE projects SET personal_orgs = 1").await;
    let page = invited(&site, "New@example.com").await;
    let browser = site.browser();
    for (password, status) in [("short", 422), ("", 422), ("new@example.com", 422)] {
        let form = [("decision", "sign_up"), ("password", password)];
        assert_eq!(browser.form(&page, &form).await.status, status, "{password}");
    }
    // What cannot be leaves nobody.
    super::execute(&site, "UPDATE organizations SET max_members = member_count WHERE id = 'org_acme'").await;
    let form = [("decision", "sign_up"), ("password", NEW), ("name", "Ann")];
    assert_eq!(code(&browser.form(&page, &form).await), (403, "member_limit".to_owned()));
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM users WHERE email_norm = 'new@example.com'").await, 0);
    assert!(browser.cookie("orgate-proj_p").is_none());
    super::execute(&site, "UPDATE organizations SET max_members = NULL").await;
    assert_eq!(code(&browser.form(&page, &form).await), (200, "invitation_accepted".to_owned()));
    let session = browser.get("/p/proj_p/v1/auth/session").await.json();
    assert_eq!((&session["user"]["email_verified"], &session["user"]["name"]), (&json!(true), &json!("Ann")));
    assert_eq!((&session["organization"]["slug"], &session["role"]), (&json!("acme"), &json!("member")));
    let own = browser.get("/p/proj_p/v1/auth/me/organizations").await.json();
    assert_eq!(own["data"][0]["is_personal"], true);
    let login = json!({ "email": "new@example.com", "password": NEW });
    assert_eq!(super::post(&site.browser(), "login", &login).await.status, 200);
    let events: Vec<String> = site.events().await.into_iter().map(|(_, kind)| kind).collect();
    let last: Vec<&str> =
        events.iter().map(String::as_str).filter(|kind| !kind.starts_with("session")).collect();
    let expected =
        ["invitation.created", "user.created", "organization.created", "member.added", "invitation.accepted"];
    assert_eq!(last[last.len() - 5..], expected);
    assert_eq!(code(&browser.form(&page, &form).await), (410, "invitation_used".to_owned()));
}

#[orgate_testkit::both]
async fn who_has_an_account_signs_in_instead() {
    let site = site().await;
    let page = invited(&site, "n@example.com").await;
    let before = super::hashes(&site);
    let reply = site.browser().form(&page, &[("decision", "sign_up"), ("password", NEW)]).await;
    assert_eq!(code(&reply), (409, "conflict".to_owned()));
    assert!(reply.text().contains("There is an account with this address"));
    assert_eq!(super::hashes(&site), before);
    let login = json!({ "email": "n@example.com", "password": PASSWORD });
    assert_eq!(super::post(&site.browser(), "login", &login).await.status, 200);
}

#[orgate_testkit::both]
async fn somebody_else_is_told_so_and_can_sign_in_as_another() {
    let site = site().await;
    let page = invited(&site, "n@example.com").await;
    let browser = site.signed_in("x").await;
    let text = browser.get(&page).await.text();
    assert!(
        text.contains("You are signed in as x@example.com") && !text.contains("value=\"accept\""),
        "{text}"
    );
    for decision in ["accept", "decline"] {
        assert_eq!(
            code(&decide(&browser, &page, decision).await),
            (403, "invitation_email_mismatch".to_owned())
        );
    }
    assert_eq!(code(&decide(&site.browser(), &page, "accept").await), (401, "sign_in_required".to_owned()));
    let form = [("decision", "sign_in"), ("email", "n@example.com"), ("password", PASSWORD)];
    assert_eq!(browser.form(&page, &form).await.status, 303);
    assert_eq!(code(&decide(&browser, &page, "decline").await), (200, "invitation_declined".to_owned()));
    assert_eq!(code(&browser.get(&page).await), (410, "invitation_declined".to_owned()));
}

#[orgate_testkit::both]
async fn an_address_that_is_not_confirmed_is_confirmed_first() {
    let site = site().await;
    let page = invited(&site, "n@example.com").await;
    super::execute(&site, "UPDATE users SET email_verified_at = NULL WHERE id = 'usr_n'").await;
    let browser = site.signed_in("n").await;
    let text = browser.get(&page).await.text();
    assert!(text.contains("value=\"confirm\"") && !text.contains("value=\"accept\""), "{text}");
    assert_eq!(code(&decide(&browser, &page, "accept").await), (403, "email_not_verified".to_owned()));
    site.clock.advance(1);
    assert_eq!(code(&decide(&browser, &page, "confirm").await), (200, "mail_sent".to_owned()));
    let (_, token) = super::link(&site.letter("n@example.com").await.unwrap());
    let confirmed = browser.form("/p/proj_p/verify", &[("token", &token)]).await;
    assert_eq!(confirmed.page_code().as_deref(), Some("email_verified"));
    assert_eq!(code(&decide(&browser, &page, "accept").await), (200, "invitation_accepted".to_owned()));
}

#[orgate_testkit::both]
async fn a_page_of_an_invitation_that_has_ended_says_so() {
    let site = site().await;
    let page = invited(&site, "n@example.com").await;
    let browser = site.signed_in("n").await;
    for (change, status, expected) in [
        ("UPDATE invitations SET status = 'revoked'", 410, "invitation_revoked"),
        ("UPDATE invitations SET status = 'pending', expires_at = 1", 410, "invitation_expired"),
        ("DELETE FROM invitations", 404, "invitation_invalid"),
    ] {
        super::execute(&site, change).await;
        assert_eq!(code(&browser.get(&page).await), (status, expected.to_owned()));
        for decision in ["accept", "decline", "sign_in", "sign_up"] {
            let reply = decide(&browser, &page, decision).await;
            assert_eq!(code(&reply), (status, expected.to_owned()), "{decision}");
        }
    }
}

#[orgate_testkit::both]
async fn what_people_call_themselves_is_text_on_the_page_and_in_the_letter() {
    let site = site().await;
    super::execute(
        &site,
        "UPDATE organizations SET name = '<script>x</script>{{ 7 }}' WHERE id = 'org_acme'",
    )
    .await;
    super::execute(&site, "UPDATE users SET name = '\"><b>Ann</b>' WHERE id = 'usr_owner'").await;
    let page = invited(&site, "n@example.com").await;
    let text = site.browser().get(&page).await.text();
    assert!(!text.contains("<script") && !text.contains("<b>") && text.contains("&lt;script&gt;"), "{text}");
    let letter = site.letter("n@example.com").await.unwrap();
    assert_eq!(letter["subject"], "Invitation to <script>x</script>{{ 7 }}");
}
