//! The teams of an organization, and who is in one.

use axum::response::Response;
use http::Method;
use minijinja::{Value, context};
use serde_json::{Value as Json, json};

use super::{Outcome, Place, Section, Told, Visit, members::member, plain, stop, view::text};
use crate::{
    http::{Problem, body::Form, problem::Code},
    login::authorize::Stop,
    management::inside::Ask,
};

/// How many members may stand in a list to choose from; of more, one types the name.
pub(super) const MOST_TO_CHOOSE: i64 = 200;

fn team(place: &Place, one: &Json) -> Value {
    context! {
        name => text(one, "name"),
        slug => text(one, "slug"),
        description => text(one, "description"),
        is_default => one["is_default"].as_bool().unwrap_or_default(),
        to => place.url(&format!("teams/{}", text(one, "slug"))),
    }
}

pub(super) async fn page(visit: &Visit<'_>, told: &Told) -> Result<Response, Stop> {
    let place = Place::of(visit).await?;
    let (rows, next) =
        visit.rows(&place.path("/teams"), &[("cursor", visit.cursor())]).await.map_err(stop)?;
    let values = context! {
        teams => rows.iter().map(|one| team(&place, one)).collect::<Vec<_>>(),
        next => visit.next(next, &[]),
        later => !visit.cursor().is_empty(),
        may_create => place.may(&Method::POST, "/teams") && !place.organization.personal,
    };
    visit.show("org_teams.html", Some(&place), told, values)
}

pub(super) async fn one(visit: &Visit<'_>, told: &Told) -> Result<Response, Stop> {
    let place = Place::of(visit).await?;
    let path = place.path(&format!("/teams/{}", visit.parameter("team").map_err(stop)?));
    let found = visit.ask(Ask::get(&path)).await.map_err(stop)?;
    let of = [("cursor", visit.cursor())];
    let (rows, next) = visit.rows(&format!("{path}/members"), &of).await.map_err(stop)?;
    let may_add = place.may(&Method::POST, "/teams/team/members");
    let mut others = Vec::new();
    let few = place.organization.member_count <= MOST_TO_CHOOSE;
    if may_add && few {
        let inside: Vec<String> = rows.iter().map(|one| text(one, "id")).collect();
        let all = visit.all(&place.path("/members")).await.map_err(stop)?;
        others.extend(
            all.iter().filter(|one| !inside.contains(&text(one, "id"))).map(|one| member(&place, one)),
        );
    }
    let is_default = found.get("is_default").and_then(serde_json::Value::as_bool).unwrap_or_default();
    let values = context! {
        team => team(&place, &found),
        is_default => told.ticked("save", "is_default", is_default),
        members => rows.iter().map(|one| member(&place, one)).collect::<Vec<_>>(),
        others => others,
        few => few,
        next => visit.next(next, &[]),
        later => !visit.cursor().is_empty(),
        may_add => may_add,
        may_remove => place.may(&Method::DELETE, "/teams/team/members/member"),
        may_leave => place.may(&Method::DELETE, "/teams/team/members/me"),
        may_change => place.may(&Method::PATCH, "/teams/team"),
        back => place.url("teams"),
    };
    visit.show("org_team.html", Some(&place), told, values)
}

pub(super) async fn change(visit: &Visit<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    let org = visit.parameter("org")?;
    let field = |name: &str| fields.get(name).unwrap_or_default();
    if visit.section == Section::Teams {
        if change != "create" {
            return Ok(Outcome::Unknown);
        }
        let body = json!({ "name": field("name"), "description": field("description") });
        let all = format!("/{org}/teams");
        let ask = Ask::new(Method::POST, &all, body);
        let made = visit.ask(ask.once(visit.once(fields))).await?;
        return Ok(Outcome::Done("team_created", format!("/{org}/teams/{}", text(&made, "slug"))));
    }
    let path = format!("/{org}/teams/{}", visit.parameter("team")?);
    match change {
        "save" => {
            let body = json!({ "name": field("name"), "slug": field("slug"), "description": field("description"),
                               "is_default": fields.get("is_default").is_some() });
            let saved = visit.ask(Ask::new(Method::PATCH, &path, body)).await?;
            Ok(Outcome::Done("team_changed", format!("/{org}/teams/{}", text(&saved, "slug"))))
        }
        "delete" => {
            visit.ask(Ask::bare(Method::DELETE, &path)).await?;
            Ok(Outcome::Done("team_deleted", format!("/{org}/teams")))
        }
        "add" => {
            let user = whom(visit, org, field("who")).await?;
            let members = format!("{path}/members");
            visit.ask(Ask::new(Method::POST, &members, json!({ "user_id": user }))).await?;
            Ok(Outcome::Done("team_joined", path))
        }
        "drop" => {
            let member = format!("{path}/members/{}", plain(field("id"))?);
            visit.ask(Ask::bare(Method::DELETE, &member)).await?;
            Ok(Outcome::Done("team_left", path))
        }
        _ => Ok(Outcome::Unknown),
    }
}

/// The member that somebody has chosen or typed.
async fn whom(visit: &Visit<'_>, org: &str, who: &str) -> Result<String, Problem> {
    let who = who.trim();
    if who.starts_with("mem_") {
        return Ok(who.to_owned());
    }
    let nobody = || Problem::new(Code::NotAMember).field("who");
    if who.is_empty() {
        return Err(nobody());
    }
    let (rows, _) = visit.rows(&format!("/{org}/members"), &[("q", who), ("limit", "2")]).await?;
    match rows.as_slice() {
        [one] => Ok(text(one, "id")),
        [] => Err(nobody()),
        _ => Err(Problem::invalid("who", "is the name of several members: type the whole address")),
    }
}
