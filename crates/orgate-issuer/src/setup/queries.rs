//! The SQL of the set-up link.

use crate::db::{Conn, DbError, sql};

/// Replaces every set-up link by this one.
pub(super) async fn replace_setup_link(
    conn: &mut Conn,
    token_hash: &str,
    now_ms: i64,
    expires_at: i64,
) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM setup_links")).await?;
    conn.run(
        sql("INSERT INTO setup_links (token_hash, created_at, expires_at) VALUES ($1, $2, $3)")
            .bind(token_hash)
            .bind(now_ms)
            .bind(expires_at),
    )
    .await
    .map(|_| ())
}

pub(super) async fn setup_link_is_live(
    conn: &mut Conn,
    token_hash: &str,
    now_ms: i64,
) -> Result<bool, DbError> {
    let statement = sql(
        "SELECT token_hash FROM setup_links WHERE token_hash = $1 AND expires_at > $2 AND used_at IS NULL",
    )
    .bind(token_hash)
    .bind(now_ms);
    Ok(conn.first(statement).await?.is_some())
}

/// Uses the link up; `false` if it was used or has ended.
pub(super) async fn use_setup_link(conn: &mut Conn, token_hash: &str, now_ms: i64) -> Result<bool, DbError> {
    let statement = sql("UPDATE setup_links SET used_at = $2
                         WHERE token_hash = $1 AND expires_at > $2 AND used_at IS NULL")
    .bind(token_hash)
    .bind(now_ms);
    Ok(conn.run(statement).await? == 1)
}
