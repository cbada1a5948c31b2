//! The SQL of the memberships.

use super::{Held, Listed, Membership};
use crate::{
    db::{Conn, DbError, Row, sql},
    http::paging::Page,
    roles::Role,
};

pub(super) struct NewMember<'a> {
    pub(super) id: &'a str,
    pub(super) project_id: &'a str,
    pub(super) org_id: &'a str,
    pub(super) user_id: &'a str,
    pub(super) role: &'a str,
}

/// One statement for role, rights and the organization's change counter, so that they belong together.
macro_rules! membership {
    ($rest:literal) => {
        sql(concat!(
            "SELECT m.id, m.user_id, m.role_key, m.org_id, o.slug, o.name, o.kind, o.ver, o.status AS org_status, r.rank,
                    (SELECT string_agg(p.permission, ' ' ORDER BY p.position) FROM role_permissions p
                     WHERE p.role_id = r.id) AS permissions
             FROM memberships m JOIN organizations o ON o.id = m.org_id
             LEFT JOIN roles r ON r.org_id = m.org_id AND r.key = m.role_key ",
            $rest
        ))
    };
}

fn read(row: &Row) -> Result<Membership, DbError> {
    Ok(Membership {
        id: row.text("id")?,
        user_id: row.text("user_id")?,
        role: role(row)?,
        org_id: row.text("org_id")?,
        org_slug: row.text("slug")?,
        org_name: row.text("name")?,
        org_active: row.text("org_status")? == "active",
        personal: row.text("kind")? == "personal",
        org_ver: counter(row)?,
    })
}

fn role(row: &Row) -> Result<Role, DbError> {
    let permissions = row.text_opt("permissions")?;
    Ok(Role::of_row(row.text("role_key")?, row.int_opt("rank")?, permissions.as_deref()))
}

fn counter(row: &Row) -> Result<u64, DbError> {
    u64::try_from(row.int("ver")?)
        .map_err(|_| DbError::Inconsistent("a change counter is negative".to_owned()))
}

pub(super) async fn find(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
    org: &str,
) -> Result<Option<Membership>, DbError> {
    // An id holds `_`, which no slug does: the two cannot be mistaken for each other. One statement for both would go through
    // all organizations of the user.
    let statement = if org.contains('_') {
        membership!(
            "WHERE o.project_id = $1 AND m.user_id = $2 AND o.id = $3 AND m.org_id = $3
               AND m.status = 'active' AND o.status = 'active'"
        )
    } else {
        membership!(
            "WHERE o.project_id = $1 AND m.user_id = $2 AND o.slug = $3
               AND m.status = 'active' AND o.status = 'active'"
        )
    };
    let statement = statement.bind(project_id).bind(user_id).bind(org);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

/// The active membership of a user, whether or not the organization is active.
pub(super) async fn standing(
    conn: &mut Conn,
    org_id: &str,
    user_id: &str,
) -> Result<Option<Membership>, DbError> {
    let statement = membership!("WHERE m.org_id = $1 AND m.user_id = $2 AND m.status = 'active'")
        .bind(org_id)
        .bind(user_id);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn find_by_id(conn: &mut Conn, id: &str) -> Result<Option<Membership>, DbError> {
    let statement = membership!("WHERE m.id = $1 AND m.status = 'active' AND o.status = 'active'").bind(id);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

/// The organizations of a user but the personal one.
pub(super) async fn of_user(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
    page: &Page,
) -> Result<Vec<Membership>, DbError> {
    let statement = membership!(
        "WHERE m.user_id = $2 AND m.org_id > $3 AND m.project_id = $1 AND m.status = 'active'
           AND o.status = 'active' AND o.kind <> 'personal'
         ORDER BY m.org_id LIMIT $4"
    )
    .bind(project_id)
    .bind(user_id)
    .bind(&page.after)
    .bind(page.rows());
    conn.all(statement).await?.iter().map(read).collect()
}

/// The user's membership in the personal organization.
pub(super) async fn personal(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
) -> Result<Option<Membership>, DbError> {
    let statement = membership!(
        "WHERE o.project_id = $1 AND o.personal_user_id = $2 AND m.user_id = $2 AND m.status = 'active'
           AND o.status = 'active'"
    )
    .bind(project_id)
    .bind(user_id);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

/// Some organizations of a user, those with a slug or a name like `like` (with `!` before what is no wildcard; empty is any).
pub(super) async fn choices(
    conn: &mut Conn,
    (project_id, user_id): (&str, &str),
    (like, after): (&str, &str),
    most: i64,
) -> Result<Vec<Membership>, DbError> {
    let statement = membership!(
        "WHERE m.user_id = $2 AND m.org_id > $4 AND m.project_id = $1 AND m.status = 'active' AND o.status = 'active'
           AND ($3 = '' OR o.slug LIKE $3 ESCAPE '!' OR lower(o.name) LIKE $3 ESCAPE '!')
         ORDER BY m.org_id LIMIT $5"
    )
    .bind(project_id)
    .bind(user_id)
    .bind(like)
    .bind(after)
    .bind(most);
    conn.all(statement).await?.iter().map(read).collect()
}

/// Locks the organization until the end of the transaction, by a change that changes nothing.
pub(super) async fn hold(conn: &mut Conn, project_id: &str, id: &str) -> Result<Option<Held>, DbError> {
    let statement = sql("UPDATE organizations SET ver = ver WHERE project_id = $1 AND id = $2
                         RETURNING id, project_id, kind, owner_member_id, member_count, max_members, ver")
    .bind(project_id)
    .bind(id);
    let Some(row) = conn.first(statement).await? else { return Ok(None) };
    Ok(Some(Held {
        org_id: row.text("id")?,
        project_id: row.text("project_id")?,
        personal: row.text("kind")? == "personal",
        owner_member_id: row.text("owner_member_id")?,
        member_count: row.int("member_count")?,
        max_members: row.int_opt("max_members")?,
        ver: counter(&row)?,
    }))
}

pub(super) async fn insert(conn: &mut Conn, member: &NewMember<'_>, now_ms: i64) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO memberships (id, project_id, org_id, user_id, role_key, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6)")
        .bind(member.id)
        .bind(member.project_id)
        .bind(member.org_id)
        .bind(member.user_id)
        .bind(member.role)
        .bind(now_ms),
    )
    .await
    .map(|_| ())
}

macro_rules! listed {
    ($rest:literal) => {
        sql(concat!(
            "SELECT m.id, m.org_id, m.user_id, u.email, u.name, m.role_key, m.status, m.created_at, r.rank,
                    (SELECT string_agg(p.permission, ' ' ORDER BY p.position) FROM role_permissions p
                     WHERE p.role_id = r.id) AS permissions
             FROM memberships m JOIN users u ON u.id = m.user_id
             LEFT JOIN roles r ON r.org_id = m.org_id AND r.key = m.role_key ",
            $rest
        ))
    };
}

fn listed(row: &Row) -> Result<Listed, DbError> {
    Ok(Listed {
        id: row.text("id")?,
        org_id: row.text("org_id")?,
        user_id: row.text("user_id")?,
        email: row.text("email")?,
        name: row.text_opt("name")?,
        role: role(row)?,
        active: row.text("status")? == "active",
        joined_at: row.int("created_at")?,
    })
}

pub(super) async fn list(
    conn: &mut Conn,
    project_id: &str,
    org_id: &str,
    page: &Page,
) -> Result<Vec<Listed>, DbError> {
    let statement = listed!("WHERE m.project_id = $1 AND m.org_id = $2 AND m.id > $3 ORDER BY m.id LIMIT $4")
        .bind(project_id)
        .bind(org_id)
        .bind(&page.after)
        .bind(page.rows());
    conn.all(statement).await?.iter().map(listed).collect()
}

pub(super) async fn list_by_role(
    conn: &mut Conn,
    org_id: &str,
    role: &str,
    page: &Page,
) -> Result<Vec<Listed>, DbError> {
    let statement = listed!("WHERE m.org_id = $1 AND m.role_key = $2 AND m.id > $3 ORDER BY m.id LIMIT $4")
        .bind(org_id)
        .bind(role)
        .bind(&page.after)
        .bind(page.rows());
    conn.all(statement).await?.iter().map(listed).collect()
}

/// `like`: patterns for the name and for the address; the empty one is nobody's.
pub(super) async fn list_found(
    conn: &mut Conn,
    org_id: &str,
    (role, like): (&str, (&str, &str)),
    page: &Page,
) -> Result<Vec<Listed>, DbError> {
    let statement = listed!(
        "WHERE m.org_id = $1 AND m.id > $2 AND ($3 = '' OR m.role_key = $3)
           AND (lower(u.name) LIKE lower($4) ESCAPE '\\' OR lower(u.email) LIKE lower($5) ESCAPE '\\')
         ORDER BY m.id LIMIT $6"
    )
    .bind(org_id)
    .bind(&page.after)
    .bind(role)
    .bind(like.0)
    .bind(like.1)
    .bind(page.rows());
    conn.all(statement).await?.iter().map(listed).collect()
}

pub(super) async fn list_of_team(
    conn: &mut Conn,
    org_id: &str,
    team_id: &str,
    page: &Page,
) -> Result<Vec<Listed>, DbError> {
    let statement = listed!(
        "JOIN team_members t ON t.member_id = m.id
         WHERE m.org_id = $1 AND t.team_id = $2 AND m.id > $3 ORDER BY m.id LIMIT $4"
    )
    .bind(org_id)
    .bind(team_id)
    .bind(&page.after)
    .bind(page.rows());
    conn.all(statement).await?.iter().map(listed).collect()
}

/// The member of this organization with this id, or with the id of the user.
pub(super) async fn of_organization(
    conn: &mut Conn,
    org_id: &str,
    (id, user_id): (&str, &str),
) -> Result<Option<Listed>, DbError> {
    let statement =
        listed!("WHERE m.org_id = $1 AND (m.id = $2 OR m.user_id = $3)").bind(org_id).bind(id).bind(user_id);
    conn.first(statement).await?.map(|row| listed(&row)).transpose()
}

pub(super) async fn set_role(conn: &mut Conn, id: &str, role: &str, now_ms: i64) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE memberships SET role_key = $2, updated_at = $3 WHERE id = $1")
            .bind(id)
            .bind(role)
            .bind(now_ms),
    )
    .await
    .map(|_| ())
}

pub(super) async fn set_status(conn: &mut Conn, id: &str, active: bool, now_ms: i64) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE memberships SET status = $2, updated_at = $3 WHERE id = $1")
            .bind(id)
            .bind(if active { "active" } else { "suspended" })
            .bind(now_ms),
    )
    .await
    .map(|_| ())
}

/// Nobody works as this member any more: no session and no refresh token. (Where the row goes, the foreign keys do it, but
/// they do not tell those who watch a session.)
pub(super) async fn leave_sessions(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE sessions SET active_member_id = NULL, ver = ver + 1 WHERE active_member_id = $1")
            .bind(id),
    )
    .await?;
    conn.run(sql("UPDATE token_families SET member_id = NULL WHERE member_id = $1").bind(id))
        .await
        .map(|_| ())
}

/// The same for every member of an organization.
pub(super) async fn leave_all_sessions(conn: &mut Conn, org_id: &str) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE sessions SET active_member_id = NULL, ver = ver + 1
             WHERE active_member_id IN (SELECT id FROM memberships WHERE org_id = $1)")
        .bind(org_id),
    )
    .await?;
    conn.run(
        sql("UPDATE token_families SET member_id = NULL
             WHERE member_id IN (SELECT id FROM memberships WHERE org_id = $1)")
        .bind(org_id),
    )
    .await
    .map(|_| ())
}

pub(super) async fn delete(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM memberships WHERE id = $1").bind(id)).await.map(|_| ())
}

/// Points the organization at another owner; `false` if it points elsewhere already.
pub(super) async fn point_at(
    conn: &mut Conn,
    org_id: &str,
    (from, to): (&str, &str),
    now_ms: i64,
) -> Result<bool, DbError> {
    let statement = sql("UPDATE organizations SET owner_member_id = $3, updated_at = $4
                         WHERE id = $1 AND owner_member_id = $2")
    .bind(org_id)
    .bind(from)
    .bind(to)
    .bind(now_ms);
    Ok(conn.run(statement).await? == 1)
}

/// Notes that somebody is a member no more.
pub(super) async fn note_departure(
    conn: &mut Conn,
    member: &Listed,
    project_id: &str,
    was_removed: bool,
    now_ms: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO departures (org_id, user_id, project_id, was_removed, at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (org_id, user_id) DO UPDATE SET was_removed = $4, at = $5")
        .bind(&member.org_id)
        .bind(&member.user_id)
        .bind(project_id)
        .bind(was_removed)
        .bind(now_ms),
    )
    .await
    .map(|_| ())
}

/// How the last membership of a user ended: whether they were removed.
pub(super) async fn departure(conn: &mut Conn, org_id: &str, user_id: &str) -> Result<Option<bool>, DbError> {
    let statement = sql("SELECT was_removed FROM departures WHERE org_id = $1 AND user_id = $2")
        .bind(org_id)
        .bind(user_id);
    conn.first(statement).await?.map(|row| row.flag("was_removed")).transpose()
}
