//! Refusals: one table for all doors.
//!
//! A refusal has a [`Code`]; the table gives its status, its title and its challenge. The body is a problem document
//! (RFC 9457) with the code; the challenge follows RFC 6750 §3 (no error attribute where there was no credential,
//! `insufficient_scope` where there was a valid one).

mod render;

use http::{HeaderValue, StatusCode};
use orgate_policy::{DenyReason, TargetError};
use orgate_verify::VerifyErrorKind;

pub use self::render::problem;
use crate::{DenyOptions, Disclose};

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
    /// A page of another site may have made the browser send it.
    Csrf,
    /// There is nothing, or nothing that the caller may know of.
    NotFound,
    /// The issuer's keys were never loaded; the token may well be good.
    KeysUnavailable,
}

/// The row of a code.
struct Row {
    code: &'static str,
    status: StatusCode,
    title: &'static str,
}

impl Code {
    /// All codes, in the order of the documentation.
    pub const ALL: [Self; 19] = [
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
        Self::Csrf,
        Self::NotFound,
        Self::KeysUnavailable,
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
            Self::Csrf => ("csrf", StatusCode::FORBIDDEN, "Cross-site request"),
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND, "Not found"),
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

/// A refused request: the code, and what may be said about it.
#[derive(Clone, Debug)]
pub struct Rejection {
    code: Code,
    /// The real reason where `code` hides it.
    hidden: Option<Code>,
    pub(crate) detail: Option<String>,
    rule: Option<Box<str>>,
    required: Option<Box<str>>,
    missing: Vec<Box<str>>,
    flat: bool,
    disclose: Disclose,
    /// The file and the line of the rule.
    place: Option<(Box<str>, u32)>,
    /// Where the caller is sent instead.
    location: Option<HeaderValue>,
    /// Whether the way the credential was sent is at fault.
    unreadable_credential: bool,
}

impl Rejection {
    /// A refusal with nothing but its code.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self {
            code,
            hidden: None,
            detail: None,
            rule: None,
            required: None,
            missing: Vec::new(),
            flat: false,
            disclose: Disclose::default(),
            place: None,
            location: None,
            unreadable_credential: false,
        }
    }

    /// A request whose credential cannot be read (RFC 6750 §3.1, `invalid_request`).
    pub(crate) fn unreadable_credential(detail: &str) -> Self {
        Self { unreadable_credential: true, ..Self::new(Code::BadRequest).with_detail(detail) }
    }

    /// Says more, in a sentence that may be shown to the caller.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn with_rule(mut self, rule: &str) -> Self {
        self.rule = Some(rule.into());
        self
    }

    pub(crate) fn with_requirement(mut self, required: &str, missing: Vec<Box<str>>) -> Self {
        self.required = Some(required.into());
        self.missing = missing;
        self
    }

    /// Answers as if there were nothing; the real reason stays in the log.
    pub(crate) fn hide(mut self) -> Self {
        self.hidden = Some(self.code);
        self.code = Code::NotFound;
        self.required = None;
        self.missing.clear();
        self.detail = None;
        self
    }

    /// Renders as `deny` says.
    pub(crate) fn rendered(mut self, deny: DenyOptions) -> Self {
        self.flat = deny.flat;
        self.disclose = deny.disclose;
        self
    }

    /// Says where the rule stands, to whom it may be told.
    pub(crate) fn with_place(mut self, file: &str, line: u32) -> Self {
        self.place = Some((file.into(), line));
        self
    }

    /// Sends the caller elsewhere; code and rule stay as they are for logs and metrics.
    pub(crate) fn sent_to(mut self, location: Option<HeaderValue>) -> Self {
        self.location = location;
        self
    }

    /// The code that the caller is told.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The code for logs and metrics: the real reason, also where the caller is told nothing.
    #[must_use]
    pub fn reason(&self) -> Code {
        self.hidden.unwrap_or(self.code)
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        if self.location.is_some() { StatusCode::FOUND } else { self.code.status() }
    }

    /// The rule that refused; `None` where none matched.
    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        self.rule.as_deref()
    }

    /// The permissions whose lack made the requirement fail.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        self.missing.iter().map(|name| &**name)
    }
}
