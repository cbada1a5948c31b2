//! How a user comes to be: by a sign-up, by an invitation, or by the hand of an operator.

use serde_json::json;

use super::{queries, sign_up::MAX_NAME};
use crate::{
    address::Address,
    app::App,
    db::Tx,
    events::{Actor, Event, EventType},
    http::{Problem, problem::Code},
    ids::Kind,
    invitations,
    login::{Start, Started, session::Session},
    members,
    organizations::{self, CreateError, NewOrganization},
    projects::Project,
    throttle::{Pass, Visitor},
    users::{self, NewUser, User},
};

/// A user who is about to be.
#[derive(Clone)]
pub(super) struct Birth {
    project: Project,
    pub(super) user_id: String,
    start: Start,
    now_ms: i64,
}

/// What is known of a user who is about to be.
#[derive(Clone)]
pub(super) struct Newcomer {
    pub(super) address: Address,
    /// Whether the address has shown to be theirs.
    pub(super) email_verified: bool,
    pub(super) name: Option<String>,
    pub(super) password_phc: Option<String>,
}

impl Birth {
    pub(super) fn new(app: &App, project: &Project, visitor: &Visitor) -> Result<Self, Problem> {
        let now_ms = app.now_ms();
        let user_id = Kind::User.new_id(now_ms);
        let start = Start::new(app, &project.id, &user_id, &["email"], visitor, Pass::default())?;
        Ok(Self { project: project.clone(), user_id, start, now_ms })
    }

    /// User, personal organization, the membership that an invitation gives, and session in one step; `None` if the address is
    /// taken.
    pub(super) async fn bear(
        self,
        tx: &mut Tx,
        who: Newcomer,
        invitation: Option<&str>,
        previous: Option<Session>,
    ) -> Result<Option<(Started, User)>, Problem> {
        let Self { project, user_id, mut start, now_ms } = self;
        let actor = Actor::User(user_id.clone());
        let Some(member) = bear(tx, &project, (&user_id, who), (actor, now_ms)).await? else {
            return Ok(None);
        };
        start.session.active_member_id = member;
        if let Some(token) = invitation {
            let joined = invitations::join(tx, (&project.id, &user_id), token, now_ms).await?;
            start.session.active_member_id = Some(joined.member.id);
        }
        let started = start.store(tx, previous).await?;
        let user = users::find(tx, &project.id, &user_id).await?.ok_or(Code::Internal)?;
        Ok(Some((started, user)))
    }
}

/// User and personal organization in one step: the membership in that, if the project has such. `None` if the address is
/// taken.
pub(super) async fn bear(
    tx: &mut Tx,
    project: &Project,
    (user_id, who): (&str, Newcomer),
    (actor, now_ms): (Actor, i64),
) -> Result<Option<Option<String>>, Problem> {
    let Newcomer { address, email_verified, name, password_phc } = who;
    let new = NewUser {
        id: user_id.to_owned(),
        address: address.clone(),
        email_verified,
        name: name.clone(),
        password_phc,
    };
    if !users::create(tx, &project.id, &new, now_ms).await? {
        return Ok(None);
    }
    queries::end_all(tx, &project.id, address.key()).await?;
    tx.record(Event {
        project_id: project.id.clone(),
        kind: EventType::UserCreated,
        actor: actor.clone(),
        org_id: None,
        target_id: user_id.to_owned(),
        data: json!({}),
        at: now_ms,
    });
    if !project.org_enabled || !project.personal_orgs {
        return Ok(Some(None));
    }
    personal_organization(tx, project, (user_id, &address, name), (actor, now_ms)).await.map(Some)
}

async fn personal_organization(
    tx: &mut Tx,
    project: &Project,
    (user_id, address, name): (&str, &Address, Option<String>),
    (actor, now_ms): (Actor, i64),
) -> Result<Option<String>, Problem> {
    let local = || address.shown().split('@').next().unwrap_or_default().to_owned();
    let name: String = name.unwrap_or_else(local).chars().take(MAX_NAME - 12).collect();
    let new = NewOrganization {
        personal: true,
        ..NewOrganization::named(&project.id, format!("{name}'s Workspace"), user_id)
    };
    let made = organizations::create(tx, new, actor, now_ms).await;
    let organization = made.map_err(|error: CreateError| Problem::from(error))?;
    let member = members::find(tx, &project.id, user_id, &organization.id).await?;
    Ok(member.map(|member| member.id))
}
