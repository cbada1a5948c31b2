//! Memberships: who belongs to which organization, with which one role.
//!
//! Exactly one owner, and one membership for a user in an organization: both are constraints of the schema.

mod queries;
pub(crate) mod routes;

use serde_json::json;

use crate::{
    db::{Conn, Constraint, DbError, Tx},
    events::{Actor, Event, EventType},
    http::{Problem, paging::Page, problem::Code},
    ids::Kind,
    roles, users,
};

/// A membership as tokens and sessions need it: read in one statement, so that the role and the organization's change
/// counter belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) id: String,
    pub(crate) role: String,
    pub(crate) org_id: String,
    pub(crate) org_slug: String,
    pub(crate) org_name: String,
    pub(crate) org_ver: u64,
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
}

impl From<DbError> for AddError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Conflict(Constraint::Unique) => Self::AlreadyMember,
            other => Self::Db(other),
        }
    }
}

impl From<AddError> for Problem {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Db(error) => error.into(),
            AddError::UnknownOrganization => Code::NotFound.into(),
            AddError::UnknownUser => Code::UnknownUser.into(),
            AddError::UnknownRole => {
                Self::new(Code::UnknownRole).detail(format!("the roles are {}", roles::names().join(", ")))
            }
            AddError::OwnerNotGrantable => Self::new(Code::RoleNotGrantable)
                .detail("an organization has one owner; ownership is transferred"),
            AddError::AlreadyMember => Code::AlreadyMember.into(),
        }
    }
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

/// The active membership `id`, in an active organization.
pub(crate) async fn find_by_id(conn: &mut Conn, id: &str) -> Result<Option<Membership>, DbError> {
    queries::find_by_id(conn, id).await
}

/// The organizations of a user, those that can be used only.
pub(crate) async fn of_user(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
    page: &Page,
) -> Result<Vec<Membership>, DbError> {
    queries::of_user(conn, project_id, user_id, page).await
}

/// All organizations of a user, for the picker.
pub(crate) async fn all_of_user(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
) -> Result<Vec<Membership>, DbError> {
    queries::all_of_user(conn, project_id, user_id).await
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

/// Adds a member with any role but the owner's; gives the membership's id.
pub(crate) async fn add(tx: &mut Tx, new: NewMember, actor: Actor, now_ms: i64) -> Result<String, AddError> {
    if !queries::organization_exists(tx, &new.project_id, &new.org_id).await? {
        return Err(AddError::UnknownOrganization);
    }
    if !roles::exists(&new.role) {
        return Err(AddError::UnknownRole);
    }
    if new.role == roles::OWNER {
        return Err(AddError::OwnerNotGrantable);
    }
    if users::find(tx, &new.project_id, &new.user_id).await?.is_none() {
        return Err(AddError::UnknownUser);
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
        project_id: new.project_id,
        kind: EventType::MemberAdded,
        actor,
        org_id: Some(new.org_id),
        target_id: id.clone(),
        data: json!({ "user_id": new.user_id, "role": new.role }),
        at: now_ms,
    });
    Ok(id)
}

#[cfg(test)]
mod tests;
