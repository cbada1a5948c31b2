//! The codes of refusals: one table of names, statuses and titles.

use http::StatusCode;
use orgate_policy::{DenyReason, TargetError};
use orgate_verify::VerifyErrorKind;

/// Why a request is refused. The names are stable: clients, logs and metrics rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The request target can be read in two ways.
    BadRequestTarget,
    /// The request is not one that can be judged.
    BadRequest,
    /// The route needs a credential and there is none.
    NoCredential,
    /// The token is not one of ours, or does not hold.
    InvalidToken,
    /// The token has ended.
    ExpiredToken,
    /// No trusted issuer signed the token.
    UnknownIssuer,
    /// A claim of the token has the wrong form.
    MalformedClaim,
    /// What the token says was withdrawn.
    Revoked,
    /// No rule has this path.
    NoRule,
    /// Rules have this path, none for this method.
    MethodNotCovered,
    /// The rule lets nobody in.
    Denied,
    /// The caller has no active organization.
    NoActiveOrganization,
    /// The path speaks of another organization.
    OrganizationMismatch,
    /// A permission is missing.
    MissingPermission,
    /// A role is missing.
    MissingRole,
    /// Another condition does not hold.
    ConditionFailed,
    /// There is nothing, or nothing that the caller may know of.
    NotFound,
    /// Everything holds but how, or how long ago, the caller signed in.
    StepUpRequired,
    /// A request of a browser that another site may have caused.
    Csrf,
    /// The body of a signed delivery is larger than the gate reads.
    ContentTooLarge,
    /// Too many requests.
    RateLimited,
    /// The issuer's keys were never loaded; the token may well be good.
    KeysUnavailable,
    /// What the rule needs to know of the caller as it is now could not be asked.
    StaleFeed,
}

/// The row of a code.
struct Row {
    code: &'static str,
    status: StatusCode,
    title: &'static str,
}

impl Code {
    /// All codes, in the order of the documentation.
    pub const ALL: [Self; 23] = [
        Self::BadRequestTarget,
        Self::BadRequest,
        Self::NoCredential,
        Self::InvalidToken,
        Self::ExpiredToken,
        Self::UnknownIssuer,
        Self::MalformedClaim,
        Self::Revoked,
        Self::NoRule,
        Self::MethodNotCovered,
        Self::Denied,
        Self::NoActiveOrganization,
        Self::OrganizationMismatch,
        Self::MissingPermission,
        Self::MissingRole,
        Self::ConditionFailed,
        Self::NotFound,
        Self::StepUpRequired,
        Self::Csrf,
        Self::ContentTooLarge,
        Self::RateLimited,
        Self::KeysUnavailable,
        Self::StaleFeed,
    ];

    fn row(self) -> Row {
        let (code, status, title) = match self {
            Self::BadRequestTarget => {
                ("bad_request_target", StatusCode::BAD_REQUEST, "Ambiguous request target")
            }
            Self::BadRequest => ("bad_request", StatusCode::BAD_REQUEST, "Bad request"),
            Self::NoCredential => ("no_credential", StatusCode::UNAUTHORIZED, "Sign-in required"),
            Self::InvalidToken => ("invalid_token", StatusCode::UNAUTHORIZED, "Invalid token"),
            Self::ExpiredToken => ("expired_token", StatusCode::UNAUTHORIZED, "Expired token"),
            Self::UnknownIssuer => ("unknown_issuer", StatusCode::UNAUTHORIZED, "Unknown issuer"),
            Self::MalformedClaim => ("malformed_claim", StatusCode::UNAUTHORIZED, "Malformed claim"),
            Self::Revoked => ("revoked", StatusCode::UNAUTHORIZED, "Revoked"),
            Self::NoRule => ("no_rule", StatusCode::FORBIDDEN, "No rule for this path"),
            Self::MethodNotCovered => {
                ("method_not_covered", StatusCode::FORBIDDEN, "No rule for this method")
            }
            Self::Denied => ("denied", StatusCode::FORBIDDEN, "Denied"),
            Self::NoActiveOrganization => ("no_active_org", StatusCode::FORBIDDEN, "No active organization"),
            Self::OrganizationMismatch => ("org_mismatch", StatusCode::FORBIDDEN, "Another organization"),
            Self::MissingPermission => ("missing_permission", StatusCode::FORBIDDEN, "Missing permission"),
            Self::MissingRole => ("missing_role", StatusCode::FORBIDDEN, "Missing role"),
            Self::ConditionFailed => ("condition_failed", StatusCode::FORBIDDEN, "Condition failed"),
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND, "Not found"),
            Self::StepUpRequired => {
                ("step_up_required", StatusCode::UNAUTHORIZED, "A newer or stronger sign-in is required")
            }
            Self::Csrf => ("csrf", StatusCode::FORBIDDEN, "Cross-site request"),
            Self::ContentTooLarge => {
                ("content_too_large", StatusCode::PAYLOAD_TOO_LARGE, "Content too large")
            }
            Self::RateLimited => ("rate_limited", StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
            Self::StaleFeed => ("stale_feed", StatusCode::SERVICE_UNAVAILABLE, "Rights could not be checked"),
            Self::KeysUnavailable => {
                ("keys_unavailable", StatusCode::SERVICE_UNAVAILABLE, "Keys unavailable")
            }
        };
        Row { code, status, title }
    }

    /// The name in bodies, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().code
    }

    /// The status it is answered with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.row().status
    }

    /// What it means, in a few words.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.row().title
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<DenyReason> for Code {
    fn from(reason: DenyReason) -> Self {
        match reason {
            DenyReason::Denied => Self::Denied,
            DenyReason::NoCredential => Self::NoCredential,
            DenyReason::NoActiveOrganization => Self::NoActiveOrganization,
            DenyReason::OrganizationMismatch => Self::OrganizationMismatch,
            DenyReason::MissingPermission => Self::MissingPermission,
            DenyReason::MissingRole => Self::MissingRole,
            DenyReason::ConditionFailed => Self::ConditionFailed,
            DenyReason::StepUp => Self::StepUpRequired,
        }
    }
}

impl From<VerifyErrorKind> for Code {
    fn from(kind: VerifyErrorKind) -> Self {
        match kind {
            VerifyErrorKind::Expired => Self::ExpiredToken,
            VerifyErrorKind::UnknownIssuer => Self::UnknownIssuer,
            VerifyErrorKind::MissingClaim | VerifyErrorKind::MalformedClaim => Self::MalformedClaim,
            VerifyErrorKind::KeysUnavailable => Self::KeysUnavailable,
            _ => Self::InvalidToken,
        }
    }
}

impl From<TargetError> for Code {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::ForbiddenMethod | TargetError::MethodCase => Self::BadRequest,
            _ => Self::BadRequestTarget,
        }
    }
}
