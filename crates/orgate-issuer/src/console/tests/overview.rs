//! The charts.

use serde_json::Value;

use super::*;
use crate::testing::refresh;

async fn live(browser: &Browser, window: &str) -> Value {
    let reply = browser.get(&format!("{HERE}/activity?window={window}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[orgate_testkit::both]
async fn the_page_shows_what_happened_and_its_script_hears_of_more() {
    let site = site().await;
    let browser = owner(&site).await;
    let quiet = browser.get(HERE).await;
    assert!(quiet.text().contains("id=\"total-sign-ins\">0<") && quiet.text().contains("There were none."));
    let tokens = site.tokens("owner", Some("org_acme")).await;
    let page = browser.get(HERE).await;
    let text = page.text();
    assert!(text.contains("id=\"total-sign-ins\">1<") && text.contains("id=\"total-tokens\">1<"), "{text}");
    assert!(text.contains("Succeeded: 1, Failed: 0. At most 1 in a step of time."), "{text}");
    assert!(text.contains("<td>1</td>") && text.contains("d=\"M0 0M591 1000V800H599V1000Z\""), "{text}");

    site.browser().token(&refresh(&tokens)).await;
    site.browser().login("owner@example.com", "wrong", &[]).await;
    let now = live(&browser, "hour").await;
    assert_eq!((&now["texts"]["total-failed"], &now["texts"]["tokens-1-n"]), (&"1".into(), &"1".into()));
    // Each shape and each text has its element on the page.
    for (id, _) in now["shapes"].as_object().unwrap().iter().chain(now["texts"].as_object().unwrap()) {
        assert_eq!(text.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
    }
    assert_eq!(now["shapes"]["sign-ins-1"], "M0 0M591 800V600H599V800Z");
    for window in ["day", "week"] {
        let page = browser.get(&format!("{HERE}?window={window}")).await.text();
        assert!(page.contains(&format!("activity?window={window}\"")), "{page}");
        assert_eq!(live(&browser, window).await["texts"]["total-sign-ins"], "1");
    }
    told(&browser.get(&format!("{HERE}?window=year")).await, 400, "bad_request");
}

#[orgate_testkit::both]
async fn the_script_of_the_charts_may_ask_this_host_and_do_nothing_else() {
    let site = site().await;
    let browser = owner(&site).await;
    let page = browser.get(HERE).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    for part in ["default-src 'none'", "script-src 'sha256-", "connect-src 'self'", "trusted-types 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"));
    let other = browser.get(&format!("{HERE}/settings")).await;
    let policy = other.headers["content-security-policy"].to_str().unwrap();
    assert!(!policy.contains("script-src") && !policy.contains("connect-src"), "{policy}");
}

#[orgate_testkit::both]
async fn what_the_charts_show_is_for_operators_of_the_project() {
    let site = site().await;
    let path = format!("{HERE}/activity");
    assert_eq!(site.browser().get(&path).await.status, 401);
    assert_eq!(site.signed_in("owner").await.get(&path).await.status, 401);
    assert_eq!(observer(&site).await.get(&path).await.status, 200);
    let owner = owner(&site).await;
    assert_eq!(owner.get("/console/proj_q/activity").await.status, 404);
    assert_eq!(owner.get(&format!("{path}?window=year")).await.status, 422);
}
