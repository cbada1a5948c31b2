//! `examples/browser-extension`, unpacked, in the browser that has the web application open: one session, no sign-in of its own.

use std::{path::PathBuf, process::Command};

use orgate_e2e::Tab;
use serde_json::{Value, json};

use crate::world::{APP, World, example};

const ISSUER: &str = "http://localhost:8080/auth/p/proj_notes";

fn folder() -> PathBuf {
    example().parent().unwrap().join("browser-extension")
}

impl World {
    /// A copy of the extension whose manifest is another one, ready to be loaded.
    fn extension(&self, name: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
        let there = self.folder.path().join(name);
        std::fs::create_dir(&there).unwrap();
        for file in ["popup.html", "popup.css", "popup.js", "settings.js"] {
            std::fs::copy(folder().join(file), there.join(file)).unwrap();
        }
        let page = std::fs::read_to_string(folder().join("README.md")).unwrap();
        let (_, rest) = page.split_once("<!-- executed: copy -->\n```sh\n").unwrap();
        let command = rest.lines().next().unwrap();
        let client = folder().parent().unwrap().join("browser-client");
        let link = self.folder.path().join("browser-client");
        if !link.exists() {
            std::os::unix::fs::symlink(client, link).unwrap();
        }
        assert!(Command::new("sh").args(["-ec", command]).current_dir(&there).status().unwrap().success());
        let manifest = std::fs::read_to_string(folder().join("manifest.json")).unwrap();
        let mut manifest: Value = serde_json::from_str(&manifest).unwrap();
        change(&mut manifest);
        std::fs::write(there.join("manifest.json"), manifest.to_string()).unwrap();
        there
    }

    fn load(&mut self, name: &str, change: impl FnOnce(&mut Value)) -> String {
        let there = self.extension(name, change);
        self.browser.add_extension(&there)
    }

    fn shows(&mut self, text: &str) {
        self.browser.wait_for(&format!("document.querySelector('#name').textContent === {}", json!(text)));
    }

    /// Somebody touches the popup.
    fn touch(&mut self) {
        self.browser
            .evaluate("document.body.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true })) && 1");
    }

    fn write(&mut self, text: &str) {
        self.browser.evaluate(&format!(
            "document.querySelector('#text').value = {}; document.querySelector('form').requestSubmit()",
            json!(text)
        ));
        let shown =
            format!("[...document.querySelectorAll('li')].some(one => one.textContent === {})", json!(text));
        self.browser.wait_for(&shown);
    }

    /// What a request by a script of the page is answered: status and code; or that it could not be read.
    fn asked(&mut self, method: &str, url: &str, body: Option<&Value>) -> Value {
        let body = body.map_or("undefined".to_owned(), |body| format!("JSON.stringify({body})"));
        self.browser.evaluate(&format!(
            "fetch({}, {{ method: '{method}', credentials: 'include', body: {body}, \
               headers: {body} ? {{ 'content-type': 'application/json' }} : {{ accept: 'application/json' }} }}) \
             .then(async one => `${{one.status}} ${{(await one.json().catch(() => ({{}}))).code ?? ''}} \
               ${{one.headers.get('access-control-allow-origin') ?? 'not shared'}}`.replace(/ +/g, ' ')).catch(() => 'unreadable')",
            json!(url)
        ))
    }

    fn switch(&mut self, web: &Tab, slug: &str) {
        let popup = self.browser.turn_to(web);
        self.open("/auth/p/proj_notes/enter?choose=1&return_to=%2F");
        assert_eq!(
            self.choose(slug),
            format!("/orgs/{}/notes", slug.to_lowercase().split(' ').next().unwrap())
        );
        self.browser.turn_to(&popup);
    }
}

mod scenario_22_the_popup_has_the_session_of_the_web_application_and_follows_it {
    use super::World;

    #[test]
    fn sqlite() {
        super::the_popup_follows(World::start());
    }

    #[test]
    fn postgres() {
        super::the_popup_follows(World::on_postgres());
    }
}

fn the_popup_follows(mut world: World) {
    let id = world.load("extension", |_| ());
    let page = std::fs::read_to_string(folder().join("README.md")).unwrap();
    assert!(page.contains(&format!("chrome-extension://{id}]")), "{id}");
    let popup = format!("chrome-extension://{id}/popup.html");
    let web = world.browser.add_tab();
    world.browser.open(&popup);
    world.shows("Signed out");
    world.browser.look_closely("extension-signed-out");

    // Somebody signs in in the web application; the popup knows with the next interaction.
    let extension = world.browser.turn_to(&web);
    world.open("/");
    world.sign_in("ann");
    assert_eq!(world.choose("Acme Corp"), "/orgs/acme/notes");
    world.browser.turn_to(&extension);
    world.touch();
    world.shows("Acme Corp");
    world.write("From the popup");
    world.write("Two of them, so that there is something to read in a list that is as narrow as this one");
    world.browser.look_closely("extension");
    assert_eq!(world.browser.evaluate("document.cookie"), "", "no script sees the session");

    world.switch(&web, "Globex");
    world.touch();
    world.shows("Globex");
    world.browser.wait_for("document.querySelector('#message').textContent === 'No notes yet.'");
    world.write("Only for Globex");
    world.switch(&web, "Acme Corp");
    // Written for what is shown, whether or not the popup has heard of the switch.
    let shown = world.browser.evaluate(
        "const shown = document.querySelector('#name').textContent; document.querySelector('#text').value = `Late, for ${shown}`; \
         document.querySelector('form').requestSubmit(); shown",
    );
    world.browser.wait_for("document.querySelector('#text').value === ''");
    world.touch();
    world.shows("Acme Corp");
    world.browser.turn_to(&web);
    for (slug, name, others) in [("acme", "Acme Corp", 2), ("globex", "Globex", 1)] {
        world.open(&format!("/orgs/{slug}/notes"));
        let texts = world.texts();
        assert_eq!(texts.len(), others + usize::from(shown == name), "{texts:?}");
        assert_eq!(texts.contains(&format!("Late, for {name}")), shown == name, "{texts:?}");
    }

    // Signed out there, signed out here, at once.
    world.open("/auth/p/proj_notes/logout");
    world.browser.fill(&[], "Sign out");
    world.browser.turn_to(&extension);
    for url in [format!("{ISSUER}/v1/auth/session"), format!("{APP}/orgs/acme/notes")] {
        // By their permission extensions read without an `Origin`, so there is nobody to be named back.
        let answer = world.asked("GET", &url, None);
        assert!(answer.as_str().unwrap().starts_with("401 "), "{url}: {answer}");
    }
    world.touch();
    world.shows("Signed out");
}

#[test]
fn scenario_22_another_extension_and_another_page_are_refused() {
    let mut world = World::start();
    // Each has another id. One has the people's permission for the host, the other one has none.
    let permitted = world.load("permitted", |manifest| drop(manifest.as_object_mut().unwrap().remove("key")));
    let bare = world.load("bare", |manifest| {
        let manifest = manifest.as_object_mut().unwrap();
        manifest.remove("key");
        manifest.remove("host_permissions");
    });
    world.open("/");
    world.sign_in("ann");
    world.choose("Acme Corp");
    let web = world.browser.add_tab();
    let (session, switch) =
        (format!("{ISSUER}/v1/auth/session"), format!("{ISSUER}/v1/auth/session/active-organization"));
    let (notes, globex) = (format!("{APP}/orgs/acme/notes"), json!({ "org_id": "globex" }));

    world.browser.open(&format!("chrome-extension://{bare}/popup.html"));
    world.shows("Not available");
    assert_eq!(world.asked("GET", &session, None), "unreadable");
    assert_eq!(world.asked("PUT", &switch, Some(&globex)), "unreadable");
    assert_eq!(world.asked("GET", &notes, None), "unreadable");

    world.browser.open(&format!("chrome-extension://{permitted}/popup.html"));
    let read = world.asked("GET", &session, None);
    assert!(read.as_str().unwrap().ends_with("not shared"), "{read}");
    assert_eq!(world.asked("PUT", &switch, Some(&globex)), "403 csrf not shared");
    assert_eq!(world.asked("POST", &format!("{ISSUER}/v1/auth/logout"), None), "403 csrf not shared");
    assert_eq!(world.asked("POST", &notes, None), "403 csrf not shared");

    // A page of another origin, on the same site even.
    world.browser.open(&world.issuer.url("issuer").replace("127.0.0.1", "localhost"));
    assert_eq!(world.asked("GET", &session, None), "unreadable");
    assert_eq!(world.asked("PUT", &switch, Some(&globex)), "unreadable");

    world.browser.turn_to(&web);
    assert_eq!(world.open("/"), "/orgs/acme/notes", "nothing was switched, and nobody was signed out");
    assert_eq!(world.texts(), [""; 0]);
}
