//! `GET` and `POST /p/{project}/logout` (OpenID Connect RP-Initiated Logout): an application sends the browser here to end
//! its session.
//!
//! With the ID token of that very session the person has said so at the application; without one, or with another's, they
//! are asked first. The browser is sent on only to an address that is registered for exactly this purpose.

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State, rejection::BytesRejection},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, header};
use minijinja::context;
use serde_json::Value;

use crate::{
    app::{App, Shared},
    clients::{self, Client, redirect_uri::form_target},
    db::DbError,
    encoding::with_query,
    events::Actor,
    http::{cookies, csrf, page::PageError, redirect::see_other},
    login::session::{self, Session},
    oauth::Parameters,
    openapi::{Operation, Routes, get, object, page, text},
    projects::{self, Project},
    secret::{fingerprint, same},
    users,
};

/// The longest `state` that is sent back, in bytes.
const MAX_STATE: usize = 2048;

pub(super) fn router() -> Routes {
    const PARAMETERS: [&str; 4] = ["id_token_hint", "client_id", "post_logout_redirect_uri", "state"];
    let about = |name: &'static str| -> Operation {
        page(name, "End the session, and go back to the application (OpenID Connect RP-Initiated Logout)")
            .shows(&[200])
            .sends_on()
            .stops(&["unknown_client", "invalid_redirect_uri"])
    };
    let link = PARAMETERS.into_iter().fold(about("endSessionByLink"), |link, name| link.query(name, text()));
    let fields =
        PARAMETERS.into_iter().fold(object().may("confirm", text()), |fields, name| fields.may(name, text()));
    let form = about("endSessionByForm").takes_any_form(fields).or_none();
    Routes::new().at("/p/{project}/logout", get(by_link, link).post(by_form, form))
}

/// A page with this code instead of an answer.
struct Stop(&'static str);

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        tracing::error!(%error, "a sign-out could not go on");
        Self("unavailable")
    }
}

async fn by_link(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let ended = log_out(&app, &project_id, query.unwrap_or_default().as_bytes(), &headers, false).await;
    ended.unwrap_or_else(|Stop(code)| app.pages.error(&PageError::new(code)))
}

async fn by_form(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return app.pages.unreadable(rejection),
    };
    let ended = log_out(&app, &project_id, &body, &headers, true).await;
    ended.unwrap_or_else(|Stop(code)| app.pages.error(&PageError::new(code)))
}

/// What the application says.
struct Request {
    client: Option<Client>,
    /// Where to go afterwards, with `state`.
    then: Option<String>,
    hint: Option<Value>,
}

async fn log_out(
    app: &App,
    project_id: &str,
    query: &[u8],
    headers: &HeaderMap,
    is_form: bool,
) -> Result<Response, Stop> {
    let parameters = Parameters::of_form(query).map_err(|_| Stop("invalid_request"))?;
    let project = projects::find(&mut *app.db.read().await?, project_id).await?.ok_or(Stop("not_found"))?;
    let request = read(app, &project, &parameters).await?;
    let Some(session) = session::of_project(app, headers, project_id).await? else {
        return Ok(end(app, &project, &request));
    };
    let hinted = request.hint.as_ref().is_some_and(|hint| {
        let says = |name: &str| hint.get(name).and_then(Value::as_str);
        says("sid") == Some(&session.id) && says("sub") == Some(&session.user_id)
    });
    let word = fingerprint(&format!("sign out {}", session.token_hash));
    let confirmed = is_form
        && !csrf::page_form_is_foreign(headers)
        && parameters.get("confirm").is_some_and(|said| same(said, &word));
    if !hinted && !confirmed {
        return confirmation(app, &project, &session, &request, &parameters, &word).await;
    }
    let now = app.now_ms();
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                let actor = Actor::User(session.user_id.clone());
                session::revoke(tx, &session, actor, now).await
            })
        })
        .await?;
    app.logouts.notify_one();
    let mut response = end(app, &project, &request);
    let name = cookies::session_name(&app.settings, &app.public, &project.id);
    response.headers_mut().append(header::SET_COOKIE, cookies::set(&app.public, &name, "", "/", 0));
    Ok(response)
}

async fn read(app: &App, project: &Project, parameters: &Parameters) -> Result<Request, Stop> {
    let hint = match parameters.take("id_token_hint") {
        None => None,
        Some(token) => {
            let ring = app.keys.ring(&project.id, app.now_ms()).await.map_err(|_| Stop("unavailable"))?;
            // One that has ended is still a hint; one that nobody signed is none.
            let claims = ring.id_token(&token).filter(|claims| {
                claims.get("iss").and_then(Value::as_str) == Some(&app.public.issuer(&project.id))
            });
            Some(claims.ok_or(Stop("invalid_request"))?)
        }
    };
    let hinted = hint.as_ref().and_then(|hint| hint.get("aud")?.as_str()).map(str::to_owned);
    let named = parameters.take("client_id");
    if let (Some(hinted), Some(named)) = (&hinted, &named)
        && hinted != named
    {
        return Err(Stop("invalid_request"));
    }
    let client = match hinted.or(named) {
        None => None,
        Some(id) => {
            let client = clients::find(&mut *app.db.read().await?, &id).await?;
            Some(client.filter(|client| client.project_id == project.id).ok_or(Stop("unknown_client"))?)
        }
    };
    let state = parameters.take("state");
    if state.as_ref().is_some_and(|state| state.len() > MAX_STATE) {
        return Err(Stop("invalid_request"));
    }
    let then = match parameters.take("post_logout_redirect_uri") {
        None => None,
        Some(uri) => {
            let registered =
                client.as_ref().is_some_and(|client| client.post_logout_redirect_uris.contains(&uri));
            if !registered {
                return Err(Stop("invalid_redirect_uri"));
            }
            Some(match &state {
                Some(state) => with_query(&uri, &[("state", state)]),
                None => uri,
            })
        }
    };
    Ok(Request { client, then, hint })
}

/// Where the browser goes when there is no session any more.
fn end(app: &App, project: &Project, request: &Request) -> Response {
    match &request.then {
        Some(uri) => see_other(uri),
        None => {
            let values = context! { project => project.name.as_str(), done => true };
            app.pages.show(StatusCode::OK, "logout.html", values, None)
        }
    }
}

async fn confirmation(
    app: &App,
    project: &Project,
    session: &Session,
    request: &Request,
    parameters: &Parameters,
    word: &str,
) -> Result<Response, Stop> {
    let user = users::find(&mut *app.db.read().await?, &project.id, &session.user_id).await?;
    let mut fields: Vec<(&str, String)> = Vec::new();
    if let Some(client) = &request.client {
        fields.push(("client_id", client.id.clone()));
    }
    for name in ["post_logout_redirect_uri", "state"] {
        fields.extend(parameters.take(name).map(|value| (name, value)));
    }
    let values = context! {
        project => project.name.as_str(),
        done => false,
        email => user.map(|user| user.email).unwrap_or_default(),
        action => format!("{}/logout", app.public.issuer(&project.id)),
        confirm => word,
        fields => fields,
    };
    let target = request.then.as_deref().and_then(form_target);
    Ok(app.pages.show(StatusCode::OK, "logout.html", values, target.as_deref()).into_response())
}
