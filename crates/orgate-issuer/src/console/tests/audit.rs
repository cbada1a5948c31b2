//! The audit log, as operators read and check it.

use super::*;

const AUDIT: &str = "/console/proj_p/audit";

#[orgate_testkit::both]
async fn what_happened_is_told_in_words_and_narrowed() {
    let site = site().await;
    let browser = owner(&site).await;
    let one = format!("{HERE}/users/usr_d");
    done(&change(&browser, &one, "suspend", &[]).await, "user_suspended");
    let page = browser.get(AUDIT).await.text();
    assert!(page.contains("ops@example.com") && page.contains("<code>user.suspended</code>"), "{page}");
    assert!(page.contains("made the organization") && page.contains("set-up link"), "{page}");
    for (query, count) in [
        ("type=user.*", 1),
        ("type=user.suspended&target=usr_d", 1),
        ("target=usr_n", 0),
        ("actor=usr_d", 0),
        ("organization=org_globex&type=organization.*", 1),
        ("since=2001-01-01&until=2001-01-02", 0),
        ("since=2027-01-15&until=2027-01-15&type=user.*", 1),
    ] {
        let page = browser.get(&format!("{AUDIT}?{query}")).await.text();
        assert_eq!(page.matches("<summary>Details").count(), count, "{query}: {page}");
        assert!(page.contains("Show all"), "{query}");
    }
    for (query, says) in [("since=x", "That is not a day"), ("type=x", "There are no such events")] {
        let page = browser.get(&format!("{AUDIT}?{query}")).await;
        assert_eq!((page.status.as_u16(), page.text().contains(says)), (200, true), "{query}");
    }
}

#[orgate_testkit::both]
async fn the_log_is_read_page_by_page() {
    let site = site().await;
    let browser = owner(&site).await;
    for turn in 0..60 {
        let suspended = if turn % 2 == 0 { "suspend" } else { "activate" };
        change(&browser, &format!("{HERE}/users/usr_d"), suspended, &[]).await;
    }
    let first = browser.get(&format!("{AUDIT}?type=user.*")).await.text();
    assert_eq!(first.matches("<summary>Details").count(), 50);
    let next = first.rsplit_once("\" rel=\"next\"").unwrap().0.rsplit_once("href=\"").unwrap().1;
    let next = next.replace("&#x2f;", "/").replace("&amp;", "&");
    let second = browser.get(&format!("{AUDIT}{next}")).await.text();
    assert_eq!(second.matches("<summary>Details").count(), 10, "{next}: {second}");
    assert!(second.contains("First page"));
}

#[orgate_testkit::both]
async fn the_chain_is_verified_by_a_button() {
    let site = site().await;
    let browser = observer(&site).await;
    let page = browser.get(AUDIT).await.text();
    assert!(page.contains("Verify the chain") && !page.contains("are what was written"), "{page}");
    let page = browser.get(&format!("{AUDIT}?verify=1")).await.text();
    assert!(page.contains("are what was written") && page.contains("The head of the chain"), "{page}");
    let page = browser.get(&format!("{AUDIT}?verify=x")).await.text();
    assert!(!page.contains("are what was written"), "{page}");
}
