//! `…/organizations/{org}/teams`, and who is in them.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;

use super::{
    Call,
    organizations::{member_json, tag, versioned},
};
use crate::{
    app::{App, Shared},
    db::{Conn, Tx},
    http::{
        Problem,
        body::{Json, Object},
        paging::Page,
        problem::Code,
    },
    login::account::private,
    members::{self, Caller, Held},
    teams::{self, Desk, Team, Wish},
};

fn answer(status: StatusCode, team: &Team) -> Response {
    versioned(status, u64::try_from(team.ver).unwrap_or(0), team.to_json())
}

/// The team of the path in an organization.
async fn named(conn: &mut Conn, call: &Call, org_id: &str) -> Result<Team, Problem> {
    Ok(teams::find(conn, org_id, call.parameter("team")).await?.ok_or(Code::NotFound)?)
}

pub(super) async fn list(State(app): State<Shared>, call: Call, page: Page) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let (organization, _) = call.enter(&mut conn).await?;
    let all = teams::list(&mut conn, &organization.id, &page).await?;
    Ok(private(page.answer(all.iter().map(|team| (team.id.clone(), team.to_json())).collect())))
}

pub(super) async fn show(State(app): State<Shared>, call: Call) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let (organization, _) = call.enter(&mut conn).await?;
    Ok(answer(StatusCode::OK, &named(&mut conn, &call, &organization.id).await?))
}

fn wish(mut body: Object) -> Result<Wish, Problem> {
    let wish = Wish {
        name: body.text("name")?,
        slug: body.text("slug")?,
        description: body.text("description")?,
        is_default: body.flag("is_default")?,
    };
    body.finish()?;
    Ok(wish)
}

fn desk<'a>(call: &Call, held: &'a Held, caller: &'a Caller) -> Desk<'a> {
    Desk { project_id: &held.project_id, org_id: &held.org_id, actor: &caller.actor, now_ms: call.now_ms }
}

pub(super) async fn create(
    State(app): State<Shared>,
    call: Call,
    Json(body): Json,
) -> Result<Response, Problem> {
    call.enter(&mut *app.db.read().await?).await?;
    let wish = wish(body)?;
    let made = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (organization, held, caller) = call.hold(tx).await?;
                if organization.personal {
                    return Err(Code::PersonalOrganization.into());
                }
                teams::create(tx, desk(&call, &held, &caller), wish).await
            })
        })
        .await?;
    Ok(answer(StatusCode::CREATED, &made))
}

/// Holds the organization and finds the team of the path in it.
async fn hold(call: &Call, tx: &mut Tx) -> Result<(Held, Caller, Team), Problem> {
    let (_, held, caller) = call.hold(tx).await?;
    let team = named(tx, call, &held.org_id).await?;
    Ok((held, caller, team))
}

pub(super) async fn change(
    State(app): State<Shared>,
    call: Call,
    Json(body): Json,
) -> Result<Response, Problem> {
    call.enter(&mut *app.db.read().await?).await?;
    update(&app, call, wish(body)?).await
}

/// Everything that is said about a team, besides its slug, which stays if it is not named.
pub(super) async fn replace(
    State(app): State<Shared>,
    call: Call,
    Json(body): Json,
) -> Result<Response, Problem> {
    call.enter(&mut *app.db.read().await?).await?;
    let wish = wish(body)?;
    let whole = Wish {
        name: Some(wish.name.ok_or_else(|| Problem::invalid("name", "is missing"))?),
        slug: wish.slug,
        description: Some(wish.description.unwrap_or_default()),
        is_default: Some(wish.is_default.unwrap_or(false)),
    };
    update(&app, call, whole).await
}

async fn update(app: &App, call: Call, wish: Wish) -> Result<Response, Problem> {
    let team = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (held, caller, before) = hold(&call, tx).await?;
                call.require_version(&tag(u64::try_from(before.ver).unwrap_or(0)))?;
                teams::update(tx, desk(&call, &held, &caller), before, wish).await
            })
        })
        .await?;
    Ok(answer(StatusCode::OK, &team))
}

pub(super) async fn delete(State(app): State<Shared>, call: Call) -> Result<StatusCode, Problem> {
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (held, caller, team) = hold(&call, tx).await?;
                call.require_version(&tag(u64::try_from(team.ver).unwrap_or(0)))?;
                teams::delete(tx, desk(&call, &held, &caller), &team).await?;
                Ok(StatusCode::NO_CONTENT)
            })
        })
        .await
}

pub(super) async fn members(State(app): State<Shared>, call: Call, page: Page) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let (organization, caller) = call.enter(&mut conn).await?;
    let team = named(&mut conn, &call, &organization.id).await?;
    let members = members::list_of_team(&mut conn, &organization.id, &team.id, &page).await?;
    let rows = members.iter().map(|one| (one.id.clone(), member_json(&call, &caller, one))).collect();
    Ok(private(page.answer(rows)))
}

pub(super) async fn add(
    State(app): State<Shared>,
    call: Call,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    {
        let mut conn = app.db.read().await?;
        let (organization, _) = call.enter(&mut conn).await?;
        named(&mut conn, &call, &organization.id).await?;
    }
    let user = body.required_text("user_id")?;
    body.finish()?;
    let (member, caller, call) = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (held, caller, team) = hold(&call, tx).await?;
                let member = members::member(tx, &held.org_id, &user).await?;
                let member = member.ok_or_else(|| Problem::new(Code::NotAMember).field("user_id"))?;
                let who = (member.id.as_str(), member.user_id.as_str());
                if !teams::join(tx, desk(&call, &held, &caller), &team.id, who).await? {
                    return Err(Code::AlreadyTeamMember.into());
                }
                Ok((member, caller, call))
            })
        })
        .await?;
    Ok((StatusCode::CREATED, private(member_json(&call, &caller, &member))).into_response())
}

pub(super) async fn remove(State(app): State<Shared>, call: Call) -> Result<StatusCode, Problem> {
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (held, caller, team) = hold(&call, tx).await?;
                let member = members::member(tx, &held.org_id, call.member()).await?.ok_or(Code::NotFound)?;
                let who = (member.id.as_str(), member.user_id.as_str());
                match teams::leave(tx, desk(&call, &held, &caller), &team.id, who).await? {
                    true => Ok(StatusCode::NO_CONTENT),
                    false => Err(Code::NotFound.into()),
                }
            })
        })
        .await
}
