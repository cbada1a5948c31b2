//! One client: how it is used, its settings, its secret and its end.

use axum::response::Response;
use http::Method;
use minijinja::{Value, context};
use serde_json::{Value as Json, json};

use super::{
    Desk, Outcome, Told,
    clients::{choices, fill, kind_title, shown, snippet},
};
use crate::{
    http::{Problem, body::Form},
    management::inside::Ask,
    workspace::view::{day, put, text},
};

/// The grants as people say them, and for which kinds each is.
const GRANTS: [(&str, &str, &[&str]); 5] = [
    ("authorization_code", "People sign in", &["confidential", "public"]),
    ("refresh_token", "Tokens are renewed", &["confidential", "public"]),
    ("client_credentials", "Tokens for itself", &["confidential", "machine"]),
    (
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "One token for another",
        &["confidential", "public", "machine"],
    ),
    (
        "urn:ietf:params:oauth:grant-type:device_code",
        "People sign in on another device",
        &["confidential", "public"],
    ),
];

/// What can be switched, for which kinds, and what it means.
const FLAGS: [(&str, &str, &str, &[&str]); 6] = [
    (
        "first_party",
        "Run by the people of this project",
        "Without it each person is asked what the application may (consent).",
        &["confidential", "public"],
    ),
    (
        "require_pkce",
        "Demand a proof key (PKCE)",
        "Off only for an application that cannot send one.",
        &["confidential"],
    ),
    (
        "require_org",
        "People must choose an organization",
        "There is no token without one.",
        &["confidential", "public"],
    ),
    (
        "require_par",
        "Requests must be pushed (PAR)",
        "The browser carries no parameters.",
        &["confidential", "public"],
    ),
    (
        "dpop_bound",
        "Tokens are bound to a key (DPoP)",
        "A token that is stolen opens nothing.",
        &["confidential", "public", "machine"],
    ),
    ("dpop_nonce", "Proofs carry a nonce", "With DPoP alone.", &["confidential", "public", "machine"]),
];

pub(super) async fn page(desk: &Desk<'_>, told: &Told) -> Result<Response, Problem> {
    let id = desk.parameter("client")?;
    let one = desk.ask(Ask::get(&desk.path(&format!("/clients/{id}"))?)).await?;
    let kind = text(&one, "kind");
    let is_of = |kinds: &[&str]| kinds.contains(&kind.as_str());
    let stands = |name: &str| one.get(name).and_then(Json::as_bool).unwrap_or_default();
    let all = one.get("grants").and_then(Json::as_array);
    let granted = |key: &str| all.is_some_and(|all| all.iter().any(|own| own == key));
    let grants: Vec<Value> = GRANTS
        .iter()
        .filter(|(.., kinds)| is_of(kinds))
        .map(|(key, title, _)| {
            let name = format!("grant.{key}");
            let ticked = told.ticked("save", &name, granted(key));
            context! { name => name, title => *title, ticked => ticked }
        })
        .collect();
    let flags: Vec<Value> = FLAGS
        .iter()
        .filter(|(name, .., kinds)| is_of(kinds) && !is_settled(&one, name))
        .map(|(name, title, about, _)| {
            let ticked = told.ticked("save", name, stands(name));
            context! { name => *name, title => *title, about => *about, ticked => ticked }
        })
        .collect();
    let values = context! {
        client => context! {
            id => text(&one, "id"),
            name => text(&one, "name"),
            kind => kind_title(&kind),
            people => kind != "machine",
            secret => kind != "public",
            is_default => stands("is_default"),
            redirect_uris => joined(&one, "redirect_uris"),
            post_logout_redirect_uris => joined(&one, "post_logout_redirect_uris"),
            scopes => joined(&one, "scopes"),
            audiences => joined(&one, "audiences"),
            facts => facts(&one),
            backchannel_logout_uri => text(&one, "backchannel_logout_uri"),
            org => text(&one, "org"),
            since => one.get("created_at").and_then(day),
        },
        organization => desk.url(&format!("/organizations/{}", text(&one, "org"))),
        roles => choices(told, "save", &text(&one, "role")),
        grants => grants,
        flags => flags,
        snippet => snippet(desk, &one)?,
        project_audience => desk.project()?.audience.join(" "),
        all => desk.url("/clients"),
    };
    desk.show("console_client.html", told, values)
}

/// Whether this cannot be another way: the project's default client is always its own.
fn is_settled(one: &Json, name: &str) -> bool {
    name == "first_party" && one.get("is_default").and_then(Json::as_bool).unwrap_or_default()
}

/// What who only looks is shown of it: lists, and what is switched on.
fn facts(one: &Json) -> Vec<(&'static str, Vec<String>)> {
    let list = |name: &str| joined(one, name).lines().map(str::to_owned).collect::<Vec<_>>();
    let is_on = |name: &str| one.get(name).and_then(Json::as_bool).unwrap_or_default();
    let flags = FLAGS.iter().filter(|(name, ..)| is_on(name)).map(|(name, ..)| (*name).to_owned());
    vec![
        ("Signed in", list("redirect_uris")),
        ("Signed out", list("post_logout_redirect_uris")),
        ("Grants", list("grants")),
        ("Scopes", list("scopes")),
        ("Audiences", list("audiences")),
        ("Demands", flags.collect()),
    ]
}

/// A list of texts as it is filled in: one in a line.
fn joined(one: &Json, name: &str) -> String {
    let all: Vec<&str> =
        one.get(name).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    all.join("\n")
}

pub(super) async fn change(desk: &Desk<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    let id = desk.parameter("client")?;
    let path = desk.path(&format!("/clients/{id}"))?;
    let field = |name: &str| fields.get(name).unwrap_or_default().trim();
    let done = match change {
        "save" => {
            desk.ask(Ask::new(Method::PATCH, &path, wish(desk, &path, fields).await?)).await?;
            "client_saved"
        }
        "rotate" => {
            let rotated = desk.ask(Ask::bare(Method::POST, &format!("{path}/rotate-secret"))).await?;
            return Ok(Outcome::Show(shown(desk, &rotated, true)?));
        }
        "delete" => {
            if field("confirm") != id {
                return Err(Problem::invalid("confirm", "is not the id of this client"));
            }
            desk.ask(Ask::bare(Method::DELETE, &path)).await?;
            return Ok(Outcome::Done("client_deleted", desk.to("/clients")));
        }
        _ => return Ok(Outcome::Unknown),
    };
    Ok(Outcome::Done(done, desk.to(&format!("/clients/{id}"))))
}

/// What the form says: of the boxes those that it has for the kind of this client, since one that is not ticked is not sent.
async fn wish(desk: &Desk<'_>, path: &str, fields: &Form) -> Result<Json, Problem> {
    let one = desk.ask(Ask::get(path)).await?;
    let kind = text(&one, "kind");
    let is_of = |kinds: &[&str]| kinds.contains(&kind.as_str());
    let mut body = json!({ "name": fields.get("name").unwrap_or_default().trim() });
    fill(&mut body, fields);
    let grants = GRANTS.iter().filter(|(key, ..)| fields.get(&format!("grant.{key}")).is_some());
    put(&mut body, "grants", grants.map(|(key, ..)| *key).collect::<Vec<_>>());
    for (name, .., kinds) in FLAGS {
        if is_of(kinds) && !is_settled(&one, name) {
            put(&mut body, name, fields.get(name).is_some());
        }
    }
    if let Some(uri) = fields.get("backchannel_logout_uri").map(str::trim) {
        put(&mut body, "backchannel_logout_uri", Some(uri).filter(|uri| !uri.is_empty()));
    }
    Ok(body)
}
