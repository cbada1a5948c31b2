//! The SQL of a request that waits for a consent, and of what ends with one.

use crate::{
    db::{Conn, DbError, sql},
    login::request::Params,
};

/// Keeps what is known by now of what the request asks for.
pub(super) async fn set_params(conn: &mut Conn, token_hash: &str, params: &Params) -> Result<(), DbError> {
    let params = serde_json::to_string(params)
        .map_err(|_| DbError::Inconsistent("a request cannot be written".to_owned()))?;
    let statement = sql("UPDATE authz_requests SET params = $2 WHERE token_hash = $1");
    conn.run(statement.bind(token_hash).bind(&params)).await.map(|_| ())
}

/// Ends the refresh families of a client for a user; gives them with their sessions.
pub(in crate::login) async fn revoke_families_of_client(
    conn: &mut Conn,
    user_id: &str,
    client_id: &str,
    now_ms: i64,
) -> Result<Vec<(String, Option<String>)>, DbError> {
    let statement = sql("UPDATE token_families SET revoked_at = $3, revoked_reason = 'consent'
                         WHERE user_id = $1 AND client_id = $2 AND revoked_at IS NULL
                         RETURNING id, session_id")
    .bind(user_id)
    .bind(client_id)
    .bind(now_ms);
    let rows = conn.all(statement).await?;
    rows.iter().map(|row| Ok((row.text("id")?, row.text_opt("session_id")?))).collect()
}
