//! The members of an organization, and one of them.

use axum::response::Response;
use http::Method;
use minijinja::{Value, context};
use serde_json::{Value as Json, json};

use super::{
    Outcome, Place, Told, Visit, stop,
    view::{day, text, titled},
};
use crate::{
    http::{
        Problem,
        body::Form,
        messages::{part, said, verbatim},
    },
    login::authorize::Stop,
    management::inside::Ask,
    roles::{Role, authority::Deed},
};

pub(super) async fn page(visit: &Visit<'_>, told: &Told) -> Result<Response, Stop> {
    let place = Place::of(visit).await?;
    let (words, role) =
        (visit.query.get("q").unwrap_or_default().trim(), visit.query.get("role").unwrap_or_default());
    let filter = [("q", words), ("role", role)];
    let of = [filter[0], filter[1], ("cursor", visit.cursor())];
    let (rows, next) = visit.rows(&place.path("/members"), &of).await.map_err(stop)?;
    let roles = visit.all(&place.path("/roles")).await.map_err(stop)?;
    let members: Vec<Value> = rows.iter().map(|one| member(&place, one)).collect();
    let values = context! {
        members => members,
        q => words,
        role => role,
        roles => roles.iter().map(|one| choice(one, role)).collect::<Vec<_>>(),
        found => !words.is_empty() || !role.is_empty(),
        next => visit.next(next, &filter),
        later => !visit.cursor().is_empty(),
        may_invite => place.may(&Method::POST, "/invitations") && !place.organization.personal,
        invite => place.url("invitations"),
        here => place.url("members"),
    };
    visit.show("org_members.html", Some(&place), told, values)
}

fn choice(role: &Json, chosen: &str) -> Value {
    let key = text(role, "key");
    context! { chosen => key == chosen, name => titled(&text(role, "name")), key => key }
}

/// A member, as a list shows them.
pub(super) fn member(place: &Place, one: &Json) -> Value {
    let (name, email, id) = (text(one, "name"), text(one, "email"), text(one, "id"));
    let shown = [&name, &email].into_iter().find(|text| !text.is_empty());
    context! {
        name => shown.map_or_else(|| part("Somebody without a name"), |name| verbatim(name)),
        email => if name.is_empty() { "" } else { email.as_str() },
        role => titled(&text(one, "role")),
        active => text(one, "status") == "active",
        joined => day(&one["joined_at"]),
        oneself => id == place.own_id(),
        to => place.url(&format!("members/{id}")),
        id => id,
    }
}

/// A role as the API shows it.
pub(super) fn role_of(one: &Json) -> Role {
    let permissions = one["permissions"].as_array().into_iter().flatten().filter_map(Json::as_str);
    Role {
        key: text(one, "key"),
        rank: one["rank"].as_i64().unwrap_or_default(),
        permissions: permissions.map(str::to_owned).collect(),
    }
}

/// What one could make of somebody: each role, and why not if not. `deed` says what that would be.
pub(super) fn choices<'r>(
    place: &Place,
    roles: &'r [(Json, Role)],
    chosen: &str,
    deed: impl Fn(&'r Role) -> Deed<'r>,
) -> Vec<Value> {
    let power = &place.caller.power;
    let shown = roles.iter().map(|(one, role)| {
        let missing: Vec<&str> = role
            .permissions
            .iter()
            .filter(|one| !power.permissions.contains(one))
            .map(String::as_str)
            .collect();
        let may = place.can(deed(role));
        let why = match (may, role.is_owner(), missing.is_empty()) {
            (true, ..) => None,
            (_, true, _) => Some(part("An organization has one owner: ownership is transferred")),
            (_, _, false) => {
                let missing = context! { permissions => missing.join(", ") };
                Some(said("Holds what you do not: {permissions}", missing))
            }
            _ => Some(part("Not below your own role")),
        };
        context! {
            key => role.key.as_str(),
            name => titled(&text(one, "name")),
            about => about(one, role),
            may => may || role.key == chosen,
            why => why.filter(|_| role.key != chosen),
            chosen => role.key == chosen,
        }
    });
    shown.collect()
}

/// What a role is for, in a line.
fn about(one: &Json, role: &Role) -> Value {
    let described = text(one, "description");
    match (role.key.as_str(), described.is_empty(), role.permissions.is_empty()) {
        ("owner", ..) => part("Everything, and the organization itself"),
        ("admin", ..) => part("Invites, removes, and changes roles"),
        ("member", ..) => part("Reads and writes"),
        ("viewer", ..) => part("Reads"),
        (_, false, _) => verbatim(&described),
        (_, _, true) => part("Nothing so far"),
        _ => verbatim(&role.permissions.join(", ")),
    }
}

/// Every role of the organization.
pub(super) async fn roles(visit: &Visit<'_>, place: &Place) -> Result<Vec<(Json, Role)>, Problem> {
    let all = visit.all(&place.path("/roles")).await?;
    Ok(all.into_iter().map(|one| (one.clone(), role_of(&one))).collect())
}

pub(super) async fn one(visit: &Visit<'_>, told: &Told) -> Result<Response, Stop> {
    let place = Place::of(visit).await?;
    let id = visit.parameter("member").map_err(stop)?;
    let found = visit.ask(Ask::get(&place.path(&format!("/members/{id}")))).await.map_err(stop)?;
    let (roles, id) = (roles(visit, &place).await.map_err(stop)?, text(&found, "id"));
    let (key, oneself) = (text(&found, "role"), id == place.own_id());
    let own = roles.iter().find(|(_, role)| role.key == key).map(|(_, role)| role.clone());
    let from = own.unwrap_or_else(|| Role::of_row(key.clone(), None, None));
    let chosen = told.typed("role", "role").unwrap_or(&key);
    let choices = choices(&place, &roles, chosen, |to| match oneself {
        true => Deed::ChangeOwn { from: &from, to },
        false => Deed::Change { from: &from, to },
    });
    let path = if oneself { "/members/me" } else { "/members/member" };
    let holds = |name: &str| oneself || place.caller.power.permissions.iter().any(|one| one == name);
    let acts = !oneself && place.can(Deed::Act(&from)) && place.may(&Method::DELETE, path);
    let values = context! {
        member => member(&place, &found),
        choices => choices,
        may_change => holds("change_roles") && !from.is_owner() && place.may(&Method::PATCH, path)
            && (oneself || place.can(Deed::Act(&from))),
        may_remove => acts,
        may_transfer => !oneself && text(&found, "status") == "active" && !place.organization.personal
            && place.can(Deed::Transfer) && place.may(&Method::POST, "/transfer-ownership"),
        is_owner => from.is_owner(),
        permissions => from.permissions,
        back => place.url("members"),
        settings => place.url("settings"),
    };
    visit.show("org_member.html", Some(&place), told, values)
}

pub(super) async fn change(visit: &Visit<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    let (org, id) = (visit.parameter("org")?, visit.parameter("member")?);
    let path = format!("/{org}/members/{id}");
    let here = path.clone();
    match change {
        "role" => {
            let body = json!({ "role": fields.get("role").unwrap_or_default() });
            visit.ask(Ask::new(Method::PATCH, &path, body)).await?;
            Ok(Outcome::Done("role_changed", here))
        }
        "suspend" | "activate" => {
            let status = if change == "suspend" { "suspended" } else { "active" };
            visit.ask(Ask::new(Method::PATCH, &path, json!({ "status": status }))).await?;
            Ok(Outcome::Done(if change == "suspend" { "suspended" } else { "activated" }, here))
        }
        "remove" => {
            visit.ask(Ask::bare(Method::DELETE, &path)).await?;
            Ok(Outcome::Done("removed", format!("/{org}/members")))
        }
        "transfer" => {
            let path = format!("/{org}/transfer-ownership");
            visit.ask(Ask::new(Method::POST, &path, json!({ "member_id": id }))).await?;
            Ok(Outcome::Done("transferred", here))
        }
        _ => Ok(Outcome::Unknown),
    }
}
