//! `GET` and `POST /console/sign-in`, `POST /console/sign-out`.
//!
//! The session is the operators' own, the one that `POST /api/platform/operators/login` begins. Its cookie for the pages is
//! another one: that of the API is bound to the API's path.

use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use http::{HeaderMap, StatusCode, header};
use minijinja::context;

use super::{halt, url as page_url};
use crate::{
    app::{App, Shared},
    http::{
        Problem, body::Form, cookies, page::PageError, peer::Peer, posted::Posted, problem::Code,
        redirect::see_other,
    },
    openapi::{Routes, get, object, page, post, text},
    operators::{self, SESSION_ABS_MS},
    secret::{fingerprint, same},
    throttle::{PLACE_MEMORY_MS, Visitor},
};

pub(super) fn router() -> Routes {
    let form = page("showOperatorSignIn", "The page where operators sign in")
        .query("to", text())
        .query("done", text())
        .shows(&[200])
        .sends_on();
    let fields = object().with("email", text()).with("password", text()).may("to", text());
    let sent = page("submitOperatorSignIn", "Sign in as an operator, and go on")
        .takes_form(fields)
        .shows(&[200, 401])
        .sends_on()
        .stops(&["locked", "rate_limited", "busy"]);
    let out = page("submitOperatorSignOut", "End the session of an operator")
        .takes_form(object().may("word", text()))
        .or_none()
        .sends_on()
        .stops(&["csrf"]);
    Routes::new()
        .at("/console/sign-in", get(show, form).post(submit, sent))
        .at("/console/sign-out", post(leave, out))
}

/// The page that leads back to the page at `path` behind `/console`.
pub(super) fn url(app: &App, path: &str) -> String {
    let to = form_urlencoded::byte_serialize(path.as_bytes()).collect::<String>();
    match path {
        "" => page_url(app, "/sign-in"),
        _ => page_url(app, &format!("/sign-in?to={to}")),
    }
}

/// Where somebody goes who has signed in: a page of ours, and nothing else.
fn target(to: &str) -> &str {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '.');
    let ours = to.starts_with('/') && !to.starts_with("//") && !to.contains("..") && to.chars().all(fits);
    if ours && to.len() <= 512 { to } else { "" }
}

async fn show(State(app): State<Shared>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let Some(query) = Form::parse(query.unwrap_or_default().as_bytes()) else {
        return app.pages.error(&PageError::new("bad_request"));
    };
    let to = target(query.get("to").unwrap_or_default());
    match signed_in(&app, &headers).await {
        Ok(Some(_)) => see_other(&page_url(&app, to)),
        Ok(None) => form(&app, to, "", None, query.get("done") == Some("signed_out")),
        Err(problem) => halt(&app, "", &problem),
    }
}

/// The token of the session, if it has not ended.
async fn signed_in(app: &App, headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(token) = cookies::read(headers, &cookies::console_name(&app.public)) else { return Ok(None) };
    let found = operators::signed_in(&mut *app.db.read().await?, &token, app.now_ms()).await?;
    Ok(found.map(|_| token))
}

fn form(app: &App, to: &str, email: &str, wrong: Option<Code>, is_out: bool) -> Response {
    let status = wrong.map_or(StatusCode::OK, Code::status);
    let values = context! {
        action => page_url(app, "/sign-in"),
        to => to,
        email => email,
        code => wrong.map(Code::as_str),
        is_out => is_out,
    };
    app.pages.show(status, "console_sign_in.html", values, None)
}

async fn submit(
    State(app): State<Shared>,
    peer: Peer,
    headers: HeaderMap,
    Posted(fields): Posted,
) -> Response {
    let to = target(fields.get("to").unwrap_or_default()).to_owned();
    let (email, password) =
        (fields.get("email").unwrap_or_default(), fields.get("password").unwrap_or_default());
    let visitor = Visitor::of_console(&app, peer, &headers);
    match operators::sign_in(&app, &visitor, email, password.to_owned()).await {
        Ok(signed_in) => {
            let mut response = see_other(&page_url(&app, &to));
            let name = cookies::console_name(&app.public);
            let session = cookies::set(&app.public, &name, &signed_in.session, "/", SESSION_ABS_MS);
            response.headers_mut().append(header::SET_COOKIE, session);
            if let Some(device) = &signed_in.device {
                let name = cookies::operator_device_name(&app.public);
                let cookie = cookies::set(&app.public, &name, device, "/", PLACE_MEMORY_MS);
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(problem) => match problem.code() {
            code @ Code::InvalidCredentials => form(&app, &to, email, Some(code), false),
            Code::Locked => app.pages.error(&PageError::new("locked").after(problem.retry_after())),
            _ => halt(&app, "", &problem),
        },
    }
}

async fn leave(State(app): State<Shared>, headers: HeaderMap, Posted(fields): Posted) -> Response {
    let ended = async {
        if let Some(token) = signed_in(&app, &headers).await? {
            let word = fingerprint(&format!("console {}", fingerprint(&token)));
            if !fields.get("word").is_some_and(|said| same(said, &word)) {
                return Err(Code::Csrf.into());
            }
            operators::sign_out(&app, &token).await?;
        }
        let mut response = see_other(&page_url(&app, "/sign-in?done=signed_out"));
        let gone = cookies::set(&app.public, &cookies::console_name(&app.public), "", "/", 0);
        response.headers_mut().append(header::SET_COOKIE, gone);
        Ok(response)
    };
    ended.await.unwrap_or_else(|problem: Problem| halt(&app, "", &problem))
}
