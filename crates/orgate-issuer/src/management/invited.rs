//! `invitations/{token}` and `me/invitations`, for those who are invited.

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::{
    address::Address,
    app::{App, Shared},
    http::{
        Problem,
        body::{Json, Object},
        paging::Page,
        problem::Code,
    },
    invitations::{self, Accepted, Named},
    login::account::{Acting, asking, find_project, private},
    projects, users,
};

/// The token or the id of a path, and the project if the path names one.
type Parts = Path<Vec<(String, String)>>;

fn part<'a>(path: &'a Parts, name: &str) -> Option<&'a str> {
    path.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// What an invitation is about. Nobody has to be signed in, and nothing happens.
pub(super) async fn read(State(app): State<Shared>, path: Parts) -> Result<Response, Problem> {
    let token = part(&path, "token").unwrap_or_default();
    let invitation = invitations::look(&app, part(&path, "project"), token).await?;
    if !find_project(&app, &invitation.project_id).await?.org_enabled {
        return Err(Code::OrganizationsDisabled.into());
    }
    invitation.state.require_open()?;
    Ok(private(invitation.to_holder_json()))
}

/// Whoever is signed in names an invitation by its id, anybody who has its token by that.
fn answered(path: &Parts) -> Named<'_> {
    match part(path, "invitation") {
        Some(id) => Named::Id(id),
        None => Named::Token(part(path, "token").unwrap_or_default()),
    }
}

pub(super) async fn accept(
    State(app): State<Shared>,
    acting: Acting,
    path: Parts,
) -> Result<Response, Problem> {
    accepted(&app, acting, answered(&path)).await
}

pub(super) async fn accept_by_body(
    State(app): State<Shared>,
    acting: Acting,
    Json(body): Json,
) -> Result<Response, Problem> {
    accepted(&app, acting, Named::Token(&token(body)?)).await
}

async fn accepted(app: &App, acting: Acting, named: Named<'_>) -> Result<Response, Problem> {
    let session = acting.in_organizations()?.session;
    let Accepted { member, anew } =
        invitations::accept(app, (&session.project_id, &session.user_id), named).await?;
    let status = if anew { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, private(member.to_json(true))).into_response())
}

pub(super) async fn decline(
    State(app): State<Shared>,
    acting: Acting,
    path: Parts,
) -> Result<Response, Problem> {
    declined(&app, acting, answered(&path)).await
}

pub(super) async fn decline_by_body(
    State(app): State<Shared>,
    acting: Acting,
    Json(body): Json,
) -> Result<Response, Problem> {
    declined(&app, acting, Named::Token(&token(body)?)).await
}

async fn declined(app: &App, acting: Acting, named: Named<'_>) -> Result<Response, Problem> {
    let session = acting.in_organizations()?.session;
    invitations::decline(app, (&session.project_id, &session.user_id), named).await?;
    Ok(private(json!({ "status": "declined" })))
}

/// The token of a body that has nothing else.
fn token(mut body: Object) -> Result<String, Problem> {
    let token = body.required_text("token")?;
    body.finish()?;
    Ok(token)
}

/// What one is invited to oneself. An address that is not confirmed could be somebody else's.
pub(super) async fn own(
    State(app): State<Shared>,
    path: Parts,
    page: Page,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = asking(&app, part(&path, "project").map(|id| Path(id.to_owned())), &headers).await?;
    let mut conn = app.db.read().await?;
    projects::require_organizations(&mut conn, &session.project_id).await?;
    let user = users::find(&mut conn, &session.project_id, &session.user_id).await?;
    let user = user.ok_or(Code::Unauthenticated)?;
    if !user.email_verified {
        return Err(Code::EmailNotVerified.into());
    }
    let address = Address::parse(&user.email).ok_or(Code::Internal)?;
    let all = invitations::of_address(&mut conn, &session.project_id, &address, &page, app.now_ms()).await?;
    let rows: Vec<(String, Value)> = all.iter().map(|one| (one.id.clone(), one.to_own_json())).collect();
    Ok(private(page.answer(rows)))
}
