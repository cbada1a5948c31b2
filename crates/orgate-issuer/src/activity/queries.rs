//! The SQL of the counts.

use super::Addition;
use crate::db::{Conn, DbError, sql};

/// Adds to a row, unless the project is gone.
pub(super) async fn add(conn: &mut Conn, addition: &Addition) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO activity (project_id, minute, kind, n)
             SELECT id, CAST($2 AS BIGINT), CAST($3 AS TEXT), CAST($4 AS BIGINT) FROM projects WHERE id = $1
             ON CONFLICT (project_id, minute, kind) DO UPDATE SET n = activity.n + excluded.n")
        .bind(&addition.project_id)
        .bind(addition.minute)
        .bind(addition.kind)
        .bind(addition.n),
    )
    .await
    .map(|_| ())
}

/// The sums of a project in steps of `step` minutes, from the minute `from` on: which step, which kind, how many.
pub(super) async fn sums(
    conn: &mut Conn,
    project_id: &str,
    from: i64,
    step: i64,
) -> Result<Vec<(i64, String, i64)>, DbError> {
    let statement = sql("SELECT (minute - $2) / $3 AS step, kind, CAST(SUM(n) AS BIGINT) AS n FROM activity
                         WHERE project_id = $1 AND minute >= $2 GROUP BY step, kind");
    let rows = conn.all(statement.bind(project_id).bind(from).bind(step)).await?;
    rows.iter().map(|row| Ok((row.int("step")?, row.text("kind")?, row.int("n")?))).collect()
}

pub(super) async fn purge(conn: &mut Conn, before: i64) -> Result<u64, DbError> {
    let statement = sql("DELETE FROM activity WHERE (project_id, minute, kind) IN
                             (SELECT project_id, minute, kind FROM activity
                              WHERE minute < $1 ORDER BY minute LIMIT 500)");
    conn.run(statement.bind(before)).await
}
