//! `POST /p/{project}/introspect` (RFC 7662): whether a token stands, as of now.
//!
//! Whoever asks proves to be a client that keeps a secret, and is told only of its own tokens and of those that are meant
//! for it. Everything else has one answer: `{"active":false}`.

use axum::{
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    response::{IntoResponse as _, Response},
};
use http::HeaderMap;
use serde_json::{Value, json};

use super::{access, queries, refresh_token};
use crate::{
    api_keys,
    app::{App, Shared},
    clients::{self, Client, ClientKind},
    clock::seconds,
    db::DbError,
    login::scope,
    oauth::{Parameters, TokenError, only_post, parameters::no_store},
    openapi::{Routes, flag, oauth, object, post},
    projects::Project,
};

pub(super) fn router() -> Routes {
    let about = oauth("introspect", "Whether a token stands (RFC 7662)")
        .takes_form(super::about_a_token())
        .gives(200, object().with("active", flag()).and_more());
    Routes::new().at("/p/{project}/introspect", post(introspect, about).fallback(only_post))
}

async fn introspect(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answer = async {
        let parameters = Parameters::of_form_body(&headers, body)?;
        let (project, client) = clients::authenticate(&app, Some(&project_id), &headers, &parameters).await?;
        if client.kind == ClientKind::Public {
            return Err(TokenError::InvalidClient { basic: false });
        }
        let token = parameters.required("token", "`token` is missing")?;
        let about = if token.starts_with("ort_") {
            of_refresh_token(&app, &client, &token).await?
        } else if token.starts_with(api_keys::PREFIX) {
            of_api_key(&app, &project, &client, &token).await?
        } else {
            of_access_token(&app, &project, &client, &token).await?
        };
        Ok(no_store(about.unwrap_or_else(|| json!({ "active": false }))))
    };
    answer.await.unwrap_or_else(TokenError::into_response)
}

async fn of_access_token(
    app: &App,
    project: &Project,
    client: &Client,
    token: &str,
) -> Result<Option<Value>, TokenError> {
    let Some(token) = access::read(app, project, token).await? else { return Ok(None) };
    let own = client.audiences(&project.audience);
    let meant = token.text("client_id") == client.id || token.audience().iter().any(|one| own.contains(one));
    if !meant || access::standing(&mut *app.db.read().await?, project, &token).await?.is_none() {
        return Ok(None);
    }
    let token_type = if token.jkt().is_some() { "DPoP" } else { "Bearer" };
    let mut about = token.claims;
    about.insert("active".to_owned(), true.into());
    about.insert("token_type".to_owned(), token_type.into());
    Ok(Some(Value::Object(about)))
}

/// A key has no role, and no scope: what it may do are its permissions.
async fn of_api_key(
    app: &App,
    project: &Project,
    client: &Client,
    token: &str,
) -> Result<Option<Value>, TokenError> {
    let now = app.now_ms();
    let found = api_keys::presented(&mut *app.db.read().await?, &project.id, token, now).await?;
    let Some(standing) = found.filter(|_| project.org_enabled) else { return Ok(None) };
    let own = client.audiences(&project.audience);
    if !project.audience.iter().any(|one| own.contains(one)) {
        return Ok(None);
    }
    let key = standing.key;
    if api_keys::use_is_news(&key, now) {
        let id = key.id.clone();
        let noted = app
            .db
            .write::<_, DbError>(move |tx| Box::pin(async move { api_keys::note_use(tx, &id, now).await }));
        noted.await?;
    }
    let mut about = json!({
        "active": true,
        "token_type": "Bearer",
        "iss": app.public.issuer(&project.id),
        "aud": project.audience,
        "sub": key.id,
        "client_id": key.id,
        "jti": key.id,
        "iat": seconds(key.created_at),
        "org_id": standing.organization.id,
        "org_slug": standing.organization.slug,
        "org_permissions": project.claims_profile.permissions(standing.permissions),
        "org_ver": standing.organization.ver,
    });
    if let (Some(end), Some(members)) = (key.expires_at, about.as_object_mut()) {
        members.insert("exp".to_owned(), seconds(end).into());
    }
    Ok(Some(about))
}

async fn of_refresh_token(app: &App, client: &Client, token: &str) -> Result<Option<Value>, TokenError> {
    let Some(presented) = refresh_token::parse(&app.secrets, token) else { return Ok(None) };
    let mut conn = app.db.read().await?;
    let Some(family) = queries::family(&mut conn, &presented.family_id).await? else { return Ok(None) };
    let now = app.now_ms();
    let signed_out = family.session_revoked && !scope::has(&family.scope, "offline_access");
    let ended = family.revoked || signed_out || family.idle_exp <= now || family.abs_exp <= now;
    if family.client_id != client.id || ended || presented.counter != family.counter {
        return Ok(None);
    }
    Ok(Some(json!({
        "active": true,
        "client_id": family.client_id,
        "sub": family.user_id,
        "scope": family.scope,
        "exp": seconds(family.idle_exp.min(family.abs_exp)),
        "org_id": family.org_id,
    })))
}
