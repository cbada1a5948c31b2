//! The section `principals:` of a file of tests.

use orgate_claims::Principal;

use super::{ANONYMOUS, EVERYONE};
use crate::{
    PolicyFile,
    caller::{self, Caller},
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{self, Key, MapReader, Node, Spanned, Value, closest},
};

/// The principals by name; `None` where one could not be read.
pub(super) fn read(
    node: &Node,
    policy: &PolicyFile,
    diagnostics: &mut Diagnostics,
) -> Vec<(String, Option<Principal>)> {
    let Some(entries) = node.entries() else {
        document::wrong_kind(node, "principals", "a map from names to callers", diagnostics);
        return Vec::new();
    };
    entries.iter().map(|(key, node)| (key.text.clone(), principal(key, node, policy, diagnostics))).collect()
}

fn principal(
    key: &Key,
    node: &Node,
    policy: &PolicyFile,
    diagnostics: &mut Diagnostics,
) -> Option<Principal> {
    if [ANONYMOUS, EVERYONE].contains(&key.text.as_str()) {
        let message = format!("`{}` has a meaning of its own and cannot be described", key.text);
        diagnostics.push(Diagnostic::error(codes::BAD_NAME, message).at(key.span));
        return None;
    }
    let path = format!("principals.{}", key.text);
    let mut map = MapReader::new(node, &path, diagnostics)?;
    let sub = map.optional("sub").text();
    let one = map.optional("role").list();
    let several = map.optional("roles").list();
    let permissions = map.optional("permissions").list();
    let org = map.optional("org").node();
    let issuer = map.optional("issuer").text();
    let claims = map.optional("claims").node();
    let described = ["sub", "role", "roles", "permissions", "org"].into_iter().find(|key| map.has(key));
    map.finish();

    let conflict = match (claims, described, issuer) {
        (Some(_), Some(other), _) => Some(format!("`{other}` and `claims` cannot both say who it is")),
        (None, _, Some(_)) => Some("`issuer` has a meaning only beside `claims`".to_owned()),
        _ if one.is_some() && several.is_some() => Some("write `role` or `roles`, not both".to_owned()),
        _ => None,
    };
    if let Some(message) = conflict {
        diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(key.span));
        return None;
    }
    let read = match claims {
        Some(claims) => {
            let iss = claims.get("iss").and_then(Node::text);
            caller::from_claims(policy, &json(&claims.value), iss, issuer.map(|issuer| issuer.value))
        }
        None => {
            let roles = one.or(several).unwrap_or_default();
            check(&roles, codes::ROLE, "role", policy.policy.roles(), diagnostics);
            let named = permissions.as_deref().unwrap_or_default();
            check(named, codes::PERMISSION, "permission", policy.policy.permissions(), diagnostics);
            let (org_id, org_slug) = organization(org, &path, diagnostics);
            let owned = |names: Vec<Spanned<&str>>| names.iter().map(|name| name.value.to_owned()).collect();
            let caller = Caller {
                sub: Some(sub.map_or(key.text.as_str(), |sub| sub.value).to_owned()),
                org_id,
                org_slug,
                roles: owned(roles),
                permissions: permissions.map(owned),
                claims: Vec::new(),
            };
            caller.principal(policy)
        }
    };
    read.map_err(|problem| {
        let (message, help) = match problem.split_once("\nhelp: ") {
            Some((message, help)) => (message.to_owned(), Some(help.to_owned())),
            None => (problem, None),
        };
        let place = issuer.map(|issuer| issuer.span).filter(|_| help.is_some());
        let finding = Diagnostic::error(codes::BAD_VALUE, message).maybe_help(help);
        diagnostics.push(finding.at(place.unwrap_or(key.span)));
    })
    .ok()
}

/// A name that no rule knows is a slip of the pen here: the test would show nothing.
fn check<'k>(
    names: &[Spanned<&str>],
    code: &'static str,
    noun: &str,
    known: impl Iterator<Item = &'k str>,
    diagnostics: &mut Diagnostics,
) {
    let known: Vec<&str> = known.collect();
    for name in names.iter().filter(|name| !known.contains(&name.value)) {
        let help = match closest(name.value, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the policy knows: {}", known.join(", ")),
        };
        let finding = Diagnostic::error(code, format!("unknown {noun} `{}`", name.value));
        diagnostics.push(finding.at(name.span).help(help));
    }
}

/// `org: acme` is id and slug at once; the long form tells them apart.
fn organization(
    node: Option<&Node>,
    path: &str,
    diagnostics: &mut Diagnostics,
) -> (Option<String>, Option<String>) {
    let Some(node) = node else { return (None, None) };
    match &node.value {
        Value::Text(text) => (Some(text.clone()), Some(text.clone())),
        Value::Map(_) => {
            let path = format!("{path}.org");
            let Some(mut map) = MapReader::new(node, &path, diagnostics) else { return (None, None) };
            let id = map.required("id").text().map(|id| id.value.to_owned());
            let slug = map.optional("slug").text().map(|slug| slug.value.to_owned());
            map.finish();
            let slug = slug.filter(|_| id.is_some());
            (id, slug)
        }
        _ => {
            document::wrong_kind(node, &format!("{path}.org"), "a text or a map", diagnostics);
            (None, None)
        }
    }
}

/// A value as JSON (RFC 8259); what was refused has been reported, and reads as nothing.
fn json(value: &Value) -> String {
    match value {
        Value::Null | Value::Refused => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(text) => quoted(text),
        Value::List(items) => {
            format!("[{}]", items.iter().map(|item| json(&item.value)).collect::<Vec<_>>().join(","))
        }
        Value::Map(entries) => {
            let entries =
                entries.iter().map(|(key, node)| format!("{}:{}", quoted(&key.text), json(&node.value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}
