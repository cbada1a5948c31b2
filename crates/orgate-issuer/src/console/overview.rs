//! A project at a glance: the switch of its organizations, how much happens in it, and what applications have to know.

use axum::response::Response;
use http::Method;
use minijinja::{Value, context};
use serde_json::json;

use super::{Desk, Outcome, Told, activity, chart};
use crate::{http::Problem, management::inside::Ask};

/// How far back the charts go, what that is called, and after how many seconds the page looks again.
const WINDOWS: [(&str, &str, u8); 3] = [("hour", "Hour", 5), ("day", "Day", 15), ("week", "Week", 60)];

pub(super) async fn page(desk: &Desk<'_>, told: &Told) -> Result<Response, Problem> {
    let project = desk.project()?;
    let issuer = desk.app.public.issuer(&project.id);
    let window = activity::window(desk);
    let windows: Vec<Value> = WINDOWS
        .iter()
        .map(|(key, title, _)| {
            let to = desk.url(&format!("?window={key}"));
            context! { title => *title, to => to, here => *key == window }
        })
        .collect();
    let values = context! {
        activity => chart::values(&activity::counts(desk).await?),
        windows => windows,
        live => desk.url(&format!("/activity?window={window}")),
        every => WINDOWS.iter().find(|(key, ..)| *key == window).map_or(5, |(.., seconds)| *seconds),
        again => desk.url(&format!("?window={window}")),
        as_of => chart::as_of(desk.app.now_ms()),
        discovery => format!("{issuer}/.well-known/openid-configuration"),
        key_set => format!("{issuer}/jwks.json"),
        accounts => format!("{issuer}/account/security"),
        issuer => issuer,
        audience => project.audience.clone(),
        settings => desk.url("/settings"),
        organizations => desk.url("/organizations"),
    };
    desk.show("console_overview.html", told, values)
}

pub(super) async fn change(desk: &Desk<'_>, change: &str) -> Result<Outcome, Problem> {
    let (on, done) = match change {
        "organizations_on" => (true, "organizations_on"),
        "organizations_off" => (false, "organizations_off"),
        _ => return Ok(Outcome::Unknown),
    };
    desk.ask(Ask::new(Method::PATCH, &desk.path("")?, json!({ "org_enabled": on }))).await?;
    Ok(Outcome::Done(done, desk.to("")))
}
