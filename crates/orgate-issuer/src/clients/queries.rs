//! The SQL of the clients.

use super::{Client, ClientKind};
use crate::db::{Conn, DbError, json_list, sql};

pub(super) async fn find(conn: &mut Conn, id: &str) -> Result<Option<Client>, DbError> {
    let statement =
        sql("SELECT id, project_id, name, kind, secret_hash, redirect_uris, post_logout_redirect_uris,
                                grants, require_pkce
                         FROM clients WHERE id = $1")
        .bind(id);
    let Some(row) = conn.first(statement).await? else { return Ok(None) };
    let kind = match row.text("kind")?.as_str() {
        "public" => ClientKind::Public,
        _ => ClientKind::Confidential,
    };
    Ok(Some(Client {
        id: row.text("id")?,
        project_id: row.text("project_id")?,
        name: row.text("name")?,
        kind,
        secret_hash: row.text_opt("secret_hash")?,
        redirect_uris: row.list("redirect_uris")?,
        post_logout_redirect_uris: row.list("post_logout_redirect_uris")?,
        grants: row.list("grants")?,
        require_pkce: row.flag("require_pkce")?,
    }))
}

pub(super) async fn insert(conn: &mut Conn, client: &Client, now_ms: i64) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO clients
                 (id, project_id, name, kind, secret_hash, redirect_uris, post_logout_redirect_uris, grants,
                  require_pkce, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)")
        .bind(&client.id)
        .bind(&client.project_id)
        .bind(&client.name)
        .bind(client.kind.as_str())
        .bind(&client.secret_hash)
        .bind(&json_list(&client.redirect_uris))
        .bind(&json_list(&client.post_logout_redirect_uris))
        .bind(&json_list(&client.grants))
        .bind(client.require_pkce)
        .bind(now_ms),
    )
    .await
    .map(|_| ())
}

pub(super) async fn update(conn: &mut Conn, client: &Client, now_ms: i64) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE clients
             SET name = $2, kind = $3, secret_hash = $4, redirect_uris = $5, post_logout_redirect_uris = $6,
                 grants = $7, require_pkce = $8, updated_at = $9
             WHERE id = $1")
        .bind(&client.id)
        .bind(&client.name)
        .bind(client.kind.as_str())
        .bind(&client.secret_hash)
        .bind(&json_list(&client.redirect_uris))
        .bind(&json_list(&client.post_logout_redirect_uris))
        .bind(&json_list(&client.grants))
        .bind(client.require_pkce)
        .bind(now_ms),
    )
    .await
    .map(|_| ())
}

pub(super) async fn count_of_other_secrets(conn: &mut Conn, like: &str) -> Result<i64, DbError> {
    let statement =
        sql("SELECT COUNT(*) AS n FROM clients WHERE secret_hash IS NOT NULL AND secret_hash NOT LIKE $1");
    match conn.first(statement.bind(like)).await? {
        Some(row) => row.int("n"),
        None => Ok(0),
    }
}
