//! One file for each grant, and what they have in common: which organization the token is for.

pub(super) mod authorization_code;
pub(super) mod client_credentials;
pub(super) mod device_code;
pub(super) mod refresh_token;
pub(super) mod token_exchange;

use crate::{
    clients::{Client, ClientKind},
    consents::{self, Of},
    db::{Conn, Tx},
    login::scope,
    members::{self, Membership},
    oauth::TokenError,
    projects::{self, Project},
    users::{self, User},
};

/// What every request says beside what is its grant's own.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) client: Client,
    pub(super) wanted: Wanted,
    pub(super) scope: Option<String>,
    /// Whom the token is to be for; empty if the request does not say (RFC 8707 §2.2).
    pub(super) resources: Vec<String>,
    /// The key that the sender has proven to hold.
    pub(super) jkt: Option<String>,
}

impl Common {
    /// Whom the token is for: what the request names, as far as `granted` (of the code or the family) and the client
    /// allow it. An empty `granted` is everything the client may have.
    fn audience(&self, project: &Project, granted: &[String]) -> Result<Vec<String>, TokenError> {
        let most = self.client.audiences(&project.audience);
        let granted = if granted.is_empty() { most } else { granted };
        let wanted = if self.resources.is_empty() { granted } else { &self.resources };
        if wanted.iter().all(|one| granted.contains(one) && most.contains(one)) {
            Ok(wanted.to_vec())
        } else {
            Err(TokenError::InvalidResource)
        }
    }

    /// Refuses a grant that is bound to another key than the one that was proven (RFC 9449 §5).
    fn check_key(&self, bound: Option<&str>) -> Result<(), TokenError> {
        match (bound, self.jkt.as_deref()) {
            (Some(bound), Some(shown)) if bound == shown => Ok(()),
            (Some(_), Some(_)) => Err(TokenError::InvalidProof("the grant is bound to another key")),
            (Some(_), None) => {
                Err(TokenError::InvalidProof("the grant is bound to a key, and there is no proof"))
            }
            (None, _) => Ok(()),
        }
    }

    /// The key that the refresh tokens of this grant are bound to: what cannot keep a secret has nothing else to prove
    /// itself with (RFC 9449 §5).
    fn family_key(&self) -> Option<&str> {
        self.jkt.as_deref().filter(|_| self.client.kind == ClientKind::Public)
    }

    /// Refuses a token without an organization where the application needs one.
    fn check_organization(&self, has_one: bool) -> Result<(), TokenError> {
        if self.client.require_org && !has_one { Err(TokenError::InteractionRequired) } else { Ok(()) }
    }
}

impl Common {
    /// Whose consent a token of this client needs, unless it is one of the project's own.
    fn consent<'a>(&'a self, user_id: &'a str, member: Option<&'a Membership>) -> Option<Of<'a>> {
        let org_id = member.map(|member| member.org_id.as_str());
        let of = Of { project_id: &self.client.project_id, user_id, client_id: &self.client.id, org_id };
        (!self.client.first_party).then_some(of)
    }

    /// Refuses what the person does not allow the application, in this organization.
    async fn check_consent(
        &self,
        conn: &mut Conn,
        user_id: &str,
        member: Option<&Membership>,
        scope: &str,
    ) -> Result<(), TokenError> {
        let Some(of) = self.consent(user_id, member) else { return Ok(()) };
        let allowed = consents::allowed(conn, of).await?;
        if consents::covers(allowed.as_deref(), scope) { Ok(()) } else { Err(TokenError::ConsentRequired) }
    }

    /// The same before a family is made: whoever withdraws it meanwhile finds the family.
    async fn hold_consent(
        &self,
        tx: &mut Tx,
        user_id: &str,
        member: Option<&Membership>,
        scope: &str,
    ) -> Result<(), TokenError> {
        let Some(of) = self.consent(user_id, member) else { return Ok(()) };
        let allowed = consents::hold(tx, of).await?;
        if consents::covers(allowed.as_deref(), scope) { Ok(()) } else { Err(TokenError::ConsentRequired) }
    }
}

/// "The requested scope MUST NOT include any scope not originally granted" (RFC 6749 §6). `org:<id>` is no scope but a
/// way to name an organization.
fn narrowed(granted: &str, asked: Option<&str>) -> Result<String, TokenError> {
    let Some(asked) = asked else { return Ok(granted.to_owned()) };
    let mut kept: Vec<&str> = Vec::new();
    let words = asked.split(' ').filter(|word| !word.is_empty());
    let mut words = words.filter(|word| !word.starts_with(scope::ORGANIZATION)).peekable();
    if words.peek().is_none() {
        return Ok(granted.to_owned());
    }
    for word in words {
        if !scope::has(granted, word) {
            return Err(TokenError::InvalidScope);
        }
        if !kept.contains(&word) {
            kept.push(word);
        }
    }
    Ok(kept.join(" "))
}

/// Which organization the request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// `org_id` is absent: the one of the code or of the family.
    AsBefore,
    /// `org_id` is empty: none.
    Without,
    /// An id or a slug.
    Named(String),
}

impl Wanted {
    pub(super) fn of(org_id: Option<String>) -> Self {
        match org_id {
            None => Self::AsBefore,
            Some(org) if org.is_empty() => Self::Without,
            Some(org) => Self::Named(org),
        }
    }
}

/// The membership the token will speak of, read now. `bound` is the organization of the code or of the family: one
/// that was lost is an error and never silently none.
async fn organization(
    conn: &mut Conn,
    project: &Project,
    user_id: &str,
    wanted: &Wanted,
    bound: Option<&str>,
) -> Result<Option<Membership>, TokenError> {
    let org = match (wanted, bound) {
        (Wanted::Without, _) | (Wanted::AsBefore, None) => return Ok(None),
        (Wanted::AsBefore, Some(bound)) => bound,
        (Wanted::Named(org), _) => org,
    };
    if !project.org_enabled {
        return Err(TokenError::OrganizationsDisabled);
    }
    match members::find(conn, &project.id, user_id, org).await? {
        Some(member) => Ok(Some(member)),
        None => Err(TokenError::InvalidTarget),
    }
}

/// The project as it is inside the transaction, and the user, who must be active.
async fn parties(conn: &mut Conn, project_id: &str, user_id: &str) -> Result<(Project, User), TokenError> {
    let project = projects::find(conn, project_id).await?.ok_or(TokenError::InvalidGrant(ENDED))?;
    let user = users::find(conn, project_id, user_id).await?;
    let user = user.filter(|user| user.active).ok_or(TokenError::InvalidGrant(ENDED))?;
    Ok((project, user))
}

const ENDED: &str = "the grant is not known or has ended";
