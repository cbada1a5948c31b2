//! How large a policy may be, so that reading and enforcing it take bounded time and memory.
//!
//! What a rule or a path may hold is checked where it is read; here is what all files have together. A policy over a limit
//! is not looked at any further.

use std::collections::HashSet;

use orgate_claims::Permission;
use orgate_policy::PolicySpec;

use super::{authenticators::MAX_AUTHENTICATORS, issuers::MAX_ISSUERS, rules::Sections};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics, Span},
    document::{self, Node, Section, Value},
};

const MAX_RULES: usize = 20_000;
const MAX_PERMISSIONS: usize = 1_024;
const MAX_ROLES: usize = 256;
const MAX_BINDINGS: usize = 256;
const MAX_CONDITIONS: usize = 4_096;

/// The limits that are kept while a file is read: what has thousands of entries too many is not read to its end.
/// What was read of the policy before counts.
pub(super) struct Bounds([Section; 7]);

impl Bounds {
    pub(super) fn new() -> Self {
        let section = |key, what, most, end| Section { key, what, most, end, left: end };
        Self([
            section("rules", "rules", MAX_RULES, MAX_RULES + 500),
            section("permissions", "permissions", MAX_PERMISSIONS, 2 * MAX_PERMISSIONS),
            section("roles", "roles", MAX_ROLES, 2 * MAX_ROLES),
            section("bind", "bindings", MAX_BINDINGS, 2 * MAX_BINDINGS),
            section("conditions", "conditions", MAX_CONDITIONS, MAX_CONDITIONS + 500),
            section("issuers", "issuers", MAX_ISSUERS, 2 * MAX_ISSUERS),
            section("authenticators", "authenticators", MAX_AUTHENTICATORS, 4 * MAX_AUTHENTICATORS),
        ])
    }

    /// Reads a file of the policy.
    pub(super) fn read(&mut self, name: &str, bytes: &[u8], diagnostics: &mut Diagnostics) -> Option<Node> {
        let root = document::read_sections(document::MAX_BYTES, &self.0, name, bytes, diagnostics)?;
        for section in &mut self.0 {
            let entries = root.get(section.key).map_or(0, |node| match &node.value {
                Value::Map(entries) => entries.len(),
                Value::List(items) => items.len(),
                _ => 0,
            });
            section.left = section.left.saturating_sub(entries);
        }
        Some(root)
    }
}

/// Whether the sections have no more entries than a policy may have, before any of them is read; what is not is reported at
/// the first entry too many.
pub(super) fn check_entries(sections: &Sections<'_>, diagnostics: &mut Diagnostics) -> bool {
    let counts = [
        ("rules", sections.rules.map(|(_, node)| node), MAX_RULES),
        ("permissions", sections.permissions, MAX_PERMISSIONS),
        ("roles", sections.roles.map(|(_, node)| node), MAX_ROLES),
        ("bindings", sections.bind, MAX_BINDINGS),
        ("conditions", sections.conditions, MAX_CONDITIONS),
        ("issuers", sections.issuers, MAX_ISSUERS),
    ];
    let mut fits = true;
    for (what, node, most) in counts {
        let Some(entries) = node.and_then(Node::entries).filter(|entries| entries.len() > most) else {
            continue;
        };
        fits = false;
        let message = format!("the policy has {} {what}; at most {most} are allowed", entries.len());
        let at = entries.get(most).map_or(sections.start, |(key, _)| key.span);
        diagnostics.push(Diagnostic::error(codes::TOO_MANY, message).at(at));
    }
    fits
}

/// Whether the policy is within its limits; what is not is reported at the first entry too many.
pub(super) fn check(spec: &PolicySpec, sections: &Sections<'_>, diagnostics: &mut Diagnostics) -> bool {
    let of_roles = spec.roles.iter().flat_map(|role| &role.grants);
    let permissions: HashSet<&str> =
        spec.permissions.iter().chain(of_roles).map(Permission::as_str).collect();
    let roles: HashSet<&str> = spec
        .known_roles
        .iter()
        .chain(spec.roles.iter().map(|role| &role.name))
        .map(|name| name.as_str())
        .collect();
    let counts = [
        ("rules", spec.rules.len(), MAX_RULES, sections.rules.map(|(_, node)| node)),
        ("permissions", permissions.len(), MAX_PERMISSIONS, sections.permissions),
        ("roles", roles.len(), MAX_ROLES, sections.roles.map(|(_, node)| node)),
    ];
    let mut fits = true;
    for (what, count, most, node) in counts.into_iter().filter(|(_, count, most, _)| count > most) {
        fits = false;
        let message = format!("the policy has {count} {what}; at most {most} are allowed");
        let at = node.map_or(sections.start, |node| entry(node, most).unwrap_or(node.span));
        diagnostics.push(Diagnostic::error(codes::TOO_MANY, message).at(at));
    }
    fits
}

/// The place of the first entry behind `most`.
fn entry(node: &Node, most: usize) -> Option<Span> {
    node.entries()?.get(most).map(|(key, _)| key.span)
}
