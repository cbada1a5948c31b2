//! Real proxies that ask a door before they pass a request on.

use std::path::Path;

use orgate_e2e::{
    Running,
    front::{Front, Kind},
    request_to,
};

use super::{Asked, Seen, judged};

/// The proxies, each by its name in the table.
pub(crate) struct Fronts(Vec<(&'static str, Kind, Front)>);

/// The names, in order.
pub(crate) const NAMES: [&str; 4] = ["nginx", "Caddy", "Envoy, gRPC", "Envoy, HTTP"];

impl Fronts {
    /// Starts them before the application at `app`; they ask `doors`.
    pub(crate) fn start(folder: &Path, doors: &Running, app: &str) -> Self {
        let kinds = [Kind::Nginx, Kind::Caddy, Kind::EnvoyGrpc, Kind::EnvoyHttp];
        let start = |(name, kind): (&'static str, Kind)| {
            (name, kind, Front::start(kind, folder, &doors.url(kind.door()), app))
        };
        Self(NAMES.into_iter().zip(kinds).map(start).collect())
    }

    /// Asks each; `passed_on` is told of what came of it before the next is asked.
    pub(crate) fn ask(
        &self,
        asked: &Asked<'_>,
        passed_on: impl Fn(Seen) -> Seen,
    ) -> Vec<(&'static str, Seen)> {
        self.0.iter().map(|(name, kind, front)| (*name, passed_on(ask(*kind, front, asked)))).collect()
    }
}

fn ask(kind: Kind, front: &Front, asked: &Asked<'_>) -> Seen {
    let mut headers: Vec<(&str, &str)> = vec![("Host", asked.host.unwrap_or("app.example"))];
    headers.extend(asked.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let before = if kind == Kind::Nginx { front.refused().len() } else { 0 };
    let answer = request_to(&front.url(), asked.method, asked.target, &headers);
    if kind != Kind::Nginx {
        return judged(asked, answer.status, &answer.body);
    }
    // nginx shows its client 401, 403 or 500, and writes the reason into its log, a moment after the answer.
    let refused = loop {
        match front.refused().get(before) {
            Some(line) => break line.clone(),
            None => std::thread::yield_now(),
        }
    };
    let Some((status, code)) = refused.split_once(' ') else { return judged(asked, answer.status, "") };
    let status: u16 = status.parse().unwrap();
    let understood = match status {
        401 => 401,
        500.. => 500,
        _ => 403,
    };
    assert_eq!(answer.status, understood, "{} {}: {refused}", asked.method, asked.target);
    Seen::Refused { status, code: Some(code.to_owned()) }
}
