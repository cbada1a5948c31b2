//! The SQL of devices that are to be signed in.

use crate::{
    db::{Conn, DbError, json_list, sql},
    login::request::NewCode,
};

/// How long a device that has ended is remembered.
const MEMORY_MS: i64 = 24 * 3_600_000;

/// The sign-in of a device that begins.
#[derive(Clone)]
pub(super) struct NewDevice {
    pub(super) device_hash: String,
    pub(super) user_code_hash: String,
    pub(super) project_id: String,
    pub(super) client_id: String,
    pub(super) scope: String,
    pub(super) resource: Vec<String>,
    pub(super) wait_ms: i64,
    pub(super) now_ms: i64,
    pub(super) expires_at: i64,
}

pub(super) async fn insert_device(conn: &mut Conn, new: &NewDevice) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO device_codes
                 (device_hash, user_code_hash, project_id, client_id, scope, resource, status, wait_ms, created_at,
                  expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $8, $9)")
        .bind(&new.device_hash)
        .bind(&new.user_code_hash)
        .bind(&new.project_id)
        .bind(&new.client_id)
        .bind(&new.scope)
        .bind(&json_list(&new.resource))
        .bind(new.wait_ms)
        .bind(new.now_ms)
        .bind(new.expires_at),
    )
    .await
    .map(|_| ())
}

/// The device that waits under this code, its client and what it asks for.
pub(super) async fn device_by_user_code(
    conn: &mut Conn,
    project_id: &str,
    user_code_hash: &str,
    now_ms: i64,
) -> Result<Option<(String, String, String)>, DbError> {
    let statement = sql("SELECT device_hash, client_id, scope FROM device_codes
                         WHERE project_id = $1 AND user_code_hash = $2 AND status = 'pending' AND expires_at > $3")
    .bind(project_id)
    .bind(user_code_hash)
    .bind(now_ms);
    let row = conn.first(statement).await?;
    row.map(|row| Ok((row.text("device_hash")?, row.text("client_id")?, row.text("scope")?))).transpose()
}

/// Lets the person of a session sign the device in; `false` if it has ended or was answered before.
pub(in crate::login) async fn approve_device(
    conn: &mut Conn,
    device_hash: &str,
    code: &NewCode<'_>,
) -> Result<bool, DbError> {
    let statement =
        sql("UPDATE device_codes SET status = 'approved', user_id = $2, session_id = $3, org_id = $4
                         WHERE device_hash = $1 AND status = 'pending' AND expires_at > $5")
        .bind(device_hash)
        .bind(&code.session.user_id)
        .bind(&code.session.id)
        .bind(code.org_id)
        .bind(code.now_ms);
    Ok(conn.run(statement).await? == 1)
}

pub(in crate::login) async fn deny_device(conn: &mut Conn, device_hash: &str) -> Result<(), DbError> {
    let statement =
        sql("UPDATE device_codes SET status = 'denied' WHERE device_hash = $1 AND status = 'pending'");
    conn.run(statement.bind(device_hash)).await.map(|_| ())
}

/// Forgets devices that have ended a day ago, a bounded number at a time.
pub(super) async fn forget_devices(conn: &mut Conn, now_ms: i64) -> Result<(), DbError> {
    let statement = sql("DELETE FROM device_codes WHERE device_hash IN
                             (SELECT device_hash FROM device_codes WHERE expires_at <= $1
                              ORDER BY expires_at LIMIT 200)");
    conn.run(statement.bind(now_ms - MEMORY_MS)).await.map(|_| ())
}
