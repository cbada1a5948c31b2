//! What happened in a project, in words, and whether the log is what was written.

use std::collections::BTreeMap;

use axum::response::Response;
use minijinja::{Value, context};
use serde_json::Value as Json;

use super::{Desk, Told};
use crate::{
    events::EventType,
    http::Problem,
    management::inside::Ask,
    operators, users,
    workspace::{
        audit::{moment, words},
        view::{minute, text},
    },
};

/// What an event is called that is none of an organization.
const WORDS: [(&str, &str); 39] = [
    ("project.created", "made the project"),
    ("project.updated", "changed the project"),
    ("project_key.created", "made a key for programs"),
    ("project_key.revoked", "ended a key for programs"),
    ("client.created", "made a client"),
    ("client.updated", "changed a client"),
    ("client.secret_rotated", "made another secret for a client"),
    ("client.deleted", "deleted a client"),
    ("key.created", "made a signing key"),
    ("key.rotated", "let the next signing key sign"),
    ("key.revoked", "took a signing key away at once"),
    ("key.removed", "removed a signing key"),
    ("organization.deleted", "deleted an organization"),
    ("domain.added", "added a domain"),
    ("domain.verified", "confirmed a domain"),
    ("domain.updated", "changed a domain"),
    ("domain.removed", "removed a domain"),
    ("permission.created", "added a permission to the catalogue"),
    ("permission.updated", "described a permission"),
    ("permission.deleted", "deleted a permission"),
    ("session.created", "signed in"),
    ("session.renewed", "signed in again"),
    ("session.organization_changed", "switched the organization"),
    ("session.revoked", "ended a session"),
    ("token.reuse_detected", "noticed a refresh token that was used twice"),
    ("token.revoked", "ended tokens"),
    ("user.created", "made an account"),
    ("user.password_changed", "changed a password"),
    ("user.email_verified", "confirmed an address"),
    ("user.factor_added", "added a factor"),
    ("user.factor_removed", "removed a factor"),
    ("user.suspended", "suspended a user"),
    ("user.activated", "let a user in again"),
    ("user.erased", "erased a user"),
    ("webhook.created", "added a webhook"),
    ("webhook.updated", "changed a webhook"),
    ("webhook.secret_rotated", "made another secret for a webhook"),
    ("webhook.disabled", "switched a webhook off"),
    ("webhook.deleted", "deleted a webhook"),
];

pub(super) async fn page(desk: &Desk<'_>, told: &Told) -> Result<Response, Problem> {
    let names = ["type", "actor", "target", "organization", "since", "until"];
    let filter = names.map(|name| (name, desk.field(name)));
    let times = (moment(desk.field("since"), "T00:00:00Z"), moment(desk.field("until"), "T23:59:59.999Z"));
    let asked = filter.map(|(name, value)| match name {
        "since" => (name, times.0.as_str()),
        "until" => (name, times.1.as_str()),
        _ => (name, value),
    });
    let (rows, next, wrong) = match desk.rows("/audit", &asked).await {
        Ok((rows, next)) => (rows, next, ""),
        Err(problem) => match problem.about().map(|(field, _)| field) {
            Some("since" | "until") => {
                (Vec::new(), None, "That is not a day. Choose one, or leave it empty.")
            }
            Some("type") => (Vec::new(), None, "There are no such events."),
            _ => return Err(problem),
        },
    };
    let names = names_of(desk, &rows).await?;
    let values = context! {
        events => rows.iter().map(|one| event(desk, one, &names)).collect::<Vec<_>>(),
        kinds => kinds(desk.field("type")),
        actor => desk.field("actor"),
        target => desk.field("target"),
        org => desk.field("organization"),
        since => desk.field("since"),
        until => desk.field("until"),
        wrong => wrong,
        filtered => filter.iter().any(|(_, value)| !value.is_empty()),
        verified => verified(desk).await?,
        next => desk.next(next, &filter.into_iter().filter(|(_, value)| !value.is_empty()).collect::<Vec<_>>()),
        later => desk.is_later(),
        here => desk.url("/audit"),
    };
    desk.show("console_audit.html", told, values)
}

/// What the filter offers: every family of events, and each type of the one that is chosen.
fn kinds(chosen: &str) -> Vec<Value> {
    let mut keys = vec![String::new()];
    let family = chosen.split('.').next().unwrap_or_default();
    for one in EventType::ALL {
        let own = one.as_str().split('.').next().unwrap_or_default();
        let all = format!("{own}.*");
        if !keys.contains(&all) {
            keys.push(all);
        }
        if own == family {
            keys.push(one.as_str().to_owned());
        }
    }
    keys.into_iter().map(|key| context! { chosen => key == chosen, key => key }).collect()
}

/// What the check of the chain says, where it was asked for: from which event on is in `verify`.
async fn verified(desk: &Desk<'_>) -> Result<Option<Value>, Problem> {
    let Ok(from) = desk.field("verify").parse::<i64>() else { return Ok(None) };
    let found = &desk.ask(Ask::get(&desk.path(&format!("/audit/verify?from={}", from.max(1)))?)).await?;
    let head = &desk.ask(Ask::get(&desk.path("/audit/head")?)).await?;
    let number = |name: &str| found[name].as_i64();
    let next = number("next");
    Ok(Some(context! {
        valid => found["valid"].as_bool().unwrap_or_default(),
        from => number("from"),
        to => number("to"),
        broken => found.pointer("/broken/seq").and_then(Json::as_i64),
        why => text(&found["broken"], "reason"),
        next => next.map(|next| desk.url(&format!("/audit?verify={next}"))),
        next_seq => next,
        seq => head["seq"].as_i64(),
        chain => text(head, "chain"),
        signed => text(head, "signed"),
    }))
}

/// What those are called who did something on this page of the log.
async fn names_of(desk: &Desk<'_>, rows: &[Json]) -> Result<BTreeMap<String, String>, Problem> {
    let mut names = BTreeMap::new();
    let mut conn = desk.app.db.read().await?;
    for actor in rows.iter().map(|one| &one["actor"]) {
        let Some(id) = actor["id"].as_str().filter(|id| !names.contains_key(*id)) else { continue };
        let name = match actor["kind"].as_str() {
            Some("user") => users::find(&mut conn, &desk.project()?.id, id)
                .await?
                .map_or_else(|| "Somebody who is gone".to_owned(), |user| user.name.unwrap_or(user.email)),
            _ => operators::address_of(&mut conn, id)
                .await?
                .unwrap_or_else(|| "An operator who is gone".to_owned()),
        };
        names.insert(id.to_owned(), name);
    }
    Ok(names)
}

fn called(kind: &str) -> Option<&'static str> {
    WORDS.iter().find(|(known, _)| *known == kind).map(|(_, words)| *words).or_else(|| words(kind))
}

fn event(desk: &Desk<'_>, one: &Json, names: &BTreeMap<String, String>) -> Value {
    let (kind, actor, target) = (text(one, "action"), &one["actor"], text(one, "target_id"));
    let id = actor["id"].as_str();
    let is_user = actor["kind"] == "user";
    let who = match (actor["kind"].as_str(), id.and_then(|id| names.get(id))) {
        (_, Some(name)) => name.clone(),
        (Some("setup"), _) => "The bootstrap file or set-up link".to_owned(),
        _ => "The issuer".to_owned(),
    };
    let denied = text(one, "result") == "denied";
    let mut more = serde_json::Map::new();
    for name in ["before", "after", "data"] {
        let empty = one[name].is_null() || one[name].as_object().is_some_and(serde_json::Map::is_empty);
        if !empty {
            more.insert(name.to_owned(), one[name].clone());
        }
    }
    context! {
        seq => one["seq"].as_i64(),
        who => who,
        actor => id,
        actor_to => id.filter(|_| is_user).map(|id| desk.url(&format!("/users/{id}"))),
        operator => actor["kind"] == "operator",
        what => if denied { Some("was refused") } else { called(&kind) },
        kind => kind,
        denied => denied,
        at => minute(&one["at"]),
        target_to => target.starts_with("usr_").then(|| desk.url(&format!("/users/{target}"))),
        target => target,
        organization => one["organization_id"].as_str(),
        erased => one["erased"].as_bool().unwrap_or_default(),
        more => (!more.is_empty()).then(|| serde_json::to_string_pretty(&more).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_words() {
        let all = EventType::ALL.iter().map(|one| one.as_str());
        let none: Vec<_> = all.filter(|kind| called(kind).is_none()).collect();
        assert_eq!(none, ["request.denied"], "which is told otherwise");
        let unknown: Vec<_> = WORDS.iter().filter(|(kind, _)| EventType::parse(kind).is_none()).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
