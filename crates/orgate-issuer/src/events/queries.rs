//! The SQL of the events.

use super::{chain::Stored, log::Filter};
use crate::db::{Conn, DbError, Row, Sql, sql};

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

/// The hash of one row.
pub(super) async fn chain_at(conn: &mut Conn, project_id: &str, seq: i64) -> Result<Option<String>, DbError> {
    let statement =
        sql("SELECT chain FROM events WHERE project_id = $1 AND seq = $2").bind(project_id).bind(seq);
    conn.first(statement).await?.map(|row| row.text("chain")).transpose()
}

pub(super) async fn insert(conn: &mut Conn, row: &Stored) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO events
                 (project_id, seq, id, type, actor_kind, actor_id, org_id, target_id, data, at, salt, commitment, chain)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)")
        .bind(&row.project_id)
        .bind(row.seq)
        .bind(&row.id)
        .bind(&row.kind)
        .bind(&row.actor_kind)
        .bind(&row.actor_id)
        .bind(&row.org_id)
        .bind(&row.target_id)
        .bind(&row.data)
        .bind(row.at)
        .bind(&row.salt)
        .bind(&row.commitment)
        .bind(&row.chain),
    )
    .await
    .map(|_| ())
}

/// For rows of before there was a chain.
pub(super) async fn set_chain(conn: &mut Conn, row: &Stored) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE events SET salt = $3, commitment = $4, chain = $5 WHERE project_id = $1 AND seq = $2")
            .bind(&row.project_id)
            .bind(row.seq)
            .bind(&row.salt)
            .bind(&row.commitment)
            .bind(&row.chain),
    )
    .await
    .map(|_| ())
}

/// Takes the data of an organization's events away.
pub(super) async fn erase(conn: &mut Conn, project_id: &str, org_id: &str, by: i64) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE events SET data = '{}', salt = NULL, erased_by = $3
             WHERE project_id = $1 AND org_id = $2 AND seq < $3 AND erased_by IS NULL")
        .bind(project_id)
        .bind(org_id)
        .bind(by),
    )
    .await
    .map(|_| ())
}

pub(super) async fn projects(conn: &mut Conn) -> Result<Vec<String>, DbError> {
    let rows = conn.all(sql("SELECT id FROM projects ORDER BY id")).await?;
    rows.iter().map(|row| row.text("id")).collect()
}

/// How many events the project has counted, and the highest number there is.
pub(super) async fn ends(conn: &mut Conn, project_id: &str) -> Result<Option<(i64, i64)>, DbError> {
    let statement =
        sql("SELECT p.event_seq, COALESCE((SELECT MAX(e.seq) FROM events e WHERE e.project_id = p.id), 0) AS highest
             FROM projects p WHERE p.id = $1")
        .bind(project_id);
    let row = conn.first(statement).await?;
    row.map(|row| Ok((row.int("event_seq")?, row.int("highest")?))).transpose()
}

macro_rules! rows {
    ($($where:literal)*) => {
        concat!(
            "SELECT project_id, seq, id, type, actor_kind, actor_id, org_id, target_id, data, at, salt, commitment, chain,
                    erased_by
             FROM events WHERE project_id = $1 AND ",
            $($where),*
        )
    };
}

fn read(row: &Row) -> Result<Stored, DbError> {
    Ok(Stored {
        project_id: row.text("project_id")?,
        seq: row.int("seq")?,
        id: row.text("id")?,
        kind: row.text("type")?,
        actor_kind: row.text("actor_kind")?,
        actor_id: row.text_opt("actor_id")?,
        org_id: row.text_opt("org_id")?,
        target_id: row.text("target_id")?,
        data: row.text("data")?,
        at: row.int("at")?,
        salt: row.text_opt("salt")?,
        commitment: row.text("commitment")?,
        chain: row.text("chain")?,
        erased_by: row.int_opt("erased_by")?,
    })
}

async fn all(conn: &mut Conn, statement: Sql<'_>) -> Result<Vec<Stored>, DbError> {
    conn.all(statement).await?.iter().map(read).collect()
}

/// The rows behind the number `after`, in their order.
pub(super) async fn page(
    conn: &mut Conn,
    project_id: &str,
    after: i64,
    most: i64,
) -> Result<Vec<Stored>, DbError> {
    all(conn, sql(rows!("seq > $2 ORDER BY seq LIMIT $3")).bind(project_id).bind(after).bind(most)).await
}

pub(super) async fn one(conn: &mut Conn, project_id: &str, seq: i64) -> Result<Option<Stored>, DbError> {
    conn.first(sql(rows!("seq = $2")).bind(project_id).bind(seq)).await?.map(|row| read(&row)).transpose()
}

/// What a user did or had done to them.
pub(super) async fn about(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
    after: i64,
    most: i64,
) -> Result<Vec<Stored>, DbError> {
    let statement = sql(rows!("seq > $3 AND (actor_id = $2 OR target_id = $2) ORDER BY seq LIMIT $4"));
    all(conn, statement.bind(project_id).bind(user_id).bind(after).bind(most)).await
}

/// Numbers and types of the events behind `after`, in their order.
pub(super) async fn behind(
    conn: &mut Conn,
    project_id: &str,
    after: i64,
    most: i64,
) -> Result<Vec<(i64, String)>, DbError> {
    let statement =
        sql("SELECT seq, type FROM events WHERE project_id = $1 AND seq > $2 ORDER BY seq LIMIT $3");
    let rows = conn.all(statement.bind(project_id).bind(after).bind(most)).await?;
    rows.iter().map(|row| Ok((row.int("seq")?, row.text("type")?))).collect()
}

macro_rules! filtered {
    ($first:literal) => {
        rows!($first
            "seq < $2 AND ($3 = '' OR org_id = $3) AND ($4 = '' OR actor_id = $4) AND ($5 = '' OR target_id = $5)
             AND ($6 = '' OR type = $6 OR ($7 <> '' AND substr(type, 1, length($7)) = $7))
             AND at >= $8 AND at < $9 ORDER BY seq DESC LIMIT $10")
    };
}

/// Events before the number `before`, newest first. What narrows most stands first and alone, so that its index is used.
pub(super) async fn list(
    conn: &mut Conn,
    project_id: &str,
    filter: &Filter,
    before: i64,
    most: i64,
) -> Result<Vec<Stored>, DbError> {
    let statement = match (&*filter.target_id, &*filter.actor_id, &*filter.org_id) {
        ("", "", "") => sql(filtered!("")),
        ("", "", _) => sql(filtered!("org_id = $3 AND ")),
        ("", _, _) => sql(filtered!("actor_id = $4 AND ")),
        _ => sql(filtered!("target_id = $5 AND ")),
    };
    let family = filter.kind.strip_suffix('*').unwrap_or_default();
    let statement = statement
        .bind(project_id)
        .bind(before)
        .bind(&filter.org_id)
        .bind(&filter.actor_id)
        .bind(&filter.target_id)
        .bind(&filter.kind)
        .bind(family)
        .bind(filter.since)
        .bind(filter.until)
        .bind(most);
    all(conn, statement).await
}

/// The change counter of an organization, if it is still there. (Events stand left of the organizations, so they ask the
/// table.)
pub(super) async fn counter(conn: &mut Conn, org_id: &str) -> Result<Option<i64>, DbError> {
    let statement = sql("SELECT ver FROM organizations WHERE id = $1").bind(org_id);
    conn.first(statement).await?.map(|row| row.int("ver")).transpose()
}
