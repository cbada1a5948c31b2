use http::Method;
mod consent;
mod enter;
mod found;
mod many;
mod pages;
mod sessions;

use serde_json::{Value, json};

use crate::http::peer::Peer;
use crate::testing::{CALLBACK, ORIGIN, PASSWORD, and, claims, exchange, site};

#[orgate_testkit::both]
async fn the_whole_way_ends_at_the_application_with_code_state_and_issuer() {
    let site = site().await;
    let browser = site.browser();
    let started = browser.authorize(&[("login_hint", "d@example.com")]).await;
    assert_eq!(started.status, 303);
    let page = browser.get(&started.location()).await;
    assert_eq!(page.status, 200);
    let html = page.text();
    for part in
        ["autocomplete=\"username\"", "autocomplete=\"current-password\"", "value=\"d@example.com\"", "Demo"]
    {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("<script"));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self' http://127.0.0.1:3000;"), "{policy}");
    assert_eq!(page.headers["cache-control"], "no-store");

    let request = started.parameter("request").unwrap();
    for other in ["signup", "magic"] {
        let html = browser.get(&format!("/p/proj_p/{other}?request={request}")).await.text();
        assert!(html.contains("value=\"d@example.com\""), "{other} knows `login_hint` as well: {html}");
    }
    let fields = [("email", "D@Example.com"), ("password", PASSWORD), ("request", request.as_str())];
    let entered = browser.form("/p/proj_p/login", &fields).await;
    assert_eq!(entered.status, 303);
    let cookie = entered.headers.get("set-cookie").unwrap().to_str().unwrap();
    assert!(cookie.starts_with("orgate-proj_p=") && cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");

    let picker = browser.get(&entered.location()).await;
    let html = picker.text();
    for part in
        ["The acme", "The globex", "value=\"org_acme\"", ">member<", ">admin<", "name=\"org_id\" value=\"\""]
    {
        assert!(html.contains(part), "{part} in {html}");
    }
    let done = browser.pick(&entered, "org_acme").await;
    assert_eq!(done.status, 303);
    assert!(done.location().starts_with(&format!("{CALLBACK}?code=")), "{}", done.location());
    assert_eq!(done.parameter("state").as_deref(), Some("st&1"));
    assert_eq!(done.parameter("iss"), Some(format!("{ORIGIN}/p/proj_p")));

    // The request led to one code; going back in the browser leads nowhere.
    assert_eq!(browser.pick(&entered, "org_globex").await.page_code().as_deref(), Some("request_expired"));
}

#[orgate_testkit::both]
async fn with_one_organization_or_none_there_is_nothing_to_choose() {
    let site = site().await;
    for (email, org) in [("x@example.com", json!("org_globex")), ("n@example.com", Value::Null)] {
        let reply = site.browser().login(email, PASSWORD, &[]).await;
        let code = reply.parameter("code").unwrap();
        assert_eq!(site.browser().token(&exchange(&code)).await.json()["org_id"], org, "{email}");
    }
}

#[orgate_testkit::both]
async fn with_a_live_session_and_several_organizations_the_picker_is_not_skipped() {
    let site = site().await;
    let browser = site.browser();
    browser.code("d", Some("org_globex"), "").await;
    let again = browser.authorize(&[]).await;
    assert!(again.location().contains("/organizations/choose"), "{}", again.location());
    let html = browser.get(&again.location()).await.text();
    let globex = html.split("value=\"org_globex\"").nth(1).unwrap();
    assert!(globex.starts_with(" required checked"), "the active one is preselected");
    assert_eq!(html.matches(" checked").count(), 1);

    // One organization: the session is enough, and the code comes at once.
    let single = site.browser();
    single.code("x", None, "").await;
    assert!(single.authorize(&[]).await.parameter("code").is_some());
}

#[orgate_testkit::both]
async fn a_named_organization_is_taken_or_refused_at_the_application() {
    let site = site().await;
    let named = async |org: &str| site.browser().login("d@example.com", PASSWORD, &[("org_id", org)]).await;
    let code = named("globex").await.parameter("code").unwrap();
    assert_eq!(
        site.browser().token(&and(exchange(&code), "org_id", "acme")).await.json()["error"],
        "invalid_grant"
    );
    assert_eq!(site.browser().token(&exchange(&code)).await.json()["org_id"], "org_globex");
    let without = named("").await.parameter("code").unwrap();
    assert_eq!(site.browser().token(&exchange(&without)).await.json()["org_id"], Value::Null);

    let foreign = site.browser().login("x@example.com", PASSWORD, &[("org_id", "org_acme")]).await;
    let unknown = site.browser().login("x@example.com", PASSWORD, &[("org_id", "org_none")]).await;
    assert_eq!(foreign.parameter("error").as_deref(), Some("invalid_target"));
    assert_eq!(foreign.location(), unknown.location());
}

#[orgate_testkit::both]
async fn a_picked_organization_must_be_ones_own() {
    let site = site().await;
    let browser = site.browser();
    let page = browser.login("d@example.com", PASSWORD, &[]).await;
    for org in ["org_none", "proj_p"] {
        let reply = browser.pick(&page, org).await;
        assert_eq!(
            (reply.status.as_u16(), reply.page_code().as_deref()),
            (400, Some("unknown_organization"))
        );
    }
    // Still on the way: the mistake did not use the request up.
    assert!(browser.pick(&page, "globex").await.parameter("code").is_some());
}

#[orgate_testkit::both]
async fn organizations_that_are_switched_off_are_not_offered() {
    let site = site().await;
    site.write(|tx| {
        Box::pin(
            async move { tx.run(crate::db::sql("UPDATE projects SET org_enabled = 0")).await.map(|_| ()) },
        )
    })
    .await;
    assert!(site.browser().login("d@example.com", PASSWORD, &[]).await.parameter("code").is_some());
    let named = site.browser().authorize(&[("org_id", "acme")]).await;
    assert_eq!(named.parameter("error").as_deref(), Some("organizations_disabled"));
}

#[orgate_testkit::both]
async fn a_wrong_password_and_an_unknown_address_look_the_same() {
    let site = site().await;
    site.write(|tx| {
        Box::pin(async move {
            tx.run(crate::db::sql("UPDATE users SET status = 'suspended' WHERE id = 'usr_viewer'"))
                .await
                .map(|_| ())
        })
    })
    .await;
    let mut pages = Vec::new();
    for (email, password) in [
        ("admin@example.com", "wrong"),
        ("nobody@example.com", "wrong"),
        ("viewer@example.com", PASSWORD),
        ("no address", "wrong"),
        ("admin@example.com", ""),
    ] {
        let reply = site.browser().login(email, password, &[]).await;
        assert_eq!(reply.status, 401, "{email}");
        assert_eq!(reply.page_code().as_deref(), Some("invalid_credentials"));
        assert!(!reply.headers.contains_key("set-cookie"));
        let html = reply.text();
        let request =
            html.split("name=\"request\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        pages.push(html.replace(&request, "").replace(email, ""));

        let body = json!({ "email": email, "password": password });
        let reply = site.browser().json(Method::POST, "/p/proj_p/v1/auth/login", &body).await;
        assert_eq!(reply.status, 401);
        assert_eq!(reply.code(), "invalid_credentials");
        pages.push(reply.text());
    }
    pages.sort();
    pages.dedup();
    assert_eq!(pages.len(), 2, "one page and one problem for all");
}

#[orgate_testkit::both]
async fn a_foreign_page_cannot_sign_anybody_in() {
    let site = site().await;
    let attacker = site.browser();
    let request = attacker.authorize(&[]).await.parameter("request").unwrap();
    let victim = site.browser();
    let fields = [("email", "d@example.com"), ("password", PASSWORD), ("request", request.as_str())];
    let reply = victim.form("/p/proj_p/login", &fields).await;
    assert_eq!((reply.status.as_u16(), reply.page_code().as_deref()), (403, Some("csrf")));
    assert!(victim.cookie("orgate-proj_p").is_none());
    // With a sign-in of its own under way, too.
    victim.authorize(&[]).await;
    assert_eq!(victim.form("/p/proj_p/login", &fields).await.status, 403);
    // And a form that says it comes from elsewhere.
    let own = victim.authorize(&[]).await.parameter("request").unwrap();
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("email", "d@example.com"), ("password", PASSWORD), ("request", &own)])
        .finish();
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")];
    assert_eq!(victim.send(Method::POST, "/p/proj_p/login", &headers, body).await.status, 403);
}

#[orgate_testkit::both]
async fn the_picker_belongs_to_the_person_who_signed_in() {
    let site = site().await;
    let browser = site.browser();
    let page = browser.login("d@example.com", PASSWORD, &[]).await;
    // Somebody else signs in with the same browser before the choice is made.
    browser.login("x@example.com", PASSWORD, &[("prompt", "login")]).await;
    let reply = browser.pick(&page, "org_globex").await;
    assert_eq!(reply.page_code().as_deref(), Some("sign_in_required"));
}

#[orgate_testkit::both]
async fn a_second_tab_does_not_disturb_the_first() {
    let site = site().await;
    let browser = site.browser();
    let (one, two) =
        (browser.authorize(&[("state", "one")]).await, browser.authorize(&[("state", "two")]).await);
    let mut codes = Vec::new();
    for started in [&one, &two] {
        let request = started.parameter("request").unwrap();
        let fields = [("email", "d@example.com"), ("password", PASSWORD), ("request", request.as_str())];
        let entered = browser.form("/p/proj_p/login", &fields).await;
        codes.push(browser.pick(&entered, "org_acme").await.parameter("state").unwrap());
    }
    assert_eq!(codes, ["one", "two"]);
}

#[orgate_testkit::both]
async fn the_cookie_changes_with_each_sign_in_and_the_old_one_is_dead() {
    let site = site().await;
    let browser = site.browser();
    let first = claims(
        &site.browser().token(&exchange(&browser.code("x", None, "").await)).await.json()["access_token"],
    );
    let old = browser.cookie("orgate-proj_p").unwrap();
    let reply = browser.login("x@example.com", PASSWORD, &[("prompt", "login")]).await;
    let second = claims(
        &site.browser().token(&exchange(&reply.parameter("code").unwrap())).await.json()["access_token"],
    );
    assert_eq!(first["sid"], second["sid"], "the same person goes on with the session");
    assert_ne!(browser.cookie("orgate-proj_p").unwrap(), old);
    let stale = site.browser();
    stale.set_cookie("orgate-proj_p", &old);
    assert_eq!(stale.get("/v1/auth/session").await.status, 401);

    browser.login("n@example.com", PASSWORD, &[("prompt", "login")]).await;
    assert!(site.events().await.iter().any(|(_, kind)| kind == "session.revoked"), "another person ends it");
}

#[orgate_testkit::both]
async fn a_bad_return_address_is_shown_and_never_followed() {
    let site = site().await;
    for uri in [
        "",
        "https://evil.test/",
        "http://127.0.0.1:3000/callback/",
        "http://127.0.0.1:3000/callback?x=1",
        "http://127.0.0.1:3000/Callback",
        "http://127.0.0.1:3001/callback",
        "http://localhost:3000/callback",
        "http://127.0.0.1:3000/callback#f",
        "http://127.0.0.1:3000\\@evil.test/callback",
        "http://a@127.0.0.1:3000/callback",
        "//127.0.0.1:3000/callback",
        "http://127.0.0.1:3000/x/../callback",
        "http://127.0.0.1:3000/%63allback",
        "javascript:alert(1)",
    ] {
        let reply = site.browser().authorize(&[("redirect_uri", uri)]).await;
        assert_eq!(
            (reply.status.as_u16(), reply.page_code().as_deref()),
            (400, Some("invalid_redirect_uri")),
            "{uri}"
        );
        assert!(!reply.headers.contains_key("location"));
    }
    let twice = format!(
        "/p/proj_p/authorize?client_id=proj_p&redirect_uri={CALLBACK}&redirect_uri=https://evil.test/"
    );
    assert_eq!(site.browser().get(&twice).await.page_code().as_deref(), Some("invalid_request"));
    for client in ["", "proj_q", "app_none"] {
        let reply = site.browser().authorize(&[("client_id", client)]).await;
        assert_eq!(
            (reply.status.as_u16(), reply.page_code().as_deref()),
            (400, Some("unknown_client")),
            "{client}"
        );
    }
}

#[orgate_testkit::both]
async fn the_port_of_a_native_application_is_free() {
    let site = site().await;
    let challenge = ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    let more =
        |uri| [("client_id", "app_spa"), ("redirect_uri", uri), challenge, ("code_challenge_method", "S256")];
    assert_eq!(site.browser().authorize(&more("http://127.0.0.1:51004/cb")).await.status, 303);
    assert_eq!(site.browser().authorize(&more("http://127.0.0.1:51004/cb2")).await.status, 400);
}

#[orgate_testkit::both]
async fn mistakes_of_the_application_go_back_to_it() {
    let site = site().await;
    for (more, error) in [
        (vec![("response_type", "token")], "unsupported_response_type"),
        (vec![("response_type", "code id_token")], "unsupported_response_type"),
        (vec![("response_mode", "fragment")], "invalid_request"),
        (vec![("request", "x.y.z")], "request_not_supported"),
        (vec![("request_uri", "https://evil.test/")], "request_uri_not_supported"),
        (vec![("prompt", "none")], "login_required"),
        (vec![("prompt", "none ")], "login_required"),
        (vec![("prompt", " none")], "login_required"),
        (vec![("prompt", "none login")], "invalid_request"),
        (vec![("prompt", "sing_up")], "invalid_request"),
        (vec![("max_age", "soon")], "invalid_request"),
    ] {
        let reply = site.browser().authorize(&more).await;
        assert_eq!(reply.status, 303, "{more:?}");
        assert!(reply.location().starts_with(CALLBACK));
        assert_eq!(reply.parameter("error").as_deref(), Some(error), "{more:?}");
        assert_eq!(reply.parameter("state").as_deref(), Some("st&1"));
        assert_eq!(reply.parameter("iss"), Some(format!("{ORIGIN}/p/proj_p")));
    }
    let browser = site.browser();
    browser.code("d", Some("org_acme"), "").await;
    let silent = browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(silent.parameter("error").as_deref(), Some("interaction_required"));
    assert!(browser.authorize(&[("prompt", "none"), ("org_id", "acme")]).await.parameter("code").is_some());
    site.clock.advance(61_000);
    assert!(browser.authorize(&[("max_age", "60")]).await.location().contains("/login"));
    assert!(browser.authorize(&[("max_age", "62")]).await.location().contains("/choose"));
}
