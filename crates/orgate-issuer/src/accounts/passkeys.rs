//! `GET {prefix}/passkeys`, `POST {prefix}/passkeys/register/{begin,finish}`, `PATCH` and `DELETE {prefix}/passkeys/{id}`: the keys
//! of one's own. Changing them wants a sign-in of the last ten minutes.

use axum::{
    extract::{Path, RawPathParams, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::{own, security::enter};
use crate::{
    app::Shared,
    http::{Problem, body::Json, problem::Code},
    login::account::{current, private},
    openapi::{Named, Routes, anything, body, delete, get, object, own, post, text, time},
    passkeys,
};

pub(crate) fn router(prefix: &str) -> Routes {
    Routes::new().under(prefix, routes)
}

fn routes(base: &str) -> Routes {
    let changes = |name, about| own(name, about).refuses(&[Code::ReauthenticationRequired]);
    let all = own("listPasskeys", "The passkeys that one has").gives_all(PASSKEY);
    let options = changes("beginPasskey", "What a browser needs to have a passkey made")
        .takes(body())
        .gives(200, anything());
    let made = changes("finishPasskey", "A new passkey")
        .takes(body().with("credential", anything()).may("name", text()))
        .gives(201, PASSKEY);
    let removed = changes("removePasskey", "Go without a passkey").gives_nothing();
    let renamed = changes("renamePasskey", "Call a passkey something else")
        .takes(body().with("name", text()))
        .gives_nothing();
    Routes::new()
        .at(&format!("{base}/passkeys"), get(list, all))
        .at(&format!("{base}/passkeys/register/begin"), post(begin, options))
        .at(&format!("{base}/passkeys/register/finish"), post(finish, made))
        .at(&format!("{base}/passkeys/{{passkey}}"), delete(remove, removed).patch(rename, renamed))
}

const PASSKEY: Named = Named("Passkey", || {
    object()
        .with("id", text())
        .with("name", text())
        .with("created_at", time())
        .with("last_used_at", time().or_null())
        .done()
});

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

async fn rename(
    State(app): State<Shared>,
    parameters: RawPathParams,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<StatusCode, Problem> {
    let (_, session) = enter(&app, parameter(&parameters, "project").map(Path), &headers).await?;
    let name = body.required_text("name")?;
    body.finish()?;
    let id = parameter(&parameters, "passkey").unwrap_or_default();
    own::rename_passkey(&app, session, id, name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(
    State(app): State<Shared>,
    parameters: RawPathParams,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let (_, session) = enter(&app, parameter(&parameters, "project").map(Path), &headers).await?;
    own::remove_passkey(&app, session, parameter(&parameters, "passkey").unwrap_or_default()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parameter(parameters: &RawPathParams, name: &str) -> Option<String> {
    parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}
