//! `GET {prefix}/passkeys`, `POST {prefix}/passkeys/register/{begin,finish}` and `DELETE {prefix}/passkeys/{id}`: the keys of
//! one's own. Changing them wants a sign-in of the last ten minutes.

use axum::{
    Router,
    extract::{Path, RawPathParams, State},
    response::{IntoResponse as _, Response},
    routing::{delete, get, post},
};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::{own, security::enter};
use crate::{
    app::Shared,
    http::{Problem, body::Json},
    login::account::{current, private},
    passkeys,
};

pub(crate) fn router(prefix: &str) -> Router<Shared> {
    let mut router = Router::new();
    for base in [prefix.to_owned(), format!("/p/{{project}}{prefix}")] {
        router = router
            .route(&format!("{base}/passkeys"), get(list))
            .route(&format!("{base}/passkeys/register/begin"), post(begin))
            .route(&format!("{base}/passkeys/register/finish"), post(finish))
            .route(&format!("{base}/passkeys/{{passkey}}"), delete(remove));
    }
    router
}

async fn list(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = current(&app, path, &headers).await?;
    let all = passkeys::of_user(&mut *app.db.read().await?, &session.user_id).await?;
    let data: Vec<_> = all.iter().map(passkeys::Passkey::to_json).collect();
    Ok(private(json!({ "data": data, "next_cursor": null })))
}

async fn begin(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Problem> {
    let (project, session) = enter(&app, path, &headers).await?;
    body.finish()?;
    Ok(private(own::begin_passkey(&app, &project, session).await?))
}

async fn finish(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    let (_, session) = enter(&app, path, &headers).await?;
    let credential = body.take("credential").ok_or_else(|| Problem::invalid("credential", "is missing"))?;
    let name = body.text("name")?;
    body.finish()?;
    let passkey = own::add_passkey(&app, session, &credential, name).await?;
    Ok((StatusCode::CREATED, private(passkey.to_json())).into_response())
}

async fn remove(
    State(app): State<Shared>,
    parameters: RawPathParams,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let parameter =
        |name| parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned());
    let (_, session) = enter(&app, parameter("project").map(Path), &headers).await?;
    own::remove_passkey(&app, session, parameter("passkey").unwrap_or_default()).await?;
    Ok(StatusCode::NO_CONTENT)
}
