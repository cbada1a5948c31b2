//! The endpoints that are told of what happens, and a new one.

use axum::response::Response;
use http::Method;
use minijinja::{Value, context};
use serde_json::{Value as Json, json};

use super::{Desk, Outcome, Told};
use crate::{
    events::EventType,
    http::{Problem, body::Form},
    management::inside::Ask,
    workspace::view::{day, text},
};

pub(super) async fn page(desk: &Desk<'_>, told: &Told) -> Result<Response, Problem> {
    let (rows, next) = desk.rows("/webhooks", &[]).await?;
    let values = context! {
        webhooks => rows.iter().map(|one| entry(desk, one)).collect::<Vec<_>>(),
        families => families(&["*".to_owned()], told, "create"),
        next => desk.next(next, &[]),
        later => desk.is_later(),
        here => desk.url("/webhooks"),
    };
    desk.show("console_webhooks.html", told, values)
}

/// An endpoint in a list.
pub(super) fn entry(desk: &Desk<'_>, one: &Json) -> Value {
    context! {
        id => text(one, "id"),
        url => text(one, "url"),
        description => text(one, "description"),
        types => types(one),
        active => text(one, "status") == "active",
        failing => day(&one["failing_since"]),
        since => day(&one["created_at"]),
        to => desk.url(&format!("/webhooks/{}", text(one, "id"))),
    }
}

/// Which events it wants.
pub(super) fn types(one: &Json) -> Vec<String> {
    one["types"].as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
}

/// A box for each family of events, and one for everything. What stands is ticked; a single type counts for its family only
/// in words, so that saving does not widen it.
pub(super) fn families(stands: &[String], told: &Told, form: &str) -> Vec<Value> {
    let mut names = vec!["*".to_owned()];
    for one in EventType::ALL {
        let family = one.as_str().split('.').next().unwrap_or_default();
        let family = format!("{family}.*");
        if names.last() != Some(&family) {
            names.push(family);
        }
    }
    names.extend(stands.iter().filter(|one| !one.ends_with('*')).cloned());
    names
        .iter()
        .map(|key| {
            let name = format!("type.{key}");
            let ticked = told.ticked(form, &name, stands.contains(key));
            context! { name => name, key => key, ticked => ticked }
        })
        .collect()
}

/// The events whose boxes are ticked; everything makes the rest needless.
pub(super) fn ticked(fields: &Form) -> Vec<String> {
    let ticked = fields.all().filter_map(|(name, _)| name.strip_prefix("type.")).map(str::to_owned);
    let ticked: Vec<String> = ticked.collect();
    if ticked.iter().any(|one| one == "*") { vec!["*".to_owned()] } else { ticked }
}

pub(super) async fn change(desk: &Desk<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    if change != "create" {
        return Ok(Outcome::Unknown);
    }
    let field = |name: &str| fields.get(name).unwrap_or_default().trim();
    let body = json!({ "url": field("url"), "types": ticked(fields), "description": field("description") });
    let made = desk.ask(Ask::new(Method::POST, &desk.path("/webhooks")?, body)).await?;
    Ok(Outcome::Show(shown(desk, &made, false)?))
}

/// The secret of an endpoint, which is shown this once.
pub(super) fn shown(desk: &Desk<'_>, one: &Json, is_another: bool) -> Result<Response, Problem> {
    let values = context! {
        url => text(one, "url"),
        secret => text(one, "secret"),
        is_another => is_another,
        until => day(&one["previous_secret_until"]),
        to => desk.url(&format!("/webhooks/{}", text(one, "id"))),
    };
    desk.show("console_webhook_secret.html", &Told::default(), values)
}
