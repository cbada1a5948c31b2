//! What a case says of its request besides method and path.

use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{self, Node, Value},
};

/// What a case says of its request besides method and path.
#[derive(Default)]
pub(super) struct More {
    pub(super) host: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) with: Vec<String>,
}

impl More {
    pub(super) fn read(
        headers: Option<&Node>,
        with: Option<&Node>,
        path: &str,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        Self {
            host: None,
            headers: headers.map(|node| self::headers(node, path, diagnostics)).unwrap_or_default(),
            with: with.map(|node| self::with(node, path, diagnostics)).unwrap_or_default(),
        }
    }
}

/// `headers: {x-org-id: acme, x-many: [a, b]}`.
fn headers(node: &Node, path: &str, diagnostics: &mut Diagnostics) -> Vec<(String, String)> {
    let Some(entries) = node.entries() else {
        document::wrong_kind(node, path, "a map from names to values", diagnostics);
        return Vec::new();
    };
    let mut headers = Vec::new();
    for (key, node) in entries {
        let is_name = !key.text.is_empty()
            && key
                .text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.!#$%&'*+^`|~".contains(&byte));
        if !is_name {
            let message = format!("`{}` is no name of a header", key.text);
            diagnostics.push(Diagnostic::error(codes::BAD_NAME, message).at(key.span));
        }
        let values = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        for value in values {
            match value.text() {
                Some(text) => headers.push((key.text.to_ascii_lowercase(), text.to_owned())),
                None => document::wrong_kind(value, path, "a text, or a list of texts", diagnostics),
            }
        }
    }
    headers
}

/// `with: {stripe: valid}`.
fn with(node: &Node, path: &str, diagnostics: &mut Diagnostics) -> Vec<String> {
    let Some(entries) = node.entries() else {
        document::wrong_kind(node, path, "a map from authenticators to `valid`", diagnostics);
        return Vec::new();
    };
    for (_, node) in entries.iter().filter(|(_, node)| node.text() != Some("valid")) {
        let finding = Diagnostic::error(codes::BAD_VALUE, "whoever satisfies an authenticator is `valid`");
        diagnostics.push(finding.at(node.span).help("everybody else is judged without it in any case"));
    }
    entries.iter().map(|(key, _)| key.text.clone()).collect()
}
