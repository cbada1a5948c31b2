//! The SQL of the catalogue and of the roles of organizations.

use super::{Role, catalogue::Entry, custom::Custom};
use crate::{
    db::{Conn, DbError, Row, sql},
    http::paging::Page,
};

/// The role `key` of an organization, if it made one of this name.
pub(super) async fn role(conn: &mut Conn, org_id: &str, key: &str) -> Result<Option<Role>, DbError> {
    let statement = sql("SELECT r.key, r.rank,
                                (SELECT string_agg(p.permission, ' ' ORDER BY p.position) FROM role_permissions p
                                 WHERE p.role_id = r.id) AS permissions
                         FROM roles r WHERE r.org_id = $1 AND r.key = $2")
    .bind(org_id)
    .bind(key);
    conn.first(statement).await?.map(|row| read_role(&row)).transpose()
}

fn read_role(row: &Row) -> Result<Role, DbError> {
    let permissions = row.text_opt("permissions")?;
    Ok(Role::of_row(row.text("key")?, row.int_opt("rank")?, permissions.as_deref()))
}

pub(super) async fn custom(
    conn: &mut Conn,
    org_id: &str,
    reference: &str,
) -> Result<Option<Custom>, DbError> {
    let statement = sql("SELECT r.id, r.key, r.name, r.description, r.rank, r.ver, r.created_at, r.updated_at,
                                (SELECT string_agg(p.permission, ' ' ORDER BY p.position) FROM role_permissions p
                                 WHERE p.role_id = r.id) AS permissions
                         FROM roles r WHERE r.org_id = $1 AND (r.key = $2 OR r.id = $2)")
    .bind(org_id)
    .bind(reference);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn customs(conn: &mut Conn, org_id: &str, page: &Page) -> Result<Vec<Custom>, DbError> {
    let statement = sql("SELECT r.id, r.key, r.name, r.description, r.rank, r.ver, r.created_at, r.updated_at,
                                (SELECT string_agg(p.permission, ' ' ORDER BY p.position) FROM role_permissions p
                                 WHERE p.role_id = r.id) AS permissions
                         FROM roles r WHERE r.org_id = $1 AND r.key > $2 ORDER BY r.key LIMIT $3")
    .bind(org_id)
    .bind(&page.after)
    .bind(page.rows());
    conn.all(statement).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Custom, DbError> {
    Ok(Custom {
        id: row.text("id")?,
        role: read_role(row)?,
        name: row.text("name")?,
        description: row.text("description")?,
        ver: row.int("ver")?,
        created_at: row.int("created_at")?,
        updated_at: row.int("updated_at")?,
    })
}

pub(super) async fn count(conn: &mut Conn, org_id: &str) -> Result<i64, DbError> {
    let statement = sql("SELECT COUNT(*) AS n FROM roles WHERE org_id = $1").bind(org_id);
    conn.first(statement).await?.map_or(Ok(0), |row| row.int("n"))
}

pub(super) async fn insert_role(
    conn: &mut Conn,
    project_id: &str,
    org_id: &str,
    role: &Custom,
) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO roles (id, project_id, org_id, key, name, description, rank, ver, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)")
        .bind(&role.id)
        .bind(project_id)
        .bind(org_id)
        .bind(&role.role.key)
        .bind(&role.name)
        .bind(&role.description)
        .bind(role.role.rank)
        .bind(role.ver)
        .bind(role.created_at),
    )
    .await
    .map(|_| ())
}

pub(super) async fn update_role(conn: &mut Conn, role: &Custom) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE roles SET name = $2, description = $3, rank = $4, ver = $5, updated_at = $6 WHERE id = $1")
            .bind(&role.id)
            .bind(&role.name)
            .bind(&role.description)
            .bind(role.role.rank)
            .bind(role.ver)
            .bind(role.updated_at),
    )
    .await
    .map(|_| ())
}

pub(super) async fn delete_role(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM roles WHERE id = $1").bind(id)).await.map(|_| ())
}

/// Replaces what a role may do.
pub(super) async fn set_permissions(
    conn: &mut Conn,
    project_id: &str,
    role_id: &str,
    permissions: &[(String, i64)],
) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM role_permissions WHERE role_id = $1").bind(role_id)).await?;
    for (permission, position) in permissions {
        conn.run(
            sql("INSERT INTO role_permissions (role_id, project_id, permission, position) VALUES ($1, $2, $3, $4)")
                .bind(role_id)
                .bind(project_id)
                .bind(permission)
                .bind(*position),
        )
        .await?;
    }
    Ok(())
}

/// Moves the change counter of an organization.
pub(super) async fn touch_organization(conn: &mut Conn, org_id: &str) -> Result<(), DbError> {
    conn.run(sql("UPDATE organizations SET ver = ver + 1 WHERE id = $1").bind(org_id)).await.map(|_| ())
}

/// Whether somebody has the role, or is invited to it.
pub(super) async fn in_use(conn: &mut Conn, org_id: &str, key: &str) -> Result<bool, DbError> {
    let statement =
        sql("SELECT 1 AS one WHERE EXISTS (SELECT 1 FROM memberships WHERE org_id = $1 AND role_key = $2)
                            OR EXISTS (SELECT 1 FROM clients WHERE org_id = $1 AND org_role = $2)
                            OR EXISTS (SELECT 1 FROM org_domains WHERE org_id = $1 AND role_key = $2)
                            OR EXISTS (SELECT 1 FROM invitations
                                       WHERE org_id = $1 AND role_key = $2 AND status = 'pending')")
        .bind(org_id)
        .bind(key);
    Ok(conn.first(statement).await?.is_some())
}

/// Gives everybody who has one role another, and makes it the role that others are invited to; says how many have it.
pub(super) async fn reassign(
    conn: &mut Conn,
    org_id: &str,
    (from, to): (&str, &str),
    now_ms: i64,
) -> Result<u64, DbError> {
    conn.run(
        sql("UPDATE invitations SET role_key = $3, updated_at = $4
             WHERE org_id = $1 AND role_key = $2 AND status = 'pending'")
        .bind(org_id)
        .bind(from)
        .bind(to)
        .bind(now_ms),
    )
    .await?;
    conn.run(
        sql("UPDATE org_domains SET role_key = $3, ver = ver + 1, updated_at = $4 WHERE org_id = $1 AND role_key = $2")
            .bind(org_id)
            .bind(from)
            .bind(to)
            .bind(now_ms),
    )
    .await?;
    conn.run(
        sql("UPDATE memberships SET role_key = $3, updated_at = $4 WHERE org_id = $1 AND role_key = $2")
            .bind(org_id)
            .bind(from)
            .bind(to)
            .bind(now_ms),
    )
    .await
}

/// Locks the catalogue until the end of the transaction: the project's row, which every change ends at anyway.
pub(super) async fn lock_catalogue(conn: &mut Conn, project_id: &str) -> Result<(), DbError> {
    conn.run(sql("UPDATE projects SET ver = ver WHERE id = $1").bind(project_id)).await.map(|_| ())
}

/// The keys of the project's own permissions with their positions.
pub(super) async fn own_permissions(
    conn: &mut Conn,
    project_id: &str,
) -> Result<Vec<(String, i64)>, DbError> {
    let statement =
        sql("SELECT key, position FROM permissions WHERE project_id = $1 ORDER BY position").bind(project_id);
    conn.all(statement).await?.iter().map(|row| Ok((row.text("key")?, row.int("position")?))).collect()
}

pub(super) async fn permissions(
    conn: &mut Conn,
    project_id: &str,
    after: i64,
    rows: i64,
) -> Result<Vec<(i64, Entry)>, DbError> {
    let statement = sql("SELECT key, description, position, created_at FROM permissions
                         WHERE project_id = $1 AND position > $2 ORDER BY position LIMIT $3")
    .bind(project_id)
    .bind(after)
    .bind(rows);
    conn.all(statement).await?.iter().map(|row| Ok((row.int("position")?, entry(row)?))).collect()
}

pub(super) async fn permission(
    conn: &mut Conn,
    project_id: &str,
    key: &str,
) -> Result<Option<Entry>, DbError> {
    let statement =
        sql("SELECT key, description, created_at FROM permissions WHERE project_id = $1 AND key = $2")
            .bind(project_id)
            .bind(key);
    conn.first(statement).await?.map(|row| entry(&row)).transpose()
}

fn entry(row: &Row) -> Result<Entry, DbError> {
    Ok(Entry {
        key: row.text("key")?,
        description: row.text("description")?,
        created_at: Some(row.int("created_at")?),
    })
}

/// How many permissions of its own a project has, and the last position.
pub(super) async fn size(conn: &mut Conn, project_id: &str) -> Result<(i64, Option<i64>), DbError> {
    let statement = sql("SELECT COUNT(*) AS n, MAX(position) AS last FROM permissions WHERE project_id = $1")
        .bind(project_id);
    match conn.first(statement).await? {
        Some(row) => Ok((row.int("n")?, row.int_opt("last")?)),
        None => Ok((0, None)),
    }
}

pub(super) async fn insert_permission(
    conn: &mut Conn,
    project_id: &str,
    (key, description): (&str, &str),
    position: i64,
    now_ms: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO permissions (project_id, key, description, position, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $5)")
        .bind(project_id)
        .bind(key)
        .bind(description)
        .bind(position)
        .bind(now_ms),
    )
    .await
    .map(|_| ())
}

pub(super) async fn describe(
    conn: &mut Conn,
    project_id: &str,
    key: &str,
    description: &str,
    now_ms: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE permissions SET description = $3, updated_at = $4 WHERE project_id = $1 AND key = $2")
            .bind(project_id)
            .bind(key)
            .bind(description)
            .bind(now_ms),
    )
    .await
    .map(|_| ())
}

pub(super) async fn delete_permission(conn: &mut Conn, project_id: &str, key: &str) -> Result<(), DbError> {
    let statement =
        sql("DELETE FROM permissions WHERE project_id = $1 AND key = $2").bind(project_id).bind(key);
    conn.run(statement).await.map(|_| ())
}

pub(super) async fn permission_in_use(conn: &mut Conn, project_id: &str, key: &str) -> Result<bool, DbError> {
    let statement =
        sql("SELECT 1 AS one FROM role_permissions WHERE project_id = $1 AND permission = $2 LIMIT 1")
            .bind(project_id)
            .bind(key);
    Ok(conn.first(statement).await?.is_some())
}
