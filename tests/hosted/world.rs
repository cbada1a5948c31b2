//! An issuer, a browser, and people who walk through the pages whatever language they are in.

use orgate_e2e::{Chromium, Folder, Response, Running, orgate, request, sign_in::encode};
use orgate_testkit::Upstream;
use serde_json::{Value, json};

/// Where the browser is told that the issuer is: passkeys belong to names, and this one is a name.
pub(crate) const PUBLIC: &str = "http://localhost:8090";
/// The same for an issuer that is to be set up.
pub(crate) const EMPTY: &str = "http://localhost:8091";
pub(crate) const PASSWORD: &str = "correct horse battery";
const PROJECT: &str = "/api/platform/projects/proj_demo";

pub(crate) struct World {
    pub(crate) browser: Chromium,
    pub(crate) callback: String,
    pub(crate) setup: String,
    issuer: Running,
    operator: String,
    _empty: Running,
    _folders: [Folder; 2],
    _application: Upstream,
}

impl World {
    /// With people for each of these languages.
    pub(crate) async fn start(languages: &[&str]) -> Self {
        let (folder, empty_folder) = (Folder::new(), Folder::new());
        let application = Upstream::start().await;
        let callback = format!("{}/callback", application.url());
        let people = |name: &str| {
            let user = |l: &&str| {
                format!(
                    "{{id: usr_{name}_{l}, email: {name}-{l}@example.com, password: {PASSWORD}, email_verified: true}}"
                )
            };
            languages.iter().map(user).collect::<Vec<_>>().join(", ")
        };
        let members: Vec<String> =
            languages.iter().map(|l| format!("{{user: ann-{l}@example.com, role: member}}")).collect();
        let members = members.join(", ");
        folder.write(
            "bootstrap.yaml",
            &format!(
                "projects:\n  - id: proj_demo\n    name: Demo\n    org_enabled: true\n    audience: [demo-api]\n    \
                 redirect_uris: [\"{callback}\"]\n    client_secret: a secret of the test\n    clients:\n      \
                 - {{id: app_b2b, kind: public, redirect_uris: [\"{callback}\"], require_org: true}}\n      \
                 - {{id: app_tv, kind: public, grants: [device_code]}}\n      \
                 - {{id: app_planner, name: Planner, kind: public, first_party: false, scopes: [account], redirect_uris: [\"{callback}\"]}}\n      \
                 - {{id: app_screen, name: Screen, kind: public, first_party: false, grants: [device_code]}}\n    \
                 operators: [{{email: ops@example.com, password: {PASSWORD}}}]\n    \
                 users: [{{id: usr_owner, email: owner@example.com, password: {PASSWORD}, email_verified: true}}, {}, {}, {}]\n    \
                 organizations:\n      - {{id: org_acme, slug: acme, name: Acme Corp, owner: owner@example.com, members: [{members}]}}\n      \
                 - {{id: org_globex, slug: globex, name: Globex, owner: owner@example.com, members: [{members}]}}\n",
                people("ann"), people("tom"), people("bob")
            ),
        );
        let local = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--dev-outbox"];
        let issuer = orgate()
            .args(["issuer", "--public-url", PUBLIC, "--bootstrap", "bootstrap.yaml"])
            .args(["--database", "sqlite::memory:"])
            .args(local)
            .folder(folder.path())
            .ready();
        let mut empty = orgate()
            .args(["issuer", "--public-url", EMPTY, "--database", "sqlite::memory:"])
            .args(local)
            .folder(empty_folder.path())
            .ready();
        let setup = std::iter::repeat_with(|| empty.stderr_so_far()).find_map(|told| {
            let prefix = format!("{EMPTY}/setup/");
            told.split_whitespace().find(|word| word.starts_with(&prefix)).map(str::to_owned)
        });
        let real = |running: &Running| running.url("issuer").replace("http://", "");
        let rules = format!("MAP localhost:8090 {}, MAP localhost:8091 {}", real(&issuer), real(&empty));
        let browser = Chromium::start(&folder, &[&format!("--host-resolver-rules={rules}")]);
        let operator = operator(&issuer.url("issuer"));
        Self {
            browser,
            callback,
            setup: setup.unwrap(),
            issuer,
            operator,
            _empty: empty,
            _folders: [folder, empty_folder],
            _application: application,
        }
    }

    pub(crate) fn page(&self, path: &str) -> String {
        format!("{PUBLIC}/p/proj_demo/{path}")
    }

    /// What an application sends the browser to.
    pub(crate) fn authorize(&self, more: &str) -> String {
        let callback = encode(&self.callback);
        let client = if more.contains("client_id") { "" } else { "&client_id=proj_demo" };
        let scope = if more.contains("&scope=") { "" } else { "&scope=openid" };
        self.page(&format!("authorize?response_type=code&redirect_uri={callback}{scope}{client}{more}"))
    }

    /// Asks the operators' plane of the project.
    pub(crate) fn manage(&self, method: &str, path: &str, body: &Value) -> Response {
        let headers =
            [("content-type", "application/json"), ("origin", PUBLIC), ("cookie", self.operator.as_str())];
        let url = format!("{}{PROJECT}{path}", self.issuer.url("issuer"));
        request(method, &url, &headers, Some(&body.to_string()))
    }

    /// The code that a device shows.
    pub(crate) fn device(&self, client: &str) -> String {
        let url = format!("{}/p/proj_demo/device_authorization", self.issuer.url("issuer"));
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let reply = request("POST", &url, &form, Some(&format!("client_id={client}&scope=openid%20email")));
        reply.json()["user_code"].as_str().unwrap_or_else(|| panic!("{}", reply.body)).to_owned()
    }

    /// The newest letter to `email`.
    fn letter(&self, email: &str) -> Value {
        let url = format!("{}/dev/outbox", self.issuer.url("admin"));
        let letters = request("GET", &url, &[], None).json();
        let found = letters.as_array().unwrap().iter().find(|letter| letter["to"] == email).cloned();
        found.unwrap_or_else(|| panic!("no letter to {email}: {letters}"))
    }

    pub(crate) fn link(&self, email: &str) -> String {
        self.letter(email)["links"][0].as_str().unwrap().to_owned()
    }

    /// Fills in fields of the page and presses what `selector` names.
    pub(crate) fn send(&mut self, fields: &[(&str, &str)], selector: &str) -> String {
        let fields = json!(fields);
        self.browser.follow(&format!(
            "for (const [name, value] of {fields}) document.querySelector(`main [name=${{name}}]:not([type=hidden])`).value = value;
             document.querySelector({}).click()",
            json!(selector)
        ))
    }

    /// Signs in with the password, as far as that goes.
    pub(crate) fn sign_in(&mut self, name: &str, more: &str) -> String {
        let authorize = self.authorize(more);
        self.browser.open(&authorize);
        let email = format!("{name}@example.com");
        self.send(&[("email", &email), ("password", PASSWORD)], "main form button")
    }

    pub(crate) fn sign_out(&mut self) {
        let page = self.page("logout");
        self.browser.open(&page);
        self.send(&[], "main form button");
    }

    /// Which page it is, where that matters.
    pub(crate) fn is_at(&mut self, code: &str) {
        let found = self.browser.evaluate("document.querySelector('main')?.dataset.code || null");
        let text = self.browser.evaluate("location.href + document.body.innerText");
        assert_eq!(found, code, "{text}");
    }
}

fn operator(issuer: &str) -> String {
    let body = json!({ "email": "ops@example.com", "password": PASSWORD }).to_string();
    let headers = [("content-type", "application/json"), ("origin", PUBLIC)];
    let reply = request("POST", &format!("{issuer}/api/platform/operators/login"), &headers, Some(&body));
    assert_eq!(reply.status, 204, "{}", reply.body);
    reply.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}
