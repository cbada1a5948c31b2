//! The SQL of pushed requests.

use crate::db::{Conn, DbError, sql};

/// Stores a request that was pushed by a client of a project.
pub(super) async fn insert_pushed(
    conn: &mut Conn,
    uri_hash: &str,
    (project_id, client_id): (&str, &str),
    query: &str,
    expires_at: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO pushed_requests (uri_hash, project_id, client_id, query, expires_at)
             VALUES ($1, $2, $3, $4, $5)")
        .bind(uri_hash)
        .bind(project_id)
        .bind(client_id)
        .bind(query)
        .bind(expires_at),
    )
    .await
    .map(|_| ())
}

/// Takes a pushed request of the client out.
pub(super) async fn take_pushed(
    conn: &mut Conn,
    uri_hash: &str,
    client_id: &str,
    now_ms: i64,
) -> Result<Option<String>, DbError> {
    let statement =
        sql("DELETE FROM pushed_requests WHERE uri_hash = $1 AND client_id = $2 AND expires_at > $3
                         RETURNING query")
        .bind(uri_hash)
        .bind(client_id)
        .bind(now_ms);
    conn.first(statement).await?.map(|row| row.text("query")).transpose()
}

pub(super) async fn forget_pushed(conn: &mut Conn, now_ms: i64) -> Result<(), DbError> {
    let statement = sql("DELETE FROM pushed_requests WHERE uri_hash IN
                             (SELECT uri_hash FROM pushed_requests WHERE expires_at <= $1
                              ORDER BY expires_at LIMIT 200)");
    conn.run(statement.bind(now_ms)).await.map(|_| ())
}
