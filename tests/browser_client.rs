//! `examples/browser-client`: its size, its types, and what it does in a real browser with a running issuer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use orgate_e2e::{Chromium, Folder, Running, orgate};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";
/// Where the browser is told that everything is. Cookies know no ports, so the three are one site and different origins.
const ISSUER: &str = "http://localhost:8090/p/proj_demo";
const APP: &str = "http://localhost:3000";
const STRANGER: &str = "http://localhost:3001";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn clients() -> PathBuf {
    let folder = root().join("tests/clients");
    assert!(
        folder.join("node_modules").is_dir(),
        "run `npm ci` in tests/clients, or ./tests/run, which does"
    );
    folder
}

#[test]
fn the_client_is_smaller_than_six_kilobytes() {
    let script = std::fs::read(root().join("examples/browser-client/orgate-client.js")).unwrap();
    let mut gzip =
        Command::new("gzip").args(["-9", "-c"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    gzip.stdin.take().unwrap().write_all(&script).unwrap();
    let size = gzip.wait_with_output().unwrap().stdout.len();
    assert!((1000..6000).contains(&size), "{size} bytes");
    assert!(!String::from_utf8(script).unwrap().contains("import "), "it depends on nothing");
}

#[test]
fn what_applications_write_has_types_and_what_they_must_not_write_has_none() {
    let done = Command::new("node")
        .args(["node_modules/typescript/bin/tsc", "--noEmit", "-p", "."])
        .current_dir(clients())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

#[test]
fn the_client_keeps_its_word_towards_every_answer_of_an_issuer() {
    let done = Command::new("node").arg("browser_client.mjs").current_dir(clients()).output().unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{told}{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(told.lines().filter(|line| line.starts_with("held: ")).count(), 9, "{told}");
}

/// An issuer, an application whose origin it trusts, and another one.
struct World {
    browser: Chromium,
    _issuer: Running,
    _folder: Folder,
}

impl World {
    async fn start() -> Self {
        let folder = Folder::new();
        let person = |name: &str| {
            format!(
                "{{id: usr_{name}, email: {name}@example.com, password: {PASSWORD}, email_verified: true}}"
            )
        };
        let member = "members: [{user: ann@example.com, role: admin}]";
        folder.write(
            "bootstrap.yaml",
            &format!(
                "projects:\n  - id: proj_demo\n    name: Demo\n    org_enabled: true\n    audience: [demo-api]\n    \
                 trusted_origins: [\"{APP}\"]\n    users: [{}, {}]\n    organizations:\n      \
                 - {{id: org_acme, slug: acme, name: Acme Corp, owner: bob@example.com, {member}}}\n      \
                 - {{id: org_globex, slug: globex, name: Globex, owner: bob@example.com, {member}}}\n      \
                 - {{id: org_initech, slug: initech, name: Initech, owner: bob@example.com}}\n",
                person("ann"),
                person("bob")
            ),
        );
        let issuer = orgate()
            .args(["issuer", "--listen", "127.0.0.1:0", "--public-url", "http://localhost:8090"])
            .args(["--bootstrap", "bootstrap.yaml", "--database", "sqlite::memory:"])
            .folder(folder.path())
            .ready();
        let app = pages().await;
        let at = |name: &str, address: &str| format!("MAP {name} {address}");
        let rules = [
            at("localhost:8090", &issuer.url("issuer").replace("http://", "")),
            at("localhost:3000", &app),
            at("localhost:3001", &app),
        ];
        let browser = Chromium::start(&folder, &[&format!("--host-resolver-rules={}", rules.join(", "))]);
        Self { browser, _issuer: issuer, _folder: folder }
    }

    /// What a script gives that may throw: its value, or the code of the error.
    fn run(&mut self, script: &str) -> Value {
        self.browser.evaluate(&format!(
            "(async () => {{ try {{ return await ({script}) }} catch (error) {{ return error.code }} }})()"
        ))
    }

    fn shows(&mut self, text: &str) {
        self.browser.wait_for(&format!("document.querySelector('#name')?.textContent === {}", json!(text)));
    }

    fn calls(&mut self, what: &str) -> Value {
        self.browser.evaluate(&format!("calls.filter(call => call === {}).length", json!(what)))
    }
}

/// Serves the page, the client and React.
async fn pages() -> String {
    let file = |path: &str, kind: &'static str| {
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        get(async move || ([(CONTENT_TYPE, kind)], text))
    };
    let modules = clients().join("node_modules");
    let of = |name: &str| modules.join(name).display().to_string();
    let router = Router::new()
        .route("/", file("tests/clients/pages/client.html", "text/html"))
        .route("/orgate-client.js", file("examples/browser-client/orgate-client.js", "text/javascript"))
        .route("/react.js", file(&of("react/umd/react.production.min.js"), "text/javascript"))
        .route("/react-dom.js", file(&of("react-dom/umd/react-dom.production.min.js"), "text/javascript"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_share_the_session_follow_switches_and_renew_a_token_once() {
    let mut world = World::start().await;
    let page = format!("{APP}/?issuer={ISSUER}");
    world.browser.open(&page);
    world.shows("signed out");
    assert_eq!(world.run("orgate.token()"), "unauthenticated");

    // The hosted pages, the picker, and back.
    let login = world.browser.follow("location.href = orgate.signInUrl()");
    assert!(login.starts_with(&format!("{ISSUER}/login")), "{login}");
    let picker = world.browser.fill(&[("email", "ann@example.com"), ("password", PASSWORD)], "Sign in");
    assert!(picker.starts_with(&format!("{ISSUER}/enter?request=")), "{picker}");
    let back = world.browser.follow(
        "document.querySelector('input[value=org_acme]').click(); document.querySelector('button[type=submit]').click()",
    );
    assert_eq!(back, page);
    world.shows("Acme Corp");
    assert_eq!(
        world.run("(await orgate.user.getOrganizations()).map(one => `${one.name}: ${one.role}`)"),
        json!(["Acme Corp: admin", "Globex: admin"])
    );
    assert_eq!(world.run("(await orgate.session()).activeOrganizationId"), "org_acme");

    // Another tab follows a switch without being touched.
    let first = world.browser.add_tab();
    world.browser.open(&page);
    world.shows("Acme Corp");
    let second = world.browser.turn_to(&first);
    assert_eq!(world.run("(await orgate.setActiveOrganization('org_globex')).organization.name"), "Globex");
    world.shows("Globex");
    world.browser.turn_to(&second);
    world.shows("Globex");
    assert_eq!(world.run("orgate.setActiveOrganization('org_initech')"), "not_found");
    world.shows("Globex");

    // Fifty callers in each of two tabs: one token.
    let asked = "(window.tokens = Promise.all(Array.from({ length: 50 }, () => orgate.token()))) && 1";
    world.browser.turn_to(&first);
    world.browser.evaluate(&format!("void ({asked})"));
    world.browser.turn_to(&second);
    let theirs = world.run("(await Promise.all(Array.from({ length: 50 }, () => orgate.token())))[49]");
    let count = world.calls("GET /session/token").as_u64().unwrap();
    world.browser.turn_to(&first);
    let ours = world.run("(await tokens)[0]");
    assert_eq!(ours, theirs);
    assert_eq!(world.calls("GET /session/token").as_u64().unwrap() + count, 1);
    let claims = world.run("JSON.parse(atob((await orgate.token()).split('.')[1].replace(/-/g, '+').replace(/_/g, '/'))).org_slug");
    assert_eq!(claims, "globex");
    let acme = "JSON.parse(atob((await orgate.token({ org: 'acme' })).split('.')[1].replace(/-/g, '+').replace(/_/g, '/'))).org_slug";
    assert_eq!(world.run(acme), "acme", "a token for another one switches nothing");
    world.shows("Globex");
    assert_eq!(world.run("orgate.token({ org: 'initech' })"), "not_found");

    let made = world.run("(await orgate.organizations.create({ name: 'My Company' })).slug");
    assert_eq!(made, "my-company");
    assert_eq!(world.run("orgate.organizations.create({ name: 'x', slug: 'acme' })"), "slug_taken");

    // A page of another origin learns nothing and changes nothing.
    let third = world.browser.add_tab();
    assert_eq!(third, first);
    world.browser.open(&format!("{STRANGER}/?issuer={ISSUER}"));
    assert_eq!(world.run("orgate.session()"), "network");
    assert_eq!(world.run("orgate.setActiveOrganization('org_acme')"), "network");
    assert_eq!(world.run("orgate.signOut()"), "network");
    let blind = format!(
        "(await fetch('{ISSUER}/v1/auth/logout', {{ method: 'POST', mode: 'no-cors', credentials: 'include' }})).type"
    );
    assert_eq!(world.run(&blind), "opaque");

    world.browser.turn_to(&first);
    assert_eq!(world.run("(await orgate.session()).organization.slug"), "globex", "they were all refused");
    world.run("orgate.signOut()");
    world.shows("signed out");
    world.browser.turn_to(&second);
    world.shows("signed out");
}

#[test]
fn the_page_about_the_client_is_true() {
    let page = std::fs::read_to_string(root().join("examples/browser-client/README.md")).unwrap();
    let block = |name: &str| {
        let (_, rest) = page.split_once(&format!("<!-- executed: {name} -->\n```")).unwrap();
        rest.split_once('\n').unwrap().1.split("```").next().unwrap().to_owned()
    };
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("web")).unwrap();
    std::os::unix::fs::symlink(root().join("examples"), folder.path().join("examples")).unwrap();
    let copied =
        Command::new("sh").args(["-ec", &block("copy")]).current_dir(folder.path()).status().unwrap();
    assert!(copied.success());
    folder.write("web/page.tsx", &block("page.tsx"));
    let types = clients().join("node_modules/@types/react");
    let settings = json!({
        "compilerOptions": { "strict": true, "noEmit": true, "target": "es2022", "module": "esnext", "jsx": "react",
                             "moduleResolution": "bundler", "types": [], "paths": { "react": [types] } },
        "files": ["page.tsx"],
    });
    folder.write("web/tsconfig.json", &settings.to_string());
    let tsc = clients().join("node_modules/typescript/bin/tsc");
    let done = Command::new("node").arg(tsc).args(["-p", "web"]).current_dir(folder.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}
