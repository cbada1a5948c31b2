//! `POST /p/{project}/par` (RFC 9126): the request comes from the application itself, ahead of the browser.
//!
//! It is judged as it would be at the authorization endpoint, which takes it once, within a minute, from the client that
//! pushed it.

mod queries;

use axum::{
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::authorize::{self, Stop};
use crate::{
    app::{App, Shared},
    clients::{self, Client},
    db::DbError,
    oauth::{Parameters, TokenError, only_post, parameters::no_store},
    openapi::{Routes, number, oauth, object, post, text},
    secret::{fingerprint, random_token},
};

/// What a request URI begins with (RFC 9126 §2.2).
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
const LIFE_MS: i64 = 60_000;

pub(super) fn router() -> Routes {
    let about = oauth("push", "Push an authorization request (RFC 9126)")
        .takes_form(authorize::fields().may("client_secret", text()))
        .gives(201, object().with("request_uri", text()).with("expires_in", number()))
        .errs(&authorize::ERRORS.map(|error| TokenError::Authorization(error, "")));
    Routes::new().at("/p/{project}/par", post(push, about).fallback(only_post))
}

async fn push(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    store(&app, &project_id, &headers, body).await.unwrap_or_else(TokenError::into_response)
}

async fn store(
    app: &App,
    project_id: &str,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, TokenError> {
    let parameters = Parameters::of_form_body(headers, body)?;
    let (project, client) = clients::authenticate(app, Some(project_id), headers, &parameters).await?;
    let params = authorize::read(&parameters, &client).map_err(|_| {
        TokenError::InvalidRequest("`redirect_uri` is not registered, or `state` is too long")
    })?;
    authorize::check(&parameters, &client, &project, &params)
        .map_err(|(error, why)| TokenError::Authorization(error, why))?;
    let handle = random_token()?;
    let (hash, query, now) = (fingerprint(&handle), parameters.to_query(), app.now_ms());
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                queries::forget_pushed(tx, now).await?;
                let (project_id, client_id) = (&client.project_id, &client.id);
                queries::insert_pushed(tx, &hash, (project_id, client_id), &query, now + LIFE_MS).await
            })
        })
        .await?;
    let body = json!({ "request_uri": format!("{PREFIX}{handle}"), "expires_in": LIFE_MS / 1000 });
    let mut response = no_store(body);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// The request that `query` means by `request_uri`, if it names one that was pushed.
pub(super) async fn take(app: &App, client: &Client, query: &Parameters) -> Result<Option<Parameters>, Stop> {
    let Some(handle) = query.get("request_uri").and_then(|uri| uri.strip_prefix(PREFIX)) else {
        return Ok(None);
    };
    let (hash, client_id, now) = (fingerprint(handle), client.id.clone(), app.now_ms());
    let found = app
        .db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move { queries::take_pushed(tx, &hash, &client_id, now).await })
        })
        .await?
        .ok_or(Stop::Page("request_expired"))?;
    Parameters::of_form(found.as_bytes()).map(Some).map_err(|_| Stop::Page("invalid_request"))
}
