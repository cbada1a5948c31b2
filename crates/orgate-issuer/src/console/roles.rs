//! What the roles of an organization hold, and those that it has for itself, as operators change them.

use axum::response::Response;
use http::Method;
use minijinja::{Value, context};
use serde_json::{Value as Json, json};

use super::{Desk, Outcome, Told};
use crate::{
    http::{Problem, body::Form, problem::Code},
    management::inside::{Api, Ask},
    operators::Rank,
    workspace::{
        plain, query,
        view::{put, text, titled},
    },
};

/// How many roles stand beside each other, and how many permissions below.
const COLUMNS: &str = "12";
const LINES: &str = "100";
/// The levels that a role of an organization may have.
const LEVELS: [(i64, &str); 3] = [
    (0, "Viewer: acts on nobody"),
    (1, "Member: acts on viewers"),
    (2, "Admin: acts on members and viewers"),
];

pub(super) async fn page(desk: &Desk<'_>, told: &Told) -> Result<Response, Problem> {
    let org = desk.parameter("org")?;
    let one = &desk.ask(Ask::get(&desk.path(&format!("/orgs/{org}"))?)).await?;
    let (roles, next) = desk.rows(&format!("/orgs/{org}/roles"), &[("limit", COLUMNS)]).await?;
    let all = format!("{}?{}", desk.path("/permissions")?, query(&[("limit", LINES)]));
    let (permissions, _) = Api::rows(desk.ask(Ask::get(&all)).await?)?;
    let lines: Vec<Value> = permissions
        .iter()
        .map(|permission| {
            let key = text(permission, "key");
            let cells: Vec<bool> = roles.iter().map(|role| held(role).contains(&key.as_str())).collect();
            context! { description => text(permission, "description"), cells => cells, key => key }
        })
        .collect();
    let own = roles.iter().filter(|role| !is_built_in(role));
    let names: Vec<Value> = roles
        .iter()
        .map(|role| context! { key => text(role, "key"), name => titled(&text(role, "name")) })
        .collect();
    let values = context! {
        organization => text(one, "name"),
        back => desk.url(&format!("/organizations/{org}")),
        roles => names,
        lines => lines,
        own => own.map(|role| editor(role, &permissions, told)).collect::<Vec<_>>(),
        boxes => boxes("create", &permissions, &[], told),
        levels => levels(told.typed("create", "rank").and_then(|typed| typed.parse().ok()).unwrap_or(1)),
        next => desk.next(next, &[]),
        later => desk.is_later(),
        here => desk.url(&format!("/organizations/{org}/roles")),
        may_edit => desk.may(Rank::Admin),
    };
    desk.show("console_roles.html", told, values)
}

fn is_built_in(role: &Json) -> bool {
    role["built_in"].as_bool().unwrap_or_default()
}

/// What a role holds.
fn held(role: &Json) -> Vec<&str> {
    role["permissions"].as_array().into_iter().flatten().filter_map(Json::as_str).collect()
}

/// A role as its form shows it.
fn editor(role: &Json, permissions: &[Json], told: &Told) -> Value {
    let key = text(role, "key");
    let form = format!("save{key}");
    let rank = told.typed(&form, "rank").and_then(|typed| typed.parse().ok());
    context! {
        name => text(role, "name"),
        description => text(role, "description"),
        boxes => boxes(&form, permissions, &held(role), told),
        levels => levels(rank.or_else(|| role["rank"].as_i64()).unwrap_or(1)),
        key => key,
    }
}

fn levels(chosen: i64) -> Vec<Value> {
    let level = |(level, title): &(i64, &'static str)| context! { level => *level, title => *title, chosen => *level == chosen };
    LEVELS.iter().map(level).collect()
}

/// A box for each permission.
fn boxes(form: &str, permissions: &[Json], stands: &[&str], told: &Told) -> Vec<Value> {
    permissions
        .iter()
        .map(|permission| {
            let key = text(permission, "key");
            let name = format!("may.{key}");
            let ticked = told.ticked(form, &name, stands.contains(&key.as_str()));
            context! { name => name, key => key, ticked => ticked }
        })
        .collect()
}

pub(super) async fn change(desk: &Desk<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    let org = desk.parameter("org")?;
    let (all, field) =
        (desk.path(&format!("/orgs/{org}/roles"))?, |name: &str| fields.get(name).unwrap_or_default().trim());
    let done = match change {
        "create" => {
            let mut body = wish(fields)?;
            if !field("slug").is_empty() {
                put(&mut body, "slug", field("slug"));
            }
            desk.ask(Ask::new(Method::POST, &all, body).once(desk.once(fields))).await?;
            "role_created"
        }
        "save" => {
            let path = format!("{all}/{}", plain(field("id"))?);
            desk.ask(Ask::new(Method::PATCH, &path, wish(fields)?)).await?;
            "role_saved"
        }
        "delete" => {
            let mut path = format!("{all}/{}", plain(field("id"))?);
            if !field("reassign_to").is_empty() {
                let other = plain(field("reassign_to"));
                let other = other.map_err(|_| Problem::new(Code::UnknownRole).field("reassign_to"))?;
                path.push_str(&format!("?reassign_to={other}"));
            }
            desk.ask(Ask::bare(Method::DELETE, &path)).await?;
            "role_deleted"
        }
        _ => return Ok(Outcome::Unknown),
    };
    Ok(Outcome::Done(done, desk.to(&format!("/organizations/{org}/roles"))))
}

/// What a form says of a role.
fn wish(fields: &Form) -> Result<Json, Problem> {
    let field = |name: &str| fields.get(name).unwrap_or_default().trim();
    let rank: i64 = field("rank").parse().map_err(|_| Problem::invalid("rank", "is one of those here"))?;
    let ticked: Vec<&str> = fields.all().filter_map(|(name, _)| name.strip_prefix("may.")).collect();
    Ok(json!({ "name": field("name"), "description": field("description"), "rank": rank,
               "permissions": ticked }))
}
