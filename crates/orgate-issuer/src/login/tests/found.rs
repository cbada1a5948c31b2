//! Applications that are for members of organizations only.

use super::*;
use crate::testing::{Browser, Reply, Site};

/// A site whose usual client needs an organization.
async fn strict() -> Site {
    let site = site().await;
    site.change("UPDATE clients SET require_org = 1 WHERE id = 'proj_p'").await;
    site
}

async fn entered(browser: &Browser, name: &str) -> Reply {
    browser.login(&format!("{name}@example.com"), PASSWORD, &[]).await
}

async fn create(browser: &Browser, page: &Reply, name: &str) -> Reply {
    let request = page.parameter("request").unwrap();
    browser.form("/p/proj_p/organizations/create", &[("request", &request), ("name", name)]).await
}

#[orgate_testkit::both]
async fn the_picker_offers_no_way_without_an_organization_where_there_is_none() {
    let site = strict().await;
    let browser = site.browser();
    let page = entered(&browser, "d").await;
    let html = browser.get(&page.location()).await.text();
    assert!(html.contains("The acme") && !html.contains("name=\"org_id\" value=\"\""), "{html}");
    let forged = browser.pick(&page, "").await;
    assert_eq!((forged.status.as_u16(), forged.page_code().as_deref()), (400, Some("unknown_organization")));
    let code = browser.pick(&page, "org_acme").await.parameter("code").unwrap();
    assert_eq!(site.browser().token(&exchange(&code)).await.json()["org_id"], "org_acme");
    // With one there is still nothing to choose.
    assert!(entered(&site.browser(), "x").await.parameter("code").is_some());
}

#[orgate_testkit::both]
async fn who_belongs_to_none_makes_one_and_goes_on_with_it() {
    let site = strict().await;
    let browser = site.browser();
    let page = entered(&browser, "n").await;
    assert!(page.location().contains("/organizations/choose?"), "{}", page.location());
    let shown = browser.get(&page.location()).await;
    assert_eq!((shown.status.as_u16(), shown.page_code().as_deref()), (200, Some("organization_required")));
    let html = shown.text();
    assert!(
        html.contains(
            "action=\"http:&#x2f;&#x2f;127.0.0.1:8090&#x2f;p&#x2f;proj_p&#x2f;organizations&#x2f;create\""
        ),
        "{html}"
    );
    assert!(html.contains("error=interaction_required") && html.contains("n@example.com"), "{html}");
    // No code, whatever is sent.
    assert_eq!(browser.pick(&page, "").await.page_code().as_deref(), Some("unknown_organization"));
    let wrong = create(&browser, &page, " ").await;
    assert_eq!((wrong.status.as_u16(), wrong.page_code().as_deref()), (422, Some("invalid_value")));
    let stranger = create(&site.browser(), &page, "Mine").await;
    assert_eq!(stranger.page_code().as_deref(), Some("csrf"));

    let done = create(&browser, &page, "Mine").await;
    let tokens = site.browser().token(&exchange(&done.parameter("code").unwrap())).await.json();
    assert_eq!(claims(&tokens["access_token"])["org_role"], "owner", "{tokens}");
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM organizations WHERE name = 'Mine'").await, 1);
    assert_eq!(create(&browser, &page, "Mine").await.page_code().as_deref(), Some("request_expired"));
    assert!(entered(&site.browser(), "n").await.parameter("code").is_some());
}

#[orgate_testkit::both]
async fn two_forms_make_one_organization() {
    let site = strict().await;
    let browser = site.browser();
    let (one, two) = (entered(&browser, "n").await, browser.authorize(&[]).await);
    assert!(create(&browser, &one, "First").await.parameter("code").is_some());
    let second = create(&browser, &two, "Second").await;
    assert!(second.location().contains("/organizations/choose?"), "{}", second.location());
    assert!(browser.get(&second.location()).await.text().contains("First"));
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM organizations WHERE name = 'Second'").await, 0);
}

#[orgate_testkit::both]
async fn whoever_chooses_may_make_another_where_the_project_lets_people() {
    let site = strict().await;
    let browser = site.browser();
    let page = entered(&browser, "d").await;
    let picker = browser.get(&page.location()).await.text();
    assert!(picker.contains("name=\"another\""), "{picker}");
    let request = page.parameter("request").unwrap();
    let with = |name| [("request", request.as_str()), ("name", name), ("another", "yes")];
    let wrong = browser.form("/p/proj_p/organizations/create", &with(" ")).await;
    assert_eq!((wrong.status.as_u16(), wrong.page_code().as_deref()), (422, Some("invalid_value")));
    assert!(wrong.text().contains("name=\"another\"") && wrong.text().contains("Back to your organizations"));
    let done = browser.form("/p/proj_p/organizations/create", &with("One more")).await;
    let tokens = site.browser().token(&exchange(&done.parameter("code").unwrap())).await.json();
    assert_eq!(claims(&tokens["access_token"])["org_role"], "owner", "{tokens}");
    site.change("UPDATE projects SET org_creation = 'operator'").await;
    let browser = site.browser();
    let page = entered(&browser, "d").await;
    let picker = browser.get(&page.location()).await;
    assert!(picker.status == 200 && !picker.text().contains("name=\"another\""), "{}", picker.text());
}

#[orgate_testkit::both]
async fn where_people_make_none_they_are_told_to_ask_for_an_invitation() {
    let site = strict().await;
    for (change, words) in [
        ("UPDATE projects SET org_creation = 'operator'", "invite you"),
        ("UPDATE projects SET org_creation = 'verified'", "confirm your email address"),
        ("UPDATE projects SET org_enabled = 0", "switched off"),
    ] {
        site.change("UPDATE projects SET org_creation = 'any'").await;
        site.change("UPDATE users SET email_verified_at = NULL WHERE id = 'usr_n'").await;
        site.change(change).await;
        let browser = site.browser();
        let page = entered(&browser, "n").await;
        let html = browser.get(&page.location()).await.text();
        assert!(html.contains(words) && !html.contains("name=\"name\""), "{change}: {html}");
        let forced = create(&browser, &page, "Mine").await;
        assert!(forced.status.is_client_error(), "{change}: {}", forced.status);
        assert_eq!(site.count("SELECT COUNT(*) AS n FROM organizations WHERE name = 'Mine'").await, 0);
    }
}

#[orgate_testkit::both]
async fn in_silence_the_application_is_told_that_somebody_must_act() {
    let site = strict().await;
    for name in ["n", "d"] {
        let browser = site.browser();
        entered(&browser, name).await;
        let silent = browser.authorize(&[("prompt", "none")]).await;
        assert_eq!(silent.parameter("error").as_deref(), Some("interaction_required"), "{name}");
    }
    let browser = site.browser();
    entered(&browser, "x").await;
    assert!(browser.authorize(&[("prompt", "none")]).await.parameter("code").is_some());
}
