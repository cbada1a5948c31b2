//! `GET /p/{project}/jwks.json`.

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::header;
use serde_json::json;

use super::queries;
use crate::{
    app::Shared,
    http::{Problem, problem::Code},
};

pub(crate) fn router() -> Router<Shared> {
    Router::new().route("/p/{project}/jwks.json", get(key_set))
}

async fn key_set(State(app): State<Shared>, Path(project): Path<String>) -> Result<Response, Problem> {
    if !queries::project_exists(&mut *app.db.read().await?, &project).await? {
        return Err(Code::NotFound.into());
    }
    let keys = app.keys.published(&project, app.now_ms()).await.map_err(|error| {
        tracing::error!(%error, project.id = %project, "the key set cannot be shown");
        Problem::from(Code::Unavailable)
    })?;
    let headers = [
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, axum::Json(json!({ "keys": keys }))).into_response())
}
