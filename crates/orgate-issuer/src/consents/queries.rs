//! The SQL of consents.

use super::{Consent, Of};
use crate::db::{Conn, DbError, sql};

pub(super) async fn scope(conn: &mut Conn, of: Of<'_>) -> Result<Option<String>, DbError> {
    Ok(find(conn, of).await?.map(|(_, scope)| scope))
}

/// Its id and its scope.
pub(super) async fn find(conn: &mut Conn, of: Of<'_>) -> Result<Option<(String, String)>, DbError> {
    let statement = sql("SELECT id, scope FROM consents
                         WHERE user_id = $1 AND client_id = $2 AND COALESCE(org_id, '') = $3 AND project_id = $4")
    .bind(of.user_id)
    .bind(of.client_id)
    .bind(of.org_id.unwrap_or_default())
    .bind(of.project_id);
    let row = conn.first(statement).await?;
    row.map(|row| Ok((row.text("id")?, row.text("scope")?))).transpose()
}

/// Locks the row, where several can write at once.
pub(super) async fn hold(conn: &mut Conn, of: Of<'_>) -> Result<Option<String>, DbError> {
    let statement = sql("UPDATE consents SET scope = scope
                         WHERE user_id = $1 AND client_id = $2 AND COALESCE(org_id, '') = $3 AND project_id = $4
                         RETURNING scope")
    .bind(of.user_id)
    .bind(of.client_id)
    .bind(of.org_id.unwrap_or_default())
    .bind(of.project_id);
    conn.first(statement).await?.map(|row| row.text("scope")).transpose()
}

pub(super) async fn insert(
    conn: &mut Conn,
    id: &str,
    of: Of<'_>,
    scope: &str,
    now_ms: i64,
) -> Result<(), DbError> {
    conn.run(
        sql(
            "INSERT INTO consents (id, project_id, user_id, client_id, org_id, scope, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
        )
        .bind(id)
        .bind(of.project_id)
        .bind(of.user_id)
        .bind(of.client_id)
        .bind(of.org_id)
        .bind(scope)
        .bind(now_ms),
    )
    .await
    .map(|_| ())
}

pub(super) async fn widen(conn: &mut Conn, id: &str, scope: &str, now_ms: i64) -> Result<(), DbError> {
    let statement = sql("UPDATE consents SET scope = $2, updated_at = $3 WHERE id = $1");
    conn.run(statement.bind(id).bind(scope).bind(now_ms)).await.map(|_| ())
}

/// Its client and its organization.
pub(super) async fn remove(
    conn: &mut Conn,
    user_id: &str,
    id: &str,
) -> Result<Option<(String, Option<String>)>, DbError> {
    let statement = sql("DELETE FROM consents WHERE id = $1 AND user_id = $2 RETURNING client_id, org_id")
        .bind(id)
        .bind(user_id);
    let row = conn.first(statement).await?;
    row.map(|row| Ok((row.text("client_id")?, row.text_opt("org_id")?))).transpose()
}

pub(super) async fn of_user(conn: &mut Conn, user_id: &str) -> Result<Vec<Consent>, DbError> {
    let statement =
        sql("SELECT s.id, s.client_id, c.name AS client_name, s.org_id, o.name AS org_name, s.scope,
                                s.created_at, s.updated_at
                         FROM consents s JOIN clients c ON c.id = s.client_id
                         LEFT JOIN organizations o ON o.id = s.org_id
                         WHERE s.user_id = $1 ORDER BY c.name, s.id");
    let rows = conn.all(statement.bind(user_id)).await?;
    let read = |row: &crate::db::Row| {
        Ok(Consent {
            id: row.text("id")?,
            client_id: row.text("client_id")?,
            client_name: row.text("client_name")?,
            organization: row.text_opt("org_id")?.zip(row.text_opt("org_name")?),
            scope: row.text("scope")?,
            created_at: row.int("created_at")?,
            updated_at: row.int("updated_at")?,
        })
    };
    rows.iter().map(read).collect()
}
