//! The sections `token:`, `deny:` and `paths:`.

use orgate_policy::PathOptions;

use super::{
    address::{self, AddressError},
    exchange, sender, sources, texts,
};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{self, Field, MapReader, Node, Value},
    file::{DenyOptions, Disclose, RedirectOptions, TokenOptions, TokenSource},
};

/// Headers in which a token cannot travel, or that have a word of their own.
pub(super) const TAKEN_HEADERS: [&str; 8] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "host",
    "proxy-authorization",
    "sec-websocket-protocol",
    "transfer-encoding",
];

/// How the application reads paths: what its framework does, and what it is told besides; and whether they are brought into
/// their one form before; and whether it lets a header override the method.
pub(super) fn paths(node: Option<&Node>, diagnostics: &mut Diagnostics) -> (PathOptions, bool, bool) {
    let Some(mut map) = node.and_then(|node| MapReader::new(node, "paths", diagnostics)) else {
        return (PathOptions::default(), false, false);
    };
    let overrides = node.and_then(|node| node.get("profile")?.text()) == Some("rails");
    let profile = map.optional("profile").one_of(&PathOptions::PROFILES);
    let slash = map.optional("trailing_slash").one_of(&[("ignore", false), ("distinct", true)]);
    let normalize = map.optional("normalize").boolean();
    map.finish();
    let mut paths = profile.map(|profile| profile.value).unwrap_or_default();
    if let Some(slash) = slash {
        paths.distinct_slash = slash.value;
    }
    (paths, normalize.is_some_and(|normalize| normalize.value), overrides)
}

pub(super) fn token(
    node: Option<&Node>,
    env: &dyn Fn(&str) -> Option<String>,
    diagnostics: &mut Diagnostics,
) -> TokenOptions {
    let mut options = TokenOptions::default();
    let Some(mut map) = node.and_then(|node| MapReader::new(node, "token", diagnostics)) else {
        return options;
    };
    let from = map.optional("from").node();
    let several = map.optional("several").one_of(&[("refuse", false), ("first", true)]);
    let csrf = map.optional("csrf").entry();
    let exchange = map.optional("exchange").node();
    let public_url = map.optional("public_url").node();
    map.finish();
    if let Some(node) = public_url {
        options.public_urls = sender::public_urls(node, env, diagnostics);
    }
    options.exchange = exchange.and_then(|node| exchange::exchange(node, env, diagnostics));
    let exchanges = exchange.is_some();
    options.first_of_several = several.is_some_and(|several| several.value);
    if let Some(from) = from {
        options.from = sources::read(from, diagnostics);
    }
    let by_cookie = options.from.iter().any(|source| matches!(source, TokenSource::Cookie(_)));
    if let Some((key, node)) = csrf {
        options.trusted_origins = trusted_origins(node, diagnostics);
        if !by_cookie && !exchanges {
            let message = "`token.csrf` speaks of cookies, and no token is read from one";
            let finding = Diagnostic::error(codes::BAD_VALUE, message).at(key.span);
            diagnostics
                .push(finding.help("leave it away: other credentials are never sent by a browser alone"));
        }
    }
    options
}

/// The origins besides the application's own whose pages may call it with a cookie. There is no way to let all of them.
fn trusted_origins(node: &Node, diagnostics: &mut Diagnostics) -> Vec<String> {
    match &node.value {
        Value::Text(text) if text == "same-origin" => Vec::new(),
        Value::Map(_) => {
            let Some(mut map) = MapReader::new(node, "token.csrf", diagnostics) else { return Vec::new() };
            let origins = map.required("origins").node();
            map.finish();
            let Some(origins) = origins else { return Vec::new() };
            let texts = texts(origins, "token.csrf.origins", diagnostics);
            texts.iter().filter_map(|(text, node)| origin(text, node, diagnostics)).collect()
        }
        Value::Text(text) => {
            let message =
                format!("`token.csrf`: expected `same-origin` or `{{origins: […]}}`, found `{text}`");
            diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(node.span).help(
                "every page of the web can make a browser send a cookie; name the origins that may: `{origins: [https://app.example.com]}`",
            ));
            Vec::new()
        }
        _ => {
            document::wrong_kind(node, "token.csrf", "`same-origin` or `{origins: […]}`", diagnostics);
            Vec::new()
        }
    }
}

/// An origin as browsers spell it (RFC 6454 §6.2), of a page or of an extension of the browser.
fn origin(text: &str, node: &Node, diagnostics: &mut Diagnostics) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let (scheme, rest) = lower.split_once("://").unwrap_or_default();
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let is_web = matches!(scheme, "http" | "https");
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    let host = rest.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(':');
    let is_host = !rest.contains(['/', '?']) && (is_name(host) || host.starts_with('['));
    let (code, message, help) = match address::check(&lower) {
        Err(AddressError::Insecure) => (
            codes::INSECURE_URL,
            format!("pages at `{text}` are not protected by https"),
            "whoever changes them on their way could call the application",
        ),
        Ok(()) if is_web && lower.ends_with(if scheme == "https" { ":443" } else { ":80" }) => {
            (codes::BAD_VALUE, format!("browsers do not write the port of `{text}`"), "leave it away")
        }
        Ok(()) if is_web && is_host => return Some(lower),
        _ if is_scheme && !is_web && is_name(rest) => return Some(lower),
        _ => (
            codes::BAD_VALUE,
            format!("`token.csrf.origins`: `{text}` is no origin"),
            "write scheme and host, and a port if there is one: `https://app.example.com`",
        ),
    };
    diagnostics.push(Diagnostic::error(code, message).at(node.span).help(help));
    None
}

/// The name of a header in lower case (RFC 9110 §5.1), of letters, digits, `-` and `_`.
pub(super) fn header_name(node: &Node, path: &str, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = Field::of(node, path, diagnostics).text()?;
    let fits = text.value.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.value.len() <= 64
        && text.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !fits {
        let message = format!("`{path}`: `{}` is no name of a header", text.value);
        let finding = Diagnostic::error(codes::BAD_VALUE, message);
        diagnostics.push(finding.at(text.span).help("letters, digits and `-` fit, at most 64 of them"));
        return None;
    }
    Some(text.value.to_ascii_lowercase())
}

pub(super) fn deny(node: Option<&Node>, diagnostics: &mut Diagnostics) -> (DenyOptions, RedirectOptions) {
    let mut options = DenyOptions::default();
    let Some(mut map) = node.and_then(|node| MapReader::new(node, "deny", diagnostics)) else {
        return (options, RedirectOptions::default());
    };
    let disclose = map.optional("disclose").one_of(&[
        ("none", Disclose::Nothing),
        ("permission", Disclose::Permission),
        ("full", Disclose::Full),
    ]);
    let redirect = map.optional("redirect").node();
    let body = map.optional("body").one_of(&[("problem", false), ("flat", true)]);
    let unmatched = map.optional("unmatched").node();
    let hide = map.optional("hide").boolean();
    let pages = map.optional("pages").boolean();
    map.finish();
    options.pages = pages.is_some_and(|pages| pages.value);
    options.disclose = disclose.map(|disclose| disclose.value).unwrap_or_default();
    if options.disclose == Disclose::Full {
        let message = "refusals show the files and lines of the policy to everybody";
        let finding = Diagnostic::warning(codes::FULL_DISCLOSURE, message);
        let span = disclose.map(|disclose| disclose.span);
        diagnostics.push(span.map_or(finding.clone(), |span| finding.at(span)).help("for development only"));
    }
    let redirect = redirect.map(|node| self::redirect(node, diagnostics)).unwrap_or_default();
    options.flat = body.is_some_and(|body| body.value);
    options.hide = hide.is_some_and(|hide| hide.value);
    match unmatched.map(|node| (&node.value, node)) {
        None | Some((Value::Integer(403), _)) => {}
        Some((Value::Integer(404), _)) => options.unmatched_404 = true,
        Some((Value::Integer(other), node)) => {
            let message = format!("`deny.unmatched`: expected 403 or 404, found {other}");
            diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(node.span));
        }
        Some((_, node)) => document::wrong_kind(node, "deny.unmatched", "403 or 404", diagnostics),
    }
    (options, redirect)
}

fn redirect(node: &Node, diagnostics: &mut Diagnostics) -> RedirectOptions {
    let mut options = RedirectOptions::default();
    let Some(mut map) = MapReader::new(node, "deny.redirect", diagnostics) else { return options };
    let login = map.optional("login").node();
    let organizations = map.optional("organizations").node();
    map.finish();
    options.login = login.and_then(|node| page(node, "deny.redirect.login", diagnostics));
    options.organizations =
        organizations.and_then(|node| page(node, "deny.redirect.organizations", diagnostics));
    if login.or(organizations).is_none() {
        let finding = Diagnostic::error(codes::BAD_VALUE, "`deny.redirect` leads nowhere").at(node.span);
        diagnostics.push(finding.help("write `redirect: {login: https://auth.example.com/login}`"));
    }
    options
}

/// The address of a page: a URL, or a path of the application itself.
fn page(node: &Node, path: &str, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = Field::of(node, path, diagnostics).text()?.value;
    // `//host` and `/\host` lead to another host.
    let is_path = text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>^`{|}#".contains(&byte));
    let finding = match address::check(text) {
        _ if text.len() > 1024 => Diagnostic::error(codes::BAD_VALUE, format!("`{path}` is too long")),
        Ok(()) => return Some(text.to_owned()),
        Err(_) if is_path => return Some(text.to_owned()),
        Err(AddressError::Insecure) => {
            Diagnostic::error(codes::INSECURE_URL, format!("`{text}` is not protected by https"))
                .help("only loopback addresses may use http")
        }
        Err(AddressError::NotAnAddress) => {
            Diagnostic::error(codes::BAD_VALUE, format!("`{path}`: `{text}` is no address of a page"))
                .help("write an https URL without a fragment, or a path such as `/login`")
        }
    };
    diagnostics.push(finding.at(node.span));
    None
}
