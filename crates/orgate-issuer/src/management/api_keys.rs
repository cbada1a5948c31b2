//! `…/organizations/{org}/api-keys`.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;

use super::Call;
use crate::{
    api_keys::{self, ApiKey, Wish},
    app::Shared,
    http::{Problem, body::Json, paging::Page, problem::Code},
    login::account::private,
};

/// The longest life of a key that has an end, in seconds.
const LONGEST: i64 = 10 * 366 * 24 * 3600;

pub(super) async fn list(State(app): State<Shared>, call: Call, page: Page) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let (organization, _) = call.enter(&mut conn).await?;
    let keys = api_keys::list(&mut conn, &organization.id, &page).await?;
    let rows = keys.iter().map(|key| (key.id.clone(), key.to_json(call.now_ms))).collect();
    Ok(private(page.answer(rows)))
}

pub(super) async fn show(State(app): State<Shared>, call: Call) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let (organization, _) = call.enter(&mut conn).await?;
    let key = api_keys::find(&mut conn, &organization.id, call.parameter("key")).await?;
    Ok(private(key.ok_or(Code::NotFound)?.to_json(call.now_ms)))
}

pub(super) async fn create(
    State(app): State<Shared>,
    call: Call,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    call.enter(&mut *app.db.read().await?).await?;
    let wish = Wish {
        name: body.required_text("name")?,
        permissions: body
            .texts("permissions")?
            .filter(|named| !named.is_empty())
            .ok_or_else(|| Problem::invalid("permissions", "names at least one"))?,
        expires_in: match body.take("expires_in").map(|value| value.as_i64()) {
            None => None,
            Some(Some(seconds @ 1..=LONGEST)) => Some(seconds),
            Some(_) => {
                return Err(Problem::invalid("expires_in", format!("is 1 to {LONGEST} seconds, or null")));
            }
        },
    };
    body.finish()?;
    let (key, secret, now_ms) = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (_, held, caller) = call.hold(tx).await?;
                let (key, secret) = api_keys::create(tx, &held, &caller, wish, call.now_ms).await?;
                Ok((key, secret, call.now_ms))
            })
        })
        .await?;
    let mut shown = key.to_json(now_ms);
    if let Some(members) = shown.as_object_mut() {
        members.insert("key".to_owned(), secret.into());
    }
    Ok((StatusCode::CREATED, private(shown)).into_response())
}

pub(super) async fn revoke(State(app): State<Shared>, call: Call) -> Result<Response, Problem> {
    let (key, now_ms): (ApiKey, i64) = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (_, held, caller) = call.hold(tx).await?;
                let named = call.parameter("key");
                let key = api_keys::find(tx, &held.org_id, named).await?.ok_or(Code::NotFound)?;
                api_keys::revoke(tx, &key, &caller, call.now_ms).await?;
                let key = api_keys::find(tx, &held.org_id, &key.id).await?.ok_or(Code::Internal)?;
                Ok((key, call.now_ms))
            })
        })
        .await?;
    Ok(private(key.to_json(now_ms)))
}
