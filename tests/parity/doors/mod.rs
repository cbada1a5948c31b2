//! The doors, each asked in its own way.

mod deciding;
mod explain;
mod fronts;
mod layer;
mod proxy;

use std::time::Duration;

use orgate_e2e::{Folder, Running, orgate, request};
use orgate_testkit::{Answer, Upstream};
use tokio::runtime::Runtime;

/// A request as a client sends it.
pub(crate) struct Asked<'c> {
    pub(crate) method: &'c str,
    /// The request target, byte for byte.
    pub(crate) target: &'c str,
    pub(crate) host: Option<&'c str>,
    /// With the credential.
    pub(crate) headers: &'c [(String, String)],
    /// The token among them, for who is told of a caller in words.
    pub(crate) token: Option<&'c str>,
    /// Whether the token says all of the credential.
    pub(crate) is_described: bool,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Seen {
    /// The application got it: the target, and the subject it was told of, where the door passes them on.
    Allowed { target: Option<String>, subject: Option<String> },
    /// It was refused; the code where the door passes it on.
    Refused { status: u16, code: Option<String> },
    /// What stands in front of the door refused it, with this status.
    InFront(u16),
    /// It cannot be put in this door's words.
    CannotAsk(&'static str),
}

/// The reason of a tool that is told of callers, and not what they send.
const ONLY_DESCRIBED: &str = "the credential is not a bearer token";
/// The reason of a door that is asked in the headers of a request.
const TWO_FAMILIES: &str = "the client speaks in headers that are the front's";
/// The reason of a tool for people, who mistype methods.
const MISTYPED: &str = "a method in lower case is taken for a mistake";

/// Whether a request that the policy allows may be left out for this reason.
pub(crate) fn may_pass_over(reason: &str) -> bool {
    [ONLY_DESCRIBED, TWO_FAMILIES].contains(&reason)
}

/// Everything that is asked.
pub(crate) struct Stand {
    runtime: Runtime,
    application: Upstream,
    proxy: Running,
    fronts: fronts::Fronts,
    doors: Running,
    layer: layer::Application,
    folder: std::path::PathBuf,
}

impl Stand {
    /// Starts the programs with the policy in `folder`.
    pub(crate) fn start(folder: &Folder) -> Self {
        let runtime = Runtime::new().unwrap();
        let application = runtime.block_on(Upstream::start());
        application.answer(Answer::status(200));
        let proxy = orgate()
            .args([
                "proxy",
                "--upstream",
                &application.url(),
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
            ])
            .folder(folder.path())
            .ready();
        let free = "127.0.0.1:0";
        let doors = orgate()
            .args(["serve", "--forward-auth", free, "--ext-authz", free, "--authzen", free, "--admin", free])
            .folder(folder.path())
            .ready();
        let fronts = fronts::Fronts::start(folder.path(), &doors, &application.url());
        let layer = runtime.block_on(layer::Application::start(folder.path()));
        Self { runtime, application, proxy, fronts, doors, layer, folder: folder.path().to_owned() }
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        let mut names = vec![
            "proxy",
            "proxy, HTTP/2",
            "layer",
            "explain",
            "forward auth",
            "auth_request",
            "ext_authz, HTTP",
            "AuthZEN",
        ];
        names.extend(fronts::NAMES);
        names
    }

    /// Puts the policy that stands in the folder now in force behind every door.
    pub(crate) fn reload(&mut self, chapter: &str) {
        for running in [&self.proxy, &self.doors] {
            let answer = request("POST", &format!("{}/-/reload", running.url("admin")), &[], None);
            assert_eq!(answer.status, 200, "{chapter}: {}", answer.body);
        }
        self.layer = self.runtime.block_on(layer::Application::start(&self.folder));
    }

    /// Asks every door.
    pub(crate) fn ask(&self, asked: &Asked<'_>) -> Vec<(&'static str, Seen)> {
        let proxy = self.proxy.url("proxy");
        let mut seen = vec![
            ("proxy", self.passed_on(asked, proxy::http1(&proxy, asked))),
            ("proxy, HTTP/2", self.passed_on(asked, self.runtime.block_on(proxy::http2(&proxy, asked)))),
            ("layer", self.layer.ask(asked)),
            ("explain", explain::ask(&self.folder, asked)),
            ("forward auth", deciding::forwarded(&self.doors.url("forward-auth"), asked)),
            ("auth_request", deciding::original(&self.doors.url("forward-auth"), asked)),
            ("ext_authz, HTTP", deciding::ext_authz(&self.doors.url("ext-authz"), asked)),
            ("AuthZEN", deciding::authzen(&self.doors.url("authzen"), asked)),
        ];
        seen.extend(self.fronts.ask(asked, |seen| self.passed_on(asked, seen)));
        seen
    }

    /// What reached the application, where the door let something through.
    fn passed_on(&self, asked: &Asked<'_>, seen: Seen) -> Seen {
        let requests = self.application.take_requests();
        match (&seen, &*requests) {
            (Seen::Allowed { .. }, [request]) => Seen::Allowed {
                target: Some(request.target.clone()),
                // Caddy sends what nobody is called as an empty header.
                subject: request.header("x-orgate-sub").filter(|told| !told.is_empty()).map(str::to_owned),
            },
            (Seen::Allowed { .. }, []) => {
                panic!("something answered {} without the application", asked.target)
            }
            (Seen::Allowed { .. }, _) => panic!("the application got {} requests", requests.len()),
            (_, []) => seen,
            _ => panic!("the application got what was refused with {seen:?}"),
        }
    }
}

/// An answer with the body of a refusal, or without.
fn judged(asked: &Asked<'_>, status: u16, body: &str) -> Seen {
    let code = serde_json::from_str::<serde_json::Value>(body).ok();
    let code = code.and_then(|body| body["code"].as_str().map(str::to_owned));
    match (status, code) {
        (200..=299, _) => Seen::Allowed { target: None, subject: None },
        // The answer to HEAD has no body.
        (_, None) if asked.method != "HEAD" => Seen::InFront(status),
        (_, code) => Seen::Refused { status, code },
    }
}

/// How long a door may take for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
