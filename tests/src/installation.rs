//! An installation of the issuer: its database, its secret, and what a client does with a process that serves it.

use orgate_testkit::{Postgres, PostgresDatabase};
use serde_json::{Value, json};

use crate::{
    Folder, Response, Running, orgate, request,
    sign_in::{Browser, encode, parameter},
    try_request,
};

/// Where codes are sent.
pub const CALLBACK: &str = "http://127.0.0.1:3000/callback";
/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery";
const SECRET_FILE: &str = "orgate.db.secret";
/// The secret of its client, `proj_demo`.
pub const SECRET: &str = "a secret of the installation";

/// A database with one project, `proj_demo`, one organization, `org_acme`, and the people that a test names. None of them
/// but the owner belongs to an organization.
#[derive(Debug)]
pub struct Installation {
    /// The folder that the processes run in; the secret is in it.
    pub folder: Folder,
    database: Option<PostgresDatabase>,
}

impl Installation {
    /// On a file of SQLite.
    #[must_use]
    pub fn sqlite(people: &[&str]) -> Self {
        Self::new(people, None)
    }

    /// On a database of the server.
    #[must_use]
    pub fn postgres(people: &[&str], server: &'static Postgres) -> Self {
        Self::new(people, Some(server.database(None)))
    }

    fn new(people: &[&str], database: Option<PostgresDatabase>) -> Self {
        let folder = Folder::new();
        let users: Vec<String> = std::iter::once(&"owner")
            .chain(people)
            .map(|name| {
                format!("{{id: usr_{name}, email: {name}@example.com, password: {PASSWORD}, email_verified: true}}")
            })
            .collect();
        folder.write(
            "bootstrap.yaml",
            &format!(
                "projects:\n  - id: proj_demo\n    name: Demo\n    org_enabled: true\n    audience: [demo-api]\n    \
                 redirect_uris: [\"{CALLBACK}\"]\n    client_secret: {{env: INSTALLATION_SECRET}}\n    \
                 operators: [{{email: ops@example.com, password: {PASSWORD}}}]\n    users: [{}]\n    organizations:\n      \
                 - {{id: org_acme, slug: acme, name: Acme Corp, owner: owner@example.com}}\n",
                users.join(", ")
            ),
        );
        Self { folder, database }
    }

    /// The address of the database.
    #[must_use]
    pub fn url(&self) -> String {
        self.database.as_ref().map_or_else(|| "sqlite://orgate.db".to_owned(), PostgresDatabase::url)
    }

    /// The name of the database on its server.
    #[must_use]
    pub fn name(&self) -> &str {
        self.database.as_ref().map_or("orgate", PostgresDatabase::name)
    }

    /// Starts a process that serves it at `address`.
    #[must_use]
    pub fn start(&self, address: &str) -> Running {
        self.start_on(&self.url(), address)
    }

    /// Starts a process with the same secret on another database.
    #[must_use]
    pub fn on(&self, database: &str) -> Running {
        self.start_on(database, "127.0.0.1:0")
    }

    fn start_on(&self, database: &str, address: &str) -> Running {
        orgate()
            .args(["issuer", "--listen", address, "--bootstrap", "bootstrap.yaml", "--secret", SECRET_FILE])
            .args(["--database", database, "--public-url", "http://127.0.0.1:1"])
            .env("INSTALLATION_SECRET", SECRET)
            .folder(self.folder.path())
            .ready()
    }

    /// Every row, by the export.
    #[must_use]
    pub fn rows(&self) -> Vec<(String, Value)> {
        let export = orgate()
            .args(["issuer", "export", "--with-secrets", "--database", &self.url()])
            .folder(self.folder.path())
            .finish();
        assert_eq!(export.code, Some(0), "{}", export.stderr);
        let lines: Vec<Value> =
            export.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.last().unwrap()["orgate"], "end");
        let rows = lines.into_iter().filter(|line| line.get("table").is_some());
        rows.map(|mut line| (line["table"].as_str().unwrap().to_owned(), line["row"].take())).collect()
    }

    /// The chain of the audit log holds from its beginning to its end.
    pub fn verify_audit(&self) {
        let verified = orgate()
            .args(["issuer", "audit", "verify", "--database", &self.url()])
            .folder(self.folder.path())
            .finish();
        assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    }
}

/// The body of a request with a code.
#[must_use]
pub fn exchange(code: &str) -> Value {
    json!({ "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK,
            "client_id": "proj_demo", "client_secret": SECRET })
}

/// The body of a request with a refresh token.
#[must_use]
pub fn refresh(token: &str) -> Value {
    json!({ "grant_type": "refresh_token", "refresh_token": token, "client_id": "proj_demo",
            "client_secret": SECRET })
}

/// Asks the token endpoint of the process at `base`; `None` if it did not answer.
#[must_use]
pub fn token(base: &str, body: &Value) -> Option<Response> {
    let headers = [("content-type", "application/json")];
    try_request("POST", &format!("{base}/p/proj_demo/token"), &headers, Some(&body.to_string())).ok()
}

/// Signs in at `base` (again, if the browser is signed in) and gives the code.
pub fn code(browser: &mut Browser, base: &str, name: &str) -> String {
    let url = format!(
        "{base}/p/proj_demo/authorize?response_type=code&client_id=proj_demo&redirect_uri={}&state=s&scope=openid",
        encode(CALLBACK)
    );
    let fill = |field: &str, value: &str| match field {
        "email" => format!("{name}@example.com"),
        "password" => PASSWORD.to_owned(),
        _ => value.to_owned(),
    };
    let (location, _) = browser.walk_at(base, &url, CALLBACK, fill);
    parameter(&location, "code").unwrap_or_else(|| panic!("{location}"))
}

/// The cookie of the operator.
#[must_use]
pub fn operator(base: &str) -> String {
    let body = json!({ "email": "ops@example.com", "password": PASSWORD }).to_string();
    let headers = [("content-type", "application/json"), ("origin", "http://127.0.0.1:1")];
    let reply = request("POST", &format!("{base}/api/platform/operators/login"), &headers, Some(&body));
    assert_eq!(reply.status, 204, "{}", reply.body);
    reply.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

/// Asks the operators' plane; `None` if there was no answer.
#[must_use]
pub fn manage(base: &str, cookie: &str, method: &str, path: &str, body: Option<&Value>) -> Option<Response> {
    let headers =
        [("content-type", "application/json"), ("origin", "http://127.0.0.1:1"), ("cookie", cookie)];
    let url = format!("{base}/api/platform/projects/proj_demo{path}");
    try_request(method, &url, &headers, body.map(Value::to_string).as_deref()).ok()
}
