//! What happened in an organization, in words.

use std::collections::BTreeMap;

use axum::response::Response;
use minijinja::{Value, context};
use serde_json::Value as Json;

use super::{
    Place, Told, Visit, stop,
    teams::MOST_TO_CHOOSE,
    view::{minute, text},
};
use crate::{
    http::{
        Problem,
        messages::{part, verbatim},
    },
    login::authorize::Stop,
    users,
};

/// What the filter offers: the family of events, and what people call it.
const KINDS: [(&str, &str); 8] = [
    ("", "Everything"),
    ("organization.*", "The organization"),
    ("member.*", "Members"),
    ("invitation.*", "Invitations"),
    ("role.*", "Roles"),
    ("team.*", "Teams"),
    ("api_key.*", "API keys"),
    ("request.denied", "Refused"),
];

/// What an event is called; those that are not here by their type.
const WORDS: [(&str, &str); 29] = [
    ("organization.created", "made the organization"),
    ("organization.updated", "changed the settings"),
    ("organization.suspended", "suspended the organization"),
    ("organization.activated", "let the organization go on"),
    ("organization.ownership_transferred", "transferred the ownership"),
    ("member.added", "added a member"),
    ("member.role_changed", "changed a role"),
    ("member.suspended", "suspended a member"),
    ("member.activated", "let a member in again"),
    ("member.removed", "removed a member"),
    ("invitation.created", "invited somebody"),
    ("invitation.sent", "sent an invitation"),
    ("invitation.token_shown", "was shown an invitation"),
    ("invitation.accepted", "accepted an invitation"),
    ("invitation.declined", "declined an invitation"),
    ("invitation.revoked", "revoked an invitation"),
    ("invitation.expired", "noted that an invitation has expired"),
    ("team.created", "made a team"),
    ("team.updated", "changed a team"),
    ("team.deleted", "deleted a team"),
    ("team.member_added", "put a member into a team"),
    ("team.member_removed", "took a member out of a team"),
    ("api_key.created", "made an API key"),
    ("api_key.revoked", "revoked an API key"),
    ("role.created", "made a role"),
    ("role.updated", "changed what a role may do"),
    ("role.deleted", "deleted a role"),
    ("consent.granted", "allowed an application"),
    ("consent.withdrawn", "took back what an application was allowed"),
];

pub(super) async fn page(visit: &Visit<'_>, told: &Told) -> Result<Response, Stop> {
    let place = Place::of(visit).await?;
    let field = |name: &str| visit.query.get(name).unwrap_or_default().trim();
    let (kind, actor, since, until) = (field("type"), field("actor"), field("since"), field("until"));
    let times = (moment(since, "T00:00:00Z"), moment(until, "T23:59:59.999Z"));
    let of = [
        ("type", kind),
        ("actor", actor),
        ("since", &times.0),
        ("until", &times.1),
        ("cursor", visit.cursor()),
    ];
    let asked = visit.rows(&place.path("/audit"), &of).await;
    let (rows, next, wrong) = match asked {
        Ok((rows, next)) => (rows, next, ""),
        Err(problem) => match problem.about().map(|(field, _)| field) {
            Some("since" | "until") => {
                (Vec::new(), None, "That is not a day. Choose one, or leave it empty.")
            }
            Some("type") => (Vec::new(), None, "There are no such events."),
            _ => return Err(stop(problem)),
        },
    };
    let names = names(visit, &rows).await.map_err(stop)?;
    let kinds: Vec<Value> = KINDS
        .iter()
        .map(|(key, title)| context! { key => *key, title => *title, chosen => *key == kind })
        .collect();
    let mut people = Vec::new();
    if place.organization.member_count <= MOST_TO_CHOOSE {
        let all = visit.all(&place.path("/members")).await.map_err(stop)?;
        people.extend(all.iter().map(|one| {
            let id = text(one, "user_id");
            let named = [text(one, "name"), text(one, "email")].into_iter().find(|text| !text.is_empty());
            context! { chosen => id == actor, id => id, name => named }
        }));
    }
    let filter = [("type", kind), ("actor", actor), ("since", since), ("until", until)];
    let values = context! {
        events => rows.iter().map(|one| event(one, &names)).collect::<Vec<_>>(),
        kinds => kinds,
        people => people,
        actor => actor,
        since => since,
        until => until,
        wrong => wrong,
        filtered => filter.iter().any(|(_, value)| !value.is_empty()),
        next => visit.next(next, &filter),
        later => !visit.cursor().is_empty(),
        here => place.url("audit"),
    };
    visit.show("org_audit.html", Some(&place), told, values)
}

/// A day as a moment.
pub(crate) fn moment(day: &str, hour: &str) -> String {
    if day.is_empty() { String::new() } else { format!("{day}{hour}") }
}

/// What an event of this type is called, if it has words.
pub(crate) fn words(kind: &str) -> Option<&'static str> {
    WORDS.iter().find(|(known, _)| *known == kind).map(|(_, words)| *words)
}

/// What those are called who did something on this page of the log.
async fn names(visit: &Visit<'_>, rows: &[Json]) -> Result<BTreeMap<String, Value>, Problem> {
    let mut names = BTreeMap::new();
    let mut conn = visit.app.db.read().await?;
    let users = rows
        .iter()
        .filter(|one| one.pointer("/actor/kind").is_some_and(|kind| kind == "user"))
        .filter_map(|one| one.pointer("/actor/id")?.as_str());
    for id in users {
        if !names.contains_key(id) {
            let user = users::find(&mut conn, &visit.project.id, id).await?;
            let name = match user {
                Some(user) => verbatim(&user.name.unwrap_or(user.email)),
                None => part("Somebody who is gone"),
            };
            names.insert(id.to_owned(), name);
        }
    }
    Ok(names)
}

fn event(one: &Json, names: &BTreeMap<String, Value>) -> Value {
    let (kind, actor) = (text(one, "action"), &one["actor"]);
    let who = match actor["kind"].as_str().unwrap_or_default() {
        "user" => actor["id"].as_str().and_then(|id| names.get(id)).cloned().unwrap_or_else(|| verbatim("")),
        "operator" => part("An operator of the service"),
        _ => part("The service"),
    };
    let denied = text(one, "result") == "denied";
    let what = match words(&kind) {
        Some(words) => part(words),
        None if denied => part("was refused"),
        None => verbatim(&kind),
    };
    let mut more = serde_json::Map::new();
    for name in ["before", "after", "data"] {
        let empty = one[name].is_null() || one[name].as_object().is_some_and(serde_json::Map::is_empty);
        if !empty {
            more.insert(name.to_owned(), one[name].clone());
        }
    }
    context! {
        who => who,
        what => what,
        kind => kind,
        denied => denied,
        at => minute(&one["at"]),
        target => text(one, "target_id"),
        more => (!more.is_empty()).then(|| serde_json::to_string_pretty(&more).unwrap_or_default()),
    }
}
