//! The applications and programs of a project, and a new one.

use axum::response::Response;
use http::Method;
use minijinja::{Value, context};
use serde_json::{Value as Json, json};

use super::{Desk, Outcome, Told};
use crate::{
    http::{Problem, body::Form},
    management::inside::Ask,
    roles,
    workspace::view::{day, put, text},
};

/// The kinds, what they are called, and how to know one's own.
const KINDS: [(&str, &str, &str); 3] = [
    (
        "confidential",
        "Application with a server",
        "People sign in, and your server keeps a secret that nobody else sees. Most web applications.",
    ),
    (
        "public",
        "Application in people's hands",
        "People sign in, and the program runs in their browser or on their device, so it has no secret: a page \
         without a server, a mobile or desktop application, a command line.",
    ),
    (
        "machine",
        "Program without people",
        "Nobody signs in: a job or a service gets tokens for itself, in one organization if you say which.",
    ),
];

/// What may be filled in as a list, one in a line.
const LISTS: [&str; 4] = ["redirect_uris", "post_logout_redirect_uris", "scopes", "audiences"];

/// What a kind is called.
pub(super) fn kind_title(kind: &str) -> &'static str {
    KINDS.iter().find(|(key, ..)| *key == kind).map_or("", |(_, title, _)| title)
}

pub(super) async fn page(desk: &Desk<'_>, told: &Told) -> Result<Response, Problem> {
    let (rows, next) = desk.rows("/clients", &[]).await?;
    let chosen = told.typed("create", "kind").unwrap_or_else(|| desk.field("kind"));
    let kinds: Vec<Value> = KINDS
        .iter()
        .map(|(key, title, about)| {
            let to = format!("{}?kind={key}#new-title", desk.url("/clients"));
            context! { key => *key, title => *title, about => *about, to => to, here => *key == chosen }
        })
        .collect();
    let values = context! {
        clients => rows.iter().map(|one| entry(desk, one)).collect::<Vec<_>>(),
        kinds => kinds,
        kind => KINDS.iter().find(|(key, ..)| *key == chosen).map(|(key, ..)| *key),
        roles => choices(told, "create", ""),
        next => desk.next(next, &[]),
        later => desk.is_later(),
        here => desk.url("/clients"),
    };
    desk.show("console_clients.html", told, values)
}

/// The roles that a machine can have; those of the organization's own making are typed on no form, but one that stands is
/// offered.
pub(super) fn choices(told: &Told, form: &str, stands: &str) -> Vec<Value> {
    let mut names = roles::names();
    names.retain(|name| *name != roles::OWNER);
    // The one that may least, unless there is one.
    let usual = if stands.is_empty() { names.last().copied().unwrap_or_default() } else { stands };
    let chosen = told.typed(form, "role").unwrap_or(usual);
    if !stands.is_empty() && !names.contains(&stands) {
        names.push(stands);
    }
    names.into_iter().map(|key| context! { key => key, chosen => key == chosen }).collect()
}

/// A client in a list.
fn entry(desk: &Desk<'_>, one: &Json) -> Value {
    let first = one["redirect_uris"].as_array().and_then(|all| all.first()).and_then(Json::as_str);
    context! {
        id => text(one, "id"),
        name => text(one, "name"),
        kind => kind_title(&text(one, "kind")),
        is_default => one["is_default"].as_bool().unwrap_or_default(),
        first => first,
        more => one["redirect_uris"].as_array().map_or(0, |all| all.len().saturating_sub(1)),
        org => text(one, "org"),
        since => day(&one["created_at"]),
        to => desk.url(&format!("/clients/{}", text(one, "id"))),
    }
}

/// The words of a field, unless the form has no such field. Nothing that stands in these lists holds a space.
fn words(fields: &Form, name: &str) -> Option<Vec<String>> {
    Some(fields.get(name)?.split_whitespace().map(str::to_owned).collect())
}

/// Puts what the form says of lists, and of a machine's organization, into the body of a request.
pub(super) fn fill(body: &mut Json, fields: &Form) {
    for name in LISTS {
        if let Some(all) = words(fields, name) {
            put(body, name, all);
        }
    }
    if let Some(org) = fields.get("org").map(str::trim) {
        let has_one = !org.is_empty();
        put(body, "org", has_one.then_some(org));
        put(body, "role", fields.get("role").filter(|_| has_one));
    }
}

pub(super) async fn change(desk: &Desk<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    if change != "create" {
        return Ok(Outcome::Unknown);
    }
    let field = |name: &str| fields.get(name).unwrap_or_default().trim();
    let mut body = json!({ "name": field("name"), "kind": field("kind") });
    fill(&mut body, fields);
    let made = desk.ask(Ask::new(Method::POST, &desk.path("/clients")?, body)).await?;
    Ok(Outcome::Show(shown(desk, &made, false)?))
}

/// A client with its secret, which is shown this once.
pub(super) fn shown(desk: &Desk<'_>, one: &Json, is_another: bool) -> Result<Response, Problem> {
    let values = context! {
        name => text(one, "name"),
        client_id => text(one, "id"),
        secret => text(one, "secret"),
        issuer => desk.app.public.issuer(&desk.project()?.id),
        is_another => is_another,
        snippet => snippet(desk, one)?,
        to => desk.url(&format!("/clients/{}", text(one, "id"))),
    };
    desk.show("console_client_made.html", &Told::default(), values)
}

/// How a program uses it: what to write where. A secret is named and not written.
pub(super) fn snippet(desk: &Desk<'_>, one: &Json) -> Result<String, Problem> {
    let issuer = desk.app.public.issuer(&desk.project()?.id);
    let id = text(one, "id");
    let redirect = one["redirect_uris"].as_array().and_then(|all| all.first()).and_then(Json::as_str);
    let redirect = redirect.unwrap_or("https://app.example.com/callback");
    Ok(match text(one, "kind").as_str() {
        "machine" => format!(
            "curl {issuer}/token \\\n  --user \"{id}:$CLIENT_SECRET\" \\\n  --data grant_type=client_credentials"
        ),
        "public" => format!(
            "OIDC_ISSUER={issuer}\nOIDC_CLIENT_ID={id}\nOIDC_REDIRECT_URI={redirect}\n\
             # authorization code with PKCE (S256), no secret"
        ),
        _ => format!(
            "OIDC_ISSUER={issuer}\nOIDC_CLIENT_ID={id}\nOIDC_CLIENT_SECRET=…\nOIDC_REDIRECT_URI={redirect}"
        ),
    })
}
