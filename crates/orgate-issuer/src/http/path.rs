//! Paths whose parameters are no text (`%FF`) are refused in one place, in the form that the endpoint speaks: OAuth at
//! the token endpoint, a page where people are, a problem everywhere else.

use axum::{
    extract::{RawPathParams, Request, State, rejection::RawPathParamsRejection},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{
    page::PageError,
    problem::{Code, Problem},
};
use crate::{app::Shared, oauth::TokenError};

/// Refuses what the routes could not read.
pub(crate) async fn readable(
    State(app): State<Shared>,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    if !matches!(parameters, Err(RawPathParamsRejection::InvalidUtf8InPathParam(_))) {
        return next.run(request).await;
    }
    let segments: Vec<&str> = request.uri().path().split('/').skip(1).collect();
    match segments.as_slice() {
        ["p", _, "token" | "introspect" | "revoke" | "par" | "device_authorization" | "userinfo"] => {
            TokenError::InvalidRequest("the path is not UTF-8").into_response()
        }
        ["setup", _]
        | [
            "p",
            _,
            "authorize" | "login" | "logout" | "device" | "signup" | "verify" | "forgot" | "reset" | "magic"
            | "second-factor",
        ]
        | ["p", _, "organizations", "choose"] => app.pages.error(&PageError::new("invalid_request")),
        _ => Problem::new(Code::BadRequest).detail("the path is not UTF-8").into_response(),
    }
}
