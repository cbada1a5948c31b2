//! The projects of whoever is signed in, and a new one.

use axum::response::Response;
use http::Method;
use minijinja::context;
use serde_json::json;

use super::{Desk, Outcome, Told, url};
use crate::{
    http::{Problem, body::Form},
    management::inside::{Api, Ask},
    workspace::{
        query,
        view::{put, text},
    },
};

pub(super) async fn page(desk: &Desk<'_>, told: &Told) -> Result<Response, Problem> {
    let of = query(&[("cursor", desk.field("cursor"))]);
    let (rows, next) = Api::rows(desk.ask(Ask::get(&format!("/projects?{of}"))).await?)?;
    let projects: Vec<_> = rows
        .iter()
        .map(|one| {
            context! {
                id => text(one, "id"),
                name => text(one, "name"),
                mark => crate::workspace::mark(&text(one, "name")),
                rank => text(one, "role"),
                organizations => one["org_enabled"].as_bool().unwrap_or_default(),
                to => url(desk.app, &format!("/{}", text(one, "id"))),
            }
        })
        .collect();
    let values = context! {
        projects => projects,
        next => desk.next(next, &[]),
        later => desk.is_later(),
        here => url(desk.app, ""),
    };
    desk.show("console_projects.html", told, values)
}

pub(super) async fn change(desk: &Desk<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    if change != "create" {
        return Ok(Outcome::Unknown);
    }
    let field = |name: &str| fields.get(name).unwrap_or_default().trim();
    let mut body = json!({ "name": field("name"), "org_enabled": fields.get("org_enabled").is_some() });
    if !field("redirect_uri").is_empty() {
        put(&mut body, "redirect_uri", field("redirect_uri"));
    }
    let made = desk.ask(Ask::new(Method::POST, "/projects", body)).await?;
    let id = text(&made, "id");
    let values = context! {
        name => text(&made, "name"),
        issuer => desk.app.public.issuer(&id),
        client_id => text(&made, "client_id"),
        client_secret => text(&made, "client_secret"),
        to => url(desk.app, &format!("/{id}")),
    };
    Ok(Outcome::Show(desk.show("console_project_made.html", &Told::default(), values)?))
}
