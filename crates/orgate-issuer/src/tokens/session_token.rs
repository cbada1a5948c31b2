//! `GET /p/{project}/session/token`: a short token for the session of the browser.
//!
//! For gates in front of applications that know nobody but a cookie (the policy's `session:`): they show the cookie and
//! get a token. It speaks of the session's organization, ends with the session, and cannot be refreshed. A page of another
//! origin can neither ask for it nor read it.

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::HeaderMap;
use serde_json::json;

use super::{
    mint::{self, Issue, Seat, Signers, Subject},
    routes::TOKENS,
};
use crate::{
    app::{App, Shared},
    http::{Problem, csrf, problem::Code},
    login::session,
    members,
    oauth::{TokenError, parameters::no_store},
    openapi::{Named, Routes, both, get, object, own, text},
    projects, users,
};

pub(super) fn router() -> Routes {
    let about = own("readSessionToken", "A short token for the session of the browser")
        .gives(200, SESSION_TOKEN)
        .refuses(&[Code::NotFound, Code::Csrf]);
    Routes::new().at("/p/{project}/session/token", get(exchange, about))
}

const SESSION_TOKEN: Named = Named("SessionToken", || both(TOKENS, object().with("token", text())));

async fn exchange(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let project = projects::find(&mut conn, &project_id).await?.ok_or(Code::NotFound)?;
    drop(conn);
    csrf::check_foreign(&headers, &app.public, &project.trusted_origins)?;
    let session = session::of_project(&app, &headers, &project.id).await?.ok_or(Code::Unauthenticated)?;
    let mut conn = app.db.read().await?;
    let user = users::find(&mut conn, &project.id, &session.user_id).await?.ok_or(Code::Unauthenticated)?;
    let member = match &session.active_member_id {
        Some(id) if project.org_enabled => members::find_by_id(&mut conn, id).await?,
        _ => None,
    };
    drop(conn);
    let issue = Issue {
        // The default client of the project: the pages of the issuer are its own.
        client_id: project.id.clone(),
        subject: Subject::User(Box::new(user)),
        scope: String::new(),
        nonce: None,
        auth_time: Some(session.auth_time),
        ends_by: Some(session.expires_at()),
        amr: session.amr,
        session_id: Some(session.id),
        seat: member.map(Seat::from),
        audience: project.audience.clone(),
        family_id: None,
        counter: None,
        jkt: None,
        act: None,
        exchanged: false,
    };
    answer(&app, &project, &issue).await.map_err(|_| Code::Unavailable.into())
}

async fn answer(app: &App, project: &projects::Project, issue: &Issue) -> Result<Response, TokenError> {
    let signers = Signers::of(app, project, false).await?;
    let mut body = mint::answer(app, project, signers, issue).await?;
    if let Some(object) = body.as_object_mut() {
        let token = object.get("access_token").cloned().unwrap_or_default();
        object.insert("token".to_owned(), token);
    }
    Ok(no_store(json!(body)))
}
