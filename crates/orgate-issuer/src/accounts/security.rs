//! `mfa`, `mfa/totp`, `mfa/totp/confirm`, `mfa/recovery-codes` and `password/change` under the prefix of the end users' API: a
//! second factor of one's own, and another password.

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::own;
use crate::{
    app::{App, Shared},
    factors,
    http::{Problem, body::Json, csrf, peer::Peer, problem::Code},
    login::{
        account::{current, find_project, private},
        session::Session,
    },
    openapi::{Routes, body, flag, get, number, object, own, post, text, texts},
    projects::Project,
    throttle::Visitor,
};

pub(crate) fn router(prefix: &str) -> Routes {
    Routes::new().under(prefix, routes)
}

fn routes(base: &str) -> Routes {
    let changes = |name, about| own(name, about).refuses(&[Code::ReauthenticationRequired]);
    let codes = || object().with("recovery_codes", texts());
    let standing = object().with("totp", flag()).with("recovery_codes", number()).with("passkeys", number());
    let secret = object().with("secret", text()).with("uri", text()).with("qr", text().or_null());
    let all = own("readSecondFactors", "The second factors that one has").gives(200, standing);
    let begun = changes("beginTotp", "Begin with an authenticator application")
        .takes(body())
        .gives(201, secret)
        .refuses(&[Code::Conflict]);
    let removed = changes("removeTotp", "Go without the authenticator application")
        .gives_nothing()
        .refuses(&[Code::NotFound]);
    let confirmed = changes("confirmTotp", "Show that the authenticator application works")
        .takes(body().with("code", text()))
        .gives(200, codes())
        .refuses(&[Code::Mistyped]);
    let renewed = changes("renewRecoveryCodes", "Other recovery codes").takes(body()).gives(200, codes());
    let changed = changes("changePassword", "Another password, by somebody who is signed in")
        .takes(body().may("current_password", text()).with("password", text()))
        .gives_nothing()
        .refuses(&[Code::Conflict, Code::Locked, Code::RateLimited, Code::Busy]);
    Routes::new()
        .at(&format!("{base}/password/change"), post(change, changed))
        .at(&format!("{base}/mfa"), get(show, all))
        .at(&format!("{base}/mfa/totp"), post(begin, begun).delete(remove, removed))
        .at(&format!("{base}/mfa/totp/confirm"), post(confirm, confirmed))
        .at(&format!("{base}/mfa/recovery-codes"), post(renew, renewed))
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

async fn change(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    peer: Peer,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<StatusCode, Problem> {
    let (project, session) = enter(&app, path, &headers).await?;
    let passwords = (body.text("current_password")?.unwrap_or_default(), body.required_text("password")?);
    body.finish()?;
    let visitor = Visitor::of(&app, &project.id, peer, &headers);
    own::change_password(&app, &project, &visitor, session, passwords).await?;
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
