//! The pages about organizations, in a real browser: an owner invites, the invitee accepts, and the organization lives and ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use orgate_e2e::{Chromium, Folder, Running, Sizes, orgate, request};
use serde_json::Value;

const PASSWORD: &str = "correct horse battery";
/// The most bytes of a page.
const MOST_BYTES: u64 = 40 * 1024;

struct World {
    issuer: Running,
    browser: Chromium,
    language: &'static str,
    /// Of the organization that the test is about.
    slug: &'static str,
    sizes: Sizes,
    seen: usize,
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
        let sizes = Sizes::default();
        Self { issuer, browser, language: "en", slug: "initech", sizes, seen: 0, _folder: folder }
    }

    fn open(&mut self, path: &str) -> String {
        self.browser.open(&format!("http://localhost:8090/p/proj_demo/{path}"))
    }

    fn code(&mut self) -> Value {
        self.browser.evaluate("document.querySelector('main').dataset.code || null")
    }

    /// Fills in the form that makes this change, and sends it.
    fn send(&mut self, fields: &[(&str, &str)], change: &str) -> String {
        self.browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)");
        let fields = serde_json::json!(fields);
        self.browser.follow(&format!(
            "const form = document.querySelector('form:has([name=change][value={change}])');
             for (const [name, value] of {fields}) form.querySelector(`[name=${{name}}]`).value = value;
             form.querySelector('button').click()"
        ))
    }

    #[track_caller]
    fn press(&mut self, fields: &[(&str, &str)], change: &str, code: &str) {
        self.send(fields, change);
        let text = self.text();
        assert_eq!(self.code(), code, "{change}: {text}");
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
        self.open(&format!("account/organizations?ui_locales={}", self.language));
        let email = format!("{name}@example.com");
        let fields = serde_json::json!([["email", email], ["password", PASSWORD]]);
        self.browser.follow(&format!(
            "for (const [name, value] of {fields}) document.getElementsByName(name)[0].value = value;
             document.querySelector('main form button').click()"
        ));
        assert_eq!(self.code(), "signed_in");
    }

    /// The page is in this language, for everybody, by keyboard alone, and small.
    fn look(&mut self, name: &str) {
        self.seen += 1;
        let language = self.language;
        let frame = self.browser.evaluate("[document.documentElement.lang, document.documentElement.dir]");
        let direction = if language == "ar" { "rtl" } else { "ltr" };
        assert_eq!(frame, serde_json::json!([language, direction]), "{name}");
        if language == "ar" {
            let foreign = self.browser.foreign_words();
            assert_eq!(foreign, serde_json::json!([]), "{name} has words that are not translated");
        }
        self.sizes.note(&mut self.browser, &format!("{name} {language}"));
        self.browser.look_and_walk(&format!("organization-{name}-{language}"));
    }

    /// A page of the organization.
    fn go(&mut self, page: &str) -> String {
        let slug = self.slug;
        self.open(&format!("account/organizations/{slug}/{page}"))
    }

    /// The link in the newest letter.
    fn link(&self) -> String {
        let outbox = request("GET", &format!("{}/dev/outbox", self.issuer.url("admin")), &[], None).json();
        let letters = outbox.as_array().or_else(|| outbox["data"].as_array()).unwrap();
        letters[0]["links"][0].as_str().unwrap().to_owned()
    }

    /// The page of the member with this name.
    fn member(&mut self, name: &str) {
        self.go("members");
        self.browser.follow(&format!(
            "[...document.querySelectorAll('.list a')].find(one => one.textContent === '{name}').click()"
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_is_made_lived_in_and_ended_on_its_pages_in_every_language() {
    let mut world = World::start();
    for (language, slug, name) in [("en", "initech", "Initech"), ("ar", "initrode", "Initrode")] {
        (world.language, world.slug, world.seen) = (language, slug, 0);
        begin(&mut world, name);
        live(&mut world, name);
        end(&mut world);
        assert!(world.seen >= 18, "{} pages", world.seen);
    }
    let loaded = world.browser.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)");
    assert_eq!(loaded, serde_json::json!([]), "nothing is loaded from anywhere");
    println!("{}", world.sizes.table());
    world.sizes.check(|_| MOST_BYTES);
}

/// Somebody without an organization makes one, with a role, a team and an invitation.
fn begin(world: &mut World, name: &str) {
    world.become_somebody("ann");
    world.look("none");
    world.press(&[("name", name), ("slug", "-")], "create", "invalid_value");
    world.look("wrong");
    world.press(&[("slug", "")], "create", "created");
    world.open("account/organizations");
    world.look("all");

    // A role of one's own, with the matrix, and somebody to have it.
    world.go("new-role");
    world.tick(&["[name='may.read']", "[name='may.invite']"]);
    world.look("role-new");
    world.press(&[("name", "Recruiter")], "save", "role_made");
    world.look("role");
    world.go("roles");
    world.look("roles");
    world.go("teams");
    world.press(&[("name", "Support"), ("description", "Answers people")], "create", "team_created");
    world.go("invitations");
    world.tick(&["[name='role'][value='viewer']"]);
    world.press(&[("email", "ben@example.com")], "invite", "invited");
    world.look("invitations");
}

/// Who was invited comes, and gets a role and a team.
fn live(world: &mut World, name: &str) {
    let link = world.link();
    world.become_somebody("ben");
    assert!(!world.text().contains(name));
    world.browser.open(&link);
    world.browser.follow("document.querySelector('button[value=accept]').click()");
    world.open("account/organizations");
    assert!(world.text().contains(name), "{}", world.text());
    world.go("audit");
    assert_eq!(world.code(), "forbidden");
    world.go("settings");
    world.look("settings-of-others");

    world.become_somebody("ann");
    world.go("members");
    world.look("members");
    world.member("Ben");
    world.tick(&["[name='role'][value='recruiter']"]);
    world.press(&[], "role", "role_changed");
    world.look("member");
    world.go("teams/support");
    world.press(&[], "add", "team_joined");
    world.look("team");
    world.go("teams");
    world.look("teams");
    world.go("api-keys");
    world.tick(&["[name='may.read']"]);
    world.send(&[("name", "Nightly export")], "create");
    assert!(world.text().contains("oak_"), "{}", world.text());
    world.look("api-key-shown");
    world.go("api-keys");
    world.look("api-keys");
    world.go("audit");
    world.browser.evaluate("document.querySelectorAll('details')[1].open = true");
    world.look("audit");
    world.go("settings");
    world.browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)");
    world.look("settings");
}

/// The owner goes, and the next one ends it.
fn end(world: &mut World) {
    world.member("Ben");
    world.press(&[], "transfer", "transferred");
    world.go("new-role");
    assert_eq!(world.code(), "forbidden");
    world.go("roles/recruiter");
    world.look("role-of-others");
    world.go("settings");
    world.press(&[], "leave", "left");

    world.become_somebody("ben");
    world.go("settings");
    let slug = world.slug;
    world.press(&[("confirm", &slug.to_uppercase())], "delete", "invalid_value");
    world.look("settings-wrong");
    world.press(&[("confirm", slug)], "delete", "deleted");
    assert!(!world.text().contains(slug), "{}", world.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_a_page_is_skipped_and_a_form_is_sent_with_the_keyboard_alone() {
    let mut world = World::start();
    world.become_somebody("ann");
    world.open("account/organizations");
    world.browser.press_tab();
    assert_eq!(world.browser.evaluate("document.activeElement.className"), "skip");
    world.browser.press("Enter", 13, "\r");
    let inside = "document.activeElement.closest('main') !== null";
    world.browser.press_tab();
    assert_eq!(world.browser.evaluate(inside), true, "the next stop is in the content");
    assert_eq!(world.browser.evaluate("document.activeElement.name"), "name");
    world.browser.write("Initech");
    world.browser.enter();
    assert_eq!(world.code(), "created");
}
