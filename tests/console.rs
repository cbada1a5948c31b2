//! The operators' console, in a real browser: a project is made and switched, told of and looked into.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic"
)]

use orgate_e2e::{Chromium, Folder, Running, Sizes, orgate};
use orgate_testkit::Upstream;
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";
const CONSOLE: &str = "http://localhost:8090/console";

/// The most bytes of a page.
const MOST_BYTES: u64 = 48 * 1024;

struct World {
    browser: Chromium,
    application: Upstream,
    seen: usize,
    sizes: Sizes,
    _issuer: Running,
    _folder: Folder,
}

impl World {
    async fn start() -> Self {
        let folder = Folder::new();
        let application = Upstream::start().await;
        folder.write(
            "bootstrap.yaml",
            &format!(
                "projects:\n  - id: proj_demo\n    name: Demo\n    audience: [demo-api]\n    \
                 redirect_uris: [\"http://127.0.0.1:3000/callback\"]\n    client_secret: a secret of the test\n    \
                 operators: [{{email: ops@example.com, password: {PASSWORD}}}]\n    \
                 users:\n      - {{id: usr_ann, name: Ann, email: ann@example.com, password: {PASSWORD}, email_verified: true}}\n"
            ),
        );
        let issuer = orgate()
            .args(["issuer", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--dev-outbox"])
            .args(["--public-url", "http://localhost:8090", "--bootstrap", "bootstrap.yaml"])
            .args(["--database", "sqlite::memory:"])
            .folder(folder.path())
            .ready();
        let real = issuer.url("issuer").replace("http://", "");
        let names = format!("--host-resolver-rules=MAP localhost:8090 {real}");
        let browser = Chromium::start(&folder, &[&names]);
        let sizes = Sizes::default();
        Self { browser, application, seen: 0, sizes, _issuer: issuer, _folder: folder }
    }

    fn open(&mut self, path: &str) -> String {
        self.browser.open(&format!("{CONSOLE}{path}"))
    }

    #[track_caller]
    fn press(&mut self, fields: &[(&str, &str)], button: &str, code: &str) {
        self.browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)");
        self.browser.fill(fields, button);
        let told = self.browser.evaluate("document.querySelector('main').dataset.code || null");
        assert_eq!(told, code, "{button}: {}", self.text());
    }

    fn text(&mut self) -> String {
        self.browser.evaluate("document.body.innerText").as_str().unwrap().to_owned()
    }

    /// Pictures of the page, which nothing stands in anybody's way on, and its size.
    fn look(&mut self, name: &str) {
        self.seen += 1;
        self.sizes.note(&mut self.browser, name);
        self.browser.look_closely(&format!("console-{name}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_run_their_projects_from_the_console() {
    let mut world = World::start().await;
    assert!(world.open("/proj_demo/webhooks").ends_with("/sign-in?to=%2Fproj_demo%2Fwebhooks"));
    world.look("sign-in");
    world.press(&[("email", "ops@example.com"), ("password", "wrong")], "Sign in", "invalid_credentials");
    world.look("sign-in-wrong");
    let at = world.browser.fill(&[("email", "ops@example.com"), ("password", PASSWORD)], "Sign in");
    assert_eq!(at, format!("{CONSOLE}/proj_demo/webhooks"));
    world.look("webhooks-none");

    world.open("");
    world.look("projects");
    let at = world.browser.fill(
        &[("name", "Second"), ("redirect_uri", "https://app.example.com/callback")],
        "Create the project",
    );
    assert_eq!(at, CONSOLE);
    assert!(world.text().contains("Client secret"), "{}", world.text());
    world.look("project-made");

    // The switch: without organizations there is nothing of them in the navigation.
    world.open("/proj_demo");
    assert!(!world.text().contains("Permissions"), "{}", world.text());
    world.look("overview-off");
    world.press(&[], "Switch organizations on", "organizations_on");
    assert!(world.text().contains("Permissions"), "{}", world.text());
    world.look("overview");

    world.open("/proj_demo/organizations");
    world.look("organizations-none");
    world.press(
        &[("name", "Initech"), ("created_by", "nobody@example.com")],
        "Create the organization",
        "invalid_value",
    );
    world.look("organizations-wrong");
    world.press(&[("created_by", "ann@example.com")], "Create the organization", "organization_created");
    world.look("organization");
    world
        .browser
        .follow("[...document.querySelectorAll('main a')].find(one => one.textContent === 'Roles').click()");
    world.browser.evaluate("document.querySelector('[name=\"may.read\"]').checked = true");
    world.press(&[("name", "Clerk")], "Make the role", "role_created");
    world.look("roles");
    world.open("/proj_demo/organizations/initech");
    world.press(&[], "Suspend", "organization_suspended");
    world.look("organization-suspended");
    world.press(&[], "Let it go on", "organization_activated");
    world.open("/proj_demo/organizations");
    world.look("organizations");

    world.open("/proj_demo/permissions");
    world.press(
        &[("key", "invoices:write"), ("description", "Writes invoices")],
        "Add to the catalogue",
        "permission_created",
    );
    world.look("permissions");
    world.open("/proj_demo/settings");
    world.press(&[("brand_color", "#0a7d5a")], "Save the settings", "saved");
    world.look("settings");

    // An endpoint, its secret, a delivery that arrives, and the same again.
    world.open("/proj_demo/webhooks");
    let url = format!("{}/hooks", world.application.url());
    world.browser.fill(&[("url", &url), ("description", "The application")], "Add the endpoint");
    assert!(world.text().contains("whsec_"), "{}", world.text());
    world.look("webhook-secret");
    world.browser.follow("document.querySelector('main a.button').click()");
    world.press(&[], "Send a test", "webhook_tested");
    let delivered =
        "document.body.innerText.includes('Delivered\\n') || document.querySelector('td .badge.good')";
    while world.browser.evaluate(&format!("Boolean({delivered})")) != true {
        world.browser.follow("location.reload()");
    }
    world.look("webhook");
    world.browser.fill(&[("from_seq", "1"), ("to_seq", "2")], "Send again");
    world.open("/proj_demo/webhooks");
    world.look("webhooks");

    world.browser.fill(&[], "Sign out");
    assert!(world.text().contains("You are signed out"), "{}", world.text());
    assert!(world.open("/proj_demo").contains("/sign-in"));
    assert!(world.seen >= 15, "{} pages", world.seen);
    println!("{}", world.sizes.table());
    world.sizes.check(|_| MOST_BYTES);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_look_after_people_keys_and_the_log() {
    let mut world = World::start().await;
    world.open("/proj_demo/users");
    let at = world.browser.fill(&[("email", "ops@example.com"), ("password", PASSWORD)], "Sign in");
    assert_eq!(at, format!("{CONSOLE}/proj_demo/users"));
    world.look("users");
    let wrong = [("email", "ann@example.com"), ("name", "Ben")];
    world.press(&wrong, "Create the user", "conflict");
    world.look("users-wrong");
    world.press(&[("email", "ben@example.com")], "Create the user", "user_created");
    world.look("user");
    world.press(&[], "Suspend", "user_suspended");
    world.look("user-suspended");
    world.press(&[], "Let them in again", "user_activated");
    world.press(&[], "Sign out everywhere", "user_signed_out");
    world.press(&[("confirm", "ben")], "Erase for good", "invalid_value");
    world.look("user-wrong");
    world.press(&[("confirm", "ben@example.com")], "Erase for good", "user_erased");
    world.open("/proj_demo/users?q=ben");
    world.look("users-none");

    world.open("/proj_demo/signing-keys");
    world.look("signing-keys");
    world.press(&[], "Make the next ES256 key", "key_rotated");
    world.press(&[("confirm", "ES256")], "Replace the ES256 keys now", "key_replaced");
    world.look("signing-keys-rotated");

    world.open("/proj_demo/audit");
    world.look("audit");
    world.browser.fill(&[], "Verify the chain");
    assert!(world.text().contains("are what was written"), "{}", world.text());
    world.look("audit-verified");
    world.open("/proj_demo/audit?actor=nobody");
    world.look("audit-none");
    assert!(world.seen >= 11, "{} pages", world.seen);
    println!("{}", world.sizes.table());
    world.sizes.check(|_| MOST_BYTES);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_moves_the_charts_of_an_open_page() {
    let mut world = World::start().await;
    world.open("/proj_demo");
    world.browser.fill(&[("email", "ops@example.com"), ("password", PASSWORD)], "Sign in");
    assert!(world.text().contains("How much is going on"), "{}", world.text());
    // What the page has loaded stays: whatever moves, moves in it.
    world.browser.evaluate(
        "window.stays = true; window.told = []; document.addEventListener('securitypolicyviolation', \
                            one => told.push(one.violatedDirective)); null",
    );
    let shape = |world: &mut World, id: &str| {
        world.browser.evaluate(&format!("document.getElementById('{id}').getAttribute('d')"))
    };
    assert_eq!(shape(&mut world, "sign-ins-0"), "M0 0");
    let sent = |what: &str, body: Value| {
        format!(
            "fetch('{what}', {{ method: 'POST', headers: {{ 'content-type': 'application/json' }}, \
             body: '{body}' }}).then(answer => answer.status)"
        )
    };
    let sign_in = |password: &str| {
        sent(
            "/v1/auth/login",
            json!({ "project": "proj_demo", "email": "ann@example.com", "password": password }),
        )
    };
    assert_eq!(world.browser.evaluate(&sign_in(PASSWORD)), 200);
    assert_eq!(world.browser.evaluate(&sign_in("wrong")), 401);
    let grant = json!({ "grant_type": "client_credentials", "client_id": "proj_demo",
                        "client_secret": "a secret of the test" });
    assert_eq!(world.browser.evaluate(&sent("/p/proj_demo/token", grant)), 200);
    let text = |id: &str| format!("document.getElementById('{id}').textContent");
    world.browser.wait_for(&format!(
        "{} === '1' && {} === '1' && {} === '1'",
        text("total-sign-ins"),
        text("total-failed"),
        text("tokens-2-n")
    ));
    for id in ["sign-ins-0", "sign-ins-1", "tokens-2"] {
        assert_ne!(shape(&mut world, id), "M0 0", "{id}");
    }
    assert_eq!(world.browser.evaluate("window.stays && told.length === 0"), true);
    world.look("overview-charts");
    world.open("/proj_demo?window=week");
    world.browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true); null");
    world.look("overview-week");

    // A client of each kind, and a key, as they are made and looked at.
    for (kind, name) in [("machine", "Nightly"), ("public", "Page"), ("confidential", "Shop")] {
        world.open(&format!("/proj_demo/clients?kind={kind}"));
        world.look(&format!("clients-{kind}"));
        world.browser.fill(&[("name", name)], "Create the client");
        world.look(&format!("client-made-{kind}"));
        world.browser.follow("document.querySelector('main a.button').click()");
        world.look(&format!("client-{kind}"));
    }
    world.open("/proj_demo/program-keys");
    world.browser.fill(&[("name", "gate")], "Create the key");
    assert!(world.text().contains("sk_"), "{}", world.text());
    world.look("program-key-made");
    world.open("/proj_demo/program-keys");
    world.look("program-keys");
    println!("{}", world.sizes.table());
    world.sizes.check(|_| MOST_BYTES);
}
