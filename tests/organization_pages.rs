//! The pages about organizations, in a real browser: an owner invites, the invitee accepts, and the organization lives and ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use orgate_e2e::{Chromium, Folder, Running, orgate, request};
use serde_json::Value;

const PASSWORD: &str = "correct horse battery";

struct World {
    issuer: Running,
    browser: Chromium,
    _folder: Folder,
}

impl World {
    fn start() -> Self {
        let folder = Folder::new();
        folder.write(
            "bootstrap.yaml",
            &format!(
                "projects:\n  - id: proj_demo\n    name: Demo\n    org_enabled: true\n    audience: [demo-api]\n    \
                 redirect_uris: [\"http://127.0.0.1:3000/callback\"]\n    client_secret: a secret of the test\n    \
                 users:\n      - {{id: usr_ann, name: Ann, email: ann@example.com, password: {PASSWORD}, email_verified: true}}\n      \
                 - {{id: usr_ben, name: Ben, email: ben@example.com, password: {PASSWORD}, email_verified: true}}\n"
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
        Self { issuer, browser, _folder: folder }
    }

    fn open(&mut self, path: &str) -> String {
        self.browser.open(&format!("http://localhost:8090/p/proj_demo/{path}"))
    }

    fn code(&mut self) -> Value {
        self.browser.evaluate("document.querySelector('main').dataset.code || null")
    }

    #[track_caller]
    fn press(&mut self, fields: &[(&str, &str)], button: &str, code: &str) {
        self.browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)");
        self.browser.fill(fields, button);
        let text = self.text();
        assert_eq!(self.code(), code, "{button}: {text}");
    }

    fn text(&mut self) -> String {
        self.browser.evaluate("document.body.innerText").as_str().unwrap().to_owned()
    }

    /// Ticks boxes and chooses buttons, as their selectors say.
    fn tick(&mut self, selectors: &[&str]) {
        for selector in selectors {
            let script = format!("document.querySelector({}).checked = true", serde_json::json!(selector));
            self.browser.evaluate(&script);
        }
    }

    /// Becomes somebody else, and goes to the organizations.
    fn become_somebody(&mut self, name: &str) {
        self.browser.call("Network.clearBrowserCookies", &serde_json::json!({}));
        self.open("account/organizations");
        let email = format!("{name}@example.com");
        self.browser.fill(&[("email", &email), ("password", PASSWORD)], "Sign in");
        assert_eq!(self.code(), "signed_in");
    }

    /// The link in the newest letter.
    fn link(&self) -> String {
        let outbox = request("GET", &format!("{}/dev/outbox", self.issuer.url("admin")), &[], None).json();
        let letters = outbox.as_array().or_else(|| outbox["data"].as_array()).unwrap();
        letters[0]["links"][0].as_str().unwrap().to_owned()
    }

    /// The page of the member with this name.
    fn member(&mut self, name: &str) {
        self.open("account/organizations/initech/members");
        self.browser.follow(&format!(
            "[...document.querySelectorAll('.list a')].find(one => one.textContent === '{name}').click()"
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_is_made_lived_in_and_ended_on_its_pages() {
    let mut world = World::start();
    world.become_somebody("ann");
    world.browser.look("organizations-none");
    world.press(&[("name", "Initech"), ("slug", "-")], "Make the organization", "invalid_value");
    world.browser.look("organizations-wrong");
    world.press(&[("slug", "")], "Make the organization", "created");
    world.open("account/organizations");
    world.browser.look("organizations");

    // A role of one's own, with the matrix, and somebody to have it.
    world.open("account/organizations/initech/new-role");
    world.tick(&["[name='may.read']", "[name='may.invite']"]);
    world.browser.look("role-new");
    world.press(&[("name", "Recruiter")], "Make the role", "role_made");
    world.browser.look("role");
    world.open("account/organizations/initech/roles");
    world.browser.look("roles");
    world.open("account/organizations/initech/teams");
    world.press(&[("name", "Support"), ("description", "Answers people")], "Make the team", "team_created");
    world.open("account/organizations/initech/invitations");
    world.tick(&["[name='role'][value='viewer']"]);
    world.press(&[("email", "ben@example.com")], "Send the invitation", "invited");
    world.browser.look("invitations");
    let link = world.link();

    world.become_somebody("ben");
    assert!(!world.text().contains("Initech"));
    world.browser.open(&link);
    world.browser.fill(&[], "Accept");
    world.open("account/organizations");
    assert!(world.text().contains("Initech"), "{}", world.text());
    world.open("account/organizations/initech/audit");
    assert_eq!(world.code(), "forbidden");

    world.become_somebody("ann");
    world.open("account/organizations/initech/members");
    world.browser.look("members");
    world.member("Ben");
    world.tick(&["[name='role'][value='recruiter']"]);
    world.press(&[], "Save the role", "role_changed");
    world.browser.look("member");
    world.open("account/organizations/initech/teams/support");
    world.press(&[], "Put in", "team_joined");
    world.browser.look("team");
    world.open("account/organizations/initech/teams");
    world.browser.look("teams");
    world.open("account/organizations/initech/api-keys");
    world.tick(&["[name='may.read']"]);
    world.browser.fill(&[("name", "Nightly export")], "Make the key");
    assert!(world.text().contains("oak_"), "{}", world.text());
    world.browser.look("api-key-shown");
    world.open("account/organizations/initech/api-keys");
    world.browser.look("api-keys");
    world.open("account/organizations/initech/audit");
    world.browser.evaluate("document.querySelectorAll('details')[1].open = true");
    world.browser.look("audit");
    world.open("account/organizations/initech/settings");
    world.browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)");
    world.browser.look("settings");

    world.member("Ben");
    world.press(&[], "Transfer the ownership", "transferred");
    world.open("account/organizations/initech/new-role");
    assert_eq!(world.code(), "forbidden");
    world.open("account/organizations/initech/roles/recruiter");
    world.browser.look("role-of-others");
    world.open("account/organizations/initech/settings");
    world.press(&[], "Leave", "left");

    world.become_somebody("ben");
    world.open("account/organizations/initech/settings");
    world.press(&[("confirm", "Initech")], "Delete it for good", "invalid_value");
    world.browser.look("settings-wrong");
    world.press(&[("confirm", "initech")], "Delete it for good", "deleted");
    assert!(!world.text().contains("initech"), "{}", world.text());
    let loaded = world.browser.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)");
    assert_eq!(loaded, serde_json::json!([]), "nothing is loaded from anywhere");
}
