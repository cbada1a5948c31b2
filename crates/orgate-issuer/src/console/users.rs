//! The people of a project, the way to one of them, and a new one.

use axum::response::Response;
use http::Method;
use minijinja::{Value, context};
use serde_json::{Value as Json, json};

use super::{Desk, Outcome, Told};
use crate::{
    http::{Problem, body::Form},
    management::inside::Ask,
    workspace::view::{day, put, text},
};

/// What the filter offers.
const STATES: [(&str, &str); 3] = [("", "Everybody"), ("active", "Active"), ("suspended", "Suspended")];

pub(super) async fn page(desk: &Desk<'_>, told: &Told) -> Result<Response, Problem> {
    let (sought, status) = (desk.field("q"), desk.field("status"));
    let filter = [("q", sought), ("status", status)];
    let (rows, next) = desk.rows("/users", &filter).await?;
    let states: Vec<Value> = STATES
        .iter()
        .map(|(key, title)| context! { key => *key, title => *title, chosen => *key == status })
        .collect();
    let values = context! {
        users => rows.iter().map(|one| entry(desk, one)).collect::<Vec<_>>(),
        states => states,
        q => sought,
        filtered => filter.iter().any(|(_, value)| !value.is_empty()),
        next => desk.next(next, &filter),
        later => desk.is_later(),
        here => desk.url("/users"),
        verified => told.ticked("create", "email_verified", false),
    };
    desk.show("console_users.html", told, values)
}

fn entry(desk: &Desk<'_>, one: &Json) -> Value {
    let (name, email) = (text(one, "name"), text(one, "email"));
    context! {
        name => if name.is_empty() { email.clone() } else { name.clone() },
        email => (!name.is_empty()).then_some(email),
        verified => one["email_verified"].as_bool().unwrap_or_default(),
        active => text(one, "status") == "active",
        since => day(&one["created_at"]),
        to => desk.url(&format!("/users/{}", text(one, "id"))),
    }
}

pub(super) async fn change(desk: &Desk<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    if change != "create" {
        return Ok(Outcome::Unknown);
    }
    let field = |name: &str| fields.get(name).unwrap_or_default();
    let mut body =
        json!({ "email": field("email"), "email_verified": fields.get("email_verified").is_some() });
    for name in ["name", "password"] {
        if !field(name).is_empty() {
            put(&mut body, name, field(name));
        }
    }
    let made = desk.ask(Ask::new(Method::POST, &desk.path("/users")?, body)).await?;
    Ok(Outcome::Done("user_created", desk.to(&format!("/users/{}", text(&made, "id")))))
}
