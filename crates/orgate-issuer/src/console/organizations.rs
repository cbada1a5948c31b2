//! The organizations of a project, the way to one of them, and a new one.

use axum::response::Response;
use http::Method;
use minijinja::{Value, context};
use serde_json::{Value as Json, json};

use super::{Desk, Outcome, Told};
use crate::{
    http::{Problem, body::Form, problem::Code, redirect::see_other},
    management::inside::{Api, Ask},
    workspace::{
        mark, plain, query,
        view::{day, put, text},
    },
};

pub(super) async fn page(desk: &Desk<'_>, told: &Told) -> Result<Response, Problem> {
    let wanted = desk.field("q");
    if !wanted.is_empty()
        && let Some(found) = find(desk, wanted).await?
    {
        return Ok(see_other(&desk.url(&format!("/organizations/{found}"))));
    }
    let (rows, next) = desk.rows("/orgs", &[]).await?;
    let values = context! {
        organizations => rows.iter().map(|one| entry(desk, one)).collect::<Vec<_>>(),
        next => desk.next(next, &[]),
        later => desk.is_later(),
        here => desk.url("/organizations"),
        q => wanted,
    };
    desk.show("console_organizations.html", told, values)
}

/// The short name of the organization that is called so, or has this id.
async fn find(desk: &Desk<'_>, wanted: &str) -> Result<Option<String>, Problem> {
    let Ok(wanted) = plain(wanted) else { return Ok(None) };
    match desk.ask(Ask::get(&desk.path(&format!("/orgs/{wanted}"))?)).await {
        Ok(one) => Ok(Some(text(&one, "slug"))),
        Err(problem) if problem.code() == Code::NotFound => Ok(None),
        Err(problem) => Err(problem),
    }
}

fn entry(desk: &Desk<'_>, one: &Json) -> Value {
    context! {
        name => text(one, "name"),
        slug => text(one, "slug"),
        mark => mark(&text(one, "name")),
        members => one["member_count"].as_i64().unwrap_or_default(),
        personal => one["is_personal"].as_bool().unwrap_or_default(),
        active => text(one, "status") == "active",
        since => day(&one["created_at"]),
        to => desk.url(&format!("/organizations/{}", text(one, "slug"))),
    }
}

/// The id of the user who is named by id or address.
pub(super) async fn user_of(desk: &Desk<'_>, field: &str, named: &str) -> Result<String, Problem> {
    if !named.contains('@') {
        return Ok(named.to_owned());
    }
    let path = format!("{}?{}", desk.path("/users")?, query(&[("q", named), ("limit", "10")]));
    let (rows, _) = Api::rows(desk.ask(Ask::get(&path)).await?)?;
    let found = rows.iter().find(|one| text(one, "email").eq_ignore_ascii_case(named));
    found.map(|one| text(one, "id")).ok_or_else(|| Problem::invalid(field, "is nobody of this project"))
}

pub(super) async fn change(desk: &Desk<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    if change != "create" {
        return Ok(Outcome::Unknown);
    }
    let field = |name: &str| fields.get(name).unwrap_or_default().trim();
    let owner = user_of(desk, "created_by", field("created_by")).await?;
    let mut body = json!({ "name": field("name"), "created_by": owner });
    if !field("slug").is_empty() {
        put(&mut body, "slug", field("slug"));
    }
    let made = desk.ask(Ask::new(Method::POST, &desk.path("/orgs")?, body).once(desk.once(fields))).await?;
    Ok(Outcome::Done("organization_created", desk.to(&format!("/organizations/{}", text(&made, "slug")))))
}
