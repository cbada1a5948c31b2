//! The SQL of passkeys and their challenges.

use super::Passkey;
use crate::db::{Conn, DbError, Row, sql};

/// A key with whom it belongs to.
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) user_id: String,
    pub(super) public_key: String,
}

pub(super) async fn insert_challenge(
    conn: &mut Conn,
    hash: &str,
    project_id: &str,
    session_id: Option<&str>,
    expires_at: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO passkey_challenges (challenge_hash, project_id, session_id, expires_at)
             VALUES ($1, $2, $3, $4)")
        .bind(hash)
        .bind(project_id)
        .bind(session_id)
        .bind(expires_at),
    )
    .await
    .map(|_| ())
}

/// Takes a challenge out, and says whose session it was made for.
pub(super) async fn take_challenge(
    conn: &mut Conn,
    hash: &str,
    project_id: &str,
    now_ms: i64,
) -> Result<Option<Option<String>>, DbError> {
    let statement = sql(
        "DELETE FROM passkey_challenges WHERE challenge_hash = $1 AND project_id = $2 AND expires_at > $3
                         RETURNING session_id",
    )
    .bind(hash)
    .bind(project_id)
    .bind(now_ms);
    conn.first(statement).await?.map(|row| row.text_opt("session_id")).transpose()
}

pub(super) async fn purge_challenges(conn: &mut Conn, now_ms: i64) -> Result<u64, DbError> {
    let statement = sql("DELETE FROM passkey_challenges WHERE challenge_hash IN
                             (SELECT challenge_hash FROM passkey_challenges WHERE expires_at <= $1
                              ORDER BY expires_at LIMIT 200)");
    conn.run(statement.bind(now_ms)).await
}

pub(super) async fn insert(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
    passkey: &Passkey,
    (public_key, count): (&str, i64),
) -> Result<bool, DbError> {
    let statement = sql("INSERT INTO passkeys
                             (id, project_id, user_id, credential_id, public_key, sign_count, name, created_at)
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                         ON CONFLICT DO NOTHING")
    .bind(&passkey.id)
    .bind(project_id)
    .bind(user_id)
    .bind(&passkey.credential_id)
    .bind(public_key)
    .bind(count)
    .bind(&passkey.name)
    .bind(passkey.created_at);
    Ok(conn.run(statement).await? == 1)
}

pub(super) async fn by_credential(
    conn: &mut Conn,
    project_id: &str,
    credential_id: &str,
) -> Result<Option<Stored>, DbError> {
    let statement =
        sql("SELECT p.id, p.user_id, p.public_key FROM passkeys p JOIN users u ON u.id = p.user_id
                         WHERE p.project_id = $1 AND p.credential_id = $2 AND u.status = 'active'")
        .bind(project_id)
        .bind(credential_id);
    let Some(row) = conn.first(statement).await? else { return Ok(None) };
    Ok(Some(Stored {
        id: row.text("id")?,
        user_id: row.text("user_id")?,
        public_key: row.text("public_key")?,
    }))
}

/// Notes how often a key has signed; `false` if that is not more than before, unless it does not count at all.
pub(super) async fn count(conn: &mut Conn, id: &str, count: i64, now_ms: i64) -> Result<bool, DbError> {
    let statement = sql("UPDATE passkeys SET sign_count = $2, last_used_at = $3
                         WHERE id = $1 AND (sign_count < $2 OR (sign_count = 0 AND $2 = 0))")
    .bind(id)
    .bind(count)
    .bind(now_ms);
    Ok(conn.run(statement).await? == 1)
}

pub(super) async fn of_user(conn: &mut Conn, user_id: &str) -> Result<Vec<Passkey>, DbError> {
    let statement = sql("SELECT id, credential_id, name, created_at, last_used_at FROM passkeys
                         WHERE user_id = $1 ORDER BY id")
    .bind(user_id);
    conn.all(statement).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Passkey, DbError> {
    Ok(Passkey {
        id: row.text("id")?,
        credential_id: row.text("credential_id")?,
        name: row.text("name")?,
        created_at: row.int("created_at")?,
        last_used_at: row.int_opt("last_used_at")?,
    })
}

pub(super) async fn rename(conn: &mut Conn, user_id: &str, id: &str, name: &str) -> Result<bool, DbError> {
    let statement =
        sql("UPDATE passkeys SET name = $3 WHERE user_id = $1 AND id = $2").bind(user_id).bind(id).bind(name);
    Ok(conn.run(statement).await? == 1)
}

pub(super) async fn remove(conn: &mut Conn, user_id: &str, id: &str) -> Result<bool, DbError> {
    let statement = sql("DELETE FROM passkeys WHERE user_id = $1 AND id = $2").bind(user_id).bind(id);
    Ok(conn.run(statement).await? == 1)
}
