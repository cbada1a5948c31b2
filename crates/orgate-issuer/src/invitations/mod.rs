//! Invitations: who is asked into an organization, as what, and who answers for it.
//!
//! The token has 256 random bits and is in the letter alone; its hash is what is kept. It is bound to the address it was
//! mailed to: whoever accepts has shown that the address is theirs. One address has one open invitation of an organization,
//! by constraint. Accepting is one transaction with the membership, and what counts is what the inviter may do by then.
//! Whether an address is a user's changes nothing about an invitation.

mod accept;
mod invite;
mod letter;
mod queries;

use serde_json::{Value, json};

pub(crate) use self::{
    accept::{Accepted, Named, accept, ask, decline, join, look},
    invite::{Desk, Host, Wish, create, resend, revoke},
};
use crate::{
    address::Address,
    app::App,
    clock::rfc3339,
    db::{Conn, DbError, Tx},
    events::{Actor, Event, EventType},
    http::{Problem, paging::Page, problem::Code},
    ids::Kind,
    members::Inviter,
};

/// How long one that has ended is remembered.
const MEMORY_MS: i64 = 90 * 24 * 3_600_000;

/// What has become of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Accepted,
    Declined,
    Revoked,
    Expired,
}

impl State {
    pub(crate) const ALL: [Self; 5] =
        [Self::Pending, Self::Accepted, Self::Declined, Self::Revoked, Self::Expired];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Refuses what cannot be accepted any more.
    pub(crate) fn require_open(self) -> Result<(), Problem> {
        Err(match self {
            Self::Pending => return Ok(()),
            Self::Accepted => Code::InvitationUsed,
            Self::Declined => Code::InvitationDeclined,
            Self::Revoked => Code::InvitationRevoked,
            Self::Expired => Code::InvitationExpired,
        }
        .into())
    }
}

/// An invitation.
#[derive(Clone)]
pub(crate) struct Invitation {
    pub(crate) id: String,
    pub(crate) project_id: String,
    pub(crate) org_id: String,
    pub(crate) org_name: String,
    org_slug: String,
    org_logo_url: Option<String>,
    org_active: bool,
    email: String,
    email_norm: String,
    pub(crate) role: String,
    /// The teams they are put into.
    teams: Vec<String>,
    pub(crate) state: State,
    /// `None` if they are gone.
    inviter: Option<Inviter>,
    /// The user who invited; an operator is none.
    invited_by: Option<String>,
    pub(crate) inviter_name: Option<String>,
    accepted_by: Option<String>,
    member_id: Option<String>,
    /// Whether somebody besides the addressee had the token.
    pub(crate) disclosed: bool,
    life_ms: i64,
    sent_at: i64,
    created_at: i64,
    expires_at: i64,
}

impl Invitation {
    /// As those see it who invite.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "organization_id": self.org_id,
            "email": self.email,
            "role": self.role,
            "teams": self.teams,
            "status": self.state.as_str(),
            "invited_by": self.invited_by,
            "accepted_by": self.accepted_by,
            "member_id": self.member_id,
            "created_at": rfc3339(self.created_at),
            "sent_at": rfc3339(self.sent_at),
            "expires_at": rfc3339(self.expires_at),
        })
    }

    /// As whoever has the token sees it.
    pub(crate) fn to_holder_json(&self) -> Value {
        json!({
            "organization": { "name": self.org_name, "logo_url": self.org_logo_url },
            "role": self.role,
            "email": self.masked(),
            "expires_at": rfc3339(self.expires_at),
        })
    }

    /// As the user sees it to whose address it is.
    pub(crate) fn to_own_json(&self) -> Value {
        json!({
            "id": self.id,
            "organization": {
                "id": self.org_id,
                "name": self.org_name,
                "slug": self.org_slug,
                "logo_url": self.org_logo_url,
            },
            "role": self.role,
            "created_at": rfc3339(self.created_at),
            "expires_at": rfc3339(self.expires_at),
        })
    }

    /// The address as somebody may see it who does not know it.
    pub(crate) fn masked(&self) -> String {
        let (local, domain) = self.email.split_once('@').unwrap_or(("", ""));
        let first: String = local.chars().take(1).collect();
        format!("{first}***@{domain}")
    }

    /// Whether it was mailed to this address.
    pub(crate) fn is_for(&self, email: &str) -> bool {
        Address::parse(email).is_some_and(|address| address.key() == self.email_norm)
    }

    /// The address it was mailed to.
    pub(crate) fn address(&self) -> Option<Address> {
        Address::parse(&self.email)
    }
}

/// The invitation `id` of the organization.
pub(crate) async fn find(
    conn: &mut Conn,
    org_id: &str,
    id: &str,
    now_ms: i64,
) -> Result<Option<Invitation>, DbError> {
    queries::find(conn, org_id, &Kind::Invitation.canonical(id), now_ms).await
}

/// The address of the page on which `token` is used.
pub(crate) fn link(app: &App, project_id: &str, token: &str) -> String {
    letter::link(app, project_id, token)
}

/// A part of an organization's invitations, all or those in one state.
pub(crate) async fn list(
    conn: &mut Conn,
    org_id: &str,
    state: Option<State>,
    page: &Page,
    now_ms: i64,
) -> Result<Vec<Invitation>, DbError> {
    match state {
        None => queries::list(conn, org_id, page, now_ms).await,
        Some(state) => queries::list_in(conn, org_id, state, page, now_ms).await,
    }
}

/// What an address is invited to.
pub(crate) async fn of_address(
    conn: &mut Conn,
    project_id: &str,
    address: &Address,
    page: &Page,
    now_ms: i64,
) -> Result<Vec<Invitation>, DbError> {
    queries::of_address(conn, (project_id, address.key()), page, now_ms).await
}

/// Writes down which invitations have ended by themselves and forgets those that ended long ago, a bounded number at a time.
pub(crate) async fn purge(tx: &mut Tx, now_ms: i64) -> Result<u64, DbError> {
    for ended in queries::settle(tx, now_ms).await? {
        record_ended(tx, ended, now_ms);
    }
    queries::purge(tx, now_ms - MEMORY_MS).await
}

fn record_ended(tx: &mut Tx, ended: queries::Ended, at: i64) {
    tx.record(Event {
        project_id: ended.project_id,
        kind: if ended.state == State::Expired {
            EventType::InvitationExpired
        } else {
            EventType::InvitationRevoked
        },
        actor: Actor::System,
        org_id: Some(ended.org_id),
        target_id: ended.id,
        data: json!({}),
        at,
    });
}

fn record_as(tx: &mut Tx, actor: Actor, kind: EventType, invitation: &Invitation, at: i64) {
    tx.record(Event {
        project_id: invitation.project_id.clone(),
        kind,
        actor,
        org_id: Some(invitation.org_id.clone()),
        target_id: invitation.id.clone(),
        data: json!({
            "role": invitation.role,
            "teams": invitation.teams,
            "invited_by": invitation.invited_by,
            "expires_at": rfc3339(invitation.expires_at),
        }),
        at,
    });
}
