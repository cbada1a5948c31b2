//! `mfa`, `mfa/totp`, `mfa/totp/confirm` and `mfa/recovery-codes` under the prefix of the end users' API: a second factor of
//! one's own.

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::own;
use crate::{
    app::{App, Shared},
    factors,
    http::{Problem, body::Json, csrf},
    login::{
        account::{current, find_project, private},
        session::Session,
    },
    projects::Project,
};

pub(crate) fn router(prefix: &str) -> Router<Shared> {
    let mut router = Router::new();
    for base in [prefix.to_owned(), format!("/p/{{project}}{prefix}")] {
        router = router
            .route(&format!("{base}/mfa"), get(show))
            .route(&format!("{base}/mfa/totp"), post(begin).delete(remove))
            .route(&format!("{base}/mfa/totp/confirm"), post(confirm))
            .route(&format!("{base}/mfa/recovery-codes"), post(renew));
    }
    router
}

/// Session and project of a request that changes something.
pub(super) async fn enter(
    app: &App,
    path: Option<Path<String>>,
    headers: &HeaderMap,
) -> Result<(Project, Session), Problem> {
    let session = current(app, path, headers).await?;
    let project = find_project(app, &session.project_id).await?;
    csrf::check(headers, &app.public, &project.trusted_origins)?;
    Ok((project, session))
}

async fn show(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = current(&app, path, &headers).await?;
    let standing = factors::standing(&mut *app.db.read().await?, &session.user_id).await?;
    Ok(private(json!({ "totp": standing.totp, "recovery_codes": standing.recovery_codes,
                       "passkeys": standing.passkeys })))
}

async fn begin(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Problem> {
    let (project, session) = enter(&app, path, &headers).await?;
    body.finish()?;
    let offer = own::begin_totp(&app, &project, &session).await?;
    let answer = json!({ "secret": offer.secret, "uri": offer.uri, "qr": offer.qr });
    Ok((StatusCode::CREATED, private(answer)).into_response())
}

async fn confirm(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    let (_, session) = enter(&app, path, &headers).await?;
    let code = body.required_text("code")?;
    body.finish()?;
    let codes = own::confirm_totp(&app, session, code).await?;
    Ok(private(json!({ "recovery_codes": codes })))
}

async fn remove(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let (_, session) = enter(&app, path, &headers).await?;
    own::remove_totp(&app, session).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn renew(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Problem> {
    let (_, session) = enter(&app, path, &headers).await?;
    body.finish()?;
    let codes = own::renew_codes(&app, session).await?;
    Ok(private(json!({ "recovery_codes": codes })))
}
