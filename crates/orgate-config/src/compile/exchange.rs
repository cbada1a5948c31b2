//! What a gate asks of others about one caller: `introspect:` of an issuer, and `token.exchange:`.

use std::{path::Path, time::Duration};

use orgate_policy::{PolicySpec, requirement::Kind};
use orgate_verify::ClaimRef;

use super::{
    address::{self, AddressError},
    environment,
    issuers::Issuers,
    secrets::{self, SecretSource},
};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics, FileId, Span},
    document::{self, Field, MapReader, Node, Spanned, Value},
};

/// Where an issuer says whether a token still stands (RFC 7662).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntrospectSpec {
    /// The endpoint.
    pub url: String,
    /// By which name the gate is known there.
    pub client_id: String,
    /// Where its secret is.
    pub secret: SecretSource,
    /// How long its word that a token stands is used again; by default it is not.
    pub cache: Duration,
    /// Which opaque tokens are its own, if any are.
    pub opaque: Option<OpaqueSpec>,
}

/// Opaque tokens and API keys, of which the issuer is asked what they say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpaqueSpec {
    /// What they begin with; empty where all are its own that are of no other issuer.
    pub prefixes: Vec<String>,
    /// How long an answer is used again.
    pub cache: Duration,
}

/// Where an opaque session cookie is exchanged for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeSpec {
    /// The name of the cookie.
    pub cookie: String,
    /// The endpoint.
    pub url: String,
    /// Which member of its answer is the token.
    pub field: ClaimRef,
    /// The query parameter that tells the server which organization a rule binds, if it is told.
    pub org: Option<String>,
    /// How long an answer is used again.
    pub cache: Duration,
}

/// How long answers are used again if nothing is said.
const CACHE: Duration = Duration::from_secs(30);

pub(super) fn introspect(
    node: &Node,
    path: &str,
    directory: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    prefixes: &mut Vec<Spanned<String>>,
    diagnostics: &mut Diagnostics,
) -> Option<IntrospectSpec> {
    let path = format!("{path}.introspect");
    let mut map = MapReader::new(node, &path, diagnostics)?;
    let url = map.required("url").node();
    let client_id = map.required("client_id").node();
    let secret = map.required("secret").node();
    let cache = map.optional("cache").duration(0..=300);
    let opaque = map.optional("opaque").node();
    map.finish();
    let lasts = cache.map_or(CACHE, |cache| cache.value);
    let opaque = opaque.and_then(|node| self::opaque(node, &path, lasts, prefixes, diagnostics));
    let url = url.and_then(|node| address(node, &format!("{path}.url"), env, diagnostics));
    let client_id = client_id.and_then(|node| {
        let text = Field::of(node, &format!("{path}.client_id"), diagnostics).text()?;
        environment::expand(node, text.value, env, diagnostics)
    });
    let secret =
        secret.and_then(|node| secrets::source(node, &format!("{path}.secret"), directory, diagnostics));
    let client_id = client_id?;
    if client_id.value.is_empty() || client_id.value.chars().any(char::is_control) {
        let finding =
            Diagnostic::error(codes::BAD_VALUE, format!("`{path}.client_id` is no name of a client"));
        diagnostics.push(finding.at(client_id.span));
        return None;
    }
    let cache = cache.map_or(Duration::ZERO, |cache| cache.value);
    Some(IntrospectSpec { url: url?, client_id: client_id.value, secret: secret?, cache, opaque })
}

/// `true`, or `{prefix: sk_}`.
fn opaque(
    node: &Node,
    path: &str,
    cache: Duration,
    taken: &mut Vec<Spanned<String>>,
    diagnostics: &mut Diagnostics,
) -> Option<OpaqueSpec> {
    let path = format!("{path}.opaque");
    let mut prefixes = Vec::new();
    match &node.value {
        Value::Bool(false) => return None,
        Value::Bool(true) => taken.push(Spanned { value: String::new(), span: node.span }),
        Value::Map(_) => {
            let mut map = MapReader::new(node, &path, diagnostics)?;
            let written = map.required("prefix").list();
            map.finish();
            for Spanned { value, span } in written.unwrap_or_default() {
                // No dot, so that nothing with the parts of a JWT can be meant.
                let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~+/".contains(&byte);
                if !(2..=64).contains(&value.len()) || !value.bytes().all(fits) {
                    let message = format!("`{path}.prefix`: `{value}` is nothing that a token begins with");
                    let finding = Diagnostic::error(codes::BAD_VALUE, message).at(span);
                    diagnostics
                        .push(finding.help("letters, digits, `-` and `_` fit, 2 to 64 of them: `sk_`"));
                    return None;
                }
                taken.push(Spanned { value: value.to_owned(), span });
                prefixes.push(value.to_owned());
            }
            if prefixes.is_empty() {
                return None;
            }
        }
        _ => {
            document::wrong_kind(node, &path, "`true` or `{prefix: sk_}`", diagnostics);
            return None;
        }
    }
    Some(OpaqueSpec { prefixes, cache })
}

/// Reports opaque tokens that could be of two issuers: nobody must be shown the token of another.
pub(super) fn check_prefixes(prefixes: &[Spanned<String>], diagnostics: &mut Diagnostics) {
    for (position, Spanned { value: second, span }) in prefixes.iter().enumerate() {
        let before = prefixes.iter().take(position);
        let clash = |first: &&Spanned<String>| match (first.value.as_str(), second.as_str()) {
            ("", "") => true,
            ("", _) | (_, "") => false,
            (first, second) => first.starts_with(second) || second.starts_with(first),
        };
        if let Some(first) = before.into_iter().find(clash) {
            let message = match second.as_str() {
                "" => "two issuers are asked about all opaque tokens".to_owned(),
                second if second == first.value => {
                    format!("tokens that begin with `{second}` are named twice")
                }
                second => format!("tokens that begin with `{second}` and `{}` could be of both", first.value),
            };
            let finding = Diagnostic::error(codes::AMBIGUOUS_OPAQUE, message).at(*span);
            let help = "say what the tokens of each begin with: `opaque: {prefix: sk_}`";
            diagnostics.push(finding.related(first.span, "").help(help));
        }
    }
}

pub(super) fn exchange(
    node: &Node,
    env: &dyn Fn(&str) -> Option<String>,
    diagnostics: &mut Diagnostics,
) -> Option<ExchangeSpec> {
    const PATH: &str = "token.exchange";
    let mut map = MapReader::new(node, PATH, diagnostics)?;
    let cookie = map.required("cookie").text();
    let url = map.required("url").node();
    let field = map.required("field").text();
    let org = map.optional("org").text();
    let cache = map.optional("cache").duration(0..=300);
    map.finish();
    let url = url.and_then(|node| address(node, &format!("{PATH}.url"), env, diagnostics));
    let field = field.and_then(|text| {
        ClaimRef::parse(text.value)
            .map_err(|error| {
                let message = format!("`{PATH}.field`: {error}");
                diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(text.span));
            })
            .ok()
    });
    let cookie = cookie.filter(|name| {
        // RFC 6265 §4.1.1: a token of RFC 9110 §5.6.2.
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let fits = !name.value.is_empty() && name.value.len() <= 128 && name.value.bytes().all(is_token);
        if !fits {
            let message = format!("`{PATH}.cookie`: `{}` is no name of a cookie", name.value);
            diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(name.span));
        }
        fits
    });
    let unfit = |name: &Spanned<&str>| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        name.value.is_empty() || name.value.len() > 64 || !name.value.bytes().all(is_plain)
    };
    if let Some(name) = org.as_ref().filter(|name| unfit(name)) {
        let message = format!("`{PATH}.org`: `{}` is no name of a query parameter", name.value);
        let finding = Diagnostic::error(codes::BAD_VALUE, message).at(name.span);
        diagnostics.push(finding.help("letters, digits and `-._~` fit: `org: org_id`"));
        return None;
    }
    Some(ExchangeSpec {
        org: org.map(|name| name.value.to_owned()),
        cookie: cookie?.value.to_owned(),
        url: url?,
        field: field?,
        cache: cache.map_or(CACHE, |cache| cache.value),
    })
}

/// Reports rules that want the caller's rights as they are now where an issuer cannot be asked for them.
pub(super) fn check_live(spec: &PolicySpec, issuers: &Issuers, diagnostics: &mut Diagnostics) {
    let silent: Vec<&str> = issuers
        .issuers
        .iter()
        .filter(|issuer| issuer.introspect.is_none())
        .map(|issuer| issuer.name.as_str())
        .collect();
    for rule in spec.rules.iter().filter(|rule| rule.live) {
        let (what, help) = match (rule.requirement.kind(), rule.requirement.authenticator(), silent.first()) {
            (Kind::Public | Kind::Deny, ..) => {
                ("this rule looks at no token".to_owned(), "leave `fresh: live` away".to_owned())
            }
            (_, Some(name), _) => (
                format!("what `{}` proves is no token of an issuer", name.name),
                "leave `fresh: live` away; a key is withdrawn by taking it out of the policy".to_owned(),
            ),
            (_, None, Some(first)) => {
                (format!("`{first}` cannot be asked"), format!("write `introspect:` under `issuers.{first}`"))
            }
            (_, None, None) => continue,
        };
        let message = format!("`fresh: live` asks the issuer for each request, and {what}");
        let place = rule.place;
        let finding = Diagnostic::error(codes::LIVE_WITHOUT_INTROSPECTION, message);
        let finding = finding.at(Span::point(FileId(place.file), place.line, place.column));
        diagnostics.push(finding.help(help));
    }
}

/// An address that a secret may be sent to: https, or this machine.
fn address(
    node: &Node,
    path: &str,
    env: &dyn Fn(&str) -> Option<String>,
    diagnostics: &mut Diagnostics,
) -> Option<String> {
    let text = Field::of(node, path, diagnostics).text()?;
    let Spanned { value, span } = environment::expand(node, text.value, env, diagnostics)?;
    let finding = match address::check(&value) {
        Ok(()) => return Some(value),
        Err(AddressError::Insecure) => {
            let help = "write it with `https://`; only loopback addresses may use http";
            Diagnostic::error(codes::INSECURE_URL, format!("`{value}` is not protected by https")).help(help)
        }
        Err(AddressError::NotAnAddress) => {
            Diagnostic::error(codes::BAD_VALUE, format!("`{path}`: `{value}` is no https URL"))
        }
    };
    diagnostics.push(finding.at(span));
    None
}
