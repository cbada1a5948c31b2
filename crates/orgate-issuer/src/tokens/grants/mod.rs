//! One file for each grant, and what they have in common: which organization the token is for.

pub(super) mod authorization_code;
pub(super) mod refresh_token;

use super::error::TokenError;
use crate::{
    db::Conn,
    members::{self, Membership},
    projects::{self, Project},
    users::{self, User},
};

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
