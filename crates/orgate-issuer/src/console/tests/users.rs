//! People, as operators find, stop and end them.

use super::*;
use crate::management::tests::last_event;

const USERS: &str = "/console/proj_p/users";

#[orgate_testkit::both]
async fn people_are_found_by_the_beginning_of_their_address() {
    let site = site().await;
    let browser = owner(&site).await;
    let all = browser.get(USERS).await.text();
    assert!(all.contains("admin@example.com") && all.contains("x@example.com"), "{all}");
    assert!(!all.contains("q@example.com"), "nobody of another project");
    let found = browser.get(&format!("{USERS}?q=ADM")).await.text();
    assert!(found.contains("admin@example.com") && !found.contains("owner@example.com"), "{found}");
    assert!(found.contains("value=\"ADM\"") && found.contains("Show all"), "{found}");
    let none = browser.get(&format!("{USERS}?q=nobody")).await.text();
    assert!(none.contains("Nobody is like that"), "{none}");
    let suspended = browser.get(&format!("{USERS}?status=suspended")).await.text();
    assert!(suspended.contains("Nobody is like that"), "{suspended}");
    told(&browser.get(&format!("{USERS}?status=x")).await, 400, "bad_request");
}

#[orgate_testkit::both]
async fn one_person_is_shown_with_organizations_and_ways_to_sign_in() {
    let site = site().await;
    let browser = owner(&site).await;
    let page = browser.get(&format!("{USERS}/usr_d")).await.text();
    for part in ["The acme", "The globex", "organizations&#x2f;acme", "Password", "Confirmed", "No place"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for unknown in ["usr_q", "usr_nobody", "%2e%2e", "%3Cb%3E"] {
        told(&browser.get(&format!("{USERS}/{unknown}")).await, 404, "not_found");
    }
    let observer = observer(&site).await;
    let page = observer.get(&format!("{USERS}/usr_d")).await.text();
    assert_eq!(page.matches("method=\"post\"").count(), 1, "who only looks changes nothing: {page}");
}

#[orgate_testkit::both]
async fn a_user_is_made_and_what_is_wrong_is_told_at_its_field() {
    let site = site().await;
    let browser = owner(&site).await;
    let fields = |email, password| [("email", email), ("name", ""), ("password", password)];
    for (email, password, at) in
        [("nobody", "", "email"), ("", "", "email"), ("new@example.com", "short", "password")]
    {
        let page = change(&browser, USERS, "create", &fields(email, password)).await;
        told(&page, 422, "invalid_value");
        assert!(page.text().contains(&format!("id=\"create-{at}-wrong\"")), "{at}: {}", page.text());
        assert!(!page.text().contains("value=\"short\""), "a password is not shown again");
    }
    told(&change(&browser, USERS, "create", &fields("d@example.com", "")).await, 409, "conflict");
    let made = done(&change(&browser, USERS, "create", &fields("new@example.com", "")).await, "user_created");
    let page = browser.get(&made).await.text();
    assert!(page.contains("A mailed link only") && page.contains("Not confirmed"), "{page}");
}

#[orgate_testkit::both]
async fn a_user_is_signed_out_suspended_let_in_and_erased() {
    let site = site().await;
    let browser = owner(&site).await;
    let one = format!("{USERS}/usr_d");
    let person = site.signed_in("d").await;
    assert!(browser.get(&one).await.text().contains("1 place<"), "{}", browser.get(&one).await.text());
    done(&change(&browser, &one, "sign_out", &[]).await, "user_signed_out");
    assert_eq!(person.get("/v1/auth/session").await.status, 401);
    done(&change(&browser, &one, "suspend", &[]).await, "user_suspended");
    assert!(browser.get(&one).await.text().contains("Let them in again"));
    assert_eq!(last_event(&site, "user.suspended").await.0.split('_').next(), Some("opr"));
    done(&change(&browser, &one, "activate", &[]).await, "user_activated");
    for confirm in ["", "d", "usr_d", "D@example.com"] {
        let page = change(&browser, &one, "erase", &[("confirm", confirm)]).await;
        told(&page, 422, "invalid_value");
        assert!(page.text().contains("id=\"erase-confirm-wrong\""), "{}", page.text());
    }
    done(&change(&browser, &one, "erase", &[("confirm", "d@example.com")]).await, "user_erased");
    told(&browser.get(&one).await, 404, "not_found");
    // Who owns an organization is not ended before it has another owner.
    let own = format!("{USERS}/usr_owner");
    let page = change(&browser, &own, "erase", &[("confirm", "owner@example.com")]).await;
    told(&page, 409, "owner_of_organizations");
    assert!(page.text().contains("delete them first: acme"), "{}", page.text());
}

#[orgate_testkit::both]
async fn everything_there_is_of_a_user_comes_as_a_file() {
    let site = site().await;
    let browser = owner(&site).await;
    let reply = change(&browser, &format!("{USERS}/usr_d"), "export", &[]).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["profile"]["email"]), (200, &"d@example.com".into()));
    assert_eq!(reply.headers["content-disposition"], "attachment; filename=\"usr_d.json\"");
    assert_eq!(reply.headers["cache-control"], "no-store");
    let observer = observer(&site).await;
    for what in ["export", "suspend", "sign_out", "erase"] {
        let fields = [("confirm", "d@example.com")];
        let reply = change(&observer, &format!("{USERS}/usr_d"), what, &fields).await;
        told(&reply, 403, "operator_forbidden");
    }
}
