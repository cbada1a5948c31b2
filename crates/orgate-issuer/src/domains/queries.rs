//! The SQL of the domains.

use super::{Domain, Mode};
use crate::{
    db::{Conn, DbError, Row, sql},
    http::paging::Page,
    members::Inviter,
};

macro_rules! domain {
    ($rest:literal) => {
        sql(concat!(
            "SELECT id, project_id, org_id, domain, proof, mode, role_key, inviter_member_id, inviter_operator_id,
                    verified_at, verified_by, ver, created_at, updated_at
             FROM org_domains ",
            $rest
        ))
    };
}

fn read(row: &Row) -> Result<Domain, DbError> {
    let mode = row.text("mode")?;
    Ok(Domain {
        id: row.text("id")?,
        project_id: row.text("project_id")?,
        org_id: row.text("org_id")?,
        name: row.text("domain")?,
        proof: row.text("proof")?,
        mode: Mode::parse(&mode)
            .ok_or_else(|| DbError::Inconsistent(format!("a domain cannot be `{mode}`")))?,
        role: row.text("role_key")?,
        inviter: Inviter::of_columns(
            row.text_opt("inviter_member_id")?,
            row.text_opt("inviter_operator_id")?,
        ),
        verified_at: row.int_opt("verified_at")?,
        verified_by: row.text_opt("verified_by")?,
        ver: row.int("ver")?,
        created_at: row.int("created_at")?,
        updated_at: row.int("updated_at")?,
    })
}

pub(super) async fn find(conn: &mut Conn, org_id: &str, reference: &str) -> Result<Option<Domain>, DbError> {
    let statement = domain!("WHERE org_id = $1 AND (id = $2 OR domain = $2)").bind(org_id).bind(reference);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

/// The domain of this name that has shown to be an organization's.
pub(super) async fn verified(
    conn: &mut Conn,
    project_id: &str,
    name: &str,
) -> Result<Option<Domain>, DbError> {
    let statement = domain!("WHERE project_id = $1 AND domain = $2 AND verified_at IS NOT NULL")
        .bind(project_id)
        .bind(name);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn list(conn: &mut Conn, org_id: &str, page: &Page) -> Result<Vec<Domain>, DbError> {
    let statement = domain!("WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT $3")
        .bind(org_id)
        .bind(&page.after)
        .bind(page.rows());
    conn.all(statement).await?.iter().map(read).collect()
}

pub(super) async fn count(conn: &mut Conn, org_id: &str) -> Result<i64, DbError> {
    let statement = sql("SELECT COUNT(*) AS n FROM org_domains WHERE org_id = $1").bind(org_id);
    conn.first(statement).await?.map_or(Ok(0), |row| row.int("n"))
}

pub(super) async fn insert(conn: &mut Conn, new: &Domain) -> Result<(), DbError> {
    let (member, operator) = Inviter::columns(new.inviter.as_ref());
    conn.run(
        sql("INSERT INTO org_domains
                 (id, project_id, org_id, domain, proof, mode, role_key, inviter_member_id, inviter_operator_id,
                  verified_at, verified_by, ver, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)")
        .bind(&new.id)
        .bind(&new.project_id)
        .bind(&new.org_id)
        .bind(&new.name)
        .bind(&new.proof)
        .bind(new.mode.as_str())
        .bind(&new.role)
        .bind(member)
        .bind(operator)
        .bind(new.verified_at)
        .bind(&new.verified_by)
        .bind(new.ver)
        .bind(new.created_at),
    )
    .await
    .map(|_| ())
}

pub(super) async fn update(conn: &mut Conn, after: &Domain) -> Result<(), DbError> {
    let (member, operator) = Inviter::columns(after.inviter.as_ref());
    conn.run(
        sql("UPDATE org_domains
             SET mode = $2, role_key = $3, inviter_member_id = $4, inviter_operator_id = $5, verified_at = $6,
                 verified_by = $7, ver = $8, updated_at = $9
             WHERE id = $1")
        .bind(&after.id)
        .bind(after.mode.as_str())
        .bind(&after.role)
        .bind(member)
        .bind(operator)
        .bind(after.verified_at)
        .bind(&after.verified_by)
        .bind(after.ver)
        .bind(after.updated_at),
    )
    .await
    .map(|_| ())
}

pub(super) async fn delete(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM org_domains WHERE id = $1").bind(id)).await.map(|_| ())
}
