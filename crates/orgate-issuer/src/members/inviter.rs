//! Whoever asks others in, by an invitation or for all of a mail domain, answers for what they become: it is given as long as
//! they could give it themselves.

use super::queries;
use crate::{
    db::{Conn, DbError},
    operators::{self, Rank},
    roles::{
        authority::{OPERATOR_RANK, Power},
        catalogue,
    },
    users,
};

/// Who answers for somebody who joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Inviter {
    /// A member, by the membership.
    Member(String),
    Operator(String),
}

impl Inviter {
    /// As it is stored: the membership or the operator.
    pub(crate) fn columns(inviter: Option<&Self>) -> (Option<&str>, Option<&str>) {
        match inviter {
            Some(Self::Member(id)) => (Some(id), None),
            Some(Self::Operator(id)) => (None, Some(id)),
            None => (None, None),
        }
    }

    /// The opposite.
    pub(crate) fn of_columns(member: Option<String>, operator: Option<String>) -> Option<Self> {
        member.map(Self::Member).or(operator.map(Self::Operator))
    }

    /// What they may give now; `None` if it is nothing.
    pub(crate) async fn power(&self, conn: &mut Conn, project_id: &str) -> Result<Option<Power>, DbError> {
        let mut power = match self {
            Self::Member(id) => match queries::find_by_id(conn, id).await? {
                Some(member) if member.role.may_invite() => {
                    let user = users::find(conn, project_id, &member.user_id).await?;
                    if user.is_none_or(|user| !user.active) {
                        return Ok(None);
                    }
                    Power::from(&member.role)
                }
                _ => return Ok(None),
            },
            Self::Operator(id) => match operators::rank_of(conn, project_id, id).await? {
                Some(rank) if rank >= Rank::Admin => Power { rank: OPERATOR_RANK, permissions: Vec::new() },
                _ => return Ok(None),
            },
        };
        if power.is_above_all() {
            power.permissions = catalogue::everything(conn, project_id).await?;
        }
        Ok(Some(power))
    }
}
