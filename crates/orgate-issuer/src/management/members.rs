//! `…/organizations/{org}/members`, leaving, and transfers.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use serde_json::json;

use super::{
    Call,
    organizations::{member_json, sees_addresses, tag},
};
use crate::{
    app::Shared,
    db::Tx,
    http::{
        Problem,
        body::{Json, Query},
        paging::Page,
        problem::Code,
    },
    ids::Kind,
    login::account::private,
    members::{self, Caller, Held, Listed, NewMember},
    roles,
};

/// The most characters of what is searched for.
const MAX_WORDS: usize = 100;
/// The role of a new member if nobody says which.
const USUAL_ROLE: &str = "member";

pub(super) async fn list(
    State(app): State<Shared>,
    call: Call,
    page: Page,
    Query(fields): Query,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let (organization, caller) = call.enter(&mut conn).await?;
    let of = (call.project.id.as_str(), organization.id.as_str());
    let role = fields.get("role");
    let members = match fields.get("q").map(str::trim).filter(|words| !words.is_empty()) {
        Some(words) if words.chars().count() > MAX_WORDS => {
            return Err(Problem::invalid("q", format!("has at most {MAX_WORDS} characters")));
        }
        Some(words) => {
            let words = (words, sees_addresses(&call, &caller));
            members::search(&mut conn, &organization.id, words, role, &page).await?
        }
        None => members::list(&mut conn, of, role, &page).await?,
    };
    let rows = members.iter().map(|one| (one.id.clone(), member_json(&call, &caller, one))).collect();
    Ok(private(page.answer(rows)))
}

pub(super) async fn create(
    State(app): State<Shared>,
    call: Call,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    // An outsider learns nothing of what is wrong with the body.
    let (organization, _) = call.enter(&mut *app.db.read().await?).await?;
    let user_id = Kind::User.canonical(&body.required_text("user_id")?);
    let role = body.text("role")?.unwrap_or_else(|| USUAL_ROLE.to_owned());
    body.finish()?;
    call.ask_to_add(&app, &organization.id, (&user_id, &role)).await?;
    let (member, caller, call) = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (organization, _, caller) = call.hold(tx).await?;
                let new = NewMember {
                    project_id: call.project.id.clone(),
                    org_id: organization.id.clone(),
                    user_id,
                    role,
                };
                let by = (caller.actor.clone(), Some(&caller.power));
                let id = members::add(tx, new, by, call.now_ms).await?;
                let member = members::member(tx, &organization.id, &id).await?.ok_or(Code::Internal)?;
                Ok((member, caller, call))
            })
        })
        .await?;
    Ok((StatusCode::CREATED, private(member_json(&call, &caller, &member))).into_response())
}

pub(super) async fn show(State(app): State<Shared>, call: Call) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let (organization, caller) = call.enter(&mut conn).await?;
    let member = members::member(&mut conn, &organization.id, call.member()).await?.ok_or(Code::NotFound)?;
    Ok(private(member_json(&call, &caller, &member)))
}

/// Holds the organization and finds the member of the path in it.
async fn hold(call: &Call, tx: &mut Tx) -> Result<(Held, Caller, Listed), Problem> {
    let (_, held, caller) = call.hold(tx).await?;
    call.require_version(&tag(held.ver))?;
    let member = members::member(tx, &held.org_id, call.member()).await?.ok_or(Code::NotFound)?;
    Ok((held, caller, member))
}

/// Refuses who lacks a permission that the route alone does not ask for.
fn require(caller: &Caller, target: &Listed, permission: &str) -> Result<(), Problem> {
    let oneself = caller.own.as_ref().is_some_and(|own| own.id == target.id);
    if oneself || caller.power.permissions.iter().any(|own| own == permission) {
        return Ok(());
    }
    Err(Problem::new(Code::Forbidden).detail(format!("needs `{permission}`")))
}

pub(super) async fn change(
    State(app): State<Shared>,
    call: Call,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    call.enter(&mut *app.db.read().await?).await?;
    let (role, status) = (body.text("role")?, body.text("status")?);
    body.finish()?;
    let active = match status.as_deref() {
        None => None,
        Some("active") => Some(true),
        Some("suspended") => Some(false),
        Some(_) => return Err(Problem::invalid("status", "is `active` or `suspended`")),
    };
    if role.is_none() && active.is_none() {
        return Err(Problem::invalid("role", "is missing"));
    }
    if let Some(role) = &role {
        call.ask_to_change(&app, call.member(), role).await?;
    }
    let (member, caller, call) = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (held, caller, target) = hold(&call, tx).await?;
                if let Some(role) = &role {
                    require(&caller, &target, "change_roles")?;
                    if role == roles::OWNER && !target.role.is_owner() {
                        call.require_fresh()?;
                        members::transfer(tx, &held, &caller, &target, call.now_ms).await?;
                    } else {
                        members::change_role(tx, &held, &caller, &target, (role, call.now_ms)).await?;
                    }
                }
                if let Some(active) = active {
                    require(&caller, &target, "remove_members")?;
                    members::set_active(tx, &held, &caller, &target, (active, call.now_ms)).await?;
                }
                let member = members::member(tx, &held.org_id, &target.id).await?.ok_or(Code::Internal)?;
                Ok((member, caller, call))
            })
        })
        .await?;
    Ok(private(member_json(&call, &caller, &member)))
}

pub(super) async fn remove(State(app): State<Shared>, call: Call) -> Result<StatusCode, Problem> {
    call.ask_to_remove(&app, call.member()).await?;
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (held, caller, target) = hold(&call, tx).await?;
                members::remove(tx, &held, &caller, &target, call.now_ms).await?;
                Ok(StatusCode::NO_CONTENT)
            })
        })
        .await
}

pub(super) async fn leave(State(app): State<Shared>, call: Call) -> Result<StatusCode, Problem> {
    call.ask_to_remove(&app, &call.session()?.user_id).await?;
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (_, held, caller) = call.hold(tx).await?;
                let own = caller.own.as_ref().ok_or(Code::Forbidden)?;
                let own = members::member(tx, &held.org_id, &own.id).await?.ok_or(Code::NotFound)?;
                members::remove(tx, &held, &caller, &own, call.now_ms).await?;
                Ok(StatusCode::NO_CONTENT)
            })
        })
        .await
}

pub(super) async fn transfer(
    State(app): State<Shared>,
    call: Call,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    call.enter(&mut *app.db.read().await?).await?;
    let to = match (body.text("member_id")?, body.text("to")?) {
        (Some(_), Some(_)) => return Err(Problem::invalid("to", "is another name of `member_id`")),
        (one, other) => one.or(other).ok_or_else(|| Problem::invalid("member_id", "is missing"))?,
    };
    body.finish()?;
    call.ask_to_change(&app, &to, roles::OWNER).await?;
    let answer = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (_, held, caller) = call.hold(tx).await?;
                call.require_version(&tag(held.ver))?;
                call.require_fresh()?;
                let missing = || Problem::invalid("member_id", "names no member of this organization");
                let target = members::member(tx, &held.org_id, &to).await?.ok_or_else(missing)?;
                members::transfer(tx, &held, &caller, &target, call.now_ms).await?;
                let owner = members::member(tx, &held.org_id, &target.id).await?.ok_or(Code::Internal)?;
                let previous = members::member(tx, &held.org_id, &held.owner_member_id).await?;
                let previous = previous.ok_or(Code::Internal)?;
                Ok(json!({
                    "organization_id": held.org_id,
                    "owner": member_json(&call, &caller, &owner),
                    "previous_owner": member_json(&call, &caller, &previous),
                }))
            })
        })
        .await?;
    Ok(private(answer))
}
