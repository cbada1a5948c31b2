//! `…/orgs/{org}/members` on the operators' plane.

use axum::{
    extract::{Path, RawQuery, State},
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{NewMember, add, queries};
use crate::{
    app::Shared,
    clock::rfc3339,
    events::Actor,
    http::{Problem, body::Json, paging::Page, problem::Code},
    ids::Kind,
    openapi::{Named, Routes, body, get, object, operators, text, time},
    operators::{Operator, Rank},
    projects::require_organizations,
};

pub(crate) fn router() -> Routes {
    let all = operators("listMembers", "The members of an organization").lists(MEMBER);
    let new = operators("addMember", "A new member")
        .takes(body().with("user_id", text()).with("role", text()))
        .gives(201, MEMBER)
        .refuses(&[Code::UnknownUser, Code::UnknownRole, Code::RoleNotGrantable, Code::AlreadyMember]);
    Routes::new().at(
        "/api/platform/projects/{project}/orgs/{org}/members",
        get(list, all.refuses(&[Code::OrganizationsDisabled]))
            .post(create, new.refuses(&[Code::OrganizationsDisabled])),
    )
}

const MEMBER: Named = Named("Member", || {
    object()
        .with("id", text())
        .with("user_id", text())
        .with("email", text())
        .with("role", text())
        .with("status", text())
        .with("joined_at", time())
        .done()
});

async fn list(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, org)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    operator.require(&mut conn, &project, Rank::Viewer).await?;
    require_organizations(&mut conn, &project).await?;
    let org = Kind::Organization.canonical(&org);
    if !queries::organization_exists(&mut conn, &project, &org).await? {
        return Err(Code::NotFound.into());
    }
    let page = Page::of(query.as_deref())?;
    let members = queries::list(&mut conn, &project, &org, &page).await?;
    let rows = members.iter().map(|member| (member.id.clone(), to_json(member))).collect();
    Ok(axum::Json(page.answer(rows)).into_response())
}

async fn create(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, org)): Path<(String, String)>,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    let now = app.now_ms();
    {
        let mut conn = app.db.read().await?;
        operator.require(&mut conn, &project, Rank::Admin).await?;
        require_organizations(&mut conn, &project).await?;
    }
    let user_id = Kind::User.canonical(&body.required_text("user_id")?);
    let role = body.required_text("role")?;
    body.finish()?;
    let new = NewMember { project_id: project, org_id: Kind::Organization.canonical(&org), user_id, role };
    let member = app
        .db
        .write::<_, super::AddError>(move |tx| {
            Box::pin(async move {
                let id = add(tx, new, Actor::Operator(operator.id), now).await?;
                Ok(queries::shown(tx, &id).await?)
            })
        })
        .await?
        .ok_or(Code::Internal)?;
    Ok((StatusCode::CREATED, axum::Json(to_json(&member))).into_response())
}

fn to_json(member: &queries::Listed) -> Value {
    json!({
        "id": member.id,
        "user_id": member.user_id,
        "email": member.email,
        "role": member.role,
        "status": member.status,
        "joined_at": rfc3339(member.joined_at),
    })
}
