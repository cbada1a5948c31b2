//! The SQL of the organizations.

use super::Organization;
use crate::{
    db::{Conn, DbError, Row, sql},
    http::paging::Page,
};

pub(super) struct NewRow<'a> {
    pub(super) id: &'a str,
    pub(super) project_id: &'a str,
    pub(super) name: &'a str,
    pub(super) owner_member_id: &'a str,
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
            sql("INSERT INTO organizations (id, project_id, name, slug, owner_member_id, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $6)
                 ON CONFLICT (project_id, slug) DO NOTHING")
            .bind(row.id)
            .bind(row.project_id)
            .bind(row.name)
            .bind(slug)
            .bind(row.owner_member_id)
            .bind(now_ms),
        )
        .await?;
    Ok(inserted == 1)
}

pub(super) async fn find(
    conn: &mut Conn,
    project_id: &str,
    id: &str,
) -> Result<Option<Organization>, DbError> {
    let statement =
        sql("SELECT id, project_id, name, slug, status, member_count, ver, created_at, updated_at
                         FROM organizations WHERE project_id = $1 AND id = $2")
        .bind(project_id)
        .bind(id);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn find_by_slug(
    conn: &mut Conn,
    project_id: &str,
    slug: &str,
) -> Result<Option<Organization>, DbError> {
    let statement =
        sql("SELECT id, project_id, name, slug, status, member_count, ver, created_at, updated_at
                         FROM organizations WHERE project_id = $1 AND slug = $2")
        .bind(project_id)
        .bind(slug);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn list(
    conn: &mut Conn,
    project_id: &str,
    page: &Page,
) -> Result<Vec<Organization>, DbError> {
    let statement =
        sql("SELECT id, project_id, name, slug, status, member_count, ver, created_at, updated_at
                         FROM organizations WHERE project_id = $1 AND id > $2 ORDER BY id LIMIT $3")
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
        status: row.text("status")?,
        member_count: row.int("member_count")?,
        ver: u64::try_from(row.int("ver")?)
            .map_err(|_| DbError::Inconsistent("a change counter is negative".to_owned()))?,
        created_at: row.int("created_at")?,
        updated_at: row.int("updated_at")?,
    })
}

pub(super) async fn set_personal(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    conn.run(sql("UPDATE organizations SET kind = 'personal' WHERE id = $1").bind(id)).await.map(|_| ())
}
