//! The SQL of sign-ups on their way, and of where a user belongs.

use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    db::{Conn, DbError, Row, sql},
    http::paging::Page,
};

/// A sign-up as it is kept.
#[derive(Clone)]
pub(super) struct SignUp {
    pub(super) id: String,
    pub(super) email: String,
    pub(super) name: Option<String>,
    pub(super) password_phc: String,
    pub(super) code_hash: String,
}

/// A sign-up to be kept.
pub(super) struct NewSignUp<'a> {
    pub(super) id: &'a str,
    pub(super) project_id: &'a str,
    pub(super) email: &'a str,
    pub(super) email_norm: &'a str,
    pub(super) name: Option<&'a str>,
    pub(super) password_phc: &'a str,
    pub(super) handle_hash: &'a str,
    pub(super) link_hash: &'a str,
    pub(super) code_hash: &'a str,
    pub(super) now_ms: i64,
    pub(super) expires_at: i64,
}

pub(super) async fn insert(conn: &mut Conn, new: &NewSignUp<'_>) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO sign_ups
                 (id, project_id, email, email_norm, name, password_phc, handle_hash, link_hash, code_hash, created_at,
                  expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)")
        .bind(new.id)
        .bind(new.project_id)
        .bind(new.email)
        .bind(new.email_norm)
        .bind(new.name)
        .bind(new.password_phc)
        .bind(new.handle_hash)
        .bind(new.link_hash)
        .bind(new.code_hash)
        .bind(new.now_ms)
        .bind(new.expires_at),
    )
    .await
    .map(|_| ())
}

/// Keeps the newest `most` sign-ups of an address.
pub(super) async fn cap(
    conn: &mut Conn,
    project_id: &str,
    email_norm: &str,
    most: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("DELETE FROM sign_ups WHERE project_id = $1 AND email_norm = $2 AND id NOT IN
                 (SELECT id FROM sign_ups WHERE project_id = $1 AND email_norm = $2
                  ORDER BY created_at DESC, id DESC LIMIT $3)")
        .bind(project_id)
        .bind(email_norm)
        .bind(most),
    )
    .await
    .map(|_| ())
}

/// Counts an attempt on the live sign-ups of an address, or on the one behind a handle, and gives those that may still be
/// tried. The argument that does not apply is empty.
pub(super) async fn try_codes(
    conn: &mut Conn,
    project_id: &str,
    (handle_hash, email_norm): (&str, &str),
    most: i64,
    now_ms: i64,
) -> Result<Vec<SignUp>, DbError> {
    let statement = sql("UPDATE sign_ups SET attempts = attempts + 1
                         WHERE project_id = $1 AND (handle_hash = $2 OR email_norm = $3) AND attempts < $4
                           AND expires_at > $5
                         RETURNING id, email, name, password_phc, code_hash")
    .bind(project_id)
    .bind(handle_hash)
    .bind(email_norm)
    .bind(most)
    .bind(now_ms);
    conn.all(statement).await?.iter().map(read).collect()
}

/// The sign-up behind a link, after an attempt on its password was counted.
pub(super) async fn try_link(
    conn: &mut Conn,
    project_id: &str,
    link_hash: &str,
    most: i64,
    now_ms: i64,
) -> Result<Option<SignUp>, DbError> {
    let statement = sql("UPDATE sign_ups SET attempts = attempts + 1
                         WHERE project_id = $1 AND link_hash = $2 AND attempts < $3 AND expires_at > $4
                         RETURNING id, email, name, password_phc, code_hash")
    .bind(project_id)
    .bind(link_hash)
    .bind(most)
    .bind(now_ms);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn by_handle(
    conn: &mut Conn,
    project_id: &str,
    handle_hash: &str,
    now_ms: i64,
) -> Result<Option<SignUp>, DbError> {
    let statement = sql("SELECT id, email, name, password_phc, code_hash FROM sign_ups
                         WHERE project_id = $1 AND handle_hash = $2 AND expires_at > $3")
    .bind(project_id)
    .bind(handle_hash)
    .bind(now_ms);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn link_is_live(
    conn: &mut Conn,
    project_id: &str,
    link_hash: &str,
    now_ms: i64,
) -> Result<bool, DbError> {
    let statement =
        sql("SELECT id FROM sign_ups WHERE project_id = $1 AND link_hash = $2 AND expires_at > $3")
            .bind(project_id)
            .bind(link_hash)
            .bind(now_ms);
    Ok(conn.first(statement).await?.is_some())
}

/// Another link and another code for a sign-up.
pub(super) async fn renew(
    conn: &mut Conn,
    id: &str,
    link_hash: &str,
    code_hash: &str,
    expires_at: i64,
) -> Result<(), DbError> {
    conn.run(
        sql(
            "UPDATE sign_ups SET link_hash = $2, code_hash = $3, attempts = 0, expires_at = $4 WHERE id = $1",
        )
        .bind(id)
        .bind(link_hash)
        .bind(code_hash)
        .bind(expires_at),
    )
    .await
    .map(|_| ())
}

/// Takes a sign-up out; `false` if somebody else did.
pub(super) async fn take(conn: &mut Conn, id: &str) -> Result<bool, DbError> {
    Ok(conn.run(sql("DELETE FROM sign_ups WHERE id = $1").bind(id)).await? == 1)
}

/// Ends every sign-up of an address that is a user's now.
pub(super) async fn end_all(conn: &mut Conn, project_id: &str, email_norm: &str) -> Result<(), DbError> {
    conn.run(
        sql("DELETE FROM sign_ups WHERE project_id = $1 AND email_norm = $2")
            .bind(project_id)
            .bind(email_norm),
    )
    .await
    .map(|_| ())
}

pub(super) async fn purge(conn: &mut Conn, now_ms: i64) -> Result<u64, DbError> {
    let statement = sql("DELETE FROM sign_ups WHERE id IN
                             (SELECT id FROM sign_ups WHERE expires_at <= $1 ORDER BY expires_at LIMIT 500)");
    conn.run(statement.bind(now_ms)).await
}

fn read(row: &Row) -> Result<SignUp, DbError> {
    Ok(SignUp {
        id: row.text("id")?,
        email: row.text("email")?,
        name: row.text_opt("name")?,
        password_phc: row.text("password_phc")?,
        code_hash: row.text("code_hash")?,
    })
}

/// The organizations of a user, whatever stands still: each with its id and as operators see it.
pub(super) async fn places(
    conn: &mut Conn,
    (project_id, user_id): (&str, &str),
    page: &Page,
) -> Result<Vec<(String, Value)>, DbError> {
    let statement = sql("SELECT m.id, m.org_id, m.role_key, m.status, m.created_at, o.slug, o.name, o.kind,
                                o.status AS org_status
                         FROM memberships m JOIN organizations o ON o.id = m.org_id
                         WHERE m.user_id = $2 AND m.org_id > $3 AND m.project_id = $1
                         ORDER BY m.org_id LIMIT $4")
    .bind(project_id)
    .bind(user_id)
    .bind(&page.after)
    .bind(page.rows());
    let read = |row: &Row| {
        let id = row.text("org_id")?;
        let shown = json!({
            "id": id,
            "slug": row.text("slug")?,
            "name": row.text("name")?,
            "personal": row.text("kind")? == "personal",
            "status": row.text("org_status")?,
            "role": row.text("role_key")?,
            "member_id": row.text("id")?,
            "member_status": row.text("status")?,
            "joined_at": rfc3339(row.int("created_at")?),
        });
        Ok((id, shown))
    };
    conn.all(statement).await?.iter().map(read).collect()
}
