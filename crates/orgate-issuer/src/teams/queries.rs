//! The SQL of the teams.

use super::Team;
use crate::{
    db::{Conn, DbError, Row, sql},
    http::paging::Page,
};

macro_rules! team {
    ($rest:literal) => {
        sql(concat!(
            "SELECT id, org_id, slug, name, description, is_default, member_count, ver, created_at, updated_at FROM teams ",
            $rest
        ))
    };
}

fn read(row: &Row) -> Result<Team, DbError> {
    Ok(Team {
        id: row.text("id")?,
        org_id: row.text("org_id")?,
        slug: row.text("slug")?,
        name: row.text("name")?,
        description: row.text("description")?,
        is_default: row.flag("is_default")?,
        member_count: row.int("member_count")?,
        ver: row.int("ver")?,
        created_at: row.int("created_at")?,
        updated_at: row.int("updated_at")?,
    })
}

pub(super) async fn find(conn: &mut Conn, org_id: &str, reference: &str) -> Result<Option<Team>, DbError> {
    let statement = team!("WHERE org_id = $1 AND (id = $2 OR slug = $2)").bind(org_id).bind(reference);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn list(conn: &mut Conn, org_id: &str, page: &Page) -> Result<Vec<Team>, DbError> {
    let statement = team!("WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT $3")
        .bind(org_id)
        .bind(&page.after)
        .bind(page.rows());
    conn.all(statement).await?.iter().map(read).collect()
}

pub(super) async fn count(conn: &mut Conn, org_id: &str) -> Result<i64, DbError> {
    let statement = sql("SELECT COUNT(*) AS n FROM teams WHERE org_id = $1").bind(org_id);
    conn.first(statement).await?.map_or(Ok(0), |row| row.int("n"))
}

pub(super) async fn default_of(conn: &mut Conn, org_id: &str) -> Result<Option<String>, DbError> {
    let statement = sql("SELECT id FROM teams WHERE org_id = $1 AND is_default = 1").bind(org_id);
    conn.first(statement).await?.map(|row| row.text("id")).transpose()
}

/// Makes room for another default.
pub(super) async fn drop_default(conn: &mut Conn, org_id: &str, but: &str) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE teams SET is_default = 0, ver = ver + 1 WHERE org_id = $1 AND id <> $2 AND is_default = 1")
            .bind(org_id)
            .bind(but),
    )
    .await
    .map(|_| ())
}

pub(super) async fn insert(conn: &mut Conn, project_id: &str, team: &Team) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO teams (id, project_id, org_id, slug, name, description, is_default, ver, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)")
        .bind(&team.id)
        .bind(project_id)
        .bind(&team.org_id)
        .bind(&team.slug)
        .bind(&team.name)
        .bind(&team.description)
        .bind(team.is_default)
        .bind(team.ver)
        .bind(team.created_at),
    )
    .await
    .map(|_| ())
}

pub(super) async fn update(conn: &mut Conn, team: &Team) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE teams SET slug = $2, name = $3, description = $4, is_default = $5, ver = $6, updated_at = $7
             WHERE id = $1")
        .bind(&team.id)
        .bind(&team.slug)
        .bind(&team.name)
        .bind(&team.description)
        .bind(team.is_default)
        .bind(team.ver)
        .bind(team.updated_at),
    )
    .await
    .map(|_| ())
}

pub(super) async fn delete(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM teams WHERE id = $1").bind(id)).await.map(|_| ())
}

pub(super) async fn join(
    conn: &mut Conn,
    org_id: &str,
    (team_id, member_id): (&str, &str),
    now_ms: i64,
) -> Result<bool, DbError> {
    let statement =
        sql("INSERT INTO team_members (team_id, member_id, org_id, created_at) VALUES ($1, $2, $3, $4)
                         ON CONFLICT (team_id, member_id) DO NOTHING")
        .bind(team_id)
        .bind(member_id)
        .bind(org_id)
        .bind(now_ms);
    Ok(conn.run(statement).await? == 1)
}

pub(super) async fn leave(conn: &mut Conn, team_id: &str, member_id: &str) -> Result<bool, DbError> {
    let statement =
        sql("DELETE FROM team_members WHERE team_id = $1 AND member_id = $2").bind(team_id).bind(member_id);
    Ok(conn.run(statement).await? == 1)
}
