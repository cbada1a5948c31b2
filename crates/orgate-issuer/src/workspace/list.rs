//! One's organizations, and a new one.

use axum::response::Response;
use http::Method;
use minijinja::context;
use serde_json::json;

use super::{
    Outcome, Told, Visit,
    place::mark,
    stop,
    view::{put, text, titled},
};
use crate::{
    http::{Problem, body::Form},
    login::{authorize::Stop, own_pages::organizations_url},
    management::inside::Ask,
    organizations::may_create,
};

pub(super) async fn page(visit: &Visit<'_>, told: &Told) -> Result<Response, Stop> {
    let (rows, next) = visit.rows("", &[("cursor", visit.cursor())]).await.map_err(stop)?;
    let all = organizations_url(visit.app, &visit.project.id);
    let own: Vec<_> = rows
        .iter()
        .map(|one| {
            context! {
                name => text(one, "name"),
                slug => text(one, "slug"),
                mark => mark(&text(one, "name")),
                role => titled(&text(one, "role")),
                personal => one["is_personal"].as_bool().unwrap_or_default(),
                members => one["member_count"].as_i64().unwrap_or_default(),
                active => text(one, "status") == "active",
                to => format!("{all}/{}/members", text(one, "slug")),
            }
        })
        .collect();
    let values = context! {
        organizations => own,
        next => visit.next(next, &[]),
        later => !visit.cursor().is_empty(),
        may_create => may_create(&visit.project, &visit.user).is_ok(),
    };
    visit.show("org_list.html", None, told, values)
}

pub(super) async fn change(visit: &Visit<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    if change != "create" {
        return Ok(Outcome::Unknown);
    }
    let mut body = json!({ "name": fields.get("name").unwrap_or_default() });
    if let Some(slug) = fields.get("slug").filter(|slug| !slug.is_empty()) {
        put(&mut body, "slug", slug);
    }
    let made = visit.ask(Ask::new(Method::POST, "", body).once(visit.once(fields))).await?;
    Ok(Outcome::Done("created", format!("/{}/members", text(&made, "slug"))))
}
