//! The SQL of the signing keys.

use crate::db::{Conn, DbError, sql};

#[derive(Clone)]
pub(super) struct StoredKey {
    pub(super) kid: String,
    pub(super) private_enc: String,
}

pub(super) async fn active(
    conn: &mut Conn,
    project_id: &str,
    alg: &str,
) -> Result<Option<StoredKey>, DbError> {
    let statement = sql("SELECT kid, private_enc FROM signing_keys
                         WHERE project_id = $1 AND alg = $2 AND state = 'active'")
    .bind(project_id)
    .bind(alg);
    conn.first(statement)
        .await?
        .map(|row| Ok(StoredKey { kid: row.text("kid")?, private_enc: row.text("private_enc")? }))
        .transpose()
}

/// Makes the key the active one; `false` if there is one already.
pub(super) async fn insert(
    conn: &mut Conn,
    project_id: &str,
    alg: &str,
    key: &StoredKey,
    public_jwk: &str,
    now_ms: i64,
) -> Result<bool, DbError> {
    let inserted = conn
        .run(
            sql("INSERT INTO signing_keys
                     (kid, project_id, alg, public_jwk, private_enc, state, created_at, active_at)
                 VALUES ($1, $2, $3, $4, $5, 'active', $6, $6)
                 ON CONFLICT (project_id, alg) WHERE state = 'active' DO NOTHING")
            .bind(&key.kid)
            .bind(project_id)
            .bind(alg)
            .bind(public_jwk)
            .bind(&key.private_enc)
            .bind(now_ms),
        )
        .await?;
    Ok(inserted == 1)
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
