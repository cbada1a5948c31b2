//! `…/organizations/{org}/invitations`, for those who invite.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;

use super::{Call, Who};
use crate::{
    app::{App, Shared},
    db::Tx,
    http::{
        Problem,
        body::{Form, Json, Object, Query},
        paging::Page,
        problem::Code,
    },
    ids::Kind,
    invitations::{self, Desk, Host, Invitation, Wish},
    login::account::private,
    members::{self, Caller, Held, Inviter},
    organizations::Organization,
    projects::INVITATION_TTL_MS,
    roles::{authority::Power, catalogue},
    secret::random_token,
    users,
};

/// The role of whom is invited if nobody says which.
const USUAL_ROLE: &str = "member";

pub(super) async fn list(
    State(app): State<Shared>,
    call: Call,
    page: Page,
    Query(fields): Query,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let (organization, _) = call.enter(&mut conn).await?;
    let state = match fields.get("status") {
        None => Some(invitations::State::Pending),
        Some("all") => None,
        Some(word) => Some(invitations::State::parse(word).ok_or_else(|| {
            Problem::invalid("status", "is `pending`, `accepted`, `declined`, `revoked`, `expired` or `all`")
        })?),
    };
    let all = invitations::list(&mut conn, &organization.id, state, &page, call.now_ms).await?;
    let rows = all.iter().map(|one| (one.id.clone(), one.to_json())).collect();
    Ok(private(page.answer(rows)))
}

pub(super) async fn show(State(app): State<Shared>, call: Call) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let (organization, _) = call.enter(&mut conn).await?;
    let id = call.parameter("invitation");
    let found = invitations::find(&mut conn, &organization.id, id, call.now_ms).await?;
    Ok(private(found.ok_or(Code::NotFound)?.to_json()))
}

/// What is asked for, and who shall answer for it.
fn wish(app: &App, call: &Call, query: &Form, body: &mut Object) -> Result<(Wish, Option<String>), Problem> {
    let address = body.required_text("email")?;
    let address = crate::address::Address::parse(&address)
        .ok_or_else(|| Problem::invalid("email", "is not an email address"))?;
    // Whoever tries things out need not wait.
    let least = if app.settings.dev_outbox { 1000 } else { *INVITATION_TTL_MS.start() };
    let life_ms = body.duration("expires_in", &(least..=*INVITATION_TTL_MS.end()))?;
    let disclosed = match query.get("return_token") {
        None => call.is_operator() && body.flag("return_token")?.unwrap_or(false),
        Some("true") if call.is_operator() => true,
        Some("false") => false,
        Some("true") => return Err(Problem::new(Code::Forbidden).field("return_token")),
        Some(_) => return Err(Problem::invalid("return_token", "is `true` or `false`")),
    };
    let wish = Wish {
        address,
        role: body.text("role")?.unwrap_or_else(|| USUAL_ROLE.to_owned()),
        teams: body.texts("teams")?.unwrap_or_default(),
        life_ms: life_ms.unwrap_or(call.project.invitation_ttl_ms),
        disclosed,
    };
    Ok((wish, body.text("invited_by")?))
}

pub(super) async fn create(
    State(app): State<Shared>,
    call: Call,
    Query(fields): Query,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    call.enter(&mut *app.db.read().await?).await?;
    let (wish, invited_by) = wish(&app, &call, &fields, &mut body)?;
    body.finish()?;
    let token = random_token()?;
    let made = app
        .db
        .write::<_, Problem>({
            let (app, token) = (app.clone(), token.clone());
            move |tx| {
                Box::pin(async move {
                    let (organization, _, caller) = call.hold(tx).await?;
                    let other = other_host(tx, &call, &organization, &caller, invited_by).await?;
                    let host = host(tx, &call, &caller, other.as_ref()).await?;
                    invitations::create(tx, desk(&app, &call, &organization, &caller), host, wish, &token)
                        .await
                })
            }
        })
        .await?;
    let mut value = made.to_json();
    if let (true, Some(object)) = (made.disclosed, value.as_object_mut()) {
        object.insert("link".to_owned(), invitations::link(&app, &made.project_id, &token).into());
        object.insert("token".to_owned(), token.into());
    }
    Ok((StatusCode::CREATED, private(value)).into_response())
}

fn desk<'a>(app: &'a App, call: &'a Call, organization: &'a Organization, caller: &'a Caller) -> Desk<'a> {
    let (project, actor) = (&call.project, &caller.actor);
    Desk { app, project, organization, actor, language: call.language, now_ms: call.now_ms }
}

/// A member in whose name an operator invites.
struct Other {
    member_id: String,
    name: Option<String>,
    power: Power,
}

/// A user invites in his own name. An operator may do so in the name of a member who may invite.
async fn other_host(
    tx: &mut Tx,
    call: &Call,
    organization: &Organization,
    caller: &Caller,
    invited_by: Option<String>,
) -> Result<Option<Other>, Problem> {
    let Some(named) = invited_by else { return Ok(None) };
    if let Some(own) = &caller.own {
        let ids = [Kind::User.canonical(&named), Kind::Member.canonical(&named)];
        return match ids.contains(&own.user_id) || ids.contains(&own.id) {
            true => Ok(None),
            false => {
                Err(Problem::new(Code::Forbidden).detail("one invites in one's own name").field("invited_by"))
            }
        };
    }
    let member = members::member(tx, &organization.id, &named).await?.filter(|member| member.active);
    let member =
        member.ok_or_else(|| Problem::invalid("invited_by", "names no member of this organization"))?;
    if !member.role.may_invite() {
        return Err(Problem::new(Code::Forbidden).detail("needs `invite`").field("invited_by"));
    }
    let mut power = Power::from(&member.role);
    if power.is_above_all() {
        power.permissions = catalogue::everything(tx, &call.project.id).await?;
    }
    Ok(Some(Other { member_id: member.id, name: member.name, power }))
}

async fn host<'a>(
    tx: &mut Tx,
    call: &Call,
    caller: &'a Caller,
    other: Option<&'a Other>,
) -> Result<Host<'a>, Problem> {
    let (inviter, power, name) = match (&call.who, &caller.own, other) {
        (_, _, Some(other)) => (Inviter::Member(other.member_id.clone()), &other.power, other.name.clone()),
        (_, Some(own), None) => {
            let user = users::find(tx, &call.project.id, &own.user_id).await?;
            (Inviter::Member(own.id.clone()), &caller.power, user.and_then(|user| user.name))
        }
        (Who::Operator { id, .. }, None, None) => (Inviter::Operator(id.clone()), &caller.power, None),
        (Who::User(_), None, None) => return Err(Code::Forbidden.into()),
    };
    Ok(Host { inviter, power, name })
}

/// Holds the organization and finds the invitation of the path in it.
async fn hold(call: &Call, tx: &mut Tx) -> Result<(Organization, Held, Caller, Invitation), Problem> {
    let (organization, held, caller) = call.hold(tx).await?;
    let id = call.parameter("invitation");
    let found = invitations::find(tx, &organization.id, id, call.now_ms).await?.ok_or(Code::NotFound)?;
    Ok((organization, held, caller, found))
}

pub(super) async fn resend(State(app): State<Shared>, call: Call) -> Result<Response, Problem> {
    let token = random_token()?;
    let sent = app
        .db
        .write::<_, Problem>({
            let app = app.clone();
            move |tx| {
                Box::pin(async move {
                    let (organization, _, caller, found) = hold(&call, tx).await?;
                    let host = host(tx, &call, &caller, None).await?;
                    let desk = desk(&app, &call, &organization, &caller);
                    invitations::resend(tx, desk, host, found, &token).await
                })
            }
        })
        .await?;
    Ok(private(sent.to_json()))
}

pub(super) async fn revoke(State(app): State<Shared>, call: Call) -> Result<StatusCode, Problem> {
    app.db
        .write::<_, Problem>({
            let app = app.clone();
            move |tx| {
                Box::pin(async move {
                    let (organization, _, caller, found) = hold(&call, tx).await?;
                    let desk = desk(&app, &call, &organization, &caller);
                    invitations::revoke(tx, desk, &caller.power, &found).await?;
                    Ok(StatusCode::NO_CONTENT)
                })
            }
        })
        .await
}
