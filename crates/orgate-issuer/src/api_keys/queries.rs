//! The SQL of the API keys.

use super::ApiKey;
use crate::{
    db::{Conn, DbError, Row, json_list, sql},
    http::paging::Page,
};

macro_rules! key {
    ($rest:literal) => {
        sql(concat!(
            "SELECT id, project_id, org_id, name, hint, permissions, by_operator, user_id, member_id, created_at,
                    expires_at, last_used_at, revoked_at
             FROM api_keys ",
            $rest
        ))
    };
}

fn read(row: &Row) -> Result<ApiKey, DbError> {
    Ok(ApiKey {
        id: row.text("id")?,
        project_id: row.text("project_id")?,
        org_id: row.text("org_id")?,
        name: row.text("name")?,
        hint: row.text("hint")?,
        permissions: row.list("permissions")?,
        by_operator: row.flag("by_operator")?,
        user_id: row.text_opt("user_id")?,
        member_id: row.text_opt("member_id")?,
        created_at: row.int("created_at")?,
        expires_at: row.int_opt("expires_at")?,
        last_used_at: row.int_opt("last_used_at")?,
        revoked_at: row.int_opt("revoked_at")?,
    })
}

pub(super) async fn insert(conn: &mut Conn, key: &ApiKey, hash: &str) -> Result<(), DbError> {
    let permissions = json_list(&key.permissions);
    conn.run(
        sql("INSERT INTO api_keys
                 (id, project_id, org_id, name, hint, key_hash, permissions, by_operator, user_id, member_id, created_at,
                  expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)")
        .bind(&key.id)
        .bind(&key.project_id)
        .bind(&key.org_id)
        .bind(&key.name)
        .bind(&key.hint)
        .bind(hash)
        .bind(&permissions)
        .bind(key.by_operator)
        .bind(&key.user_id)
        .bind(&key.member_id)
        .bind(key.created_at)
        .bind(key.expires_at),
    )
    .await
    .map(|_| ())
}

pub(super) async fn by_hash(
    conn: &mut Conn,
    project_id: &str,
    hash: &str,
) -> Result<Option<ApiKey>, DbError> {
    let statement = key!("WHERE key_hash = $1 AND project_id = $2").bind(hash).bind(project_id);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn find(conn: &mut Conn, org_id: &str, id: &str) -> Result<Option<ApiKey>, DbError> {
    let statement = key!("WHERE id = $1 AND org_id = $2").bind(id).bind(org_id);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn list(conn: &mut Conn, org_id: &str, page: &Page) -> Result<Vec<ApiKey>, DbError> {
    let statement = key!("WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT $3")
        .bind(org_id)
        .bind(&page.after)
        .bind(page.rows());
    conn.all(statement).await?.iter().map(read).collect()
}

/// How many keys have not ended.
pub(super) async fn count(conn: &mut Conn, org_id: &str, now_ms: i64) -> Result<i64, DbError> {
    let statement = sql("SELECT count(*) AS count FROM api_keys
                         WHERE org_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)")
    .bind(org_id)
    .bind(now_ms);
    conn.first(statement).await?.map_or(Ok(0), |row| row.int("count"))
}

/// Whether it was this that ended it.
pub(super) async fn revoke(conn: &mut Conn, id: &str, now_ms: i64) -> Result<bool, DbError> {
    let statement = sql("UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL");
    Ok(conn.run(statement.bind(id).bind(now_ms)).await? > 0)
}

pub(super) async fn note_use(conn: &mut Conn, id: &str, now_ms: i64) -> Result<(), DbError> {
    let statement = sql("UPDATE api_keys SET last_used_at = $2
                         WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)");
    conn.run(statement.bind(id).bind(now_ms)).await.map(|_| ())
}
