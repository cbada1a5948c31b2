//! `GET /api/platform/operators/me` and `POST /api/platform/operators/password`: an operator's own account.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use super::{Operator, guess, queries};
use crate::{
    app::Shared,
    clock::rfc3339,
    http::{Problem, body::Json, cookies, peer::Peer, problem::Code},
    openapi::{Routes, body, email, get, object, operators, post, text, time},
    password::{Checked, For, rules},
    secret::fingerprint,
    throttle::{self, Visitor},
};

pub(super) fn router() -> Routes {
    let me = object()
        .with("id", text())
        .with("email", email())
        .with("project_id", text().or_null())
        .with("expires_at", time().or_null());
    let password = operators("changeOperatorPassword", "Another password; every other session ends")
        .takes(body().with("current_password", text()).with("password", text()))
        .gives_nothing()
        .refuses(&[Code::RateLimited, Code::Locked, Code::Busy, Code::Conflict]);
    Routes::new()
        .at("/api/platform/operators/me", get(show, operators("readOperator", "Who asks").gives(200, me)))
        .at("/api/platform/operators/password", post(change_password, password))
}

/// The session is that of the cookie; whoever comes with a key has none, and the key's project.
async fn show(
    State(app): State<Shared>,
    operator: Operator,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let stored = queries::find(&mut conn, &operator.id).await?.ok_or(Code::Unauthenticated)?;
    let ends = match cookies::read(&headers, cookies::OPERATOR).filter(|_| operator.only().is_none()) {
        Some(token) => queries::session_end(&mut conn, &fingerprint(&token)).await?,
        None => None,
    };
    let shown = json!({
        "id": operator.id,
        "email": stored.email,
        "project_id": operator.only(),
        "expires_at": ends.and_then(rfc3339),
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], axum::Json(shown)).into_response())
}

async fn change_password(
    State(app): State<Shared>,
    operator: Operator,
    peer: Peer,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<StatusCode, Problem> {
    if operator.only().is_some() {
        return Err(Problem::new(Code::Forbidden).detail("a key of a project does not change passwords"));
    }
    let (known, new) = (body.required_text("current_password")?, body.required_text("password")?);
    body.finish()?;
    let stored =
        queries::find(&mut *app.db.read().await?, &operator.id).await?.ok_or(Code::Unauthenticated)?;
    if let Some(objection) = rules::objection(&new, &[stored.email.as_str()]) {
        return Err(Problem::invalid("password", objection));
    }
    let visitor = Visitor::of_console(&app, peer, &headers);
    let account = stored.email_norm.as_str();
    let tried = (known, Some(stored.password_phc.clone()));
    let (pass, checked) = guess(&app, &visitor, (account, Some(&operator.id)), tried).await?;
    if checked == Checked::Wrong {
        return Err(Problem::invalid("current_password", "is wrong"));
    }
    let who = For::Request { peer: visitor.peer.0, realm: super::REALM, account };
    let phc = app.passwords.hash(who, new).await?;
    let session = cookies::read(&headers, cookies::OPERATOR).map(|token| fingerprint(&token));
    let now = app.now_ms();
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let change = (stored.password_phc.as_str(), phc.as_str());
                if !queries::replace_password(tx, &operator.id, change, now).await? {
                    return Err(Code::Conflict.into());
                }
                throttle::forgive(tx, &pass).await?;
                queries::delete_other_sessions(tx, &operator.id, &session.unwrap_or_default()).await?;
                Ok(StatusCode::NO_CONTENT)
            })
        })
        .await
}
