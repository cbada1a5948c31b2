//! `POST /api/platform/operators/login` and `logout`.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, header};

use super::{SESSION_ABS_MS, sign_in, sign_out};
use crate::{
    app::Shared,
    http::{Problem, body::Json, cookies, csrf, peer::Peer, problem::Code},
    openapi::{Routes, body, email, operators, post, text},
    throttle::{PLACE_MEMORY_MS, Visitor},
};

pub(crate) fn router() -> Routes {
    let in_ = operators("operatorLogin", "Sign in as an operator")
        .for_everybody()
        .takes(body().with("email", email()).with("password", text()))
        .gives_nothing()
        .refuses(&[Code::InvalidCredentials, Code::RateLimited, Code::Locked, Code::Busy]);
    let out = operators("operatorLogout", "End the session of an operator").for_everybody().gives_nothing();
    Routes::new()
        .at("/api/platform/operators/login", post(login, in_))
        .at("/api/platform/operators/logout", post(logout, out))
        .merge(super::oneself::router())
        .merge(super::keys::router())
}

async fn login(
    State(app): State<Shared>,
    peer: Peer,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    csrf::check_foreign(&headers, &app.public, &[])?;
    let (email, password) = (body.required_text("email")?, body.required_text("password")?);
    body.finish()?;
    let visitor = Visitor::of_console(&app, peer, &headers);
    let signed_in = sign_in(&app, &visitor, &email, password).await?;
    let path = cookies::operator_path(&app.public);
    let session = cookies::set(&app.public, cookies::OPERATOR, &signed_in.session, &path, SESSION_ABS_MS);
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().append(header::SET_COOKIE, session);
    if let Some(device) = &signed_in.device {
        let name = cookies::operator_device_name(&app.public);
        let cookie = cookies::set(&app.public, &name, device, "/", PLACE_MEMORY_MS);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn logout(State(app): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    csrf::check(&headers, &app.public, &[])?;
    if let Some(token) = cookies::read(&headers, cookies::OPERATOR) {
        sign_out(&app, &token).await?;
    }
    let cookie = cookies::set(&app.public, cookies::OPERATOR, "", &cookies::operator_path(&app.public), 0);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}
