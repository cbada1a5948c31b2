//! Applications of others: what they are allowed, and by whom.

mod holds;
mod withdrawn;

use super::*;
use crate::{
    clients::{self, Client, ClientKind, DEVICE_CODE},
    testing::{Browser, NOW, Reply, SECRET, Site},
};

/// Its identification at `authorize`, with what it asks for.
fn asking<'a>(scope: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("client_id", "app_other"), ("scope", scope)], more].concat()
}

/// A site with an application of somebody else, and a television of theirs.
async fn site_of_others() -> Site {
    let site = site().await;
    let hash = site.issuer.app().secrets.hash_client_secret(SECRET);
    site.write(move |tx| {
        Box::pin(async move {
            let new = |id: &str, name: &str, kind| {
                let client = Client::new(id.to_owned(), "proj_p".to_owned(), name.to_owned(), kind);
                Client { first_party: false, ..client }
            };
            let grants = |names: [&str; 2]| names.map(str::to_owned).to_vec();
            let other = Client {
                secret_hash: Some(hash),
                redirect_uris: vec![CALLBACK.to_owned()],
                grants: [
                    grants(["authorization_code", "refresh_token"]),
                    vec![clients::TOKEN_EXCHANGE.to_owned()],
                ]
                .concat(),
                require_pkce: false,
                scopes: vec!["account".to_owned()],
                backchannel_logout_uri: Some("http://127.0.0.1:9/logout".to_owned()),
                ..new("app_other", "Foreign <Planner>", ClientKind::Confidential)
            };
            clients::create(tx, &other, NOW).await?;
            let tv = Client {
                grants: grants([DEVICE_CODE, "refresh_token"]),
                ..new("app_tv", "Foreign TV", ClientKind::Public)
            };
            clients::create(tx, &tv, NOW).await
        })
    })
    .await;
    site
}

/// The way to the page, for somebody who is signed in and belongs to one organization, or chooses `org`.
async fn asked(browser: &Browser, org: Option<&str>, scope: &str, more: &[(&str, &str)]) -> Reply {
    let mut reply = browser.authorize(&asking(scope, more)).await;
    if reply.location().contains("/organizations/choose?") {
        reply = browser.pick(&reply, org.unwrap()).await;
    }
    assert!(reply.location().starts_with(&format!("{ORIGIN}/p/proj_p/consent?request=")), "{reply:?}");
    reply
}

fn hidden(page: &Reply, name: &str) -> String {
    let text = page.text();
    let rest = text.split_once(&format!("name=\"{name}\" value=\""));
    rest.unwrap_or_else(|| panic!("no {name}: {text}")).1.split_once('"').unwrap().0.to_owned()
}

/// Opens the page and presses one of its buttons.
async fn press(browser: &Browser, to: &Reply, decision: &str) -> Reply {
    let page = browser.get(&to.location()).await;
    assert_eq!(page.status, 200, "{}", page.text());
    decide(browser, &page, decision).await
}

async fn decide(browser: &Browser, page: &Reply, decision: &str) -> Reply {
    let (request, shown) = (hidden(page, "request"), hidden(page, "shown"));
    let fields = [("request", request.as_str()), ("shown", shown.as_str()), ("decision", decision)];
    browser.form("/p/proj_p/consent", &fields).await
}

/// Says yes, and gives the tokens.
async fn allowed(browser: &Browser, org: Option<&str>, scope: &str) -> Value {
    let page = asked(browser, org, scope, &[]).await;
    redeem(browser, &press(browser, &page, "allow").await).await
}

async fn redeem(browser: &Browser, back: &Reply) -> Value {
    let reply = redeemed(browser, &back.parameter("code").unwrap_or_else(|| panic!("{back:?}"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn redeemed(browser: &Browser, code: &str) -> Reply {
    browser.token(&and(exchange(code), "client_id", "app_other")).await
}

fn refresh(tokens: &Value) -> Value {
    and(crate::testing::refresh(tokens), "client_id", "app_other")
}

async fn count(site: &Site) -> i64 {
    site.count("SELECT COUNT(*) AS n FROM consents").await
}

/// What was recorded about consents, oldest first.
async fn told(site: &Site) -> Vec<String> {
    let all = site.events().await.into_iter().map(|(_, kind)| kind);
    all.filter(|kind| kind.starts_with("consent.")).collect()
}

#[orgate_testkit::both]
async fn an_application_of_the_project_never_asks() {
    let site = site_of_others().await;
    let browser = site.signed_in("x").await;
    for more in [&[][..], &[("prompt", "consent")], &[("scope", "openid offline_access")]] {
        assert!(browser.authorize(more).await.parameter("code").is_some(), "{more:?}");
    }
    assert_eq!(count(&site).await, 0);
}

#[orgate_testkit::both]
async fn an_application_of_others_asks_after_the_sign_in_and_the_choice_of_an_organization() {
    let site = site_of_others().await;
    let browser = site.browser();
    let scope = "openid profile email offline_access account nonsense";
    let picker = browser.login("d@example.com", PASSWORD, &asking(scope, &[])).await;
    let to = browser.pick(&picker, "org_acme").await;
    assert!(to.location().contains("/p/proj_p/consent?request="), "{}", to.location());
    let page = browser.get(&to.location()).await;
    let html = page.text();
    for part in [
        "Foreign &lt;Planner&gt;",
        "is not run by the people who run Demo",
        "d@example.com",
        "The acme",
        "(member)",
        "127.0.0.1:3000",
        "demo-api",
        "Know that it is you",
        "See your name",
        "See your email address",
        "Go on while you are away",
        "Use your account here as you do",
        "<button type=\"submit\" name=\"decision\" value=\"deny\" class=\"plain\">Deny</button>",
        "<button type=\"submit\" name=\"decision\" value=\"allow\" class=\"plain\">Allow</button>",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(!html.contains("nonsense") && !html.contains("<script") && !html.contains(">New<"), "{html}");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(policy.contains("form-action 'self' http://127.0.0.1:3000;"), "{policy}");
    assert_eq!(
        (&page.headers["x-frame-options"], &page.headers["cache-control"]),
        (&http::HeaderValue::from_static("DENY"), &http::HeaderValue::from_static("no-store"))
    );
    assert_eq!(count(&site).await, 0, "looking is not allowing");

    let back = decide(&browser, &page, "allow").await;
    assert!(back.location().starts_with(&format!("{CALLBACK}?code=")), "{}", back.location());
    assert_eq!(back.parameter("state").as_deref(), Some("st&1"));
    assert_eq!(back.parameter("iss"), Some(format!("{ORIGIN}/p/proj_p")));
    let tokens = redeem(&browser, &back).await;
    assert_eq!(tokens["org_id"], "org_acme");
    assert_eq!(tokens["scope"], "openid profile email offline_access account");
    assert_eq!(decide(&browser, &page, "allow").await.page_code().as_deref(), Some("request_expired"));
    assert_eq!(told(&site).await, ["consent.granted"]);
    assert_eq!(
        site.count(
            "SELECT COUNT(*) AS n FROM events WHERE type = 'consent.granted' AND org_id = 'org_acme'
             AND actor_id = 'usr_d' AND data LIKE '%app_other%' AND data LIKE '%offline_access%'"
        )
        .await,
        1
    );
}

#[orgate_testkit::both]
async fn who_denies_is_sent_back_with_the_error_and_nothing_is_kept() {
    let site = site_of_others().await;
    let browser = site.signed_in("x").await;
    for _ in 0..2 {
        let page = asked(&browser, None, "openid", &[]).await;
        let back = press(&browser, &page, "deny").await;
        assert!(back.location().starts_with(CALLBACK), "{}", back.location());
        assert_eq!(back.parameter("error").as_deref(), Some("access_denied"));
        assert_eq!(back.parameter("state").as_deref(), Some("st&1"));
        assert_eq!(back.parameter("iss"), Some(format!("{ORIGIN}/p/proj_p")));
        assert!(back.parameter("code").is_none());
        assert_eq!(browser.get(&page.location()).await.page_code().as_deref(), Some("request_expired"));
    }
    assert_eq!((count(&site).await, told(&site).await.len()), (0, 0));
}

#[orgate_testkit::both]
async fn the_same_or_less_does_not_ask_again_and_more_asks_and_says_what_is_new() {
    let site = site_of_others().await;
    let browser = site.signed_in("x").await;
    allowed(&browser, None, "openid email").await;
    for scope in ["openid email", "email", "openid", ""] {
        let again = browser.authorize(&asking(scope, &[])).await;
        assert!(again.parameter("code").is_some(), "{scope}: {}", again.location());
    }
    let more = asked(&browser, None, "openid profile", &[]).await;
    let page = browser.get(&more.location()).await;
    let html = page.text();
    assert!(html.contains("asks for more than you have allowed it"), "{html}");
    let new: Vec<&str> = html.split("<li>").filter(|line| line.contains(">New<")).collect();
    assert!(new.len() == 1 && new[0].starts_with("See your name"), "{new:?}");
    assert!(decide(&browser, &page, "allow").await.parameter("code").is_some());
    // What was allowed before is not forgotten over it.
    let whole = browser.authorize(&asking("openid profile email", &[])).await;
    assert!(whole.parameter("code").is_some(), "{}", whole.location());
    assert_eq!(count(&site).await, 1);
    // OpenID Connect Core §11: access while the person is away is asked for like anything else.
    asked(&browser, None, "openid offline_access", &[]).await;
}

#[orgate_testkit::both]
async fn another_organization_or_none_is_another_consent() {
    let site = site_of_others().await;
    let browser = site.signed_in("d").await;
    let acme = allowed(&browser, Some("org_acme"), "openid").await;
    for org in ["org_globex", ""] {
        asked(&browser, Some(org), "openid", &[]).await;
    }
    // Nor is there a way around the page.
    let moved = browser.token(&and(refresh(&acme), "org_id", "org_globex")).await;
    assert_eq!(moved.json()["error"], "consent_required", "{}", moved.text());
    let without = browser.token(&and(refresh(&acme), "org_id", "")).await;
    assert_eq!(without.json()["error"], "consent_required");
    let swap = json!({ "grant_type": clients::TOKEN_EXCHANGE, "subject_token": acme["access_token"], "client_id": "app_other",
                       "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
                       "client_secret": SECRET, "org_id": "org_globex" });
    assert_eq!(browser.token(&swap).await.json()["error"], "consent_required");
    let unbound = asked(&browser, None, "openid", &[("org_id", "")]).await;
    let code = press(&browser, &unbound, "allow").await.parameter("code").unwrap();
    let named = browser.token(&and(and(exchange(&code), "client_id", "app_other"), "org_id", "globex")).await;
    assert_eq!(named.json()["error"], "consent_required", "named only when the code is exchanged");
    assert_eq!(redeemed(&browser, &code).await.json()["org_id"], Value::Null, "and nothing was used up");

    allowed(&browser, Some("org_globex"), "openid").await;
    let moved = browser.token(&and(refresh(&acme), "org_id", "org_globex")).await;
    assert_eq!((moved.status.as_u16(), &moved.json()["org_id"]), (200, &json!("org_globex")));
    assert_eq!(count(&site).await, 3);
}

#[orgate_testkit::both]
async fn prompt_consent_always_asks_and_prompt_none_never() {
    let site = site_of_others().await;
    let browser = site.signed_in("x").await;
    let silent = browser.authorize(&asking("openid", &[("prompt", "none")])).await;
    assert_eq!(silent.parameter("error").as_deref(), Some("consent_required"));
    assert_eq!(silent.parameter("state").as_deref(), Some("st&1"));
    allowed(&browser, None, "openid").await;
    assert!(browser.authorize(&asking("openid", &[("prompt", "none")])).await.parameter("code").is_some());
    let more = browser.authorize(&asking("openid email", &[("prompt", "none")])).await;
    assert_eq!(more.parameter("error").as_deref(), Some("consent_required"));
    for _ in 0..2 {
        let page = asked(&browser, None, "openid", &[("prompt", "consent")]).await;
        assert!(press(&browser, &page, "allow").await.parameter("code").is_some());
    }
    assert_eq!(count(&site).await, 1);
}

#[orgate_testkit::both]
async fn a_pushed_request_and_one_for_a_resource_ask_like_any_other() {
    let site = site_of_others().await;
    let browser = site.signed_in("x").await;
    let pushed = [
        ("client_id", "app_other"),
        ("client_secret", SECRET),
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid"),
        ("prompt", "consent"),
        ("resource", "demo-api"),
    ];
    for _ in 0..2 {
        let reply = browser.form("/p/proj_p/par", &pushed).await;
        let uri = reply.json()["request_uri"].as_str().unwrap().to_owned();
        let query = form_urlencoded::byte_serialize(uri.as_bytes()).collect::<String>();
        let to = browser.get(&format!("/p/proj_p/authorize?client_id=app_other&request_uri={query}")).await;
        assert!(to.location().contains("/consent?request="), "{}", to.location());
        let tokens = redeem(&browser, &press(&browser, &to, "allow").await).await;
        assert_eq!(claims(&tokens["access_token"])["aud"], "demo-api");
    }
}

#[orgate_testkit::both]
async fn a_device_of_others_shows_the_list_and_asks_for_the_organization() {
    let site = site_of_others().await;
    let browser = site.signed_in("d").await;
    let began = async || {
        let fields = [("client_id", "app_tv"), ("scope", "openid email")];
        let device = browser.form("/p/proj_p/device_authorization", &fields).await.json();
        let code = device["user_code"].as_str().unwrap().to_owned();
        let page = browser.form("/p/proj_p/device", &[("user_code", &code)]).await;
        for part in ["Foreign TV", "not run by the people who run Demo", "See your email address"] {
            assert!(page.text().contains(part), "{part} in {}", page.text());
        }
        let request = hidden(&page, "request");
        let yes = [("request", request.as_str()), ("decision", "approve")];
        let picker = browser.form("/p/proj_p/device/confirm", &yes).await;
        (device, browser.pick(&picker, "org_acme").await)
    };
    let poll = async |device: &Value| {
        site.clock.advance(10_000);
        let body =
            json!({ "grant_type": DEVICE_CODE, "client_id": "app_tv", "device_code": device["device_code"] });
        browser.token(&body).await
    };
    let (device, to) = began().await;
    let page = browser.get(&to.location()).await;
    assert!(page.text().contains("The acme") && !page.text().contains("You are sent to"), "{}", page.text());
    assert_eq!(poll(&device).await.json()["error"], "authorization_pending", "not before the last page");
    let denied = decide(&browser, &page, "deny").await;
    assert_eq!((denied.status.as_u16(), denied.page_code().as_deref()), (200, Some("device_denied")));
    assert_eq!(poll(&device).await.json()["error"], "access_denied");

    let (device, to) = began().await;
    let done = press(&browser, &to, "allow").await;
    assert_eq!((done.status.as_u16(), done.page_code().as_deref()), (200, Some("device_approved")));
    assert_eq!(poll(&device).await.json()["org_id"], "org_acme");
    // Allowed once, the page that shows the code is enough.
    let (device, done) = began().await;
    assert_eq!(done.page_code().as_deref(), Some("device_approved"), "{}", done.text());
    assert_eq!(poll(&device).await.status, 200);
    // One of the project's own has no list.
    site.change("UPDATE clients SET first_party = 1").await;
    let device = browser.form("/p/proj_p/device_authorization", &[("client_id", "app_tv")]).await.json();
    let code = device["user_code"].as_str().unwrap();
    let page = browser.form("/p/proj_p/device", &[("user_code", code)]).await;
    assert!(!page.text().contains("not run by"), "{}", page.text());
}

#[orgate_testkit::both]
async fn the_page_speaks_the_language_that_was_asked_for() {
    let site = site_of_others().await;
    let browser = site.signed_in("x").await;
    let to =
        asked(&browser, None, "openid profile email offline_access account", &[("ui_locales", "ar")]).await;
    let html = browser.get(&to.location()).await.text();
    assert!(html.contains("lang=\"ar\" dir=\"rtl\"") && html.contains(">سماح<"), "{html}");
    assert!(!html.contains("Allow") && !html.contains("See your"), "{html}");
}
