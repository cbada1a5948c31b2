//! `GET` and `POST /p/{project}/login`: the sign-in page.

use axum::{
    Router,
    body::Bytes,
    extract::{Path, RawQuery, State, rejection::BytesRejection},
    response::Response,
    routing::get,
};
use http::{HeaderMap, StatusCode, header};
use minijinja::context;

use super::{
    SignInError,
    authorize::{Stop, page_url, render},
    choose::{self, Next},
    queries,
    request::{self, Lost, Request},
    session::{self, ABS_MS},
    sign_in,
};
use crate::{
    app::{App, Shared},
    clients::redirect_uri::form_target,
    db::DbError,
    http::{body::Form, cookies, csrf, peer::Peer, problem::Code, redirect::see_other},
    password::PasswordError,
    projects::{self, Project},
    secret::fingerprint,
};

pub(super) fn router() -> Router<Shared> {
    Router::new().route("/p/{project}/login", get(show).post(submit))
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
        let email = request.params.login_hint.clone().unwrap_or_default();
        Ok(form(&app, &project, &request, handle, &email, None))
    };
    shown.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

async fn submit(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    peer: Peer,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return app.pages.unreadable(rejection),
    };
    if csrf::page_form_is_foreign(&headers) {
        return render(&app, &project_id, Stop::Page("csrf"));
    }
    match enter(&app, &project_id, peer, &headers, &body).await {
        Ok(response) => response,
        Err(stop) => render(&app, &project_id, stop),
    }
}

/// Project and request of a page; every page of the flow begins so.
pub(super) async fn load(
    app: &App,
    project_id: &str,
    headers: &HeaderMap,
    handle: &str,
) -> Result<(Project, Request), Stop> {
    let mut conn = app.db.read().await?;
    let project = projects::find(&mut conn, project_id).await?.ok_or(Stop::Page("not_found"))?;
    match request::find(app, &mut conn, headers, project_id, handle).await? {
        Ok(request) => Ok((project, request)),
        Err(Lost::Expired) => Err(Stop::Page("request_expired")),
        Err(Lost::Foreign) => Err(Stop::Page("csrf")),
    }
}

async fn enter(
    app: &App,
    project_id: &str,
    peer: Peer,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Stop> {
    let fields = Form::parse(body).ok_or(Stop::Page("invalid_request"))?;
    let handle = fields.get("request").ok_or(Stop::Page("request_expired"))?;
    let (project, request) = load(app, project_id, headers, handle).await?;
    let email = fields.get("email").unwrap_or_default();
    let password = fields.get("password").unwrap_or_default().to_owned();
    let previous = session::of_project(app, headers, project_id).await?;

    let signed_in = match sign_in(app, &project, peer, email, password, previous).await {
        Ok(signed_in) => signed_in,
        Err(SignInError::Invalid) => {
            let wrong = Code::InvalidCredentials;
            return Ok(form(app, &project, &request, handle, email, Some(wrong)));
        }
        Err(SignInError::Password(PasswordError::TooLong)) => return Err(Stop::Page("too_large")),
        Err(SignInError::Password(PasswordError::Busy)) => return Err(Stop::Page("busy")),
        Err(SignInError::Password(PasswordError::RateLimited)) => return Err(Stop::Page("rate_limited")),
        Err(SignInError::Password(PasswordError::Failed)) => return Err(Stop::Page("internal")),
        Err(SignInError::Other(problem)) => {
            return Err(Stop::Page(if problem.code() == Code::Unavailable {
                "unavailable"
            } else {
                "internal"
            }));
        }
    };
    let session = signed_in.session;
    {
        let (hash, id) = (fingerprint(handle), session.id.clone());
        app.db
            .write::<_, DbError>(move |tx| {
                Box::pin(async move { queries::bind_request(tx, &hash, &id).await })
            })
            .await?;
    }
    // The browser keeps its new session even if the application then gets an error.
    let mut response = match choose::decide(app, &project, &session, &request.params).await {
        Ok(Next::Ask) => see_other(&page_url(app, project_id, "organizations/choose", handle)),
        Ok(Next::Go(member)) => match choose::finish(app, handle, &session, member).await {
            Ok(response) => response,
            Err(stop) => render(app, project_id, stop),
        },
        Err(stop) => render(app, project_id, stop),
    };
    let name = cookies::session_name(&app.settings, &app.public, project_id);
    let cookie = cookies::set(&app.public, &name, &signed_in.token, "/", ABS_MS);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

fn form(
    app: &App,
    project: &Project,
    request: &Request,
    handle: &str,
    email: &str,
    wrong: Option<Code>,
) -> Response {
    let status = wrong.map_or(StatusCode::OK, Code::status);
    let values = context! {
        project => project.name.as_str(),
        action => format!("{}/login", app.public.issuer(&project.id)),
        request => handle,
        email => email,
        code => wrong.map(Code::as_str),
        message => wrong.map(|code| format!("{}.", code.title())),
    };
    app.pages.show(status, "login.html", values, form_target(&request.params.redirect_uri).as_deref())
}
