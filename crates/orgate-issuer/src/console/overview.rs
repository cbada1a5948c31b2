//! A project at a glance: the switch of its organizations, how much happens in it, and what applications have to know.

use axum::response::Response;
use http::Method;
use minijinja::context;
use serde_json::json;

use super::{Desk, Outcome, Told};
use crate::{http::Problem, management::inside::Ask};

pub(super) async fn page(desk: &Desk<'_>, told: &Told) -> Result<Response, Problem> {
    let project = desk.project()?;
    let issuer = desk.app.public.issuer(&project.id);
    let values = context! {
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
