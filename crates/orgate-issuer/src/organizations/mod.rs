//! Organizations of a project.

mod queries;
pub(crate) mod routes;
pub(crate) mod slug;

use serde_json::{Value, json};

use self::slug::SlugError;
use crate::{
    clock::rfc3339,
    db::{Conn, DbError, Tx},
    events::{Actor, Event, EventType},
    http::{Problem, problem::Code},
    ids::Kind,
    members, users,
};

const MAX_NAME: usize = 100;

/// An organization.
#[derive(Clone, Debug)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) project_id: String,
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) status: String,
    pub(crate) member_count: i64,
    /// Moves with each change of it.
    pub(crate) ver: u64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

impl Organization {
    /// Whether it may be used.
    pub(crate) fn is_active(&self) -> bool {
        self.status == "active"
    }

    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "project_id": self.project_id,
            "name": self.name,
            "slug": self.slug,
            "status": self.status,
            "member_count": self.member_count,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
        })
    }
}

/// Why an organization was not made.
#[derive(Debug)]
pub(crate) enum CreateError {
    Db(DbError),
    Name,
    Slug(SlugError),
    SlugTaken,
    UnknownCreator,
    NoRandomness,
}

impl From<DbError> for CreateError {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<CreateError> for Problem {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Db(error) => error.into(),
            CreateError::Name => {
                Self::invalid("name", "has 1 to 100 characters, none of them a control character")
            }
            CreateError::Slug(SlugError::Reserved) => Code::SlugReserved.into(),
            CreateError::Slug(SlugError::Malformed) => {
                Self::invalid("slug", SlugError::Malformed.to_string())
            }
            CreateError::SlugTaken => Code::SlugTaken.into(),
            CreateError::UnknownCreator => {
                Self::new(Code::UnknownUser).detail("`creator_end_user_id` names no user of this project")
            }
            CreateError::NoRandomness => Code::Internal.into(),
        }
    }
}

/// An organization to be made. Its creator becomes the owner.
#[derive(Clone, Debug)]
pub(crate) struct NewOrganization {
    pub(crate) id: Option<String>,
    pub(crate) project_id: String,
    pub(crate) name: String,
    pub(crate) slug: Option<String>,
    pub(crate) creator: String,
}

/// Makes an organization with its owner, in one step.
pub(crate) async fn create(
    tx: &mut Tx,
    new: NewOrganization,
    actor: Actor,
    now_ms: i64,
) -> Result<Organization, CreateError> {
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(CreateError::Name);
    }
    if users::find(tx, &new.project_id, &new.creator).await?.is_none() {
        return Err(CreateError::UnknownCreator);
    }
    let id = new.id.unwrap_or_else(|| Kind::Organization.new_id(now_ms));
    let owner = Kind::Member.new_id(now_ms);
    let row = queries::NewRow { id: &id, project_id: &new.project_id, name, owner_member_id: &owner };
    let slug = match new.slug {
        Some(slug) => {
            slug::check(&slug).map_err(CreateError::Slug)?;
            queries::insert(tx, &row, &slug, now_ms).await?.then_some(slug)
        }
        None => free_slug(tx, &row, now_ms).await?,
    };
    let slug = slug.ok_or(CreateError::SlugTaken)?;
    members::insert_owner(tx, &owner, &new.project_id, &id, &new.creator, now_ms).await?;
    tx.record(Event {
        project_id: new.project_id.clone(),
        kind: EventType::OrganizationCreated,
        actor,
        org_id: Some(id.clone()),
        target_id: id.clone(),
        data: json!({ "name": name, "slug": slug, "owner": { "member_id": owner, "user_id": new.creator } }),
        at: now_ms,
    });
    Ok(queries::find(tx, &new.project_id, &id).await?.ok_or_else(|| {
        DbError::Inconsistent("an organization is not there after it was stored".to_owned())
    })?)
}

/// Makes an organization the personal one of its owner.
pub(crate) async fn set_personal(tx: &mut Tx, id: &str) -> Result<(), DbError> {
    queries::set_personal(tx, id).await
}

/// Stores the row under the first slug made from its name that is free.
async fn free_slug(
    tx: &mut Tx,
    row: &queries::NewRow<'_>,
    now_ms: i64,
) -> Result<Option<String>, CreateError> {
    for attempt in 0..4 {
        // The suffix is random and not a number: a number would tell how many there are.
        let slug = slug::generate(row.name, attempt > 0).map_err(|_| CreateError::NoRandomness)?;
        if slug::check(&slug).is_ok() && queries::insert(tx, row, &slug, now_ms).await? {
            return Ok(Some(slug));
        }
    }
    Ok(None)
}

/// The organization of the project with this id or slug.
pub(crate) async fn find(
    conn: &mut Conn,
    project_id: &str,
    org: &str,
) -> Result<Option<Organization>, DbError> {
    match queries::find(conn, project_id, &Kind::Organization.canonical(org)).await? {
        Some(found) => Ok(Some(found)),
        None => queries::find_by_slug(conn, project_id, org).await,
    }
}

/// The organization of the project with this slug.
pub(crate) async fn find_by_slug(
    conn: &mut Conn,
    project_id: &str,
    slug: &str,
) -> Result<Option<Organization>, DbError> {
    queries::find_by_slug(conn, project_id, slug).await
}

#[cfg(test)]
mod tests;
