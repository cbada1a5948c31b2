//! The API keys of an organization. A key is shown once, as the answer to its form.

use axum::response::Response;
use http::Method;
use minijinja::{Value, context};
use serde_json::{Value as Json, json};

use super::{
    Outcome, Place, Told, Visit, plain,
    roles::{boxes, ticked},
    stop,
    view::{day, put, text},
};
use crate::{
    http::{Problem, body::Form},
    login::authorize::Stop,
    management::inside::Ask,
};

/// After how many days a key ends, as people say it; none is never.
const ENDS: [(&str, &str); 4] =
    [("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year"), ("", "Never")];
const USUAL_END: &str = "90";

pub(super) async fn page(visit: &Visit<'_>, told: &Told) -> Result<Response, Stop> {
    let place = Place::of(visit).await?;
    let of = [("cursor", visit.cursor())];
    let (rows, next) = visit.rows(&place.path("/api-keys"), &of).await.map_err(stop)?;
    let all = visit.all(&place.path("/permissions")).await.map_err(stop)?;
    let permissions: Vec<_> = all.iter().map(|one| (text(one, "key"), text(one, "description"))).collect();
    let end = told.typed("create", "days").unwrap_or(USUAL_END);
    let ends: Vec<Value> = ENDS
        .iter()
        .map(|(days, title)| context! { days => *days, title => *title, chosen => *days == end })
        .collect();
    let values = context! {
        keys => rows.iter().map(key).collect::<Vec<_>>(),
        next => visit.next(next, &[]),
        later => !visit.cursor().is_empty(),
        may_create => place.may(&Method::POST, "/api-keys"),
        groups => boxes(&place, told, "create", &permissions, &[]),
        ends => ends,
    };
    visit.show("org_keys.html", Some(&place), told, values)
}

fn key(one: &Json) -> Value {
    let permissions = one["permissions"].as_array().into_iter().flatten().filter_map(Json::as_str);
    context! {
        id => text(one, "id"),
        name => text(one, "name"),
        hint => text(one, "hint"),
        ended => match text(one, "status").as_str() {
            "active" => None,
            "revoked" => Some("Revoked"),
            _ => Some("Expired"),
        },
        permissions => permissions.map(str::to_owned).collect::<Vec<_>>(),
        made => day(&one["created_at"]),
        ends => day(&one["expires_at"]),
        used => day(&one["last_used_at"]),
    }
}

pub(super) async fn change(visit: &Visit<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    let org = visit.parameter("org")?;
    let all = format!("/{org}/api-keys");
    match change {
        "create" => {
            let mut body =
                json!({ "name": fields.get("name").unwrap_or_default(), "permissions": ticked(fields) });
            if let Some(days) = fields.get("days").filter(|days| !days.is_empty()) {
                let days: i64 = days.parse().map_err(|_| Problem::invalid("days", "is one of those here"))?;
                put(&mut body, "expires_in", days.saturating_mul(24 * 3600));
            }
            let made = visit.ask(Ask::new(Method::POST, &all, body).once(visit.once(fields))).await?;
            let place = Place::of(visit).await.map_err(|_| crate::http::problem::Code::Unavailable)?;
            let values = context! { name => text(&made, "name"), key => text(&made, "key"),
            ends => day(made.get("expires_at").unwrap_or(&serde_json::Value::Null)), back => place.url("api-keys") };
            let shown = visit.show("org_key_shown.html", Some(&place), &Told::default(), values);
            Ok(Outcome::Show(shown.map_err(|_| crate::http::problem::Code::Internal)?))
        }
        "revoke" => {
            let id = plain(fields.get("id").unwrap_or_default())?;
            visit.ask(Ask::bare(Method::DELETE, &format!("{all}/{id}"))).await?;
            Ok(Outcome::Done("key_revoked", all))
        }
        _ => Ok(Outcome::Unknown),
    }
}
