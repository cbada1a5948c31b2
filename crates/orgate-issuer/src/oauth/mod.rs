//! What all endpoints of OAuth have in common: how a request is read, and how a refusal looks.

mod error;
pub(crate) mod parameters;

pub(crate) use self::{error::TokenError, parameters::Parameters};

/// The answer to every method but POST (RFC 6749 §3.2).
pub(crate) async fn only_post() -> axum::response::Response {
    use axum::response::IntoResponse as _;
    let mut response = TokenError::OnlyPost.into_response();
    response.headers_mut().insert(http::header::ALLOW, http::HeaderValue::from_static("POST"));
    response
}
