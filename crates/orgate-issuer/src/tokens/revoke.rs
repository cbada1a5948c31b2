//! `POST /p/{project}/revoke` (RFC 7009).
//!
//! A refresh token ends with its family; an access token is noted until it would have ended, so that an introspection says
//! no. Tokens of other clients, and what is no token, are answered like those that were revoked.

use axum::{
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;

use super::{access, queries, refresh_token};
use crate::{
    app::{App, Shared},
    clients::{self, Client},
    db::{DbError, Tx},
    events::{Actor, Event, EventType},
    oauth::{Parameters, TokenError, only_post},
    openapi::{Routes, oauth, post},
    projects::Project,
};

pub(super) fn router() -> Routes {
    let about = oauth("revoke", "End a token (RFC 7009)").takes_form(super::about_a_token()).answers(
        200,
        "It does not stand any more, if it ever did.",
        None,
        &[],
    );
    Routes::new().at("/p/{project}/revoke", post(revoke, about).fallback(only_post))
}

async fn revoke(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let done = async {
        let parameters = Parameters::of_form_body(&headers, body)?;
        let (project, client) = clients::authenticate(&app, Some(&project_id), &headers, &parameters).await?;
        let token = parameters.required("token", "`token` is missing")?;
        if token.starts_with("ort_") {
            end_family(&app, client, &token).await
        } else {
            end_token(&app, &project, &client, &token).await
        }
    };
    match done.await {
        Ok(()) => {
            let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            (StatusCode::OK, no_store).into_response()
        }
        Err(error) => error.into_response(),
    }
}

async fn end_family(app: &App, client: Client, token: &str) -> Result<(), TokenError> {
    let Some(presented) = refresh_token::parse(&app.secrets, token) else { return Ok(()) };
    let now = app.now_ms();
    app.db
        .write::<_, TokenError>(move |tx| {
            Box::pin(async move {
                let family = queries::family(tx, &presented.family_id).await?;
                let Some(family) = family.filter(|family| family.client_id == client.id) else {
                    return Ok(());
                };
                if queries::revoke_family(tx, &family.id, "revoked", now).await? {
                    record(tx, &family.project_id, "family", &family.id, now);
                }
                Ok(())
            })
        })
        .await
}

async fn end_token(app: &App, project: &Project, client: &Client, token: &str) -> Result<(), TokenError> {
    let Some(token) = access::read(app, project, token).await? else { return Ok(()) };
    if token.text("client_id") != client.id {
        return Ok(());
    }
    let (project_id, now) = (project.id.clone(), app.now_ms());
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                let jti = token.text("jti");
                queries::forget_revoked(tx, now).await?;
                if queries::insert_revoked(tx, &project_id, jti, token.ends_at()).await? {
                    record(tx, &project_id, "token", jti, now);
                }
                Ok(())
            })
        })
        .await?;
    Ok(())
}

fn record(tx: &mut Tx, project_id: &str, what: &str, id: &str, at: i64) {
    tx.record(Event {
        project_id: project_id.to_owned(),
        kind: EventType::TokenRevoked,
        actor: Actor::System,
        org_id: None,
        target_id: id.to_owned(),
        data: json!({ "what": what }),
        at,
    });
}
