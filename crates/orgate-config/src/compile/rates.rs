//! `limit:` of a rule: how often its callers may ask, and whether there is anybody to count.
//!
//! What the requirement alone shows is judged with the policy; here is what depends on `authenticators:`.

use orgate_policy::{Limit, LimitPer, PolicySpec};

use super::authenticators::{AuthenticatorKind, AuthenticatorSpec};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics, FileId, Span},
    document::{self, Node},
};

/// Reads the value of a rule's `limit`; what is none is reported.
pub(super) fn limit(node: &Node, path: &str, diagnostics: &mut Diagnostics) -> Option<Limit> {
    let Some(text) = node.text() else {
        document::wrong_kind(node, path, "a limit such as `100/s per org`", diagnostics);
        return None;
    };
    Limit::parse(text)
        .map_err(|error| {
            let finding = Diagnostic::error(codes::BAD_VALUE, error.message);
            diagnostics.push(finding.at(node.span_within(error.at, error.len)).maybe_help(error.help));
        })
        .ok()
}

/// Reports limits that count what an authenticator accepts, where that is not whom they count.
pub(super) fn check(spec: &PolicySpec, known: &[AuthenticatorSpec], diagnostics: &mut Diagnostics) {
    for rule in &spec.rules {
        let (Some(limit), Some(name)) = (rule.limit, rule.requirement.authenticator()) else { continue };
        let Some(authenticator) = known.iter().find(|known| known.name == name.name) else { continue };
        let name = &authenticator.name;
        let (message, help) = match (&authenticator.kind, limit.per()) {
            (AuthenticatorKind::Webhook { .. }, _) => (
                format!("`limit: {limit}` counts callers, and all deliveries of `{name}` come from one"),
                "leave it away; who signs deliveries is not a stranger",
            ),
            (AuthenticatorKind::ApiKey { .. }, LimitPer::Organization)
                if authenticator.principal.organization().is_none() =>
            {
                (
                    format!("`limit: {limit}` counts organizations, and `{name}` has none"),
                    "write `per sub`, or give it one: `as: {org.id: …}`",
                )
            }
            (AuthenticatorKind::ApiKey { .. }, _) => continue,
        };
        let at = Span::point(FileId(rule.place.file), rule.place.line, rule.place.column);
        diagnostics.push(Diagnostic::error(codes::LIMIT_WITHOUT_CALLER, message).at(at).help(help));
    }
}
