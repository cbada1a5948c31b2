//! `GET` and `PATCH /api/platform/projects/{id}`.

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
    routing::get,
};

use super::{OrganizationCreation, find, find_to_change, update};
use crate::{
    app::Shared,
    events::Actor,
    http::{Problem, body::Json, problem::Code},
    operators::{Operator, Rank},
};

pub(crate) fn router() -> Router<Shared> {
    Router::new().route("/api/platform/projects/{project}", get(show).patch(change))
}

async fn show(
    State(app): State<Shared>,
    operator: Operator,
    Path(project): Path<String>,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    operator.require(&mut conn, &project, Rank::Viewer).await?;
    let project = find(&mut conn, &project).await?.ok_or(Code::NotFound)?;
    Ok(axum::Json(project.to_json()).into_response())
}

async fn change(
    State(app): State<Shared>,
    operator: Operator,
    Path(project): Path<String>,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    operator.require(&mut *app.db.read().await?, &project, Rank::Admin).await?;
    let (org_enabled, personal_orgs) = (body.flag("org_enabled")?, body.flag("personal_orgs")?);
    let name = body.text("name")?;
    let org_creation = match body.text("org_creation")? {
        Some(word) => Some(
            OrganizationCreation::parse(&word)
                .ok_or_else(|| Problem::invalid("org_creation", "is `any`, `verified` or `operator`"))?,
        ),
        None => None,
    };
    let most = body.limit("max_orgs_per_user")?;
    body.finish()?;
    if name.as_ref().is_some_and(|name| name.trim().is_empty() || name.chars().count() > 100) {
        return Err(Problem::invalid("name", "has 1 to 100 characters"));
    }
    let now = app.now_ms();
    let after = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let before = find_to_change(tx, &project).await?.ok_or(Code::NotFound)?;
                let mut after = before.clone();
                after.org_enabled = org_enabled.unwrap_or(after.org_enabled);
                after.personal_orgs = personal_orgs.unwrap_or(after.personal_orgs);
                after.org_creation = org_creation.unwrap_or(after.org_creation);
                after.max_orgs_per_user = most.unwrap_or(after.max_orgs_per_user);
                after.name = name.unwrap_or(after.name);
                update(tx, &before, &after, Actor::Operator(operator.id), now).await?;
                Ok(after)
            })
        })
        .await?;
    Ok(axum::Json(after.to_json()).into_response())
}
