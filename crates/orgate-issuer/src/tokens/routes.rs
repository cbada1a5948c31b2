//! `POST /p/{project}/token` and, word for word as Astapa documents it, `POST /api/platform/token`.
//!
//! Both take a form (RFC 6749 §4.1.3) or JSON with the same names and are the same code.

use axum::{
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, Uri};
use serde_json::Value;

use super::{
    dpop,
    grants::{
        Common, Wanted, authorization_code, client_credentials, device_code, refresh_token, token_exchange,
    },
};
use crate::{
    activity::Count,
    app::{App, Shared},
    clients,
    oauth::{Parameters, TokenError, only_post, parameters::no_store},
    openapi::{Named, Operation, Routes, number, oauth, object, one_of, post, text},
};

pub(super) fn router() -> Routes {
    Routes::new()
        .at("/p/{project}/token", post(of_project, about("issueToken")).fallback(only_post))
        .at("/api/platform/token", post(of_any_project, about("issueTokenOfAnyProject")).fallback(only_post))
}

fn about(name: &'static str) -> Operation {
    let fields = FIELDS.into_iter().fold(object(), |fields, name| fields.may(name, text()));
    oauth(name, "Tokens for a grant (RFC 6749 §3.2)")
        .takes_form_or_json(fields.with("grant_type", text()))
        .gives(200, TOKENS)
        .errs(&[
            TokenError::InvalidGrant(""),
            TokenError::UnauthorizedClient,
            TokenError::UnsupportedGrantType,
            TokenError::InvalidScope,
            TokenError::InvalidTarget,
            TokenError::OrganizationsDisabled,
            TokenError::InteractionRequired,
            TokenError::ConsentRequired,
            TokenError::InvalidProof(""),
            TokenError::UseNonce,
            TokenError::AuthorizationPending,
            TokenError::SlowDown,
            TokenError::ExpiredToken,
            TokenError::AccessDenied,
        ])
}

/// The parameters of the grants.
const FIELDS: [&str; 16] = [
    "client_id",
    "client_secret",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "device_code",
    "subject_token",
    "subject_token_type",
    "requested_token_type",
    "scope",
    "resource",
    "audience",
    "org_id",
    "organization",
    "organization_id",
];

/// The answer to a grant (RFC 6749 §5.1), and the organization that it is for.
pub(super) const TOKENS: Named = Named("Tokens", || {
    object()
        .with("access_token", text())
        .with("token_type", one_of(["Bearer", "DPoP"]))
        .with("expires_in", number())
        .with("org_id", text().or_null())
        .may("scope", text())
        .may("refresh_token", text())
        .may("id_token", text())
        .may("issued_token_type", text())
        .done()
});

async fn of_project(
    State(app): State<Shared>,
    Path(project): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    respond(&app, Some(&project), &uri, &headers, body).await
}

async fn of_any_project(
    State(app): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    respond(&app, None, &uri, &headers, body).await
}

async fn respond(
    app: &App,
    project_id: Option<&str>,
    uri: &Uri,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let mut response = match issue(app, project_id, uri, headers, body).await {
        Ok(body) => no_store(body),
        Err(error) => error.into_response(),
    };
    dpop::give_nonce(app, headers, &mut response);
    response
}

async fn issue(
    app: &App,
    project_id: Option<&str>,
    uri: &Uri,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Value, TokenError> {
    let parameters = Parameters::of_body(headers, body)?;
    let (project, client) = clients::authenticate(app, project_id, headers, &parameters).await?;
    let grant_type = parameters.required("grant_type", "`grant_type` is missing")?;
    if !clients::GRANTS.contains(&grant_type.as_str()) {
        return Err(TokenError::UnsupportedGrantType);
    }
    if !client.may_use(&grant_type) {
        return Err(TokenError::UnauthorizedClient);
    }
    let jkt = dpop::prove(app, headers, uri.path(), &client).await?;
    let common = Common {
        wanted: Wanted::of(parameters.organization()?),
        scope: parameters.take("scope"),
        resources: parameters.resources(),
        jkt,
        client,
    };
    let issued = match grant_type.as_str() {
        "authorization_code" => {
            let request = authorization_code::Request {
                code: parameters.required("code", "`code` is missing")?,
                redirect_uri: parameters.required("redirect_uri", "`redirect_uri` is missing")?,
                verifier: parameters.take("code_verifier"),
            };
            authorization_code::grant(app, &project, common, request).await
        }
        "refresh_token" => {
            let token = parameters.required("refresh_token", "`refresh_token` is missing")?;
            refresh_token::grant(app, &project, common, &token).await
        }
        clients::TOKEN_EXCHANGE => {
            let token = token_exchange::subject_token(&parameters)?;
            token_exchange::grant(app, &project, common, &token).await
        }
        clients::DEVICE_CODE => {
            let code = parameters.required("device_code", "`device_code` is missing")?;
            device_code::grant(app, &project, common, &code).await
        }
        "client_credentials" => client_credentials::grant(app, &project, common).await,
        _ => Err(TokenError::UnsupportedGrantType),
    };
    if let (Ok(_), Some(kind)) = (&issued, Count::of_grant(&grant_type)) {
        app.activity.count(&project.id, kind, app.now_ms());
    }
    issued
}
