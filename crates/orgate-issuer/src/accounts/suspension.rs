//! `PATCH /api/platform/projects/{project}/users/{user}`: an operator locks a person out of the project, or lets them in again.
//!
//! Whoever is suspended cannot sign in, and everything ends that was issued to them. What they belong to stays: once they
//! are let in again, they sign in and are what they were.

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde_json::json;

use super::directory::{STATES, USER, is_active, shown};
use crate::{
    app::Shared,
    db::{DbError, Tx},
    events::{Actor, Event, EventType},
    factors,
    http::{Problem, body::Json, problem::Code},
    ids::Kind,
    login::{account::private, session},
    one_time,
    openapi::{Routes, body, one_of, operators, patch},
    operators::{Operator, Rank},
    users::{self, User},
};

pub(crate) fn router() -> Routes {
    let about = operators("changeUser", "Suspend a user, or end that")
        .takes(body().with("status", one_of(STATES)))
        .gives(200, USER);
    Routes::new().at("/api/platform/projects/{project}/users/{user}", patch(change, about))
}

async fn change(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, user)): Path<(String, String)>,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    operator.require(&mut *app.db.read().await?, &project, Rank::Admin).await?;
    let active = is_active(&body.required_text("status")?)?;
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
    Ok(private(shown(&user)))
}

/// Ends everything that was issued to a user, and what is under way: a sign-in that waits for its second factor, and what
/// was mailed.
pub(super) async fn sign_out(
    tx: &mut Tx,
    (project_id, user_id): (&str, &str),
    actor: &Actor,
    now_ms: i64,
) -> Result<(), DbError> {
    one_time::end_all(tx, user_id).await?;
    factors::end_tickets(tx, user_id).await?;
    session::expel_all(tx, (project_id, user_id), None, actor, now_ms).await
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
            sign_out(tx, (project_id, user_id), &actor, now_ms).await?;
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
