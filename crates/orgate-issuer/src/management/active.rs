//! Which organization a session works in. Every way looks the membership up again, and none needs another sign-in.
//!
//! `switch` and `PUT session/active-organization` keep the cookie, so that tabs and an extension that share it go on.
//! `activate` gives the session another one, and the old one opens nothing from then on.

use axum::{extract::State, response::Response};
use http::header;
use serde_json::Value;

use super::Call;
use crate::{
    app::{App, Shared},
    http::{Problem, body::Json, cookies, problem::Code},
    login::{
        account::{Acting, private, view},
        session::{self, ABS_MS, Session},
    },
    members,
    projects::Project,
    secret::{fingerprint, random_token},
    users,
};

pub(super) async fn switch(State(app): State<Shared>, call: Call) -> Result<Response, Problem> {
    let (organization, _) = call.enter(&mut *app.db.read().await?).await?;
    let session = call.session()?.clone();
    store(&app, &call.project, session, Some(organization.id), false).await
}

pub(super) async fn activate(State(app): State<Shared>, call: Call) -> Result<Response, Problem> {
    let (organization, _) = call.enter(&mut *app.db.read().await?).await?;
    let session = call.session()?.clone();
    store(&app, &call.project, session, Some(organization.id), true).await
}

/// `{"org_id": "…"}`, or `null` for none.
pub(super) async fn put(
    State(app): State<Shared>,
    acting: Acting,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    let Acting { session, project } = acting.in_organizations()?;
    let org = match body.nullable("org_id") {
        None => return Err(Problem::invalid("org_id", "is missing")),
        Some(Value::Null) => None,
        Some(Value::String(org)) if org.is_empty() => None,
        Some(Value::String(org)) => Some(org),
        Some(_) => return Err(Problem::invalid("org_id", "must be a text or null")),
    };
    body.finish()?;
    store(&app, &project, session, org, false).await
}

async fn store(
    app: &App,
    project: &Project,
    mut session: Session,
    org: Option<String>,
    anew: bool,
) -> Result<Response, Problem> {
    let token = if anew { Some(random_token()?) } else { None };
    let (hash, now) = (token.as_deref().map(fingerprint), app.now_ms());
    let (old, project_id) = (session.clone(), project.id.clone());
    session.active_member_id = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let member = match &org {
                    Some(org) => {
                        let found = members::find(tx, &project_id, &old.user_id, org).await?;
                        Some(found.ok_or(Code::NotFound)?)
                    }
                    None => None,
                };
                let is = member.as_ref().map(|member| (member.id.as_str(), member.org_id.as_str()));
                if hash.is_none() && old.active_member_id.as_deref() == is.map(|(id, _)| id) {
                    return Ok(old.active_member_id);
                }
                if !session::switch(tx, &old, is, hash.as_deref(), now).await? {
                    return Err(Code::Unauthenticated.into());
                }
                Ok(member.map(|member| member.id))
            })
        })
        .await?;
    let user = users::find(&mut *app.db.read().await?, &project.id, &session.user_id).await?;
    let user = user.ok_or(Code::Unauthenticated)?;
    let mut response = private(view(app, project, &session, &user).await?);
    if let Some(token) = token {
        let name = cookies::session_name(&app.settings, &app.public, &project.id);
        let cookie = cookies::set(&app.public, &name, &token, "/", ABS_MS);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
