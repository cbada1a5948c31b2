//! The second factor of a sign-in: `POST {prefix}/mfa/verify` and the page `/p/{project}/second-factor`.
//!
//! Who has shown the first factor holds a ticket. It is no session: it opens nothing but this door, for ten minutes and
//! five attempts, and attempts are counted against the account as those on the password are.

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use minijinja::{Value, context};

use super::{
    SignedIn, Start,
    account::{SESSION, answer, of_project, project_of},
    authorize::{Stop, render},
    page::{go_on, load},
    request::Request,
    session::{self, Session},
};
use crate::{
    activity::Count,
    app::{App, Shared},
    clients::redirect_uri::form_target,
    factors,
    http::{Problem, body::Json, csrf, messages, peer::Peer, posted::Posted, problem::Code},
    openapi::{Routes, anyone, body, object, page, post, text},
    projects::{self, Project},
    secret::fingerprint,
    throttle::{self, Admission, Owner, Visitor},
    users,
};

pub(super) fn pages() -> Routes {
    let fields = object().with("ticket", text()).with("code", text()).may("request", text());
    let about = page("submitSecondFactor", "Show the second factor")
        .takes_form(fields)
        .shows(&[200, 400])
        .sends_on()
        .stops(&["request_expired", "locked"]);
    Routes::new().at("/p/{project}/second-factor", post(submit, about))
}

pub(super) fn router(base: &str) -> Routes {
    let about = anyone("verifySecondFactor", "Show the second factor")
        .takes(of_project(body().with("ticket", text()).with("code", text())))
        .gives(200, SESSION)
        .refuses(&[Code::Mistyped, Code::SignInExpired, Code::Locked]);
    Routes::new().at(&format!("{base}/mfa/verify"), post(verify, about))
}

/// Takes the code of a sign-in that waits, and starts its session.
async fn finish(
    app: &App,
    project: &Project,
    visitor: &Visitor,
    shown: (&str, &str),
    previous: Option<Session>,
) -> Result<SignedIn, Problem> {
    let finished = check(app, project, visitor, shown, previous).await;
    if let Err(Code::Mistyped | Code::Locked) = finished.as_ref().map_err(Problem::code) {
        app.activity.count(&project.id, Count::FailedSignIn, app.now_ms());
    }
    finished
}

async fn check(
    app: &App,
    project: &Project,
    visitor: &Visitor,
    (ticket, code): (&str, &str),
    previous: Option<Session>,
) -> Result<SignedIn, Problem> {
    let (hash, now) = (fingerprint(ticket), app.now_ms());
    let (waiting, user) = {
        let mut conn = app.db.read().await?;
        let waiting =
            factors::waiting(&mut conn, &project.id, &hash, now).await?.ok_or(Code::SignInExpired)?;
        let user = users::find(&mut conn, &project.id, &waiting.user_id).await?.ok_or(Code::SignInExpired)?;
        (waiting, user)
    };
    let tried = throttle::Account {
        realm: format!("{} second factor", project.id),
        address: user.id.clone(),
        owner: Some(Owner::User(user.id.clone())),
    };
    let pass = match throttle::admit(app, visitor, tried).await? {
        Admission::Granted(pass) => pass,
        Admission::Wait(seconds) => return Err(Problem::new(Code::Locked).after(seconds)),
    };
    let amr: Vec<&str> = waiting.amr.iter().map(String::as_str).chain(["otp", "mfa"]).collect();
    let start = Start::new(app, &project.id, &user.id, &amr, visitor, pass)?;
    let (secrets, code, user_id) = (app.secrets.clone(), code.to_owned(), user.id.clone());
    let started = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                if !users::hold(tx, &user_id, None).await? || !factors::try_ticket(tx, &hash, now).await? {
                    return Err(Code::SignInExpired.into());
                }
                if !factors::check(tx, &secrets, &user_id, &code, now).await? {
                    return Ok(None);
                }
                factors::end_ticket(tx, &hash).await?;
                Ok(Some(start.store(tx, previous).await?))
            })
        })
        .await?;
    match started {
        Some(started) => Ok(started.of(user).welcomed(app, project).await),
        None => {
            tracing::info!(project.id = %project.id, user.id = %user.id, reason = "wrong_code", "a sign-in failed");
            Err(Code::Mistyped.into())
        }
    }
}

async fn verify(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    peer: Peer,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    let (ticket, code) = (body.required_text("ticket")?, body.required_text("code")?);
    let project = project_of(&app, path, body.text("project")?, &headers).await?;
    body.finish()?;
    csrf::check_foreign(&headers, &app.public, &project.trusted_origins)?;
    let previous = session::of_project(&app, &headers, &project.id).await?;
    let visitor = Visitor::of(&app, &project.id, peer, &headers);
    let signed_in = finish(&app, &project, &visitor, (&ticket, &code), previous).await?;
    answer(&app, &project, &signed_in).await
}

async fn submit(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    peer: Peer,
    headers: HeaderMap,
    Posted(fields): Posted,
) -> Response {
    let done = async {
        let (project, under_way) = match fields.get("request") {
            Some(handle) => {
                let (project, request) = load(&app, &project_id, &headers, handle).await?;
                (project, Some((request, handle)))
            }
            None => {
                let project = projects::find(&mut *app.db.read().await?, &project_id).await?;
                (project.ok_or(Stop::Page("not_found"))?, None)
            }
        };
        let previous = session::of_project(&app, &headers, &project_id).await?;
        let visitor = Visitor::of(&app, &project_id, peer, &headers);
        let ticket = fields.get("ticket").unwrap_or_default();
        let code = fields.get("code").unwrap_or_default();
        let under_way = under_way.as_ref().map(|(request, handle)| (request, *handle));
        match finish(&app, &project, &visitor, (ticket, code), previous).await {
            Ok(signed_in) => entered(&app, &project, under_way, &signed_in).await,
            Err(problem) if problem.code() == Code::Mistyped => {
                Ok(form(&app, &project, under_way, ticket, Some(&problem)))
            }
            Err(problem) if problem.code() == Code::SignInExpired => Err(Stop::Page("request_expired")),
            Err(problem) => Err(problem.into()),
        }
    };
    done.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

/// What follows a sign-in on a page: the way back to the application, if one is waiting.
pub(crate) async fn entered(
    app: &App,
    project: &Project,
    under_way: Option<(&Request, &str)>,
    signed_in: &SignedIn,
) -> Result<Response, Stop> {
    if let Some((request, handle)) = under_way {
        return go_on(app, project, request, handle, signed_in).await;
    }
    let values = context! {
        project => project.name.as_str(),
        code => "signed_in",
        title => "You are signed in",
        advice => "Go back to the application.",
    };
    let mut response = app.pages.show(StatusCode::OK, "notice.html", values, None);
    signed_in.set_cookies(app, response.headers_mut());
    Ok(response)
}

/// The page that asks for the code.
pub(crate) fn form(
    app: &App,
    project: &Project,
    under_way: Option<(&Request, &str)>,
    ticket: &str,
    wrong: Option<&Problem>,
) -> Response {
    let mut hidden = vec![context! { name => "ticket", value => ticket }];
    hidden.extend(under_way.map(|(_, handle)| context! { name => "request", value => handle }));
    let values = context! {
        project => project.name.as_str(),
        action => format!("{}/second-factor", app.public.issuer(&project.id)),
        title => "Second step",
        intro => "Enter the code that your authenticator application shows, or one of your recovery codes.",
        button => "Sign in",
        hidden => hidden,
        fields => vec![context! { name => "code", label => "Code of six digits, or a recovery code", type => "text", mode => "",
                                  autocomplete => "one-time-code", required => true, least => 0, most => 20,
                                  value => "" }],
        links => Vec::<Value>::new(),
        code => wrong.map(|problem| problem.code().as_str()),
        message => wrong.map(|problem| messages::refused(problem.code())),
    };
    let status = wrong.map_or(StatusCode::OK, |problem| problem.code().status());
    let target = under_way.and_then(|(request, _)| form_target(&request.params.redirect_uri));
    app.pages.show(status, "form.html", values, target.as_deref())
}
