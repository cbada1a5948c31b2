//! What each role may do, and the roles that the organization makes for itself.
//!
//! The editor is a box for each permission. What one may not give is there and cannot be ticked, and says why.

use axum::response::Response;
use http::Method;
use minijinja::{Value, context};
use serde_json::{Value as Json, json};

use super::{
    Outcome, Place, Section, Told, Visit,
    members::{choices, role_of, roles},
    stop,
    view::{put, text, titled},
};
use crate::{
    http::{Problem, body::Form, problem::Code},
    login::authorize::Stop,
    management::inside::Ask,
    roles::{Role, authority::Deed},
};

/// How many roles stand beside each other.
const COLUMNS: &str = "12";
/// The levels that a role of an organization may have.
const LEVELS: [(i64, &str, &str); 3] = [
    (0, "Viewer", "Acts on nobody"),
    (1, "Member", "Acts on viewers"),
    (2, "Admin", "Acts on members and viewers"),
];

/// The catalogue of the project.
async fn catalogue(visit: &Visit<'_>, place: &Place) -> Result<Vec<(String, String)>, Problem> {
    let all = visit.all(&place.path("/permissions")).await?;
    Ok(all.iter().map(|one| (text(one, "key"), text(one, "description"))).collect())
}

pub(super) async fn page(visit: &Visit<'_>, told: &Told) -> Result<Response, Stop> {
    let place = Place::of(visit).await?;
    let of = [("cursor", visit.cursor()), ("limit", COLUMNS)];
    let (rows, next) = visit.rows(&place.path("/roles"), &of).await.map_err(stop)?;
    let permissions = catalogue(visit, &place).await.map_err(stop)?;
    let named: Vec<(Role, Value)> = rows
        .iter()
        .map(|one| {
            let (role, built_in) = (role_of(one), one["built_in"].as_bool().unwrap_or_default());
            let to = (!built_in).then(|| place.url(&format!("roles/{}", role.key)));
            let shown = context! { name => titled(&text(one, "name")), to => to, built_in => built_in,
            description => text(one, "description"), many => role.permissions.len() };
            (role, shown)
        })
        .collect();
    let lines: Vec<Value> = permissions
        .iter()
        .map(|(key, description)| {
            let cells: Vec<bool> = named.iter().map(|(role, _)| role.permissions.contains(key)).collect();
            context! { key => key, description => description, cells => cells }
        })
        .collect();
    let values = context! {
        roles => named.into_iter().map(|(_, shown)| shown).collect::<Vec<_>>(),
        lines => lines,
        next => visit.next(next, &[]),
        later => !visit.cursor().is_empty(),
        may_create => place.may(&Method::POST, "/roles"),
        new => place.url("new-role"),
    };
    visit.show("org_roles.html", Some(&place), told, values)
}

/// The boxes: what stands, what one may give, and why not.
pub(super) fn boxes(
    place: &Place,
    told: &Told,
    form: &str,
    permissions: &[(String, String)],
    stands: &[String],
) -> Vec<Value> {
    let mut groups: Vec<(String, Vec<Value>)> = Vec::new();
    for (key, description) in permissions {
        let name = format!("may.{key}");
        let alone = [key.clone()];
        let may = place.can(Deed::Define { rank: -1, permissions: &alone });
        let one = context! {
            key => key,
            ticked => told.ticked(form, &name, stands.contains(key)),
            name => name,
            description => description,
            may => may,
            why => (!may).then_some("You may not do this yourself"),
        };
        let group = key.split_once(':').map_or("", |(group, _)| group);
        match groups.iter_mut().find(|(name, _)| name == group) {
            Some((_, ones)) => ones.push(one),
            None => groups.push((group.to_owned(), vec![one])),
        }
    }
    groups.into_iter().map(|(name, ones)| context! { name => name, boxes => ones }).collect()
}

/// The permissions whose boxes were ticked.
pub(super) fn ticked(fields: &Form) -> Vec<&str> {
    fields.all().filter_map(|(name, _)| name.strip_prefix("may.")).collect()
}

async fn editor(
    visit: &Visit<'_>,
    place: &Place,
    told: &Told,
    found: Option<&Json>,
) -> Result<Response, Stop> {
    let permissions = catalogue(visit, place).await.map_err(stop)?;
    let role = found.map(role_of);
    let rank = role.as_ref().map_or(1, |role| role.rank);
    let rank = told.typed("save", "rank").and_then(|typed| typed.parse().ok()).unwrap_or(rank);
    let levels: Vec<Value> = LEVELS
        .iter()
        .map(|(level, name, about)| {
            let may = place.can(Deed::Define { rank: *level, permissions: &[] });
            context! { level => *level, name => *name, about => *about, chosen => *level == rank, may => may,
            why => (!may).then_some("Not below your own role") }
        })
        .collect();
    let built_in = found.is_some_and(|one| one["built_in"].as_bool().unwrap_or_default());
    let within = role
        .as_ref()
        .is_none_or(|role| place.can(Deed::Define { rank: role.rank, permissions: &role.permissions }));
    let allowed = match found {
        Some(_) => place.may(&Method::PATCH, "/roles/role"),
        None => place.may(&Method::POST, "/roles"),
    };
    let mut instead = Vec::new();
    if let Some(role) = role.as_ref().filter(|_| allowed && within && !built_in) {
        let all = roles(visit, place).await.map_err(stop)?;
        let others: Vec<_> = all.into_iter().filter(|(_, other)| other.key != role.key).collect();
        let chosen = told.typed("delete", "reassign_to").unwrap_or_default();
        instead = choices(place, &others, chosen, |to| Deed::Change { from: role, to });
    }
    let stands = role.as_ref().map(|role| role.permissions.clone()).unwrap_or_default();
    let values = context! {
        role => found.map(|one| context! { name => titled(&text(one, "name")), key => text(one, "key"),
                                           description => text(one, "description") }),
        built_in => built_in,
        may_save => allowed && within && !built_in,
        why => match (allowed, built_in, within) {
            (_, true, _) => "This role is the same in every organization and does not change.",
            (false, ..) => "Only the owner changes roles.",
            (_, _, false) => "This role may do more than you may, so you cannot change it.",
            _ => "",
        },
        groups => boxes(place, told, "save", &permissions, &stands),
        levels => levels,
        instead => instead,
        back => place.url("roles"),
    };
    visit.show("org_role.html", Some(place), told, values)
}

pub(super) async fn new(visit: &Visit<'_>, told: &Told) -> Result<Response, Stop> {
    let place = Place::of(visit).await?;
    if !place.may(&Method::POST, "/roles") {
        return Err(Stop::Page("forbidden"));
    }
    editor(visit, &place, told, None).await
}

pub(super) async fn one(visit: &Visit<'_>, told: &Told) -> Result<Response, Stop> {
    let place = Place::of(visit).await?;
    let path = place.path(&format!("/roles/{}", visit.parameter("role").map_err(stop)?));
    let found = visit.ask(Ask::get(&path)).await.map_err(stop)?;
    editor(visit, &place, told, Some(&found)).await
}

pub(super) async fn change(visit: &Visit<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    let org = visit.parameter("org")?;
    let all = format!("/{org}/roles");
    let rank = |text: &str| text.parse::<i64>().map_err(|_| Problem::invalid("rank", "is one of those here"));
    match (visit.section, change) {
        (_, "save") => {
            let field = |name: &str| fields.get(name).unwrap_or_default().trim();
            let mut body = json!({ "name": field("name"), "description": field("description"),
                                   "rank": rank(field("rank"))?, "permissions": ticked(fields) });
            if visit.section == Section::Role {
                let path = format!("{all}/{}", visit.parameter("role")?);
                visit.ask(Ask::new(Method::PATCH, &path, body)).await?;
                return Ok(Outcome::Done("role_saved", path));
            }
            if !field("slug").is_empty() {
                put(&mut body, "slug", field("slug"));
            }
            let made = visit.ask(Ask::new(Method::POST, &all, body).once(visit.once(fields))).await?;
            Ok(Outcome::Done("role_made", format!("{all}/{}", text(&made, "key"))))
        }
        (Section::Role, "delete") => {
            let mut path = format!("{all}/{}", visit.parameter("role")?);
            if let Some(other) = fields.get("reassign_to").filter(|other| !other.is_empty()) {
                let other =
                    super::plain(other).map_err(|_| Problem::new(Code::UnknownRole).field("reassign_to"))?;
                path.push_str(&format!("?reassign_to={other}"));
            }
            visit.ask(Ask::bare(Method::DELETE, &path)).await?;
            Ok(Outcome::Done("role_deleted", all))
        }
        _ => Ok(Outcome::Unknown),
    }
}
