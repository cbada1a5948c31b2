//! `GET /api/platform/projects/{project}/activity`.

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::header;

use super::{
    Count,
    window::{Series, Window},
};
use crate::{
    app::Shared,
    http::{Problem, body::Query, problem::Code},
    openapi::{Named, Routes, get, list, number, object, one_of, operators, time},
    operators::{Operator, Rank},
};

pub(crate) fn router() -> Routes {
    let about = operators("readActivity", "How many sign-ins, sign-ups and tokens there were, step by step")
        .query("window", one_of(Window::NAMES))
        .gives(200, ACTIVITY)
        .refuses(&[Code::InvalidValue]);
    Routes::new().at("/api/platform/projects/{project}/activity", get(show, about))
}

const ACTIVITY: Named = Named("Activity", || {
    let steps = || list(number());
    let tokens = Count::TOKENS.into_iter().fold(object(), |all, kind| all.with(kind.as_str(), steps()));
    let totals = ["sign_ins", "failed_sign_ins", "sign_ups", "tokens"];
    object()
        .with("window", one_of(Window::NAMES))
        .with("from", time())
        .with("to", time())
        .with("step", number())
        .with("sign_ins", steps())
        .with("failed_sign_ins", steps())
        .with("sign_ups", steps())
        .with("tokens", tokens)
        .with("totals", totals.into_iter().fold(object(), |all, name| all.with(name, number())))
        .done()
});

async fn show(
    State(app): State<Shared>,
    operator: Operator,
    Path(project): Path<String>,
    Query(query): Query,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    operator.require(&mut conn, &project, Rank::Viewer).await?;
    let window = Window::parse(query.get("window").unwrap_or("hour"));
    let window = window.ok_or_else(|| Problem::invalid("window", "is `hour`, `day` or `week`"))?;
    let series = Series::read(&mut conn, &app.activity, (&project, window), app.now_ms()).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], axum::Json(series.to_json())).into_response())
}
