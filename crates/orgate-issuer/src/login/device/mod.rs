//! The sign-in of a device that has no browser (RFC 8628): `POST /p/{project}/device_authorization` for the device, and the
//! page `/p/{project}/device` for the person.
//!
//! The person enters the code that the device shows, sees which application it is, and says yes or no; then comes the usual
//! sign-in, with its choice of an organization. The page that asks is bound to the browser that entered the code, so that
//! no foreign page can say yes.

pub(super) mod queries;

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State, rejection::BytesRejection},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode};
use minijinja::context;
use serde_json::json;

use super::{
    authorize::{Stop, page_url, render, with_cookie},
    choose::{self, Next},
    consent,
    page::load,
    queries as sign_ins,
    request::{self, Params},
    scope, session,
};
use crate::{
    app::{App, Shared},
    clients,
    db::DbError,
    http::{body::Form, peer::Peer, posted::Posted, redirect::see_other},
    oauth::{Parameters, TokenError, only_post, parameters::no_store},
    openapi::{Routes, get, number, oauth, object, page as a_page, post, text, uri},
    projects,
    secret::{NoRandomness, fingerprint, random_bytes, random_token},
    throttle::{self, Admission, Visitor},
};

const LIFE_MS: i64 = 10 * 60_000;
/// How long a device waits between two questions (RFC 8628 §3.2).
const INTERVAL_MS: i64 = 5_000;
/// Letters that make no words and look like no others (RFC 8628 §6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

pub(super) fn router() -> Routes {
    let begun = object()
        .with("device_code", text())
        .with("user_code", text())
        .with("verification_uri", uri())
        .with("verification_uri_complete", uri())
        .with("expires_in", number())
        .with("interval", number());
    let fields = ["client_id", "client_secret", "scope", "resource", "audience"];
    let begin = oauth("authorizeDevice", "Begin the sign-in of a device (RFC 8628)")
        .takes_form(fields.into_iter().fold(object(), |fields, name| fields.may(name, text())))
        .gives(200, begun)
        .errs(&[TokenError::UnauthorizedClient, TokenError::InvalidResource]);
    let form = a_page("showDevice", "The page that asks for a device's code")
        .query("user_code", text())
        .shows(&[200]);
    let entered = a_page("submitDevice", "Enter a device's code")
        .takes_form(object().with("user_code", text()))
        .shows(&[200, 400])
        .stops(&["unknown_client", "rate_limited"]);
    let confirmed = a_page("confirmDevice", "Let a device in, or not")
        .takes_form(object().with("request", text()).with("decision", text()))
        .shows(&[200])
        .sends_on()
        .stops(&["request_expired"]);
    Routes::new()
        .at("/p/{project}/device_authorization", post(authorize, begin).fallback(only_post))
        .at("/p/{project}/device", get(ask, form).post(enter, entered))
        .at("/p/{project}/device/confirm", post(confirm, confirmed))
}

async fn authorize(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    begin(&app, &project_id, &headers, body).await.unwrap_or_else(TokenError::into_response)
}

async fn begin(
    app: &App,
    project_id: &str,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, TokenError> {
    let parameters = Parameters::of_form_body(headers, body)?;
    let (project, client) = clients::authenticate(app, Some(project_id), headers, &parameters).await?;
    if !client.may_use(clients::DEVICE_CODE) {
        return Err(TokenError::UnauthorizedClient);
    }
    let resource = parameters.resources();
    if !resource.iter().all(|one| client.audiences(&project.audience).contains(one)) {
        return Err(TokenError::InvalidResource);
    }
    let (device_code, user_code, now) = (random_token()?, new_user_code()?, app.now_ms());
    let new = queries::NewDevice {
        device_hash: fingerprint(&device_code),
        user_code_hash: fingerprint(&user_code),
        project_id: project.id.clone(),
        scope: scope::granted(&parameters.take("scope").unwrap_or_default(), &client.scopes),
        client_id: client.id,
        resource,
        wait_ms: INTERVAL_MS,
        now_ms: now,
        expires_at: now + LIFE_MS,
    };
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                queries::forget_devices(tx, now).await?;
                queries::insert_device(tx, &new).await
            })
        })
        .await?;
    let page = format!("{}/device", app.public.issuer(&project.id));
    let user_code = shown(&user_code);
    Ok(no_store(json!({
        "device_code": device_code,
        "verification_uri_complete": format!("{page}?user_code={user_code}"),
        "user_code": user_code,
        "verification_uri": page,
        "expires_in": LIFE_MS / 1000,
        "interval": INTERVAL_MS / 1000,
    })))
}

/// Eight letters of twenty: 34 bits, for ten minutes.
fn new_user_code() -> Result<String, NoRandomness> {
    let mut code = String::with_capacity(8);
    while code.len() < 8 {
        for byte in random_bytes::<16>()? {
            // 240 is a multiple of 20: every letter is as likely as any other.
            if byte < 240
                && code.len() < 8
                && let Some(letter) = LETTERS.get(usize::from(byte % 20))
            {
                code.push(char::from(*letter));
            }
        }
    }
    Ok(code)
}

/// With a hyphen, as people read it.
fn shown(code: &str) -> String {
    match code.split_at_checked(4) {
        Some((first, second)) => format!("{first}-{second}"),
        None => code.to_owned(),
    }
}

/// What a person typed, as it was given out: hyphens, spaces and case do not count.
fn typed(text: &str) -> String {
    let letters = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').take(16);
    letters.map(|letter| letter.to_ascii_uppercase()).collect()
}

async fn ask(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    let code = query.as_ref().and_then(|query| query.get("user_code")).unwrap_or_default();
    let code = shown(&typed(code));
    match page(&app, &project_id, &code, false).await {
        Ok(response) => response,
        Err(stop) => render(&app, &project_id, stop),
    }
}

/// The page that asks for the code.
async fn page(app: &App, project_id: &str, code: &str, unknown: bool) -> Result<Response, Stop> {
    let project = projects::find(&mut *app.db.read().await?, project_id).await?;
    let project = project.ok_or(Stop::Page("not_found"))?;
    let values = context! {
        project => project.name.as_str(),
        action => format!("{}/device", app.public.issuer(&project.id)),
        user_code => code,
        unknown => unknown,
    };
    let status = if unknown { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(app.pages.show(status, "device.html", values, None))
}

async fn enter(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    peer: Peer,
    headers: HeaderMap,
    Posted(fields): Posted,
) -> Response {
    let entered = async {
        let visitor = Visitor::of(&app, &project_id, peer, &headers);
        let pass = match throttle::admit_device(&app, &visitor, &project_id).await? {
            Admission::Granted(pass) => pass,
            Admission::Wait(seconds) => return Err(Stop::Wait("rate_limited", seconds)),
        };
        let code = typed(fields.get("user_code").unwrap_or_default());
        let mut conn = app.db.read().await?;
        let found =
            queries::device_by_user_code(&mut conn, &project_id, &fingerprint(&code), app.now_ms()).await?;
        let Some((device_hash, client_id, scope)) = found else {
            return page(&app, &project_id, &shown(&code), true).await;
        };
        let project = projects::find(&mut conn, &project_id).await?.ok_or(Stop::Page("not_found"))?;
        let client = clients::find(&mut conn, &client_id).await?.ok_or(Stop::Page("unknown_client"))?;
        drop(conn);
        app.db
            .write::<_, DbError>(move |tx| Box::pin(async move { throttle::forgive(tx, &pass).await }))
            .await?;
        let params = Params { scope, device: Some(device_hash), ..Params::default() };
        let opened =
            request::open(&app, &headers, &project_id, Some(&client_id), params.clone(), None).await?;
        let values = context! {
            project => project.name.as_str(),
            action => format!("{}/device/confirm", app.public.issuer(&project.id)),
            request => opened.handle,
            scopes => consent::of_device(&client, &params.scope),
            client => client.name,
            user_code => shown(&code),
        };
        Ok(with_cookie(app.pages.show(StatusCode::OK, "device_confirm.html", values, None), opened.cookie))
    };
    entered.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

async fn confirm(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    headers: HeaderMap,
    Posted(fields): Posted,
) -> Response {
    let decided = async {
        let handle = fields.get("request").ok_or(Stop::Page("request_expired"))?;
        let (project, request) = load(&app, &project_id, &headers, handle).await?;
        let (Some(device), Some(client_id)) = (request.params.device.clone(), &request.client_id) else {
            return Err(Stop::Page("request_expired"));
        };
        if fields.get("decision") != Some("approve") {
            let hash = fingerprint(handle);
            app.db
                .write::<_, DbError>(move |tx| {
                    Box::pin(async move {
                        sign_ins::drop_request(tx, &hash).await?;
                        queries::deny_device(tx, &device).await
                    })
                })
                .await?;
            return Ok(done(&app, &project.name, false));
        }
        let Some(session) = session::of_project(&app, &headers, &project_id).await? else {
            return Ok(see_other(&page_url(&app, &project_id, "login", handle)));
        };
        let (hash, id) = (fingerprint(handle), session.id.clone());
        app.db
            .write::<_, DbError>(move |tx| {
                Box::pin(async move { sign_ins::bind_request(tx, &hash, &id).await })
            })
            .await?;
        match choose::decide(&app, &project, &session, client_id, &request.params).await? {
            Next::Ask => Ok(see_other(&page_url(&app, &project_id, "organizations/choose", handle))),
            Next::Go(member) => choose::finish(&app, handle, &session, member).await,
        }
    };
    decided.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

/// The end for the person: the device goes on by itself.
pub(super) fn done(app: &App, project: &str, approved: bool) -> Response {
    app.pages.show(StatusCode::OK, "device_done.html", context! { project, approved }, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = new_user_code().unwrap();
        assert!(code.len() == 8 && code.bytes().all(|letter| LETTERS.contains(&letter)), "{code}");
        assert_eq!(typed(&shown(&code)), code);
        assert_eq!(typed(" bcdf ghjk "), "BCDFGHJK");
        assert_eq!(shown("BCDFGHJK"), "BCDF-GHJK");
        assert_ne!(new_user_code().unwrap(), code);
    }
}
