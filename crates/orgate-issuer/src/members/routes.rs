//! `…/orgs/{org}/members` on the operators' plane.

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{NewMember, add, queries};
use crate::{
    app::Shared,
    clock::rfc3339,
    events::Actor,
    hooks::{self, MemberAdd},
    http::{Problem, body::Json, paging::Page, problem::Code},
    ids::Kind,
    operators::{Operator, Rank},
    projects::require_organizations,
};

pub(crate) fn router() -> Router<Shared> {
    Router::new().route("/api/platform/projects/{project}/orgs/{org}/members", get(list).post(create))
}

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
    let actor = Actor::Operator(operator.id);
    let wish = MemberAdd {
        project_id: new.project_id.clone(),
        actor: actor.clone().into(),
        org_id: new.org_id.clone(),
        user_id: new.user_id.clone(),
        role: new.role.clone(),
    };
    hooks::ask(&app, |hooks| hooks.before_member_add(&wish)).await?;
    let member = app
        .db
        .write::<_, super::AddError>(move |tx| {
            Box::pin(async move {
                let id = add(tx, new, actor, now).await?;
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
