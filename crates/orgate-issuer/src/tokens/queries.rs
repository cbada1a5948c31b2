//! The SQL of codes that are redeemed and of refresh families.

use serde_json::json;

use crate::{
    db::{Conn, DbError, json_list, sql},
    events::{Actor, Event, EventType},
    members::Membership,
};

/// A code as it was issued.
pub(super) struct StoredCode {
    pub(super) project_id: String,
    pub(super) client_id: String,
    pub(super) user_id: String,
    pub(super) session_id: String,
    /// The organization that was picked or named.
    pub(super) org_id: Option<String>,
    pub(super) redirect_uri: String,
    pub(super) code_challenge: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) scope: String,
    pub(super) expires_at: i64,
    pub(super) consumed: bool,
    pub(super) family_id: Option<String>,
    pub(super) auth_time: i64,
    pub(super) amr: Vec<String>,
    pub(super) session_alive: bool,
}

pub(super) async fn code(conn: &mut Conn, code_hash: &str) -> Result<Option<StoredCode>, DbError> {
    let statement =
        sql("SELECT c.project_id, c.client_id, c.user_id, c.session_id, c.org_id, c.redirect_uri,
                                c.code_challenge, c.nonce, c.scope, c.expires_at, c.consumed_at, c.family_id,
                                s.auth_time, s.amr, s.revoked_at
                         FROM auth_codes c JOIN sessions s ON s.id = c.session_id
                         WHERE c.code_hash = $1")
        .bind(code_hash);
    let Some(row) = conn.first(statement).await? else { return Ok(None) };
    Ok(Some(StoredCode {
        project_id: row.text("project_id")?,
        client_id: row.text("client_id")?,
        user_id: row.text("user_id")?,
        session_id: row.text("session_id")?,
        org_id: row.text_opt("org_id")?,
        redirect_uri: row.text("redirect_uri")?,
        code_challenge: row.text_opt("code_challenge")?,
        nonce: row.text_opt("nonce")?,
        scope: row.text("scope")?,
        expires_at: row.int("expires_at")?,
        consumed: row.int_opt("consumed_at")?.is_some(),
        family_id: row.text_opt("family_id")?,
        auth_time: row.int("auth_time")?,
        amr: row.list("amr")?,
        session_alive: row.int_opt("revoked_at")?.is_none(),
    }))
}

/// Uses the code up; `false` if somebody else did.
pub(super) async fn consume(conn: &mut Conn, code_hash: &str, now_ms: i64) -> Result<bool, DbError> {
    let statement =
        sql("UPDATE auth_codes SET consumed_at = $2 WHERE code_hash = $1 AND consumed_at IS NULL AND expires_at > $2")
            .bind(code_hash)
            .bind(now_ms);
    Ok(conn.run(statement).await? == 1)
}

pub(super) async fn set_family_of_code(
    conn: &mut Conn,
    code_hash: &str,
    family_id: &str,
) -> Result<(), DbError> {
    conn.run(sql("UPDATE auth_codes SET family_id = $2 WHERE code_hash = $1").bind(code_hash).bind(family_id))
        .await
        .map(|_| ())
}

/// A family to be stored, as its code says.
pub(super) struct NewFamily<'a> {
    pub(super) id: &'a str,
    pub(super) code: &'a StoredCode,
    pub(super) member: Option<&'a Membership>,
    pub(super) idle_exp: i64,
    pub(super) abs_exp: i64,
    pub(super) now_ms: i64,
}

pub(super) async fn insert_family(conn: &mut Conn, new: &NewFamily<'_>) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO token_families
                 (id, project_id, client_id, user_id, session_id, member_id, org_id, scope, auth_time, amr, counter,
                  last_refreshed_at, created_at, idle_exp, abs_exp)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $11, $12, $13)")
        .bind(new.id)
        .bind(&new.code.project_id)
        .bind(&new.code.client_id)
        .bind(&new.code.user_id)
        .bind(&new.code.session_id)
        .bind(new.member.map(|member| member.id.as_str()))
        .bind(new.member.map(|member| member.org_id.as_str()))
        .bind(&new.code.scope)
        .bind(new.code.auth_time)
        .bind(&json_list(&new.code.amr))
        .bind(new.now_ms)
        .bind(new.idle_exp)
        .bind(new.abs_exp),
    )
    .await
    .map(|_| ())
}

/// All refresh tokens that came from one code.
pub(super) struct Family {
    pub(super) id: String,
    pub(super) project_id: String,
    pub(super) client_id: String,
    pub(super) user_id: String,
    pub(super) session_id: Option<String>,
    pub(super) session_revoked: bool,
    pub(super) org_id: Option<String>,
    pub(super) scope: String,
    pub(super) auth_time: i64,
    pub(super) amr: Vec<String>,
    pub(super) counter: i64,
    pub(super) last_refreshed_at: i64,
    pub(super) idle_exp: i64,
    pub(super) abs_exp: i64,
    pub(super) revoked: bool,
}

pub(super) async fn family(conn: &mut Conn, id: &str) -> Result<Option<Family>, DbError> {
    let statement = sql("SELECT f.id, f.project_id, f.client_id, f.user_id, f.session_id, f.org_id, f.scope,
                                f.auth_time, f.amr, f.counter, f.last_refreshed_at, f.idle_exp, f.abs_exp,
                                f.revoked_at, s.revoked_at AS session_revoked_at
                         FROM token_families f LEFT JOIN sessions s ON s.id = f.session_id
                         WHERE f.id = $1")
    .bind(id);
    let Some(row) = conn.first(statement).await? else { return Ok(None) };
    Ok(Some(Family {
        id: row.text("id")?,
        project_id: row.text("project_id")?,
        client_id: row.text("client_id")?,
        user_id: row.text("user_id")?,
        session_id: row.text_opt("session_id")?,
        session_revoked: row.int_opt("session_revoked_at")?.is_some(),
        org_id: row.text_opt("org_id")?,
        scope: row.text("scope")?,
        auth_time: row.int("auth_time")?,
        amr: row.list("amr")?,
        counter: row.int("counter")?,
        last_refreshed_at: row.int("last_refreshed_at")?,
        idle_exp: row.int("idle_exp")?,
        abs_exp: row.int("abs_exp")?,
        revoked: row.int_opt("revoked_at")?.is_some(),
    }))
}

/// A step of a family.
pub(super) struct Rotation<'a> {
    pub(super) family_id: &'a str,
    pub(super) counter: i64,
    pub(super) member: Option<&'a Membership>,
    pub(super) idle_exp: i64,
    pub(super) now_ms: i64,
}

/// Moves the counter on, if it still is the one presented and the family still lives; gives the next one. This one
/// statement decides every race.
pub(super) async fn rotate(conn: &mut Conn, rotation: &Rotation<'_>) -> Result<Option<i64>, DbError> {
    let statement = sql("UPDATE token_families
                         SET counter = counter + 1, last_refreshed_at = $3, idle_exp = $4, member_id = $5, org_id = $6
                         WHERE id = $1 AND counter = $2 AND revoked_at IS NULL AND idle_exp > $3 AND abs_exp > $3
                         RETURNING counter")
    .bind(rotation.family_id)
    .bind(rotation.counter)
    .bind(rotation.now_ms)
    .bind(rotation.idle_exp)
    .bind(rotation.member.map(|member| member.id.as_str()))
    .bind(rotation.member.map(|member| member.org_id.as_str()));
    conn.first(statement).await?.map(|row| row.int("counter")).transpose()
}

pub(super) async fn revoke_family(
    conn: &mut Conn,
    id: &str,
    reason: &str,
    now_ms: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE token_families SET revoked_at = $2, revoked_reason = $3 WHERE id = $1 AND revoked_at IS NULL")
            .bind(id)
            .bind(now_ms)
            .bind(reason),
    )
    .await
    .map(|_| ())
}

/// What is recorded when a code or a refresh token comes back.
pub(super) fn reuse_event(project_id: &str, family_id: &str, what: &str, user_id: &str, at: i64) -> Event {
    Event {
        project_id: project_id.to_owned(),
        kind: EventType::TokenReuseDetected,
        actor: Actor::System,
        org_id: None,
        target_id: family_id.to_owned(),
        data: json!({ "what": what, "user_id": user_id }),
        at,
    }
}
