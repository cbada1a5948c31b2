//! The SQL of the users.

use super::{Filter, NewUser, User};
use crate::{
    db::{Conn, DbError, Row, sql},
    http::paging::Page,
};

macro_rules! user {
    ($rest:literal) => {
        sql(concat!(
            "SELECT id, email, email_verified_at, name, password_phc, status, created_at FROM users WHERE ",
            $rest
        ))
    };
}

pub(super) async fn find(conn: &mut Conn, project_id: &str, id: &str) -> Result<Option<User>, DbError> {
    let statement = user!("project_id = $1 AND id = $2").bind(project_id).bind(id);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn find_by_address(
    conn: &mut Conn,
    project_id: &str,
    email_norm: &str,
) -> Result<Option<User>, DbError> {
    let statement = user!("project_id = $1 AND email_norm = $2").bind(project_id).bind(email_norm);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn list(
    conn: &mut Conn,
    project_id: &str,
    only_active: bool,
    page: &Page,
) -> Result<Vec<User>, DbError> {
    let statement =
        user!("project_id = $1 AND id > $2 AND ($3 = 0 OR status = 'active') ORDER BY id LIMIT $4")
            .bind(project_id)
            .bind(&page.after)
            .bind(only_active)
            .bind(page.rows());
    conn.all(statement).await?.iter().map(read).collect()
}

/// Few, in an index of their own.
pub(super) async fn list_suspended(
    conn: &mut Conn,
    project_id: &str,
    page: &Page,
) -> Result<Vec<User>, DbError> {
    let statement = user!("project_id = $1 AND id > $2 AND status = 'suspended' ORDER BY id LIMIT $3")
        .bind(project_id)
        .bind(&page.after)
        .bind(page.rows());
    conn.all(statement).await?.iter().map(read).collect()
}

/// One range of the index of addresses: the page goes on behind the address that it ended with.
pub(super) async fn list_found(
    conn: &mut Conn,
    project_id: &str,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<User>, DbError> {
    // No address holds a control character, and none has a character behind the last one there is.
    let from = if page.after.is_empty() { filter.prefix.clone() } else { format!("{}\u{1}", page.after) };
    let to = format!("{}\u{10ffff}", filter.prefix);
    let status = match filter.active {
        None => "",
        Some(true) => "active",
        Some(false) => "suspended",
    };
    let statement = user!(
        "project_id = $1 AND email_norm >= $2 AND email_norm < $3 AND ($4 = '' OR status = $4)
         ORDER BY email_norm LIMIT $5"
    )
    .bind(project_id)
    .bind(&from)
    .bind(&to)
    .bind(status)
    .bind(page.rows());
    conn.all(statement).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<User, DbError> {
    Ok(User {
        id: row.text("id")?,
        email: row.text("email")?,
        email_verified: row.int_opt("email_verified_at")?.is_some(),
        name: row.text_opt("name")?,
        password_phc: row.text_opt("password_phc")?,
        active: row.text("status")? == "active",
        created_at: row.int("created_at")?,
    })
}

pub(super) async fn insert(
    conn: &mut Conn,
    project_id: &str,
    user: &NewUser,
    now_ms: i64,
) -> Result<bool, DbError> {
    let inserted = conn
        .run(
            sql("INSERT INTO users
                     (id, project_id, email, email_norm, email_verified_at, name, password_phc, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
                 ON CONFLICT DO NOTHING")
            .bind(&user.id)
            .bind(project_id)
            .bind(user.address.shown())
            .bind(user.address.key())
            .bind(user.email_verified.then_some(now_ms))
            .bind(&user.name)
            .bind(&user.password_phc)
            .bind(now_ms),
        )
        .await?;
    Ok(inserted == 1)
}

/// Writes the row as it is: on PostgreSQL, whoever changes it comes before or after the whole transaction.
pub(super) async fn hold(conn: &mut Conn, id: &str, password_phc: Option<&str>) -> Result<bool, DbError> {
    let statement = match password_phc {
        None => sql("UPDATE users SET updated_at = updated_at WHERE id = $1 AND status = 'active'").bind(id),
        Some(phc) => sql("UPDATE users SET updated_at = updated_at
                          WHERE id = $1 AND status = 'active' AND password_phc = $2")
        .bind(id)
        .bind(phc),
    };
    Ok(conn.run(statement).await? == 1)
}

pub(super) async fn set_password(
    conn: &mut Conn,
    id: &str,
    password_phc: &str,
    now_ms: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE users SET password_phc = $2, updated_at = $3 WHERE id = $1")
            .bind(id)
            .bind(password_phc)
            .bind(now_ms),
    )
    .await
    .map(|_| ())
}

pub(super) async fn set_verified(conn: &mut Conn, id: &str, now_ms: i64) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE users SET email_verified_at = COALESCE(email_verified_at, $2), updated_at = $2 WHERE id = $1")
            .bind(id)
            .bind(now_ms),
    )
    .await
    .map(|_| ())
}

pub(super) async fn set_profile(
    conn: &mut Conn,
    id: &str,
    name: Option<&str>,
    email_verified: bool,
    now_ms: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE users
             SET name = $2,
                 email_verified_at = CASE WHEN $3 = 1 THEN COALESCE(email_verified_at, $4) ELSE NULL END,
                 updated_at = $4
             WHERE id = $1")
        .bind(id)
        .bind(name)
        .bind(email_verified)
        .bind(now_ms),
    )
    .await
    .map(|_| ())
}

/// Whether it was this that changed it.
pub(super) async fn set_active(
    conn: &mut Conn,
    project_id: &str,
    id: &str,
    active: bool,
    now_ms: i64,
) -> Result<bool, DbError> {
    let (from, to) = if active { ("suspended", "active") } else { ("active", "suspended") };
    let statement = sql("UPDATE users SET status = $4, updated_at = $5
                         WHERE project_id = $1 AND id = $2 AND status = $3")
    .bind(project_id)
    .bind(id)
    .bind(from)
    .bind(to)
    .bind(now_ms);
    Ok(conn.run(statement).await? == 1)
}
