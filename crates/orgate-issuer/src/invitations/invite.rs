//! Inviting, inviting again, and taking it back: what those do who may invite. Whoever calls this holds the organization.

use super::{Invitation, State, find, letter, queries, record_as, record_ended};
use crate::{
    address::Address,
    app::App,
    db::Tx,
    events::{Actor, EventType},
    http::{Problem, language::Language, problem::Code},
    ids::Kind,
    mail::{self, Reader},
    members::{self, Inviter},
    organizations::Organization,
    projects::Project,
    roles::{
        self,
        authority::{Deed, Power, authority},
    },
    secret::fingerprint,
    teams,
    throttle::{self, Admission},
    users,
};

/// Into how many teams one invitation may lead.
const MOST_TEAMS: usize = 20;
/// How many invitations of an organization may be open.
const MOST_OPEN: i64 = 1000;

/// Where, by whom and when something is done to invitations; whoever has this holds the organization.
#[derive(Clone, Copy)]
pub(crate) struct Desk<'a> {
    pub(crate) app: &'a App,
    pub(crate) project: &'a Project,
    pub(crate) organization: &'a Organization,
    pub(crate) actor: &'a Actor,
    /// In which letters are written.
    pub(crate) language: Language,
    pub(crate) now_ms: i64,
}

/// Who answers for an invitation, and what they may give at the moment.
pub(crate) struct Host<'a> {
    pub(crate) inviter: Inviter,
    pub(crate) power: &'a Power,
    /// The name in the letter.
    pub(crate) name: Option<String>,
}

/// An invitation to be made.
#[derive(Clone)]
pub(crate) struct Wish {
    pub(crate) address: Address,
    pub(crate) role: String,
    pub(crate) life_ms: i64,
    /// Teams, by id or slug.
    pub(crate) teams: Vec<String>,
    /// Whether the token goes to whoever asks as well.
    pub(crate) disclosed: bool,
}

/// Makes an invitation with `token`, and mails it.
pub(crate) async fn create(
    tx: &mut Tx,
    desk: Desk<'_>,
    host: Host<'_>,
    wish: Wish,
    token: &str,
) -> Result<Invitation, Problem> {
    let Desk { organization, now_ms, .. } = desk;
    may_invite(tx, desk, &host, &wish.role).await?;
    if let Some(user) = users::find_by_address(tx, &organization.project_id, &wish.address).await?
        && members::member(tx, &organization.id, &user.id).await?.is_some()
    {
        return Err(Code::AlreadyMember.into());
    }
    room_for(tx, desk, wish.address.key()).await?;
    let teams = named_teams(tx, &organization.id, &wish.teams).await?;
    let new = Invitation {
        id: Kind::Invitation.new_id(now_ms),
        project_id: organization.project_id.clone(),
        org_id: organization.id.clone(),
        org_name: organization.name.clone(),
        org_slug: organization.slug.clone(),
        org_logo_url: organization.logo_url.clone(),
        org_active: true,
        email: wish.address.shown().to_owned(),
        email_norm: wish.address.key().to_owned(),
        role: wish.role,
        teams,
        state: State::Pending,
        inviter: Some(host.inviter),
        invited_by: None,
        inviter_name: host.name,
        accepted_by: None,
        member_id: None,
        disclosed: wish.disclosed,
        life_ms: wish.life_ms,
        sent_at: now_ms,
        created_at: now_ms,
        expires_at: now_ms + wish.life_ms,
    };
    queries::insert(tx, &new, &fingerprint(token), now_ms).await?;
    send(tx, desk, &new, token).await?;
    let stored = find(tx, &organization.id, &new.id, now_ms).await?.ok_or(Code::Internal)?;
    record(tx, desk, EventType::InvitationCreated, &stored);
    if stored.disclosed {
        record(tx, desk, EventType::InvitationTokenShown, &stored);
    }
    Ok(stored)
}

/// The ids of the teams, each once.
async fn named_teams(tx: &mut Tx, org_id: &str, named: &[String]) -> Result<Vec<String>, Problem> {
    if named.len() > MOST_TEAMS {
        return Err(Problem::invalid("teams", format!("names at most {MOST_TEAMS} teams")));
    }
    let mut ids = Vec::new();
    for reference in named {
        let team = teams::find(tx, org_id, reference).await?;
        let id = team.ok_or_else(|| Problem::new(Code::UnknownTeam).field("teams"))?.id;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Refuses an organization that nobody joins, and a role that the inviter cannot give.
async fn may_invite(tx: &mut Tx, desk: Desk<'_>, host: &Host<'_>, role: &str) -> Result<(), Problem> {
    if desk.organization.personal {
        return Err(Code::PersonalOrganization.into());
    }
    if !desk.organization.is_active() {
        return Err(Code::OrganizationSuspended.into());
    }
    let role = roles::find(tx, &desk.organization.id, role).await?.ok_or_else(members::unknown_role)?;
    Ok(authority(host.power, Deed::Give(&role))?)
}

/// Refuses a second open invitation of an address, and more than there may be.
async fn room_for(tx: &mut Tx, desk: Desk<'_>, email_norm: &str) -> Result<(), Problem> {
    let org_id = &desk.organization.id;
    for ended in queries::settle_address(tx, org_id, email_norm, desk.now_ms).await? {
        record_ended(tx, ended, desk.now_ms);
    }
    let (open, own) = queries::count_open(tx, org_id, email_norm, desk.now_ms).await?;
    if own > 0 {
        return Err(Problem::new(Code::AlreadyInvited).field("email"));
    }
    if open >= MOST_OPEN {
        return Err(Code::InvitationLimit.into());
    }
    Ok(())
}

/// Puts the letter into the outbox, if not too many went out before.
async fn send(tx: &mut Tx, desk: Desk<'_>, invitation: &Invitation, token: &str) -> Result<(), Problem> {
    let inviter = match invitation.inviter.as_ref() {
        Some(Inviter::Member(id) | Inviter::Operator(id)) => id.as_str(),
        None => "",
    };
    let of = throttle::Invited {
        project_id: &invitation.project_id,
        org_id: &invitation.org_id,
        inviter,
        address: &invitation.email_norm,
    };
    if let Admission::Wait(seconds) =
        throttle::admit_invitation(tx, &desk.app.secrets, of, desk.now_ms).await?
    {
        return Err(Problem::new(Code::RateLimited)
            .detail("too many invitations were sent from here, or to this address")
            .after(seconds));
    }
    let letter = letter::invitation(desk, invitation, token);
    let (secrets, until) = (&desk.app.secrets, invitation.expires_at);
    Ok(mail::post(tx, secrets, &letter, Reader::Addressee, desk.now_ms, until).await?)
}

/// Mails an invitation again, with `token` instead of the one that it had, and from now on in the name of whoever does so.
pub(crate) async fn resend(
    tx: &mut Tx,
    desk: Desk<'_>,
    host: Host<'_>,
    invitation: Invitation,
    token: &str,
) -> Result<Invitation, Problem> {
    match invitation.state {
        State::Pending => {}
        // Nobody has another one meanwhile.
        State::Expired => room_for(tx, desk, &invitation.email_norm).await?,
        other => other.require_open()?,
    }
    may_invite(tx, desk, &host, &invitation.role).await?;
    let renewed = Invitation {
        inviter: Some(host.inviter),
        inviter_name: host.name,
        expires_at: desk.now_ms + invitation.life_ms,
        ..invitation
    };
    if !queries::renew(tx, &renewed, &fingerprint(token), desk.now_ms).await? {
        return Err(tx.contended().into());
    }
    send(tx, desk, &renewed, token).await?;
    let stored = find(tx, &renewed.org_id, &renewed.id, desk.now_ms).await?.ok_or(Code::Internal)?;
    record(tx, desk, EventType::InvitationSent, &stored);
    Ok(stored)
}

/// Takes an invitation back.
pub(crate) async fn revoke(
    tx: &mut Tx,
    desk: Desk<'_>,
    power: &Power,
    invitation: &Invitation,
) -> Result<(), Problem> {
    invitation.state.require_open()?;
    let role = roles::find(tx, &invitation.org_id, &invitation.role).await?;
    authority(power, Deed::Give(&role.ok_or_else(members::unknown_role)?))?;
    if !queries::end(tx, &invitation.id, State::Revoked, desk.now_ms).await? {
        return Err(tx.contended().into());
    }
    record(tx, desk, EventType::InvitationRevoked, invitation);
    Ok(())
}

fn record(tx: &mut Tx, desk: Desk<'_>, kind: EventType, invitation: &Invitation) {
    record_as(tx, desk.actor.clone(), kind, invitation, desk.now_ms);
}
