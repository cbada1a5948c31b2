//! What the charts of an open page show now: its script asks here, with the session of the console.

use axum::{
    extract::{Extension, Path, RawQuery, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, header};
use serde_json::Value as Json;

use super::{Desk, Section, chart, query};
use crate::{
    app::Shared,
    http::{Problem, body::Form, problem::Code},
    management::inside::{Api, Ask},
    openapi::{Routes, anything, get, object, operators, text},
};

pub(super) fn router(api: Api) -> Routes {
    let about = operators("readChartsInConsole", "What the charts of the console's overview show now")
        .query("window", text())
        .gives(200, object().with("shapes", anything()).with("texts", anything()))
        .refuses(&[Code::InvalidValue]);
    Routes::new().at("/console/{project}/activity", get(show, about)).told(api)
}

async fn show(
    State(app): State<Shared>,
    Extension(api): Extension<Api>,
    Path(parameters): Path<Vec<(String, String)>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = Form::parse(query.unwrap_or_default().as_bytes()).ok_or(Code::BadRequest)?;
    let desk = Desk::begin((&app, &api, &headers), Section::Overview, &parameters, query).await?;
    let live = chart::live(&counts(&desk).await?, app.now_ms());
    Ok(([(header::CACHE_CONTROL, "no-store")], axum::Json(live)).into_response())
}

/// The counts of the window that the query names; of an hour if it names none.
pub(super) async fn counts(desk: &Desk<'_>) -> Result<Json, Problem> {
    let of = query(&[("window", window(desk))]);
    desk.ask(Ask::get(&desk.path(&format!("/activity?{of}"))?)).await
}

pub(super) fn window<'d>(desk: &'d Desk<'_>) -> &'d str {
    Some(desk.field("window")).filter(|window| !window.is_empty()).unwrap_or("hour")
}
