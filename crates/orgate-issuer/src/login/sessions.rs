//! `GET {prefix}/sessions`, `DELETE {prefix}/sessions/{id}` and `DELETE {prefix}/sessions`: where one is signed in, and
//! ending that. A session that is ended so takes everything with it that was issued in it.

use axum::{
    extract::{Path, RawPathParams, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::{
    account::{current, find_project, private},
    session,
};
use crate::{
    app::Shared,
    clock::rfc3339,
    db::DbError,
    http::{Problem, csrf, problem::Code},
    openapi::{Named, Routes, delete, flag, get, object, own, text, texts, time},
};

pub(super) fn router(base: &str) -> Routes {
    let all = own("listSessions", "Where one is signed in").gives_all(SIGNED_IN);
    let others = own("endOtherSessions", "Sign out everywhere else").gives_nothing();
    let one = own("endSession", "Sign out in one place").gives_nothing();
    Routes::new()
        .at(&format!("{base}/sessions"), get(list, all).delete(end_others, others))
        .at(&format!("{base}/sessions/{{session}}"), delete(end, one))
}

const SIGNED_IN: Named = Named("SignedIn", || {
    object()
        .with("id", text())
        .with("current", flag())
        .with("user_agent", text().or_null())
        .with("amr", texts())
        .with("auth_time", time())
        .with("created_at", time())
        .with("last_seen_at", time())
        .with("expires_at", time())
        .done()
});

async fn list(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let own = current(&app, path, &headers).await?;
    let mut conn = app.db.read().await?;
    let all = session::all_of(&mut conn, &own.project_id, &own.user_id, app.now_ms()).await?;
    let data: Vec<_> = all
        .iter()
        .map(|session| {
            json!({
                "id": session.id,
                "current": session.id == own.id,
                "user_agent": session.user_agent,
                "amr": session.amr,
                "auth_time": rfc3339(session.auth_time),
                "created_at": rfc3339(session.created_at),
                "last_seen_at": rfc3339(session.last_seen_at),
                "expires_at": rfc3339(session.expires_at()),
            })
        })
        .collect();
    Ok(private(json!({ "data": data, "next_cursor": null })))
}

async fn end(
    State(app): State<Shared>,
    parameters: RawPathParams,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let parameter =
        |name| parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned());
    let own = current(&app, parameter("project").map(Path), &headers).await?;
    let id = parameter("session").unwrap_or_default();
    let project = find_project(&app, &own.project_id).await?;
    csrf::check(&headers, &app.public, &project.trusted_origins)?;
    let now = app.now_ms();
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                match session::end_one(tx, &own, &id, now).await? {
                    true => Ok(StatusCode::NO_CONTENT),
                    false => Err(Code::NotFound.into()),
                }
            })
        })
        .await
}

async fn end_others(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let own = current(&app, path, &headers).await?;
    let project = find_project(&app, &own.project_id).await?;
    csrf::check(&headers, &app.public, &project.trusted_origins)?;
    let now = app.now_ms();
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                session::expel_others(tx, &own.project_id, &own.user_id, Some(&own.id), now).await
            })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
