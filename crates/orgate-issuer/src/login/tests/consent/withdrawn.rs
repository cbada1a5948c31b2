//! Taking a consent back, and what goes with it.

use super::*;

const PAGE: &str = "/p/proj_p/account/security";

/// Who has allowed the application something in both organizations; the tokens of the first.
async fn allowing(site: &Site) -> (Browser, Value) {
    let browser = site.signed_in("d").await;
    let tokens = allowed(&browser, Some("org_acme"), "openid offline_access").await;
    site.clock.advance(1000);
    allowed(&browser, Some("org_globex"), "openid").await;
    (browser, tokens)
}

/// The one for `org_acme`.
async fn consent(browser: &Browser) -> Value {
    let all = browser.get("/v1/auth/consents").await;
    assert_eq!(all.status, 200, "{}", all.text());
    let all = all.json();
    let data = all["data"].as_array().unwrap();
    data.iter().find(|one| one["organization"]["id"] == "org_acme").unwrap_or(&Value::Null).clone()
}

/// Nothing that the application has of the person stands any more, in either organization; that of others does.
async fn ended(site: &Site, browser: &Browser, tokens: &Value, own: &Value) {
    assert_eq!(browser.token(&refresh(tokens)).await.json()["error"], "invalid_grant");
    let token = tokens["access_token"].as_str().unwrap();
    let asked = [("token", token), ("client_id", "app_other"), ("client_secret", SECRET)];
    assert_eq!(browser.form("/p/proj_p/introspect", &asked).await.json()["active"], false);
    assert_eq!(
        site.count(
            "SELECT COUNT(*) AS n FROM token_families WHERE client_id = 'app_other' AND revoked_at IS NULL"
        )
        .await,
        0
    );
    // Gates hear of both families, and the application of the session.
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM events WHERE type = 'token.revoked'").await, 2);
    assert_eq!(
        site.count("SELECT COUNT(*) AS n FROM logout_deliveries WHERE client_id = 'app_other'").await,
        1
    );
    assert_eq!(told(site).await.last().map(String::as_str), Some("consent.withdrawn"));
    assert_eq!(browser.get("/v1/auth/session").await.status, 200, "the person stays signed in");
    assert_eq!(browser.token(&crate::testing::refresh(own)).await.status, 200, "and with the project's own");
    asked_again(browser).await;
}

async fn asked_again(browser: &Browser) {
    asked(browser, Some("org_acme"), "openid", &[]).await;
}

/// Tokens of the project's own application.
async fn own(browser: &Browser) -> Value {
    let code = browser.authorize(&[("org_id", "acme")]).await.parameter("code").unwrap();
    browser.token(&exchange(&code)).await.json()
}

#[orgate_testkit::both]
async fn the_page_lists_what_was_allowed_and_takes_it_back() {
    let site = site_of_others().await;
    let none = site.signed_in("x").await.get(PAGE).await.text();
    assert!(none.contains("account&#x2f;organizations\">Your organizations</a>"), "{none}");
    assert!(none.contains("Applications with access") && none.contains("None. Applications"), "{none}");
    let (browser, tokens) = allowing(&site).await;
    let own = own(&browser).await;
    let page = browser.get(PAGE).await;
    let html = page.text();
    let section = html.split_once("id=\"applications-title\"").unwrap().1.split_once("</section>").unwrap().0;
    for part in
        ["Foreign &lt;Planner&gt;", "In The acme, since 2027-01-15", "In The globex, since", "Go on while"]
    {
        assert!(section.contains(part), "{part} in {section}");
    }
    let (id, word) = (consent(&browser).await["id"].as_str().unwrap().to_owned(), hidden(&page, "word"));
    let fields =
        |word: &str| [("word", word.to_owned()), ("change", "withdraw".to_owned()), ("id", id.clone())];
    let send = async |browser: &Browser, fields: [(&str, String); 3]| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.form(PAGE, &fields).await
    };
    let forged = send(&browser, fields("x")).await;
    assert_eq!((forged.status.as_u16(), forged.page_code().as_deref()), (403, Some("csrf")));
    assert_eq!(count(&site).await, 2);
    // However long ago the sign-in is: it only takes away.
    site.clock.advance(11 * 60_000);
    let done = send(&browser, fields(&word)).await;
    assert_eq!(done.status, 303, "{}", done.text());
    assert_eq!(browser.get(&done.location()).await.page_code().as_deref(), Some("consent_withdrawn"));
    let gone = send(&browser, fields(&word)).await;
    assert_eq!((gone.status.as_u16(), gone.page_code().as_deref()), (404, Some("not_found")));
    ended(&site, &browser, &tokens, &own).await;
}

#[orgate_testkit::both]
async fn the_api_lists_what_was_allowed_and_takes_it_back() {
    let site = site_of_others().await;
    let (browser, tokens) = allowing(&site).await;
    let own = own(&browser).await;
    let one = consent(&browser).await;
    assert_eq!(one["client"], json!({ "id": "app_other", "name": "Foreign <Planner>" }));
    assert_eq!(one["organization"], json!({ "id": "org_acme", "name": "The acme" }));
    assert_eq!(one["scopes"], json!(["openid", "offline_access"]));
    assert_eq!(one["created_at"], "2027-01-15T08:00:00.000Z");
    let path = format!("/v1/auth/consents/{}", one["id"].as_str().unwrap());
    assert_eq!(site.browser().get("/v1/auth/consents").await.status, 401);
    assert_eq!(site.signed_in("x").await.get("/v1/auth/consents").await.json()["data"], json!([]));
    let delete = async |browser: &Browser, headers: &[(&str, &str)]| {
        browser.send(Method::DELETE, &path, headers, String::new()).await
    };
    assert_eq!(
        delete(&site.signed_in("x").await, &[("origin", ORIGIN)]).await.status,
        404,
        "of somebody else"
    );
    assert_eq!(delete(&browser, &[]).await.code(), "csrf");
    assert_eq!(delete(&browser, &[("origin", "https://evil.test")]).await.code(), "csrf");
    assert_eq!(count(&site).await, 2);
    assert_eq!(delete(&browser, &[("origin", ORIGIN)]).await.status, 204);
    assert_eq!(delete(&browser, &[("origin", ORIGIN)]).await.status, 404);
    ended(&site, &browser, &tokens, &own).await;
}

#[orgate_testkit::both]
async fn a_code_that_waits_dies_with_the_consent() {
    let site = site_of_others().await;
    let browser = site.signed_in("x").await;
    let page = asked(&browser, None, "openid", &[]).await;
    let code = press(&browser, &page, "allow").await.parameter("code").unwrap();
    let all = browser.get("/v1/auth/consents").await.json();
    let path = format!("/v1/auth/consents/{}", all["data"][0]["id"].as_str().unwrap());
    assert_eq!(browser.send(Method::DELETE, &path, &[("origin", ORIGIN)], String::new()).await.status, 204);
    assert_eq!(redeemed(&browser, &code).await.json()["error"], "consent_required");
}

#[orgate_testkit::both]
async fn consents_are_in_the_export_and_go_with_their_user_client_or_organization() {
    let site = site_of_others().await;
    let (browser, _) = allowing(&site).await;
    let export = browser.get("/v1/auth/me/export").await.json();
    let scopes: Vec<_> =
        export["consents"].as_array().unwrap().iter().map(|one| one["scope"].clone()).collect();
    assert_eq!(scopes, ["openid offline_access", "openid"]);
    // A suspension takes nothing back.
    site.change("UPDATE users SET status = 'suspended' WHERE id = 'usr_d'").await;
    site.change("UPDATE users SET status = 'active' WHERE id = 'usr_d'").await;
    assert_eq!(count(&site).await, 2);
    site.change("DELETE FROM organizations WHERE id = 'org_globex'").await;
    assert_eq!(count(&site).await, 1);
    let erased = browser.send(Method::DELETE, "/v1/auth/me", &[("origin", ORIGIN)], String::new()).await;
    assert_eq!(erased.status, 204, "{}", erased.text());
    assert_eq!(count(&site).await, 0);
    allowed(&site.signed_in("member").await, None, "openid").await;
    site.change("DELETE FROM clients WHERE id = 'app_other'").await;
    assert_eq!(count(&site).await, 0);
}
