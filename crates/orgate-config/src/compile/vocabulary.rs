//! The sections `permissions:` and `roles:`: the names that rules may use.

use orgate_claims::{Permission, RoleName};
use orgate_policy::{Place, RoleSpec, requirement::is_reserved};

use super::texts;
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics, Span},
    document::{self, Key, MapReader, Node, Value},
};

/// Where something stands, as the policy keeps it.
pub(super) fn place(span: Span) -> Place {
    Place { file: span.file.0, line: span.line, column: span.column }
}

/// The names under `permissions:`: a map from names to descriptions, or a list.
pub(super) fn permissions(node: Option<&Node>, diagnostics: &mut Diagnostics) -> Vec<Permission> {
    let mut permissions = Vec::new();
    match node.map(|node| (&node.value, node)) {
        None => {}
        Some((Value::Map(entries), _)) => {
            for (key, description) in entries {
                if diagnostics.is_enough() {
                    break;
                }
                permissions.extend(permission(&key.text, key.span, diagnostics));
                if !matches!(description.value, Value::Text(_) | Value::Null) {
                    let path = format!("permissions.{}", key.text);
                    document::wrong_kind(description, &path, "a description, as a text", diagnostics);
                }
            }
        }
        Some((Value::List(_), node)) => {
            for (name, item) in texts(node, "permissions", diagnostics) {
                if diagnostics.is_enough() {
                    break;
                }
                permissions.extend(permission(name, item.span, diagnostics));
            }
        }
        Some((_, node)) => {
            document::wrong_kind(
                node,
                "permissions",
                "a map from names to descriptions, or a list",
                diagnostics,
            );
        }
    }
    permissions
}

fn permission(name: &str, span: Span, diagnostics: &mut Diagnostics) -> Option<Permission> {
    let message = match Permission::parse(name) {
        Ok(_) if is_reserved(name) => {
            format!("`{name}` cannot be a permission, because it means something else in a requirement")
        }
        Ok(permission) => return Some(permission),
        Err(error) => format!("`{name}` is no permission: {error}"),
    };
    diagnostics.push(Diagnostic::error(codes::BAD_NAME, message).at(span));
    None
}

/// The roles under `roles:`, with what they grant.
pub(super) fn roles(entry: Option<(&Key, &Node)>, diagnostics: &mut Diagnostics) -> Vec<RoleSpec> {
    let Some((_, node)) = entry else { return Vec::new() };
    let mut roles = Vec::new();
    let entries = super::named(node, "roles", "a map from names to what they grant", diagnostics);
    for (key, node) in entries {
        if diagnostics.is_enough() {
            break;
        }
        let path = format!("roles.{}", key.text);
        let name = role(&key.text, key.span, diagnostics);
        let Some(mut map) = MapReader::new(node, &path, diagnostics) else { continue };
        let grants = map.optional("grants").node();
        let extends = map.optional("extends").node();
        map.finish();
        let grants = grants.map(|node| texts(node, &path, diagnostics)).unwrap_or_default();
        let extends = extends.map(|node| texts(node, &path, diagnostics)).unwrap_or_default();
        let grants =
            grants.iter().filter_map(|(name, item)| permission(name, item.span, diagnostics)).collect();
        let extends = extends.iter().filter_map(|(name, item)| role(name, item.span, diagnostics)).collect();
        roles.extend(name.map(|name| RoleSpec { name, grants, extends, place: place(key.span) }));
    }
    roles
}

fn role(name: &str, span: Span, diagnostics: &mut Diagnostics) -> Option<RoleName> {
    match RoleName::parse(name) {
        Ok(role) => Some(role),
        Err(error) => {
            diagnostics
                .push(Diagnostic::error(codes::BAD_NAME, format!("the name of a role {error}")).at(span));
            None
        }
    }
}
