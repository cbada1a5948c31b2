//! Into an application behind a gate: `/enter`, the token for an organization, and who may ask for it from another origin.

use super::*;
use crate::testing::{Browser, Reply};

const EXTENSION: &str = "chrome-extension://aaaabbbbccccddddeeeeffffgggghhhh";
const SESSION: &str = "/p/proj_p/v1/auth/session";
const TOKEN: &str = "/p/proj_p/session/token";

async fn enter(browser: &Browser, query: &str) -> Reply {
    browser.get(&format!("/p/proj_p/enter?{query}")).await
}

/// Signs in on the way to an application, and gives the answer to that way's next step.
async fn sign_in(browser: &Browser, name: &str, return_to: &str) -> Reply {
    let login = enter(browser, &format!("return_to={return_to}")).await;
    assert!(
        login.location().starts_with(&format!("{ORIGIN}/p/proj_p/login?request=")),
        "{}",
        login.location()
    );
    let email = format!("{name}@example.com");
    let request = login.parameter("request").unwrap();
    let fields = [("email", email.as_str()), ("password", PASSWORD), ("request", &request)];
    let entered = browser.form("/p/proj_p/login", &fields).await;
    assert_eq!(entered.status, 303, "{}", entered.text());
    browser.get(&entered.location()).await
}

async fn active(browser: &Browser) -> Value {
    browser.get(SESSION).await.json()["active_organization_id"].clone()
}

#[orgate_testkit::both]
async fn whoever_enters_signs_in_chooses_and_comes_back() {
    let site = site().await;
    let browser = site.browser();
    let asked = sign_in(&browser, "d", "%2Facme%2Fnotes%3Fa%3Db").await;
    assert!(
        asked.location().starts_with(&format!("{ORIGIN}/p/proj_p/enter?request=")),
        "{}",
        asked.location()
    );
    let picker = browser.get(&asked.location()).await;
    assert!(picker.text().contains("The acme") && picker.text().contains("The globex"), "{}", picker.text());
    assert_eq!(active(&browser).await, Value::Null);
    let request = asked.parameter("request").unwrap();
    let choose =
        async |org: &str| browser.form("/p/proj_p/enter", &[("request", &request), ("org_id", org)]).await;
    assert_eq!(choose("org_none").await.page_code().as_deref(), Some("unknown_organization"));
    // Somebody who has the handle and another browser gets nowhere.
    let other = site.browser();
    let stolen = other.form("/p/proj_p/enter", &[("request", &request), ("org_id", "org_acme")]).await;
    assert_eq!(stolen.page_code().as_deref(), Some("csrf"));
    assert_eq!(choose("org_globex").await.location(), format!("{ORIGIN}/acme/notes?a=b"));
    assert_eq!(active(&browser).await, "org_globex");
    assert_eq!(choose("org_acme").await.page_code().as_deref(), Some("request_expired"));

    // Later there is nothing to do, unless one wants to switch.
    assert_eq!(enter(&browser, "return_to=%2Fx").await.location(), format!("{ORIGIN}/x"));
    let again = enter(&browser, "return_to=%2Fx&choose=1").await;
    let request = again.parameter("request").unwrap();
    let none = browser.form("/p/proj_p/enter", &[("request", &request), ("org_id", "")]).await;
    assert_eq!((none.location(), active(&browser).await), (format!("{ORIGIN}/x"), Value::Null));
}

#[orgate_testkit::both]
async fn with_one_organization_or_none_one_is_let_in_at_once() {
    let site = site().await;
    for (name, org) in [("x", json!("org_globex")), ("n", Value::Null)] {
        let browser = site.browser();
        assert_eq!(sign_in(&browser, name, "%2F").await.location(), format!("{ORIGIN}/"), "{name}");
        assert_eq!(active(&browser).await, org, "{name}");
    }
}

#[orgate_testkit::both]
async fn the_way_back_leads_to_known_origins_only() {
    let site = site().await;
    let browser = site.browser();
    for bad in ["https%3A%2F%2Fevil.test", "%2F%2Fevil.test", "%2F%5Cevil.test", "javascript%3Aalert(1)"] {
        let reply = enter(&browser, &format!("return_to={bad}")).await;
        assert_eq!(
            (reply.status.as_u16(), reply.page_code().as_deref()),
            (400, Some("invalid_redirect_uri")),
            "{bad}"
        );
    }
    assert_eq!(
        enter(&browser, "return_to=%2F&return_to=%2Fx").await.page_code().as_deref(),
        Some("invalid_request")
    );
    assert_eq!(browser.get("/p/proj_none/enter").await.page_code().as_deref(), Some("not_found"));
    // The handle of an application's own request opens nothing here, and the other way round.
    let asked = browser.login("d@example.com", PASSWORD, &[]).await;
    let request = asked.parameter("request").unwrap();
    let foreign = browser.form("/p/proj_p/enter", &[("request", &request), ("org_id", "org_acme")]).await;
    assert_eq!(foreign.page_code().as_deref(), Some("sign_in_required"));
    let own = enter(&browser, "return_to=%2F&choose=1").await;
    assert_eq!(browser.pick(&own, "org_acme").await.page_code().as_deref(), Some("sign_in_required"));
}

#[orgate_testkit::both]
async fn a_token_is_for_the_organization_that_is_asked_for_and_the_session_stays_as_it_is() {
    let site = site().await;
    let browser = site.browser();
    let code = browser.code("d", Some("org_acme"), "").await;
    assert!(!code.is_empty());
    let slug = async |query: &str| {
        let reply = browser.get(&format!("{TOKEN}{query}")).await;
        assert_eq!(reply.status, 200, "{query}: {}", reply.text());
        claims(&reply.json()["token"])["org_slug"].clone()
    };
    for (query, expected) in [
        ("", json!("acme")),
        ("?org_id=globex", json!("globex")),
        ("?org_id=org_globex", json!("globex")),
        ("?org_id=acme", json!("acme")),
        ("?org_id=", Value::Null),
        ("", json!("acme")),
    ] {
        assert_eq!(slug(query).await, expected, "{query}");
    }
    let refused = async |query: &str| {
        let reply = browser.get(&format!("{TOKEN}{query}")).await;
        (reply.status.as_u16(), reply.code())
    };
    assert_eq!(refused("?org_id=org_none").await, (404, json!("not_found")));
    assert_eq!(refused("?org_id=acme&org_id=globex").await.0, 422);
    // Whoever was removed gets none from then on.
    site.change("DELETE FROM memberships WHERE user_id = 'usr_d' AND org_id = 'org_globex'").await;
    assert_eq!(refused("?org_id=globex").await, (404, json!("not_found")));
    site.change("UPDATE projects SET org_enabled = 0 WHERE id = 'proj_p'").await;
    assert_eq!(refused("?org_id=acme").await.1, "organizations_disabled");
}

#[orgate_testkit::both]
async fn scenario_22_only_trusted_origins_read_the_session_and_change_it() {
    let site = site().await;
    let browser = site.browser();
    browser.login("x@example.com", PASSWORD, &[]).await;
    let name =
        |name: &str, reply: &Reply| reply.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    for (path, origin, shared) in [
        (SESSION, EXTENSION, true),
        (TOKEN, EXTENSION, true),
        (SESSION, "chrome-extension://bbbbbbbbccccddddeeeeffffgggghhhh", false),
        (SESSION, "https://evil.test", false),
        (SESSION, "null", false),
        ("/v1/auth/session", EXTENSION, false),
        ("/p/proj_q/v1/auth/session", EXTENSION, false),
        ("/p/proj_p/login", EXTENSION, false),
    ] {
        let reply = browser.send(Method::GET, path, &[("origin", origin)], String::new()).await;
        let allowed = name("access-control-allow-origin", &reply);
        assert_eq!(allowed.as_deref(), shared.then_some(origin), "{path} {origin}");
        assert_eq!(name("access-control-allow-credentials", &reply).is_some(), shared, "{path} {origin}");
        let asked = [("origin", origin), ("access-control-request-method", "PUT")];
        let preflight = browser.send(Method::OPTIONS, path, &asked, String::new()).await;
        assert_eq!(name("access-control-allow-methods", &preflight).is_some(), shared, "{path} {origin}");
        if shared {
            assert_eq!(preflight.status.as_u16(), 204);
            assert!(reply.headers.get_all("vary").iter().any(|value| value == "origin"));
            assert_eq!(
                name("access-control-expose-headers", &reply).unwrap().split(", ").next(),
                Some("etag")
            );
        }
    }
    let twice = [("origin", EXTENSION), ("origin", EXTENSION)];
    let reply = browser.send(Method::GET, SESSION, &twice, String::new()).await;
    assert_eq!(name("access-control-allow-origin", &reply), None, "a header that comes twice names nobody");
    // A refusal is shared too, so that the extension knows that nobody is signed in.
    let reply = site.browser().send(Method::GET, SESSION, &[("origin", EXTENSION)], String::new()).await;
    assert_eq!(
        (reply.status.as_u16(), name("access-control-allow-origin", &reply).as_deref()),
        (401, Some(EXTENSION))
    );

    let put = async |origin: &str| {
        let headers = [("origin", origin), ("content-type", "application/json")];
        let path = "/p/proj_p/v1/auth/session/active-organization";
        browser.send(Method::PUT, path, &headers, json!({ "org_id": "globex" }).to_string()).await
    };
    let foreign = put("chrome-extension://bbbbbbbbccccddddeeeeffffgggghhhh").await;
    assert_eq!((foreign.status.as_u16(), foreign.code()), (403, json!("csrf")));
    let own = put(EXTENSION).await;
    assert_eq!(
        (own.status.as_u16(), name("access-control-allow-origin", &own).as_deref()),
        (200, Some(EXTENSION))
    );
}
