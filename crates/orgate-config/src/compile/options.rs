//! The sections `token:`, `identity:` and `deny:`.

use super::{exchange, texts};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{self, Field, MapReader, Node, Value},
    file::{DenyOptions, IdentityOptions, TokenOptions, TokenSource},
};

/// Prefixes of header names that belong to HTTP itself or to whoever forwards a request.
const TAKEN_PREFIXES: [&str; 12] = [
    "accept",
    "access",
    "access-control",
    "cache",
    "content",
    "if",
    "proxy",
    "sec",
    "sec-fetch",
    "transfer",
    "x-forwarded",
    "x",
];

/// Headers in which a token cannot travel, or that have a word of their own.
pub(super) const TAKEN_HEADERS: [&str; 7] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "host",
    "proxy-authorization",
    "transfer-encoding",
];

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
    let exchange = map.optional("exchange").node();
    for key in ["csrf", "several"] {
        map.unsupported(key);
    }
    map.finish();
    options.exchange = exchange.and_then(|node| exchange::exchange(node, env, diagnostics));
    let Some(from) = from else { return options };
    let items = match &from.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(from),
    };
    let mut sources: Vec<TokenSource> = Vec::new();
    for item in items {
        let Some(source) = source(item, diagnostics) else { continue };
        if sources.contains(&source) {
            let finding = Diagnostic::error(codes::DUPLICATE, "the same place is named twice");
            diagnostics.push(finding.at(item.span).help("leave one away"));
        } else {
            sources.push(source);
        }
    }
    if items.is_empty() {
        let finding =
            Diagnostic::error(codes::BAD_VALUE, "`token.from` is empty, so no token could ever be sent");
        diagnostics.push(finding.at(from.span).help("write `from: [bearer]`, or leave it away"));
    }
    options.from = sources;
    options
}

fn source(node: &Node, diagnostics: &mut Diagnostics) -> Option<TokenSource> {
    let wanted = "`bearer`, `{header: NAME}` or `{cookie: NAME}`";
    match &node.value {
        Value::Text(text) if text == "bearer" => Some(TokenSource::Bearer),
        Value::Text(text) => {
            let message = format!("`token.from`: expected {wanted}, found `{text}`");
            diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(node.span));
            None
        }
        Value::Map(_) => {
            let mut map = MapReader::new(node, "token.from", diagnostics)?;
            map.unsupported("cookie");
            let has_cookie = map.has("cookie");
            let header = if has_cookie { map.optional("header") } else { map.required("header") }.node();
            map.finish();
            let name = header_name(header?, "token.from.header", diagnostics)?;
            if TAKEN_HEADERS.contains(&name.as_str()) {
                let finding =
                    Diagnostic::error(codes::BAD_VALUE, format!("a token cannot travel alone in `{name}`"));
                diagnostics.push(finding.at(header?.span).help("`bearer` reads `Authorization: Bearer`"));
                return None;
            }
            Some(TokenSource::Header(name))
        }
        _ => {
            document::wrong_kind(node, "token.from", wanted, diagnostics);
            None
        }
    }
}

pub(super) fn identity(node: Option<&Node>, diagnostics: &mut Diagnostics) -> IdentityOptions {
    let mut options = IdentityOptions::default();
    let Some(mut map) = node.and_then(|node| MapReader::new(node, "identity", diagnostics)) else {
        return options;
    };
    let prefix = map.optional("prefix").node();
    let also_strip = map.optional("also_strip").node();
    for key in ["sign", "forward_token", "publish"] {
        map.unsupported(key);
    }
    map.finish();
    if let Some(node) = prefix
        && let Some(name) = header_name(node, "identity.prefix", diagnostics)
    {
        // Every request header that starts with it is removed, so it must not name headers of anybody else.
        let help = if name.ends_with('-') {
            Some("write it without the last `-`")
        } else if TAKEN_PREFIXES.contains(&name.as_str()) {
            Some("other headers start with it too; choose one of its own, such as `X-Orgate`")
        } else {
            None
        };
        if let Some(help) = help {
            let written = node.text().unwrap_or_default();
            let message = format!("`identity.prefix`: `{written}` cannot be the prefix");
            diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(node.span).help(help));
        } else {
            options.prefix = node.text().unwrap_or_default().to_owned();
        }
    }
    if let Some(node) = also_strip {
        for (_, item) in texts(node, "identity.also_strip", diagnostics) {
            options.also_strip.extend(header_name(item, "identity.also_strip", diagnostics));
        }
    }
    options
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

pub(super) fn deny(node: Option<&Node>, diagnostics: &mut Diagnostics) -> DenyOptions {
    let mut options = DenyOptions::default();
    let Some(mut map) = node.and_then(|node| MapReader::new(node, "deny", diagnostics)) else {
        return options;
    };
    let body = map.optional("body").one_of(&[("problem", false), ("flat", true)]);
    let unmatched = map.optional("unmatched").node();
    let hide = map.optional("hide").boolean();
    for key in ["disclose", "redirect"] {
        map.unsupported(key);
    }
    map.finish();
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
    options
}
