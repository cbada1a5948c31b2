//! What roles can hold in this project.

use axum::response::Response;
use http::Method;
use minijinja::context;
use serde_json::json;

use super::{Desk, Outcome, Told};
use crate::{
    http::{Problem, body::Form},
    management::inside::Ask,
    workspace::view::{put, text},
};

pub(super) async fn page(desk: &Desk<'_>, told: &Told) -> Result<Response, Problem> {
    let (rows, next) = desk.rows("/permissions", &[]).await?;
    let permissions: Vec<_> = rows
        .iter()
        .map(|one| {
            context! {
                key => text(one, "key"),
                description => text(one, "description"),
                built_in => one["built_in"].as_bool().unwrap_or_default(),
            }
        })
        .collect();
    let values = context! {
        permissions => permissions,
        next => desk.next(next, &[]),
        later => desk.is_later(),
        here => desk.url("/permissions"),
    };
    desk.show("console_permissions.html", told, values)
}

pub(super) async fn change(desk: &Desk<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    let field = |name: &str| fields.get(name).unwrap_or_default().trim();
    let all = desk.path("/permissions")?;
    // A permission may hold `/` and `:`, and no space.
    let one =
        format!("{all}/{}", form_urlencoded::byte_serialize(field("id").as_bytes()).collect::<String>());
    let description = json!({ "description": field("description") });
    let done = match change {
        "create" => {
            let mut body = description;
            put(&mut body, "key", field("key"));
            desk.ask(Ask::new(Method::POST, &all, body)).await?;
            "permission_created"
        }
        "describe" => {
            desk.ask(Ask::new(Method::PATCH, &one, description)).await?;
            "permission_saved"
        }
        "delete" => {
            if field("confirm") != field("id") {
                return Err(Problem::invalid("confirm", "is not the permission that is to be deleted"));
            }
            desk.ask(Ask::bare(Method::DELETE, &one)).await?;
            "permission_deleted"
        }
        _ => return Ok(Outcome::Unknown),
    };
    Ok(Outcome::Done(done, desk.to("/permissions")))
}
