//! Signing keys, as operators see them follow one another.

use super::*;

const KEYS: &str = "/console/proj_p/signing-keys";
const DAY_MS: i64 = 24 * 3_600_000;

#[orgate_testkit::both]
async fn keys_are_drawn_and_rotated() {
    let site = site().await;
    let browser = owner(&site).await;
    let page = browser.get(KEYS).await;
    let text = page.text();
    assert_eq!(text.matches("<svg class=\"life\"").count(), 3, "{text}");
    assert!(
        text.contains("access tokens") && text.contains("in reserve") && !text.contains(" style="),
        "{text}"
    );
    done(&change(&browser, KEYS, "rotate", &[("id", "ES256")]).await, "key_rotated");
    let page = browser.get(KEYS).await.text();
    assert_eq!(page.matches("<svg class=\"life\"").count(), 4, "{page}");
    assert!(page.contains("<rect class=\"next\" x=\"500\" y=\"5\" width=\"166\""), "{page}");
    assert!(page.contains("The next key waits") && page.contains("Signs until"), "{page}");
    let again = change(&browser, KEYS, "rotate", &[("id", "ES256")]).await;
    told(&again, 409, "conflict");
    site.clock.advance(DAY_MS);
    assert!(browser.get(KEYS).await.text().contains("Retires"));
    site.clock.advance(2 * DAY_MS);
    assert!(browser.get(KEYS).await.text().contains("Removed keys"));
    told(&change(&browser, KEYS, "rotate", &[("id", "HS256")]).await, 422, "invalid_value");
}

#[orgate_testkit::both]
async fn a_key_that_leaked_is_replaced_after_its_algorithm_is_typed() {
    let site = site().await;
    let browser = owner(&site).await;
    let first = site.count("SELECT COUNT(*) AS n FROM signing_keys WHERE state = 'removed'").await;
    for confirm in ["", "es256", "RS256"] {
        let page = change(&browser, KEYS, "leaked", &[("id", "ES256"), ("confirm", confirm)]).await;
        told(&page, 422, "invalid_value");
        assert!(page.text().contains("id=\"leakedES256-confirm-wrong\""), "{}", page.text());
    }
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM signing_keys WHERE state = 'removed'").await, first);
    let fields = [("id", "ES256"), ("confirm", "ES256")];
    done(&change(&browser, KEYS, "leaked", &fields).await, "key_replaced");
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM signing_keys WHERE state = 'removed'").await, first + 1);
}

#[orgate_testkit::both]
async fn who_does_not_own_the_project_is_offered_no_rotation() {
    let site = site().await;
    let browser = owner(&site).await;
    site.change("UPDATE project_operators SET role = 'admin' WHERE project_id = 'proj_p'").await;
    let page = browser.get(KEYS).await;
    assert_eq!((page.status.as_u16(), page.text().contains("Rotate<")), (200, false), "{}", page.text());
    told(&change(&browser, KEYS, "rotate", &[("id", "ES256")]).await, 403, "operator_forbidden");
}
