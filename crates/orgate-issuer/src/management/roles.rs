//! `…/organizations/{org}/roles`: those that are built in, and those that the organization made.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Call,
    organizations::{tag, versioned},
};
use crate::{
    app::Shared,
    http::{
        Problem,
        body::{Json, Object, Query},
        paging::Page,
        problem::Code,
    },
    login::account::private,
    members::{Caller, Held},
    roles::{
        self, Role,
        custom::{self, Custom, Desk, Wish, built_in_json},
    },
};

/// Where the built-in roles stand in a cursor: before every role of an organization, which begins with a letter.
fn place(at: usize) -> String {
    format!("!{at}")
}

pub(super) async fn list(State(app): State<Shared>, call: Call, page: Page) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let (organization, _) = call.enter(&mut conn).await?;
    let built_in = roles::names().into_iter().filter_map(Role::built_in).enumerate();
    let mut rows: Vec<(String, Value)> = built_in
        .map(|(at, role)| (place(at), built_in_json(&role)))
        .filter(|(place, _)| *place > page.after)
        .collect();
    for one in custom::list(&mut conn, &organization.id, &page).await? {
        rows.push((one.role.key.clone(), one.to_json()));
    }
    Ok(private(page.answer(rows)))
}

pub(super) async fn show(State(app): State<Shared>, call: Call) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let (organization, _) = call.enter(&mut conn).await?;
    if let Some(role) = Role::built_in(call.parameter("role")) {
        return Ok(private(built_in_json(&role)));
    }
    let found = custom::find(&mut conn, &organization.id, call.parameter("role")).await?;
    let role = found.ok_or(Code::NotFound)?;
    Ok(answer(StatusCode::OK, &role))
}

fn answer(status: StatusCode, role: &Custom) -> Response {
    versioned(status, u64::try_from(role.ver).unwrap_or(0), role.to_json())
}

fn desk<'a>(call: &Call, held: &'a Held, caller: &'a Caller) -> Desk<'a> {
    Desk {
        project_id: &held.project_id,
        org_id: &held.org_id,
        actor: &caller.actor,
        power: &caller.power,
        now_ms: call.now_ms,
    }
}

fn wish(body: &mut Object) -> Result<Wish, Problem> {
    let key = match (body.text("slug")?, body.text("key")?) {
        (Some(_), Some(_)) => return Err(Problem::invalid("key", "is another name of `slug`")),
        (one, other) => one.or(other),
    };
    let rank = match body.take("rank") {
        None => None,
        Some(value) => {
            Some(value.as_i64().ok_or_else(|| Problem::invalid("rank", "must be a whole number"))?)
        }
    };
    Ok(Wish {
        key,
        name: body.text("name")?,
        description: body.text("description")?,
        rank,
        permissions: body.texts("permissions")?,
    })
}

pub(super) async fn create(
    State(app): State<Shared>,
    call: Call,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    call.enter(&mut *app.db.read().await?).await?;
    let wish = wish(&mut body)?;
    body.finish()?;
    let made = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (_, held, caller) = call.hold(tx).await?;
                custom::create(tx, desk(&call, &held, &caller), wish).await
            })
        })
        .await?;
    Ok(answer(StatusCode::CREATED, &made))
}

pub(super) async fn patch(
    State(app): State<Shared>,
    call: Call,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    call.enter(&mut *app.db.read().await?).await?;
    let wish = wish(&mut body)?;
    body.finish()?;
    update(app, call, wish).await
}

pub(super) async fn put(
    State(app): State<Shared>,
    call: Call,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    call.enter(&mut *app.db.read().await?).await?;
    let mut wish = wish(&mut body)?;
    body.finish()?;
    if wish.name.is_none() || wish.permissions.is_none() {
        let field = if wish.name.is_none() { "name" } else { "permissions" };
        return Err(Problem::invalid(field, "is missing"));
    }
    wish.description.get_or_insert_default();
    update(app, call, wish).await
}

/// The organization's own role of the path; what is built in does not change.
async fn own_role(call: &Call, tx: &mut crate::db::Tx, held: &Held) -> Result<Custom, Problem> {
    let named = call.parameter("role");
    if roles::exists(named) {
        return Err(Code::BuiltIn.into());
    }
    let role = custom::find(tx, &held.org_id, named).await?.ok_or(Code::NotFound)?;
    call.require_version(&tag(u64::try_from(role.ver).unwrap_or(0)))?;
    Ok(role)
}

async fn update(app: Shared, call: Call, wish: Wish) -> Result<Response, Problem> {
    let role = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (_, held, caller) = call.hold(tx).await?;
                let before = own_role(&call, tx, &held).await?;
                custom::update(tx, desk(&call, &held, &caller), before, wish).await
            })
        })
        .await?;
    Ok(answer(StatusCode::OK, &role))
}

pub(super) async fn delete(
    State(app): State<Shared>,
    call: Call,
    Query(query): Query,
) -> Result<Response, Problem> {
    let instead = query.get("reassign_to").map(str::to_owned);
    let deleted = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (_, held, caller) = call.hold(tx).await?;
                let role = own_role(&call, tx, &held).await?;
                let id = role.id.clone();
                custom::delete(tx, desk(&call, &held, &caller), role, instead.as_deref()).await?;
                Ok(id)
            })
        })
        .await?;
    Ok(private(json!({ "id": deleted, "deleted": true })))
}
