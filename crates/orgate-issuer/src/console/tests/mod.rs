//! The console, as operators meet it.

mod audit;
mod clients;
mod forms;
mod overview;
mod signing_keys;
mod users;

use crate::{
    operators::{self, Rank},
    testing::{Browser, NOW, ORIGIN, PASSWORD, Reply, Site, phc, site},
};

const HERE: &str = "/console/proj_p";

/// A field that the page carries.
fn hidden(page: &Reply, name: &str) -> String {
    let text = page.text();
    let rest = text.split_once(&format!("name=\"{name}\" value=\""));
    let value = rest.unwrap_or_else(|| panic!("no {name}: {text}")).1.split_once('"').unwrap().0;
    value.replace("&#x2f;", "/")
}

/// Sends a form of the page at `path`.
async fn change(browser: &Browser, path: &str, what: &str, fields: &[(&str, &str)]) -> Reply {
    let word = hidden(&browser.get(HERE).await, "word");
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
    let found = (reply.status.as_u16(), reply.page_code());
    assert_eq!((found.0, found.1.as_deref()), (status, Some(code)), "{}", reply.text());
}

/// The owner of the project, at the console.
async fn owner(site: &Site) -> Browser {
    signed_in(site, "ops@example.com").await
}

async fn signed_in(site: &Site, email: &str) -> Browser {
    let browser = site.browser();
    let fields = [("email", email), ("password", PASSWORD), ("to", "")];
    let reply = browser.form("/console/sign-in", &fields).await;
    assert_eq!(reply.location(), format!("{ORIGIN}/console"), "{}", reply.text());
    browser
}

/// An operator who only looks.
async fn observer(site: &Site) -> Browser {
    site.write(|tx| {
        Box::pin(async move {
            let address = crate::address::Address::parse("obs@example.com").unwrap();
            let id = operators::create(tx, &address, phc(), NOW).await?;
            operators::assign(tx, &id, "proj_p", Rank::Viewer).await.map(drop)
        })
    })
    .await;
    signed_in(site, "obs@example.com").await
}

/// Every page of a project that needs no name beside it.
const PARTS: [&str; 10] = [
    "",
    "/users",
    "/organizations",
    "/permissions",
    "/clients",
    "/program-keys",
    "/webhooks",
    "/signing-keys",
    "/audit",
    "/settings",
];

#[orgate_testkit::both]
async fn who_is_signed_out_signs_in_and_comes_to_the_page() {
    let site = site().await;
    let browser = site.browser();
    let asked = browser.get("/console/proj_p/settings").await;
    assert_eq!(asked.location(), format!("{ORIGIN}/console/sign-in?to=%2Fproj_p%2Fsettings"));
    let page = browser.get(&asked.location()).await;
    assert_eq!(hidden(&page, "to"), "/proj_p/settings");
    let wrong = [("email", "ops@example.com"), ("password", "wrong"), ("to", "/proj_p/settings")];
    let page = browser.form("/console/sign-in", &wrong).await;
    told(&page, 401, "invalid_credentials");
    assert_eq!(hidden(&page, "to"), "/proj_p/settings");
    let right = [("email", "ops@example.com"), ("password", PASSWORD), ("to", "/proj_p/settings")];
    let reply = browser.form("/console/sign-in", &right).await;
    assert_eq!(reply.location(), format!("{ORIGIN}/console/proj_p/settings"));
    let cookies: Vec<&str> =
        reply.headers.get_all("set-cookie").iter().map(|one| one.to_str().unwrap()).collect();
    assert!(
        cookies
            .iter()
            .any(|one| one.starts_with("orgate-console=") && one.contains("HttpOnly; SameSite=Lax; Path=/;"))
    );
    let page = browser.get(&reply.location()).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!page.text().contains(" style="));
    // Who is in is not asked again.
    let again = browser.get("/console/sign-in?to=/proj_p/webhooks").await;
    assert_eq!(again.location(), format!("{ORIGIN}/console/proj_p/webhooks"));
}

#[orgate_testkit::both]
async fn a_sign_in_leads_to_pages_of_the_console_and_nowhere_else() {
    let site = site().await;
    for to in ["https://evil.test", "//evil.test", "/\\evil.test", "/../p/x", "evil", "/a?b=c", "/a\r\nb"] {
        let fields = [("email", "ops@example.com"), ("password", PASSWORD), ("to", to)];
        let reply = site.browser().form("/console/sign-in", &fields).await;
        assert_eq!(reply.location(), format!("{ORIGIN}/console"), "{to}");
    }
}

#[orgate_testkit::both]
async fn signing_out_ends_the_session_and_needs_its_word() {
    let site = site().await;
    let browser = owner(&site).await;
    let word = hidden(&browser.get(HERE).await, "word");
    let token = browser.cookie("orgate-console").unwrap();
    told(&browser.form("/console/sign-out", &[("word", "x")]).await, 403, "csrf");
    let reply = browser.form("/console/sign-out", &[("word", &word)]).await;
    assert_eq!(reply.location(), format!("{ORIGIN}/console/sign-in?done=signed_out"));
    assert!(browser.get(&reply.location()).await.text().contains("You are signed out"));
    browser.set_cookie("orgate-console", &token);
    assert!(browser.get(HERE).await.location().contains("/console/sign-in"), "the session itself is over");
}

#[orgate_testkit::both]
async fn a_session_of_the_api_and_one_of_an_end_user_open_no_page() {
    let site = site().await;
    let browser = site.signed_in("owner").await;
    assert_eq!(browser.operator("ops@example.com").await.status, 204);
    assert!(browser.get(HERE).await.location().contains("/console/sign-in"));
    for value in [browser.cookie("orgate-proj_p").unwrap(), "x".to_owned()] {
        let stranger = site.browser();
        stranger.set_cookie("orgate-console", &value);
        assert!(stranger.get(HERE).await.location().contains("/console/sign-in"));
    }
}

#[orgate_testkit::both]
async fn every_page_opens_for_operators_of_the_project_alone() {
    let site = site().await;
    let (owner, observer) = (owner(&site).await, observer(&site).await);
    for part in PARTS {
        let path = format!("{HERE}{part}");
        assert_eq!(owner.get(&path).await.status, 200, "{path}");
        let page = observer.get(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text());
        // Who only looks is offered the way out, and nothing else.
        assert_eq!(page.text().matches("method=\"post\"").count(), 1, "{path}: {}", page.text());
        told(&owner.get(&format!("/console/proj_q{part}")).await, 404, "not_found");
        told(&owner.get(&format!("/console/none{part}")).await, 404, "not_found");
    }
    assert_eq!(owner.get(&format!("{HERE}/organizations/acme")).await.status, 200);
    told(&owner.get(&format!("{HERE}/organizations/none")).await, 404, "not_found");
    told(&owner.get(&format!("{HERE}/organizations/%2e%2e")).await, 404, "not_found");
    told(&owner.get(&format!("{HERE}/webhooks/none")).await, 404, "not_found");
    told(&owner.get(&format!("{HERE}/organizations?cursor=%21")).await, 400, "bad_request");
}

#[orgate_testkit::both]
async fn names_are_shown_as_text() {
    let site = site().await;
    let browser = owner(&site).await;
    let evil = "<img src=x onerror=alert(1)>\"'";
    let fields = [
        ("name", evil),
        ("brand_color", ""),
        ("org_creation", "any"),
        ("max_orgs_per_user", ""),
        ("invitation_days", ""),
    ];
    done(&change(&browser, &format!("{HERE}/settings"), "save", &fields).await, "saved");
    let fields = [("name", evil), ("slug", "evil"), ("created_by", "usr_n"), ("once", "o")];
    done(
        &change(&browser, &format!("{HERE}/organizations"), "create", &fields).await,
        "organization_created",
    );
    for part in PARTS.into_iter().chain(["/organizations/evil"]) {
        let page = browser.get(&format!("{HERE}{part}")).await.text();
        assert!(!page.contains("<img") && page.contains("&lt;img"), "{part}: {page}");
    }
}
