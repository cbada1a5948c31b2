//! The SQL of sign-outs that applications are to hear of.

use crate::db::{Conn, DbError, sql};

/// A message on its way.
pub(super) struct LogoutDelivery {
    pub(super) id: String,
    pub(super) project_id: String,
    pub(super) client_id: String,
    pub(super) user_id: String,
    pub(super) session_id: String,
    pub(super) attempts: i64,
    pub(super) uri: String,
}

pub(super) async fn due_logouts(conn: &mut Conn, now_ms: i64) -> Result<Vec<LogoutDelivery>, DbError> {
    let statement = sql("SELECT d.id, d.project_id, d.client_id, d.user_id, d.session_id, d.attempts,
                                COALESCE(c.backchannel_logout_uri, '') AS uri
                         FROM logout_deliveries d JOIN clients c ON c.id = d.client_id
                         WHERE d.next_at <= $1 ORDER BY d.next_at LIMIT 16")
    .bind(now_ms);
    let rows = conn.all(statement).await?;
    let read = |row: &crate::db::Row| {
        Ok(LogoutDelivery {
            id: row.text("id")?,
            project_id: row.text("project_id")?,
            client_id: row.text("client_id")?,
            user_id: row.text("user_id")?,
            session_id: row.text("session_id")?,
            attempts: row.int("attempts")?,
            uri: row.text("uri")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Takes the next attempt; `false` if another process has it.
pub(super) async fn claim_logout(
    conn: &mut Conn,
    id: &str,
    attempts: i64,
    next_at: i64,
) -> Result<bool, DbError> {
    let statement = sql("UPDATE logout_deliveries SET attempts = attempts + 1, next_at = $3
                         WHERE id = $1 AND attempts = $2")
    .bind(id)
    .bind(attempts)
    .bind(next_at);
    Ok(conn.run(statement).await? == 1)
}

pub(super) async fn drop_logout(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM logout_deliveries WHERE id = $1").bind(id)).await.map(|_| ())
}
