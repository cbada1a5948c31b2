//! Paths whose parameters are no text (`%FF`) are refused in one place, in the form that the route speaks: OAuth, a page
//! where people are, a problem everywhere else.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{MatchedPath, RawPathParams, Request, State, rejection::RawPathParamsRejection},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{
    page::PageError,
    problem::{Code, Problem},
};
use crate::{app::Shared, oauth::TokenError, openapi::Voice};

/// How the routes speak.
pub(crate) type Voices = Arc<HashMap<String, Voice>>;

/// Refuses what the routes could not read.
pub(crate) async fn readable(
    State((app, voices)): State<(Shared, Voices)>,
    matched: Option<MatchedPath>,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    if !matches!(parameters, Err(RawPathParamsRejection::InvalidUtf8InPathParam(_))) {
        return next.run(request).await;
    }
    let route = matched.as_ref().and_then(|matched| matched.as_str().strip_prefix(app.public.path()));
    match route.and_then(|route| voices.get(route)) {
        Some(Voice::OAuth) => TokenError::InvalidRequest("the path is not UTF-8").into_response(),
        Some(Voice::Page) => app.pages.error(&PageError::new("invalid_request")),
        Some(Voice::Problem) | None => {
            Problem::new(Code::BadRequest).detail("the path is not UTF-8").into_response()
        }
    }
}
