//! The SQL of the memberships.

use super::Membership;
use crate::{
    db::{Conn, DbError, Row, sql},
    http::paging::Page,
};

pub(super) struct NewMember<'a> {
    pub(super) id: &'a str,
    pub(super) project_id: &'a str,
    pub(super) org_id: &'a str,
    pub(super) user_id: &'a str,
    pub(super) role: &'a str,
}

/// A member as lists show it.
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) user_id: String,
    pub(super) email: String,
    pub(super) role: String,
    pub(super) status: String,
    pub(super) joined_at: i64,
}

fn read(row: &Row) -> Result<Membership, DbError> {
    Ok(Membership {
        id: row.text("id")?,
        role: row.text("role_key")?,
        org_id: row.text("org_id")?,
        org_slug: row.text("slug")?,
        org_name: row.text("name")?,
        org_ver: u64::try_from(row.int("ver")?)
            .map_err(|_| DbError::Inconsistent("a change counter is negative".to_owned()))?,
    })
}

pub(super) async fn find(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
    org: &str,
) -> Result<Option<Membership>, DbError> {
    // An id holds `_`, which no slug does: the two cannot be mistaken for each other.
    let statement = sql("SELECT m.id, m.role_key, m.org_id, o.slug, o.name, o.ver
                         FROM memberships m JOIN organizations o ON o.id = m.org_id
                         WHERE o.project_id = $1 AND m.user_id = $2 AND (o.id = $3 OR o.slug = $3)
                           AND m.status = 'active' AND o.status = 'active'")
    .bind(project_id)
    .bind(user_id)
    .bind(org);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn find_by_id(conn: &mut Conn, id: &str) -> Result<Option<Membership>, DbError> {
    let statement = sql("SELECT m.id, m.role_key, m.org_id, o.slug, o.name, o.ver
                         FROM memberships m JOIN organizations o ON o.id = m.org_id
                         WHERE m.id = $1 AND m.status = 'active' AND o.status = 'active'")
    .bind(id);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn of_user(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
    page: &Page,
) -> Result<Vec<Membership>, DbError> {
    let statement = sql("SELECT m.id, m.role_key, m.org_id, o.slug, o.name, o.ver
                         FROM memberships m JOIN organizations o ON o.id = m.org_id
                         WHERE o.project_id = $1 AND m.user_id = $2 AND m.status = 'active' AND o.status = 'active'
                           AND o.id > $3
                         ORDER BY o.id LIMIT $4")
    .bind(project_id)
    .bind(user_id)
    .bind(&page.after)
    .bind(page.rows());
    conn.all(statement).await?.iter().map(read).collect()
}

pub(super) async fn all_of_user(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
) -> Result<Vec<Membership>, DbError> {
    let statement = sql("SELECT m.id, m.role_key, m.org_id, o.slug, o.name, o.ver
                         FROM memberships m JOIN organizations o ON o.id = m.org_id
                         WHERE o.project_id = $1 AND m.user_id = $2 AND m.status = 'active' AND o.status = 'active'
                         ORDER BY o.name, o.id")
    .bind(project_id)
    .bind(user_id);
    conn.all(statement).await?.iter().map(read).collect()
}

pub(super) async fn organization_exists(
    conn: &mut Conn,
    project_id: &str,
    org_id: &str,
) -> Result<bool, DbError> {
    let statement =
        sql("SELECT id FROM organizations WHERE project_id = $1 AND id = $2").bind(project_id).bind(org_id);
    Ok(conn.first(statement).await?.is_some())
}

pub(super) async fn insert(conn: &mut Conn, member: &NewMember<'_>, now_ms: i64) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO memberships (id, project_id, org_id, user_id, role_key, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6)")
        .bind(member.id)
        .bind(member.project_id)
        .bind(member.org_id)
        .bind(member.user_id)
        .bind(member.role)
        .bind(now_ms),
    )
    .await
    .map(|_| ())
}

pub(super) async fn list(
    conn: &mut Conn,
    project_id: &str,
    org_id: &str,
    page: &Page,
) -> Result<Vec<Listed>, DbError> {
    let statement = sql("SELECT m.id, m.user_id, u.email, m.role_key, m.status, m.created_at
                         FROM memberships m JOIN users u ON u.id = m.user_id
                         WHERE m.project_id = $1 AND m.org_id = $2 AND m.id > $3
                         ORDER BY m.id LIMIT $4")
    .bind(project_id)
    .bind(org_id)
    .bind(&page.after)
    .bind(page.rows());
    conn.all(statement).await?.iter().map(listed).collect()
}

pub(super) async fn shown(conn: &mut Conn, id: &str) -> Result<Option<Listed>, DbError> {
    let statement = sql("SELECT m.id, m.user_id, u.email, m.role_key, m.status, m.created_at
                         FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.id = $1")
    .bind(id);
    conn.first(statement).await?.map(|row| listed(&row)).transpose()
}

fn listed(row: &Row) -> Result<Listed, DbError> {
    Ok(Listed {
        id: row.text("id")?,
        user_id: row.text("user_id")?,
        email: row.text("email")?,
        role: row.text("role_key")?,
        status: row.text("status")?,
        joined_at: row.int("created_at")?,
    })
}
