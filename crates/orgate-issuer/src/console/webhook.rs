//! One endpoint: what it wants, what was sent to it, and sending it again.

use axum::response::Response;
use http::Method;
use minijinja::{Value, context};
use serde_json::{Value as Json, json};

use super::{
    Desk, Outcome, Told,
    webhooks::{entry, families, shown, ticked, types},
};
use crate::{
    http::{Problem, body::Form},
    management::inside::Ask,
    workspace::view::{minute, put, text},
};

/// What the filter offers.
const FATES: [(&str, &str); 4] =
    [("", "All"), ("pending", "Waiting"), ("delivered", "Delivered"), ("failed", "Failed")];

pub(super) async fn page(desk: &Desk<'_>, told: &Told) -> Result<Response, Problem> {
    let id = desk.parameter("webhook")?;
    let one = &desk.ask(Ask::get(&desk.path(&format!("/webhooks/{id}"))?)).await?;
    let status = desk.field("status");
    let (rows, next) = desk.rows(&format!("/webhooks/{id}/deliveries"), &[("status", status)]).await?;
    let fates: Vec<Value> = FATES
        .iter()
        .map(|(key, title)| {
            let query = if key.is_empty() { String::new() } else { format!("?status={key}") };
            context! { title => *title, to => desk.url(&format!("/webhooks/{id}{query}")), here => *key == status }
        })
        .collect();
    let values = context! {
        webhook => entry(desk, one),
        until => minute(&one["previous_secret_until"]),
        families => families(&types(one), told, "save"),
        deliveries => rows.iter().map(delivery).collect::<Vec<_>>(),
        fates => fates,
        next => desk.next(next, &[("status", status)].map(|(name, value)| (name, value)).into_iter().filter(|(_, value)| !value.is_empty()).collect::<Vec<_>>()),
        later => desk.is_later(),
        here => desk.url(&format!("/webhooks/{id}")),
        all => desk.url("/webhooks"),
    };
    desk.show("console_webhook.html", told, values)
}

fn delivery(one: &Json) -> Value {
    let fate = text(one, "status");
    context! {
        id => text(one, "id"),
        kind => text(one, "type"),
        seq => one["seq"].as_i64(),
        fate => FATES.iter().find(|(key, _)| *key == fate).map(|(_, title)| *title),
        good => fate == "delivered",
        bad => fate == "failed",
        attempts => one["attempts"].as_i64().unwrap_or_default(),
        code => one["code"].as_i64(),
        ms => one["ms"].as_i64(),
        error => text(one, "error"),
        at => minute(&one["created_at"]),
        again => minute(&one["next_at"]),
    }
}

pub(super) async fn change(desk: &Desk<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    let id = desk.parameter("webhook")?;
    let (path, field) =
        (desk.path(&format!("/webhooks/{id}"))?, |name: &str| fields.get(name).unwrap_or_default().trim());
    let post = async |below: &str, body: Json| {
        desk.ask(Ask::new(Method::POST, &format!("{path}{below}"), body)).await
    };
    let done = match change {
        "save" => {
            let status = if fields.get("active").is_some() { "active" } else { "disabled" };
            let body = json!({ "url": field("url"), "types": ticked(fields),
                               "description": field("description"), "status": status });
            desk.ask(Ask::new(Method::PATCH, &path, body)).await?;
            "webhook_saved"
        }
        "test" => {
            desk.ask(Ask::bare(Method::POST, &format!("{path}/test"))).await?;
            "webhook_tested"
        }
        "again" => {
            post("/replay", json!({ "delivery_id": field("id") })).await?;
            "webhook_replayed"
        }
        "replay" => {
            let number = |name: &str| -> Result<Option<i64>, Problem> {
                let typed = Some(field(name)).filter(|typed| !typed.is_empty());
                typed
                    .map(|typed| {
                        typed.parse().map_err(|_| Problem::invalid(name, "is the number of an event"))
                    })
                    .transpose()
            };
            let from = number("from_seq")?.ok_or_else(|| Problem::invalid("from_seq", "is missing"))?;
            let mut body = json!({ "from_seq": from });
            if let Some(to) = number("to_seq")? {
                put(&mut body, "to_seq", to);
            }
            let sent = &post("/replay", body).await?;
            if sent["count"].as_i64() == Some(0) { "nothing_to_replay" } else { "webhook_replayed" }
        }
        "rotate" => {
            let rotated = post("/rotate-secret", json!({})).await?;
            return Ok(Outcome::Show(shown(desk, &rotated, true)?));
        }
        "delete" => {
            if field("confirm") != "delete" {
                return Err(Problem::invalid("confirm", "is not the word `delete`"));
            }
            desk.ask(Ask::bare(Method::DELETE, &path)).await?;
            return Ok(Outcome::Done("webhook_deleted", desk.to("/webhooks")));
        }
        _ => return Ok(Outcome::Unknown),
    };
    Ok(Outcome::Done(done, desk.to(&format!("/webhooks/{id}"))))
}
