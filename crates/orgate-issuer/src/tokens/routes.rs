//! `POST /p/{project}/token` and, word for word as Astapa documents it, `POST /api/platform/token`.
//!
//! Both take a form (RFC 6749 §4.1.3) or JSON with the same names and are the same code.

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    response::{IntoResponse as _, Response},
    routing::post,
};
use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use super::{
    error::TokenError,
    grants::{Wanted, authorization_code, refresh_token},
};
use crate::{
    app::{App, Shared},
    clients::{Client, Credentials},
    http::body::{Form, Object, media_type},
    projects::{self, Project},
};

/// The parameters of both grants, under all their names.
const KNOWN: [&str; 11] = [
    "grant_type",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "scope",
    "client_id",
    "client_secret",
    "org_id",
    "organization_id",
    "organization",
];

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/p/{project}/token", post(of_project))
        .route("/api/platform/token", post(of_any_project))
}

async fn of_project(
    State(app): State<Shared>,
    Path(project): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    respond(&app, Some(&project), &headers, body).await
}

async fn of_any_project(
    State(app): State<Shared>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    respond(&app, None, &headers, body).await
}

async fn respond(
    app: &App,
    project_id: Option<&str>,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let issued = match body {
        Ok(body) => issue(app, project_id, headers, &body).await,
        Err(rejection) => Err(rejection.into()),
    };
    match issued {
        Ok(body) => {
            let mut response = axum::Json(body).into_response();
            let headers = response.headers_mut();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
            response
        }
        Err(error) => error.into_response(),
    }
}

async fn issue(
    app: &App,
    project_id: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Value, TokenError> {
    let parameters = Parameters::read(headers, body)?;
    let (project, client) = authenticate(app, project_id, headers, &parameters).await?;
    let grant_type = parameters.required("grant_type", "`grant_type` is missing")?;
    if !["authorization_code", "refresh_token"].contains(&grant_type.as_str()) {
        return Err(TokenError::UnsupportedGrantType);
    }
    if !client.may_use(&grant_type) {
        return Err(TokenError::UnauthorizedClient);
    }
    let wanted = Wanted::of(parameters.organization()?);
    if grant_type == "authorization_code" {
        let request = authorization_code::Request {
            code: parameters.required("code", "`code` is missing")?,
            redirect_uri: parameters.required("redirect_uri", "`redirect_uri` is missing")?,
            verifier: parameters.take("code_verifier"),
            wanted,
        };
        return authorization_code::grant(app, &project, client, request).await;
    }
    let request = refresh_token::Request {
        token: parameters.required("refresh_token", "`refresh_token` is missing")?,
        scope: parameters.take("scope"),
        wanted,
    };
    refresh_token::grant(app, &project, client, request).await
}

async fn authenticate(
    app: &App,
    project_id: Option<&str>,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<(Project, Client), TokenError> {
    let credentials =
        Credentials::read(headers, parameters.get("client_id"), parameters.get("client_secret"))?;
    let mut conn = app.db.read().await?;
    let client = credentials.authenticate(app, &mut conn, project_id).await?;
    let project = projects::find(&mut conn, &client.project_id).await?;
    Ok((project.ok_or(TokenError::InvalidClient { basic: false })?, client))
}

/// The parameters of the request, each at most once. Unknown ones are ignored (RFC 6749 §3.2).
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, TokenError> {
        let fields = match media_type(headers).as_deref() {
            Some("application/x-www-form-urlencoded") => Form::parse(body)
                .ok_or(TokenError::InvalidRequest("a parameter appears twice, or there are too many"))?
                .into_fields(),
            Some("application/json") => Self::of_json(body)?,
            _ => return Err(TokenError::InvalidRequest("the body must be a form or JSON")),
        };
        Ok(Self(fields))
    }

    fn of_json(body: &[u8]) -> Result<Vec<(String, String)>, TokenError> {
        let object = Object::parse(body).map_err(|_| {
            TokenError::InvalidRequest(
                "the body is not one JSON object with each name once and at most 64 names",
            )
        })?;
        let mut fields = Vec::new();
        for (name, value) in object.into_members() {
            match value {
                Value::String(text) => fields.push((name, text)),
                Value::Null => {}
                _ if !KNOWN.contains(&name.as_str()) => {}
                _ => return Err(TokenError::InvalidRequest("a parameter is not a text")),
            }
        }
        Ok(fields)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter; "Parameters sent without a value MUST be treated as if they were omitted" (RFC 6749 §3.2).
    fn take(&self, name: &str) -> Option<String> {
        self.get(name).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    fn required(&self, name: &str, missing: &'static str) -> Result<String, TokenError> {
        self.take(name).ok_or(TokenError::InvalidRequest(missing))
    }

    /// `org_id` under whichever name clients know it by; here an empty value means something: no organization.
    fn organization(&self) -> Result<Option<String>, TokenError> {
        let mut named =
            ["org_id", "organization_id", "organization"].into_iter().filter_map(|name| self.get(name));
        let org = named.next();
        if named.any(|other| Some(other) != org) {
            return Err(TokenError::InvalidRequest("the request names two organizations"));
        }
        Ok(org.map(str::to_owned))
    }
}
