//! The SQL of the webhooks.

use super::Endpoint;
use crate::db::{Conn, DbError, Row, Tx, json_list, sql};

macro_rules! endpoints {
    ($($rest:literal)*) => {
        concat!(
            "SELECT w.id, w.project_id, w.url, w.types, w.description, w.secret_enc, w.previous_enc, w.previous_until,
                    w.status, w.position, w.failing_since, w.created_at, w.updated_at FROM webhook_endpoints w ",
            $($rest),*
        )
    };
}

fn read(row: &Row) -> Result<Endpoint, DbError> {
    Ok(Endpoint {
        id: row.text("id")?,
        project_id: row.text("project_id")?,
        url: row.text("url")?,
        types: row.list("types")?,
        description: row.text("description")?,
        active: row.text("status")? == "active",
        position: row.int("position")?,
        failing_since: row.int_opt("failing_since")?,
        previous_until: row.int_opt("previous_until")?,
        created_at: row.int("created_at")?,
        updated_at: row.int("updated_at")?,
    })
}

/// The number of the project's last event; until the end of the transaction there is no other.
pub(super) async fn hold(tx: &mut Tx, project_id: &str) -> Result<Option<i64>, DbError> {
    let statement =
        sql("UPDATE projects SET event_seq = event_seq WHERE id = $1 RETURNING event_seq").bind(project_id);
    tx.first(statement).await?.map(|row| row.int("event_seq")).transpose()
}

pub(super) async fn count(conn: &mut Conn, project_id: &str) -> Result<i64, DbError> {
    let statement = sql("SELECT COUNT(*) AS n FROM webhook_endpoints WHERE project_id = $1").bind(project_id);
    conn.first(statement).await?.map_or(Ok(0), |row| row.int("n"))
}

pub(super) async fn insert(conn: &mut Conn, endpoint: &Endpoint, sealed: &str) -> Result<(), DbError> {
    let types = json_list(&endpoint.types);
    conn.run(
        sql("INSERT INTO webhook_endpoints
                 (id, project_id, url, types, description, secret_enc, status, position, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, 'active', $7, $8, $8)")
        .bind(&endpoint.id)
        .bind(&endpoint.project_id)
        .bind(&endpoint.url)
        .bind(&types)
        .bind(&endpoint.description)
        .bind(sealed)
        .bind(endpoint.position)
        .bind(endpoint.created_at),
    )
    .await
    .map(|_| ())
}

pub(super) async fn update(conn: &mut Conn, endpoint: &Endpoint) -> Result<(), DbError> {
    let types = json_list(&endpoint.types);
    conn.run(
        sql("UPDATE webhook_endpoints SET url = $2, types = $3, description = $4, status = $5, failing_since = $6,
                                          updated_at = $7 WHERE id = $1")
            .bind(&endpoint.id)
            .bind(&endpoint.url)
            .bind(&types)
            .bind(&endpoint.description)
            .bind(if endpoint.active { "active" } else { "disabled" })
            .bind(endpoint.failing_since)
            .bind(endpoint.updated_at),
    )
    .await
    .map(|_| ())
}

pub(super) async fn delete(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM webhook_endpoints WHERE id = $1").bind(id)).await.map(|_| ())
}

pub(super) async fn rotate(
    conn: &mut Conn,
    id: &str,
    sealed: &str,
    until: i64,
    now_ms: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE webhook_endpoints SET previous_enc = secret_enc, previous_until = $3, secret_enc = $2, updated_at = $4
             WHERE id = $1")
            .bind(id)
            .bind(sealed)
            .bind(until)
            .bind(now_ms),
    )
    .await
    .map(|_| ())
}

pub(super) async fn find(conn: &mut Conn, project_id: &str, id: &str) -> Result<Option<Endpoint>, DbError> {
    let statement = sql(endpoints!("WHERE w.project_id = $1 AND w.id = $2")).bind(project_id).bind(id);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

/// An endpoint and its sealed secrets, the one in use first.
pub(super) async fn by_id(conn: &mut Conn, id: &str) -> Result<Option<(Endpoint, Vec<String>)>, DbError> {
    let Some(row) = conn.first(sql(endpoints!("WHERE w.id = $1")).bind(id)).await? else { return Ok(None) };
    let sealed = [Some(row.text("secret_enc")?), row.text_opt("previous_enc")?];
    Ok(Some((read(&row)?, sealed.into_iter().flatten().collect())))
}

pub(super) async fn list(
    conn: &mut Conn,
    project_id: &str,
    after: &str,
    most: i64,
) -> Result<Vec<Endpoint>, DbError> {
    let statement = sql(endpoints!("WHERE w.project_id = $1 AND w.id > $2 ORDER BY w.id LIMIT $3"));
    let rows = conn.all(statement.bind(project_id).bind(after).bind(most)).await?;
    rows.iter().map(read).collect()
}

/// Id and sealed secrets of every endpoint.
pub(super) async fn all_sealed(conn: &mut Conn) -> Result<Vec<(String, String, Option<String>)>, DbError> {
    let rows = conn.all(sql(concat!("/* all */ ", endpoints!("ORDER BY w.id")))).await?;
    rows.iter()
        .map(|row| Ok((row.text("id")?, row.text("secret_enc")?, row.text_opt("previous_enc")?)))
        .collect()
}

pub(super) async fn set_sealed(
    conn: &mut Conn,
    id: &str,
    sealed: &str,
    previous: Option<&str>,
) -> Result<(), DbError> {
    let statement = sql("UPDATE webhook_endpoints SET secret_enc = $2, previous_enc = $3 WHERE id = $1");
    conn.run(statement.bind(id).bind(sealed).bind(previous)).await.map(|_| ())
}

/// The endpoints that have not seen every event.
pub(super) async fn behind(conn: &mut Conn) -> Result<Vec<Endpoint>, DbError> {
    let statement = sql(concat!(
        "/* all */ ",
        endpoints!(
            "JOIN projects p ON p.id = w.project_id
             WHERE w.status = 'active' AND w.position < p.event_seq ORDER BY w.position LIMIT 64"
        )
    ));
    conn.all(statement).await?.iter().map(read).collect()
}

/// Moves the endpoint on; `false` if somebody else has.
pub(super) async fn advance(conn: &mut Conn, id: &str, from: i64, to: i64) -> Result<bool, DbError> {
    let statement = sql("UPDATE webhook_endpoints SET position = $3 WHERE id = $1 AND position = $2");
    Ok(conn.run(statement.bind(id).bind(from).bind(to)).await? == 1)
}

pub(super) async fn add(
    conn: &mut Conn,
    id: &str,
    endpoint_id: &str,
    seq: Option<i64>,
    kind: &str,
    now_ms: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO webhook_deliveries (id, endpoint_id, seq, type, next_at, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $5, $5)")
        .bind(id)
        .bind(endpoint_id)
        .bind(seq)
        .bind(kind)
        .bind(now_ms),
    )
    .await
    .map(|_| ())
}

/// The endpoints that have something due.
pub(super) async fn with_due(conn: &mut Conn, now_ms: i64) -> Result<Vec<String>, DbError> {
    let statement = sql("/* all */ SELECT w.id FROM webhook_endpoints w WHERE w.status = 'active' AND EXISTS
                             (SELECT 1 FROM webhook_deliveries d
                              WHERE d.endpoint_id = w.id AND d.status = 'pending' AND d.next_at <= $1)
                         ORDER BY w.id")
    .bind(now_ms);
    conn.all(statement).await?.iter().map(|row| row.text("id")).collect()
}

/// A delivery that is due.
#[derive(Clone)]
pub(super) struct Due {
    pub(super) id: String,
    pub(super) seq: Option<i64>,
    pub(super) kind: String,
    pub(super) attempts: i64,
    pub(super) created_at: i64,
}

pub(super) async fn due(conn: &mut Conn, endpoint_id: &str, now_ms: i64) -> Result<Vec<Due>, DbError> {
    let statement = sql("SELECT id, seq, type, attempts, created_at FROM webhook_deliveries
                         WHERE endpoint_id = $1 AND status = 'pending' AND next_at <= $2
                         ORDER BY COALESCE(seq, 0), id LIMIT 16")
    .bind(endpoint_id)
    .bind(now_ms);
    let rows = conn.all(statement).await?;
    let read = |row: &Row| {
        Ok(Due {
            id: row.text("id")?,
            seq: row.int_opt("seq")?,
            kind: row.text("type")?,
            attempts: row.int("attempts")?,
            created_at: row.int("created_at")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Takes the next attempt; `false` if another process has it.
pub(super) async fn claim(conn: &mut Conn, id: &str, attempts: i64, until: i64) -> Result<bool, DbError> {
    let statement = sql("UPDATE webhook_deliveries SET attempts = attempts + 1, next_at = $3
                         WHERE id = $1 AND attempts = $2 AND status = 'pending'")
    .bind(id)
    .bind(attempts)
    .bind(until);
    Ok(conn.run(statement).await? == 1)
}

/// How an attempt went.
pub(super) struct Outcome {
    pub(super) status: &'static str,
    pub(super) next_at: i64,
    pub(super) code: Option<u16>,
    pub(super) ms: i64,
    pub(super) error: Option<String>,
    pub(super) now: i64,
}

pub(super) async fn settle(conn: &mut Conn, id: &str, outcome: &Outcome) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE webhook_deliveries SET status = $2, next_at = $3, code = $4, ms = $5, error = $6, updated_at = $7
             WHERE id = $1")
            .bind(id)
            .bind(outcome.status)
            .bind(outcome.next_at)
            .bind(outcome.code.map(i64::from))
            .bind(outcome.ms)
            .bind(&outcome.error)
            .bind(outcome.now),
    )
    .await
    .map(|_| ())
}

/// Notes that something failed at a moment, or arrived; gives since when nothing has arrived.
pub(super) async fn note(
    conn: &mut Conn,
    endpoint_id: &str,
    failed_at: Option<i64>,
) -> Result<Option<i64>, DbError> {
    let statement = match failed_at {
        Some(at) => {
            sql("UPDATE webhook_endpoints SET failing_since = COALESCE(failing_since, $2) WHERE id = $1
                         RETURNING failing_since")
            .bind(endpoint_id)
            .bind(at)
        }
        None => sql(
            "UPDATE webhook_endpoints SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL
                     RETURNING failing_since",
        )
        .bind(endpoint_id),
    };
    conn.first(statement).await?.map_or(Ok(None), |row| row.int_opt("failing_since"))
}

pub(super) async fn disable(conn: &mut Conn, endpoint_id: &str, now_ms: i64) -> Result<bool, DbError> {
    let statement = sql("UPDATE webhook_endpoints SET status = 'disabled', updated_at = $2
                         WHERE id = $1 AND status = 'active'");
    Ok(conn.run(statement.bind(endpoint_id).bind(now_ms)).await? == 1)
}

/// A delivery as it is shown.
pub(super) struct Shown {
    pub(super) id: String,
    pub(super) seq: Option<i64>,
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) attempts: i64,
    pub(super) next_at: i64,
    pub(super) code: Option<i64>,
    pub(super) ms: Option<i64>,
    pub(super) error: Option<String>,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

macro_rules! deliveries {
    ($rest:literal) => {
        concat!(
            "SELECT id, seq, type, status, attempts, next_at, code, ms, error, created_at, updated_at
             FROM webhook_deliveries ",
            $rest
        )
    };
}

fn shown(row: &Row) -> Result<Shown, DbError> {
    Ok(Shown {
        id: row.text("id")?,
        seq: row.int_opt("seq")?,
        kind: row.text("type")?,
        status: row.text("status")?,
        attempts: row.int("attempts")?,
        next_at: row.int("next_at")?,
        code: row.int_opt("code")?,
        ms: row.int_opt("ms")?,
        error: row.text_opt("error")?,
        created_at: row.int("created_at")?,
        updated_at: row.int("updated_at")?,
    })
}

/// Deliveries of an endpoint, newest first, before the one with the id `before`.
pub(super) async fn deliveries(
    conn: &mut Conn,
    endpoint_id: &str,
    status: &str,
    before: &str,
    most: i64,
) -> Result<Vec<Shown>, DbError> {
    let statement = sql(deliveries!(
        "WHERE endpoint_id = $1 AND id < $2 AND ($3 = '' OR status = $3) ORDER BY id DESC LIMIT $4"
    ));
    let rows = conn.all(statement.bind(endpoint_id).bind(before).bind(status).bind(most)).await?;
    rows.iter().map(shown).collect()
}

pub(super) async fn delivery(conn: &mut Conn, endpoint_id: &str, id: &str) -> Result<Option<Shown>, DbError> {
    let statement = sql(deliveries!("WHERE endpoint_id = $1 AND id = $2")).bind(endpoint_id).bind(id);
    conn.first(statement).await?.map(|row| shown(&row)).transpose()
}

pub(super) async fn purge(conn: &mut Conn, before: i64) -> Result<u64, DbError> {
    let statement = sql("DELETE FROM webhook_deliveries WHERE id IN
                             (SELECT id FROM webhook_deliveries WHERE updated_at <= $1 AND status <> 'pending'
                              ORDER BY updated_at LIMIT 500)");
    conn.run(statement.bind(before)).await
}
