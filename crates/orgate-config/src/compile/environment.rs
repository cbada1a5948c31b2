//! `${NAME}` and `${NAME:-default}`: where they may stand and what they become.
//!
//! Only issuer URLs, audiences and key locations differ between one deployment and the next. Everywhere else a variable
//! would hide the policy from its reviewers, so it is an error there, even in a description.

use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{Node, Spanned, Value},
};

/// Replaces the variables of a text. What goes wrong is reported, and the answer is `None`.
pub(super) fn expand(
    node: &Node,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    diagnostics: &mut Diagnostics,
) -> Option<Spanned<String>> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, variable)) = rest.split_once("${") {
        out.push_str(before);
        let at = text.len() - variable.len() - 2;
        let Some((inside, behind)) = variable.split_once('}') else {
            let finding = Diagnostic::error(codes::BAD_VALUE, "`${` is opened and never closed");
            diagnostics
                .push(finding.at(node.span_within(at, 2)).help("write `${NAME}` or `${NAME:-default}`"));
            return None;
        };
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let span = node.span_within(at, inside.len() + 3);
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            let message = format!("`{name}` is no name of an environment variable");
            let finding = Diagnostic::error(codes::BAD_VALUE, message);
            diagnostics.push(finding.at(span).help("write `${NAME}` or `${NAME:-default}`"));
            return None;
        }
        match env(name).filter(|value| !value.is_empty()).or(default.map(str::to_owned)) {
            Some(value) => out.push_str(&value),
            None => {
                let message = format!("the environment variable `{name}` is not set");
                let help = format!("set it, or write a default: `${{{name}:-…}}`");
                diagnostics.push(Diagnostic::error(codes::UNSET_VARIABLE, message).at(span).help(help));
                return None;
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    Some(Spanned { value: out, span: node.span })
}

/// Whether a text has a variable, or the start of one.
pub(super) fn has_variable(text: &str) -> bool {
    // Most texts have no `$` at all, which is soon known.
    text.bytes().any(|byte| byte == b'$') && text.contains("${")
}

/// Reports every variable that stands where none may.
pub(super) fn check_places(root: &Node, diagnostics: &mut Diagnostics) {
    walk(root, &mut Vec::new(), diagnostics);
}

fn may_hold_variables(path: &[&str]) -> bool {
    matches!(
        path,
        ["issuers", _, "issuer" | "audience"]
            | ["issuers", _, "keys", "jwks_uri" | "file"]
            | ["issuers", _, "introspect", "url" | "client_id"]
            | ["token", "exchange", "url"]
            | ["token", "public_url"]
            | ["identity", "sign", "issuer" | "audience"]
            | ["resource", "url" | "documentation"]
            | ["cors", "preflight", "answer", "origins"]
    )
}

/// Maps in which a key is a name that the file chooses; elsewhere one that starts with `x-` belongs to another tool.
fn holds_names(path: &[&str]) -> bool {
    matches!(
        path,
        ["permissions" | "roles" | "issuers" | "bind" | "conditions" | "rules" | "authenticators"]
            | ["issuers", _, "claims"]
    )
}

/// The depth of a tree is bounded by [`MAX_DEPTH`](crate::document::MAX_DEPTH).
fn walk<'n>(node: &'n Node, path: &mut Vec<&'n str>, diagnostics: &mut Diagnostics) {
    if diagnostics.is_enough() {
        return;
    }
    match &node.value {
        Value::Text(text) if has_variable(text) && !may_hold_variables(path) => {
            if let Some(at) = text.find("${") {
                let len = text.get(at..).and_then(|rest| rest.find('}')).map_or(2, |end| end + 1);
                diagnostics.push(refused().at(node.span_within(at, len)));
            }
        }
        Value::List(items) => items.iter().for_each(|item| walk(item, path, diagnostics)),
        Value::Map(entries) => {
            let all = holds_names(path);
            for (key, value) in entries.iter().filter(|(key, _)| all || !key.text.starts_with("x-")) {
                if let Some(at) =
                    Some(&key.text).filter(|text| has_variable(text)).and_then(|text| text.find("${"))
                {
                    diagnostics.push(refused().at(key.span_within(at, 2)));
                }
                path.push(&key.text);
                walk(value, path, diagnostics);
                path.pop();
            }
        }
        _ => {}
    }
}

fn refused() -> Diagnostic {
    Diagnostic::error(codes::INTERPOLATION, "environment variables cannot be used here")
        .help("only issuer URLs, audiences and key locations may depend on the environment")
}
