//! `…/organizations/{org}/domains`, and what is suggested to whoever has an address at one.

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{
    Call,
    organizations::{tag, versioned},
};
use crate::{
    app::Shared,
    db::{Conn, Tx},
    domains::{self, Domain, Mode, Wish},
    http::{
        Problem,
        body::{Json, Object},
        paging::Page,
        problem::Code,
    },
    login::account::{Acting, asking, private},
    members::{Caller, Held},
    projects,
};

fn version(domain: &Domain) -> u64 {
    u64::try_from(domain.ver).unwrap_or(0)
}

fn answer(status: StatusCode, domain: &Domain) -> Response {
    versioned(status, version(domain), domain.to_json())
}

/// The domain of the path in an organization.
async fn named(conn: &mut Conn, call: &Call, org_id: &str) -> Result<Domain, Problem> {
    Ok(domains::find(conn, org_id, call.parameter("domain")).await?.ok_or(Code::NotFound)?)
}

pub(super) async fn list(State(app): State<Shared>, call: Call, page: Page) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let (organization, _) = call.enter(&mut conn).await?;
    let all = domains::list(&mut conn, &organization.id, &page).await?;
    Ok(private(page.answer(all.iter().map(|one| (one.id.clone(), one.to_json())).collect())))
}

pub(super) async fn show(State(app): State<Shared>, call: Call) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let (organization, _) = call.enter(&mut conn).await?;
    Ok(answer(StatusCode::OK, &named(&mut conn, &call, &organization.id).await?))
}

/// What is wished. Whose a domain is, is said by operators alone; from anybody else it is a field that nobody asked for.
fn wish(call: &Call, mut body: Object) -> Result<Wish, Problem> {
    let mode = body.text("mode")?.map(|word| {
        Mode::parse(&word).ok_or_else(|| Problem::invalid("mode", "is `off`, `suggest` or `auto_join`"))
    });
    let wish = Wish {
        mode: mode.transpose()?,
        role: body.text("role")?,
        verified: if call.is_operator() { body.flag("verified")? } else { None },
    };
    body.finish()?;
    Ok(wish)
}

pub(super) async fn create(
    State(app): State<Shared>,
    call: Call,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    call.enter(&mut *app.db.read().await?).await?;
    let domain = body.required_text("domain")?;
    let wish = wish(&call, body)?;
    let made = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (_, held, caller) = call.hold(tx).await?;
                domains::create(tx, &held, &caller, (&domain, wish), call.now_ms).await
            })
        })
        .await?;
    Ok(answer(StatusCode::CREATED, &made))
}

/// Holds the organization and finds the domain of the path in it.
async fn hold(call: &Call, tx: &mut Tx) -> Result<(Held, Caller, Domain), Problem> {
    let (_, held, caller) = call.hold(tx).await?;
    let domain = named(tx, call, &held.org_id).await?;
    call.require_version(&tag(version(&domain)))?;
    Ok((held, caller, domain))
}

pub(super) async fn change(
    State(app): State<Shared>,
    call: Call,
    Json(body): Json,
) -> Result<Response, Problem> {
    call.enter(&mut *app.db.read().await?).await?;
    let wish = wish(&call, body)?;
    let changed = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (held, caller, before) = hold(&call, tx).await?;
                domains::update(tx, &held, &caller, (before, wish), call.now_ms).await
            })
        })
        .await?;
    Ok(answer(StatusCode::OK, &changed))
}

pub(super) async fn delete(State(app): State<Shared>, call: Call) -> Result<StatusCode, Problem> {
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (_, caller, domain) = hold(&call, tx).await?;
                domains::delete(tx, &caller, &domain, call.now_ms).await?;
                Ok(StatusCode::NO_CONTENT)
            })
        })
        .await
}

/// Looks at the domain, and keeps what it shows.
pub(super) async fn verify(State(app): State<Shared>, call: Call) -> Result<Response, Problem> {
    let domain = {
        let mut conn = app.db.read().await?;
        let (organization, _) = call.enter(&mut conn).await?;
        named(&mut conn, &call, &organization.id).await?
    };
    if !domain.is_verified() {
        domains::look(&app, &domain).await?;
    }
    let verified = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (_, caller, found) = hold(&call, tx).await?;
                domains::verify(tx, &caller, found, call.now_ms).await
            })
        })
        .await?;
    Ok(answer(StatusCode::OK, &verified))
}

/// The organization that may be joined by one's address: there is one at most, since a domain has one owner.
pub(super) async fn suggested(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = asking(&app, path, &headers).await?;
    let mut conn = app.db.read().await?;
    projects::require_organizations(&mut conn, &session.project_id).await?;
    let found = domains::suggested(&mut conn, &session.project_id, &session.user_id).await?;
    let data: Vec<Value> = found
        .iter()
        .map(|(organization, role)| {
            json!({
                "id": organization.id,
                "name": organization.name,
                "slug": organization.slug,
                "logo_url": organization.logo_url,
                "role": role,
            })
        })
        .collect();
    Ok(private(json!({ "data": data, "next_cursor": null })))
}

/// Joins it.
pub(super) async fn join(
    State(app): State<Shared>,
    acting: Acting,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    let Acting { session, project } = acting.in_organizations()?;
    let organization = body.required_text("organization_id")?;
    body.finish()?;
    let member = domains::join(&app, &project, &session.user_id, &organization).await?;
    Ok((StatusCode::CREATED, private(member.to_json(true))).into_response())
}
