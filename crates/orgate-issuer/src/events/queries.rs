//! The SQL of the events.

use super::Event;
use crate::db::{Conn, DbError, sql};

/// Draws `count` numbers of the project and gives the last one. The row stays locked until the commit, which makes
/// the order of the numbers the order of the commits.
pub(super) async fn advance(conn: &mut Conn, project_id: &str, count: i64) -> Result<i64, DbError> {
    let statement = sql("UPDATE projects SET event_seq = event_seq + $2 WHERE id = $1 RETURNING event_seq")
        .bind(project_id);
    match conn.first(statement.bind(count)).await? {
        Some(row) => row.int("event_seq"),
        None => Err(DbError::Inconsistent("an event names a project that does not exist".to_owned())),
    }
}

pub(super) async fn insert(conn: &mut Conn, seq: i64, id: &str, event: &Event) -> Result<(), DbError> {
    let data = event.data.to_string();
    conn.run(
        sql("INSERT INTO events
                 (project_id, seq, id, type, actor_kind, actor_id, org_id, target_id, data, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
        .bind(&event.project_id)
        .bind(seq)
        .bind(id)
        .bind(event.kind.as_str())
        .bind(event.actor.kind())
        .bind(event.actor.id())
        .bind(&event.org_id)
        .bind(&event.target_id)
        .bind(&data)
        .bind(event.at),
    )
    .await
    .map(|_| ())
}
