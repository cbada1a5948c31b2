//! Issuer, application and proxy, started as the page says, and a browser.

use std::path::{Path, PathBuf};

use orgate_e2e::{Chromium, Folder, Program, Running, orgate};
use orgate_testkit::{Postgres, PostgresDatabase};
use serde_json::{Value, json};

/// Where the browser finds the application.
pub(crate) const APP: &str = "http://localhost:8080";
const PASSWORD: &str = "correct horse battery";

pub(crate) fn example() -> PathBuf {
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

pub(crate) struct World {
    pub(crate) browser: Chromium,
    pub(crate) proxy: Running,
    pub(crate) issuer: Running,
    _app: Running,
    pub(crate) folder: Folder,
    _database: Option<PostgresDatabase>,
}

impl World {
    pub(crate) fn start() -> Self {
        Self::on(None)
    }

    /// The same with the issuer on a database of PostgreSQL.
    pub(crate) fn on_postgres() -> Self {
        Self::on(Some(Postgres::shared().database(None)))
    }

    fn on(database: Option<PostgresDatabase>) -> Self {
        let folder = Folder::new();
        for file in ["app.py", "style.css", "bootstrap.yaml"] {
            std::fs::copy(example().join(file), folder.path().join(file)).unwrap();
        }
        let issuer = orgate()
            .args(arguments("issuer", &[("127.0.0.1:8090", "127.0.0.1:0")]))
            .args(database.iter().flat_map(|database| {
                ["--database".to_owned(), database.url(), "--secret".to_owned(), "issuer.secret".to_owned()]
            }))
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
        let arguments = [&format!("--host-resolver-rules={names}"), "--enable-unsafe-extension-debugging"];
        let browser = Chromium::start(&folder, &arguments);
        Self { browser, proxy, issuer, _app: app, folder, _database: database }
    }

    pub(crate) fn open(&mut self, path: &str) -> String {
        self.browser.open(&format!("{APP}{path}")).replace(APP, "")
    }

    pub(crate) fn sign_in(&mut self, name: &str) -> String {
        let email = format!("{name}@example.com");
        self.browser.fill(&[("email", &email), ("password", PASSWORD)], "Sign in").replace(APP, "")
    }

    pub(crate) fn choose(&mut self, organization: &str) -> String {
        let script = format!(
            "[...document.querySelectorAll('label.choice')].find(one => one.textContent.includes({})).click(); \
             document.querySelector('button[type=submit]').click()",
            json!(organization)
        );
        self.browser.follow(&script).replace(APP, "")
    }

    /// Lets the scripts of the test ask from the pages that are opened from here on: their own policy lets no script ask.
    pub(crate) fn let_scripts_ask(&mut self, enabled: bool) {
        self.browser.call("Page.setBypassCSP", &json!({ "enabled": enabled }));
    }

    pub(crate) fn code(&mut self) -> Value {
        self.browser.evaluate("document.querySelector('main').dataset.code || null")
    }

    pub(crate) fn texts(&mut self) -> Vec<String> {
        let all =
            self.browser.evaluate("[...document.querySelectorAll('.notes p')].map(one => one.textContent)");
        serde_json::from_value(all).unwrap()
    }

    /// The status that a script of the page is answered.
    pub(crate) fn fetch(&mut self, method: &str, path: &str) -> Value {
        let body = if method == "POST" { "new URLSearchParams({ text: 'x' })" } else { "undefined" };
        let path = json!(path);
        self.browser.evaluate(&format!(
            "fetch({path}, {{ method: '{method}', body: {body} }}).then(one => one.status)"
        ))
    }
}
