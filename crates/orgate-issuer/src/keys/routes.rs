//! `GET /p/{project}/jwks.json`.

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::queries;
use crate::{
    app::Shared,
    http::{Problem, etag, problem::Code},
    openapi::{Routes, anything, get, list, object, public},
    secret::fingerprint,
};

pub(crate) fn router() -> Routes {
    let about = public("readKeySet", "The keys that the project signs with (RFC 7517)")
        .gives(200, object().with("keys", list(anything())))
        .answers(304, "The key set is the one that `If-None-Match` names.", None, &[]);
    Routes::new().at("/p/{project}/jwks.json", get(key_set, about))
}

async fn key_set(
    State(app): State<Shared>,
    Path(project): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !queries::project_exists(&mut *app.db.read().await?, &project).await? {
        return Err(Code::NotFound.into());
    }
    let ring = app.keys.published(&project, app.now_ms()).await.map_err(|error| {
        tracing::error!(%error, project.id = %project, "the key set cannot be shown");
        Problem::from(Code::Unavailable)
    })?;
    let body = ring.key_set().to_string();
    let tag = format!("\"{}\"", fingerprint(&body));
    let mut response = match etag::is_known(&headers, &tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}
