//! The fixture of the scenarios: a project `proj_p`; `owner`, `admin`, `member`, `viewer` of `acme`; `x`, who owns `globex`; `d`, who
//! is a viewer of `acme` and an admin of `globex`; `n`, who belongs to nothing. And the application that is protected,
//! behind the sidecar and behind the layer.

use std::time::{Duration, Instant};

use orgate_e2e::{
    Finished, Folder, Response, Running, example, orgate, request,
    sign_in::{Browser, encode, parameter},
};
use orgate_testkit::{Answer, Postgres, PostgresDatabase, Upstream};
use serde_json::{Value, json};

use crate::testing::Engine;

pub(crate) const CALLBACK: &str = "http://127.0.0.1:3000/callback";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const ROLES: [&str; 4] = ["owner", "admin", "member", "viewer"];
const SECRET: &str = "a secret of the scenarios";
/// By which the doors read the change feed.
const FEED_KEY: &str = "sk_a_key_of_the_scenarios_that_reads_the_feed";

/// For how long something is waited for that is promised to happen within a second: the machine does other things too.
const PATIENCE: Duration = Duration::from_secs(20);

/// The seven permissions of the built-in roles, each with a request that needs it and the roles that have it.
pub(crate) const MATRIX: [(&str, &str, &str, [bool; 4]); 7] = [
    ("read", "GET", "/docs", [true, true, true, true]),
    ("write", "POST", "/docs", [true, true, true, false]),
    ("invite", "POST", "/members", [true, true, false, false]),
    ("remove_members", "DELETE", "/members/mem_7", [true, true, false, false]),
    ("change_roles", "PUT", "/members/mem_7", [true, true, false, false]),
    ("delete_org", "DELETE", "/orgs/org_acme", [true, false, false, false]),
    ("transfer_ownership", "POST", "/orgs/org_acme/transfer", [true, false, false, false]),
];

/// The policy of the application, for an issuer that is described by `issuer`.
pub(crate) fn policy(issuer: &str) -> String {
    let rules: String = MATRIX
        .iter()
        .map(|(permission, method, path, _)| {
            let path = path.replace("mem_7", "{id}").replace("org_acme", "{org_id}");
            format!("  {method} {path}: {permission}\n")
        })
        .collect();
    format!(
        "version: 1\nissuers:\n  main: {issuer}\nrules:\n  GET /healthz: public\n  GET /me: authenticated\n  \
         POST /orgs/{{org_id}}/notes: write\n{rules}"
    )
}

fn bootstrap() -> String {
    let users: Vec<String> = ROLES
        .iter()
        .chain(&["x", "d", "n"])
        .map(|name| {
            format!(
                "{{id: usr_{name}, email: {name}@example.com, password: {PASSWORD}, email_verified: true}}"
            )
        })
        .collect();
    format!(
        "projects:\n  - id: proj_p\n    name: P\n    org_enabled: true\n    audience: [demo-api]\n    \
         redirect_uris: [\"{CALLBACK}\"]\n    client_secret: {{env: SCENARIO_SECRET}}\n    \
         keys: [{{name: gate, secret: {FEED_KEY}, scopes: [feed]}}]\n    \
         operators: [{{email: ops@example.com, password: {PASSWORD}}}]\n    users: [{}]\n    organizations:\n      \
         - {{id: org_acme, slug: acme, name: Acme Corp, owner: owner@example.com, members: [\
         {{user: admin@example.com, role: admin}}, {{user: member@example.com, role: member}}, \
         {{user: viewer@example.com, role: viewer}}, {{user: d@example.com, role: viewer}}]}}\n      \
         - {{id: org_globex, slug: globex, name: Globex, owner: x@example.com, members: [{{user: d@example.com, role: admin}}]}}\n  \
         - id: proj_q\n    name: Q\n    operators: [{{email: other@example.com, password: {PASSWORD}}}]\n",
        users.join(", ")
    )
}

pub(crate) struct World {
    pub(crate) folder: Folder,
    /// Where the issuer is.
    pub(crate) base: String,
    /// The issuer of the project.
    pub(crate) issuer: String,
    running: Running,
    database: Option<PostgresDatabase>,
}

/// Starts the issuer of the folder on the database at `url`.
fn launch(folder: &Folder, url: &str) -> Running {
    orgate()
        .args([
            "issuer",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--bootstrap",
            "bootstrap.yaml",
        ])
        .args(["--secret", "orgate.db.secret", "--database", url])
        .env("SCENARIO_SECRET", SECRET)
        .folder(folder.path())
        .ready()
}

fn address(database: Option<&PostgresDatabase>) -> String {
    database.map_or_else(|| "sqlite://orgate.db".to_owned(), PostgresDatabase::url)
}

impl World {
    /// Ends the issuer as `end` does, and starts another on what it left.
    pub(crate) fn restart(self, end: impl FnOnce(Running)) -> Self {
        end(self.running);
        let running = launch(&self.folder, &address(self.database.as_ref()));
        let base = running.url("issuer");
        Self { issuer: format!("{base}/p/proj_p"), base, running, ..self }
    }

    /// On the database of this test.
    pub(crate) fn start() -> Self {
        let folder = Folder::new();
        folder.write("bootstrap.yaml", &bootstrap());
        let database = (Engine::current() == Engine::Postgres).then(|| Postgres::shared().database(None));
        let running = launch(&folder, &address(database.as_ref()));
        let base = running.url("issuer");
        let issuer = format!("{base}/p/proj_p");
        let described = format!(
            "{{issuer: \"{issuer}\", audience: demo-api, profile: orgate, feed: {{key: {{env: FEED_KEY}}}}}}"
        );
        folder.write("orgate.yaml", &policy(&described));
        Self { folder, base, issuer, running, database }
    }

    /// Signs in and picks `organization` if there is something to pick; gives the code and the number of pages that were shown.
    pub(crate) fn code(&self, browser: &mut Browser, name: &str, organization: &str) -> (String, usize) {
        let url = format!(
            "{}/authorize?response_type=code&client_id=proj_p&redirect_uri={}&state=s&scope=openid",
            self.issuer,
            encode(CALLBACK)
        );
        let fill = |field: &str, value: &str| match field {
            "email" => format!("{name}@example.com"),
            "password" => PASSWORD.to_owned(),
            "org_id" => organization.to_owned(),
            _ => value.to_owned(),
        };
        let (location, pages) = browser.walk(&url, CALLBACK, fill);
        assert!(location.starts_with(&format!("{CALLBACK}?")), "{location}");
        assert_eq!(parameter(&location, "state").as_deref(), Some("s"), "{location}");
        assert_eq!(parameter(&location, "iss"), Some(encode(&self.issuer)), "RFC 9207");
        (parameter(&location, "code").unwrap_or_else(|| panic!("{location}")), pages)
    }

    /// Asks the token endpoint as the seed does; JSON in, JSON out.
    pub(crate) fn token(&self, mut body: Value) -> (u16, Value) {
        body["client_id"] = "proj_p".into();
        body["client_secret"] = SECRET.into();
        let headers = [("content-type", "application/json")];
        let url = format!("{}/api/platform/token", self.base);
        let response = request("POST", &url, &headers, Some(&body.to_string()));
        (response.status, response.json())
    }

    /// The same as a form, at the endpoint of the project.
    pub(crate) fn token_by_form(&self, fields: &[(&str, &str)]) -> (u16, Value) {
        let response = self.form("token", fields);
        (response.status, response.json())
    }

    /// A form of the client to one of the project's endpoints.
    pub(crate) fn form(&self, endpoint: &str, fields: &[(&str, &str)]) -> Response {
        let pairs: Vec<String> = [("client_id", "proj_p"), ("client_secret", SECRET)]
            .iter()
            .chain(fields)
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        request("POST", &format!("{}/{endpoint}", self.issuer), &headers, Some(&pairs.join("&")))
    }

    pub(crate) fn exchange(&self, code: &str) -> (u16, Value) {
        self.token(json!({ "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK }))
    }

    /// The tokens of somebody who signs in and picks `organization`.
    pub(crate) fn tokens(&self, name: &str, organization: &str) -> Value {
        let (status, body) = self.exchange(&self.code(&mut Browser::default(), name, organization).0);
        assert_eq!(status, 200, "{body}");
        body
    }

    pub(crate) fn access_token(&self, name: &str, organization: &str) -> String {
        self.tokens(name, organization)["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn refresh(&self, tokens: &Value, organization: Option<&str>) -> (u16, Value) {
        let mut body = json!({ "grant_type": "refresh_token", "refresh_token": tokens["refresh_token"] });
        if let Some(organization) = organization {
            body["org_id"] = organization.into();
        }
        self.token(body)
    }

    /// An operator's cookie.
    pub(crate) fn console(&self, email: &str) -> String {
        let body = json!({ "email": email, "password": PASSWORD }).to_string();
        let headers = [("content-type", "application/json"), ("sec-fetch-site", "same-origin")];
        let url = format!("{}/api/platform/operators/login", self.base);
        let response = request("POST", &url, &headers, Some(&body));
        assert_eq!(response.status, 204, "{}", response.body);
        response.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    }

    /// A request of the console, with these headers.
    pub(crate) fn platform(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Response {
        let headers: Vec<_> = headers.iter().copied().chain([("content-type", "application/json")]).collect();
        request(method, &format!("{}/api/platform{path}", self.base), &headers, Some(&body.to_string()))
    }

    /// The application behind the sidecar and behind the layer, both with the policy in the folder.
    pub(crate) async fn doors(&self) -> Doors {
        Doors::start(&self.folder).await
    }
}

/// The same application behind the two doors.
pub(crate) struct Doors {
    pub(crate) upstream: Upstream,
    sidecar: Running,
    layer: Running,
}

impl Doors {
    /// With the policy `orgate.yaml` of the folder.
    pub(crate) async fn start(folder: &Folder) -> Self {
        let upstream = Upstream::start().await;
        upstream.answer(Answer::status(200));
        let url = upstream.url();
        let sidecar = orgate()
            .args(["proxy", "--upstream", &url, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(["--require-keys"])
            .env("FEED_KEY", FEED_KEY)
            .folder(folder.path())
            .ready();
        let layer = example("example-axum-layer").env("FEED_KEY", FEED_KEY).folder(folder.path()).listening();
        Self { upstream, sidecar, layer }
    }

    pub(crate) fn sidecar(&self) -> &Running {
        &self.sidecar
    }

    /// Asks the sidecar to end.
    pub(crate) fn drain(self) -> Finished {
        self.sidecar.terminate()
    }

    /// The same request through both: what the sidecar made of it, after it was seen that the layer makes the same of it.
    pub(crate) fn ask(&self, method: &str, path: &str, token: Option<&str>) -> Response {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|value| ("authorization", value.as_str())).collect();
        self.ask_with(method, path, &headers)
    }

    /// Asks both doors for `/docs` until each refuses the token, and says how long the slower one took.
    pub(crate) fn until_refused(&self, token: &str) -> Duration {
        let bearer = format!("Bearer {token}");
        let begun = Instant::now();
        for door in [self.sidecar.url("proxy"), self.layer.url("app")] {
            let url = format!("{door}/docs");
            let ask = || request("GET", &url, &[("authorization", &bearer)], None).verdict();
            while ask() != "401 revoked" {
                assert!(begun.elapsed() < PATIENCE, "{door} still says {}", ask());
            }
        }
        begun.elapsed()
    }

    pub(crate) fn ask_with(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        let ask = |door: &str| request(method, &format!("{door}{path}"), headers, None);
        let (through_sidecar, through_layer) = (ask(&self.sidecar.url("proxy")), ask(&self.layer.url("app")));
        // The example has not all of the routes; what matters is that the gate let the request pass.
        let passed = |response: &Response| {
            matches!(response.status, 200 | 404 | 405)
                && response.header("content-type") != Some("application/problem+json")
        };
        if passed(&through_sidecar) {
            assert!(passed(&through_layer), "{method} {path}: {}", through_layer.verdict());
        } else {
            assert_eq!(through_layer.verdict(), through_sidecar.verdict(), "{method} {path}");
        }
        through_sidecar
    }
}

/// The claims of the access token in a token response.
pub(crate) fn claims(response: &Value) -> Value {
    let token = response["access_token"].as_str().unwrap_or_else(|| panic!("{response}"));
    let payload = token.split('.').nth(1).unwrap();
    let (mut bits, mut have, mut bytes) = (0u32, 0, Vec::new());
    for c in payload.bytes() {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        bits = bits << 6 | u32::try_from(alphabet.iter().position(|known| *known == c).unwrap()).unwrap();
        have += 6;
        if have >= 8 {
            have -= 8;
            bytes.push(u8::try_from(bits >> have & 0xff).unwrap());
        }
    }
    serde_json::from_slice(&bytes).unwrap()
}
