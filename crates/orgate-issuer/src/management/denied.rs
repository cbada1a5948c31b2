//! What somebody who is known was not allowed to do is noted in the audit log, so much of it as one may cause.

use std::sync::{Arc, OnceLock};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use http::{Method, StatusCode};
use serde_json::json;

use super::Call;
use crate::{
    app::{App, Shared},
    db::DbError,
    events::{Actor, Event, EventType},
    http::problem::Code,
    ids::is_id,
    organizations, throttle,
};

/// Who is asking for what, once that is known.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    project_id: String,
    actor: Actor,
    method: Method,
    route: String,
    org: String,
    target: Option<String>,
}

/// Where [`Call`] says who is asking.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slip(Arc<OnceLock<Asked>>);

impl Slip {
    pub(super) fn fill(&self, call: &Call, route: Option<&MatchedPath>, prefix: &str) {
        let named = ["member", "role", "permission", "invitation", "team", "key", "domain"]
            .map(|name| call.parameter(name));
        let route = route.map_or("", MatchedPath::as_str);
        let _ = self.0.set(Asked {
            project_id: call.project.id.clone(),
            actor: call.actor(),
            method: call.method().clone(),
            route: route.strip_prefix(prefix).unwrap_or(route).to_owned(),
            org: call.parameter("org").to_owned(),
            target: named.into_iter().find(|id| is_id(id)).map(str::to_owned),
        });
    }
}

/// Notes a refusal (403) of the organizations' API.
pub(crate) async fn note(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let slip = Slip::default();
    request.extensions_mut().insert(slip.clone());
    let response = next.run(request).await;
    if response.status() == StatusCode::FORBIDDEN
        && let (Some(asked), Some(code)) = (slip.0.get(), response.extensions().get::<Code>())
        && let Err(error) = store(&app, asked.clone(), *code).await
    {
        tracing::error!(%error, "a refusal could not be noted");
    }
    response
}

async fn store(app: &App, asked: Asked, code: Code) -> Result<(), DbError> {
    let (now, secrets) = (app.now_ms(), Arc::clone(&app.secrets));
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                let by = format!("{}\n{}", asked.project_id, asked.actor.id().unwrap_or_default());
                if !throttle::admit_note(tx, &secrets, &by, now).await? {
                    return Ok(());
                }
                let organization = organizations::resolve(tx, &asked.project_id, &asked.org, now).await?;
                let org_id = organization.map(|organization| organization.id);
                let target = asked.target.or_else(|| org_id.clone());
                tx.record(Event {
                    target_id: target.unwrap_or_else(|| asked.project_id.clone()),
                    project_id: asked.project_id,
                    kind: EventType::RequestDenied,
                    actor: asked.actor,
                    org_id,
                    data: json!({ "method": asked.method.as_str(), "route": asked.route, "code": code.as_str() }),
                    at: now,
                });
                Ok(())
            })
        })
        .await
}
