//! From what happened to security events (OpenID Continuous Access Evaluation Profile 1.0 §3).

use serde_json::{Value, json};

use super::super::marks::Change;
use crate::{clock::seconds, events::EventType};

const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const CLAIMS_CHANGED: &str = "https://schemas.openid.net/secevent/caep/event-type/token-claims-change";
/// Everything that is sent.
pub(super) const EVENTS: [&str; 2] = [SESSION_REVOKED, CLAIMS_CHANGED];

/// A security event that is not signed yet.
#[derive(Clone, Debug)]
pub(super) struct SecurityEvent {
    /// The number of the change, and which of its events this is.
    pub(super) jti: String,
    pub(super) event: &'static str,
    pub(super) subject: Value,
    pub(super) about: Value,
    /// When it happened, in seconds.
    pub(super) at: i64,
}

/// The events of a change at `issuer`.
pub(super) fn events(change: &Change, issuer: &str) -> Vec<SecurityEvent> {
    let all = parts(change, issuer).into_iter().enumerate();
    all.map(|(place, (event, subject, claims))| {
        let mut about = json!({
            "event_timestamp": seconds(change.at),
            "initiating_entity": match change.actor.as_str() {
                "user" => "user",
                "operator" | "setup" => "admin",
                _ => "system",
            },
        });
        if let (Some(claims), Some(object)) = (claims, about.as_object_mut()) {
            object.insert("claims".to_owned(), claims);
        }
        let jti = format!("set_{}_{place}", change.seq);
        SecurityEvent { jti, event, subject, about, at: seconds(change.at) }
    })
    .collect()
}

type Part = (&'static str, Value, Option<Value>);

fn parts(change: &Change, issuer: &str) -> Vec<Part> {
    let Some(kind) = EventType::parse(&change.kind) else { return Vec::new() };
    let person = |sub: &str| json!({ "format": "iss_sub", "iss": issuer, "sub": sub });
    let opaque = |id: &str| json!({ "format": "opaque", "id": id });
    let org = change.org_id.as_deref().unwrap_or_default();
    let tenant = || json!({ "format": "complex", "tenant": opaque(org) });
    let member = |path: &str, claims: Value| -> Vec<Part> {
        let subject = |sub| json!({ "format": "complex", "user": person(sub), "tenant": opaque(org) });
        change.text(path).map(|sub| (CLAIMS_CHANGED, subject(sub), Some(claims))).into_iter().collect()
    };
    let role = |claims: Value| -> Vec<Part> {
        let subject =
            |role: &str| json!({ "format": "complex", "tenant": opaque(org), "group": opaque(role) });
        let of = change.text("/before/key");
        of.map(|role| (CLAIMS_CHANGED, subject(role), Some(claims))).into_iter().collect()
    };
    let value = |path: &str| change.data.pointer(path).cloned().unwrap_or_default();
    match kind {
        EventType::SessionRevoked => {
            let mut subject = json!({ "format": "complex", "session": opaque(&change.target_id) });
            if let (Some(sub), Some(object)) = (change.text("/user_id"), subject.as_object_mut()) {
                object.insert("user".to_owned(), person(sub));
            }
            vec![(SESSION_REVOKED, subject, None)]
        }
        EventType::UserSuspended | EventType::UserErased => {
            vec![(SESSION_REVOKED, person(&change.target_id), None)]
        }
        EventType::MemberRemoved | EventType::MemberSuspended => {
            member("/user_id", json!({ "org_id": null, "org_role": null, "org_permissions": null }))
        }
        EventType::MemberRoleChanged => member("/user_id", json!({ "org_role": value("/after/role") })),
        EventType::OrganizationOwnershipTransferred => {
            let mut both = member("/before/owner/user_id", json!({ "org_role": crate::roles::ADMIN }));
            both.extend(member("/after/owner/user_id", json!({ "org_role": crate::roles::OWNER })));
            both
        }
        EventType::OrganizationSuspended | EventType::OrganizationDeleted => {
            vec![(CLAIMS_CHANGED, tenant(), Some(json!({ "org_id": null })))]
        }
        EventType::RoleUpdated if change.keeps_rights() => Vec::new(),
        EventType::RoleUpdated => role(json!({ "org_permissions": value("/after/permissions") })),
        EventType::RoleDeleted => role(json!({ "org_role": value("/reassigned_to") })),
        _ => Vec::new(),
    }
}
