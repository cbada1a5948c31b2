//! The SQL of codes that are redeemed and of refresh families.

use serde_json::json;

use crate::{
    clients::Client,
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
    pub(super) resource: Vec<String>,
    /// The key whose proof must come with it (RFC 9449 §10).
    pub(super) jkt: Option<String>,
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
                                c.code_challenge, c.nonce, c.scope, c.resource, c.jkt, c.expires_at, c.consumed_at, c.family_id,
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
        resource: row.list("resource")?,
        jkt: row.text_opt("jkt")?,
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

/// Whether the session lives. Until the commit it does not end: what ends it then finds the family that is being made.
pub(super) async fn hold_session(conn: &mut Conn, id: &str) -> Result<bool, DbError> {
    let statement = sql("UPDATE sessions SET ver = ver WHERE id = $1 AND revoked_at IS NULL").bind(id);
    Ok(conn.run(statement).await? == 1)
}

/// A family to be stored.
pub(super) struct NewFamily<'a> {
    pub(super) id: &'a str,
    pub(super) client: &'a Client,
    pub(super) user_id: &'a str,
    pub(super) session_id: &'a str,
    pub(super) member: Option<&'a Membership>,
    pub(super) scope: &'a str,
    pub(super) resource: &'a [String],
    pub(super) jkt: Option<&'a str>,
    pub(super) auth_time: i64,
    pub(super) amr: &'a [String],
    pub(super) idle_exp: i64,
    pub(super) abs_exp: i64,
    pub(super) now_ms: i64,
}

pub(super) async fn insert_family(conn: &mut Conn, new: &NewFamily<'_>) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO token_families
                 (id, project_id, client_id, user_id, session_id, member_id, org_id, scope, resource, jkt, auth_time,
                  amr, counter, last_refreshed_at, created_at, idle_exp, abs_exp)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13, $13, $14, $15)")
        .bind(new.id)
        .bind(&new.client.project_id)
        .bind(&new.client.id)
        .bind(new.user_id)
        .bind(new.session_id)
        .bind(new.member.map(|member| member.id.as_str()))
        .bind(new.member.map(|member| member.org_id.as_str()))
        .bind(new.scope)
        .bind(&json_list(new.resource))
        .bind(new.jkt)
        .bind(new.auth_time)
        .bind(&json_list(new.amr))
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
    pub(super) resource: Vec<String>,
    pub(super) jkt: Option<String>,
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
                                f.resource, f.jkt, f.auth_time, f.amr, f.counter, f.last_refreshed_at, f.idle_exp, f.abs_exp,
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
        resource: row.list("resource")?,
        jkt: row.text_opt("jkt")?,
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
) -> Result<bool, DbError> {
    let statement = sql(
        "UPDATE token_families SET revoked_at = $2, revoked_reason = $3 WHERE id = $1 AND revoked_at IS NULL",
    )
    .bind(id)
    .bind(now_ms)
    .bind(reason);
    Ok(conn.run(statement).await? == 1)
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

/// Remembers a proof; `false` if it is known.
pub(super) async fn insert_proof(
    conn: &mut Conn,
    fingerprint: &str,
    client_id: &str,
    stale_at: i64,
) -> Result<bool, DbError> {
    let statement = sql("INSERT INTO dpop_proofs (fingerprint, client_id, stale_at) VALUES ($1, $2, $3)
                         ON CONFLICT (fingerprint) DO NOTHING")
    .bind(fingerprint)
    .bind(client_id)
    .bind(stale_at);
    Ok(conn.run(statement).await? == 1)
}

pub(super) async fn proofs_of(conn: &mut Conn, client_id: &str) -> Result<i64, DbError> {
    let statement = sql("SELECT COUNT(*) AS n FROM dpop_proofs WHERE client_id = $1").bind(client_id);
    conn.first(statement).await?.map_or(Ok(0), |row| row.int("n"))
}

/// Forgets proofs that would be refused for their age, a bounded number at a time.
pub(super) async fn forget_proofs(conn: &mut Conn, now_ms: i64) -> Result<(), DbError> {
    let statement = sql("DELETE FROM dpop_proofs WHERE fingerprint IN
                             (SELECT fingerprint FROM dpop_proofs WHERE stale_at <= $1 ORDER BY stale_at LIMIT 200)")
    .bind(now_ms);
    conn.run(statement).await.map(|_| ())
}

/// Whether an access token was revoked.
pub(super) async fn is_revoked(conn: &mut Conn, project_id: &str, jti: &str) -> Result<bool, DbError> {
    let statement =
        sql("SELECT jti FROM revoked_tokens WHERE project_id = $1 AND jti = $2").bind(project_id).bind(jti);
    Ok(conn.first(statement).await?.is_some())
}

/// Notes that an access token was revoked; `false` if it was before.
pub(super) async fn insert_revoked(
    conn: &mut Conn,
    project_id: &str,
    jti: &str,
    expires_at: i64,
) -> Result<bool, DbError> {
    let statement = sql("INSERT INTO revoked_tokens (project_id, jti, expires_at) VALUES ($1, $2, $3)
                         ON CONFLICT (project_id, jti) DO NOTHING")
    .bind(project_id)
    .bind(jti)
    .bind(expires_at);
    Ok(conn.run(statement).await? == 1)
}

/// Forgets revoked tokens that have ended by themselves, a bounded number at a time.
pub(super) async fn forget_revoked(conn: &mut Conn, now_ms: i64) -> Result<(), DbError> {
    let statement = sql("DELETE FROM revoked_tokens WHERE expires_at <= $1 AND jti IN
                             (SELECT jti FROM revoked_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT 200)")
    .bind(now_ms);
    conn.run(statement).await.map(|_| ())
}

/// Whether the session is over; one that is not there is.
pub(super) async fn session_ended(conn: &mut Conn, id: &str) -> Result<bool, DbError> {
    let statement = sql("SELECT id FROM sessions WHERE id = $1 AND revoked_at IS NULL").bind(id);
    Ok(conn.first(statement).await?.is_none())
}

/// The sign-in of a device.
pub(super) struct Device {
    pub(super) project_id: String,
    pub(super) client_id: String,
    pub(super) scope: String,
    pub(super) resource: Vec<String>,
    pub(super) status: String,
    pub(super) user_id: Option<String>,
    pub(super) session: Option<DeviceSession>,
    pub(super) org_id: Option<String>,
    pub(super) polled_at: Option<i64>,
    pub(super) wait_ms: i64,
    pub(super) expires_at: i64,
}

/// The session of the person who said yes.
pub(super) struct DeviceSession {
    pub(super) id: String,
    pub(super) auth_time: i64,
    pub(super) amr: Vec<String>,
    pub(super) ended: bool,
}

pub(super) async fn device(conn: &mut Conn, device_hash: &str) -> Result<Option<Device>, DbError> {
    let statement = sql("SELECT d.project_id, d.client_id, d.scope, d.resource, d.status, d.user_id, d.session_id,
                                d.org_id, d.polled_at, d.wait_ms, d.expires_at, s.auth_time, s.amr, s.revoked_at
                         FROM device_codes d LEFT JOIN sessions s ON s.id = d.session_id
                         WHERE d.device_hash = $1")
    .bind(device_hash);
    let Some(row) = conn.first(statement).await? else { return Ok(None) };
    let session = match (row.text_opt("session_id")?, row.int_opt("auth_time")?) {
        (Some(id), Some(auth_time)) => Some(DeviceSession {
            id,
            auth_time,
            amr: row.list("amr")?,
            ended: row.int_opt("revoked_at")?.is_some(),
        }),
        _ => None,
    };
    Ok(Some(Device {
        project_id: row.text("project_id")?,
        client_id: row.text("client_id")?,
        scope: row.text("scope")?,
        resource: row.list("resource")?,
        status: row.text("status")?,
        user_id: row.text_opt("user_id")?,
        session,
        org_id: row.text_opt("org_id")?,
        polled_at: row.int_opt("polled_at")?,
        wait_ms: row.int("wait_ms")?,
        expires_at: row.int("expires_at")?,
    }))
}

pub(super) async fn device_polled(
    conn: &mut Conn,
    device_hash: &str,
    wait_ms: i64,
    now_ms: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE device_codes SET polled_at = $3, wait_ms = $2 WHERE device_hash = $1")
            .bind(device_hash)
            .bind(wait_ms)
            .bind(now_ms),
    )
    .await
    .map(|_| ())
}

/// Uses the approval up; `false` if somebody else did.
pub(super) async fn use_device(conn: &mut Conn, device_hash: &str) -> Result<bool, DbError> {
    let statement =
        sql("UPDATE device_codes SET status = 'used' WHERE device_hash = $1 AND status = 'approved'")
            .bind(device_hash);
    Ok(conn.run(statement).await? == 1)
}
