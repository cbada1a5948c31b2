//! `GET` and `POST /p/{project}/login`: the sign-in page.

use axum::{
    extract::{Path, RawQuery, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use minijinja::context;

use super::{
    Entry, SignInError, SignedIn,
    authorize::{Stop, page_url, render, unmet},
    choose::{self, Next},
    own_pages, queries,
    request::{self, Lost, Request},
    second, session, sign_in,
};
use crate::{
    app::{App, Shared},
    clients::redirect_uri::form_target,
    db::DbError,
    factors,
    http::{Problem, body::Form, messages, peer::Peer, posted::Posted, problem::Code, redirect::see_other},
    openapi::{Routes, get, object, page, text},
    projects::{self, Project},
    secret::fingerprint,
    throttle::Visitor,
};

pub(super) fn router() -> Routes {
    let form = page("showLogin", "The page to sign in")
        .query("request", text())
        .shows(&[200])
        .stops(&["request_expired", "csrf"]);
    let sent = page("submitLogin", "Sign in, and go on")
        .takes_form(object().with("request", text()).with("email", text()).with("password", text()))
        .shows(&[200, 401, 403])
        .sends_on()
        .stops(&["request_expired", "locked", "rate_limited", "busy"]);
    Routes::new().at("/p/{project}/login", get(show, form).post(submit, sent))
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
    Posted(fields): Posted,
) -> Response {
    match enter(&app, &project_id, peer, &headers, &fields).await {
        Ok(response) => response,
        Err(stop) => render(&app, &project_id, stop),
    }
}

/// Project and request of a page; every page of the flow begins so.
pub(crate) async fn load(
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
    fields: &Form,
) -> Result<Response, Stop> {
    let handle = fields.get("request").ok_or(Stop::Page("request_expired"))?;
    let (project, request) = load(app, project_id, headers, handle).await?;
    let email = fields.get("email").unwrap_or_default();
    let password = fields.get("password").unwrap_or_default().to_owned();
    let previous = session::of_project(app, headers, project_id).await?;

    let visitor = Visitor::of(app, project_id, peer, headers);
    match sign_in(app, &project, &visitor, email, password, previous).await {
        Ok(Entry::In(signed_in)) => go_on(app, &project, &request, handle, &signed_in).await,
        Ok(Entry::Second(ticket)) => Ok(second::form(app, &project, Some((&request, handle)), &ticket, None)),
        Err(SignInError::Invalid) => {
            let wrong = Code::InvalidCredentials;
            Ok(form(app, &project, &request, handle, email, Some(wrong)))
        }
        Err(error) => Err(Problem::from(error).into()),
    }
}

/// What follows a sign-in on a page: the choice of an organization, or the way back to the application.
pub(crate) async fn go_on(
    app: &App,
    project: &Project,
    request: &Request,
    handle: &str,
    signed_in: &SignedIn,
) -> Result<Response, Stop> {
    let session = &signed_in.session;
    let Some(client_id) = &request.client_id else {
        return own_pages::come_back(app, request, handle, signed_in).await;
    };
    {
        let (hash, id) = (fingerprint(handle), session.id.clone());
        app.db
            .write::<_, DbError>(move |tx| {
                Box::pin(async move { queries::bind_request(tx, &hash, &id).await })
            })
            .await?;
    }
    let next = match request.params.accepts(factors::acr(&session.amr)) {
        true => choose::decide(app, project, session, client_id, &request.params).await,
        false => Err(unmet(&request.params)),
    };
    // The browser keeps its new session even if the application then gets an error.
    let mut response = match next {
        Ok(Next::Ask) => see_other(&page_url(app, &project.id, "organizations/choose", handle)),
        Ok(Next::Go(member)) => match choose::finish(app, handle, session, member).await {
            Ok(response) => response,
            Err(stop) => render(app, &project.id, stop),
        },
        Err(stop) => render(app, &project.id, stop),
    };
    signed_in.set_cookies(app, response.headers_mut());
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
        sign_up => page_url(app, &project.id, "signup", handle),
        forgot => page_url(app, &project.id, "forgot", handle),
        magic => page_url(app, &project.id, "magic", handle),
        passkey => page_url(app, &project.id, "passkey", handle),
        email => email,
        code => wrong.map(Code::as_str),
        message => wrong.map(messages::refused),
    };
    app.pages.show(status, "login.html", values, form_target(&request.params.redirect_uri).as_deref())
}
