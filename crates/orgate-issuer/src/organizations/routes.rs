//! `…/projects/{project}/orgs` on the operators' plane, as Astapa documents it.

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::StatusCode;

use super::{CreateError, NewOrganization, create, queries};
use crate::{
    app::Shared,
    events::Actor,
    hooks::{self, OrgCreate},
    http::{Problem, body::Json, paging::Page},
    ids::Kind,
    operators::{Operator, Rank},
    projects::require_organizations,
};

pub(crate) fn router() -> Router<Shared> {
    Router::new().route("/api/platform/projects/{project}/orgs", get(list).post(add))
}

async fn list(
    State(app): State<Shared>,
    operator: Operator,
    Path(project): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    operator.require(&mut conn, &project, Rank::Viewer).await?;
    require_organizations(&mut conn, &project).await?;
    let page = Page::of(query.as_deref())?;
    let organizations = queries::list(&mut conn, &project, &page).await?;
    let rows = organizations.iter().map(|one| (one.id.clone(), one.to_json())).collect();
    Ok(axum::Json(page.answer(rows)).into_response())
}

async fn add(
    State(app): State<Shared>,
    operator: Operator,
    Path(project): Path<String>,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    {
        let mut conn = app.db.read().await?;
        operator.require(&mut conn, &project, Rank::Admin).await?;
        require_organizations(&mut conn, &project).await?;
    }
    let new = NewOrganization {
        id: None,
        name: body.required_text("name")?,
        slug: body.text("slug")?,
        creator: Kind::User.canonical(&body.required_text("creator_end_user_id")?),
        project_id: project,
    };
    body.finish()?;
    let actor = Actor::Operator(operator.id);
    let wish = OrgCreate {
        project_id: new.project_id.clone(),
        actor: actor.clone().into(),
        name: new.name.clone(),
        slug: new.slug.clone(),
        owner_id: new.creator.clone(),
    };
    hooks::ask(&app, |hooks| hooks.before_org_create(&wish)).await?;
    let now = app.now_ms();
    let made = app
        .db
        .write::<_, CreateError>(move |tx| Box::pin(async move { create(tx, new, actor, now).await }))
        .await?;
    Ok((StatusCode::CREATED, axum::Json(made.to_json())).into_response())
}
