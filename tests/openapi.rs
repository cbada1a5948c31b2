//! schemathesis asks a running issuer everything that its OpenAPI document describes, in ways that fit it and in ways that do
//! not, and compares the answers with it. `tests/run` installs it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{env, path::PathBuf, process::Command};

use orgate_e2e::{
    Running,
    installation::{Installation, PASSWORD, SECRET, code, exchange, token},
    orgate, request,
    sign_in::Browser,
};
use serde_json::{Value, json};

/// What ends the sessions that the rest is asked with; they have sessions of their own.
const ENDS: [&str; 7] = [
    "operatorLogout",
    "logout",
    "logoutOfProject",
    "endOtherSessions",
    "endOtherSessionsOfProject",
    "endSessionByLink",
    "endSessionByForm",
];

struct World {
    installation: Installation,
    issuer: Running,
    document: Value,
}

impl World {
    fn start() -> Self {
        let installation = Installation::sqlite(&["dana"]);
        let issuer = orgate()
            .args(["issuer", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--dev-outbox"])
            .args(["--bootstrap", "bootstrap.yaml"])
            .env("INSTALLATION_SECRET", SECRET)
            .folder(installation.folder.path())
            .ready();
        let shown = request("GET", &format!("{}/api/platform/openapi.json", issuer.url("issuer")), &[], None);
        assert_eq!((shown.status, shown.header("content-type")), (200, Some("application/json")));
        Self { installation, document: shown.json(), issuer }
    }

    /// The cookie of a session of this person, who signs in at `path`.
    fn session(&self, path: &str, name: &str) -> String {
        let base = self.issuer.url("issuer");
        let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD }).to_string();
        let headers = [("content-type", "application/json"), ("origin", base.as_str())];
        let reply = request("POST", &format!("{base}{path}"), &headers, Some(&body));
        let cookie = reply.header("set-cookie").unwrap_or_else(|| panic!("{} {}", reply.status, reply.body));
        cookie.split(';').next().unwrap().split_once('=').unwrap().1.to_owned()
    }

    /// Runs schemathesis over all operations but those that end a session, or over those alone; `user` is who is signed in.
    fn run(&self, name: &str, user: &str, ends: bool) -> String {
        let base = self.issuer.url("issuer");
        let access_token =
            token(&base, &exchange(&code(&mut Browser::default(), &base, user))).unwrap().json();
        let mut document = self.document.clone();
        // The document says that the name of the cookie holds the project; here is only one.
        document["components"]["securitySchemes"]["session"]["name"] = "orgate-proj_demo".into();
        let file = self.installation.folder.write(&format!("{name}.json"), &document.to_string());
        let settings = format!(
            r#"
headers = {{ Origin = "{base}" }}
max-redirects = 0
warnings = false

[auth.openapi]
operator = {{ api_key = "{operator}" }}
session = {{ api_key = "{session}" }}
bearer = {{ bearer = "{bearer}" }}

[parameters]
"path.project" = "proj_demo"
"path.org" = "org_acme"

# What does not fit is refused, by a page whose link has ended with 410.
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "410", "413", "415", "422", "428", "429", "5xx"]
# What fits is not always taken: 79 operations want what the issuer has given out before (codes, links, tickets, handles, cursors,
# credentials, ids), what is still free (slugs, names), or what no schema says (passwords, addresses, a version in `If-Match`).
[checks.positive_data_acceptance]
enabled = false

[generation]
database = "none"
"#,
            operator = self.session("/api/platform/operators/login", "ops"),
            session = self.session("/v1/auth/login", user),
            bearer = access_token["access_token"].as_str().unwrap(),
        );
        let settings = self.installation.folder.write(&format!("{name}.toml"), &settings);
        let long = env::var("ORGATE_EXAMPLES").ok();
        let filter = if ends { "--include-operation-id" } else { "--exclude-operation-id" };
        let output = Command::new(python())
            .args(["-m", "schemathesis.cli", "--no-color", "--config-file"])
            .arg(settings)
            .arg("run")
            .arg(file)
            .args(["--url", &base, "--workers", "1", "--phases", "examples,coverage,fuzzing,stateful"])
            .args([
                "--max-examples",
                long.as_deref().unwrap_or("4"),
                "--seed",
                "1",
                "--generation-deterministic",
            ])
            .args(["--continue-on-failure", "--no-shrink"])
            .args(ENDS.iter().flat_map(|id| [filter, *id]))
            .current_dir(self.installation.folder.path())
            // Nothing but this machine can be reached.
            .envs(["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].map(|name| (name, "http://127.0.0.1:9")))
            .env("NO_PROXY", "127.0.0.1")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
        told
    }
}

/// The interpreter that has the libraries: the one that is named, else the one that `tests/run` made.
fn python() -> PathBuf {
    let made = || env::current_exe().unwrap().ancestors().nth(3).unwrap().join("tools/clients/bin/python");
    env::var_os("CLIENTS_PYTHON").map_or_else(made, PathBuf::from)
}

#[test]
fn the_issuer_answers_as_its_document_says() {
    // Each with an issuer of its own: the first changes clients and erases people, whose ids it has found in lists.
    for (name, ends) in [("all", false), ("ends", true)] {
        println!("{}", World::start().run(name, "dana", ends));
    }
}

#[test]
fn the_document_is_printed_as_it_is_shown() {
    let world = World::start();
    let url = world.issuer.url("issuer");
    let printed = orgate().args(["issuer", "openapi", "--public-url", &url]).finish();
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert_eq!(serde_json::from_str::<Value>(&printed.stdout).unwrap(), world.document);
    let wrong = orgate().args(["issuer", "openapi", "--public-url", "http://id.example.com"]).finish();
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
}
