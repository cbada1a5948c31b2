//! `GET /p/{project}/session/token`: a short token for the session of the browser.
//!
//! For gates in front of applications that know nobody but a cookie (the policy's `token.exchange`): they show the cookie
//! and get a token. It ends with the session and cannot be refreshed. A page of an origin that is not trusted can neither
//! ask for it nor read it.
//!
//! It speaks of the session's organization, or of the one that `org_id` names, by id or slug: two tabs share the session and
//! not what they are about. The membership is looked up each time; one who is no member gets 404, as if there were no such
//! organization.

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::HeaderMap;
use serde_json::Value;

use super::{
    mint::{self, Issue, Seat, Signers, Subject},
    routes::TOKENS,
};
use crate::{
    activity::Count,
    app::{App, Shared},
    http::{Problem, body::Query, csrf, problem::Code},
    login::session::{self, Session},
    members::{self, Membership},
    oauth::{TokenError, parameters::no_store},
    openapi::{Named, Routes, both, get, object, own, text},
    projects::{self, Project},
    users,
};

pub(super) fn router() -> Routes {
    let about = own("readSessionToken", "A short token for the session of the browser")
        .query("org_id", text())
        .gives(200, SESSION_TOKEN)
        .refuses(&[Code::InvalidValue, Code::NotFound, Code::Csrf, Code::OrganizationsDisabled]);
    Routes::new().at("/p/{project}/session/token", get(exchange, about))
}

pub(crate) const SESSION_TOKEN: Named =
    Named("SessionToken", || both(TOKENS, object().with("token", text())));

async fn exchange(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    Query(query): Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let project = projects::find(&mut conn, &project_id).await?.ok_or(Code::NotFound)?;
    drop(conn);
    csrf::check_foreign(&headers, &app.public, &project.trusted_origins)?;
    let session = session::of_project(&app, &headers, &project.id).await?.ok_or(Code::Unauthenticated)?;
    let failed = |error: TokenError| match error {
        TokenError::InvalidGrant(_) => Code::Unauthenticated,
        _ => Code::Unavailable,
    };
    let body = match query.get("org_id") {
        None => of_session(&app, &project, session).await.map_err(failed)?,
        Some(_) if !project.org_enabled => return Err(Code::OrganizationsDisabled.into()),
        // Expressly none.
        Some("") => of_member(&app, &project, session, None).await.map_err(failed)?,
        Some(org) => {
            let found = members::find(&mut *app.db.read().await?, &project.id, &session.user_id, org).await?;
            let member = found.ok_or(Code::NotFound)?;
            of_member(&app, &project, session, Some(member)).await.map_err(failed)?
        }
    };
    Ok(no_store(body))
}

/// A token for the organization that the session works in.
pub(crate) async fn of_session(app: &App, project: &Project, session: Session) -> Result<Value, TokenError> {
    let member = match &session.active_member_id {
        Some(id) if project.org_enabled => members::find_by_id(&mut *app.db.read().await?, id).await?,
        _ => None,
    };
    of_member(app, project, session, member).await
}

async fn of_member(
    app: &App,
    project: &Project,
    session: Session,
    member: Option<Membership>,
) -> Result<Value, TokenError> {
    let mut conn = app.db.read().await?;
    let user = users::find(&mut conn, &project.id, &session.user_id).await?;
    let user = user.ok_or(TokenError::InvalidGrant("the user is gone"))?;
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
    let signers = Signers::of(app, project, false).await?;
    let mut body = mint::answer(app, project, signers, &issue).await?;
    app.activity.count(&project.id, Count::SessionToken, app.now_ms());
    if let Some(object) = body.as_object_mut() {
        let token = object.get("access_token").cloned().unwrap_or_default();
        object.insert("token".to_owned(), token);
    }
    Ok(body)
}
