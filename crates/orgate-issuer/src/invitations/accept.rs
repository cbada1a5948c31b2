//! Accepting and declining, by whoever has the token and the address.

use super::{Invitation, State, queries, record_as};
use crate::{
    app::App,
    db::{Conn, Tx},
    events::{Actor, EventType},
    hooks::{self, MemberAdd},
    http::{Problem, problem::Code},
    ids::Kind,
    members::{self, AddError, Listed, NewMember},
    roles::authority::Power,
    secret::fingerprint,
    teams,
    users::{self, User},
};

/// A membership by an invitation.
pub(crate) struct Accepted {
    pub(crate) member: Listed,
    /// Whether it was this time that it came to be.
    pub(crate) anew: bool,
}

/// How whoever answers an invitation names it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Named<'a> {
    /// By what was mailed.
    Token(&'a str),
    /// By its id, which is told to whoever has shown that the address is theirs. To anybody else there is no such thing.
    Id(&'a str),
}

/// The same for a transaction.
#[derive(Clone)]
enum Key {
    Hash(String),
    Id(String),
}

impl From<Named<'_>> for Key {
    fn from(named: Named<'_>) -> Self {
        match named {
            Named::Token(token) => Self::Hash(fingerprint(token)),
            Named::Id(id) => Self::Id(Kind::Invitation.canonical(id)),
        }
    }
}

impl Key {
    /// The invitation, whatever has become of it.
    async fn find(
        &self,
        conn: &mut Conn,
        project_id: Option<&str>,
        now_ms: i64,
    ) -> Result<Invitation, Problem> {
        let found = match self {
            Self::Hash(hash) => queries::by_token(conn, hash, now_ms).await?,
            Self::Id(id) => queries::by_id(conn, id, now_ms).await?,
        };
        let found = found.filter(|one| project_id.is_none_or(|project_id| one.project_id == project_id));
        Ok(found.ok_or(Code::InvitationInvalid)?)
    }

    /// The same, as `user` may know of it.
    fn known_to(&self, invitation: &Invitation, user: &User) -> Result<(), Problem> {
        let is_open =
            matches!(self, Self::Hash(_)) || (invitation.is_for(&user.email) && user.email_verified);
        if is_open { Ok(()) } else { Err(Code::InvitationInvalid.into()) }
    }
}

/// The invitation behind `token`, whatever has become of it. `project_id`: the one that is asked, if the path names one.
pub(crate) async fn look(app: &App, project_id: Option<&str>, token: &str) -> Result<Invitation, Problem> {
    let mut conn = app.db.read().await?;
    Key::from(Named::Token(token)).find(&mut conn, project_id, app.now_ms()).await
}

/// Makes the user a member, as the invitation says.
pub(crate) async fn accept(
    app: &App,
    (project_id, user_id): (&str, &str),
    named: Named<'_>,
) -> Result<Accepted, Problem> {
    let (now, key) = (app.now_ms(), Key::from(named));
    {
        let mut conn = app.db.read().await?;
        let invitation = key.find(&mut conn, Some(project_id), now).await?;
        let user = users::find(&mut conn, project_id, user_id).await?.ok_or(Code::Unauthenticated)?;
        drop(conn);
        key.known_to(&invitation, &user)?;
        if invitation.state == State::Pending {
            may_answer(&invitation, &user)?;
            ask(app, &invitation, user_id).await?;
        }
    }
    let (project_id, user_id) = (project_id.to_owned(), user_id.to_owned());
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move { enter(tx, (&project_id, &user_id), &key, now).await })
        })
        .await
}

/// Asks the application whether the user may become a member.
pub(crate) async fn ask(app: &App, invitation: &Invitation, user_id: &str) -> Result<(), Problem> {
    let wish = MemberAdd {
        project_id: invitation.project_id.clone(),
        actor: Actor::User(user_id.to_owned()).into(),
        org_id: invitation.org_id.clone(),
        user_id: user_id.to_owned(),
        role: invitation.role.clone(),
    };
    hooks::ask(app, |hooks| hooks.before_member_add(&wish)).await
}

/// Refuses whoever it is not for, an invitation that has ended, and an address that is not confirmed.
fn may_answer(invitation: &Invitation, user: &User) -> Result<(), Problem> {
    if !invitation.is_for(&user.email) {
        return Err(Code::InvitationEmailMismatch.into());
    }
    invitation.state.require_open()?;
    if !user.email_verified {
        return Err(Code::EmailNotVerified.into());
    }
    Ok(())
}

/// The same as [`accept`] in a transaction that may have made the user.
pub(crate) async fn join(
    tx: &mut Tx,
    (project_id, user_id): (&str, &str),
    token: &str,
    now_ms: i64,
) -> Result<Accepted, Problem> {
    enter(tx, (project_id, user_id), &Named::Token(token).into(), now_ms).await
}

/// The invitation and whoever answers it, as they stand until the end of the transaction: everything else that is done to an
/// invitation is done under this lock.
async fn hold(
    tx: &mut Tx,
    (project_id, user_id): (&str, &str),
    key: &Key,
    now_ms: i64,
) -> Result<(Invitation, User), Problem> {
    let org_id = key.find(tx, Some(project_id), now_ms).await?.org_id;
    members::hold(tx, project_id, &org_id).await?.ok_or(Code::InvitationInvalid)?;
    let invitation = key.find(tx, Some(project_id), now_ms).await?;
    let user = users::find(tx, project_id, user_id).await?.ok_or(Code::Unauthenticated)?;
    key.known_to(&invitation, &user)?;
    Ok((invitation, user))
}

async fn enter(
    tx: &mut Tx,
    (project_id, user_id): (&str, &str),
    key: &Key,
    now_ms: i64,
) -> Result<Accepted, Problem> {
    let (invitation, user) = hold(tx, (project_id, user_id), key, now_ms).await?;
    let org_id = invitation.org_id.clone();
    if invitation.state == State::Accepted {
        return again(tx, &invitation, &user).await;
    }
    may_answer(&invitation, &user)?;
    if !invitation.org_active {
        return Err(Code::OrganizationSuspended.into());
    }
    let power = match &invitation.inviter {
        Some(inviter) => inviter.power(tx, project_id).await?,
        None => None,
    };
    let power = power.ok_or_else(void)?;
    if !queries::end(tx, &invitation.id, State::Accepted, now_ms).await? {
        return Err(tx.contended().into());
    }
    let own = members::member(tx, &org_id, user_id).await?;
    let (id, anew) = match own {
        // Somebody added them meanwhile; what they are then is not changed by an older word.
        Some(own) if own.active => (own.id, false),
        Some(_) => return Err(Code::AlreadyMember.into()),
        None => (add(tx, &invitation, user_id, &power, now_ms).await?, true),
    };
    queries::note_member(tx, &invitation.id, user_id, &id).await?;
    record_as(tx, Actor::User(user_id.to_owned()), EventType::InvitationAccepted, &invitation, now_ms);
    let member = members::member(tx, &org_id, &id).await?.ok_or(Code::Internal)?;
    Ok(Accepted { member, anew })
}

async fn add(
    tx: &mut Tx,
    invitation: &Invitation,
    user_id: &str,
    power: &Power,
    now_ms: i64,
) -> Result<String, Problem> {
    let new = NewMember {
        project_id: invitation.project_id.clone(),
        org_id: invitation.org_id.clone(),
        user_id: user_id.to_owned(),
        role: invitation.role.clone(),
    };
    let by = (Actor::User(user_id.to_owned()), Some(power));
    let id = members::add(tx, new, by, now_ms).await.map_err(|error| match error {
        // The role is gone, or not the inviter's to give any more.
        AddError::UnknownRole | AddError::OwnerNotGrantable | AddError::Refused(_) => void(),
        other => other.into(),
    })?;
    let actor = Actor::User(user_id.to_owned());
    let desk =
        teams::Desk { project_id: &invitation.project_id, org_id: &invitation.org_id, actor: &actor, now_ms };
    for team_id in &invitation.teams {
        teams::join(tx, desk, team_id, (&id, user_id)).await?;
    }
    Ok(id)
}

/// Nobody stands behind it any more.
fn void() -> Problem {
    Problem::new(Code::InvitationRevoked).detail("whoever invited may not give this role any more")
}

/// An invitation that was accepted before: the same user is told the same.
async fn again(tx: &mut Tx, invitation: &Invitation, user: &User) -> Result<Accepted, Problem> {
    if invitation.accepted_by.as_ref() != Some(&user.id) {
        return Err(Code::InvitationEmailMismatch.into());
    }
    let member = match &invitation.member_id {
        Some(id) => members::member(tx, &invitation.org_id, id).await?,
        None => None,
    };
    let member = member.filter(|member| member.active).ok_or(Code::InvitationUsed)?;
    Ok(Accepted { member, anew: false })
}

/// Turns the invitation down.
pub(crate) async fn decline(
    app: &App,
    (project_id, user_id): (&str, &str),
    named: Named<'_>,
) -> Result<(), Problem> {
    let (project_id, user_id, key) = (project_id.to_owned(), user_id.to_owned(), Key::from(named));
    let now = app.now_ms();
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (invitation, user) = hold(tx, (&project_id, &user_id), &key, now).await?;
                may_answer(&invitation, &user)?;
                if !queries::end(tx, &invitation.id, State::Declined, now).await? {
                    return Err(tx.contended().into());
                }
                record_as(tx, Actor::User(user_id), EventType::InvitationDeclined, &invitation, now);
                Ok(())
            })
        })
        .await
}
