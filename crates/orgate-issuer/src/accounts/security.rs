//! `mfa`, `mfa/totp`, `mfa/totp/confirm` and `mfa/recovery-codes` under the prefix of the end users' API: a second factor of
//! one's own.
//!
//! Adding one wants a sign-in of the last ten minutes; removing it, or making new recovery codes, one that showed the second
//! factor as well. So a session that somebody left open changes nothing.

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode};
use qrcodegen::{QrCode, QrCodeEcc};
use serde_json::json;

use super::{confirm_fresh, record};
use crate::{
    app::{App, Shared},
    events::EventType,
    factors,
    http::{Problem, body::Json, csrf, problem::Code},
    login::{
        account::{current, find_project, private},
        session::Session,
    },
    openapi::{Routes, body, flag, get, number, object, own, post, text, texts},
    projects::Project,
    users,
};

pub(crate) fn router(prefix: &str) -> Routes {
    Routes::new().under(prefix, routes)
}

fn routes(base: &str) -> Routes {
    let changes = |name, about| own(name, about).refuses(&[Code::ReauthenticationRequired]);
    let codes = || object().with("recovery_codes", texts());
    let standing = object().with("totp", flag()).with("recovery_codes", number()).with("passkeys", number());
    let secret = object().with("secret", text()).with("uri", text()).with("qr", text().or_null());
    let all = own("readSecondFactors", "The second factors that one has").gives(200, standing);
    let begun = changes("beginTotp", "Begin with an authenticator application")
        .takes(body())
        .gives(201, secret)
        .refuses(&[Code::Conflict]);
    let removed = changes("removeTotp", "Go without the authenticator application")
        .gives_nothing()
        .refuses(&[Code::NotFound]);
    let confirmed = changes("confirmTotp", "Show that the authenticator application works")
        .takes(body().with("code", text()))
        .gives(200, codes())
        .refuses(&[Code::Mistyped]);
    let renewed = changes("renewRecoveryCodes", "Other recovery codes").takes(body()).gives(200, codes());
    Routes::new()
        .at(&format!("{base}/mfa"), get(show, all))
        .at(&format!("{base}/mfa/totp"), post(begin, begun).delete(remove, removed))
        .at(&format!("{base}/mfa/totp/confirm"), post(confirm, confirmed))
        .at(&format!("{base}/mfa/recovery-codes"), post(renew, renewed))
}

/// Session and project of a request that changes something.
pub(super) async fn enter(
    app: &App,
    path: Option<Path<String>>,
    headers: &HeaderMap,
) -> Result<(Project, Session), Problem> {
    let session = current(app, path, headers).await?;
    let project = find_project(app, &session.project_id).await?;
    csrf::check(headers, &app.public, &project.trusted_origins)?;
    Ok((project, session))
}

async fn show(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = current(&app, path, &headers).await?;
    let standing = factors::standing(&mut *app.db.read().await?, &session.user_id).await?;
    Ok(private(json!({ "totp": standing.totp, "recovery_codes": standing.recovery_codes,
                       "passkeys": standing.passkeys })))
}

async fn begin(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Problem> {
    let (project, session) = enter(&app, path, &headers).await?;
    body.finish()?;
    confirm_fresh(&app, &session, false)?;
    let user = users::find(&mut *app.db.read().await?, &project.id, &session.user_id).await?;
    let user = user.ok_or(Code::Unauthenticated)?;
    let secret = factors::new_totp()?;
    let uri = secret.uri(&project.name, &user.email);
    let answer = json!({ "secret": secret.base32(), "uri": uri, "qr": picture(&uri) });
    let (secrets, now) = (app.secrets.clone(), app.now_ms());
    let begun = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move { Ok(factors::begin_totp(tx, &secrets, &user.id, &secret, now).await?) })
        })
        .await?;
    if !begun {
        return Err(Problem::new(Code::Conflict).detail("there is an authenticator application already"));
    }
    Ok((StatusCode::CREATED, private(answer)).into_response())
}

async fn confirm(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    let (_, session) = enter(&app, path, &headers).await?;
    let code = body.required_text("code")?;
    body.finish()?;
    confirm_fresh(&app, &session, false)?;
    let codes = factors::new_recovery_codes()?;
    let answer = json!({ "recovery_codes": codes });
    let (secrets, now) = (app.secrets.clone(), app.now_ms());
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                if !factors::confirm_totp(tx, &secrets, &session.user_id, &code, now).await? {
                    return Err(Code::Mistyped.into());
                }
                factors::set_recovery_codes(tx, &secrets, &session.user_id, &codes, now).await?;
                record(tx, &session.project_id, EventType::UserFactorAdded, &session.user_id, now);
                Ok(())
            })
        })
        .await?;
    Ok(private(answer))
}

async fn remove(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let (_, session) = enter(&app, path, &headers).await?;
    confirm_fresh(&app, &session, true)?;
    let now = app.now_ms();
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                if !factors::remove_totp(tx, &session.user_id).await? {
                    return Err(Code::NotFound.into());
                }
                record(tx, &session.project_id, EventType::UserFactorRemoved, &session.user_id, now);
                Ok(StatusCode::NO_CONTENT)
            })
        })
        .await
}

async fn renew(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Problem> {
    let (_, session) = enter(&app, path, &headers).await?;
    body.finish()?;
    confirm_fresh(&app, &session, true)?;
    let codes = factors::new_recovery_codes()?;
    let answer = json!({ "recovery_codes": codes });
    let (secrets, now) = (app.secrets.clone(), app.now_ms());
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                Ok(factors::set_recovery_codes(tx, &secrets, &session.user_id, &codes, now).await?)
            })
        })
        .await?;
    Ok(private(answer))
}

/// `text` as a picture that a telephone reads: one path of SVG, which needs nothing from anywhere.
fn picture(text: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let dots: String = (0..code.size())
        .flat_map(|y| (0..code.size()).map(move |x| (x, y)))
        .filter(|(x, y)| code.get_module(*x, *y))
        .map(|(x, y)| format!("M{} {}h1v1h-1z", x + 4, y + 4))
        .collect();
    let side = code.size() + 8;
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" role=\"img\" \
         aria-label=\"QR code\"><path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path d=\"{dots}\"/></svg>"
    ))
}
