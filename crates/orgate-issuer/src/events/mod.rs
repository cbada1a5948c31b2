//! What happened, one row per change, in the transaction of the change.
//!
//! Operations call [`Tx::record`](crate::db::Tx::record); the writer stores what was recorded as the last thing before
//! the commit. Within a project the events are numbered from 1 without a gap, in the order of the commits. Issuing or
//! refreshing a token is not a change and writes nothing here. Audit, webhooks, mail and the change feed read this
//! table; no operation calls them. After the commit the hooks of an application are told (`hooks::tell`), which reads of
//! `data`:
//!
//! | event | members |
//! |---|---|
//! | `organization.created` | `name`, `slug`, `owner.user_id` |
//! | `organization.updated` | `before` and `after`: objects with what changed |
//! | `organization.deleted` | `name`, `slug` |
//! | `member.added`, `member.removed` | `user_id`, `role` |
//! | `member.role_changed` | `user_id`, `before.role`, `after.role` |
//! | `session.created`, `session.renewed` | `user_id` |

mod queries;

use serde_json::Value;

use crate::{
    db::{DbError, Tx},
    ids::Kind,
};

/// Who caused a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// An end user.
    User(String),
    /// A console account.
    Operator(String),
    /// The bootstrap file or the set-up link.
    Setup,
    /// The issuer itself.
    System,
}

impl Actor {
    fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Operator(_) => "operator",
            Self::Setup => "setup",
            Self::System => "system",
        }
    }

    fn id(&self) -> Option<&str> {
        match self {
            Self::User(id) | Self::Operator(id) => Some(id),
            Self::Setup | Self::System => None,
        }
    }
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventType {
    ProjectUpdated,
    KeyCreated,
    KeyRotated,
    KeyRevoked,
    KeyRemoved,
    OrganizationCreated,
    OrganizationUpdated,
    OrganizationSuspended,
    OrganizationActivated,
    OrganizationDeleted,
    OrganizationOwnershipTransferred,
    MemberAdded,
    MemberRoleChanged,
    MemberSuspended,
    MemberActivated,
    MemberRemoved,
    RoleCreated,
    RoleUpdated,
    RoleDeleted,
    PermissionCreated,
    PermissionUpdated,
    PermissionDeleted,
    ApiKeyCreated,
    ApiKeyRevoked,
    SessionCreated,
    SessionRenewed,
    SessionOrganizationChanged,
    SessionRevoked,
    TokenReuseDetected,
    TokenRevoked,
    UserCreated,
    UserPasswordChanged,
    UserEmailVerified,
    UserFactorAdded,
    UserFactorRemoved,
}

impl EventType {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ProjectUpdated => "project.updated",
            Self::KeyCreated => "key.created",
            Self::KeyRotated => "key.rotated",
            Self::KeyRevoked => "key.revoked",
            Self::KeyRemoved => "key.removed",
            Self::OrganizationCreated => "organization.created",
            Self::OrganizationUpdated => "organization.updated",
            Self::OrganizationSuspended => "organization.suspended",
            Self::OrganizationActivated => "organization.activated",
            Self::OrganizationDeleted => "organization.deleted",
            Self::OrganizationOwnershipTransferred => "organization.ownership_transferred",
            Self::MemberAdded => "member.added",
            Self::MemberRoleChanged => "member.role_changed",
            Self::MemberSuspended => "member.suspended",
            Self::MemberActivated => "member.activated",
            Self::MemberRemoved => "member.removed",
            Self::RoleCreated => "role.created",
            Self::RoleUpdated => "role.updated",
            Self::RoleDeleted => "role.deleted",
            Self::PermissionCreated => "permission.created",
            Self::PermissionUpdated => "permission.updated",
            Self::PermissionDeleted => "permission.deleted",
            Self::ApiKeyCreated => "api_key.created",
            Self::ApiKeyRevoked => "api_key.revoked",
            Self::SessionCreated => "session.created",
            Self::SessionRenewed => "session.renewed",
            Self::SessionOrganizationChanged => "session.organization_changed",
            Self::SessionRevoked => "session.revoked",
            Self::TokenReuseDetected => "token.reuse_detected",
            Self::TokenRevoked => "token.revoked",
            Self::UserCreated => "user.created",
            Self::UserPasswordChanged => "user.password_changed",
            Self::UserEmailVerified => "user.email_verified",
            Self::UserFactorAdded => "user.factor_added",
            Self::UserFactorRemoved => "user.factor_removed",
        }
    }
}

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) project_id: String,
    pub(crate) kind: EventType,
    pub(crate) actor: Actor,
    /// The organization it belongs to.
    pub(crate) org_id: Option<String>,
    /// The id of what changed.
    pub(crate) target_id: String,
    /// What else a reader needs; never a secret, never an address of a person.
    pub(crate) data: Value,
    pub(crate) at: i64,
}

/// Numbers and stores `events`. Called by the writer, at the end of a transaction.
pub(crate) async fn write(tx: &mut Tx, events: &[Event]) -> Result<(), DbError> {
    let mut rest: Vec<&Event> = events.iter().collect();
    while let Some(project_id) = rest.first().map(|event| event.project_id.clone()) {
        let (own, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|event| event.project_id == project_id);
        rest = others;
        let count = i64::try_from(own.len()).unwrap_or(i64::MAX);
        let last = queries::advance(tx, &project_id, count).await?;
        for (seq, event) in (last - count + 1..).zip(own) {
            queries::insert(tx, seq, &Kind::Event.new_id(event.at), event).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
