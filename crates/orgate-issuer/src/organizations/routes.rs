//! `…/projects/{project}/orgs` on the operators' plane, as Astapa documents it.

use axum::{
    extract::{Path, RawQuery, State},
    response::{IntoResponse as _, Response},
};
use http::StatusCode;

use super::{CreateError, NewOrganization, create, queries};
use crate::{
    app::Shared,
    events::Actor,
    http::{Problem, body::Json, paging::Page, problem::Code},
    ids::Kind,
    openapi::{Named, Routes, body, get, number, object, operators, text, time},
    operators::{Operator, Rank},
    projects::require_organizations,
};

pub(crate) fn router() -> Routes {
    let all = operators("listOrganizations", "The organizations of a project").lists(ORGANIZATION);
    let new = operators("createOrganization", "A new organization, with its creator as the owner")
        .takes(body().with("name", text()).with("creator_end_user_id", text()).may("slug", text()))
        .gives(201, ORGANIZATION)
        .refuses(&[Code::UnknownUser, Code::SlugTaken, Code::SlugReserved]);
    Routes::new().at(
        "/api/platform/projects/{project}/orgs",
        get(list, all.refuses(&[Code::OrganizationsDisabled]))
            .post(add, new.refuses(&[Code::OrganizationsDisabled])),
    )
}

const ORGANIZATION: Named = Named("Organization", || {
    object()
        .with("id", text())
        .with("project_id", text())
        .with("name", text())
        .with("slug", text())
        .with("status", text())
        .with("member_count", number())
        .with("created_at", time())
        .with("updated_at", time())
        .done()
});

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
    let now = app.now_ms();
    let made = app
        .db
        .write::<_, CreateError>(move |tx| {
            Box::pin(async move { create(tx, new, Actor::Operator(operator.id), now).await })
        })
        .await?;
    Ok((StatusCode::CREATED, axum::Json(made.to_json())).into_response())
}
