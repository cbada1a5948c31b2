//! The SQL of the organizations.

use serde_json::Value;

use super::Organization;
use crate::{
    db::{Conn, DbError, Row, sql},
    http::paging::Page,
};

/// An organization to be stored.
pub(super) struct NewRow<'a> {
    pub(super) id: &'a str,
    pub(super) project_id: &'a str,
    pub(super) name: &'a str,
    pub(super) owner_member_id: &'a str,
    pub(super) logo_url: Option<&'a str>,
    pub(super) public_metadata: &'a Value,
    pub(super) private_metadata: &'a Value,
    /// Whose personal organization it is.
    pub(super) personal_user_id: Option<&'a str>,
}

/// Stores the organization; `false` if the slug is taken.
pub(super) async fn insert(
    conn: &mut Conn,
    row: &NewRow<'_>,
    slug: &str,
    now_ms: i64,
) -> Result<bool, DbError> {
    let inserted = conn
        .run(
            sql("INSERT INTO organizations (id, project_id, name, slug, kind, owner_member_id, logo_url, public_metadata,
                                            private_metadata, personal_user_id, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
                 ON CONFLICT (project_id, slug) DO NOTHING")
            .bind(row.id)
            .bind(row.project_id)
            .bind(row.name)
            .bind(slug)
            .bind(if row.personal_user_id.is_some() { "personal" } else { "standard" })
            .bind(row.owner_member_id)
            .bind(row.logo_url)
            .bind(&row.public_metadata.to_string())
            .bind(&row.private_metadata.to_string())
            .bind(row.personal_user_id)
            .bind(now_ms),
        )
        .await?;
    Ok(inserted == 1)
}

macro_rules! organization {
    ($rest:literal) => {
        sql(concat!(
            "SELECT o.id, o.project_id, o.name, o.slug, o.kind, o.status, o.logo_url, o.member_count, o.max_members,
                    o.public_metadata, o.private_metadata, o.ver, o.created_at, o.updated_at
             FROM organizations o ",
            $rest
        ))
    };
}

pub(super) async fn find(
    conn: &mut Conn,
    project_id: &str,
    id: &str,
) -> Result<Option<Organization>, DbError> {
    let statement = organization!("WHERE o.project_id = $1 AND o.id = $2").bind(project_id).bind(id);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn find_by_slug(
    conn: &mut Conn,
    project_id: &str,
    slug: &str,
) -> Result<Option<Organization>, DbError> {
    let statement = organization!("WHERE o.project_id = $1 AND o.slug = $2").bind(project_id).bind(slug);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

/// The organization that gave this slug up.
pub(super) async fn find_by_old_slug(
    conn: &mut Conn,
    project_id: &str,
    slug: &str,
    now_ms: i64,
) -> Result<Option<Organization>, DbError> {
    let statement = organization!(
        "JOIN slug_tombstones t ON t.project_id = o.project_id AND t.org_id = o.id
         WHERE o.project_id = $1 AND t.slug = $2 AND t.until > $3"
    )
    .bind(project_id)
    .bind(slug)
    .bind(now_ms);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn list(
    conn: &mut Conn,
    project_id: &str,
    page: &Page,
) -> Result<Vec<Organization>, DbError> {
    let statement = organization!("WHERE o.project_id = $1 AND o.id > $2 ORDER BY o.id LIMIT $3")
        .bind(project_id)
        .bind(&page.after)
        .bind(page.rows());
    conn.all(statement).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Organization, DbError> {
    Ok(Organization {
        id: row.text("id")?,
        project_id: row.text("project_id")?,
        name: row.text("name")?,
        slug: row.text("slug")?,
        personal: row.text("kind")? == "personal",
        status: row.text("status")?,
        logo_url: row.text_opt("logo_url")?,
        member_count: row.int("member_count")?,
        max_members: row.int_opt("max_members")?,
        public_metadata: object(row, "public_metadata")?,
        private_metadata: object(row, "private_metadata")?,
        ver: u64::try_from(row.int("ver")?)
            .map_err(|_| DbError::Inconsistent("a change counter is negative".to_owned()))?,
        created_at: row.int("created_at")?,
        updated_at: row.int("updated_at")?,
    })
}

fn object(row: &Row, column: &str) -> Result<Value, DbError> {
    serde_json::from_str(&row.text(column)?)
        .map_err(|_| DbError::Inconsistent(format!("column `{column}` holds no JSON")))
}

/// Stores what changed; `false` if the slug is taken.
pub(super) async fn update(conn: &mut Conn, after: &Organization, now_ms: i64) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE organizations
             SET name = $2, slug = $3, status = $4, logo_url = $5, max_members = $6, public_metadata = $7,
                 private_metadata = $8, ver = ver + 1, updated_at = $9
             WHERE id = $1")
        .bind(&after.id)
        .bind(&after.name)
        .bind(&after.slug)
        .bind(&after.status)
        .bind(&after.logo_url)
        .bind(after.max_members)
        .bind(&after.public_metadata.to_string())
        .bind(&after.private_metadata.to_string())
        .bind(now_ms),
    )
    .await
    .map(|_| ())
}

pub(super) async fn delete(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM organizations WHERE id = $1").bind(id)).await.map(|_| ())
}

/// Whether another organization gave this slug up a short while ago.
pub(super) async fn slug_waits(
    conn: &mut Conn,
    project_id: &str,
    slug: &str,
    (org_id, now_ms): (&str, i64),
) -> Result<bool, DbError> {
    let statement = sql("SELECT 1 AS one FROM slug_tombstones
                         WHERE project_id = $1 AND slug = $2 AND org_id <> $3 AND until > $4")
    .bind(project_id)
    .bind(slug)
    .bind(org_id)
    .bind(now_ms);
    Ok(conn.first(statement).await?.is_some())
}

pub(super) async fn bury_slug(
    conn: &mut Conn,
    organization: &Organization,
    until: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO slug_tombstones (project_id, slug, org_id, until) VALUES ($1, $2, $3, $4)
             ON CONFLICT (project_id, slug) DO UPDATE SET org_id = $3, until = $4")
        .bind(&organization.project_id)
        .bind(&organization.slug)
        .bind(&organization.id)
        .bind(until),
    )
    .await
    .map(|_| ())
}

/// Forgets some slugs that have waited long enough.
pub(super) async fn purge(conn: &mut Conn, now_ms: i64) -> Result<u64, DbError> {
    conn.run(
        sql("DELETE FROM slug_tombstones WHERE (project_id, slug) IN
                 (SELECT project_id, slug FROM slug_tombstones WHERE until <= $1 LIMIT 200)")
        .bind(now_ms),
    )
    .await
}

/// Locks the user until the end of the transaction, so that what is counted is so.
pub(super) async fn hold_user(conn: &mut Conn, user_id: &str) -> Result<(), DbError> {
    conn.run(sql("UPDATE users SET updated_at = updated_at WHERE id = $1").bind(user_id)).await.map(|_| ())
}

/// How many organizations the user owns, the personal one apart.
pub(super) async fn owned(conn: &mut Conn, project_id: &str, user_id: &str) -> Result<i64, DbError> {
    let statement = sql("SELECT COUNT(*) AS n FROM memberships m JOIN organizations o ON o.id = m.org_id
                         WHERE m.user_id = $2 AND m.project_id = $1 AND m.role_key = 'owner' AND o.kind <> 'personal'")
    .bind(project_id)
    .bind(user_id);
    conn.first(statement).await?.map_or(Ok(0), |row| row.int("n"))
}

macro_rules! own {
    ($rest:literal) => {
        sql(concat!(
            "SELECT o.id, o.project_id, o.name, o.slug, o.kind, o.status, o.logo_url, o.member_count, o.max_members,
                    o.public_metadata, o.private_metadata, o.ver, o.created_at, o.updated_at,
                    m.id AS member_id, m.role_key
             FROM memberships m JOIN organizations o ON o.id = m.org_id
             WHERE m.project_id = $1 AND m.user_id = $2 AND m.status = 'active' AND o.status = 'active' ",
            $rest
        ))
    };
}

/// An organization with the id of the user's membership and the role.
pub(super) type Own = (Organization, String, String);

fn own(row: &Row) -> Result<Own, DbError> {
    Ok((read(row)?, row.text("member_id")?, row.text("role_key")?))
}

/// The organizations of a user but the personal one.
pub(super) async fn of_user(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
    page: &Page,
) -> Result<Vec<Own>, DbError> {
    let statement = own!("AND m.org_id > $3 AND o.kind <> 'personal' ORDER BY m.org_id LIMIT $4")
        .bind(project_id)
        .bind(user_id)
        .bind(&page.after)
        .bind(page.rows());
    conn.all(statement).await?.iter().map(own).collect()
}

pub(super) async fn personal(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
) -> Result<Option<Own>, DbError> {
    let statement = own!("AND o.personal_user_id = $2").bind(project_id).bind(user_id);
    conn.first(statement).await?.map(|row| own(&row)).transpose()
}
