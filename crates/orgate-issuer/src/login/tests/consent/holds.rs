//! Nobody says yes but the person, and to nothing but what they were shown.

use super::*;

/// What the page says to a press of `Allow`, and that nothing was allowed.
async fn refused(site: &Site, reply: &Reply, status: u16, code: &str) {
    assert_eq!(
        (reply.status.as_u16(), reply.page_code().as_deref()),
        (status, Some(code)),
        "{}",
        reply.text()
    );
    assert_eq!((count(site).await, told(site).await.len()), (0, 0), "{code}");
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM auth_codes").await, 0, "{code}");
}

#[orgate_testkit::both]
async fn another_browser_or_another_page_cannot_press_allow() {
    let site = site_of_others().await;
    let browser = site.signed_in("x").await;
    let to = asked(&browser, None, "openid", &[]).await;
    let page = browser.get(&to.location()).await;
    // Neither a stranger nor the same person with another browser, who is signed in as well.
    for other in [site.browser(), site.signed_in("x").await] {
        assert_eq!(other.get(&to.location()).await.page_code().as_deref(), Some("csrf"));
        refused(&site, &decide(&other, &page, "allow").await, 403, "csrf").await;
        assert_eq!(decide(&other, &page, "deny").await.page_code().as_deref(), Some("csrf"));
    }
    // Nor a form on a foreign page.
    let fields = [
        ("request", hidden(&page, "request")),
        ("shown", hidden(&page, "shown")),
        ("decision", "allow".to_owned()),
    ];
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
    for site_of in ["cross-site", "same-site"] {
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", site_of)];
        let reply = browser.send(Method::POST, "/p/proj_p/consent", &headers, body.clone()).await;
        refused(&site, &reply, 403, "csrf").await;
    }
    // Nor a link: it only shows the page.
    let link = browser.get(&format!("/p/proj_p/consent?{body}")).await;
    assert_eq!(link.status, 200);
    assert_eq!(count(&site).await, 0);
    // Nor a form that says nothing, or does not say what was shown.
    let (request, shown) = (hidden(&page, "request"), hidden(&page, "shown"));
    for (fields, status, code) in [
        (vec![("request", request.as_str()), ("shown", shown.as_str())], 400, "invalid_request"),
        (vec![("request", &request), ("decision", "allow")], 409, "request_changed"),
        (vec![("request", &request), ("shown", "x"), ("decision", "allow")], 409, "request_changed"),
        (vec![("shown", &shown), ("decision", "allow")], 400, "request_expired"),
    ] {
        refused(&site, &browser.form("/p/proj_p/consent", &fields).await, status, code).await;
    }
    assert!(
        decide(&browser, &page, "allow").await.parameter("code").is_some(),
        "the person can, all the while"
    );
}

#[orgate_testkit::both]
async fn the_page_cannot_be_reached_before_the_choice_or_pressed_for_another() {
    let site = site_of_others().await;
    let browser = site.signed_in("d").await;
    let picker = browser.authorize(&asking("openid", &[])).await;
    let early = picker.location().replace("organizations/choose", "consent");
    assert_eq!(browser.get(&early).await.page_code().as_deref(), Some("request_expired"));
    let to = browser.pick(&picker, "org_acme").await;
    let page = browser.get(&to.location()).await;
    // Another organization is chosen in another tab, for the same request.
    browser.pick(&picker, "org_globex").await;
    refused(&site, &decide(&browser, &page, "allow").await, 409, "request_changed").await;
    let tokens = redeem(&browser, &press(&browser, &to, "allow").await).await;
    assert_eq!(tokens["org_id"], "org_globex");
}

#[orgate_testkit::both]
async fn what_changes_between_the_page_and_the_press_allows_nothing() {
    for (change, status, code) in [
        ("UPDATE clients SET scopes = '[]' WHERE id = 'app_other'", 409, "request_changed"),
        ("UPDATE clients SET grants = '[]' WHERE id = 'app_other'", 409, "request_changed"),
        ("UPDATE clients SET redirect_uris = '[]' WHERE id = 'app_other'", 409, "request_changed"),
        ("UPDATE clients SET name = 'Demo' WHERE id = 'app_other'", 409, "request_changed"),
        ("UPDATE clients SET audiences = '[\"b\"]' WHERE id = 'app_other'", 409, "request_changed"),
        ("UPDATE organizations SET name = 'Other' WHERE id = 'org_acme'", 409, "request_changed"),
        ("DELETE FROM clients WHERE id = 'app_other'", 400, "request_expired"),
        ("UPDATE sessions SET revoked_at = 1", 401, "sign_in_required"),
        ("UPDATE users SET status = 'suspended' WHERE id = 'usr_member'", 401, "sign_in_required"),
        ("DELETE FROM memberships WHERE user_id = 'usr_member'", 400, "unknown_organization"),
        (
            "UPDATE memberships SET status = 'suspended' WHERE user_id = 'usr_member'",
            400,
            "unknown_organization",
        ),
        ("UPDATE organizations SET status = 'suspended'", 400, "unknown_organization"),
        ("UPDATE projects SET org_enabled = 0", 400, "unknown_organization"),
    ] {
        let site = site_of_others().await;
        let browser = site.signed_in("member").await;
        let to = asked(&browser, None, "openid account", &[]).await;
        let page = browser.get(&to.location()).await;
        site.change(change).await;
        refused(&site, &decide(&browser, &page, "allow").await, status, code).await;
    }
}

#[orgate_testkit::both]
async fn a_page_that_has_waited_too_long_allows_nothing() {
    let site = site_of_others().await;
    let browser = site.signed_in("x").await;
    let to = asked(&browser, None, "openid", &[]).await;
    let page = browser.get(&to.location()).await;
    site.clock.advance(30 * 60_000);
    refused(&site, &decide(&browser, &page, "allow").await, 400, "request_expired").await;
}

#[orgate_testkit::both]
async fn who_becomes_one_of_others_has_to_ask_from_then_on() {
    let site = site_of_others().await;
    site.change("UPDATE clients SET first_party = 1").await;
    let browser = site.signed_in("x").await;
    let back = browser.authorize(&asking("openid", &[])).await;
    let tokens = redeem(&browser, &back).await;
    let late = browser.authorize(&asking("openid", &[])).await.parameter("code").unwrap();
    site.change("UPDATE clients SET first_party = 0 WHERE id = 'app_other'").await;
    assert_eq!(browser.token(&refresh(&tokens)).await.json()["error"], "consent_required");
    assert_eq!(redeemed(&browser, &late).await.json()["error"], "consent_required");
    allowed(&browser, None, "openid").await;
    assert_eq!(browser.token(&refresh(&tokens)).await.status, 200, "nothing was used up");
}
