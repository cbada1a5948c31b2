//! The section `cors:`: who answers a browser that asks before it sends (Fetch, "CORS-preflight request").

use super::{environment, texts};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{self, MapReader, Node, Value},
};

/// What becomes of a CORS preflight. Exhaustive on purpose: a gate must know all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Preflight {
    /// It is an OPTIONS request like any other.
    #[default]
    Deny,
    /// It is forwarded without a credential, if a rule covers the path and the method it asks for.
    Pass,
    /// It is answered by the gate, if a rule covers the path and the method it asks for.
    Answer(CorsAnswer),
}

/// What the gate answers to preflights.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CorsAnswer {
    /// The origins that may ask, exactly as browsers write them; `None`: all of them.
    pub origins: Option<Vec<String>>,
    /// The request headers that they may send, in lower case.
    pub headers: Vec<String>,
    /// The methods that they may use; `None`: whichever a rule covers.
    pub methods: Option<Vec<String>>,
    /// Whether cookies may be sent.
    pub credentials: bool,
    /// How long a browser may remember the answer, in seconds.
    pub max_age: Option<u32>,
}

pub(super) fn read(
    node: Option<&Node>,
    env: &dyn Fn(&str) -> Option<String>,
    diagnostics: &mut Diagnostics,
) -> Preflight {
    let Some(mut map) = node.and_then(|node| MapReader::new(node, "cors", diagnostics)) else {
        return Preflight::Deny;
    };
    let preflight = map.required("preflight").node();
    map.finish();
    let Some(node) = preflight else { return Preflight::Deny };
    let wanted = "`deny`, `pass` or `{answer: {…}}`";
    match &node.value {
        Value::Text(text) if text == "deny" => Preflight::Deny,
        Value::Text(text) if text == "pass" => Preflight::Pass,
        Value::Text(text) => {
            let message = format!("`cors.preflight`: expected {wanted}, found `{text}`");
            diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(node.span));
            Preflight::Deny
        }
        Value::Map(_) => {
            let Some(mut map) = MapReader::new(node, "cors.preflight", diagnostics) else {
                return Preflight::Deny;
            };
            let inner = map.required("answer").node();
            map.finish();
            inner.and_then(|node| answer(node, env, diagnostics)).map_or(Preflight::Deny, Preflight::Answer)
        }
        _ => {
            document::wrong_kind(node, "cors.preflight", wanted, diagnostics);
            Preflight::Deny
        }
    }
}

fn answer(
    node: &Node,
    env: &dyn Fn(&str) -> Option<String>,
    diagnostics: &mut Diagnostics,
) -> Option<CorsAnswer> {
    const PATH: &str = "cors.preflight.answer";
    let mut map = MapReader::new(node, PATH, diagnostics)?;
    let origins_node = map.required("origins").node();
    let headers = map.optional("headers").node();
    let methods = map.optional("methods").node();
    let credentials = map.optional("credentials").boolean();
    let max_age = map.optional("max_age").duration(0..=24 * 60 * 60);
    map.finish();
    let credentials = credentials.is_some_and(|credentials| credentials.value);
    let origins = origins(origins_node?, env, diagnostics)?;
    if origins.is_none() && credentials {
        let message = "every origin could act with the cookies of its visitors";
        let finding = Diagnostic::error(codes::BAD_VALUE, message).at(origins_node?.span);
        diagnostics.push(finding.help("name the origins, or leave `credentials` away"));
    }
    let headers = headers
        .map(|node| names(node, &format!("{PATH}.headers"), "header", diagnostics))
        .unwrap_or_default()
        .iter()
        .map(|name| name.to_ascii_lowercase())
        .collect();
    let methods = methods.map(|node| {
        let path = format!("{PATH}.methods");
        let names = names(node, &path, "method", diagnostics);
        if names.iter().any(|name| name.bytes().any(|byte| byte.is_ascii_lowercase())) {
            let finding = Diagnostic::error(codes::BAD_VALUE, format!("`{path}`: methods have upper case"));
            diagnostics.push(finding.at(node.span));
        }
        names
    });
    let max_age = max_age.and_then(|max_age| u32::try_from(max_age.value.as_secs()).ok());
    Some(CorsAnswer { origins, headers, methods, credentials, max_age })
}

/// The origins; the inner `None` stands for all of them.
#[allow(clippy::option_option, reason = "unreadable, any, or these")]
fn origins(
    node: &Node,
    env: &dyn Fn(&str) -> Option<String>,
    diagnostics: &mut Diagnostics,
) -> Option<Option<Vec<String>>> {
    const PATH: &str = "cors.preflight.answer.origins";
    let items = texts(node, PATH, diagnostics);
    if let [("*", _)] = items.as_slice() {
        return Some(None);
    }
    let mut origins = Vec::new();
    for (text, item) in items {
        let Some(text) = environment::expand(item, text, env, diagnostics) else { continue };
        let help = match text.value.as_str() {
            "*" => "`*` stands alone: write `origins: [\"*\"]`",
            "null" => "`null` is what any page in a sandbox calls itself",
            origin if !is_origin(origin) => {
                "write it as browsers do: `https://app.example.com`, in lower case, without a path, and with a port only if it is not the usual one"
            }
            _ => {
                origins.push(text.value);
                continue;
            }
        };
        let finding = Diagnostic::error(codes::BAD_VALUE, format!("`{PATH}`: `{}` is no origin", text.value));
        diagnostics.push(finding.at(item.span).help(help));
    }
    if origins.is_empty() {
        if node.value == Value::List(Vec::new()) {
            let finding = Diagnostic::error(codes::BAD_VALUE, format!("`{PATH}` is empty"));
            diagnostics.push(finding.at(node.span).help("name an origin, or write `preflight: deny`"));
        }
        return None;
    }
    Some(Some(origins))
}

/// An origin as it is serialized (RFC 6454 §6.2): compared byte by byte, anything else would never match.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let scheme_fits = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.')
        });
    let fits = |byte: u8| {
        byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']')
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port_fits = port.is_none_or(|port| {
        let digits = !port.starts_with('0') && port.bytes().all(|byte| byte.is_ascii_digit());
        let usual = matches!((scheme, port), ("https", "443") | ("http", "80"));
        digits && !usual && port.parse::<u16>().is_ok()
    });
    let host_fits = !host.is_empty() && (host.starts_with('[') == host.ends_with(']')) && {
        host.starts_with('[') || !host.contains([':', '[', ']'])
    };
    scheme_fits && host_fits && port_fits && authority.bytes().all(fits)
}

/// Names in the sense of HTTP tokens (RFC 9110 §5.6.2). `*` is one of them and means nothing with credentials, so it is
/// refused.
fn names(node: &Node, path: &str, noun: &str, diagnostics: &mut Diagnostics) -> Vec<String> {
    let mut names = Vec::new();
    for (text, item) in texts(node, path, diagnostics) {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte);
        if !text.is_empty() && text.len() <= 64 && text.bytes().all(is_token) {
            names.push(text.to_owned());
        } else {
            let message = format!("`{path}`: `{text}` is no name of a {noun}");
            diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(item.span));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_browser_would_send_is_an_origin() {
        for text in [
            "https://app.example.com",
            "http://localhost:3000",
            "https://[::1]:8443",
            "http://[::1]",
            "chrome-extension://aaaabbbbccccddddeeeeffffgggghhhh",
            "capacitor://localhost",
        ] {
            assert!(is_origin(text), "{text}");
        }
        for text in [
            "",
            "null",
            "*",
            "app.example.com",
            "https://",
            "https://app.example.com/",
            "https://App.example.com",
            "HTTPS://app.example.com",
            "https://*.example.com",
            "https://app.example.com:443",
            "http://app.example.com:80",
            "https://app.example.com:",
            "https://app.example.com:08",
            "https://app.example.com:99999",
            "https://user@app.example.com",
            "https://app.example.com?x",
            "https://a b",
            "https://[::1",
            "https://a]",
            "https://a:b:1",
        ] {
            assert!(!is_origin(text), "{text}");
        }
    }
}
