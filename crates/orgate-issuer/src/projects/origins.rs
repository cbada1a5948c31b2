//! Pages and browser extensions of a project's trusted origins may read the end users' API (Fetch, "CORS protocol").
//!
//! SECURITY: an origin is named back only if it is one of the project's, byte by byte, and never `*`; whoever is not gets no
//! `Access-Control-*` header at all, so the browser keeps the answer from the page. What changes something is refused besides
//! (`http/csrf.rs`). Only the paths of one project take part: elsewhere nothing says whose origins would count.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::{
    app::{App, Shared},
    db::DbError,
};

/// How long a browser may remember what it may send, in seconds.
const MAX_AGE: &str = "600";

/// What such a page may send besides what every page may.
const HEADERS: &str = "authorization, content-type, dpop, idempotency-key, if-match, if-none-match";

/// What it may read besides what every page may.
const EXPOSED: &str = "etag, retry-after, www-authenticate";

/// Shares the answers below `/p/{project}` with the origins that the project trusts.
pub(crate) async fn share(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let Some(project_id) = project_of(request.uri().path(), &app.settings.prefix).map(str::to_owned) else {
        return next.run(request).await;
    };
    let trusted = match trusted_origin(&app, &project_id, request.headers()).await {
        Ok(trusted) => trusted,
        Err(error) => {
            tracing::error!(%error, "a project's origins could not be read");
            None
        }
    };
    let Some(origin) = trusted else {
        let mut response = next.run(request).await;
        response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
        return response;
    };
    let preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response =
        if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    let told: &[(HeaderName, &'static str)] = if preflight {
        &[
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        ]
    } else {
        &[(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED)]
    };
    for (name, value) in told {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What an origin looks like, for whoever wrote something else.
pub(crate) const SHAPE: &str =
    "scheme, host and port in lower case, such as `https://app.example.com`; no path, no `*`";

/// Whether a text is an origin as browsers write it (RFC 6454 §6.2).
pub(crate) fn is_origin(text: &str) -> bool {
    let of = |part: &str, more: &[u8]| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || more.contains(&b))
    };
    text.split_once("://").is_some_and(|(scheme, host)| of(scheme, b"+-.") && of(host, b".:-[]"))
}

/// The project of a path of the end users' API.
fn project_of<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let (project_id, rest) = path.strip_prefix("/p/")?.split_once('/')?;
    let below = rest.strip_prefix(prefix.trim_start_matches('/')).is_some_and(|rest| rest.starts_with('/'));
    (below || rest == "session/token").then_some(project_id)
}

/// The origin that asks, if the project trusts it.
async fn trusted_origin(
    app: &App,
    project_id: &str,
    headers: &HeaderMap,
) -> Result<Option<HeaderValue>, DbError> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else { return Ok(None) };
    let project = super::find(&mut *app.db.read().await?, project_id).await?;
    let known =
        project.is_some_and(|project| project.trusted_origins.iter().any(|known| origin == known.as_str()));
    Ok(known.then(|| origin.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_users_api_of_one_project_is_shared() {
        for (path, project) in [
            ("/p/proj_p/v1/auth/session", Some("proj_p")),
            ("/p/proj_p/v1/auth/organizations/org_x", Some("proj_p")),
            ("/p/proj_p/session/token", Some("proj_p")),
            ("/p/proj_p/v1/authority", None),
            ("/p/proj_p/token", None),
            ("/p/proj_p/login", None),
            ("/v1/auth/session", None),
            ("/api/platform/projects/proj_p", None),
        ] {
            assert_eq!(project_of(path, "/v1/auth"), project, "{path}");
        }
    }
}
