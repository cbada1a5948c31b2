//! The SQL of sessions, authorization requests and new codes.

use super::{
    request::{NewCode, Request},
    scope,
    session::Session,
};
use crate::db::{Conn, DbError, Row, json_list, sql};

/// How long a used or expired code is remembered, so that its second use is noticed.
const CODE_MEMORY_MS: i64 = 24 * 3_600_000;

pub(super) async fn session(
    conn: &mut Conn,
    token_hash: &str,
    now_ms: i64,
) -> Result<Option<Session>, DbError> {
    let statement = sql("SELECT s.id, s.token_hash, s.project_id, s.user_id, s.active_member_id, s.auth_time, s.amr,
                                s.user_agent, s.created_at, s.last_seen_at, s.idle_exp, s.abs_exp
                         FROM sessions s JOIN users u ON u.id = s.user_id
                         WHERE s.token_hash = $1 AND s.revoked_at IS NULL AND s.idle_exp > $2 AND s.abs_exp > $2
                           AND u.status = 'active'")
    .bind(token_hash)
    .bind(now_ms);
    conn.first(statement).await?.map(|row| read_session(&row)).transpose()
}

/// The same by its id.
pub(super) async fn session_by_id(
    conn: &mut Conn,
    id: &str,
    now_ms: i64,
) -> Result<Option<Session>, DbError> {
    let statement =
        sql("SELECT s.id, s.token_hash, s.project_id, s.user_id, s.active_member_id, s.auth_time, s.amr,
                                s.user_agent, s.created_at, s.last_seen_at, s.idle_exp, s.abs_exp
                         FROM sessions s JOIN users u ON u.id = s.user_id
                         WHERE s.id = $1 AND s.revoked_at IS NULL AND s.idle_exp > $2 AND s.abs_exp > $2
                           AND u.status = 'active'")
        .bind(id)
        .bind(now_ms);
    conn.first(statement).await?.map(|row| read_session(&row)).transpose()
}

/// Whether an access token was not revoked, nor its family, if it has one.
pub(super) async fn token_stands(
    conn: &mut Conn,
    project_id: &str,
    jti: &str,
    family_id: &str,
) -> Result<bool, DbError> {
    let statement = sql("SELECT 1 AS one
                         WHERE NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE project_id = $1 AND jti = $2)
                           AND ($3 = '' OR EXISTS (SELECT 1 FROM token_families WHERE id = $3 AND revoked_at IS NULL))")
    .bind(project_id)
    .bind(jti)
    .bind(family_id);
    Ok(conn.first(statement).await?.is_some())
}

/// The live sessions of a user, newest first.
pub(super) async fn sessions_of(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
    now_ms: i64,
) -> Result<Vec<Session>, DbError> {
    let statement = sql("SELECT id, token_hash, project_id, user_id, active_member_id, auth_time, amr, user_agent,
                                created_at, last_seen_at, idle_exp, abs_exp
                         FROM sessions
                         WHERE project_id = $1 AND user_id = $2 AND revoked_at IS NULL AND idle_exp > $3 AND abs_exp > $3
                         ORDER BY created_at DESC, id DESC")
    .bind(project_id)
    .bind(user_id)
    .bind(now_ms);
    conn.all(statement).await?.iter().map(read_session).collect()
}

fn read_session(row: &Row) -> Result<Session, DbError> {
    Ok(Session {
        id: row.text("id")?,
        token_hash: row.text("token_hash")?,
        project_id: row.text("project_id")?,
        user_id: row.text("user_id")?,
        active_member_id: row.text_opt("active_member_id")?,
        auth_time: row.int("auth_time")?,
        amr: row.list("amr")?,
        user_agent: row.text_opt("user_agent")?,
        created_at: row.int("created_at")?,
        last_seen_at: row.int("last_seen_at")?,
        idle_exp: row.int("idle_exp")?,
        abs_exp: row.int("abs_exp")?,
        bearer: None,
    })
}

pub(super) async fn insert_session(conn: &mut Conn, session: &Session) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO sessions
                 (id, project_id, user_id, token_hash, active_member_id, auth_time, amr, created_at, last_seen_at,
                  idle_exp, abs_exp, user_agent)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, $11)")
        .bind(&session.id)
        .bind(&session.project_id)
        .bind(&session.user_id)
        .bind(&session.token_hash)
        .bind(&session.active_member_id)
        .bind(session.auth_time)
        .bind(&json_list(&session.amr))
        .bind(session.last_seen_at)
        .bind(session.idle_exp)
        .bind(session.abs_exp)
        .bind(&session.user_agent),
    )
    .await
    .map(|_| ())
}

/// The same session under another cookie; `false` if it has ended, or has another cookie than `old_hash` by now.
pub(super) async fn renew_session(
    conn: &mut Conn,
    session: &Session,
    old_hash: &str,
) -> Result<bool, DbError> {
    let amr = json_list(&session.amr);
    let statement = sql("UPDATE sessions
                         SET token_hash = $3, auth_time = $4, amr = $5, last_seen_at = $6, idle_exp = $7,
                             abs_exp = $8, ver = ver + 1
                         WHERE id = $1 AND token_hash = $2 AND revoked_at IS NULL")
    .bind(&session.id)
    .bind(old_hash)
    .bind(&session.token_hash)
    .bind(session.auth_time)
    .bind(&amr)
    .bind(session.last_seen_at)
    .bind(session.idle_exp)
    .bind(session.abs_exp);
    Ok(conn.run(statement).await? == 1)
}

pub(super) async fn touch_session(
    conn: &mut Conn,
    id: &str,
    now_ms: i64,
    idle_exp: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE sessions SET last_seen_at = $2, idle_exp = $3 WHERE id = $1 AND revoked_at IS NULL")
            .bind(id)
            .bind(now_ms)
            .bind(idle_exp),
    )
    .await
    .map(|_| ())
}

/// Ends the refresh families of a session, those for use without it (scope `offline_access`) only if told to. Gives the
/// latter: their tokens do not say of which session they are.
pub(super) async fn revoke_families(
    conn: &mut Conn,
    session_id: &str,
    offline_too: bool,
    now_ms: i64,
) -> Result<Vec<String>, DbError> {
    let statement = sql("UPDATE token_families SET revoked_at = $2, revoked_reason = 'session'
                         WHERE session_id = $1 AND revoked_at IS NULL
                           AND ($3 = 1 OR ' ' || scope || ' ' NOT LIKE '% offline_access %')
                         RETURNING id, scope")
    .bind(session_id)
    .bind(now_ms)
    .bind(offline_too);
    let mut offline = Vec::new();
    for row in conn.all(statement).await? {
        if scope::has(&row.text("scope")?, scope::OFFLINE) {
            offline.push(row.text("id")?);
        }
    }
    Ok(offline)
}

/// Ends a session; `false` if it had ended.
pub(super) async fn revoke_session(conn: &mut Conn, id: &str, now_ms: i64) -> Result<bool, DbError> {
    let statement =
        sql("UPDATE sessions SET revoked_at = $2, ver = ver + 1 WHERE id = $1 AND revoked_at IS NULL")
            .bind(id)
            .bind(now_ms);
    Ok(conn.run(statement).await? == 1)
}

/// Ends the refresh families of a user that do not belong to the session `kept`; gives them.
pub(super) async fn revoke_other_families(
    conn: &mut Conn,
    user_id: &str,
    kept: &str,
    now_ms: i64,
) -> Result<Vec<String>, DbError> {
    let statement = sql("UPDATE token_families SET revoked_at = $3, revoked_reason = 'session'
                         WHERE user_id = $1 AND (session_id IS NULL OR session_id <> $2) AND revoked_at IS NULL
                         RETURNING id")
    .bind(user_id)
    .bind(kept)
    .bind(now_ms);
    conn.all(statement).await?.iter().map(|row| row.text("id")).collect()
}

/// Forgets sessions and families that ended before `before`, a bounded number at a time.
pub(super) async fn purge_sessions(conn: &mut Conn, before: i64) -> Result<u64, DbError> {
    // What only was idle too long ends nobody's wait for a scan of everything: it goes at its last hour, as it would have.
    // Families first: what is left of a session's families must not outlive it unnoticed.
    let families = sql("DELETE FROM token_families WHERE id IN
                            (SELECT id FROM token_families WHERE abs_exp <= $1 OR revoked_at <= $1 LIMIT 500)");
    let gone = conn.run(families.bind(before)).await?;
    let sessions = sql("DELETE FROM sessions WHERE id IN
                            (SELECT id FROM sessions WHERE abs_exp <= $1 OR revoked_at <= $1 LIMIT 500)");
    Ok(gone + conn.run(sessions.bind(before)).await?)
}

/// Makes a membership the session's active one, if it is its user's.
pub(super) async fn set_active_member(
    conn: &mut Conn,
    id: &str,
    member_id: Option<&str>,
) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE sessions
             SET active_member_id = (SELECT m.id FROM memberships m
                                     WHERE m.id = $2 AND m.user_id = sessions.user_id AND m.status = 'active'),
                 ver = ver + 1
             WHERE id = $1")
        .bind(id)
        .bind(member_id),
    )
    .await
    .map(|_| ())
}

pub(super) async fn insert_request(
    conn: &mut Conn,
    token_hash: &str,
    request: &Request,
    now_ms: i64,
    expires_at: i64,
) -> Result<(), DbError> {
    let params = serde_json::to_string(&request.params)
        .map_err(|_| DbError::Inconsistent("a request cannot be written".to_owned()))?;
    conn.run(
        sql("INSERT INTO authz_requests
                 (token_hash, project_id, client_id, browser_hash, params, session_id, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(token_hash)
        .bind(&request.project_id)
        .bind(&request.client_id)
        .bind(&request.browser_hash)
        .bind(&params)
        .bind(&request.session_id)
        .bind(now_ms)
        .bind(expires_at),
    )
    .await
    .map(|_| ())
}

pub(super) async fn request(
    conn: &mut Conn,
    token_hash: &str,
    now_ms: i64,
) -> Result<Option<Request>, DbError> {
    let statement = sql("SELECT project_id, client_id, browser_hash, params, session_id FROM authz_requests
                         WHERE token_hash = $1 AND expires_at > $2")
    .bind(token_hash)
    .bind(now_ms);
    conn.first(statement).await?.map(|row| read_request(&row)).transpose()
}

/// Takes the request out: it leads to one code.
pub(super) async fn take_request(
    conn: &mut Conn,
    token_hash: &str,
    now_ms: i64,
) -> Result<Option<Request>, DbError> {
    let statement = sql("DELETE FROM authz_requests WHERE token_hash = $1 AND expires_at > $2
                         RETURNING project_id, client_id, browser_hash, params, session_id")
    .bind(token_hash)
    .bind(now_ms);
    conn.first(statement).await?.map(|row| read_request(&row)).transpose()
}

fn read_request(row: &Row) -> Result<Request, DbError> {
    Ok(Request {
        project_id: row.text("project_id")?,
        client_id: row.text_opt("client_id")?,
        browser_hash: row.text("browser_hash")?,
        params: serde_json::from_str(&row.text("params")?)
            .map_err(|_| DbError::Inconsistent("a stored request cannot be read".to_owned()))?,
        session_id: row.text_opt("session_id")?,
    })
}

pub(super) async fn bind_request(conn: &mut Conn, token_hash: &str, session_id: &str) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE authz_requests SET session_id = $2 WHERE token_hash = $1")
            .bind(token_hash)
            .bind(session_id),
    )
    .await
    .map(|_| ())
}

/// Forgets requests and codes that have ended, a bounded number at a time: each new request makes one row, so many
/// more go than come, and nobody's sign-in waits for a long clean-up.
pub(super) async fn purge(conn: &mut Conn, now_ms: i64) -> Result<(), DbError> {
    let requests = sql("DELETE FROM authz_requests WHERE token_hash IN
                            (SELECT token_hash FROM authz_requests WHERE expires_at <= $1
                             ORDER BY expires_at LIMIT 200)");
    conn.run(requests.bind(now_ms)).await?;
    let codes = sql("DELETE FROM auth_codes WHERE code_hash IN
                         (SELECT code_hash FROM auth_codes WHERE expires_at <= $1
                          ORDER BY expires_at LIMIT 200)");
    conn.run(codes.bind(now_ms - CODE_MEMORY_MS)).await?;
    Ok(())
}

pub(super) async fn insert_code(conn: &mut Conn, code: &NewCode<'_>) -> Result<(), DbError> {
    let params = &code.request.params;
    conn.run(
        sql("INSERT INTO auth_codes
                 (code_hash, project_id, client_id, user_id, session_id, member_id, org_id, redirect_uri,
                  code_challenge, nonce, scope, resource, jkt, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)")
        .bind(code.hash)
        .bind(&code.request.project_id)
        .bind(&code.request.client_id)
        .bind(&code.session.user_id)
        .bind(&code.session.id)
        .bind(code.member_id)
        .bind(code.org_id)
        .bind(&params.redirect_uri)
        .bind(&params.code_challenge)
        .bind(&params.nonce)
        .bind(&params.scope)
        .bind(&json_list(&params.resource))
        .bind(&params.dpop_jkt)
        .bind(code.now_ms)
        .bind(code.expires_at()),
    )
    .await
    .map(|_| ())
}

pub(super) async fn drop_request(conn: &mut Conn, token_hash: &str) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM authz_requests WHERE token_hash = $1").bind(token_hash)).await.map(|_| ())
}

/// The applications that take part in a session and want to hear of its end.
pub(super) async fn listeners(conn: &mut Conn, session_id: &str) -> Result<Vec<String>, DbError> {
    let statement = sql("SELECT DISTINCT c.id FROM token_families f JOIN clients c ON c.id = f.client_id
                         WHERE f.session_id = $1 AND c.backchannel_logout_uri IS NOT NULL ORDER BY c.id")
    .bind(session_id);
    conn.all(statement).await?.iter().map(|row| row.text("id")).collect()
}

/// Notes that a client is to be told of the end of a session.
pub(super) async fn insert_logout(
    conn: &mut Conn,
    id: &str,
    client_id: &str,
    (project_id, user_id, session_id): (&str, &str, &str),
    now_ms: i64,
) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO logout_deliveries (id, project_id, client_id, user_id, session_id, next_at, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (client_id, session_id) DO NOTHING")
        .bind(id)
        .bind(project_id)
        .bind(client_id)
        .bind(user_id)
        .bind(session_id)
        .bind(now_ms),
    )
    .await
    .map(|_| ())
}
