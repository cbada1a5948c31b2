//! The SQL of the signing keys.

use super::{Algorithm, State, life::Life};
use crate::db::{Conn, DbError, Row, sql};

/// A key as it is stored.
#[derive(Clone)]
pub(super) struct StoredKey {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) state: State,
    pub(super) public_jwk: String,
    pub(super) private_enc: String,
    pub(super) created_at: i64,
    /// When it became active, or for a next one, when it will.
    pub(super) active_at: Option<i64>,
    pub(super) remove_at: Option<i64>,
}

fn read(row: &Row) -> Result<StoredKey, DbError> {
    let (algorithm, state) = (row.text("alg")?, row.text("state")?);
    Ok(StoredKey {
        kid: row.text("kid")?,
        algorithm: Algorithm::parse(&algorithm).ok_or_else(|| unknown(&algorithm))?,
        state: State::parse(&state).ok_or_else(|| unknown(&state))?,
        public_jwk: row.text("public_jwk")?,
        private_enc: row.text("private_enc")?,
        created_at: row.int("created_at")?,
        active_at: row.int_opt("active_at")?,
        remove_at: row.int_opt("remove_at")?,
    })
}

/// The keys of a project that somebody may still meet, oldest first.
pub(super) async fn living(conn: &mut Conn, project_id: &str) -> Result<Vec<StoredKey>, DbError> {
    let statement = sql("SELECT kid, alg, state, public_jwk, private_enc, created_at, active_at, remove_at
                         FROM signing_keys WHERE project_id = $1 AND state <> 'removed'
                         ORDER BY created_at, kid")
    .bind(project_id);
    conn.all(statement).await?.iter().map(read).collect()
}

/// What became of the keys of a project; of those that are gone, the newest `most`.
pub(super) async fn lives(conn: &mut Conn, project_id: &str, most: i64) -> Result<Vec<Life>, DbError> {
    let shown = sql(
        "SELECT kid, alg, state, created_at, active_at, retire_at, remove_at
                     FROM signing_keys WHERE project_id = $1 AND state <> 'removed' ORDER BY created_at, kid",
    );
    let gone = sql("SELECT kid, alg, state, created_at, active_at, retire_at, remove_at
                    FROM signing_keys WHERE project_id = $1 AND state = 'removed'
                    ORDER BY remove_at DESC, kid LIMIT $2");
    let mut rows = conn.all(gone.bind(project_id).bind(most)).await?;
    rows.extend(conn.all(shown.bind(project_id)).await?);
    rows.iter().map(read_life).collect()
}

fn read_life(row: &Row) -> Result<Life, DbError> {
    let (algorithm, state) = (row.text("alg")?, row.text("state")?);
    Ok(Life {
        kid: row.text("kid")?,
        algorithm: Algorithm::parse(&algorithm).ok_or_else(|| unknown(&algorithm))?,
        state: State::parse(&state).ok_or_else(|| unknown(&state))?,
        created_at: row.int("created_at")?,
        active_at: row.int_opt("active_at")?,
        retire_at: row.int_opt("retire_at")?,
        remove_at: row.int_opt("remove_at")?,
    })
}

fn unknown(what: &str) -> DbError {
    DbError::Inconsistent(format!("a signing key has the unknown `{what}`"))
}

/// Algorithm and public part of a key, whatever became of it.
pub(super) async fn public(
    conn: &mut Conn,
    project_id: &str,
    kid: &str,
) -> Result<Option<(Algorithm, String)>, DbError> {
    let statement =
        sql("SELECT alg, public_jwk FROM signing_keys WHERE project_id = $1 AND kid = $2").bind(project_id);
    let Some(row) = conn.first(statement.bind(kid)).await? else { return Ok(None) };
    Ok(Algorithm::parse(&row.text("alg")?).zip(Some(row.text("public_jwk")?)))
}

/// Stores a key; `false` if there is one of its algorithm in this state, and there may be only one.
pub(super) async fn insert(conn: &mut Conn, project_id: &str, key: &StoredKey) -> Result<bool, DbError> {
    let inserted = conn
        .run(
            sql("INSERT INTO signing_keys
                     (kid, project_id, alg, public_jwk, private_enc, state, created_at, active_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                 ON CONFLICT DO NOTHING")
            .bind(&key.kid)
            .bind(project_id)
            .bind(key.algorithm.as_str())
            .bind(&key.public_jwk)
            .bind(&key.private_enc)
            .bind(key.state.as_str())
            .bind(key.created_at)
            .bind(key.active_at),
        )
        .await?;
    Ok(inserted == 1)
}

/// Lets the active key of the algorithm retire until `remove_at`.
pub(super) async fn retire(
    conn: &mut Conn,
    project_id: &str,
    alg: &str,
    now_ms: i64,
    remove_at: i64,
) -> Result<(), DbError> {
    let statement = sql("UPDATE signing_keys SET state = 'retiring', retire_at = $3, remove_at = $4
                         WHERE project_id = $1 AND alg = $2 AND state = 'active'")
    .bind(project_id)
    .bind(alg)
    .bind(now_ms)
    .bind(remove_at);
    conn.run(statement).await.map(|_| ())
}

/// Makes a next key the active one; `false` if it is no next key any more.
pub(super) async fn promote(conn: &mut Conn, kid: &str, now_ms: i64) -> Result<bool, DbError> {
    let statement = sql("UPDATE signing_keys SET state = 'active', active_at = $2
                         WHERE kid = $1 AND state = 'next'")
    .bind(kid)
    .bind(now_ms);
    Ok(conn.run(statement).await? == 1)
}

/// Whether the key waits for its time.
pub(super) async fn is_next(conn: &mut Conn, kid: &str) -> Result<bool, DbError> {
    let statement = sql("SELECT kid FROM signing_keys WHERE kid = $1 AND state = 'next'").bind(kid);
    Ok(conn.first(statement).await?.is_some())
}

/// Forgets a key: nothing is left of it that could sign. `false` if it was removed before.
pub(super) async fn remove(conn: &mut Conn, kid: &str, now_ms: i64) -> Result<bool, DbError> {
    let statement = sql("UPDATE signing_keys SET state = 'removed', private_enc = '', remove_at = $2
                         WHERE kid = $1 AND state <> 'removed'")
    .bind(kid)
    .bind(now_ms);
    Ok(conn.run(statement).await? == 1)
}

/// Whether the project exists: the keys stand left of the projects, so they ask the table.
pub(super) async fn project_exists(conn: &mut Conn, project_id: &str) -> Result<bool, DbError> {
    Ok(conn.first(sql("SELECT id FROM projects WHERE id = $1").bind(project_id)).await?.is_some())
}

/// A key of any project and state.
pub(super) struct AnyKey {
    pub(super) project_id: String,
    pub(super) kid: String,
    pub(super) alg: String,
    pub(super) private_enc: String,
}

pub(super) async fn all(conn: &mut Conn) -> Result<Vec<AnyKey>, DbError> {
    let rows =
        conn.all(sql("SELECT project_id, kid, alg, private_enc FROM signing_keys ORDER BY kid")).await?;
    let read = |row: &crate::db::Row| {
        Ok(AnyKey {
            project_id: row.text("project_id")?,
            kid: row.text("kid")?,
            alg: row.text("alg")?,
            private_enc: row.text("private_enc")?,
        })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn set_sealed(conn: &mut Conn, kid: &str, private_enc: &str) -> Result<(), DbError> {
    let statement = sql("UPDATE signing_keys SET private_enc = $2 WHERE kid = $1");
    conn.run(statement.bind(kid).bind(private_enc)).await.map(|_| ())
}

/// The ids of all projects.
pub(super) async fn projects(conn: &mut Conn) -> Result<Vec<String>, DbError> {
    conn.all(sql("SELECT id FROM projects ORDER BY id")).await?.iter().map(|row| row.text("id")).collect()
}
