//! The SQL of the clients.

use super::{Client, ClientKind, Post, change::Stored};
use crate::db::{Conn, DbError, Row, Tx, json_list, sql};

macro_rules! clients {
    ($($rest:literal)*) => {
        concat!(
            "SELECT id, project_id, name, kind, machine, secret_hash, redirect_uris, post_logout_redirect_uris, grants,
                    require_pkce, org_id, org_role, audiences, scopes, first_party, require_org, require_par, dpop_bound, dpop_nonce,
                    backchannel_logout_uri, created_at, updated_at FROM clients ",
            $($rest),*
        )
    };
}

fn read(row: &Row) -> Result<Client, DbError> {
    let kind = match (row.text("kind")?.as_str(), row.flag("machine")?) {
        ("public", _) => ClientKind::Public,
        (_, true) => ClientKind::Machine,
        _ => ClientKind::Confidential,
    };
    let post = match (row.text_opt("org_id")?, row.text_opt("org_role")?) {
        (Some(org_id), Some(role)) => Some(Post { org_id, role }),
        _ => None,
    };
    Ok(Client {
        id: row.text("id")?,
        project_id: row.text("project_id")?,
        name: row.text("name")?,
        kind,
        secret_hash: row.text_opt("secret_hash")?,
        redirect_uris: row.list("redirect_uris")?,
        post_logout_redirect_uris: row.list("post_logout_redirect_uris")?,
        grants: row.list("grants")?,
        require_pkce: row.flag("require_pkce")?,
        post,
        audiences: row.list("audiences")?,
        scopes: row.list("scopes")?,
        first_party: row.flag("first_party")?,
        require_org: row.flag("require_org")?,
        require_par: row.flag("require_par")?,
        dpop_bound: row.flag("dpop_bound")?,
        dpop_nonce: row.flag("dpop_nonce")?,
        backchannel_logout_uri: row.text_opt("backchannel_logout_uri")?,
    })
}

fn read_stored(row: &Row) -> Result<Stored, DbError> {
    Ok(Stored { client: read(row)?, created_at: row.int("created_at")?, updated_at: row.int("updated_at")? })
}

pub(super) async fn find(conn: &mut Conn, id: &str) -> Result<Option<Client>, DbError> {
    let row = conn.first(sql(clients!("WHERE id = $1")).bind(id)).await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn find_of(conn: &mut Conn, project_id: &str, id: &str) -> Result<Option<Stored>, DbError> {
    let statement = sql(clients!("WHERE id = $1 AND project_id = $2")).bind(id).bind(project_id);
    conn.first(statement).await?.as_ref().map(read_stored).transpose()
}

pub(super) async fn list(
    conn: &mut Conn,
    project_id: &str,
    after: &str,
    rows: i64,
) -> Result<Vec<Stored>, DbError> {
    let statement = sql(clients!("WHERE project_id = $1 AND id > $2 ORDER BY id LIMIT $3"));
    let rows = conn.all(statement.bind(project_id).bind(after).bind(rows)).await?;
    rows.iter().map(read_stored).collect()
}

/// Whether there is such a project; until the end of the transaction nobody else adds a client to it.
pub(super) async fn hold_project(tx: &mut Tx, project_id: &str) -> Result<bool, DbError> {
    let statement = sql("UPDATE projects SET event_seq = event_seq WHERE id = $1").bind(project_id);
    Ok(tx.run(statement).await? > 0)
}

/// Until the end of the transaction nobody else changes the client: what is written is made of what was read.
pub(super) async fn hold(tx: &mut Tx, id: &str) -> Result<(), DbError> {
    tx.run(sql("UPDATE clients SET updated_at = updated_at WHERE id = $1").bind(id)).await.map(|_| ())
}

pub(super) async fn count(conn: &mut Conn, project_id: &str) -> Result<i64, DbError> {
    let statement = sql("SELECT COUNT(*) AS n FROM clients WHERE project_id = $1").bind(project_id);
    conn.first(statement).await?.map_or(Ok(0), |row| row.int("n"))
}

/// Its codes, its token families and whatever else was its go by the foreign keys.
pub(super) async fn delete(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM clients WHERE id = $1").bind(id)).await.map(|_| ())
}

pub(super) async fn insert(conn: &mut Conn, client: &Client, now_ms: i64) -> Result<(), DbError> {
    conn.run(
        sql("INSERT INTO clients
                 (id, project_id, name, kind, machine, secret_hash, redirect_uris, post_logout_redirect_uris, grants,
                  require_pkce, org_id, org_role, audiences, scopes, require_org, require_par, dpop_bound,
                  dpop_nonce, backchannel_logout_uri, first_party, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $21)")
        .bind(&client.id)
        .bind(&client.project_id)
        .bind(&client.name)
        .bind(stored_kind(client))
        .bind(client.kind == ClientKind::Machine)
        .bind(&client.secret_hash)
        .bind(&json_list(&client.redirect_uris))
        .bind(&json_list(&client.post_logout_redirect_uris))
        .bind(&json_list(&client.grants))
        .bind(client.require_pkce)
        .bind(client.post.as_ref().map(|post| post.org_id.as_str()))
        .bind(client.post.as_ref().map(|post| post.role.as_str()))
        .bind(&json_list(&client.audiences))
        .bind(&json_list(&client.scopes))
        .bind(client.require_org)
        .bind(client.require_par)
        .bind(client.dpop_bound)
        .bind(client.dpop_nonce)
        .bind(&client.backchannel_logout_uri)
        .bind(client.first_party)
        .bind(now_ms),
    )
    .await
    .map(|_| ())
}

pub(super) async fn update(conn: &mut Conn, client: &Client, now_ms: i64) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE clients
             SET name = $2, kind = $3, machine = $4, secret_hash = $5, redirect_uris = $6,
                 post_logout_redirect_uris = $7, grants = $8, require_pkce = $9, org_id = $10, org_role = $11,
                 audiences = $12, scopes = $13, require_org = $14, require_par = $15, dpop_bound = $16,
                 dpop_nonce = $17, backchannel_logout_uri = $18, first_party = $19, updated_at = $20
             WHERE id = $1")
        .bind(&client.id)
        .bind(&client.name)
        .bind(stored_kind(client))
        .bind(client.kind == ClientKind::Machine)
        .bind(&client.secret_hash)
        .bind(&json_list(&client.redirect_uris))
        .bind(&json_list(&client.post_logout_redirect_uris))
        .bind(&json_list(&client.grants))
        .bind(client.require_pkce)
        .bind(client.post.as_ref().map(|post| post.org_id.as_str()))
        .bind(client.post.as_ref().map(|post| post.role.as_str()))
        .bind(&json_list(&client.audiences))
        .bind(&json_list(&client.scopes))
        .bind(client.require_org)
        .bind(client.require_par)
        .bind(client.dpop_bound)
        .bind(client.dpop_nonce)
        .bind(&client.backchannel_logout_uri)
        .bind(client.first_party)
        .bind(now_ms),
    )
    .await
    .map(|_| ())
}

pub(super) async fn count_of_other_secrets(conn: &mut Conn, like: &str) -> Result<i64, DbError> {
    let statement = sql(
        "/* all */ SELECT COUNT(*) AS n FROM clients WHERE secret_hash IS NOT NULL AND secret_hash NOT LIKE $1",
    );
    match conn.first(statement.bind(like)).await? {
        Some(row) => row.int("n"),
        None => Ok(0),
    }
}

/// Whether it can keep a secret.
fn stored_kind(client: &Client) -> &'static str {
    match client.kind {
        ClientKind::Public => "public",
        ClientKind::Confidential | ClientKind::Machine => "confidential",
    }
}
