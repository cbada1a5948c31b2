//! The SQL of what was asked with a key.

use super::Place;
use crate::db::{Conn, DbError, sql};

/// A request with a key.
pub(super) struct Kept {
    pub(super) request_hash: String,
    /// Status and sealed answer.
    pub(super) answer: Option<(i64, String)>,
}

pub(super) async fn forget_if_expired(conn: &mut Conn, place: &Place, now_ms: i64) -> Result<(), DbError> {
    let statement = sql("DELETE FROM idempotency
                         WHERE project_id = $1 AND actor = $2 AND label = $3 AND expires_at <= $4");
    let statement = statement.bind(&place.project_id).bind(&place.actor).bind(&place.key).bind(now_ms);
    conn.run(statement).await.map(|_| ())
}

/// Takes the key; whether it was free.
pub(super) async fn begin(
    conn: &mut Conn,
    place: &Place,
    request_hash: &str,
    expires_at: i64,
) -> Result<bool, DbError> {
    let statement = sql("INSERT INTO idempotency (project_id, actor, label, request_hash, expires_at)
                         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (project_id, actor, label) DO NOTHING")
    .bind(&place.project_id)
    .bind(&place.actor)
    .bind(&place.key)
    .bind(request_hash)
    .bind(expires_at);
    Ok(conn.run(statement).await? > 0)
}

pub(super) async fn find(conn: &mut Conn, place: &Place) -> Result<Option<Kept>, DbError> {
    let statement = sql("SELECT request_hash, status, answer_enc FROM idempotency
                         WHERE project_id = $1 AND actor = $2 AND label = $3")
    .bind(&place.project_id)
    .bind(&place.actor)
    .bind(&place.key);
    let Some(row) = conn.first(statement).await? else { return Ok(None) };
    let answer = row.int_opt("status")?.zip(row.text_opt("answer_enc")?);
    Ok(Some(Kept { request_hash: row.text("request_hash")?, answer }))
}

pub(super) async fn finish(conn: &mut Conn, place: &Place, status: i64, answer: &str) -> Result<(), DbError> {
    let statement = sql("UPDATE idempotency SET status = $4, answer_enc = $5
                         WHERE project_id = $1 AND actor = $2 AND label = $3 AND status IS NULL")
    .bind(&place.project_id)
    .bind(&place.actor)
    .bind(&place.key)
    .bind(status)
    .bind(answer);
    conn.run(statement).await.map(|_| ())
}

pub(super) async fn forget(conn: &mut Conn, place: &Place) -> Result<(), DbError> {
    let statement = sql("DELETE FROM idempotency
                         WHERE project_id = $1 AND actor = $2 AND label = $3 AND status IS NULL");
    let statement = statement.bind(&place.project_id).bind(&place.actor).bind(&place.key);
    conn.run(statement).await.map(|_| ())
}

pub(super) async fn purge(conn: &mut Conn, now_ms: i64) -> Result<u64, DbError> {
    let statement = sql("DELETE FROM idempotency WHERE (project_id, actor, label) IN (
                             SELECT project_id, actor, label FROM idempotency WHERE expires_at <= $1 LIMIT 200)");
    conn.run(statement.bind(now_ms)).await
}
