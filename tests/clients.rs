//! Clients of others sign people in at a running issuer: each goes from the login over the picker to a code, refreshes,
//! switches the organization, and ends what it began. The programs are in `tests/clients/`; `tests/run` installs what they need.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic"
)]

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    path::PathBuf,
    process::{Command, Output},
    thread,
};

use orgate_e2e::{
    Folder, Running,
    installation::{Installation, manage, operator},
    orgate,
};
use orgate_testkit::{Postgres, PostgresDatabase};
use serde_json::{Value, json};

const SECRET: &str = "a secret of the clients";
const MACHINE_SECRET: &str = "a secret of a machine";
const CALLBACK: &str = "http://127.0.0.1:3000/callback";
const AFTER_LOGOUT: &str = "http://127.0.0.1:3000/bye";

/// Each program, and every step that must hold there.
const CLIENTS: [(&str, &[&str]); 6] = [
    (
        "openid-client.mjs",
        &[
            "discovery",
            "login and picker",
            "code",
            "organization in the code",
            "userinfo",
            "refresh",
            "organization switch",
            "a foreign organization",
            "introspection",
            "revocation",
            "logout",
        ],
    ),
    (
        "oauth4webapi.mjs",
        &[
            "discovery (RFC 8414 and OpenID Connect)",
            "login and picker",
            "code",
            "access token (RFC 9068)",
            "userinfo",
            "refresh",
            "organization switch",
            "revocation",
            "client credentials, for an organization",
        ],
    ),
    (
        "oidc-client-ts.mjs",
        &[
            "discovery",
            "login and picker",
            "code and userinfo",
            "refresh",
            "organization switch",
            "revocation",
            "logout",
        ],
    ),
    ("express-openid-connect.mjs", &["login and picker", "code", "refresh", "userinfo", "logout"]),
    (
        "authlib_client.py",
        &[
            "discovery",
            "login and picker",
            "code",
            "userinfo",
            "refresh",
            "organization switch",
            "introspection",
            "revocation",
            "logout",
        ],
    ),
    (
        "requests_oauthlib_client.py",
        &[
            "discovery",
            "login and picker",
            "code",
            "userinfo",
            "refresh",
            "organization switch",
            "revocation",
            "logout",
        ],
    ),
];

fn bootstrap(express: u16) -> String {
    let person = |name: &str| {
        format!(
            "{{id: usr_{name}, email: {name}@example.com, password: correct horse battery, email_verified: true}}"
        )
    };
    format!(
        "projects:
  - id: proj_demo
    name: Demo
    org_enabled: true
    audience: [demo-api]
    redirect_uris: [\"{CALLBACK}\", \"http://127.0.0.1:{express}/callback\"]
    post_logout_redirect_uris: [\"{AFTER_LOGOUT}\", \"http://127.0.0.1:{express}/bye\"]
    client_secret: {{env: CLIENT_SECRET}}
    clients:
      - {{id: app_spa, kind: public, redirect_uris: [\"{CALLBACK}\"], post_logout_redirect_uris: [\"{AFTER_LOGOUT}\"]}}
      - {{id: app_machine, kind: m2m, secret: {{env: MACHINE_SECRET}}, org: acme, role: member}}
    users: [{}, {}]
    organizations:
      - {{id: org_acme, slug: acme, name: Acme Corp, owner: olga@example.com, members: [{{user: dana@example.com, role: admin}}]}}
      - {{id: org_globex, slug: globex, name: Globex, owner: olga@example.com, members: [{{user: dana@example.com, role: viewer}}]}}
      - {{id: org_initech, slug: initech, name: Initech, owner: olga@example.com}}
",
        person("dana"),
        person("olga"),
    )
}

struct World {
    running: Running,
    _folder: Folder,
    _database: Option<PostgresDatabase>,
    at: Place,
}

/// Where everything is.
struct Place {
    issuer: String,
    express: u16,
}

impl World {
    /// On a file of SQLite, or on a database of the server.
    fn start(server: Option<&'static Postgres>) -> Self {
        // The application of the framework must be registered before it runs: its port is chosen here, and free again.
        let express = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = Folder::new();
        let file = folder.write("bootstrap.yaml", &bootstrap(express));
        let database = server.map(|server| server.database(None));
        let url = database.as_ref().map_or_else(|| "sqlite://orgate.db".to_owned(), PostgresDatabase::url);
        let running = orgate()
            .args(["issuer", "--listen", "127.0.0.1:0", "--database", &url, "--secret", "clients.secret"])
            .args(["--bootstrap".into(), file])
            .env("CLIENT_SECRET", SECRET)
            .env("MACHINE_SECRET", MACHINE_SECRET)
            .folder(folder.path())
            .ready();
        let issuer = format!("{}/p/proj_demo", running.url("issuer"));
        Self { running, _folder: folder, _database: database, at: Place { issuer, express } }
    }
}

impl Place {
    fn run(&self, program: &str) -> Output {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients");
        let interpreter = if program.ends_with(".py") { python() } else { "node".into() };
        Command::new(&interpreter)
            .arg(program)
            .current_dir(folder)
            .env("ISSUER", &self.issuer)
            .env("CLIENT_ID", "proj_demo")
            .env("CLIENT_SECRET", SECRET)
            .env("PUBLIC_CLIENT_ID", "app_spa")
            .env("MACHINE_ID", "app_machine")
            .env("MACHINE_SECRET", MACHINE_SECRET)
            .env("CALLBACK", CALLBACK)
            .env("AFTER_LOGOUT", AFTER_LOGOUT)
            .env("EXPRESS_PORT", self.express.to_string())
            .output()
            .unwrap_or_else(|error| panic!("{} cannot be run: {error}", interpreter.display()))
    }
}

/// The interpreter that has the libraries: the one that is named, else the one that `tests/run` made.
fn python() -> PathBuf {
    let made = || env::current_exe().unwrap().ancestors().nth(3).unwrap().join("tools/clients/bin/python");
    env::var_os("CLIENTS_PYTHON").map_or_else(made, PathBuf::from)
}

/// What the verifiers of others must say about a delivery.
const VERIFIED: [&str; 6] =
    ["a delivery", "the secret before", "another body", "another secret", "another id", "another time"];

/// Takes one request and answers 204: its head, by name, and its body.
fn receive(receiver: &TcpListener) -> (serde_json::Map<String, Value>, String) {
    let (stream, _) = receiver.accept().unwrap();
    let mut stream = BufReader::new(stream);
    let (mut headers, mut line) = (serde_json::Map::new(), String::new());
    while stream.read_line(&mut line).unwrap() > 2 {
        if let Some((name, value)) = line.trim_end().split_once(": ") {
            headers.insert(name.to_ascii_lowercase(), value.into());
        }
        line.clear();
    }
    let length = headers["content-length"].as_str().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    (headers, String::from_utf8(body).unwrap())
}

#[test]
fn a_webhook_is_believed_by_verifiers_of_others() {
    let installation = Installation::sqlite(&["member"]);
    let running = installation.start("127.0.0.1:0");
    let base = running.url("issuer");
    let cookie = operator(&base);
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hooks", receiver.local_addr().unwrap());
    let ask = |path: &str, body: Value| {
        let reply = manage(&base, &cookie, "POST", path, Some(&body)).unwrap();
        assert!((200..300).contains(&reply.status), "{path}: {}", reply.body);
        reply.json()
    };
    let made = ask("/webhooks", json!({ "url": url, "types": ["organization.*"] }));
    let rotated = ask(&format!("/webhooks/{}/rotate-secret", made["id"].as_str().unwrap()), json!({}));
    let new = json!({ "name": "Told", "creator_end_user_id": "usr_member" });
    ask("/orgs", new);
    let (headers, body) = receive(&receiver);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients");
    for (interpreter, program) in
        [("node".into(), "standardwebhooks.mjs"), (python(), "standardwebhooks_verifier.py")]
    {
        let done = Command::new(&interpreter)
            .arg(program)
            .current_dir(&folder)
            .env("SECRET", rotated["secret"].as_str().unwrap())
            .env("OLD_SECRET", made["secret"].as_str().unwrap())
            .env("HEADERS", Value::from(headers.clone()).to_string())
            .env("BODY", &body)
            .output()
            .unwrap_or_else(|error| panic!("{} cannot be run: {error}", interpreter.display()));
        let told = String::from_utf8_lossy(&done.stdout).into_owned();
        let held: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("held: ")).collect();
        assert_eq!(held, VERIFIED, "{program}: {}", String::from_utf8_lossy(&done.stderr));
    }
    assert_eq!(running.terminate().code, Some(0));
}

#[test]
fn clients_of_others_sign_in_refresh_switch_and_leave_on_sqlite() {
    every_step_holds("SQLite", &World::start(None));
}

#[test]
fn clients_of_others_sign_in_refresh_switch_and_leave_on_postgresql() {
    let world = World::start(Some(Postgres::shared()));
    every_step_holds("PostgreSQL", &world);
    // The database goes when nobody is in it any more.
    assert_eq!(world.running.terminate().code, Some(0));
}

fn every_step_holds(database: &str, world: &World) {
    let modules = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients/node_modules");
    assert!(modules.is_dir(), "run `npm ci` in tests/clients, or ./tests/run, which does");
    let place = &world.at;
    let failures: Vec<String> = thread::scope(|scope| {
        let running: Vec<_> = CLIENTS
            .iter()
            .map(|(program, steps)| (program, steps, scope.spawn(|| place.run(program))))
            .collect();
        running
            .into_iter()
            .filter_map(|(program, steps, thread)| {
                let output = thread.join().unwrap();
                let told = String::from_utf8_lossy(&output.stdout).into_owned();
                let held: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("held: ")).collect();
                println!("{database}, {program}: {} of {} steps", held.len(), steps.len());
                let failure = String::from_utf8_lossy(&output.stderr);
                (!output.status.success() || held != *steps)
                    .then(|| format!("{program} held only {held:?}\n{told}{failure}"))
            })
            .collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
