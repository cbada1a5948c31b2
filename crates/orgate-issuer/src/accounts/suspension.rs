//! `PATCH /api/platform/projects/{project}/users/{user}`: an operator locks a person out of the project, or lets them in again.
//!
//! Whoever is suspended cannot sign in, and everything ends that was issued to them. What they belong to stays: once they
//! are let in again, they sign in and are what they were.

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::header;
use serde_json::json;

use crate::{
    app::Shared,
    db::Tx,
    events::{Actor, Event, EventType},
    factors,
    http::{Problem, body::Json, problem::Code},
    ids::Kind,
    login::session,
    one_time,
    openapi::{Named, Routes, body, email, flag, object, one_of, operators, patch, text},
    operators::{Operator, Rank},
    users::{self, User},
};

const STATES: [&str; 2] = ["active", "suspended"];

pub(crate) fn router() -> Routes {
    let about = operators("changeUser", "Suspend a user, or end that")
        .takes(body().with("status", one_of(STATES)))
        .gives(200, USER);
    Routes::new().at("/api/platform/projects/{project}/users/{user}", patch(change, about))
}

const USER: Named = Named("User", || {
    object()
        .with("id", text())
        .with("email", email())
        .with("email_verified", flag())
        .with("name", text().or_null())
        .with("status", one_of(STATES))
        .done()
});

async fn change(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, user)): Path<(String, String)>,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    operator.require(&mut *app.db.read().await?, &project, Rank::Admin).await?;
    let active = match body.required_text("status")?.as_str() {
        "active" => true,
        "suspended" => false,
        _ => return Err(Problem::invalid("status", "is `active` or `suspended`")),
    };
    body.finish()?;
    let (id, now) = (Kind::User.canonical(&user), app.now_ms());
    let user = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                operator.require(tx, &project, Rank::Admin).await?;
                set_active(tx, (&project, &id), active, Actor::Operator(operator.id), now).await
            })
        })
        .await?;
    let shown = json!({
        "id": user.id,
        "email": user.email,
        "email_verified": user.email_verified,
        "name": user.name,
        "status": if user.active { "active" } else { "suspended" },
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], axum::Json(shown)).into_response())
}

/// Suspends a user of the project, or ends that.
pub(crate) async fn set_active(
    tx: &mut Tx,
    (project_id, user_id): (&str, &str),
    active: bool,
    actor: Actor,
    now_ms: i64,
) -> Result<User, Problem> {
    // Whoever is signing in comes before or after the whole.
    if users::set_active(tx, project_id, user_id, active, now_ms).await? {
        if !active {
            one_time::end_all(tx, user_id).await?;
            factors::end_tickets(tx, user_id).await?;
            session::expel_all(tx, (project_id, user_id), None, &actor, now_ms).await?;
        }
        tx.record(Event {
            project_id: project_id.to_owned(),
            kind: if active { EventType::UserActivated } else { EventType::UserSuspended },
            actor,
            org_id: None,
            target_id: user_id.to_owned(),
            data: json!({}),
            at: now_ms,
        });
    }
    Ok(users::find(tx, project_id, user_id).await?.ok_or(Code::NotFound)?)
}
