//! The keys of a project, for programs: what they open, a new one, and ending one.

use axum::response::Response;
use http::Method;
use minijinja::{Value, context};
use serde_json::{Value as Json, json};

use super::{Desk, Outcome, Told};
use crate::{
    http::{Problem, body::Form},
    management::inside::Ask,
    operators::keys::SCOPES,
    workspace::{
        plain,
        view::{day, text},
    },
};

/// What each scope lets a program do.
fn about(scope: &str) -> &'static str {
    match scope {
        "feed" => "Read the change feed, by which gates learn whose tokens do not count any more.",
        _ => "",
    }
}

pub(super) async fn page(desk: &Desk<'_>, told: &Told) -> Result<Response, Problem> {
    let (rows, next) = desk.rows("/keys", &[]).await?;
    let scopes: Vec<Value> = SCOPES
        .iter()
        .map(|scope| {
            let name = format!("scope.{scope}");
            let ticked = told.ticked("create", &name, true);
            context! { key => *scope, about => about(scope), name => name, ticked => ticked }
        })
        .collect();
    let values = context! {
        keys => rows.iter().map(key).collect::<Vec<_>>(),
        scopes => scopes,
        next => desk.next(next, &[]),
        later => desk.is_later(),
        here => desk.url("/program-keys"),
    };
    desk.show("console_program_keys.html", told, values)
}

fn key(one: &Json) -> Value {
    let scopes = one["scopes"].as_array().into_iter().flatten().filter_map(Json::as_str);
    context! {
        id => text(one, "id"),
        name => text(one, "name"),
        hint => text(one, "hint"),
        scopes => scopes.map(str::to_owned).collect::<Vec<_>>(),
        of_file => one["created_by"].is_null(),
        since => day(&one["created_at"]),
    }
}

pub(super) async fn change(desk: &Desk<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    let all = desk.path("/keys")?;
    match change {
        "create" => {
            let scopes: Vec<&str> =
                fields.all().filter_map(|(name, _)| name.strip_prefix("scope.")).collect();
            // Without a scope a key opens everything, and a box that somebody forgot does not ask for that.
            if scopes.is_empty() && fields.get("everything").is_none() {
                return Err(Problem::invalid("scopes", "names nothing: tick what the key is good for"));
            }
            let scopes = if fields.get("everything").is_some() { Vec::new() } else { scopes };
            let body = json!({ "name": fields.get("name").unwrap_or_default().trim(), "scopes": scopes });
            let made = desk.ask(Ask::new(Method::POST, &all, body)).await?;
            let values = context! {
                name => text(&made, "name"),
                secret => text(&made, "secret"),
                to => desk.url("/program-keys"),
            };
            Ok(Outcome::Show(desk.show("console_program_key_made.html", &Told::default(), values)?))
        }
        "end" => {
            let id = plain(fields.get("id").unwrap_or_default())?;
            desk.ask(Ask::bare(Method::DELETE, &format!("{all}/{id}"))).await?;
            Ok(Outcome::Done("program_key_ended", desk.to("/program-keys")))
        }
        _ => Ok(Outcome::Unknown),
    }
}
