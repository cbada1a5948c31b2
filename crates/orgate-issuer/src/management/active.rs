//! Which organization a session works in. Every way looks the membership up again, and none needs another sign-in.
//!
//! `switch` and `PUT session/active-organization` keep the cookie, so that tabs and an extension that share it go on.
//! `activate` gives the session another one, and the old one opens nothing from then on.

use axum::{extract::State, response::Response};
use http::header;
use serde_json::{Value, json};

use super::Call;
use crate::{
    app::{App, Shared},
    http::{
        Problem,
        body::{Json, Object, Query},
        cookies,
        problem::Code,
    },
    login::{
        account::{Acting, private, view},
        session::{self, ABS_MS, Session},
    },
    members,
    projects::Project,
    secret::{fingerprint, random_token},
    tokens::session_token,
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
    if session.bearer.is_some() {
        return Err(Problem::new(Code::Forbidden).detail("a token has no cookie that could be another one"));
    }
    store(&app, &call.project, session, Some(organization.id), true).await
}

/// Which organization is named; `null` and an empty text are none.
fn named(mut body: Object) -> Result<Option<String>, Problem> {
    let org = match body.nullable("org_id") {
        None => return Err(Problem::invalid("org_id", "is missing")),
        Some(Value::Null) => None,
        Some(Value::String(org)) => Some(org).filter(|org| !org.is_empty()),
        Some(_) => return Err(Problem::invalid("org_id", "must be a text or null")),
    };
    body.finish()?;
    Ok(org)
}

/// `{"org_id": "…"}`, or `null` for none. With `?return=token` the answer has a token for it as well.
pub(super) async fn put(
    State(app): State<Shared>,
    Query(query): Query,
    acting: Acting,
    Json(body): Json,
) -> Result<Response, Problem> {
    let Acting { session, project } = acting.in_organizations()?;
    let with_token = match query.get("return") {
        None => false,
        Some("token") => true,
        Some(_) => return Err(Problem::invalid("return", "is `token`")),
    };
    let (session, _) = settle(&app, &project, session, named(body)?, false).await?;
    let mut shown = shown(&app, &project, &session).await?;
    if let (true, Some(object)) = (with_token, shown.as_object_mut()) {
        let token =
            session_token::of_session(&app, &project, session).await.map_err(|_| Code::Unavailable)?;
        object.insert("token".to_owned(), token);
    }
    Ok(private(shown))
}

/// The same in the words of others: `{"org_id": "…"}`, empty for none.
pub(super) async fn switch_org(
    State(app): State<Shared>,
    acting: Acting,
    Json(body): Json,
) -> Result<Response, Problem> {
    let Acting { session, project } = acting.in_organizations()?;
    let (session, _) = settle(&app, &project, session, named(body)?, false).await?;
    let view = shown(&app, &project, &session).await?;
    Ok(private(json!({ "session_id": session.id, "org_id": view.get("active_organization_id") })))
}

/// The session as its owner sees it.
async fn shown(app: &App, project: &Project, session: &Session) -> Result<Value, Problem> {
    let user = users::find(&mut *app.db.read().await?, &project.id, &session.user_id).await?;
    view(app, project, session, &user.ok_or(Code::Unauthenticated)?).await
}

async fn store(
    app: &App,
    project: &Project,
    session: Session,
    org: Option<String>,
    anew: bool,
) -> Result<Response, Problem> {
    let (session, token) = settle(app, project, session, org, anew).await?;
    let mut response = private(shown(app, project, &session).await?);
    if let Some(token) = token {
        let name = cookies::session_name(&app.settings, &app.public, &project.id);
        let cookie = cookies::set(&app.public, &name, &token, "/", ABS_MS);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Lets the session work in `org`; gives it, and its new cookie if it gets one.
async fn settle(
    app: &App,
    project: &Project,
    mut session: Session,
    org: Option<String>,
    anew: bool,
) -> Result<(Session, Option<String>), Problem> {
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
                        Some(found.filter(|member| old.reaches(&member.org_id)).ok_or(Code::NotFound)?)
                    }
                    None if !old.reaches("") => return Err(Code::NotFound.into()),
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
    Ok((session, token))
}
