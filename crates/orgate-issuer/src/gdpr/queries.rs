//! The SQL of exporting and erasing a user: the one place that reads across the tables of all slices.

use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    db::{Conn, DbError, Row, sql},
};

fn time(row: &Row, column: &str) -> Result<Option<String>, DbError> {
    Ok(row.int_opt(column)?.and_then(rfc3339))
}

pub(super) async fn profile(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
) -> Result<Option<Value>, DbError> {
    let statement =
        sql("SELECT id, email, email_verified_at, name, status, password_phc, created_at, updated_at
                         FROM users WHERE project_id = $1 AND id = $2")
        .bind(project_id)
        .bind(user_id);
    let Some(row) = conn.first(statement).await? else { return Ok(None) };
    Ok(Some(json!({
        "id": row.text("id")?,
        "email": row.text("email")?,
        "email_verified_at": time(&row, "email_verified_at")?,
        "name": row.text_opt("name")?,
        "status": row.text("status")?,
        "has_password": row.text_opt("password_phc")?.is_some(),
        "created_at": time(&row, "created_at")?,
        "updated_at": time(&row, "updated_at")?,
    })))
}

/// A statement with the project and the user as its arguments, and what is shown of a row.
type Section = (&'static str, &'static str, fn(&Row) -> Result<Value, DbError>);

const SECTIONS: [Section; 11] = [
    (
        "organizations",
        "SELECT o.id, o.name, o.slug, o.kind, m.id AS member_id, m.role_key, m.status, m.created_at
         FROM memberships m JOIN organizations o ON o.id = m.org_id
         WHERE m.project_id = $1 AND m.user_id = $2 ORDER BY m.id",
        |row| {
            Ok(json!({
                "id": row.text("id")?,
                "name": row.text("name")?,
                "slug": row.text("slug")?,
                "is_personal": row.text("kind")? == "personal",
                "member_id": row.text("member_id")?,
                "role": row.text("role_key")?,
                "status": row.text("status")?,
                "joined_at": time(row, "created_at")?,
            }))
        },
    ),
    (
        "teams",
        "SELECT t.id, t.org_id, t.name, m.created_at FROM team_members m JOIN teams t ON t.id = m.team_id
         JOIN memberships p ON p.org_id = m.org_id AND p.id = m.member_id WHERE p.project_id = $1 AND p.user_id = $2 ORDER BY t.id",
        |row| {
            Ok(json!({
                "id": row.text("id")?,
                "organization_id": row.text("org_id")?,
                "name": row.text("name")?,
                "joined_at": time(row, "created_at")?,
            }))
        },
    ),
    (
        "invitations",
        "SELECT i.id, i.org_id, i.email, i.role_key, i.status, i.created_at, i.expires_at FROM invitations i
         JOIN users u ON u.project_id = i.project_id AND u.email_norm = i.email_norm
         WHERE u.project_id = $1 AND u.id = $2 ORDER BY i.id",
        |row| {
            Ok(json!({
                "id": row.text("id")?,
                "organization_id": row.text("org_id")?,
                "email": row.text("email")?,
                "role": row.text("role_key")?,
                "status": row.text("status")?,
                "created_at": time(row, "created_at")?,
                "expires_at": time(row, "expires_at")?,
            }))
        },
    ),
    (
        "api_keys",
        "SELECT id, org_id, name, created_at, last_used_at, revoked_at FROM api_keys
         WHERE project_id = $1 AND user_id = $2 ORDER BY id",
        |row| {
            Ok(json!({
                "id": row.text("id")?,
                "organization_id": row.text("org_id")?,
                "name": row.text("name")?,
                "created_at": time(row, "created_at")?,
                "last_used_at": time(row, "last_used_at")?,
                "revoked_at": time(row, "revoked_at")?,
            }))
        },
    ),
    (
        "sessions",
        "SELECT id, amr, user_agent, auth_time, created_at, last_seen_at, revoked_at FROM sessions
         WHERE project_id = $1 AND user_id = $2 ORDER BY id",
        |row| {
            Ok(json!({
                "id": row.text("id")?,
                "methods": row.list("amr")?,
                "user_agent": row.text_opt("user_agent")?,
                "signed_in_at": time(row, "auth_time")?,
                "created_at": time(row, "created_at")?,
                "last_seen_at": time(row, "last_seen_at")?,
                "ended_at": time(row, "revoked_at")?,
            }))
        },
    ),
    (
        "applications",
        "SELECT f.client_id, c.name, f.org_id, f.scope, f.created_at, f.last_refreshed_at, f.revoked_at
         FROM token_families f JOIN clients c ON c.id = f.client_id
         WHERE f.project_id = $1 AND f.user_id = $2 ORDER BY f.id",
        |row| {
            Ok(json!({
                "client_id": row.text("client_id")?,
                "name": row.text("name")?,
                "organization_id": row.text_opt("org_id")?,
                "scope": row.text("scope")?,
                "created_at": time(row, "created_at")?,
                "last_used_at": time(row, "last_refreshed_at")?,
                "ended_at": time(row, "revoked_at")?,
            }))
        },
    ),
    (
        "consents",
        "SELECT s.id, s.client_id, c.name, s.org_id, s.scope, s.created_at, s.updated_at
         FROM consents s JOIN clients c ON c.id = s.client_id
         WHERE s.project_id = $1 AND s.user_id = $2 ORDER BY s.id",
        |row| {
            Ok(json!({
                "id": row.text("id")?,
                "client_id": row.text("client_id")?,
                "name": row.text("name")?,
                "organization_id": row.text_opt("org_id")?,
                "scope": row.text("scope")?,
                "created_at": time(row, "created_at")?,
                "updated_at": time(row, "updated_at")?,
            }))
        },
    ),
    (
        "passkeys",
        "SELECT id, name, created_at, last_used_at FROM passkeys
         WHERE project_id = $1 AND user_id = $2 ORDER BY id",
        |row| {
            Ok(json!({
                "id": row.text("id")?,
                "name": row.text("name")?,
                "created_at": time(row, "created_at")?,
                "last_used_at": time(row, "last_used_at")?,
            }))
        },
    ),
    (
        "authenticators",
        "SELECT t.confirmed_at, t.created_at FROM totp t JOIN users u ON u.id = t.user_id
         WHERE u.project_id = $1 AND t.user_id = $2",
        |row| {
            Ok(json!({
                "confirmed_at": time(row, "confirmed_at")?,
                "created_at": time(row, "created_at")?,
            }))
        },
    ),
    (
        "recovery_codes",
        "SELECT r.created_at FROM recovery_codes r JOIN users u ON u.id = r.user_id
         WHERE u.project_id = $1 AND r.user_id = $2 ORDER BY r.created_at, r.code_hash",
        |row| Ok(json!({ "created_at": time(row, "created_at")? })),
    ),
    (
        "places",
        "SELECT p.kind, p.last_used_at FROM known_places p JOIN users u ON u.id = p.user_id
         WHERE u.project_id = $1 AND p.user_id = $2 ORDER BY p.last_used_at, p.key",
        |row| Ok(json!({ "kind": row.text("kind")?, "last_used_at": time(row, "last_used_at")? })),
    ),
];

/// The rows of each section.
pub(super) async fn sections(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
) -> Result<Vec<(&'static str, Vec<Value>)>, DbError> {
    let mut sections = Vec::new();
    for (label, statement, shown) in SECTIONS {
        let rows = conn.all(sql(statement).bind(project_id).bind(user_id)).await?;
        sections.push((label, rows.iter().map(shown).collect::<Result<_, _>>()?));
    }
    Ok(sections)
}

/// The slugs of the organizations that the user owns and that are not theirs alone.
pub(super) async fn owned(conn: &mut Conn, project_id: &str, user_id: &str) -> Result<Vec<String>, DbError> {
    let statement = sql("SELECT o.slug FROM memberships m JOIN organizations o ON o.id = m.org_id
                         WHERE m.project_id = $1 AND m.user_id = $2 AND m.role_key = 'owner' AND o.kind <> 'personal'
                         ORDER BY o.slug");
    let rows = conn.all(statement.bind(project_id).bind(user_id)).await?;
    rows.iter().map(|row| row.text("slug")).collect()
}

/// Id, organization and role of the user's memberships, the personal organization apart.
pub(super) async fn memberships(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
) -> Result<Vec<(String, String, String)>, DbError> {
    let statement = sql("SELECT m.id, m.org_id, m.role_key FROM memberships m JOIN organizations o ON o.id = m.org_id
                         WHERE m.project_id = $1 AND m.user_id = $2 AND o.kind <> 'personal' ORDER BY m.org_id");
    let rows = conn.all(statement.bind(project_id).bind(user_id)).await?;
    rows.iter().map(|row| Ok((row.text("id")?, row.text("org_id")?, row.text("role_key")?))).collect()
}

pub(super) async fn personal(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
) -> Result<Vec<String>, DbError> {
    let statement = sql("SELECT id FROM organizations WHERE project_id = $1 AND personal_user_id = $2");
    let rows = conn.all(statement.bind(project_id).bind(user_id)).await?;
    rows.iter().map(|row| row.text("id")).collect()
}

/// Its slug, and those it had before, are made of a name and wait for nobody.
pub(super) async fn delete_organization(
    conn: &mut Conn,
    project_id: &str,
    org_id: &str,
) -> Result<(), DbError> {
    let statement = sql("DELETE FROM slug_tombstones WHERE project_id = $1 AND org_id = $2");
    conn.run(statement.bind(project_id).bind(org_id)).await?;
    let statement = sql("DELETE FROM organizations WHERE project_id = $1 AND id = $2");
    conn.run(statement.bind(project_id).bind(org_id)).await.map(|_| ())
}

/// What waits for somebody at the address, by its key.
pub(super) async fn forget_address(conn: &mut Conn, project_id: &str, key: &str) -> Result<(), DbError> {
    for statement in [
        "DELETE FROM sign_ups WHERE project_id = $1 AND email_norm = $2",
        "DELETE FROM user_secrets WHERE project_id = $1 AND email_norm = $2",
    ] {
        conn.run(sql(statement).bind(project_id).bind(key)).await?;
    }
    Ok(())
}

/// What hangs on the user goes by itself. Answers that are kept for their requests hang on nothing, and the keys they made for
/// organizations stay there, dead.
pub(super) async fn delete_user(conn: &mut Conn, project_id: &str, user_id: &str) -> Result<(), DbError> {
    for statement in [
        "DELETE FROM idempotency WHERE project_id = $1 AND actor = $2",
        "UPDATE api_keys SET user_id = NULL WHERE project_id = $1 AND user_id = $2",
        "DELETE FROM users WHERE project_id = $1 AND id = $2",
    ] {
        conn.run(sql(statement).bind(project_id).bind(user_id)).await?;
    }
    Ok(())
}
