//! The pages that people sign in at and care for their account on, in a real browser with an authenticator.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use orgate_e2e::{
    Chromium, Folder, Running, clock, orgate, request,
    sign_in::{encode, parameter},
    totp,
};
use orgate_testkit::Upstream;
use serde_json::{Value, json};

/// Where the browser is told that the issuer is: passkeys belong to names, and this one is a name.
const PUBLIC: &str = "http://localhost:8090";
const PASSWORD: &str = "correct horse battery";

struct World {
    issuer: Running,
    browser: Chromium,
    callback: String,
    _folder: Folder,
    _application: Upstream,
}

impl World {
    async fn start() -> Self {
        let (folder, application) = (Folder::new(), Upstream::start().await);
        let callback = format!("{}/callback", application.url());
        folder.write(
            "bootstrap.yaml",
            &format!(
                "projects:\n  - id: proj_demo\n    name: Demo\n    org_enabled: true\n    audience: [demo-api]\n    \
                 redirect_uris: [\"{callback}\"]\n    client_secret: a secret of the test\n    clients:\n      \
                 - {{id: app_b2b, kind: public, redirect_uris: [\"{callback}\"], require_org: true}}\n    \
                 users: [{{id: usr_ann, email: ann@example.com, password: {PASSWORD}, email_verified: true}}]\n"
            ),
        );
        let issuer = orgate()
            .args(["issuer", "--listen", "127.0.0.1:0", "--public-url", PUBLIC])
            .args(["--bootstrap", "bootstrap.yaml", "--database", "sqlite::memory:"])
            .folder(folder.path())
            .ready();
        let real = issuer.url("issuer").replace("http://", "");
        let names = format!("--host-resolver-rules=MAP localhost:8090 {real}");
        let mut browser = Chromium::start(&folder, &[&names]);
        browser.add_authenticator();
        Self { issuer, browser, callback, _folder: folder, _application: application }
    }

    fn page(&self, path: &str) -> String {
        format!("{PUBLIC}/p/proj_demo/{path}")
    }

    /// What an application sends the browser to.
    fn authorize(&self, more: &str) -> String {
        let callback = encode(&self.callback);
        let query = format!("response_type=code&redirect_uri={callback}&scope=openid{more}");
        let client = if more.contains("client_id") { "" } else { "&client_id=proj_demo" };
        self.page(&format!("authorize?{query}{client}"))
    }

    /// The claims of the access token for the code in `location`.
    fn claims(&self, location: &str) -> Value {
        assert!(location.starts_with(&self.callback), "{location}");
        let body = json!({ "grant_type": "authorization_code", "code": parameter(location, "code"),
                           "redirect_uri": self.callback, "client_id": "proj_demo",
                           "client_secret": "a secret of the test" });
        let url = format!("{}/p/proj_demo/token", self.issuer.url("issuer"));
        let reply = request("POST", &url, &[("content-type", "application/json")], Some(&body.to_string()));
        assert_eq!(reply.status, 200, "{}", reply.body);
        let token = reply.json()["access_token"].as_str().unwrap().to_owned();
        let url = format!("{}/p/proj_demo/introspect", self.issuer.url("issuer"));
        let form = format!("token={token}&client_id=proj_demo&client_secret=a+secret+of+the+test");
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        request("POST", &url, &headers, Some(&form)).json()
    }

    fn text(&mut self) -> String {
        self.browser.evaluate("document.body.innerText").as_str().unwrap().to_owned()
    }

    fn code(&mut self) -> Value {
        self.browser.evaluate("document.querySelector('main').dataset.code || null")
    }

    /// Signs in with the password, as far as that goes.
    fn password(&mut self, url: &str) -> String {
        self.browser.open(url);
        self.browser.fill(&[("email", "ann@example.com"), ("password", PASSWORD)], "Sign in")
    }

    fn sign_out(&mut self) {
        let page = self.page("logout");
        self.browser.open(&page);
        self.browser.fill(&[], "Sign out");
        assert_eq!(self.code(), "signed_out");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_adds_a_passkey_and_an_authenticator_app_and_signs_in_with_each() {
    let mut world = World::start().await;
    let authorize = world.authorize("");
    let location = world.password(&authorize);
    let claims = world.claims(&location);
    assert_eq!((&claims["acr"], &claims["amr"]), (&json!("pwd"), &json!(["pwd"])), "{claims}");

    let account = world.page("account/security");
    world.browser.open(&account);
    world.browser.look("account");
    world.browser.fill(&[], "Add a passkey");
    world.browser.look("account-passkey");
    world.browser.fill(&[("name", "Laptop")], "Make the passkey");
    assert_eq!(world.code(), "passkey_added");
    assert!(world.text().contains("Laptop"), "{}", world.text());

    // The passkey alone.
    world.sign_out();
    world.browser.open(&authorize);
    world.browser.fill(&[], "Sign in with a passkey");
    let location = world.browser.fill(&[], "Use a passkey");
    let claims = world.claims(&location);
    assert_eq!((&claims["acr"], &claims["amr"]), (&json!("mfa"), &json!(["pop", "user", "mfa"])), "{claims}");

    world.browser.open(&account);
    world.browser.fill(&[], "Set it up");
    world.browser.look("account-totp");
    let key = world.browser.evaluate("document.querySelector('code.key').textContent.replaceAll(' ', '')");
    let key = key.as_str().unwrap();
    let picture = world.browser.evaluate("document.querySelector('.qr svg').getBoundingClientRect().height");
    assert!(picture.as_f64().unwrap() > 100.0, "{picture}");
    world.browser.fill(&[("code", "000000")], "Confirm");
    assert_eq!(world.code(), "code_invalid");
    world.browser.look("account-totp-wrong");
    let step = clock::now() / 30;
    world.browser.fill(&[("code", &totp(key, step))], "Confirm");
    assert_eq!(world.code(), "totp_added");
    world.browser.look("account-codes");
    world.browser.fill(&[], "I have kept them");
    assert!(world.text().contains("10 recovery codes are left"), "{}", world.text());
    world.browser.evaluate("document.querySelectorAll('summary').forEach(one => one.click())");
    world.browser.look("account-open");

    // The password, and then the code: each code once, so it is that of the next half minute.
    world.sign_out();
    world.password(&authorize);
    world.browser.look("second-factor");
    let location = world.browser.fill(&[("code", &totp(key, step + 1))], "Sign in");
    let claims = world.claims(&location);
    assert_eq!((&claims["acr"], &claims["amr"]), (&json!("mfa"), &json!(["pwd", "otp", "mfa"])), "{claims}");

    world.browser.open(&account);
    world.browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)");
    world.browser.fill(&[("name", "Old laptop")], "Rename");
    assert_eq!(world.code(), "passkey_renamed");
    world.browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)");
    world.browser.fill(&[], "Remove this passkey");
    assert_eq!(world.code(), "passkey_removed");
    assert!(!world.text().contains("Old laptop"), "{}", world.text());
    let keys = world.browser.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)");
    assert_eq!(keys, json!([]), "nothing is loaded from anywhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_belongs_to_no_organization_makes_one_on_the_way() {
    let mut world = World::start().await;
    let challenge = "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    let authorize = world.authorize(&format!("&client_id=app_b2b{challenge}"));
    let page = world.password(&authorize);
    assert!(page.contains("/organizations/choose?"), "{page}");
    assert_eq!(world.code(), "organization_required");
    world.browser.look("organization-required");
    let location = world.browser.fill(&[("name", "Ann's own")], "Create it and continue");
    assert!(location.starts_with(&world.callback) && parameter(&location, "code").is_some(), "{location}");
}
