//! One organization, as operators see it: what it is, who belongs to it, and how it is stopped or ended.

use axum::response::Response;
use http::Method;
use minijinja::context;
use serde_json::{Value as Json, json};

use super::{Desk, Outcome, Told};
use crate::{
    http::{Problem, body::Form},
    management::inside::Ask,
    workspace::{
        mark,
        view::{day, minute, put, text},
    },
};

fn pretty(value: &Json) -> String {
    match value.as_object().is_none_or(serde_json::Map::is_empty) {
        true => String::new(),
        false => serde_json::to_string_pretty(value).unwrap_or_default(),
    }
}

pub(super) async fn page(desk: &Desk<'_>, told: &Told) -> Result<Response, Problem> {
    let org = desk.parameter("org")?;
    let one = &desk.ask(Ask::get(&desk.path(&format!("/orgs/{org}"))?)).await?;
    let (rows, next) = desk.rows(&format!("/orgs/{org}/members"), &[]).await?;
    let members: Vec<_> = rows
        .iter()
        .map(|member| {
            context! {
                name => [text(member, "name"), text(member, "email")].into_iter().find(|name| !name.is_empty()),
                email => text(member, "email"),
                role => text(member, "role"),
                active => text(member, "status") == "active",
                since => day(&member["joined_at"]),
                to => desk.url(&format!("/users/{}", text(member, "user_id"))),
            }
        })
        .collect();
    let values = context! {
        organization => context! {
            id => text(one, "id"),
            name => text(one, "name"),
            slug => text(one, "slug"),
            mark => mark(&text(one, "name")),
            count => one["member_count"].as_i64().unwrap_or_default(),
            most => one["max_members"].as_i64(),
            personal => one["is_personal"].as_bool().unwrap_or_default(),
            active => text(one, "status") == "active",
            since => minute(&one["created_at"]),
            private => pretty(&one["private_metadata"]),
            public => pretty(&one["public_metadata"]),
        },
        members => members,
        next => desk.next(next, &[]),
        later => desk.is_later(),
        here => desk.url(&format!("/organizations/{org}")),
        all => desk.url("/organizations"),
        roles => desk.url(&format!("/organizations/{org}/roles")),
        audit => desk.url(&format!("/audit?organization={}", text(one, "id"))),
    };
    desk.show("console_organization.html", told, values)
}

/// Metadata as it was typed; nothing is an empty object.
fn metadata(typed: &str) -> Result<Json, Problem> {
    if typed.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_str(typed).map_err(|error| {
        let place = format!("is not JSON at line {} column {}", error.line(), error.column());
        Problem::invalid("private_metadata", place)
    })
}

pub(super) async fn change(desk: &Desk<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    let org = desk.parameter("org")?;
    let (path, field) =
        (desk.path(&format!("/orgs/{org}"))?, |name: &str| fields.get(name).unwrap_or_default().trim());
    let patch = async |body: Json| desk.ask(Ask::new(Method::PATCH, &path, body)).await;
    let back = |slug: &str| desk.to(&format!("/organizations/{slug}"));
    match change {
        "save" => {
            let most = match field("max_members") {
                "" => None,
                typed => {
                    Some(typed.parse::<i64>().map_err(|_| Problem::invalid("max_members", "is a number"))?)
                }
            };
            let mut body = json!({ "name": field("name"), "max_members": most });
            // A change of the short name keeps the old one for a while: it is not sent where it stays.
            if field("slug") != field("slug_before") {
                put(&mut body, "slug", field("slug"));
            }
            // Metadata are merged (RFC 7396): what was taken out of the text is taken away by `null`.
            let (typed, before) = (metadata(field("private_metadata"))?, metadata(field("private_before"))?);
            let mut merged = typed
                .as_object()
                .cloned()
                .ok_or_else(|| Problem::invalid("private_metadata", "is no JSON object"))?;
            for name in before.as_object().into_iter().flat_map(serde_json::Map::keys) {
                merged.entry(name.clone()).or_insert(Json::Null);
            }
            put(&mut body, "private_metadata", merged);
            let saved = patch(body).await?;
            Ok(Outcome::Done("organization_saved", back(&text(&saved, "slug"))))
        }
        "suspend" => {
            patch(json!({ "status": "suspended" })).await?;
            Ok(Outcome::Done("organization_suspended", back(org)))
        }
        "activate" => {
            patch(json!({ "status": "active" })).await?;
            Ok(Outcome::Done("organization_activated", back(org)))
        }
        "delete" => {
            // An empty text is no confirmation either.
            let confirmed = form_urlencoded::byte_serialize(field("confirm").as_bytes()).collect::<String>();
            desk.ask(Ask::bare(Method::DELETE, &format!("{path}?confirm={confirmed}"))).await?;
            Ok(Outcome::Done("organization_deleted", desk.to("/organizations")))
        }
        _ => Ok(Outcome::Unknown),
    }
}
