//! `signup`, `email/verify`, `email/resend`, `password/forgot`, `password/reset`, `magic-link` and `magic-link/verify`
//! under the prefix of the end users' API and under each project.
//!
//! `invitations/{token}/sign-up` is in `invited`.
//!
//! Whatever sends a mail answers 202, the same for every address.

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::{Of, Verified, Wish, invited};
use crate::{
    app::{App, Shared},
    http::{
        Problem,
        body::{Json, Object},
        csrf,
        peer::Peer,
        problem::Code,
    },
    login::{
        account::{SESSION, answer, answer_to, of_project, private, project_of},
        session,
    },
    one_time::Purpose,
    openapi::{
        Routes, anyone, body, either, email as address, flag, get, object, one_of, page as a_page, post, text,
    },
    projects::Project,
    throttle::Visitor,
    users,
};

pub(crate) fn router(prefix: &str) -> Routes {
    Routes::new().under(prefix, routes)
}

/// The pages of `super::pages`.
pub(crate) fn pages() -> Routes {
    use super::pages::{show, submit};
    let page = |name, about| a_page(name, about).shows(&[200]);
    let fields =
        |names: &[&'static str]| names.iter().fold(object(), |fields, name| fields.may(name, text()));
    let under_way = ["request_expired", "csrf"];
    let new = page("showSignUp", "The page to ask for an account").query("request", text()).stops(&under_way);
    let asked = a_page("submitSignUp", "Ask for an account")
        .takes_form(fields(&["request", "email", "password", "name"]))
        .shows(&[403, 422])
        .sends_on()
        .stops(&["request_expired", "rate_limited", "busy"]);
    let verify =
        page("showVerify", "The page that asks for the code that was mailed, or that its link leads to")
            .query("request", text())
            .query("sign_up", text())
            .query("token", text())
            .stops(&under_way)
            .stops(&["link_invalid"]);
    let verified = page("submitVerify", "Show that an address is one's own")
        .takes_form(fields(&["request", "sign_up", "code", "token", "password"]))
        .shows(&[400, 401])
        .sends_on()
        .stops(&["request_expired", "link_invalid", "rate_limited", "busy"]);
    let forgot =
        page("showForgot", "The page that has a link to another password mailed").query("request", text());
    let mailed = page("submitForgot", "Have a link to another password mailed")
        .takes_form(fields(&["request", "email"]))
        .shows(&[422])
        .stops(&["rate_limited"]);
    let reset = page("showReset", "The page to choose another password")
        .query("token", text())
        .stops(&["link_invalid"]);
    let chosen = page("submitReset", "Choose another password")
        .takes_form(fields(&["token", "password"]))
        .shows(&[422])
        .stops(&["link_invalid", "rate_limited", "busy"]);
    let magic = page("showMagic", "The page that has a link to sign in mailed, or that it leads to")
        .query("request", text())
        .query("token", text())
        .stops(&under_way)
        .stops(&["link_invalid"]);
    let entered = page("submitMagic", "Have a link to sign in mailed, or sign in by it")
        .takes_form(fields(&["request", "email", "token"]))
        .shows(&[403, 422])
        .sends_on()
        .stops(&["request_expired", "link_invalid", "rate_limited"]);
    Routes::new()
        .at("/p/{project}/signup", get(show, new).post(submit, asked))
        .at("/p/{project}/verify", get(show, verify).post(submit, verified))
        .at("/p/{project}/forgot", get(show, forgot).post(submit, mailed))
        .at("/p/{project}/reset", get(show, reset).post(submit, chosen))
        .at("/p/{project}/magic", get(show, magic).post(submit, entered))
}

fn routes(base: &str) -> Routes {
    let sent = || object().with("status", one_of(["mail_sent"]));
    let mails = |name, about| anyone(name, about).refuses(&[Code::RateLimited]);
    let by_address = || of_project(body().with("email", address()));
    let new = of_project(body().with("email", address()).with("password", text()).may("name", text()));
    let sign_up_ = mails("signUp", "Ask for an account")
        .takes(new)
        .gives(202, sent().with("sign_up", text()))
        .refuses(&[Code::Busy, Code::RefusedByHook]);
    let code = body().with("code", text()).may("email", address()).may("sign_up", text());
    let verify_ = anyone("verifyEmail", "Show that an address is one's own, and sign in after a sign-up")
        .takes(of_project(code))
        .gives(200, either(SESSION, object().with("email_verified", flag())))
        .refuses(&[Code::Mistyped]);
    let resend_ = mails("resendEmail", "Have another code mailed")
        .takes(of_project(body().may("sign_up", text())))
        .gives(202, sent());
    let forgot_ = mails("forgotPassword", "Have a link to another password mailed").takes(by_address());
    let reset_ = anyone("resetPassword", "Choose another password")
        .takes(of_project(body().with("token", text()).with("password", text())))
        .gives_nothing()
        .refuses(&[Code::LinkInvalid, Code::RateLimited, Code::Busy]);
    let magic_ = mails("mailMagicLink", "Have a link to sign in mailed").takes(by_address());
    let redeem = anyone("verifyMagicLink", "Sign in by a link that was mailed")
        .takes(of_project(body().with("token", text())))
        .gives(200, SESSION)
        .refuses(&[Code::LinkInvalid, Code::SecondFactorRequired, Code::RefusedByHook]);
    Routes::new()
        .at(&format!("{base}/signup"), post(sign_up, sign_up_))
        .at(&format!("{base}/email/verify"), post(verify, verify_))
        .at(&format!("{base}/email/resend"), post(resend, resend_))
        .at(&format!("{base}/password/forgot"), post(forgot, forgot_.gives(202, sent())))
        .at(&format!("{base}/password/reset"), post(reset, reset_))
        .at(&format!("{base}/magic-link"), post(magic, magic_.gives(202, sent())))
        .at(&format!("{base}/magic-link/verify"), post(redeem_magic, redeem))
        .at(&format!("{base}/invitations/{{token}}/sign-up"), post(invited::by_api, invited::described()))
}

/// Project and visitor of a request that brings its own proof, or needs none.
async fn enter(
    app: &App,
    path: Option<Path<String>>,
    body: &mut Object,
    peer: Peer,
    headers: &HeaderMap,
) -> Result<(Project, Visitor), Problem> {
    let project = project_of(app, path, body.text("project")?, headers).await?;
    csrf::check_foreign(headers, &app.public, &project.trusted_origins)?;
    let visitor = Visitor::of(app, &project.id, peer, headers);
    Ok((project, visitor))
}

fn accepted(body: Value) -> Response {
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (StatusCode::ACCEPTED, no_store, axum::Json(body)).into_response()
}

async fn sign_up(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    peer: Peer,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    let (email, password) = (body.required_text("email")?, body.required_text("password")?);
    let name = body.text("name")?;
    let (project, visitor) = enter(&app, path, &mut body, peer, &headers).await?;
    body.finish()?;
    let wish = Wish::read(&email, password, name)?;
    let handle = super::sign_up(&app, &project, &visitor, wish).await?;
    let mut answer = super::sent();
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("sign_up".to_owned(), handle.into());
    }
    Ok(accepted(answer))
}

async fn verify(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    peer: Peer,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    let code = body.required_text("code")?;
    let (email, handle) = (body.text("email")?, body.text("sign_up")?);
    let (project, visitor) = enter(&app, path, &mut body, peer, &headers).await?;
    body.finish()?;
    let of = match (email, handle) {
        (_, Some(handle)) => Of::Handle(handle),
        (Some(email), None) => Of::Address(super::read_address(&email)?),
        (None, None) => return Err(Problem::invalid("email", "is missing")),
    };
    let previous = session::of_project(&app, &headers, &project.id).await?;
    match super::verify_code(&app, &project, &visitor, of, &code, previous).await? {
        Verified::SignedUp(signed_in) => answer(&app, &project, &signed_in).await,
        Verified::Address => Ok(private(json!({ "email_verified": true }))),
    }
}

async fn resend(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    peer: Peer,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    let handle = body.text("sign_up")?;
    let (project, visitor) = enter(&app, path, &mut body, peer, &headers).await?;
    body.finish()?;
    match handle {
        Some(handle) => super::sign_up_again(&app, &project, &visitor, &handle).await?,
        None => {
            let session = session::of_project(&app, &headers, &project.id).await?;
            let session = session.ok_or_else(|| Problem::invalid("sign_up", "is missing"))?;
            csrf::check(&headers, &app.public, &project.trusted_origins)?;
            let user = users::find(&mut *app.db.read().await?, &project.id, &session.user_id).await?;
            if let Some(user) = user {
                super::confirm_again(&app, &project, &visitor, &user).await?;
            }
        }
    }
    Ok(accepted(super::sent()))
}

async fn forgot(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    peer: Peer,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Problem> {
    mail(&app, path, peer, &headers, body, Purpose::Password).await
}

async fn magic(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    peer: Peer,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Problem> {
    mail(&app, path, peer, &headers, body, Purpose::Magic).await
}

async fn mail(
    app: &App,
    path: Option<Path<String>>,
    peer: Peer,
    headers: &HeaderMap,
    mut body: Object,
    purpose: Purpose,
) -> Result<Response, Problem> {
    let email = body.required_text("email")?;
    let (project, visitor) = enter(app, path, &mut body, peer, headers).await?;
    body.finish()?;
    let address = super::read_address(&email)?;
    super::mail_secret(app, &project, &visitor, address, purpose, None).await?;
    Ok(accepted(super::sent()))
}

async fn reset(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    peer: Peer,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    let (token, password) = (body.required_text("token")?, body.required_text("password")?);
    let (project, visitor) = enter(&app, path, &mut body, peer, &headers).await?;
    body.finish()?;
    super::reset(&app, &project, &visitor, &token, password).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn redeem_magic(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    peer: Peer,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    let token = body.required_text("token")?;
    let (project, visitor) = enter(&app, path, &mut body, peer, &headers).await?;
    body.finish()?;
    let previous = session::of_project(&app, &headers, &project.id).await?;
    let entry = super::sign_in_by_mail(&app, &project, &visitor, &token, previous).await?;
    answer_to(&app, &project, entry).await
}
