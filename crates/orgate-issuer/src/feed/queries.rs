//! The SQL of the change feed.

use super::marks::Change;
use crate::db::{Conn, DbError, json_list, sql};

/// How far a project is, and how long its access tokens live.
pub(super) struct State {
    /// The number of its last event.
    pub(super) seq: i64,
    pub(super) ttl_ms: i64,
    /// How long they lived before, and when the last of those is over.
    pub(super) before_ms: i64,
    pub(super) before_until: i64,
}

pub(super) async fn state(conn: &mut Conn, project_id: &str) -> Result<Option<State>, DbError> {
    let statement = sql("SELECT event_seq, access_ttl, access_ttl_before, access_ttl_before_until
                         FROM projects WHERE id = $1")
    .bind(project_id);
    let Some(row) = conn.first(statement).await? else { return Ok(None) };
    Ok(Some(State {
        seq: row.int("event_seq")?,
        ttl_ms: row.int("access_ttl")?,
        before_ms: row.int("access_ttl_before")?,
        before_until: row.int("access_ttl_before_until")?,
    }))
}

/// When an event happened.
pub(super) async fn at(conn: &mut Conn, project_id: &str, seq: i64) -> Result<Option<i64>, DbError> {
    let statement =
        sql("SELECT at FROM events WHERE project_id = $1 AND seq = $2").bind(project_id).bind(seq);
    conn.first(statement).await?.map(|row| row.int("at")).transpose()
}

/// What may have ended somebody's rights, behind the number `after` up to `upto`, in its order. The types are those of
/// `EventType::ends_rights`.
pub(super) async fn changes(
    conn: &mut Conn,
    project_id: &str,
    after: i64,
    upto: i64,
) -> Result<Vec<Change>, DbError> {
    let statement = sql("SELECT seq, type, actor_kind, org_id, target_id, data, at FROM events
                         WHERE project_id = $1 AND seq > $2 AND seq <= $3
                           AND type IN ('project.updated', 'project_key.revoked', 'client.updated',
                                        'client.secret_rotated', 'client.deleted', 'key.revoked',
                                        'organization.suspended', 'organization.deleted',
                                        'organization.ownership_transferred', 'member.role_changed',
                                        'member.suspended', 'member.removed', 'api_key.revoked', 'role.updated',
                                        'role.deleted', 'session.revoked', 'token.reuse_detected',
                                        'token.revoked', 'user.suspended', 'user.erased')
                         ORDER BY seq");
    let rows = conn.all(statement.bind(project_id).bind(after).bind(upto)).await?;
    rows.iter()
        .map(|row| {
            Ok(Change {
                seq: row.int("seq")?,
                kind: row.text("type")?,
                actor: row.text("actor_kind")?,
                org_id: row.text_opt("org_id")?,
                target_id: row.text("target_id")?,
                data: serde_json::from_str(&row.text("data")?).unwrap_or_default(),
                at: row.int("at")?,
            })
        })
        .collect()
}

/// The number of the last event of each project.
pub(super) async fn heads(conn: &mut Conn) -> Result<Vec<(String, i64)>, DbError> {
    let rows = conn.all(sql("SELECT id, event_seq FROM projects")).await?;
    rows.iter().map(|row| Ok((row.text("id")?, row.int("event_seq")?))).collect()
}

/// Up to where the receiver with this key has settled everything, and what else. Nobody else moves it until the end of the
/// transaction.
pub(super) async fn stream(conn: &mut Conn, id: &str) -> Result<Option<(i64, Vec<String>)>, DbError> {
    let statement = sql("UPDATE ssf_streams SET position = position WHERE id = $1 RETURNING position, acked");
    let row = conn.first(statement.bind(id)).await?;
    row.map(|row| Ok((row.int("position")?, row.list("acked")?))).transpose()
}

pub(super) async fn begin_stream(conn: &mut Conn, id: &str, position: i64) -> Result<(), DbError> {
    let statement = sql("INSERT INTO ssf_streams (id, position) VALUES ($1, $2) ON CONFLICT DO NOTHING");
    conn.run(statement.bind(id).bind(position)).await.map(|_| ())
}

pub(super) async fn move_stream(
    conn: &mut Conn,
    id: &str,
    position: i64,
    acked: &[String],
) -> Result<(), DbError> {
    let statement = sql("UPDATE ssf_streams SET position = $2, acked = $3 WHERE id = $1");
    conn.run(statement.bind(id).bind(position).bind(&json_list(acked))).await.map(|_| ())
}
