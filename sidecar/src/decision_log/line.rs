//! One line of the decision log.
//!
//! The order of the members is fixed. A segment of a path that stands in braces is one that is not told: `{id}` where the
//! rule gives it a name, `{*}` where it does not; braces and stars of the request itself are percent-encoded. The caller's
//! own organization is told where it stands in the path, because it is told in `org` anyway and rules are bound to it.

use std::hash::{BuildHasher, RandomState};

use orgate::Principal;
use orgate_policy::RequestTarget;

use super::{Decision, Form};
use crate::{access_log::Outcome, flood::HeldBack};

/// How much of a path is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Paths {
    /// What the rule says of it: values, which may be personal, are left out.
    #[default]
    Template,
    /// All of it. The query is never written.
    Full,
}

/// How callers are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Subjects {
    /// By a hash that is keyed anew at each start.
    #[default]
    Hash,
    /// By their id as well, which is personal.
    Plain,
}

/// What an authenticator's principals have for an issuer.
const AUTHENTICATOR: &str = "urn:orgate:authenticator:";

/// The credential was looked at and refused.
const REFUSED: [&str; 5] = ["invalid_token", "expired_token", "unknown_issuer", "malformed_claim", "revoked"];

pub(super) fn of(decision: &Decision<'_>, stands_for: u64, form: Form, subjects: &RandomState) -> String {
    let Decision { outcome, caller, .. } = *decision;
    let would = match outcome {
        Outcome::Observed { code, .. } => Some(*code),
        _ => None,
    };
    let organization = caller.and_then(|caller| caller.organization());
    let (id, slug) = (
        organization.map(|organization| organization.id.as_str()),
        organization.and_then(|organization| organization.slug.as_ref()).map(|slug| slug.as_str()),
    );
    let own: Vec<&str> = id.into_iter().chain(slug).filter(|name| !name.is_empty()).collect();
    let path =
        decision.target.and_then(|target| path(target, decision.method, outcome.rule(), form.paths, &own));
    let roles = caller.map(|caller| names(caller.roles().iter().map(|role| role.as_str())));
    let permissions = caller
        .filter(|caller| caller.has_permissions_claim())
        .map(|caller| names(caller.permissions().iter().map(|permission| permission.as_str())));

    let mut line = Line::begin();
    line.text("id", Some(decision.id));
    line.text("method", Some(decision.method));
    line.text("host", decision.host);
    line.text("path", path.as_deref());
    line.text("rule", Some(outcome.rule()).filter(|rule| !rule.is_empty()));
    line.text("code", Some(outcome.code()));
    line.text("decision", Some(outcome.decision()));
    line.text("auth", Some(&auth(caller, outcome)));
    line.text("issuer", caller.map(|caller| caller.issuer().as_str()));
    line.text("org", id);
    line.text("org_slug", slug);
    line.text("sub_hash", caller.map(|caller| sub_hash(caller, subjects)).as_deref());
    if form.subjects == Subjects::Plain {
        line.text("sub", caller.map(|caller| caller.subject().as_str()));
    }
    line.json("roles", roles.as_deref());
    line.json("permissions", permissions.as_deref());
    if would.is_some() {
        line.text("would", would);
    }
    if let Some(allows) = decision.shadow {
        line.text("shadow", Some(if allows { "allow" } else { "deny" }));
    }
    if stands_for > 1 {
        line.json("sample", Some(&stands_for.to_string()));
    }
    line.json("latency_us", Some(&decision.latency.as_micros().to_string()));
    line.text("policy", decision.policy.filter(|digest| !digest.is_empty()));
    line.end()
}

/// How many refusals of a rule and code were not written.
pub(super) fn held_back((rule, code, count): &HeldBack) -> String {
    let mut line = Line::begin();
    line.text("rule", Some(&**rule).filter(|rule| !rule.is_empty()));
    line.text("code", Some(code));
    line.text("decision", Some("deny"));
    line.json("held_back", Some(&count.to_string()));
    line.end()
}

/// How many lines were lost.
pub(super) fn lost(count: u64) -> String {
    let mut line = Line::begin();
    line.json("lost", Some(&count.to_string()));
    line.end()
}

/// What is known of the credential: `token`, `via NAME`, `none`, `refused`, or `unread` where nothing depended on it.
fn auth(caller: Option<&Principal>, outcome: &Outcome<'_>) -> String {
    let Some(caller) = caller else {
        let code = match outcome {
            Outcome::Observed { code, .. } => code,
            other => other.code(),
        };
        let word = match code {
            "no_credential" => "none",
            // Of a request that reached a rule only the credential can be unreadable.
            "bad_request" if !outcome.rule().is_empty() => "refused",
            code if REFUSED.contains(&code) => "refused",
            _ => "unread",
        };
        return word.to_owned();
    };
    match caller.issuer().as_str().strip_prefix(AUTHENTICATOR) {
        Some(name) => format!("via {name}"),
        None => "token".to_owned(),
    }
}

/// Tells callers apart as long as the process runs, and nobody who they are.
fn sub_hash(caller: &Principal, subjects: &RandomState) -> String {
    format!("{:016x}", subjects.hash_one((caller.issuer().as_str(), caller.subject().as_str())))
}

fn path(target: &str, method: &str, rule: &str, paths: Paths, own: &[&str]) -> Option<String> {
    let raw = target.split('?').next().unwrap_or_default();
    if paths == Paths::Full {
        return Some(escaped(raw));
    }
    // Without a rule nothing says which part of it is personal.
    let (_, pattern) = rule.split_once(' ')?;
    let (_, pattern) = pattern.split_once('/')?;
    let read = RequestTarget::parse(method, target).ok()?;
    let mut values = read.segments();
    let mut pattern = pattern.split('/').peekable();
    let segments = raw.strip_prefix('/')?.split('/').map(|segment| {
        let of_rule = match pattern.peek() {
            Some(&"**") => Some("**"),
            _ => pattern.next(),
        };
        let value = values.next().unwrap_or_default();
        match of_rule {
            _ if segment.is_empty() || own.contains(&value) => escaped(segment),
            Some(name) if name.starts_with('{') => name.to_owned(),
            Some("*" | "**") | None => "{*}".to_owned(),
            Some(_) => escaped(segment),
        }
    });
    Some(format!("/{}", segments.collect::<Vec<_>>().join("/")))
}

/// The braces and stars of a request, encoded: as they are they would mean that something is left out.
fn escaped(path: &str) -> String {
    path.replace('{', "%7B").replace('}', "%7D").replace('*', "%2A")
}

fn names<'n>(names: impl Iterator<Item = &'n str>) -> String {
    format!("[{}]", names.map(quoted).collect::<Vec<_>>().join(","))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

struct Line(String);

impl Line {
    fn begin() -> Self {
        let now = orgate::clock::milliseconds();
        let now = jiff::Timestamp::from_millisecond(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Self(format!("{{\"ts\":\"{now:.3}\""))
    }

    fn text(&mut self, key: &str, value: Option<&str>) {
        self.json(key, value.map(quoted).as_deref());
    }

    fn json(&mut self, key: &str, value: Option<&str>) {
        self.0.push_str(&format!(",\"{key}\":{}", value.unwrap_or("null")));
    }

    fn end(mut self) -> String {
        self.0.push_str("}\n");
        self.0
    }
}
