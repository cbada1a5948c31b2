//! The page at `/status` of the admin listener: how this process is doing, for people.
//!
//! It is made whole at each look, works without a script, and asks nobody else for anything. With a script it looks again every two
//! seconds. Paths, tokens and callers are not on it.

mod look;
mod page;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::recent::{Figures, Refusal};

/// What the page tells.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Snapshot {
    /// Why traffic should not be sent here; empty if it should.
    pub not_ready: Vec<String>,
    /// Since the process began.
    pub up: Duration,
    /// The policy in force.
    pub policy: Policy,
    /// Where keys come from.
    pub issuers: Vec<Issuer>,
    /// Where requests go; empty for a process that only decides.
    pub upstreams: Vec<Connections>,
    /// Since the process began.
    pub totals: Figures,
    /// Of each second of the last minute, oldest first.
    pub seconds: Vec<Figures>,
    /// Latest first.
    pub refusals: Vec<Refusal>,
    /// Now, for the age of refusals.
    pub now: i64,
}

/// The policy in force.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// SHA-256 of its canonical form.
    pub digest: String,
    /// Its files.
    pub files: Vec<String>,
    /// How many rules it has.
    pub rules: usize,
    /// Whether refusals are only told of.
    pub observed: bool,
    /// Whether the files were changed into something that does not stand.
    pub stale: bool,
}

/// An issuer and its keys.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its `iss`.
    pub name: String,
    /// Where its keys come from.
    pub location: String,
    /// How many keys are in hand; `None` if none were ever loaded.
    pub keys: Option<usize>,
    /// How long ago the issuer last said so.
    pub age: Option<Duration>,
    /// Why the last attempt to fetch them failed.
    pub error: Option<String>,
    /// What it revokes, where that is read.
    pub feed: Option<Feed>,
}

/// The change feed of an issuer.
#[derive(Clone, Debug)]
pub struct Feed {
    /// How many marks are in force; `None` if none were ever loaded.
    pub marks: Option<usize>,
    /// How long ago it was last heard.
    pub age: Option<Duration>,
    /// Whether that is longer than the policy allows.
    pub stale: bool,
    /// Why it cannot be read.
    pub error: Option<String>,
}

/// Connections to an upstream.
#[derive(Clone, Debug)]
pub struct Connections {
    /// Which.
    pub name: String,
    /// Kept for the next request.
    pub idle: usize,
    /// With a request under way.
    pub active: usize,
}

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page, or a part of it, if `path` names one. `look` is called for the page itself.
pub(crate) fn answer(path: &str, look: impl FnOnce() -> Option<Snapshot>) -> Option<Response<Bytes>> {
    let (content_type, body) = match path {
        "/status" => ("text/html; charset=utf-8", page::page(&look()?).into()),
        "/status.css" => ("text/css; charset=utf-8", Bytes::from_static(STYLE.as_bytes())),
        "/status.js" => ("text/javascript; charset=utf-8", Bytes::from_static(SCRIPT.as_bytes())),
        _ => return None,
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}

/// Nothing from elsewhere, nothing in line, nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";
