//! One person: who they are, where they belong, how they sign in, and how that is stopped or ended.

use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Method, header};
use minijinja::{Value, context};
use serde_json::{Value as Json, json};

use super::{Desk, Outcome, Told};
use crate::{
    http::{Problem, body::Form},
    login::account::private,
    management::inside::Ask,
    workspace::view::{day, minute, text, titled},
};

pub(super) async fn page(desk: &Desk<'_>, told: &Told) -> Result<Response, Problem> {
    let id = desk.parameter("user")?;
    let one = &desk.ask(Ask::get(&desk.path(&format!("/users/{id}"))?)).await?;
    let (rows, next) = desk.rows(&format!("/users/{id}/organizations"), &[]).await?;
    let (name, email) = (text(one, "name"), text(one, "email"));
    let ways = &one["sign_in"];
    let count = |name: &str| ways[name].as_i64().unwrap_or_default();
    let has = |name: &str| ways[name].as_bool().unwrap_or_default();
    let values = context! {
        user => context! {
            id => text(one, "id"),
            name => if name.is_empty() { email.clone() } else { name },
            email => email,
            verified => one["email_verified"].as_bool().unwrap_or_default(),
            active => text(one, "status") == "active",
            since => minute(&one["created_at"]),
            password => has("password"),
            totp => has("totp"),
            codes => count("recovery_codes"),
            passkeys => count("passkeys"),
            sessions => one["sessions"].as_i64().unwrap_or_default(),
        },
        organizations => rows.iter().map(|one| place(desk, one)).collect::<Vec<_>>(),
        next => desk.next(next, &[]),
        later => desk.is_later(),
        here => desk.url(&format!("/users/{id}")),
        all => desk.url("/users"),
        done_by => desk.url(&format!("/audit?actor={id}")),
        done_to => desk.url(&format!("/audit?target={id}")),
    };
    desk.show("console_user.html", told, values)
}

fn place(desk: &Desk<'_>, one: &Json) -> Value {
    let is_active = |name: &str| text(one, name) == "active";
    context! {
        name => text(one, "name"),
        slug => text(one, "slug"),
        role => titled(&text(one, "role")),
        personal => one["personal"].as_bool().unwrap_or_default(),
        organization_active => is_active("status"),
        active => is_active("member_status"),
        since => day(&one["joined_at"]),
        to => desk.url(&format!("/organizations/{}", text(one, "slug"))),
    }
}

pub(super) async fn change(desk: &Desk<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    let id = desk.parameter("user")?;
    let path = desk.path(&format!("/users/{id}"))?;
    let status =
        async |status: &str| desk.ask(Ask::new(Method::PATCH, &path, json!({ "status": status }))).await;
    let done = match change {
        "suspend" => {
            status("suspended").await?;
            "user_suspended"
        }
        "activate" => {
            status("active").await?;
            "user_activated"
        }
        "sign_out" => {
            desk.ask(Ask::bare(Method::DELETE, &format!("{path}/sessions"))).await?;
            "user_signed_out"
        }
        "export" => {
            let everything = desk.ask(Ask::get(&format!("{path}/export"))).await?;
            return Ok(Outcome::Show(download(id, &everything)));
        }
        "erase" => {
            let one = desk.ask(Ask::get(&path)).await?;
            if fields.get("confirm").map(str::trim) != Some(text(&one, "email").as_str()) {
                return Err(Problem::invalid("confirm", "is not the address of this person"));
            }
            desk.ask(Ask::bare(Method::DELETE, &path)).await?;
            return Ok(Outcome::Done("user_erased", desk.to("/users")));
        }
        _ => return Ok(Outcome::Unknown),
    };
    Ok(Outcome::Done(done, desk.to(&format!("/users/{id}"))))
}

/// A file for the operator's disk. The id is one that a path can hold, so it can stand in a header.
fn download(id: &str, everything: &Json) -> Response {
    let name = format!("attachment; filename=\"{id}.json\"");
    let name = HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("attachment"));
    let nosniff = HeaderValue::from_static("nosniff");
    let headers = [(header::CONTENT_DISPOSITION, name), (header::X_CONTENT_TYPE_OPTIONS, nosniff)];
    (headers, private(everything.clone())).into_response()
}
