//! Signing in with a passkey: `POST {prefix}/passkeys/sign-in/{begin,finish}` and the page `/p/{project}/passkey`.
//!
//! The page is the only one with a script, because a browser asks an authenticator for nothing else; the policy allows this
//! script alone, by its hash.

use axum::{
    extract::{Path, RawQuery, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use minijinja::context;
use serde_json::Value;

use super::{
    SignedIn, Start,
    account::{SESSION, answer, of_project, private, project_of},
    authorize::{Stop, page_url, render},
    page::{go_on, load},
    request::Request,
    session::{self, Session},
};
use crate::{
    activity::Count,
    app::{App, Shared},
    clients::redirect_uri::form_target,
    db::DbError,
    http::{
        Problem,
        body::{Form, Json},
        csrf,
        peer::Peer,
        posted::Posted,
        problem::Code,
    },
    openapi::{Routes, anyone, anything, body, get, object, page as a_page, post, text},
    passkeys,
    projects::Project,
    secret::random_token,
    throttle::{Pass, Visitor},
    users,
};

/// Presence and verification of the person, and possession of a key (RFC 8176).
const AMR: [&str; 3] = ["pop", "user", "mfa"];

pub(super) fn pages() -> Routes {
    let form = a_page("showPasskey", "The page that asks for a passkey")
        .query("request", text())
        .shows(&[200])
        .stops(&["request_expired", "csrf"]);
    let sent = a_page("submitPasskey", "Sign in with a passkey")
        .takes_form(object().with("request", text()).with("credential", text()))
        .shows(&[200, 401, 403])
        .sends_on()
        .stops(&["request_expired"]);
    Routes::new().at("/p/{project}/passkey", get(show, form).post(submit, sent))
}

pub(super) fn router(base: &str) -> Routes {
    let options = anyone("beginPasskeySignIn", "What a browser needs to sign in with a passkey")
        .takes(of_project(body()))
        .gives(200, anything());
    let signed = anyone("finishPasskeySignIn", "Sign in with a passkey")
        .takes(of_project(body().with("credential", anything())))
        .gives(200, SESSION)
        .refuses(&[Code::InvalidCredentials, Code::RefusedByHook]);
    Routes::new()
        .at(&format!("{base}/passkeys/sign-in/begin"), post(begin, options))
        .at(&format!("{base}/passkeys/sign-in/finish"), post(finish, signed))
}

/// A new challenge for signing in.
async fn challenge(app: &App, project: &Project) -> Result<String, Problem> {
    let challenge = random_token()?;
    let (copy, project_id, now) = (challenge.clone(), project.id.clone(), app.now_ms());
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move { passkeys::challenge(tx, &project_id, &copy, None, now).await })
        })
        .await?;
    Ok(challenge)
}

async fn sign_in(
    app: &App,
    project: &Project,
    visitor: &Visitor,
    credential: &Value,
    previous: Option<Session>,
) -> Result<SignedIn, Problem> {
    let signed_in = check(app, project, visitor, credential, previous).await;
    if let Err(Code::InvalidCredentials) = signed_in.as_ref().map_err(Problem::code) {
        app.activity.count(&project.id, Count::FailedSignIn, app.now_ms());
    }
    signed_in
}

async fn check(
    app: &App,
    project: &Project,
    visitor: &Visitor,
    credential: &Value,
    previous: Option<Session>,
) -> Result<SignedIn, Problem> {
    let refused = || Problem::new(Code::InvalidCredentials);
    let signed = passkeys::signed(app, project, credential).await?.ok_or_else(refused)?;
    let user =
        users::find(&mut *app.db.read().await?, &project.id, &signed.user_id).await?.ok_or_else(refused)?;
    let start = Start::asked(app, (&project.id, &user.id), &AMR, visitor, Pass::default()).await?;
    let (project_id, now) = (project.id.clone(), app.now_ms());
    let started = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                if !users::hold(tx, &start.session.user_id, None).await?
                    || !signed.accept(tx, &project_id, now).await?
                {
                    return Ok(None);
                }
                Ok(Some(start.store(tx, previous).await?))
            })
        })
        .await?;
    Ok(started.ok_or_else(refused)?.of(user).welcomed(app, project).await)
}

async fn begin(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    let project = project_of(&app, path, body.text("project")?, &headers).await?;
    body.finish()?;
    csrf::check_foreign(&headers, &app.public, &project.trusted_origins)?;
    let challenge = challenge(&app, &project).await?;
    Ok(private(passkeys::request_options(&app, &challenge)))
}

async fn finish(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    peer: Peer,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    let credential = body.take("credential").ok_or_else(|| Problem::invalid("credential", "is missing"))?;
    let project = project_of(&app, path, body.text("project")?, &headers).await?;
    body.finish()?;
    csrf::check_foreign(&headers, &app.public, &project.trusted_origins)?;
    let previous = session::of_project(&app, &headers, &project.id).await?;
    let visitor = Visitor::of(&app, &project.id, peer, &headers);
    let signed_in = sign_in(&app, &project, &visitor, &credential, previous).await?;
    answer(&app, &project, &signed_in).await
}

async fn show(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    let shown = async {
        let query = query.as_ref().ok_or(Stop::Page("invalid_request"))?;
        let handle = query.get("request").ok_or(Stop::Page("request_expired"))?;
        let (project, request) = load(&app, &project_id, &headers, handle).await?;
        page(&app, &project, &request, handle, None).await
    };
    shown.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

async fn submit(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    peer: Peer,
    headers: HeaderMap,
    Posted(fields): Posted,
) -> Response {
    let done = async {
        let handle = fields.get("request").ok_or(Stop::Page("request_expired"))?;
        let (project, request) = load(&app, &project_id, &headers, handle).await?;
        let credential = passkeys::parse(fields.get("credential").unwrap_or_default()).unwrap_or_default();
        let previous = session::of_project(&app, &headers, &project_id).await?;
        let visitor = Visitor::of(&app, &project_id, peer, &headers);
        match sign_in(&app, &project, &visitor, &credential, previous).await {
            Ok(signed_in) => go_on(&app, &project, &request, handle, &signed_in).await,
            Err(problem) if problem.code() == Code::InvalidCredentials => {
                page(&app, &project, &request, handle, Some(Code::InvalidCredentials)).await
            }
            Err(problem) => Err(problem.into()),
        }
    };
    done.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

async fn page(
    app: &App,
    project: &Project,
    request: &Request,
    handle: &str,
    wrong: Option<Code>,
) -> Result<Response, Stop> {
    let challenge = challenge(app, project).await?;
    let values = context! {
        project => project.name.as_str(),
        action => format!("{}/passkey", app.public.issuer(&project.id)),
        request => handle,
        options => passkeys::request_options(app, &challenge).to_string(),
        login => page_url(app, &project.id, "login", handle),
        code => wrong.map(Code::as_str),
    };
    let status = wrong.map_or(StatusCode::OK, Code::status);
    Ok(app.pages.show(status, "passkey.html", values, form_target(&request.params.redirect_uri).as_deref()))
}
