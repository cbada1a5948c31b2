//! Redirects of the browser.

use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};

/// Sends the browser to `location` with GET, whatever the request was: a 307 would repeat the password there
/// (RFC 9700 §4.12).
pub(crate) fn see_other(location: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
