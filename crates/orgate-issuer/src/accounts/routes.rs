//! `signup`, `email/verify`, `email/resend`, `password/forgot`, `password/reset`, `magic-link` and `magic-link/verify`
//! under the prefix of the end users' API and under each project.
//!
//! Whatever sends a mail answers 202, the same for every address.

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
    routing::post,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::{Of, Verified, Wish};
use crate::{
    app::{App, Shared},
    http::{
        Problem,
        body::{Json, Object},
        csrf,
        peer::Peer,
    },
    login::{
        account::{answer, private, project_of},
        session,
    },
    one_time::Purpose,
    projects::Project,
    throttle::Visitor,
    users,
};

pub(crate) fn router(prefix: &str) -> Router<Shared> {
    let mut router = Router::new();
    for base in [prefix.to_owned(), format!("/p/{{project}}{prefix}")] {
        router = router
            .route(&format!("{base}/signup"), post(sign_up))
            .route(&format!("{base}/email/verify"), post(verify))
            .route(&format!("{base}/email/resend"), post(resend))
            .route(&format!("{base}/password/forgot"), post(forgot))
            .route(&format!("{base}/password/reset"), post(reset))
            .route(&format!("{base}/magic-link"), post(magic))
            .route(&format!("{base}/magic-link/verify"), post(redeem_magic));
    }
    router
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
    let signed_in = super::sign_in_by_mail(&app, &project, &visitor, &token, previous).await?;
    answer(&app, &project, &signed_in).await
}
