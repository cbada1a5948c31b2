//! What an organization is called, and how it or one's part in it ends.

use axum::response::Response;
use http::Method;
use minijinja::context;
use serde_json::{Value as Json, json};

use super::{
    Outcome, Place, Told, Visit,
    view::{put, text},
};
use crate::{
    http::{Problem, body::Form},
    login::authorize::Stop,
    management::inside::Ask,
    roles::authority::Deed,
};

pub(super) async fn page(visit: &Visit<'_>, told: &Told) -> Result<Response, Stop> {
    let place = Place::of(visit).await?;
    let one = &place.organization;
    let metadata = match one.public_metadata.as_object().is_none_or(serde_json::Map::is_empty) {
        true => String::new(),
        false => serde_json::to_string_pretty(&one.public_metadata).unwrap_or_default(),
    };
    let is_owner = place.own_role().is_some_and(crate::roles::Role::is_owner);
    let values = context! {
        may_change => place.may(&Method::PUT, ""),
        may_delete => place.may(&Method::DELETE, "") && !one.personal,
        may_leave => place.own_role().is_some_and(|role| place.can(Deed::Leave(role))),
        is_owner => is_owner,
        logo_url => one.logo_url.as_deref().unwrap_or_default(),
        metadata => metadata,
        id => one.id.as_str(),
        people => place.url("members"),
    };
    visit.show("org_settings.html", Some(&place), told, values)
}

/// Metadata as it was typed; nothing is an empty object.
fn metadata(typed: &str) -> Result<Json, Problem> {
    if typed.trim().is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_str(typed).map_err(|error| {
        let place = format!("is not JSON at line {} column {}", error.line(), error.column());
        Problem::invalid("public_metadata", place)
    })
}

pub(super) async fn change(visit: &Visit<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    let org = visit.parameter("org")?;
    let (path, field) = (format!("/{org}"), |name: &str| fields.get(name).unwrap_or_default().trim());
    match change {
        "save" => {
            let logo = Some(field("logo_url")).filter(|url| !url.is_empty());
            let mut body = json!({ "name": field("name"), "logo_url": logo,
                                   "public_metadata": metadata(field("public_metadata"))? });
            // Only the owner changes it, so it is not sent where it stays.
            if field("slug") != field("slug_before") {
                put(&mut body, "slug", field("slug"));
            }
            let saved = visit.ask(Ask::new(Method::PUT, &path, body)).await?;
            Ok(Outcome::Done("saved", format!("/{}/settings", text(&saved, "slug"))))
        }
        "leave" => {
            visit.ask(Ask::bare(Method::POST, &format!("{path}/leave"))).await?;
            Ok(Outcome::Done("left", String::new()))
        }
        "delete" => {
            // An empty text is no confirmation either.
            let confirmed = form_urlencoded::byte_serialize(field("confirm").as_bytes()).collect::<String>();
            visit.ask(Ask::bare(Method::DELETE, &format!("{path}?confirm={confirmed}"))).await?;
            Ok(Outcome::Done("deleted", String::new()))
        }
        _ => Ok(Outcome::Unknown),
    }
}
