//! Organizations of a project.

mod change;
mod metadata;
mod queries;
pub(crate) mod slug;

use serde_json::{Value, json};

pub(crate) use self::change::{Change, delete, update};
use self::slug::SlugError;
use crate::{
    app::App,
    clock::rfc3339,
    db::{Conn, DbError, Tx},
    events::{Actor, Event, EventType},
    hooks::{self, OrgCreate},
    http::{Problem, paging::Page, problem::Code},
    ids::Kind,
    members,
    projects::{OrganizationCreation, Project},
    users::{self, User},
};

const MAX_NAME: usize = 100;
const MAX_LOGO: usize = 2048;

/// An organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) project_id: String,
    pub(crate) name: String,
    pub(crate) slug: String,
    /// Whether it belongs to one user, for whom it was made.
    pub(crate) personal: bool,
    pub(crate) status: String,
    pub(crate) logo_url: Option<String>,
    pub(crate) member_count: i64,
    pub(crate) max_members: Option<i64>,
    /// What applications keep about it; members see it.
    pub(crate) public_metadata: Value,
    /// The same for operators only.
    pub(crate) private_metadata: Value,
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

    /// As its members see it. `tenant_id` and `metadata` are what other systems call the project and the public metadata.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "tenant_id": self.project_id,
            "project_id": self.project_id,
            "name": self.name,
            "slug": self.slug,
            "logo_url": self.logo_url,
            "status": self.status,
            "is_personal": self.personal,
            "member_count": self.member_count,
            "max_members": self.max_members,
            "public_metadata": self.public_metadata,
            "metadata": self.public_metadata,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
        })
    }

    /// As operators see it.
    pub(crate) fn to_whole_json(&self) -> Value {
        let mut whole = self.to_json();
        if let Some(object) = whole.as_object_mut() {
            object.insert("private_metadata".to_owned(), self.private_metadata.clone());
        }
        whole
    }
}

/// Why an organization was not made.
#[derive(Debug)]
pub(crate) enum CreateError {
    Db(DbError),
    Name,
    Logo,
    Metadata(Problem),
    Slug(SlugError),
    SlugTaken,
    UnknownCreator,
    /// The user owns as many as one may.
    Limit,
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
            CreateError::Logo => Self::invalid("logo_url", "is an https address of at most 2048 characters"),
            CreateError::Metadata(problem) => problem,
            CreateError::Slug(SlugError::Reserved) => Self::new(Code::SlugReserved).field("slug"),
            CreateError::Slug(SlugError::Malformed) => {
                Self::invalid("slug", SlugError::Malformed.to_string())
            }
            CreateError::SlugTaken => Self::new(Code::SlugTaken).field("slug"),
            CreateError::UnknownCreator => Self::new(Code::UnknownUser)
                .detail("`creator_end_user_id` names no user of this project")
                .field("creator_end_user_id"),
            CreateError::Limit => Code::OrganizationLimit.into(),
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
    pub(crate) logo_url: Option<String>,
    pub(crate) public_metadata: Option<Value>,
    pub(crate) private_metadata: Option<Value>,
    /// Whether it is the creator's personal one.
    pub(crate) personal: bool,
    /// How many organizations the creator may own.
    pub(crate) limit: Option<i64>,
}

impl NewOrganization {
    /// One with a name and nothing else.
    pub(crate) fn named(project_id: &str, name: impl Into<String>, creator: &str) -> Self {
        Self {
            id: None,
            project_id: project_id.to_owned(),
            name: name.into(),
            slug: None,
            creator: creator.to_owned(),
            logo_url: None,
            public_metadata: None,
            private_metadata: None,
            personal: false,
            limit: None,
        }
    }
}

/// Refuses a user who makes organizations in a project that has it otherwise.
pub(crate) fn may_create(project: &Project, user: &User) -> Result<(), Problem> {
    match project.org_creation {
        OrganizationCreation::Any => Ok(()),
        OrganizationCreation::Verified if user.email_verified => Ok(()),
        OrganizationCreation::Verified => Err(Code::EmailNotVerified.into()),
        OrganizationCreation::Operator => Err(Code::Forbidden.into()),
    }
}

/// Asks the application whether it lets an organization be made.
pub(crate) async fn ask_to_create(app: &App, new: &NewOrganization, actor: Actor) -> Result<(), Problem> {
    let wish = OrgCreate {
        project_id: new.project_id.clone(),
        actor: actor.into(),
        name: new.name.clone(),
        slug: new.slug.clone(),
        owner_id: new.creator.clone(),
    };
    hooks::ask(app, |hooks| hooks.before_org_create(&wish)).await
}

/// Makes an organization with its owner, in one step.
pub(crate) async fn create(
    tx: &mut Tx,
    new: NewOrganization,
    actor: Actor,
    now_ms: i64,
) -> Result<Organization, CreateError> {
    let name = checked_name(&new.name).ok_or(CreateError::Name)?;
    if new.logo_url.as_deref().is_some_and(|url| !is_logo(url)) {
        return Err(CreateError::Logo);
    }
    let object = |field: &str, value: Option<Value>| {
        metadata::whole(field, value.unwrap_or_else(|| json!({}))).map_err(CreateError::Metadata)
    };
    let (public, private) =
        (object("public_metadata", new.public_metadata)?, object("private_metadata", new.private_metadata)?);
    if users::find(tx, &new.project_id, &new.creator).await?.is_none() {
        return Err(CreateError::UnknownCreator);
    }
    if let Some(limit) = new.limit {
        queries::hold_user(tx, &new.creator).await?;
        if queries::owned(tx, &new.project_id, &new.creator).await? >= limit {
            return Err(CreateError::Limit);
        }
    }
    let id = new.id.unwrap_or_else(|| Kind::Organization.new_id(now_ms));
    let owner = Kind::Member.new_id(now_ms);
    let row = queries::NewRow {
        id: &id,
        project_id: &new.project_id,
        name,
        owner_member_id: &owner,
        logo_url: new.logo_url.as_deref(),
        public_metadata: &public,
        private_metadata: &private,
        personal_user_id: new.personal.then_some(new.creator.as_str()),
    };
    let slug = match new.slug {
        Some(slug) => {
            slug::check(&slug).map_err(CreateError::Slug)?;
            queries::insert(tx, &row, &slug, now_ms).await?.then_some(slug)
        }
        None => free_slug(tx, &row, now_ms).await?,
    };
    let slug = slug.ok_or(CreateError::SlugTaken)?;
    // Looked at last: whoever is giving the slug up has done so by now.
    if queries::slug_waits(tx, &new.project_id, &slug, (&id, now_ms)).await? {
        return Err(CreateError::SlugTaken);
    }
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

/// A name without spaces around it, if it can be one.
fn checked_name(name: &str) -> Option<&str> {
    let name = name.trim();
    let fits = !name.is_empty() && name.chars().count() <= MAX_NAME && !name.chars().any(char::is_control);
    fits.then_some(name)
}

/// Whether a page may show what is there: an https address without a name and password in it.
fn is_logo(text: &str) -> bool {
    let url = url::Url::parse(text);
    text.len() <= MAX_LOGO
        && url.is_ok_and(|url| {
            url.scheme() == "https" && url.has_host() && url.username().is_empty() && url.password().is_none()
        })
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
        if slug::check(&slug).is_ok()
            && !queries::slug_waits(tx, row.project_id, &slug, (row.id, now_ms)).await?
            && queries::insert(tx, row, &slug, now_ms).await?
        {
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

/// The same, and for a while also under a slug that it had before: links go on working.
pub(crate) async fn resolve(
    conn: &mut Conn,
    project_id: &str,
    org: &str,
    now_ms: i64,
) -> Result<Option<Organization>, DbError> {
    match find(conn, project_id, org).await? {
        Some(found) => Ok(Some(found)),
        None => queries::find_by_old_slug(conn, project_id, org, now_ms).await,
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

/// A part of all organizations of a project.
pub(crate) async fn list(
    conn: &mut Conn,
    project_id: &str,
    page: &Page,
) -> Result<Vec<Organization>, DbError> {
    queries::list(conn, project_id, page).await
}

/// A part of the organizations of a user, the personal one first, each with the user's role and its place for a cursor.
pub(crate) async fn of_user(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
    page: &Page,
) -> Result<Vec<(String, Value)>, DbError> {
    let shown = |(organization, member_id, role): queries::Own| {
        let mut value = organization.to_json();
        if let Some(object) = value.as_object_mut() {
            object.insert("role".to_owned(), role.into());
            object.insert("member_id".to_owned(), member_id.into());
        }
        (organization.id, value)
    };
    let mut rows = Vec::new();
    if page.after.is_empty() {
        let personal = queries::personal(conn, project_id, user_id).await?;
        rows.extend(personal.map(|one| (members::BEHIND_PERSONAL.to_owned(), shown(one).1)));
    }
    rows.extend(queries::of_user(conn, project_id, user_id, page).await?.into_iter().map(shown));
    Ok(rows)
}

/// Forgets slugs that have waited long enough, a bounded number at a time.
pub(crate) async fn purge(conn: &mut Conn, now_ms: i64) -> Result<u64, DbError> {
    queries::purge(conn, now_ms).await
}
