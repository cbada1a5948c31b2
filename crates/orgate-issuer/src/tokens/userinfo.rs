//! `GET` and `POST /p/{project}/userinfo` (OpenID Connect Core §5.3): who the bearer of an access token is, as of now.
//!
//! The token needs the scope `openid`. It comes in the `Authorization` header, or in the form of a POST (RFC 6750 §2);
//! one that is bound to a key comes with a proof (RFC 9449 §7).

use axum::{
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use serde_json::{Map, Value, json};

use super::{access, dpop, mint};
use crate::{
    app::{App, Shared},
    http::{Problem, body::media_type, problem::Code},
    login::scope,
    oauth::{Parameters, TokenError, parameters::no_store},
    openapi::{OAUTH_ERROR, Operation, Routes, bearers, flag, get, object, text, texts},
    projects,
};

pub(super) fn router() -> Routes {
    let about = |name: &'static str| -> Operation {
        let known = object()
            .with("sub", text())
            .may("email", text())
            .may("email_verified", flag())
            .may("name", text())
            .may("org_id", text())
            .may("org_slug", text())
            .may("org_role", text())
            .may("org_permissions", texts());
        let refused = || Some(("application/json", OAUTH_ERROR.into()));
        bearers(name, "Who the bearer is (OpenID Connect Core §5.3)")
            .gives(200, known)
            .answers(401, "There is no token that stands.", refused(), &["WWW-Authenticate"])
            .answers(403, "The token lacks the scope `openid`.", refused(), &["WWW-Authenticate"])
    };
    let form = about("readUserinfoByForm").takes_form(object().may("access_token", text())).or_none();
    Routes::new().at("/p/{project}/userinfo", get(userinfo, about("readUserinfo")).post(userinfo, form))
}

/// Why a bearer is told nothing (RFC 6750 §3.1).
enum Refusal {
    /// No token came.
    Bare,
    InvalidRequest,
    InvalidToken,
    InsufficientScope,
    /// The proof of possession does not hold.
    InvalidProof(&'static str),
    Other(Problem),
}

impl<E: Into<Problem>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

async fn userinfo(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let mut response = match about(&app, &project_id, (method.as_str(), uri.path()), &headers, body).await {
        Ok(body) => no_store(Value::Object(body)),
        Err(refusal) => refusal.into_response(),
    };
    dpop::give_nonce(&app, &headers, &mut response);
    response
}

async fn about(
    app: &App,
    project_id: &str,
    request: (&str, &str),
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Map<String, Value>, Refusal> {
    let project = projects::find(&mut *app.db.read().await?, project_id).await?.ok_or(Code::NotFound)?;
    let Presented { token, with_proof } = presented(headers, body)?;
    let read = access::read(app, &project, &token).await.map_err(|_| Code::Unavailable)?;
    let read = read.ok_or(Refusal::InvalidToken)?;
    match (read.jkt(), with_proof) {
        (None, false) => {}
        // A bound token is never a bearer token, and the other way round.
        (None, true) | (Some(_), false) => return Err(Refusal::InvalidToken),
        (Some(jkt), true) => {
            let bound = (read.text("client_id"), token.as_str(), jkt);
            dpop::prove_token(app, headers, request, bound).await.map_err(|error| match error {
                TokenError::InvalidProof(why) => Refusal::InvalidProof(why),
                _ => Code::Unavailable.into(),
            })?;
        }
    }
    let standing = access::standing(&mut *app.db.read().await?, &project, &read).await;
    let standing = standing.map_err(|_| Code::Unavailable)?.ok_or(Refusal::InvalidToken)?;
    let user = standing.user.ok_or(Refusal::InsufficientScope)?;
    if !scope::has(read.text("scope"), "openid") {
        return Err(Refusal::InsufficientScope);
    }
    let mut claims = mint::about(&user, read.text("scope"));
    claims.insert("sub".to_owned(), user.id.into());
    if standing.seat.is_some() {
        for name in ["org_id", "org_slug", "org_role", "org_permissions"] {
            claims.insert(name.to_owned(), read.claims.get(name).cloned().unwrap_or_default());
        }
    }
    Ok(claims)
}

struct Presented {
    token: String,
    with_proof: bool,
}

/// The one token of the request.
fn presented(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Presented, Refusal> {
    let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
    let authorization = authorizations.next();
    if authorizations.next().is_some() {
        return Err(Refusal::InvalidRequest);
    }
    let in_body = match media_type(headers).as_deref() {
        Some("application/x-www-form-urlencoded") => {
            let fields = Parameters::of_form_body(headers, body).map_err(|_| Refusal::InvalidRequest)?;
            fields.take("access_token")
        }
        _ => None,
    };
    match (authorization, in_body) {
        (Some(_), Some(_)) => Err(Refusal::InvalidRequest),
        (None, None) => Err(Refusal::Bare),
        (None, Some(token)) => Ok(Presented { token, with_proof: false }),
        (Some(value), None) => {
            let (scheme, token) =
                value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or(Refusal::Bare)?;
            let with_proof = scheme.eq_ignore_ascii_case("dpop");
            if !with_proof && !scheme.eq_ignore_ascii_case("bearer") {
                return Err(Refusal::Bare);
            }
            Ok(Presented { token: token.trim().to_owned(), with_proof })
        }
    }
}

impl Refusal {
    fn into_response(self) -> Response {
        let (status, error, why) = match self {
            Self::Bare => (StatusCode::UNAUTHORIZED, None, ""),
            Self::InvalidRequest => (
                StatusCode::BAD_REQUEST,
                Some("invalid_request"),
                "the request does not carry one token in one way",
            ),
            Self::InvalidToken => {
                (StatusCode::UNAUTHORIZED, Some("invalid_token"), "the token is not known or has ended")
            }
            Self::InsufficientScope => {
                (StatusCode::FORBIDDEN, Some("insufficient_scope"), "the token lacks the scope `openid`")
            }
            Self::InvalidProof(why) => (StatusCode::UNAUTHORIZED, Some("invalid_dpop_proof"), why),
            Self::Other(problem) => return problem.into_response(),
        };
        let bound = matches!(self, Self::InvalidProof(_));
        let mut challenge = if bound { "DPoP".to_owned() } else { "Bearer realm=\"userinfo\"".to_owned() };
        if let Some(error) = error {
            challenge.push_str(if bound { " " } else { ", " });
            challenge
                .push_str(&format!("error=\"{error}\", error_description=\"{}\"", why.replace('`', "'")));
        }
        if matches!(self, Self::InsufficientScope) {
            challenge.push_str(", scope=\"openid\"");
        }
        let body = json!({ "error": error.unwrap_or("invalid_token"), "error_description": why });
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
