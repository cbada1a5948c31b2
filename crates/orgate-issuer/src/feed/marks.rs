//! From what happened to which tokens do not count any more.
//!
//! | kind | members | the tokens |
//! |---|---|---|
//! | `member` | `sub`, `org_id`, `min` | of the user in the organization, with a lower `org_ver` |
//! | `role` | `role`, `org_id`, `min` | with the role in the organization, with a lower `org_ver` |
//! | `org` | `org_id`, `min` | in the organization, with a lower `org_ver` |
//! | `session` | `sid` | of the session |
//! | `family` | `family` | whose `jti` ends in a full stop and this |
//! | `subject` | `sub`, `before` | of the user, issued before |
//! | `client` | `client_id`, `before` | of the client, issued before |
//! | `token` | `jti` | that one |
//! | `key` | `kid` | signed with that key |
//!
//! `org` has no `min` if the organization is gone, and no `org_id` but `before` if the project has none any more.

use serde_json::{Map, Value, json};

use crate::{clock::seconds, events::EventType};

/// An event, as far as marks are made of it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) seq: i64,
    pub(super) kind: String,
    /// What kind of actor did it.
    pub(super) actor: String,
    pub(super) org_id: Option<String>,
    pub(super) target_id: String,
    pub(super) data: Value,
    pub(super) at: i64,
}

/// How long after a change a token may still be signed of what was read before it, in seconds. Where tokens are told apart
/// by their time alone, one of these seconds that is good is refused as well.
const SIGNING: i64 = 2;

impl Change {
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.data.pointer(path).and_then(Value::as_str)
    }

    /// The change counter of the organization after the change.
    fn min(&self) -> Option<i64> {
        self.data.get("org_ver").and_then(Value::as_i64)
    }

    fn before(&self) -> i64 {
        seconds(self.at).saturating_add(SIGNING)
    }

    /// The tokens of a member. What was written before events said the counter goes by the time.
    fn member(&self, path: &str) -> Option<Value> {
        let sub = self.text(path)?;
        Some(match (&self.org_id, self.min()) {
            (Some(org_id), Some(min)) => {
                json!({ "kind": "member", "sub": sub, "org_id": org_id, "min": min })
            }
            _ => json!({ "kind": "subject", "sub": sub, "before": self.before() }),
        })
    }

    fn role(&self) -> Option<Value> {
        let (role, org_id) = (self.text("/before/key")?, self.org_id.as_ref()?);
        Some(match self.min() {
            Some(min) => json!({ "kind": "role", "role": role, "org_id": org_id, "min": min }),
            None => json!({ "kind": "org", "org_id": org_id, "before": self.before() }),
        })
    }

    fn organization(&self) -> Value {
        match self.min() {
            Some(min) => json!({ "kind": "org", "org_id": self.target_id, "min": min }),
            None => json!({ "kind": "org", "org_id": self.target_id, "before": self.before() }),
        }
    }

    /// All tokens of a refresh family.
    fn family(&self) -> Option<Value> {
        self.target_id.strip_prefix("fam_").map(|family| json!({ "kind": "family", "family": family }))
    }

    /// What follows from it; `end` is when the last of the tokens is over, in seconds.
    fn marks(&self, end: i64) -> Vec<Value> {
        let Some(kind) = EventType::parse(&self.kind) else { return Vec::new() };
        let target = &self.target_id;
        let mark = match kind {
            EventType::MemberRemoved | EventType::MemberSuspended | EventType::MemberRoleChanged => {
                self.member("/user_id")
            }
            EventType::OrganizationOwnershipTransferred => {
                let both = ["/before/owner/user_id", "/after/owner/user_id"];
                return both.into_iter().filter_map(|path| self.member(path)).collect();
            }
            EventType::RoleUpdated if self.keeps_rights() => None,
            EventType::RoleUpdated | EventType::RoleDeleted => self.role(),
            EventType::OrganizationSuspended => Some(self.organization()),
            EventType::OrganizationDeleted => Some(json!({ "kind": "org", "org_id": target })),
            EventType::ProjectUpdated => {
                self.loses_organizations().then(|| json!({ "kind": "org", "before": self.before() }))
            }
            EventType::SessionRevoked => Some(json!({ "kind": "session", "sid": target })),
            EventType::TokenReuseDetected => self.family(),
            EventType::TokenRevoked if self.text("/what") == Some("family") => self.family(),
            EventType::TokenRevoked | EventType::ApiKeyRevoked => {
                Some(json!({ "kind": "token", "jti": target }))
            }
            // Nobody of this name comes back.
            EventType::UserErased => Some(json!({ "kind": "subject", "sub": target, "before": end })),
            EventType::UserSuspended => {
                Some(json!({ "kind": "subject", "sub": target, "before": self.before() }))
            }
            EventType::ClientUpdated if !self.has_lost() => None,
            EventType::ClientUpdated | EventType::ClientSecretRotated | EventType::ClientDeleted => {
                Some(json!({ "kind": "client", "client_id": target, "before": self.before() }))
            }
            EventType::KeyRevoked => Some(json!({ "kind": "key", "kid": target })),
            _ => None,
        };
        mark.into_iter().collect()
    }

    /// The same as its readers see it, with its number and its end.
    pub(super) fn shown(&self, end_ms: i64) -> impl Iterator<Item = Value> + use<> {
        let (seq, end) = (self.seq, seconds(end_ms.saturating_add(999)));
        self.marks(end).into_iter().map(move |mark| {
            let mut shown = Map::new();
            shown.insert("seq".to_owned(), seq.into());
            if let Value::Object(mark) = mark {
                shown.extend(mark);
            }
            shown.insert("expires_at".to_owned(), end.into());
            Value::Object(shown)
        })
    }

    /// A role that was only described anew.
    pub(super) fn keeps_rights(&self) -> bool {
        let part = |path| self.data.pointer(path);
        part("/before/permissions") == part("/after/permissions")
    }

    /// A client that may less than before.
    fn has_lost(&self) -> bool {
        self.data.get("lost").and_then(Value::as_array).is_some_and(|lost| !lost.is_empty())
    }

    fn loses_organizations(&self) -> bool {
        let part = |path| self.data.pointer(path).and_then(Value::as_bool);
        part("/before/org_enabled") == Some(true) && part("/after/org_enabled") == Some(false)
    }
}
