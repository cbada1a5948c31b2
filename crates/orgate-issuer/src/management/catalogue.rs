//! The permissions of a project: `…/permissions` for its operators, `…/organizations/{org}/permissions` for reading.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;

use super::Call;
use crate::{
    app::Shared,
    http::{Problem, body::Json, paging::Page},
    login::account::private,
    roles::catalogue,
};

pub(super) async fn list(State(app): State<Shared>, call: Call, page: Page) -> Result<Response, Problem> {
    call.permit()?;
    let rows = catalogue::list(&mut *app.db.read().await?, &call.project.id, &page).await?;
    Ok(private(page.answer(rows)))
}

pub(super) async fn of_organization(
    State(app): State<Shared>,
    call: Call,
    page: Page,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    call.enter(&mut conn).await?;
    let rows = catalogue::list(&mut conn, &call.project.id, &page).await?;
    Ok(private(page.answer(rows)))
}

pub(super) async fn create(
    State(app): State<Shared>,
    call: Call,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    call.permit()?;
    let (key, description) = (body.required_text("key")?, body.text("description")?.unwrap_or_default());
    body.finish()?;
    let entry = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let new = (key.as_str(), description.as_str());
                catalogue::add(tx, &call.project.id, new, call.actor(), call.now_ms).await
            })
        })
        .await?;
    Ok((StatusCode::CREATED, private(entry.to_json())).into_response())
}

pub(super) async fn describe(
    State(app): State<Shared>,
    call: Call,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    call.permit()?;
    let description = body.required_text("description")?;
    body.finish()?;
    let entry = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let said = (call.parameter("permission"), description.as_str());
                catalogue::describe(tx, &call.project.id, said, call.actor(), call.now_ms).await
            })
        })
        .await?;
    Ok(private(entry.to_json()))
}

pub(super) async fn delete(State(app): State<Shared>, call: Call) -> Result<StatusCode, Problem> {
    call.permit()?;
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let key = call.parameter("permission");
                catalogue::remove(tx, &call.project.id, key, call.actor(), call.now_ms).await?;
                Ok(StatusCode::NO_CONTENT)
            })
        })
        .await
}
