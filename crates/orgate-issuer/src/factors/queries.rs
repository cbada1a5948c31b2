//! The SQL of second factors.

use super::Waiting;
use crate::db::{Conn, DbError, json_list, sql};

/// The sealed secret of a user, confirmed or not yet.
pub(super) async fn totp(conn: &mut Conn, user_id: &str, confirmed: bool) -> Result<Option<String>, DbError> {
    let statement = sql("SELECT secret_enc FROM totp
                         WHERE user_id = $1 AND CASE WHEN confirmed_at IS NULL THEN 0 ELSE 1 END = $2")
    .bind(user_id)
    .bind(confirmed);
    conn.first(statement).await?.map(|row| row.text("secret_enc")).transpose()
}

/// Every sealed secret, with its user.
pub(super) async fn all_totp(conn: &mut Conn) -> Result<Vec<(String, String)>, DbError> {
    let rows = conn.all(sql("/* all */ SELECT user_id, secret_enc FROM totp ORDER BY user_id")).await?;
    rows.iter().map(|row| Ok((row.text("user_id")?, row.text("secret_enc")?))).collect()
}

pub(super) async fn set_sealed(conn: &mut Conn, user_id: &str, sealed: &str) -> Result<(), DbError> {
    conn.run(sql("UPDATE totp SET secret_enc = $2 WHERE user_id = $1").bind(user_id).bind(sealed))
        .await
        .map(|_| ())
}

/// Recovery codes whose stored form is not `like`.
pub(super) async fn count_recovery_codes_unlike(conn: &mut Conn, like: &str) -> Result<i64, DbError> {
    let statement =
        sql("/* all */ SELECT COUNT(*) AS n FROM recovery_codes WHERE code_hash NOT LIKE $1").bind(like);
    conn.first(statement).await?.map_or(Ok(0), |row| row.int("n"))
}

pub(super) async fn is_confirmed(conn: &mut Conn, user_id: &str) -> Result<bool, DbError> {
    Ok(totp(conn, user_id, true).await?.is_some())
}

pub(super) async fn begin(
    conn: &mut Conn,
    user_id: &str,
    sealed: &str,
    now_ms: i64,
) -> Result<bool, DbError> {
    let statement = sql("INSERT INTO totp (user_id, secret_enc, created_at) VALUES ($1, $2, $3)
                         ON CONFLICT (user_id) DO UPDATE
                         SET secret_enc = excluded.secret_enc, created_at = excluded.created_at
                         WHERE totp.confirmed_at IS NULL")
    .bind(user_id)
    .bind(sealed)
    .bind(now_ms);
    Ok(conn.run(statement).await? == 1)
}

pub(super) async fn confirm(conn: &mut Conn, user_id: &str, step: i64, now_ms: i64) -> Result<bool, DbError> {
    let statement =
        sql("UPDATE totp SET confirmed_at = $3, last_step = $2 WHERE user_id = $1 AND confirmed_at IS NULL")
            .bind(user_id)
            .bind(step)
            .bind(now_ms);
    Ok(conn.run(statement).await? == 1)
}

/// Takes a step; `false` if it or a later one was taken. This one statement decides every race.
pub(super) async fn advance(conn: &mut Conn, user_id: &str, step: i64) -> Result<bool, DbError> {
    let statement = sql(
        "UPDATE totp SET last_step = $2 WHERE user_id = $1 AND last_step < $2 AND confirmed_at IS NOT NULL",
    )
    .bind(user_id)
    .bind(step);
    Ok(conn.run(statement).await? == 1)
}

pub(super) async fn remove(conn: &mut Conn, user_id: &str) -> Result<bool, DbError> {
    remove_recovery_codes(conn, user_id).await?;
    Ok(conn.run(sql("DELETE FROM totp WHERE user_id = $1").bind(user_id)).await? == 1)
}

pub(super) async fn count_recovery_codes(conn: &mut Conn, user_id: &str) -> Result<i64, DbError> {
    let statement = sql("SELECT COUNT(*) AS n FROM recovery_codes WHERE user_id = $1").bind(user_id);
    conn.first(statement).await?.map_or(Ok(0), |row| row.int("n"))
}

pub(super) async fn recovery_codes(conn: &mut Conn, user_id: &str) -> Result<Vec<String>, DbError> {
    let rows = conn.all(sql("SELECT code_hash FROM recovery_codes WHERE user_id = $1").bind(user_id)).await?;
    rows.iter().map(|row| row.text("code_hash")).collect()
}

pub(super) async fn insert_recovery_code(
    conn: &mut Conn,
    user_id: &str,
    code_hash: &str,
    now_ms: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO recovery_codes (user_id, code_hash, created_at) VALUES ($1, $2, $3)")
            .bind(user_id)
            .bind(code_hash)
            .bind(now_ms),
    )
    .await
    .map(|_| ())
}

pub(super) async fn use_recovery_code(
    conn: &mut Conn,
    user_id: &str,
    code_hash: &str,
) -> Result<bool, DbError> {
    let statement =
        sql("DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2").bind(user_id).bind(code_hash);
    Ok(conn.run(statement).await? == 1)
}

pub(super) async fn remove_recovery_codes(conn: &mut Conn, user_id: &str) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM recovery_codes WHERE user_id = $1").bind(user_id)).await.map(|_| ())
}

pub(super) async fn insert_ticket(
    conn: &mut Conn,
    ticket_hash: &str,
    project_id: &str,
    waiting: &Waiting,
    (now_ms, expires_at): (i64, i64),
) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO second_steps (ticket_hash, project_id, user_id, amr, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(ticket_hash)
        .bind(project_id)
        .bind(&waiting.user_id)
        .bind(&json_list(&waiting.amr))
        .bind(now_ms)
        .bind(expires_at),
    )
    .await
    .map(|_| ())
}

pub(super) async fn ticket(
    conn: &mut Conn,
    project_id: &str,
    ticket_hash: &str,
    most: i64,
    now_ms: i64,
) -> Result<Option<Waiting>, DbError> {
    let statement = sql("SELECT t.user_id, t.amr FROM second_steps t JOIN users u ON u.id = t.user_id
                         WHERE t.project_id = $1 AND t.ticket_hash = $2 AND t.attempts < $3 AND t.expires_at > $4
                           AND u.status = 'active'")
    .bind(project_id)
    .bind(ticket_hash)
    .bind(most)
    .bind(now_ms);
    let Some(row) = conn.first(statement).await? else { return Ok(None) };
    Ok(Some(Waiting { user_id: row.text("user_id")?, amr: row.list("amr")? }))
}

pub(super) async fn try_ticket(
    conn: &mut Conn,
    ticket_hash: &str,
    most: i64,
    now_ms: i64,
) -> Result<bool, DbError> {
    let statement = sql("UPDATE second_steps SET attempts = attempts + 1
                         WHERE ticket_hash = $1 AND attempts < $2 AND expires_at > $3")
    .bind(ticket_hash)
    .bind(most)
    .bind(now_ms);
    Ok(conn.run(statement).await? == 1)
}

pub(super) async fn end_ticket(conn: &mut Conn, ticket_hash: &str) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM second_steps WHERE ticket_hash = $1").bind(ticket_hash)).await.map(|_| ())
}

/// Ends every sign-in of a user that waits: what it rests on is not good any more.
pub(super) async fn end_tickets(conn: &mut Conn, user_id: &str) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM second_steps WHERE user_id = $1").bind(user_id)).await.map(|_| ())
}

pub(super) async fn purge(conn: &mut Conn, now_ms: i64) -> Result<u64, DbError> {
    let statement = sql("DELETE FROM second_steps WHERE ticket_hash IN
                             (SELECT ticket_hash FROM second_steps WHERE expires_at <= $1
                              ORDER BY expires_at LIMIT 500)");
    conn.run(statement.bind(now_ms)).await
}
