//! The SQL of the outbox.

use crate::db::{Conn, DbError, sql};

/// A letter that was taken to be sent.
pub(super) struct Taken {
    pub(super) id: String,
    pub(super) sealed: String,
    pub(super) attempts: i64,
    pub(super) expires_at: i64,
}

pub(super) async fn insert(
    conn: &mut Conn,
    id: &str,
    sealed: &str,
    decoy: bool,
    now_ms: i64,
    expires_at: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO mails (id, sealed, decoy, next_at, created_at, expires_at) VALUES ($1, $2, $3, $4, $4, $5)")
            .bind(id)
            .bind(sealed)
            .bind(decoy)
            .bind(now_ms)
            .bind(expires_at),
    )
    .await
    .map(|_| ())
}

pub(super) async fn newest(conn: &mut Conn, most: i64) -> Result<Vec<(String, String, i64)>, DbError> {
    let rows = conn
        .all(
            sql("SELECT id, sealed, created_at FROM mails WHERE decoy = 0 ORDER BY created_at DESC, id DESC LIMIT $1")
                .bind(most),
        )
        .await?;
    rows.iter().map(|row| Ok((row.text("id")?, row.text("sealed")?, row.int("created_at")?))).collect()
}

/// Every letter, sealed.
pub(super) async fn all(conn: &mut Conn) -> Result<Vec<(String, String)>, DbError> {
    let rows = conn.all(sql("/* all */ SELECT id, sealed FROM mails ORDER BY id")).await?;
    rows.iter().map(|row| Ok((row.text("id")?, row.text("sealed")?))).collect()
}

pub(super) async fn set_sealed(conn: &mut Conn, id: &str, sealed: &str) -> Result<(), DbError> {
    conn.run(sql("UPDATE mails SET sealed = $2 WHERE id = $1").bind(id).bind(sealed)).await.map(|_| ())
}

/// The letter that has waited longest, if one is due.
pub(super) async fn due(conn: &mut Conn, now_ms: i64) -> Result<Option<String>, DbError> {
    let statement =
        sql("SELECT id FROM mails WHERE decoy = 0 AND next_at <= $1 ORDER BY next_at, id LIMIT 1")
            .bind(now_ms);
    conn.first(statement).await?.map(|row| row.text("id")).transpose()
}

/// Takes the letter `id` if it still is due: nobody else takes it before `until`.
pub(super) async fn take(
    conn: &mut Conn,
    id: &str,
    now_ms: i64,
    until: i64,
) -> Result<Option<Taken>, DbError> {
    let statement =
        sql("UPDATE mails SET next_at = $3, attempts = attempts + 1 WHERE id = $1 AND next_at <= $2
                         RETURNING id, sealed, attempts, expires_at")
        .bind(id)
        .bind(now_ms)
        .bind(until);
    let Some(row) = conn.first(statement).await? else { return Ok(None) };
    Ok(Some(Taken {
        id: row.text("id")?,
        sealed: row.text("sealed")?,
        attempts: row.int("attempts")?,
        expires_at: row.int("expires_at")?,
    }))
}

pub(super) async fn postpone(conn: &mut Conn, id: &str, next_at: i64) -> Result<(), DbError> {
    conn.run(sql("UPDATE mails SET next_at = $2 WHERE id = $1").bind(id).bind(next_at)).await.map(|_| ())
}

pub(super) async fn remove(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM mails WHERE id = $1").bind(id)).await.map(|_| ())
}

pub(super) async fn purge(conn: &mut Conn, now_ms: i64) -> Result<u64, DbError> {
    let statement = sql("DELETE FROM mails WHERE id IN
                             (SELECT id FROM mails WHERE expires_at <= $1 ORDER BY expires_at LIMIT 500)");
    conn.run(statement.bind(now_ms)).await
}
