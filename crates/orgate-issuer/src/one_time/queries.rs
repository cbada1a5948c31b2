//! The SQL of one-time secrets.

use super::Holder;
use crate::db::{Conn, DbError, sql};

pub(super) struct NewRow<'a> {
    pub(super) id: &'a str,
    pub(super) holder: Holder<'a>,
    pub(super) purpose: &'a str,
    pub(super) link_hash: &'a str,
    pub(super) code_hash: Option<String>,
    pub(super) now_ms: i64,
    pub(super) expires_at: i64,
}

pub(super) async fn insert(conn: &mut Conn, row: &NewRow<'_>) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO user_secrets
                 (id, project_id, user_id, email_norm, purpose, link_hash, code_hash, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(row.id)
        .bind(row.holder.project_id)
        .bind(row.holder.user_id)
        .bind(row.holder.email_norm)
        .bind(row.purpose)
        .bind(row.link_hash)
        .bind(&row.code_hash)
        .bind(row.now_ms)
        .bind(row.expires_at),
    )
    .await
    .map(|_| ())
}

pub(super) async fn look(
    conn: &mut Conn,
    project_id: &str,
    purpose: &str,
    link_hash: &str,
    now_ms: i64,
) -> Result<Option<String>, DbError> {
    let statement = sql("SELECT s.user_id FROM user_secrets s JOIN users u ON u.id = s.user_id
                         WHERE s.project_id = $1 AND s.purpose = $2 AND s.link_hash = $3 AND s.expires_at > $4
                           AND u.email_norm = s.email_norm AND u.status = 'active'")
    .bind(project_id)
    .bind(purpose)
    .bind(link_hash)
    .bind(now_ms);
    conn.first(statement).await?.map(|row| row.text("user_id")).transpose()
}

pub(super) async fn redeem(
    conn: &mut Conn,
    project_id: &str,
    purpose: &str,
    link_hash: &str,
    now_ms: i64,
) -> Result<Option<String>, DbError> {
    let statement = sql("DELETE FROM user_secrets
                         WHERE project_id = $1 AND purpose = $2 AND link_hash = $3 AND expires_at > $4
                           AND EXISTS (SELECT 1 FROM users u WHERE u.id = user_secrets.user_id
                                         AND u.email_norm = user_secrets.email_norm AND u.status = 'active')
                         RETURNING user_id")
    .bind(project_id)
    .bind(purpose)
    .bind(link_hash)
    .bind(now_ms);
    conn.first(statement).await?.map(|row| row.text("user_id")).transpose()
}

/// Counts an attempt on each live code of the user and gives those that may still be tried.
pub(super) async fn try_codes(
    conn: &mut Conn,
    user_id: &str,
    most: i64,
    now_ms: i64,
) -> Result<Vec<(String, String)>, DbError> {
    let statement = sql("UPDATE user_secrets SET attempts = attempts + 1
                         WHERE user_id = $1 AND code_hash IS NOT NULL AND attempts < $2 AND expires_at > $3
                           AND EXISTS (SELECT 1 FROM users u WHERE u.id = user_secrets.user_id
                                         AND u.email_norm = user_secrets.email_norm)
                         RETURNING id, code_hash")
    .bind(user_id)
    .bind(most)
    .bind(now_ms);
    let rows = conn.all(statement).await?;
    rows.iter().map(|row| Ok((row.text("id")?, row.text("code_hash")?))).collect()
}

pub(super) async fn remove(conn: &mut Conn, id: &str) -> Result<bool, DbError> {
    Ok(conn.run(sql("DELETE FROM user_secrets WHERE id = $1").bind(id)).await? == 1)
}

pub(super) async fn end_all(conn: &mut Conn, user_id: &str) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM user_secrets WHERE user_id = $1").bind(user_id)).await.map(|_| ())
}

pub(super) async fn purge(conn: &mut Conn, now_ms: i64) -> Result<u64, DbError> {
    let statement = sql("DELETE FROM user_secrets WHERE id IN
                             (SELECT id FROM user_secrets WHERE expires_at <= $1 ORDER BY expires_at LIMIT 500)");
    conn.run(statement.bind(now_ms)).await
}
