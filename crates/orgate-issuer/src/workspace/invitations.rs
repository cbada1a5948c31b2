//! Who is invited, and what has become of it.

use axum::response::Response;
use http::Method;
use minijinja::{Value, context};
use serde_json::{Value as Json, json};

use super::{
    Outcome, Place, Told, Visit,
    members::{choices, roles},
    plain, stop,
    view::{day, text, titled},
};
use crate::{
    http::{Problem, body::Form},
    invitations::State,
    login::authorize::Stop,
    management::inside::Ask,
    roles::authority::Deed,
};

/// The role that is chosen if nobody says which.
const USUAL_ROLE: &str = "member";
/// What an invitation may have become, as the API and as people say it.
const STATES: [(&str, &str); 6] = [
    ("pending", "Open"),
    ("accepted", "Accepted"),
    ("declined", "Declined"),
    ("revoked", "Revoked"),
    ("expired", "Expired"),
    ("all", "All"),
];
/// The most teams that the form names.
const MOST_TEAMS: usize = 40;

pub(super) async fn page(visit: &Visit<'_>, told: &Told) -> Result<Response, Stop> {
    let place = Place::of(visit).await?;
    let status = visit.query.get("status").unwrap_or("pending");
    let of = [("status", status), ("cursor", visit.cursor())];
    let (rows, next) = visit.rows(&place.path("/invitations"), &of).await.map_err(stop)?;
    let roles = roles(visit, &place).await.map_err(stop)?;
    let teams = visit.all(&place.path("/teams")).await.map_err(stop)?;
    let chosen = told.typed("invite", "role").unwrap_or(USUAL_ROLE).to_owned();
    let named = |id: &str| teams.iter().find(|team| text(team, "id") == id).map(|team| text(team, "name"));
    let invited: Vec<Value> = rows.iter().map(|one| invitation(one, &named)).collect();
    let boxes =
        teams.iter().filter(|team| !team["is_default"].as_bool().unwrap_or_default()).take(MOST_TEAMS);
    let boxes: Vec<Value> = boxes
        .map(|team| {
            let name = format!("team.{}", text(team, "id"));
            context! { ticked => told.ticked("invite", &name, false), name => name, title => text(team, "name") }
        })
        .collect();
    let states: Vec<Value> = STATES
        .iter()
        .map(|(word, title)| {
            context! { title => *title, to => format!("{}?status={word}", place.url("invitations")),
            here => *word == status }
        })
        .collect();
    let values = context! {
        invitations => invited,
        states => states,
        status => status,
        next => visit.next(next, &of[..1]),
        later => !visit.cursor().is_empty(),
        may_invite => place.may(&Method::POST, "/invitations") && !place.organization.personal,
        choices => choices(&place, &roles, &chosen, Deed::Give),
        teams => boxes,
    };
    visit.show("org_invitations.html", Some(&place), told, values)
}

fn invitation(one: &Json, team: &impl Fn(&str) -> Option<String>) -> Value {
    let state = State::parse(&text(one, "status"));
    let teams = one["teams"].as_array().into_iter().flatten().filter_map(Json::as_str).filter_map(team);
    context! {
        id => text(one, "id"),
        email => text(one, "email"),
        role => titled(&text(one, "role")),
        status => STATES.iter().find(|(word, _)| *word == text(one, "status")).map(|(_, title)| *title),
        teams => teams.collect::<Vec<_>>(),
        sent => day(&one["sent_at"]),
        expires => day(&one["expires_at"]),
        open => state == Some(State::Pending),
        again => matches!(state, Some(State::Pending | State::Expired)),
    }
}

pub(super) async fn change(visit: &Visit<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    let org = visit.parameter("org")?;
    let (all, back) = (format!("/{org}/invitations"), format!("/{org}/invitations"));
    match change {
        "invite" => {
            let ticked = fields.all().filter_map(|(name, _)| name.strip_prefix("team."));
            let teams: Vec<&str> = ticked.collect();
            let role = fields.get("role").unwrap_or(USUAL_ROLE);
            let body = json!({ "email": fields.get("email").unwrap_or_default().trim(), "role": role, "teams": teams });
            visit.ask(Ask::new(Method::POST, &all, body).once(visit.once(fields))).await?;
            Ok(Outcome::Done("invited", back))
        }
        "resend" => {
            let id = plain(fields.get("id").unwrap_or_default())?;
            visit.ask(Ask::bare(Method::POST, &format!("{all}/{id}/resend"))).await?;
            Ok(Outcome::Done("resent", back))
        }
        "revoke" => {
            let id = plain(fields.get("id").unwrap_or_default())?;
            visit.ask(Ask::bare(Method::DELETE, &format!("{all}/{id}"))).await?;
            Ok(Outcome::Done("revoked", back))
        }
        _ => Ok(Outcome::Unknown),
    }
}
