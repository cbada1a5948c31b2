//! `POST /api/platform/projects`: an operator makes another project, with its first client.
//!
//! Its signing keys are made when they are first asked for, as those of every project.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, header};
use serde_json::json;

use super::{default_client, fit_redirect_uri};
use crate::{
    app::Shared,
    clients,
    db::Tx,
    events::{Actor, Event, EventType},
    http::{Problem, body::Json, problem::Code},
    ids::Kind,
    openapi::{Routes, body, both, flag, object, one_of, operators, post, text, uri},
    operators::{self, Operator, Rank},
    projects::{self, Project, routes::PROJECT},
    secret::random_token,
};

/// How many projects one operator owns at most.
const MOST: i64 = if cfg!(test) { 5 } else { 1_000 };

pub(super) fn router() -> Routes {
    let made = object()
        .with("role", one_of([Rank::Owner.as_str()]))
        .with("issuer", uri())
        .with("client_id", text())
        .with("client_secret", text());
    let about = operators("createProject", "A new project, with its first client and the secret of that")
        .takes(body().with("name", text()).may("org_enabled", flag()).may("redirect_uri", uri()))
        .gives(201, both(PROJECT, made))
        .refuses(&[Code::Conflict]);
    Routes::new().at("/api/platform/projects", post(make, about))
}

/// What a body asks for, checked.
#[derive(Clone)]
struct Wish {
    name: String,
    org_enabled: bool,
    redirect_uri: Option<String>,
    secret_hash: String,
}

async fn make(
    State(app): State<Shared>,
    operator: Operator,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    if operator.only().is_some() {
        return Err(Problem::new(Code::Forbidden).detail("a key of a project makes no other project"));
    }
    let name = body.required_text("name")?.trim().to_owned();
    let org_enabled = body.flag("org_enabled")?.unwrap_or_default();
    let redirect_uri = body.text("redirect_uri")?;
    body.finish()?;
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Problem::invalid("name", "has 1 to 100 characters that can be seen"));
    }
    if redirect_uri.as_deref().is_some_and(|uri| !fit_redirect_uri(uri)) {
        return Err(Problem::invalid("redirect_uri", "must be https, or http on this machine"));
    }
    let secret = random_token()?;
    let wish = Wish { name, org_enabled, redirect_uri, secret_hash: app.secrets.hash_client_secret(&secret) };
    let now = app.now_ms();
    let project = app
        .db
        .write::<_, Problem>(move |tx| Box::pin(async move { store(tx, operator.id, wish, now).await }))
        .await?;
    tracing::info!(project.id = %project.id, "an operator made a project");
    let mut shown = project.to_json();
    if let Some(object) = shown.as_object_mut() {
        object.insert("role".to_owned(), Rank::Owner.as_str().into());
        object.insert("issuer".to_owned(), app.public.issuer(&project.id).into());
        object.insert("client_id".to_owned(), project.id.into());
        object.insert("client_secret".to_owned(), secret.into());
    }
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], axum::Json(shown)).into_response())
}

async fn store(tx: &mut Tx, operator_id: String, wish: Wish, now_ms: i64) -> Result<Project, Problem> {
    if operators::count_owned(tx, &operator_id).await? >= MOST {
        let why = format!("an operator owns at most {MOST} projects");
        return Err(Problem::new(Code::Conflict).detail(why));
    }
    let id = Kind::Project.new_id(now_ms);
    let mut project = Project::new(id.clone(), wish.name, vec![id.clone()]);
    project.org_enabled = wish.org_enabled;
    projects::create(tx, &project, now_ms).await?;
    let uris = wish.redirect_uri.into_iter().collect();
    clients::create(tx, &default_client(&project, Some(wish.secret_hash), uris), now_ms).await?;
    operators::assign(tx, &operator_id, &id, Rank::Owner).await?;
    tx.record(Event {
        project_id: id.clone(),
        kind: EventType::ProjectCreated,
        actor: Actor::Operator(operator_id),
        org_id: None,
        target_id: id,
        data: json!({ "name": project.name }),
        at: now_ms,
    });
    Ok(project)
}
