//! `GET /api/platform/projects`; `GET` and `PATCH /api/platform/projects/{id}`.

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::header;
use serde_json::Value;

use super::{
    INVITATION_TTL_MS, OrganizationCreation, Project, find, find_to_change, logo::Logo, queries, update,
};
use crate::{
    app::Shared,
    events::Actor,
    http::{
        Problem,
        body::{Json, Object},
        brand::Colour,
        paging::Page,
        problem::Code,
    },
    keys::Algorithm,
    openapi::{Named, Routes, Shape, body, both, flag, get, number, object, one_of, operators, text, texts},
    operators::{Operator, Rank},
};

pub(crate) fn router() -> Routes {
    let change_of = body()
        .may("org_enabled", flag())
        .may("name", text())
        .may("personal_orgs", flag())
        .may("org_creation", creation())
        .may("max_orgs_per_user", number())
        .may("invitation_ttl", number())
        .may("brand_color", text().or_null())
        .may("logo", text().or_null());
    let own = both(PROJECT, object().with("role", one_of(Rank::ALL.map(Rank::as_str))));
    let all = operators("listProjects", "The projects that were given to the operator").lists(own);
    Routes::new()
        .merge(super::logo::router())
        .merge(super::signing_keys::router())
        .at("/api/platform/projects", get(list, all))
        .at(
            "/api/platform/projects/{project}",
            get(show, operators("readProject", "A project").gives(200, PROJECT)).patch(
                change,
                operators("changeProject", "Change a project").takes(change_of).gives(200, PROJECT),
            ),
        )
}

async fn list(State(app): State<Shared>, operator: Operator, page: Page) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let rows = queries::of_operator(&mut conn, (&operator.id, operator.only()), &page).await?;
    let shown = |(project, role): (Project, String)| {
        let mut value = project.to_json();
        if let Some(object) = value.as_object_mut() {
            object.insert("role".to_owned(), role.into());
        }
        (project.id, value)
    };
    Ok(private(page.answer(rows.into_iter().map(shown).collect())))
}

pub(super) fn private(body: Value) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response()
}

/// The colour, if the body has one; `null` takes it away.
fn read_color(body: &mut Object) -> Result<Option<Option<Colour>>, Problem> {
    match body.nullable("brand_color") {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(value) => match value.as_str().and_then(Colour::parse) {
            Some(colour) => Ok(Some(Some(colour))),
            None => Err(Problem::invalid("brand_color", "is `#` and six hexadecimal digits, or null")),
        },
    }
}

/// Who may make organizations.
fn creation() -> Shape {
    one_of(["any", "verified", "operator"])
}

pub(crate) const PROJECT: Named = Named("Project", || {
    let algorithm = || one_of(Algorithm::ALL.map(Algorithm::as_str));
    object()
        .with("id", text())
        .with("name", text())
        .with("org_enabled", flag())
        .with("personal_orgs", flag())
        .with("audience", texts())
        .with("trusted_origins", texts())
        .with("access_ttl", number())
        .with("refresh_grace", number())
        .with("access_token_alg", algorithm())
        .with("id_token_alg", algorithm())
        .with("claims_profile", text())
        .with("org_creation", creation())
        .with("max_orgs_per_user", number().or_null())
        .with("invitation_ttl", number())
        .with("brand_color", text().or_null())
        .with("logo", text().or_null())
        .done()
});

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
    let invitation_ttl = body.duration("invitation_ttl", &INVITATION_TTL_MS)?;
    let (color, logo) = (read_color(&mut body)?, Logo::read(&mut body)?);
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
                after.invitation_ttl_ms = invitation_ttl.unwrap_or(after.invitation_ttl_ms);
                after.name = name.unwrap_or(after.name);
                after.brand_color = color.unwrap_or(after.brand_color);
                if let Some(logo) = &logo {
                    after.logo_tag = super::set_logo(tx, &project, logo.as_ref()).await?;
                }
                update(tx, &before, &after, Actor::Operator(operator.id), now).await?;
                Ok(after)
            })
        })
        .await?;
    Ok(axum::Json(after.to_json()).into_response())
}
