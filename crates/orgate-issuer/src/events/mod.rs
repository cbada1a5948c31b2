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
//! | `user.erased` | `erased_organizations`: ids of the organizations whose events lose their data |
//! | `session.created`, `session.renewed` | `user_id` |
//!
//! The change feed (`feed`) reads more. What takes rights in an organization away says the organization's change counter
//! after it, as `org_ver`; that is added here, at the end of the transaction.

mod chain;
pub(crate) mod head;
pub(crate) mod log;
mod queries;
pub(crate) mod verify;

use orgate_claims::wire::ORG_VER;
use serde_json::Value;

pub(crate) use self::chain::{ERASED, chain_what_is_there};
use crate::db::{DbError, Tx};

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

    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::User(id) | Self::Operator(id) => Some(id),
            Self::Setup | Self::System => None,
        }
    }
}

macro_rules! types {
    ($($variant:ident $name:literal)*) => {
        /// What can happen.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum EventType { $($variant,)* }

        impl EventType {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

types! {
    ProjectCreated "project.created"
    ProjectUpdated "project.updated"
    ProjectKeyCreated "project_key.created"
    ProjectKeyRevoked "project_key.revoked"
    ClientCreated "client.created"
    ClientUpdated "client.updated"
    ClientSecretRotated "client.secret_rotated"
    ClientDeleted "client.deleted"
    KeyCreated "key.created"
    KeyRotated "key.rotated"
    KeyRevoked "key.revoked"
    KeyRemoved "key.removed"
    OrganizationCreated "organization.created"
    OrganizationUpdated "organization.updated"
    OrganizationSuspended "organization.suspended"
    OrganizationActivated "organization.activated"
    OrganizationDeleted "organization.deleted"
    OrganizationOwnershipTransferred "organization.ownership_transferred"
    MemberAdded "member.added"
    MemberRoleChanged "member.role_changed"
    MemberSuspended "member.suspended"
    MemberActivated "member.activated"
    MemberRemoved "member.removed"
    InvitationCreated "invitation.created"
    InvitationSent "invitation.sent"
    InvitationTokenShown "invitation.token_shown"
    InvitationAccepted "invitation.accepted"
    InvitationDeclined "invitation.declined"
    InvitationRevoked "invitation.revoked"
    InvitationExpired "invitation.expired"
    TeamCreated "team.created"
    TeamUpdated "team.updated"
    TeamDeleted "team.deleted"
    TeamMemberAdded "team.member_added"
    TeamMemberRemoved "team.member_removed"
    DomainAdded "domain.added"
    DomainVerified "domain.verified"
    DomainUpdated "domain.updated"
    DomainRemoved "domain.removed"
    ApiKeyCreated "api_key.created"
    ApiKeyRevoked "api_key.revoked"
    RoleCreated "role.created"
    RoleUpdated "role.updated"
    RoleDeleted "role.deleted"
    PermissionCreated "permission.created"
    PermissionUpdated "permission.updated"
    PermissionDeleted "permission.deleted"
    SessionCreated "session.created"
    SessionRenewed "session.renewed"
    SessionOrganizationChanged "session.organization_changed"
    SessionRevoked "session.revoked"
    ConsentGranted "consent.granted"
    ConsentWithdrawn "consent.withdrawn"
    TokenReuseDetected "token.reuse_detected"
    TokenRevoked "token.revoked"
    UserCreated "user.created"
    UserPasswordChanged "user.password_changed"
    UserEmailVerified "user.email_verified"
    UserFactorAdded "user.factor_added"
    UserFactorRemoved "user.factor_removed"
    UserSuspended "user.suspended"
    UserActivated "user.activated"
    UserErased "user.erased"
    WebhookCreated "webhook.created"
    WebhookUpdated "webhook.updated"
    WebhookSecretRotated "webhook.secret_rotated"
    WebhookDisabled "webhook.disabled"
    WebhookDeleted "webhook.deleted"
    RequestDenied "request.denied"
}

impl EventType {
    /// Whether it may take a right away: whoever follows the change feed waits for these.
    pub(crate) const fn ends_rights(self) -> bool {
        matches!(
            self,
            Self::ProjectUpdated
                | Self::ProjectKeyRevoked
                | Self::ClientUpdated
                | Self::ClientSecretRotated
                | Self::ClientDeleted
                | Self::KeyRevoked
                | Self::OrganizationSuspended
                | Self::OrganizationDeleted
                | Self::OrganizationOwnershipTransferred
                | Self::MemberRoleChanged
                | Self::MemberSuspended
                | Self::MemberRemoved
                | Self::ApiKeyRevoked
                | Self::RoleUpdated
                | Self::RoleDeleted
                | Self::SessionRevoked
                | Self::TokenReuseDetected
                | Self::TokenRevoked
                | Self::UserSuspended
                | Self::UserErased
        )
    }

    /// Whether it takes rights of somebody in an organization away, of whom the tokens are known by its change counter.
    const fn is_counted(self) -> bool {
        matches!(
            self,
            Self::OrganizationSuspended
                | Self::OrganizationOwnershipTransferred
                | Self::MemberRoleChanged
                | Self::MemberSuspended
                | Self::MemberRemoved
                | Self::RoleUpdated
                | Self::RoleDeleted
        )
    }

    /// The type of this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.as_str() == name)
    }

    /// Whether `word` is a type, the family of some (`member.*`), or all of them (`*`).
    pub(crate) fn is_known(word: &str) -> bool {
        match word.strip_suffix('*') {
            None => Self::ALL.iter().any(|one| one.as_str() == word),
            Some("") => true,
            Some(family) => {
                family.ends_with('.') && Self::ALL.iter().any(|one| one.as_str().starts_with(family))
            }
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

/// Numbers, chains and stores `events`. Called by the writer, at the end of a transaction.
pub(crate) async fn write(tx: &mut Tx, events: &mut [Event]) -> Result<(), DbError> {
    count(tx, events).await?;
    let mut rest: Vec<&Event> = events.iter().collect();
    while let Some(project_id) = rest.first().map(|event| event.project_id.clone()) {
        let (own, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|event| event.project_id == project_id);
        rest = others;
        chain::append(tx, &project_id, &own).await?;
    }
    Ok(())
}

/// Says in the events about rights in an organization what its change counter is now, after everything that the
/// transaction did. Its row is locked since the counter moved, so every token of before has a lower one, and every token of
/// later has not.
async fn count(tx: &mut Tx, events: &mut [Event]) -> Result<(), DbError> {
    for event in events.iter_mut().filter(|event| event.kind.is_counted()) {
        let Some(org_id) = &event.org_id else { continue };
        if let (Some(ver), Some(data)) = (queries::counter(tx, org_id).await?, event.data.as_object_mut()) {
            data.insert(ORG_VER.to_owned(), ver.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
