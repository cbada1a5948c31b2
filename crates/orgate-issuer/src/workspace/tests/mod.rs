//! The pages, as members meet them.

mod forms;
mod languages;

use http::Method;
use serde_json::json;

use crate::{
    management::tests::{ACME, make_role},
    testing::{Browser, Reply, Site, site},
};

const ALL: &str = "/p/proj_p/account/organizations";
const HERE: &str = "/p/proj_p/account/organizations/acme";

/// A field that the page carries.
fn hidden(page: &Reply, name: &str) -> String {
    let text = page.text();
    let rest = text.split_once(&format!("name=\"{name}\" value=\""));
    rest.unwrap_or_else(|| panic!("no {name}: {text}")).1.split_once('"').unwrap().0.to_owned()
}

/// The word of this browser's session, which every page with a form carries.
async fn word(browser: &Browser) -> String {
    hidden(&browser.get(ALL).await, "word")
}

/// Sends a form of the page at `path`.
async fn change(browser: &Browser, path: &str, what: &str, fields: &[(&str, &str)]) -> Reply {
    let word = word(browser).await;
    let mut all = vec![("word", word.as_str()), ("change", what)];
    all.extend_from_slice(fields);
    browser.form(path, &all).await
}

/// Follows the redirect after what was done.
#[track_caller]
fn done(reply: &Reply, code: &str) -> String {
    assert_eq!(reply.status, 303, "{code}: {}", reply.text());
    assert!(reply.location().ends_with(&format!("?done={code}")), "{code}: {}", reply.location());
    reply.location()
}

#[track_caller]
fn told(reply: &Reply, status: u16, code: &str) {
    assert_eq!(
        (reply.status.as_u16(), reply.page_code().as_deref()),
        (status, Some(code)),
        "{}",
        reply.text()
    );
}

async fn user(site: &Site, name: &'static str) -> Browser {
    site.signed_in(name).await
}

/// The membership of a user of acme.
async fn member(owner: &Browser, name: &str) -> String {
    let reply = owner.get(&format!("{ACME}/members/usr_{name}")).await;
    reply.json()["id"].as_str().unwrap().to_owned()
}

#[orgate_testkit::both]
async fn who_is_signed_out_signs_in_and_comes_back_to_the_page() {
    let site = site().await;
    let browser = site.browser();
    let path = format!("{HERE}/members");
    let asked = browser.get(&path).await;
    let request = asked.parameter("request").unwrap();
    let fields = [
        ("email", "owner@example.com"),
        ("password", crate::testing::PASSWORD),
        ("request", request.as_str()),
    ];
    let back = browser.form("/p/proj_p/login", &fields).await;
    assert_eq!(back.location(), format!("{}{path}?done=signed_in", crate::testing::ORIGIN));
    let page = browser.get(&back.location()).await;
    told(&page, 200, "signed_in");
    assert!(page.text().contains("admin@example.com"), "{}", page.text());
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        !policy.contains("script-src") && !policy.contains("img-src") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(!page.text().contains("<script") && !page.text().contains(" style="));
}

#[orgate_testkit::both]
async fn every_page_opens_for_whom_the_policy_lets_and_for_nobody_else() {
    let site = site().await;
    let owner = user(&site, "owner").await;
    make_role(&owner, "clerk", &["read"]).await;
    owner.json(Method::POST, &format!("{ACME}/teams"), &json!({ "name": "Sales" })).await;
    let (one, own) = (member(&owner, "d").await, member(&owner, "viewer").await);
    let (one, own) = (format!("/members/{one}"), format!("/members/{own}"));
    for (part, viewer, admin) in [
        ("/members", 200, 200),
        (one.as_str(), 200, 200),
        (own.as_str(), 200, 200),
        ("/invitations", 403, 200),
        ("/teams", 200, 200),
        ("/teams/sales", 200, 200),
        ("/roles", 200, 200),
        ("/roles/clerk", 200, 200),
        ("/roles/admin", 200, 200),
        ("/new-role", 403, 403),
        ("/api-keys", 403, 200),
        ("/audit", 403, 200),
        ("/settings", 200, 200),
        ("/teams/none", 404, 404),
        ("/members/%2e%2e", 404, 404),
    ] {
        let path = format!("{HERE}{part}");
        for (name, status) in [("viewer", viewer), ("admin", admin), ("x", 404)] {
            let reply = user(&site, name).await.get(&path).await;
            assert_eq!(reply.status, status, "{name} {path}: {}", reply.text());
        }
        let reply = owner.get(&path).await;
        assert_eq!(reply.status, if admin == 404 { 404 } else { 200 }, "{path}: {}", reply.text());
    }
    assert!(owner.get(HERE).await.location().ends_with("/acme/members"));
    site.change("UPDATE projects SET org_enabled = 0 WHERE id = 'proj_p'").await;
    told(&owner.get(ALL).await, 409, "organizations_disabled");
}

#[orgate_testkit::both]
async fn a_page_offers_what_one_may_do_and_nothing_else() {
    let site = site().await;
    let owner = user(&site, "owner").await;
    let other = format!("{HERE}/members/{}", member(&owner, "d").await);
    let offers =
        |page: &Reply, change: &str| page.text().contains(&format!("name=\"change\" value=\"{change}\""));
    for (name, role, remove, transfer) in
        [("owner", true, true, true), ("admin", true, true, false), ("viewer", false, false, false)]
    {
        let page = user(&site, name).await.get(&other).await;
        let offered = ["role", "remove", "transfer"].map(|change| offers(&page, change));
        assert_eq!(offered, [role, remove, transfer], "{name}");
        assert_eq!(page.text().contains("d@example.com"), name != "viewer", "who only looks sees names");
    }
    let page = user(&site, "admin").await.get(&other).await.text();
    assert!(page.contains("value=\"admin\" required disabled"), "{page}");
    assert!(page.contains("Not below your own role"), "{page}");
    for (name, save, delete) in [("owner", true, true), ("admin", true, false), ("member", false, false)] {
        let page = user(&site, name).await.get(&format!("{HERE}/settings")).await;
        assert_eq!(["save", "delete"].map(|change| offers(&page, change)), [save, delete], "{name}");
        assert_eq!(offers(&page, "leave"), name != "owner");
    }
}

#[orgate_testkit::both]
async fn members_are_found_by_name_and_address_and_role() {
    let site = site().await;
    let owner = user(&site, "owner").await;
    let found = async |browser: &Browser, query: &str| {
        let page = browser.get(&format!("{HERE}/members?{query}")).await;
        assert_eq!(page.status, 200, "{}", page.text());
        ["owner", "admin", "member", "viewer", "d"]
            .into_iter()
            .filter(|name| page.text().contains(&format!(">{name}</a>")))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(found(&owner, "").await, "owner admin member viewer d");
    assert_eq!(found(&owner, "q=ADM").await, "admin");
    assert_eq!(found(&owner, "q=member@").await, "member");
    assert_eq!(found(&owner, "q=%25").await, "");
    assert_eq!(found(&owner, "q=_").await, "");
    assert_eq!(found(&owner, "role=member").await, "member d");
    assert_eq!(found(&owner, "q=mem&role=viewer").await, "");
    let viewer = user(&site, "viewer").await;
    assert_eq!(found(&viewer, "q=member@").await, "", "an address that one may not see is not found either");
    assert_eq!(found(&viewer, "q=mem").await, "member");
    told(&owner.get(&format!("{HERE}/members?q={}", "a".repeat(101))).await, 400, "bad_request");
}

#[orgate_testkit::both]
async fn lists_go_on_behind_a_cursor() {
    let site = site().await;
    let owner = user(&site, "owner").await;
    for at in 0..51 {
        let body = json!({ "name": format!("Team {at}") });
        assert_eq!(owner.json(Method::POST, &format!("{ACME}/teams"), &body).await.status, 201);
    }
    let page = owner.get(&format!("{HERE}/teams")).await.text();
    assert_eq!(page.matches("<small><bdi>team-").count(), 50);
    let next = page.split_once("<a href=\"?cursor=").unwrap().1.split_once('"').unwrap().0.to_owned();
    let page = owner.get(&format!("{HERE}/teams?cursor={next}")).await.text();
    assert_eq!(page.matches("<small><bdi>team-").count(), 1);
    assert!(page.contains("First page") && !page.contains("Next page"));
    told(&owner.get(&format!("{HERE}/teams?cursor=%21")).await, 400, "bad_request");
}

#[orgate_testkit::both]
async fn names_are_shown_as_text() {
    let site = site().await;
    let owner = user(&site, "owner").await;
    let evil = "<img src=x onerror=alert(1)>\"'";
    for (path, body) in [
        ("", json!({ "name": evil, "logo_url": "https://evil.test/\"><script>" })),
        ("/teams", json!({ "name": evil, "slug": "evil" })),
    ] {
        let method = if path.is_empty() { Method::PATCH } else { Method::POST };
        assert!(owner.json(method, &format!("{ACME}{path}"), &body).await.status.is_success());
    }
    for part in ["/members", "/teams", "/teams/evil", "/settings", "/audit", "/invitations"] {
        let page = owner.get(&format!("{HERE}{part}")).await.text();
        assert!(!page.contains("<img") && !page.contains("<script"), "{part}: {page}");
    }
    assert!(owner.get(ALL).await.text().contains("&lt;img"));
}
