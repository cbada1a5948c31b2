//! What others write and send: names that would be scripts, frames around the pages, forms from elsewhere.

use orgate_e2e::{Chromium, sign_in::encode};
use serde_json::json;

use super::world::{PASSWORD, PUBLIC, World};

/// Each calls `pwned()` in some place where markup is read.
const PAYLOADS: &str = include_str!("payloads.txt");

/// Tells the test whether a payload came to be more than text.
const SENTINEL: &str = "globalThis.pwned = () => { globalThis.wasPwned = true };
    globalThis.violations = [];
    addEventListener('securitypolicyviolation', event => violations.push(event.effectiveDirective));";

/// `[ran, stopped by the policy, addresses that are scripts, number of elements]`, after everything that the page began.
const SEEN: &str = "new Promise(done => requestAnimationFrame(() => setTimeout(() => done([
    globalThis.wasPwned === true,
    globalThis.violations,
    [...document.querySelectorAll('[href], [src], [action], [formaction], [data]')]
      .flatMap(one => ['href', 'src', 'action', 'formaction', 'data'].map(name => one.getAttribute(name)))
      .filter(url => /^\\s*(javascript|data|vbscript):/i.test(url ?? '')),
    document.querySelectorAll('*').length,
  ]))))";

fn payloads() -> Vec<&'static str> {
    let payloads: Vec<&str> = PAYLOADS.lines().collect();
    assert_eq!(payloads.len(), 100);
    payloads
}

fn watch(browser: &mut Chromium) {
    browser.call("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": SENTINEL }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_names_that_would_be_scripts_are_text_on_every_page() {
    let mut world = World::start(&["en"]).await;
    watch(&mut world.browser);
    // Where nobody escapes, most of them run: the sentinel can tell.
    let mut ran = 0;
    for payload in payloads() {
        let page = format!("<title>{payload}</title><h1>{payload}</h1><input value=\"{payload}\">");
        world.browser.open(&format!("data:text/html,{}", encode(&page)));
        ran += usize::from(world.browser.evaluate(SEEN)[0] == true);
    }
    assert!(ran >= 60, "only {ran} of them run where nothing is escaped");

    let reply = world.manage("POST", "/orgs/org_acme/invitations", &json!({ "email": "joy@example.com" }));
    assert_eq!(reply.status, 201, "{}", reply.body);
    let invitation = world.link("joy@example.com");
    let mut harmless = Vec::new();
    for payload in std::iter::once("Harmless").chain(payloads()) {
        let named = world.manage("PATCH", "", &json!({ "name": payload }));
        assert_eq!(named.status, 200, "{payload}: {}", named.body);
        let named = world.manage("PATCH", "/orgs/org_acme", &json!({ "name": payload }));
        assert_eq!(named.status, 200, "{payload}: {}", named.body);
        let login = world.authorize(&format!("&login_hint={}", encode(payload)));
        for (at, url) in [&invitation, &login].into_iter().enumerate() {
            world.browser.open(url);
            let seen = world.browser.evaluate(SEEN);
            if payload == "Harmless" {
                harmless.push(seen);
            } else {
                assert_eq!(seen, harmless[at], "{payload} at {url}");
            }
        }
        assert_eq!(world.browser.evaluate("document.title"), format!("Sign in to {payload}"));
    }
    assert_eq!(harmless[0][0], false);

    // All at once where one chooses among them.
    for (at, payload) in payloads().into_iter().enumerate().take(98) {
        let body =
            json!({ "name": payload, "slug": format!("payload-{at}"), "creator_end_user_id": "usr_ann_en" });
        let made = world.manage("POST", "/orgs", &body);
        assert_eq!(made.status, 201, "{payload}: {}", made.body);
    }
    let there = world.sign_in("ann-en", "");
    assert!(there.contains("/organizations/choose?"), "{there}");
    let seen = world.browser.evaluate(SEEN);
    assert_eq!((&seen[0], &seen[1], &seen[2]), (&json!(false), &json!([]), &json!([])));
    let foreign = world
        .browser
        .evaluate("document.querySelectorAll('main script, main img, main iframe, main svg').length");
    assert_eq!(foreign, 0);

    // And in the lists of those who belong to them and of the operators.
    let page = world.page("account/organizations");
    assert_eq!(lists(&mut world.browser, &page, ".cards .title"), 98 + 2);
    let console = format!("{}/console/proj_demo/organizations", PUBLIC);
    world.browser.open(&console);
    let operator = [("email", "ops@example.com"), ("password", PASSWORD)];
    assert_eq!(world.browser.fill(&operator, "Sign in"), console);
    assert_eq!(lists(&mut world.browser, &console, ".list tbody th"), 98 + 2);
}

/// Looks at every page of a list in which nothing may be more than text, and gives how many entries there are.
fn lists(browser: &mut Chromium, first: &str, entry: &str) -> u64 {
    browser.open(first);
    let mut entries = 0;
    loop {
        let seen = browser.evaluate(SEEN);
        assert_eq!((&seen[0], &seen[1], &seen[2]), (&json!(false), &json!([]), &json!([])), "{first}");
        let foreign = "document.querySelectorAll('main script, main img, main iframe, main svg').length";
        assert_eq!(browser.evaluate(foreign), 0, "{first}");
        let count = format!("document.querySelectorAll({}).length", json!(entry));
        entries += browser.evaluate(&count).as_u64().unwrap();
        if browser.evaluate("Boolean(document.querySelector('.turn [rel=next]'))") != true {
            return entries;
        }
        browser.follow("document.querySelector('.turn [rel=next]').click()");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logo_is_a_picture_of_this_host_and_nothing_else() {
    let world = World::start(&["en"]).await;
    for logo in [
        "https://evil.example/logo.png",
        "javascript:pwned()",
        "data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9InB3bmVkKCkiLz4=",
        "data:text/html;base64,PHNjcmlwdD4=",
        "data:image/png;base64,PHNjcmlwdD4=",
        "\"><script>pwned()</script>",
    ] {
        let reply = world.manage("PATCH", "", &json!({ "logo": logo }));
        assert_eq!((reply.status, &reply.json()["field"]), (422, &json!("logo")), "{logo}");
    }
    for color in ["red", "#fff", "#12345g", "#123456}body{display:none", "url(https://evil.example)"] {
        let reply = world.manage("PATCH", "", &json!({ "brand_color": color }));
        assert_eq!((reply.status, &reply.json()["field"]), (422, &json!("brand_color")), "{color}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_stand_in_no_frame_and_take_no_form_from_elsewhere() {
    let mut world = World::start(&["en"]).await;
    let login = world.authorize("");
    // A page of another site with ours in a frame: it shows a third one, and not ours.
    let (application, third) = (world.callback.clone(), world.callback.replace("127.0.0.1", "localhost"));
    world.browser.open(&application);
    world.browser.evaluate(&format!(
        "Promise.all({}.map(url => new Promise(done => {{
           const frame = document.createElement('iframe');
           frame.onload = done;
           frame.src = url;
           document.documentElement.append(frame);
         }}))).then(() => null)",
        json!([login, third])
    ));
    let frames = world.browser.frames();
    let shows = |url: &str| frames.iter().any(|frame| frame.starts_with(url));
    assert!(shows(&third) && !shows(PUBLIC), "{frames:?}");

    // Somebody else's page signs the person in as somebody else, with a sign-in that this browser has begun.
    world.browser.open(&login);
    let handle = world.browser.evaluate("document.querySelector('[name=request]').value");
    let form = format!(
        "<form method=post action=\"{PUBLIC}/p/proj_demo/login\"><input name=request value={}><input name=email \
         value=bob-en@example.com><input name=password value=\"{PASSWORD}\"><button>x</button></form>",
        handle.as_str().unwrap()
    );
    world.browser.open(&format!("data:text/html,{}", encode(&form)));
    world.browser.follow("document.querySelector('button').click()");
    world.is_at("csrf");

    // The session of before is not the one of after, and nobody can bring one along.
    let cookie = |world: &mut World| {
        let all = world.browser.call("Network.getCookies", &json!({ "urls": [PUBLIC] }));
        let all = all["cookies"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["name"] == "orgate-proj_demo")
    };
    let brought = json!({ "name": "orgate-proj_demo", "value": "a".repeat(43), "url": PUBLIC });
    world.browser.call("Network.setCookie", &brought);
    world.sign_in("bob-en", "");
    let first = cookie(&mut world).unwrap();
    assert_ne!(first["value"], brought["value"]);
    assert_eq!((&first["httpOnly"], &first["sameSite"]), (&json!(true), &json!("Lax")));
    world.sign_in("bob-en", "&prompt=login");
    assert_ne!(cookie(&mut world).unwrap()["value"], first["value"]);

    // An answer goes to a registered address or nowhere.
    for elsewhere in ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"] {
        let url = format!(
            "{PUBLIC}/p/proj_demo/authorize?client_id=proj_demo&response_type=code&redirect_uri={}",
            encode(elsewhere)
        );
        world.browser.open(&url);
        world.is_at("invalid_redirect_uri");
    }
}
