//! The tests of a policy: `orgate.test.yaml`, beside the policy.
//!
//! ```yaml
//! principals:
//!   ann: {role: owner, org: acme}
//!   eve: {role: owner, org: evil}
//! cases:
//!   GET /healthz: everyone
//!   DELETE /orgs/acme: [ann]
//!   DELETE /orgs/evil: {allow: [eve], deny: {ann: org_mismatch, anonymous: no_credential}}
//!   GET /team: {allow: [ann], host: a.example.com, headers: {x-team: red}}
//!   POST /webhooks/stripe: {allow: [], with: {stripe: valid}}
//! ```
//!
//! A case names exactly who gets in: every other principal of the file, and `anonymous`, must be refused, so that whoever
//! is forgotten makes the test fail. This module reads such a file against a policy; it judges nothing.

mod more;
mod principals;

use orgate_claims::{Principal, UnixTime};

use self::more::More;
use crate::{
    PolicyFile, codes,
    diagnostic::{Diagnostic, Diagnostics, Span},
    document::{self, Key, MapReader, Node, Value, closest},
};

/// The name of a caller without a credential.
pub const ANONYMOUS: &str = "anonymous";
/// Everybody, `anonymous` included.
pub const EVERYONE: &str = "everyone";

/// When the cases of a file are judged that does not say so: 2027-01-15T08:00:00Z.
pub const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

/// A file of tests that was read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CaseFile {
    /// The callers by name, in the order of the file; without [`ANONYMOUS`].
    pub principals: Vec<(String, Principal)>,
    /// The requests.
    pub cases: Vec<Case>,
    /// When they are made.
    pub now: UnixTime,
}

/// One request, and who gets in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Case {
    /// The request as written: `DELETE /orgs/acme`.
    pub request: String,
    /// Its method.
    pub method: String,
    /// Its path, with the query if there is one.
    pub path: String,
    /// Exactly who gets in; `None` stands for everybody.
    pub allow: Option<Vec<String>>,
    /// With which code some of the others are refused.
    pub deny: Vec<(String, String)>,
    /// The host that the request names.
    pub host: Option<String>,
    /// Its header fields; a name may stand there several times.
    pub headers: Vec<(String, String)>,
    /// The authenticators of which one satisfied is enough: whoever satisfies one must get in.
    pub with: Vec<String>,
    /// Where the request stands.
    pub span: Span,
    /// Where it stands who gets in.
    pub allow_span: Span,
    /// Where the codes stand.
    pub deny_span: Option<Span>,
}

impl Case {
    /// Whether the caller of this name must get in.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        self.allow.as_ref().is_none_or(|names| names.iter().any(|known| known == name))
    }

    /// The code with which the caller of this name must be refused, if the case says one.
    #[must_use]
    pub fn code_for(&self, name: &str) -> Option<&str> {
        self.deny.iter().find(|(known, _)| known == name).map(|(_, code)| code.as_str())
    }
}

/// Reads a file of tests for `policy`; `reasons` are the codes that a refusal can have.
///
/// # Errors
/// Everything that is wrong in it.
pub fn read(
    name: &str,
    bytes: &[u8],
    policy: &PolicyFile,
    reasons: &[&str],
) -> Result<CaseFile, Diagnostics> {
    let mut diagnostics = Diagnostics::new();
    let file = root(name, bytes, policy, reasons, &mut diagnostics);
    diagnostics.sort();
    match file {
        Some(file) if !diagnostics.has_errors() => Ok(file),
        _ => Err(diagnostics),
    }
}

fn root(
    name: &str,
    bytes: &[u8],
    policy: &PolicyFile,
    reasons: &[&str],
    diagnostics: &mut Diagnostics,
) -> Option<CaseFile> {
    let root = document::read(name, bytes, diagnostics)?;
    let mut map = MapReader::new(&root, "", diagnostics)?;
    let principals = map.optional("principals").node();
    let cases = map.required("cases").node();
    let now = map.optional("now").integer(0..=i64::from(u32::MAX));
    map.finish();
    let principals = principals.map(|node| principals::read(node, policy, diagnostics)).unwrap_or_default();
    // A principal that could not be read is known all the same, so that one mistake is told once.
    let names: Vec<&str> = principals.iter().map(|(name, _)| name.as_str()).chain([ANONYMOUS]).collect();
    let reader = CaseReader { names, reasons };
    let node = cases?;
    let Some(entries) = node.entries() else {
        document::wrong_kind(node, "cases", "a map from requests to who gets in", diagnostics);
        return None;
    };
    let cases: Vec<Case> =
        entries.iter().filter_map(|(key, node)| reader.case(key, node, diagnostics)).collect();
    let principals =
        principals.into_iter().filter_map(|(name, principal)| Some((name, principal?))).collect();
    let now = now.map_or(NOW, |now| UnixTime::from_seconds(now.value));
    Some(CaseFile { principals, cases, now })
}

struct CaseReader<'c> {
    names: Vec<&'c str>,
    reasons: &'c [&'c str],
}

impl CaseReader<'_> {
    fn case(&self, key: &Key, node: &Node, diagnostics: &mut Diagnostics) -> Option<Case> {
        let request = request(key, diagnostics);
        let mut more = More::default();
        let (allow, deny) = match &node.value {
            Value::Map(_) => {
                let mut map = MapReader::new(node, &key.text, diagnostics)?.at(key.span);
                let allow = map.required("allow").node();
                let deny = map.optional("deny").node();
                let host = map.optional("host").text();
                let (headers, with) = (map.optional("headers").node(), map.optional("with").node());
                map.finish();
                more = More::read(headers, with, &key.text, diagnostics);
                more.host = host.map(|host| host.value.to_owned());
                (allow, deny)
            }
            _ => (Some(node), None),
        };
        let (allow_span, deny_span) = (allow?.span, deny.map(|node| node.span));
        let deny = deny.map(|node| self.deny(node, &key.text, diagnostics)).unwrap_or_default();
        let allow = self.allow(allow?, &key.text, diagnostics)?;
        for (name, node) in &deny {
            if allow.as_ref().is_none_or(|names| names.contains(name)) {
                let finding = Diagnostic::error(
                    codes::BAD_VALUE,
                    format!("`{name}` cannot both get in and be refused"),
                );
                diagnostics.push(finding.at(node.0));
            }
        }
        let (method, path) = request?;
        let deny = deny.into_iter().map(|(name, (_, code))| (name, code)).collect();
        let More { host, headers, with } = more;
        let (request, span) = (key.text.clone(), key.span);
        Some(Case { request, method, path, allow, deny, host, headers, with, span, allow_span, deny_span })
    }

    /// Who gets in: `None` inside stands for everybody, `None` outside for a mistake.
    fn allow(&self, node: &Node, path: &str, diagnostics: &mut Diagnostics) -> Option<Option<Vec<String>>> {
        if node.text() == Some(EVERYONE) {
            return Some(None);
        }
        let names = document::Field::of(node, path, diagnostics).list()?;
        let known = names.iter().filter(|name| self.is_known(name.value, name.span, diagnostics));
        Some(Some(known.map(|name| name.value.to_owned()).collect()))
    }

    fn deny(&self, node: &Node, path: &str, diagnostics: &mut Diagnostics) -> Vec<(String, (Span, String))> {
        let Some(entries) = node.entries() else {
            document::wrong_kind(node, path, "a map from principals to codes", diagnostics);
            return Vec::new();
        };
        let mut denied = Vec::new();
        for (key, node) in entries {
            let is_known = self.is_known(&key.text, key.span, diagnostics);
            let Some(code) = document::Field::of(node, path, diagnostics).text() else { continue };
            if !self.reasons.contains(&code.value) {
                let help = match closest(code.value, self.reasons.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("the codes are: {}", self.reasons.join(", ")),
                };
                let message = format!("no request is refused with `{}`", code.value);
                diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(code.span).help(help));
            } else if is_known {
                denied.push((key.text.clone(), (key.span, code.value.to_owned())));
            }
        }
        denied
    }

    fn is_known(&self, name: &str, span: Span, diagnostics: &mut Diagnostics) -> bool {
        if self.names.contains(&name) {
            return true;
        }
        let finding = if name == EVERYONE {
            Diagnostic::error(codes::BAD_VALUE, "`everyone` stands alone, not in a list")
        } else {
            let help = match closest(name, self.names.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("describe it under `principals:`; known are: {}", self.names.join(", ")),
            };
            Diagnostic::error(codes::BAD_VALUE, format!("unknown principal `{name}`")).help(help)
        };
        diagnostics.push(finding.at(span));
        false
    }
}

/// Method and path of a case; the path is judged as it is, so that a test can show that it is refused.
fn request(key: &Key, diagnostics: &mut Diagnostics) -> Option<(String, String)> {
    let example = "write it as a request line: `GET /projects/7`";
    let finding = match key.text.split_once(' ') {
        Some((method, path)) if !path.is_empty() && !path.contains(' ') => {
            let is_method = method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
            match (is_method && !method.is_empty(), method) {
                (true, "ANY") => Diagnostic::error(codes::BAD_VALUE, "a request has one method, not `ANY`"),
                (true, _) => return Some((method.to_owned(), path.to_owned())),
                (false, _) if method.contains('|') => {
                    Diagnostic::error(codes::BAD_VALUE, "a request has one method")
                        .help("write one case for each method")
                }
                (false, _) => Diagnostic::error(codes::BAD_VALUE, format!("`{method}` is no method"))
                    .help("methods are upper-case: `GET`"),
            }
        }
        _ => Diagnostic::error(codes::BAD_VALUE, format!("`{}` is no request", key.text)).help(example),
    };
    diagnostics.push(finding.at(key.span));
    None
}

#[cfg(test)]
mod tests;
