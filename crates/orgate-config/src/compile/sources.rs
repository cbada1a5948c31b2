//! `token.from:` where a request may carry its token.

use super::options::{TAKEN_HEADERS, header_name};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{self, Field, MapReader, Node, Value},
    file::TokenSource,
};

pub(super) fn read(from: &Node, diagnostics: &mut Diagnostics) -> Vec<TokenSource> {
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
    sources
}

const PLACES: &str =
    "`bearer`, `{header: NAME}`, `{cookie: NAME}`, `{query: NAME}` or `{websocket_protocol: MARKER}`";

fn source(node: &Node, diagnostics: &mut Diagnostics) -> Option<TokenSource> {
    match &node.value {
        Value::Text(text) if text == "bearer" => Some(TokenSource::Bearer),
        Value::Text(text) => {
            let message = format!("`token.from`: expected {PLACES}, found `{text}`");
            diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(node.span));
            None
        }
        Value::Map(_) => place(node, diagnostics),
        _ => {
            document::wrong_kind(node, "token.from", PLACES, diagnostics);
            None
        }
    }
}

fn place(node: &Node, diagnostics: &mut Diagnostics) -> Option<TokenSource> {
    let mut map = MapReader::new(node, "token.from", diagnostics)?;
    let cookie = map.optional("cookie").node();
    let query = map.optional("query").node();
    let websocket = map.optional("websocket_protocol").node();
    let is_other = cookie.or(query).or(websocket).is_some();
    let header = if is_other { map.optional("header") } else { map.required("header") }.node();
    map.finish();
    if [cookie, query, websocket, header].iter().flatten().count() > 1 {
        let message = "a place is one header, cookie, parameter or marker";
        let finding = Diagnostic::error(codes::BAD_VALUE, message).at(node.span);
        diagnostics.push(finding.help("write both as places of their own"));
        return None;
    }
    if let Some(cookie) = cookie {
        return name(cookie, "cookie", "a cookie", diagnostics).map(TokenSource::Cookie);
    }
    if let Some(query) = query {
        return parameter(query, diagnostics).map(TokenSource::Query);
    }
    if let Some(marker) = websocket {
        let marker = name(marker, "websocket_protocol", "a subprotocol", diagnostics)?;
        return Some(TokenSource::WebSocketProtocol(marker));
    }
    let name = header_name(header?, "token.from.header", diagnostics)?;
    if TAKEN_HEADERS.contains(&name.as_str()) {
        let finding = Diagnostic::error(codes::BAD_VALUE, format!("a token cannot travel alone in `{name}`"));
        diagnostics.push(finding.at(header?.span).help(match &*name {
            "sec-websocket-protocol" => "`{websocket_protocol: MARKER}` reads the member behind a marker",
            _ => "`bearer` reads `Authorization: Bearer`",
        }));
        return None;
    }
    Some(TokenSource::Header(name))
}

/// The name of a cookie or of a subprotocol, exactly as it is spelt (RFC 6265 §4.1.1, RFC 6455 §4.1).
fn name(node: &Node, key: &str, what: &str, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = Field::of(node, &format!("token.from.{key}"), diagnostics).text()?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.value.is_empty() || text.value.len() > 128 || !text.value.bytes().all(is_token) {
        let message = format!("`token.from.{key}`: `{}` is no name of {what}", text.value);
        let finding = Diagnostic::error(codes::BAD_VALUE, message).at(text.span);
        diagnostics.push(finding.help("letters, digits, `-`, `_` and `.` fit, at most 128 of them"));
        return None;
    }
    Some(text.value.to_owned())
}

/// The name of a parameter, of what nobody encodes and every application reads alike.
fn parameter(node: &Node, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = Field::of(node, "token.from.query", diagnostics).text()?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if text.value.is_empty() || text.value.len() > 64 || !text.value.bytes().all(fits) {
        let message = format!("`token.from.query`: `{}` is no name of a parameter", text.value);
        let finding = Diagnostic::error(codes::BAD_VALUE, message).at(text.span);
        diagnostics.push(finding.help("letters, digits, `-` and `_` fit, at most 64 of them"));
        return None;
    }
    let finding =
        Diagnostic::warning(codes::TOKEN_IN_QUERY, "tokens in addresses are written down on their way");
    diagnostics
        .push(finding.at(text.span).help("use a header, or `{websocket_protocol: MARKER}` for a WebSocket"));
    Some(text.value.to_owned())
}
