//! Refusals of the token endpoint and of those beside it (RFC 6749 §5.2).

use axum::{
    extract::rejection::BytesRejection,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::{
    db::DbError,
    http::{body::unreadable, problem::Code},
    keys::KeyError,
};

/// A refusal. The names are OAuth's; `invalid_target` is RFC 8707's, `organizations_disabled` is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenError {
    InvalidRequest(&'static str),
    /// Any other method.
    OnlyPost,
    /// The body is over the limit; RFC 6749 has no name of its own for that.
    TooLarge,
    InvalidClient {
        /// Whether the client tried the `Authorization` header.
        basic: bool,
    },
    InvalidGrant(&'static str),
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    /// The organization does not exist, is another project's, is suspended, or the user is not a member: one answer.
    InvalidTarget,
    /// A resource that tokens of this client are not for (RFC 8707 §2).
    InvalidResource,
    OrganizationsDisabled,
    /// The application wants an organization, and there is none.
    InteractionRequired,
    /// The person has not allowed it to the application (OpenID Connect Core §3.1.2.6).
    ConsentRequired,
    /// What the authorization endpoint would say (RFC 9126 §2.3).
    Authorization(&'static str, &'static str),
    /// The proof of possession (RFC 9449 §5).
    InvalidProof(&'static str),
    /// The proof must carry the nonce of the header `DPoP-Nonce` (RFC 9449 §8).
    UseNonce,
    /// Nobody has answered at the page yet (RFC 8628 §3.5).
    AuthorizationPending,
    SlowDown,
    ExpiredToken,
    AccessDenied,
    Unavailable,
}

impl TokenError {
    /// Status, name and description.
    pub(crate) fn row(self) -> (StatusCode, &'static str, &'static str) {
        let bad = StatusCode::BAD_REQUEST;
        match self {
            Self::InvalidRequest(why) => (bad, "invalid_request", why),
            Self::OnlyPost => (StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "the method must be POST"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "the request is too large"),
            Self::InvalidClient { .. } => {
                (StatusCode::UNAUTHORIZED, "invalid_client", "the client is not known or not proven")
            }
            Self::InvalidGrant(why) => (bad, "invalid_grant", why),
            Self::UnauthorizedClient => (bad, "unauthorized_client", "the client may not use this grant"),
            Self::UnsupportedGrantType => {
                (bad, "unsupported_grant_type", "there is no such grant; `grant_types_supported` lists them")
            }
            Self::InvalidScope => (bad, "invalid_scope", "the scope is wider than the one granted"),
            Self::InvalidTarget => (bad, "invalid_target", "the organization cannot be used by this user"),
            Self::InvalidResource => (bad, "invalid_target", "no token of this client is for that resource"),
            Self::InteractionRequired => (
                bad,
                "interaction_required",
                "the application needs an organization; sign in again to choose one",
            ),
            Self::ConsentRequired => {
                (bad, "consent_required", "the person has not allowed it; sign in again to ask them")
            }
            Self::Authorization(error, why) => (bad, error, why),
            Self::InvalidProof(why) => (bad, "invalid_dpop_proof", why),
            Self::UseNonce => (bad, "use_dpop_nonce", "the DPoP proof must carry the nonce it was given"),
            Self::AuthorizationPending => (bad, "authorization_pending", "nobody has answered yet"),
            Self::SlowDown => (bad, "slow_down", "ask five seconds less often"),
            Self::ExpiredToken => (bad, "expired_token", "the code has ended; begin again"),
            Self::AccessDenied => (bad, "access_denied", "the person has said no"),
            Self::OrganizationsDisabled => {
                (bad, "organizations_disabled", "organizations are switched off for this project")
            }
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "try again in a moment")
            }
        }
    }
}

impl From<DbError> for TokenError {
    fn from(error: DbError) -> Self {
        // One that met another is run again, and is told of only if that does not help.
        if error != DbError::Contended {
            tracing::error!(%error, "a token could not be issued");
        }
        Self::Unavailable
    }
}

impl From<KeyError> for TokenError {
    fn from(error: KeyError) -> Self {
        tracing::error!(%error, "a token could not be signed");
        Self::Unavailable
    }
}

impl From<BytesRejection> for TokenError {
    fn from(rejection: BytesRejection) -> Self {
        match unreadable(rejection).code() {
            Code::TooLarge => Self::TooLarge,
            _ => Self::InvalidRequest("the body cannot be read"),
        }
    }
}

impl From<crate::secret::NoRandomness> for TokenError {
    fn from(error: crate::secret::NoRandomness) -> Self {
        tracing::error!(%error, "no random numbers");
        Self::Unavailable
    }
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        let (status, error, description) = self.row();
        let body = json!({ "error": error, "error_description": description });
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        match self {
            Self::InvalidClient { basic: true } => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token\""));
            }
            Self::Unavailable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}
