//! The SQL of limits and known places.

use super::Owner;
use crate::db::{Conn, DbError, sql};

/// Takes one from a limit; `false` if it would then be used up beyond `most`. This one statement decides every race.
pub(super) async fn take(
    conn: &mut Conn,
    key: &str,
    cost_ms: i64,
    most: i64,
    now_ms: i64,
) -> Result<bool, DbError> {
    let statement = sql("INSERT INTO limits (key, used_until) VALUES ($1, $2)
                         ON CONFLICT (key) DO UPDATE
                         SET used_until = CASE WHEN limits.used_until > $4 THEN limits.used_until ELSE $4 END + $5
                         WHERE limits.used_until + $5 <= $3
                         RETURNING used_until")
    .bind(key)
    .bind(now_ms + cost_ms)
    .bind(most)
    .bind(now_ms)
    .bind(cost_ms);
    Ok(conn.first(statement).await?.is_some())
}

pub(super) async fn used_until(conn: &mut Conn, key: &str) -> Result<i64, DbError> {
    let row = conn.first(sql("SELECT used_until FROM limits WHERE key = $1").bind(key)).await?;
    row.map_or(Ok(0), |row| row.int("used_until"))
}

pub(super) async fn give_back(conn: &mut Conn, key: &str, cost_ms: i64) -> Result<(), DbError> {
    conn.run(sql("UPDATE limits SET used_until = used_until - $2 WHERE key = $1").bind(key).bind(cost_ms))
        .await
        .map(|_| ())
}

pub(super) async fn is_known(conn: &mut Conn, owner: &Owner, kind: &str, key: &str) -> Result<bool, DbError> {
    let statement = match owner {
        Owner::User(id) => {
            sql("SELECT key FROM known_places WHERE user_id = $1 AND kind = $2 AND key = $3").bind(id)
        }
        Owner::Operator(id) => {
            sql("SELECT key FROM operator_places WHERE operator_id = $1 AND kind = $2 AND key = $3").bind(id)
        }
    };
    Ok(conn.first(statement.bind(kind).bind(key)).await?.is_some())
}

pub(super) async fn remember(
    conn: &mut Conn,
    owner: &Owner,
    kind: &str,
    key: &str,
    now_ms: i64,
) -> Result<(), DbError> {
    let statement = match owner {
        Owner::User(id) => sql("INSERT INTO known_places (user_id, kind, key, last_used_at) VALUES ($1, $2, $3, $4)
                                ON CONFLICT (user_id, kind, key) DO UPDATE SET last_used_at = excluded.last_used_at")
        .bind(id),
        Owner::Operator(id) => {
            sql("INSERT INTO operator_places (operator_id, kind, key, last_used_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (operator_id, kind, key) DO UPDATE SET last_used_at = excluded.last_used_at")
            .bind(id)
        }
    };
    conn.run(statement.bind(kind).bind(key).bind(now_ms)).await.map(|_| ())
}

pub(super) async fn forget_oldest(
    conn: &mut Conn,
    owner: &Owner,
    kind: &str,
    most: i64,
) -> Result<(), DbError> {
    let statement = match owner {
        Owner::User(id) => sql("DELETE FROM known_places WHERE user_id = $1 AND kind = $2 AND key NOT IN
                                    (SELECT key FROM known_places WHERE user_id = $1 AND kind = $2
                                     ORDER BY last_used_at DESC, key LIMIT $3)")
        .bind(id),
        Owner::Operator(id) => {
            sql("DELETE FROM operator_places WHERE operator_id = $1 AND kind = $2 AND key NOT IN
                                        (SELECT key FROM operator_places WHERE operator_id = $1 AND kind = $2
                                         ORDER BY last_used_at DESC, key LIMIT $3)")
            .bind(id)
        }
    };
    conn.run(statement.bind(kind).bind(most)).await.map(|_| ())
}

pub(super) async fn purge_limits(conn: &mut Conn, now_ms: i64) -> Result<u64, DbError> {
    let statement = sql("DELETE FROM limits WHERE key IN
                             (SELECT key FROM limits WHERE used_until <= $1 ORDER BY used_until LIMIT 500)");
    conn.run(statement.bind(now_ms)).await
}

pub(super) async fn purge_places(conn: &mut Conn, before: i64) -> Result<u64, DbError> {
    let of_users = sql("DELETE FROM known_places WHERE last_used_at <= $1").bind(before);
    let of_operators = sql("DELETE FROM operator_places WHERE last_used_at <= $1").bind(before);
    Ok(conn.run(of_users).await? + conn.run(of_operators).await?)
}
