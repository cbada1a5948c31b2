//! Memberships: who belongs to which organization, with which one role.
//!
//! Exactly one owner, and one membership for a user in an organization: both are constraints of the schema. Whoever changes
//! memberships or roles holds the organization first ([`hold`]), so that what was checked is still so when it is written.

mod change;
mod inviter;
mod queries;

use serde_json::{Value, json};

pub(crate) use self::{
    change::{change_role, remove, set_active, transfer},
    inviter::Inviter,
};
use crate::{
    clock::rfc3339,
    db::{Conn, Constraint, DbError, Tx},
    events::{Actor, Event, EventType},
    http::{Problem, paging::Page, problem::Code},
    ids::Kind,
    roles::{
        self, Role,
        authority::{Deed, Power, Refusal, authority},
    },
    teams, users,
};

/// A membership as tokens and sessions need it: read in one statement, so that the role and the organization's change
/// counter belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) role: Role,
    pub(crate) org_id: String,
    pub(crate) org_slug: String,
    pub(crate) org_name: String,
    pub(crate) org_active: bool,
    pub(crate) personal: bool,
    pub(crate) org_ver: u64,
}

/// A member as lists show it. Not to be printed: there is an address in it.
#[derive(Clone)]
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) org_id: String,
    pub(crate) user_id: String,
    pub(crate) email: String,
    pub(crate) name: Option<String>,
    pub(crate) role: Role,
    pub(crate) active: bool,
    pub(crate) joined_at: i64,
}

impl Listed {
    /// `with_address`: whether whoever reads it may see the mail address.
    pub(crate) fn to_json(&self, with_address: bool) -> Value {
        json!({
            "id": self.id,
            "organization_id": self.org_id,
            "user_id": self.user_id,
            "email": with_address.then_some(&self.email),
            "name": self.name,
            "role": self.role.key,
            "permissions": self.role.permissions,
            "status": if self.active { "active" } else { "suspended" },
            "joined_at": rfc3339(self.joined_at),
        })
    }
}

/// An organization that nobody else changes until the end of the transaction.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) org_id: String,
    pub(crate) project_id: String,
    pub(crate) personal: bool,
    pub(crate) owner_member_id: String,
    pub(crate) member_count: i64,
    pub(crate) max_members: Option<i64>,
    pub(crate) ver: u64,
}

/// Who changes something, and what they are in the organization.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) actor: Actor,
    pub(crate) power: Power,
    /// Their own membership; an operator has none.
    pub(crate) own: Option<Membership>,
}

/// Why a member was not added.
#[derive(Debug)]
pub(crate) enum AddError {
    Db(DbError),
    UnknownOrganization,
    UnknownUser,
    UnknownRole,
    /// The owner changes only by a transfer.
    OwnerNotGrantable,
    AlreadyMember,
    /// It has one member and no more.
    Personal,
    /// It has as many members as it may have.
    Full,
    Refused(Refusal),
}

impl From<DbError> for AddError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Conflict(Constraint::Unique) => Self::AlreadyMember,
            DbError::Conflict(Constraint::Check) => Self::Full,
            other => Self::Db(other),
        }
    }
}

impl From<Refusal> for AddError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<AddError> for Problem {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Db(error) => error.into(),
            AddError::UnknownOrganization => Code::NotFound.into(),
            AddError::UnknownUser => Self::new(Code::UnknownUser).field("user_id"),
            AddError::UnknownRole => unknown_role(),
            AddError::OwnerNotGrantable => Self::new(Code::RoleNotGrantable)
                .detail("an organization has one owner; ownership is transferred")
                .field("role"),
            AddError::AlreadyMember => Code::AlreadyMember.into(),
            AddError::Personal => Code::PersonalOrganization.into(),
            AddError::Full => Code::MemberLimit.into(),
            AddError::Refused(refusal) => refusal.into(),
        }
    }
}

/// The refusal of a role that the organization has not.
pub(crate) fn unknown_role() -> Problem {
    Problem::new(Code::UnknownRole)
        .detail(format!("besides its own an organization has the roles {}", roles::names().join(", ")))
        .field("role")
}

/// The active membership of the user in the active organization called `org` (its id or its slug).
///
/// `None` says the same for an organization that does not exist, that belongs to another project, that is suspended
/// and that the user is not a member of.
pub(crate) async fn find(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
    org: &str,
) -> Result<Option<Membership>, DbError> {
    let org = Kind::Organization.canonical(org);
    queries::find(conn, project_id, user_id, &org).await
}

/// The active membership of the user in the organization with this id, which may be suspended itself.
pub(crate) async fn standing(
    conn: &mut Conn,
    org_id: &str,
    user_id: &str,
) -> Result<Option<Membership>, DbError> {
    queries::standing(conn, org_id, user_id).await
}

/// The active membership `id`, in an active organization.
pub(crate) async fn find_by_id(conn: &mut Conn, id: &str) -> Result<Option<Membership>, DbError> {
    queries::find_by_id(conn, id).await
}

/// What stands for the personal organization in a cursor: less than every id.
pub(crate) const BEHIND_PERSONAL: &str = "!";

/// The organizations of a user, those that can be used only, the personal one first. Each comes with its place for a cursor.
pub(crate) async fn of_user(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
    page: &Page,
) -> Result<Vec<(String, Membership)>, DbError> {
    let mut all = Vec::new();
    if page.after.is_empty() {
        let personal = queries::personal(conn, project_id, user_id).await?;
        all.extend(personal.map(|member| (BEHIND_PERSONAL.to_owned(), member)));
    }
    let others = queries::of_user(conn, project_id, user_id, page).await?;
    all.extend(others.into_iter().map(|member| (member.org_id.clone(), member)));
    Ok(all)
}

/// What somebody chooses among: some of their organizations.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Choices<'a> {
    /// What the slug or the name holds; empty is any.
    pub(crate) search: &'a str,
    /// The id of the last one that was shown.
    pub(crate) after: &'a str,
}

/// At most so many organizations of a user that can be used, for the picker, in the order of their ids.
pub(crate) async fn choices(
    conn: &mut Conn,
    of: (&str, &str),
    choices: Choices<'_>,
    most: i64,
) -> Result<Vec<Membership>, DbError> {
    let like = match choices.search.trim() {
        "" => String::new(),
        text => {
            let mut like = "%".to_owned();
            for c in text.to_lowercase().chars() {
                if matches!(c, '!' | '%' | '_') {
                    like.push('!');
                }
                like.push(c);
            }
            like.push('%');
            like
        }
    };
    queries::choices(conn, of, (&like, choices.after), most).await
}

/// The organization with this id, which nobody else changes until the end of the transaction.
pub(crate) async fn hold(tx: &mut Tx, project_id: &str, org_id: &str) -> Result<Option<Held>, DbError> {
    queries::hold(tx, project_id, org_id).await
}

/// A part of the members whose name, or address where `with_address`, holds `words`: all, or those with one role.
pub(crate) async fn search(
    conn: &mut Conn,
    org_id: &str,
    (words, with_address): (&str, bool),
    role: Option<&str>,
    page: &Page,
) -> Result<Vec<Listed>, DbError> {
    let escaped: String = words
        .chars()
        .flat_map(|c| matches!(c, '%' | '_' | '\\').then_some('\\').into_iter().chain([c]))
        .collect();
    let like = format!("%{escaped}%");
    let address = if with_address { like.as_str() } else { "" };
    queries::list_found(conn, org_id, (role.unwrap_or_default(), (&like, address)), page).await
}

/// A part of the members, all or those with one role.
pub(crate) async fn list(
    conn: &mut Conn,
    (project_id, org_id): (&str, &str),
    role: Option<&str>,
    page: &Page,
) -> Result<Vec<Listed>, DbError> {
    match role {
        None => queries::list(conn, project_id, org_id, page).await,
        Some(role) => queries::list_by_role(conn, org_id, role, page).await,
    }
}

/// The member of this organization that `reference` names: the membership's id or the user's.
pub(crate) async fn member(
    conn: &mut Conn,
    org_id: &str,
    reference: &str,
) -> Result<Option<Listed>, DbError> {
    let ids = (Kind::Member.canonical(reference), Kind::User.canonical(reference));
    queries::of_organization(conn, org_id, (&ids.0, &ids.1)).await
}

/// Whether somebody who was a member before was removed; `None` if they never were one.
pub(crate) async fn departure(conn: &mut Conn, org_id: &str, user_id: &str) -> Result<Option<bool>, DbError> {
    queries::departure(conn, org_id, user_id).await
}

/// A part of the members who are in a team.
pub(crate) async fn list_of_team(
    conn: &mut Conn,
    org_id: &str,
    team_id: &str,
    page: &Page,
) -> Result<Vec<Listed>, DbError> {
    queries::list_of_team(conn, org_id, team_id, page).await
}

/// Nobody works in this organization any more.
pub(crate) async fn leave_all_sessions(tx: &mut Tx, org_id: &str) -> Result<(), DbError> {
    queries::leave_all_sessions(tx, org_id).await
}

/// The first member of an organization that is being made.
pub(crate) async fn insert_owner(
    tx: &mut Tx,
    id: &str,
    project_id: &str,
    org_id: &str,
    user_id: &str,
    now_ms: i64,
) -> Result<(), DbError> {
    let member = queries::NewMember { id, project_id, org_id, user_id, role: roles::OWNER };
    queries::insert(tx, &member, now_ms).await
}

/// A member to be added.
#[derive(Clone, Debug)]
pub(crate) struct NewMember {
    pub(crate) project_id: String,
    pub(crate) org_id: String,
    pub(crate) user_id: String,
    pub(crate) role: String,
}

/// Adds a member with any role but the owner's, on behalf of somebody with `power`; `None` where nobody has to be asked
/// (the bootstrap file). Gives the membership's id.
pub(crate) async fn add(
    tx: &mut Tx,
    new: NewMember,
    (actor, power): (Actor, Option<&Power>),
    now_ms: i64,
) -> Result<String, AddError> {
    let held = hold(tx, &new.project_id, &new.org_id).await?.ok_or(AddError::UnknownOrganization)?;
    let role = roles::find(tx, &held.org_id, &new.role).await?.ok_or(AddError::UnknownRole)?;
    if role.is_owner() {
        return Err(AddError::OwnerNotGrantable);
    }
    if let Some(power) = power {
        authority(power, Deed::Give(&role))?;
    }
    if users::find(tx, &new.project_id, &new.user_id).await?.is_none() {
        return Err(AddError::UnknownUser);
    }
    if held.personal {
        return Err(AddError::Personal);
    }
    if queries::of_organization(tx, &held.org_id, ("", &new.user_id)).await?.is_some() {
        return Err(AddError::AlreadyMember);
    }
    if held.max_members.is_some_and(|most| held.member_count >= most) {
        return Err(AddError::Full);
    }
    let id = Kind::Member.new_id(now_ms);
    let member = queries::NewMember {
        id: &id,
        project_id: &new.project_id,
        org_id: &new.org_id,
        user_id: &new.user_id,
        role: &new.role,
    };
    queries::insert(tx, &member, now_ms).await?;
    tx.record(Event {
        project_id: new.project_id.clone(),
        kind: EventType::MemberAdded,
        actor: actor.clone(),
        org_id: Some(new.org_id.clone()),
        target_id: id.clone(),
        data: json!({ "user_id": new.user_id, "role": new.role }),
        at: now_ms,
    });
    let desk = teams::Desk { project_id: &new.project_id, org_id: &new.org_id, actor: &actor, now_ms };
    teams::welcome(tx, desk, (&id, &new.user_id)).await?;
    Ok(id)
}
