//! `examples/python-app` as its page says: an application that knows nobody, behind the sidecar, in a real browser. Two tabs of one
//! session are about two organizations, and nothing is filed in the wrong one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::path::{Path, PathBuf};

use orgate_e2e::{Chromium, Folder, Program, Running, orgate, request};
use serde_json::{Value, json};

/// Where the browser finds the application.
const APP: &str = "http://localhost:8080";
const PASSWORD: &str = "correct horse battery";

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples/python-app")
}

/// The arguments of a command of the page, with other addresses.
fn arguments(name: &str, addresses: &[(&str, &str)]) -> Vec<String> {
    let page = std::fs::read_to_string(example().join("README.md")).unwrap();
    let (_, rest) = page.split_once(&format!("<!-- executed: {name} -->\n```sh\n")).unwrap();
    let mut command = rest.lines().next().unwrap().to_owned();
    for (from, to) in addresses {
        assert!(command.contains(from), "{name}: {from}");
        command = command.replace(from, to);
    }
    command.split(' ').skip(1).map(str::to_owned).collect()
}

struct World {
    browser: Chromium,
    proxy: Running,
    issuer: Running,
    _app: Running,
    _folder: Folder,
}

impl World {
    fn start() -> Self {
        let folder = Folder::new();
        for file in ["app.py", "style.css", "bootstrap.yaml"] {
            std::fs::copy(example().join(file), folder.path().join(file)).unwrap();
        }
        let issuer = orgate()
            .args(arguments("issuer", &[("127.0.0.1:8090", "127.0.0.1:0")]))
            .folder(folder.path())
            .ready();
        let at = issuer.url("issuer").replace("http://", "");
        let app = Program::of("python3")
            .args(arguments("app", &[]))
            .folder(folder.path())
            .env("PORT", "0")
            .listening();
        let policy = std::fs::read_to_string(example().join("orgate.yaml")).unwrap();
        folder.write("orgate.yaml", &policy.replace("127.0.0.1:8090", &at));
        let addresses = [
            ("127.0.0.1:8080", "127.0.0.1:0"),
            ("http://127.0.0.1:3000", &app.url("app")),
            ("127.0.0.1:8090", &at),
        ];
        let proxy = orgate()
            .args(arguments("proxy", &addresses))
            .args(["--admin", "127.0.0.1:0"])
            .folder(folder.path())
            .ready();
        let names = proxy.url("proxy").replace("http://", "MAP localhost:8080 ");
        let browser = Chromium::start(&folder, &[&format!("--host-resolver-rules={names}")]);
        Self { browser, proxy, issuer, _app: app, _folder: folder }
    }

    fn open(&mut self, path: &str) -> String {
        self.browser.open(&format!("{APP}{path}")).replace(APP, "")
    }

    fn sign_in(&mut self, name: &str) -> String {
        let email = format!("{name}@example.com");
        self.browser.fill(&[("email", &email), ("password", PASSWORD)], "Sign in").replace(APP, "")
    }

    fn choose(&mut self, organization: &str) -> String {
        let script = format!(
            "[...document.querySelectorAll('label.choice')].find(one => one.textContent.includes({})).click(); \
             document.querySelector('button[type=submit]').click()",
            json!(organization)
        );
        self.browser.follow(&script).replace(APP, "")
    }

    /// Lets the scripts of the test ask from the pages that are opened from here on: their own policy lets no script ask.
    fn let_scripts_ask(&mut self, enabled: bool) {
        self.browser.call("Page.setBypassCSP", &json!({ "enabled": enabled }));
    }

    fn code(&mut self) -> Value {
        self.browser.evaluate("document.querySelector('main').dataset.code || null")
    }

    fn texts(&mut self) -> Vec<String> {
        let all =
            self.browser.evaluate("[...document.querySelectorAll('.notes p')].map(one => one.textContent)");
        serde_json::from_value(all).unwrap()
    }

    /// The status that a script of the page is answered.
    fn fetch(&mut self, method: &str, path: &str) -> Value {
        let body = if method == "POST" { "new URLSearchParams({ text: 'x' })" } else { "undefined" };
        let path = json!(path);
        self.browser.evaluate(&format!(
            "fetch({path}, {{ method: '{method}', body: {body} }}).then(one => one.status)"
        ))
    }
}

#[test]
fn people_sign_in_at_the_hosted_pages_and_two_tabs_misfile_nothing() {
    let mut world = World::start();
    let login = world.open("/orgs/globex/notes?x=1");
    assert!(login.starts_with("/auth/p/proj_notes/login?request="), "{login}");
    world.browser.look("notes-login");
    let picker = world.sign_in("ann");
    assert!(picker.starts_with("/auth/p/proj_notes/enter?request="), "{picker}");
    world.browser.look("notes-picker");
    // Where one wanted to go is kept, and the address says which organization, whichever was chosen.
    assert_eq!(world.choose("Acme Corp"), "/orgs/globex/notes?x=1");
    assert_eq!(world.open("/"), "/orgs/acme/notes");
    world.browser.look("notes-empty");

    assert_eq!(
        world.browser.fill(&[("text", "<b>Tea</b> at four")], "Add"),
        format!("{APP}/orgs/acme/notes")
    );
    assert_eq!(world.texts(), ["<b>Tea</b> at four"]);
    world.browser.fill(
        &[("text", "The printer on the second floor wants blue paper on Thursdays, nobody knows why")],
        "Add",
    );
    world.browser.look("notes");

    world.let_scripts_ask(true);
    world.open("/orgs/acme/notes");
    let acme = world.browser.add_tab();
    world.let_scripts_ask(true);
    assert_eq!(world.open("/orgs/globex/notes"), "/orgs/globex/notes");
    // A hundred writes each, all under way at once, while the session itself is switched to and fro.
    let write = |slug: &str, number: &str| {
        format!(
            "fetch('/orgs/{slug}/notes', {{ method: 'POST', body: new URLSearchParams({{ text: '{slug} ' + {number} }}) }})"
        )
    };
    let many = |slug: &str| {
        format!(
            "window.done = Promise.all(Array.from({{ length: 100 }}, async (_, number) => {{ \
               await new Promise(go => setTimeout(go, number * 7 % 50)); const answer = await {}; return answer.url + ' ' + answer.status; \
             }})); 1",
            write(slug, "number")
        )
    };
    world.browser.evaluate(&many("globex"));
    let globex = world.browser.turn_to(&acme);
    world.browser.evaluate(&many("acme"));
    let switch = |slug: &str| {
        format!(
            "fetch('/auth/p/proj_notes/v1/auth/session/active-organization', {{ method: 'PUT', \
               headers: {{ 'content-type': 'application/json' }}, body: JSON.stringify({{ org_id: '{slug}' }}) }}).then(one => one.status)"
        )
    };
    for slug in ["globex", "acme", "globex"] {
        assert_eq!(world.browser.evaluate(&switch(slug)), 200);
    }
    for (tab, slug) in [(&acme, "acme"), (&globex, "globex")] {
        world.browser.turn_to(tab);
        let answers = world.browser.evaluate("done");
        let expected = format!("{APP}/orgs/{slug}/notes 200");
        assert!(answers.as_array().unwrap().iter().all(|one| *one == expected), "{slug}: {answers}");
    }
    for (tab, slug) in [(&acme, "acme"), (&globex, "globex")] {
        world.browser.turn_to(tab);
        world.open(&format!("/orgs/{slug}/notes"));
        let mut texts = world.texts();
        texts.sort();
        let mut expected: Vec<_> = (0..100).map(|number| format!("{slug} {number}")).collect();
        expected.sort();
        texts.retain(|text| !text.contains(&['<', ','][..]));
        assert_eq!(texts, expected);
    }

    // After the sign-out the very next request leads to the sign-in.
    world.open("/auth/p/proj_notes/logout");
    world.browser.fill(&[], "Sign out");
    assert!(world.open("/").starts_with("/auth/p/proj_notes/login?request="));
}

#[test]
fn whoever_is_in_the_wrong_organization_is_offered_another_one() {
    let mut world = World::start();
    world.open("/orgs/acme/notes");
    // There is nothing to choose with one organization.
    assert_eq!(world.sign_in("bob"), "/orgs/acme/notes");
    assert_eq!(
        world.browser.evaluate("document.querySelector('form') === null"),
        true,
        "a viewer does not write"
    );
    world.let_scripts_ask(true);
    world.open("/orgs/acme/notes");
    for (method, path, status) in [
        ("GET", "/orgs/acme/notes", 200),
        ("POST", "/orgs/acme/notes", 403),
        ("GET", "/orgs/globex/notes", 403),
        ("POST", "/orgs/globex/notes", 403),
    ] {
        assert_eq!(world.fetch(method, path), status, "{method} {path}");
    }
    world.let_scripts_ask(false);

    assert_eq!(world.open("/orgs/globex/notes"), "/orgs/globex/notes");
    assert_eq!(world.code(), "org_mismatch");
    world.browser.look("notes-other-organization");
    let picker = world.browser.fill(&[], "Switch organization").replace(APP, "");
    assert!(picker.starts_with("/auth/p/proj_notes/enter?request="), "{picker}");
    assert_eq!(world.choose("Acme Corp"), "/orgs/acme/notes");
    // Without one there is nothing at the start, and a way to choose.
    world.open("/auth/p/proj_notes/enter?choose=1&return_to=%2F");
    assert_eq!(world.choose("without an organization"), "/");
    assert_eq!(world.code(), "no_active_org");
    world.browser.look("notes-no-organization");
    world.browser.fill(&[], "Choose an organization");
    assert_eq!(world.choose("Acme Corp"), "/orgs/acme/notes");
    // A path without a rule, and a way back to nowhere else.
    world.open("/elsewhere");
    assert_eq!(world.code(), "no_rule");
    world.open("/auth/p/proj_notes/enter?return_to=https%3A%2F%2Fevil.example%2F");
    assert_eq!(world.code(), "invalid_redirect_uri");

    // Programs are told in their own words; a token of one organization opens no path of another.
    let cookie = world.browser.call("Network.getCookies", &json!({ "urls": [APP] }));
    let session =
        cookie["cookies"].as_array().unwrap().iter().find(|one| one["name"] == "orgate-proj_notes").unwrap();
    let cookie = format!("orgate-proj_notes={}", session["value"].as_str().unwrap());
    let token = format!("{}/auth/p/proj_notes/session/token", world.issuer.url("issuer"));
    let token =
        request("GET", &token, &[("cookie", &cookie)], None).json()["token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let ask = |slug: &str, headers: &[(&str, &str)]| {
        request("GET", &format!("{}/orgs/{slug}/notes", world.proxy.url("proxy")), headers, None).verdict()
    };
    assert_eq!(ask("acme", &[("authorization", &bearer)]), "200");
    assert_eq!(ask("globex", &[("authorization", &bearer)]), "403 org_mismatch");
    assert_eq!(ask("acme", &[("cookie", &cookie)]), "200");
    assert_eq!(ask("globex", &[("cookie", &cookie)]), "403 org_mismatch");
    assert_eq!(ask("acme", &[]), "401 no_credential");
}
