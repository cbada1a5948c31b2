//! The SQL of the operators and their sessions.

use super::{Rank, keys::ProjectKey};
use crate::{
    address::Address,
    db::{Conn, DbError, Row, json_list, sql},
};

/// Id and password hash.
pub(super) async fn credentials(
    conn: &mut Conn,
    email_norm: &str,
) -> Result<Option<(String, String)>, DbError> {
    let statement = sql("SELECT id, password_phc FROM operators WHERE email_norm = $1").bind(email_norm);
    conn.first(statement).await?.map(|row| Ok((row.text("id")?, row.text("password_phc")?))).transpose()
}

/// An operator as they are stored.
pub(super) struct Stored {
    pub(super) email: String,
    pub(super) email_norm: String,
    pub(super) password_phc: String,
}

pub(super) async fn find(conn: &mut Conn, id: &str) -> Result<Option<Stored>, DbError> {
    let statement = sql("SELECT email, email_norm, password_phc FROM operators WHERE id = $1").bind(id);
    let read = |row: Row| {
        Ok(Stored {
            email: row.text("email")?,
            email_norm: row.text("email_norm")?,
            password_phc: row.text("password_phc")?,
        })
    };
    conn.first(statement).await?.map(read).transpose()
}

pub(super) async fn any(conn: &mut Conn) -> Result<bool, DbError> {
    Ok(conn.first(sql("SELECT id FROM operators LIMIT 1")).await?.is_some())
}

pub(super) async fn insert(
    conn: &mut Conn,
    id: &str,
    address: &Address,
    password_phc: &str,
    now_ms: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO operators (id, email, email_norm, password_phc, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $5)")
        .bind(id)
        .bind(address.shown())
        .bind(address.key())
        .bind(password_phc)
        .bind(now_ms),
    )
    .await
    .map(|_| ())
}

pub(super) async fn set_password(
    conn: &mut Conn,
    id: &str,
    password_phc: &str,
    now_ms: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE operators SET password_phc = $2, updated_at = $3 WHERE id = $1")
            .bind(id)
            .bind(password_phc)
            .bind(now_ms),
    )
    .await
    .map(|_| ())
}

/// Stores another password hash in place of `known`; `false` if it is not that any more.
pub(super) async fn replace_password(
    conn: &mut Conn,
    id: &str,
    (known, new): (&str, &str),
    now_ms: i64,
) -> Result<bool, DbError> {
    let statement = sql("UPDATE operators SET password_phc = $3, updated_at = $4
                         WHERE id = $1 AND password_phc = $2")
    .bind(id)
    .bind(known)
    .bind(new)
    .bind(now_ms);
    Ok(conn.run(statement).await? == 1)
}

pub(super) async fn assign(conn: &mut Conn, id: &str, project_id: &str, rank: Rank) -> Result<bool, DbError> {
    let statement = sql("INSERT INTO project_operators (project_id, operator_id, role) VALUES ($1, $2, $3)
                         ON CONFLICT (project_id, operator_id) DO NOTHING")
    .bind(project_id)
    .bind(id)
    .bind(rank.as_str());
    Ok(conn.run(statement).await? == 1)
}

pub(super) async fn rank(conn: &mut Conn, project_id: &str, id: &str) -> Result<Option<Rank>, DbError> {
    let statement = sql("SELECT role FROM project_operators WHERE project_id = $1 AND operator_id = $2")
        .bind(project_id)
        .bind(id);
    match conn.first(statement).await? {
        Some(row) => Ok(Rank::parse(&row.text("role")?)),
        None => Ok(None),
    }
}

pub(super) async fn count_owned(conn: &mut Conn, id: &str) -> Result<i64, DbError> {
    let statement =
        sql("SELECT COUNT(*) AS n FROM project_operators WHERE operator_id = $1 AND role = 'owner'").bind(id);
    conn.first(statement).await?.map_or(Ok(0), |row| row.int("n"))
}

pub(super) async fn insert_session(
    conn: &mut Conn,
    token_hash: &str,
    operator_id: &str,
    now_ms: i64,
    idle_exp: i64,
    abs_exp: i64,
) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM operator_sessions WHERE idle_exp <= $1 OR abs_exp <= $1").bind(now_ms)).await?;
    conn.run(
        sql("INSERT INTO operator_sessions (token_hash, operator_id, created_at, idle_exp, abs_exp)
             VALUES ($1, $2, $3, $4, $5)")
        .bind(token_hash)
        .bind(operator_id)
        .bind(now_ms)
        .bind(idle_exp)
        .bind(abs_exp),
    )
    .await
    .map(|_| ())
}

/// Whose session it is, if it has not ended.
pub(super) async fn session(
    conn: &mut Conn,
    token_hash: &str,
    now_ms: i64,
) -> Result<Option<String>, DbError> {
    let statement = sql("SELECT operator_id FROM operator_sessions
                         WHERE token_hash = $1 AND idle_exp > $2 AND abs_exp > $2")
    .bind(token_hash)
    .bind(now_ms);
    conn.first(statement).await?.map(|row| row.text("operator_id")).transpose()
}

/// When a session ends if nothing else ends it.
pub(super) async fn session_end(conn: &mut Conn, token_hash: &str) -> Result<Option<i64>, DbError> {
    let statement =
        sql("SELECT idle_exp, abs_exp FROM operator_sessions WHERE token_hash = $1").bind(token_hash);
    let Some(row) = conn.first(statement).await? else { return Ok(None) };
    Ok(Some(row.int("idle_exp")?.min(row.int("abs_exp")?)))
}

/// Ends every session of an operator but the one with this hash.
pub(super) async fn delete_other_sessions(
    conn: &mut Conn,
    operator_id: &str,
    token_hash: &str,
) -> Result<(), DbError> {
    let statement = sql("DELETE FROM operator_sessions WHERE operator_id = $1 AND token_hash <> $2");
    conn.run(statement.bind(operator_id).bind(token_hash)).await.map(|_| ())
}

pub(super) async fn delete_session(conn: &mut Conn, token_hash: &str) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM operator_sessions WHERE token_hash = $1").bind(token_hash)).await.map(|_| ())
}

macro_rules! key {
    ($rest:literal) => {
        sql(concat!(
            "SELECT id, project_id, name, hint, scopes, created_by, created_at FROM project_keys WHERE ",
            $rest
        ))
    };
}

fn read_key(row: &Row) -> Result<ProjectKey, DbError> {
    Ok(ProjectKey {
        id: row.text("id")?,
        project_id: row.text("project_id")?,
        name: row.text("name")?,
        hint: row.text("hint")?,
        scopes: row.list("scopes")?,
        created_by: row.text_opt("created_by")?,
        created_at: row.int("created_at")?,
    })
}

pub(super) async fn key_by_hash(conn: &mut Conn, hash: &str) -> Result<Option<ProjectKey>, DbError> {
    conn.first(key!("key_hash = $1").bind(hash)).await?.map(|row| read_key(&row)).transpose()
}

pub(super) async fn key(conn: &mut Conn, project_id: &str, id: &str) -> Result<Option<ProjectKey>, DbError> {
    let statement = key!("project_id = $1 AND id = $2").bind(project_id).bind(id);
    conn.first(statement).await?.map(|row| read_key(&row)).transpose()
}

pub(super) async fn key_stands(conn: &mut Conn, id: &str) -> Result<bool, DbError> {
    Ok(conn.first(sql("SELECT id FROM project_keys WHERE id = $1").bind(id)).await?.is_some())
}

/// The keys behind the id `after`.
pub(super) async fn keys(
    conn: &mut Conn,
    project_id: &str,
    after: &str,
    most: i64,
) -> Result<Vec<ProjectKey>, DbError> {
    let statement = key!("project_id = $1 AND id > $2 ORDER BY id LIMIT $3");
    let rows = conn.all(statement.bind(project_id).bind(after).bind(most)).await?;
    rows.iter().map(read_key).collect()
}

pub(super) async fn count_keys(conn: &mut Conn, project_id: &str) -> Result<i64, DbError> {
    let statement = sql("SELECT COUNT(*) AS n FROM project_keys WHERE project_id = $1").bind(project_id);
    conn.first(statement).await?.map_or(Ok(0), |row| row.int("n"))
}

pub(super) async fn insert_key(conn: &mut Conn, key: &ProjectKey, hash: &str) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO project_keys (id, project_id, name, hint, key_hash, scopes, created_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(&key.id)
        .bind(&key.project_id)
        .bind(&key.name)
        .bind(&key.hint)
        .bind(hash)
        .bind(&json_list(&key.scopes))
        .bind(&key.created_by)
        .bind(key.created_at),
    )
    .await
    .map(|_| ())
}

/// Whether it was this that ended it.
pub(super) async fn delete_key(conn: &mut Conn, id: &str) -> Result<bool, DbError> {
    Ok(conn.run(sql("DELETE FROM project_keys WHERE id = $1").bind(id)).await? == 1)
}
