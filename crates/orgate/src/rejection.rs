//! Refusals: one table for all doors.
//!
//! A refusal has a [`Code`]; the table gives its status, its title and its challenge. The body is a problem document
//! (RFC 9457) with the code; the challenge follows RFC 6750 §3 (no error attribute where there was no credential,
//! `insufficient_scope` where there was a valid one).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
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
    pub const ALL: [Self; 18] = [
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

    pub(crate) fn flat(mut self, flat: bool) -> Self {
        self.flat = flat;
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
        self.code.status()
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

    /// The answer.
    #[must_use]
    pub fn response(&self, request_id: Option<&str>) -> Response<Bytes> {
        let shown_rule = self.rule.as_deref().filter(|_| self.hidden.is_none());
        let problem = Problem {
            status: self.status(),
            code: self.code.as_str(),
            title: self.code.title(),
            detail: self.detail.as_deref(),
            request_id,
        };
        let mut response = if self.flat {
            problem.respond("application/json", &format!("{{\"error\":{}}}", json(self.code.title())))
        } else {
            let mut body = problem.fields();
            if let Some(required) = &self.required {
                body.push_str(&format!(",\"required\":{}", json(required)));
            }
            if !self.missing.is_empty() {
                let names: Vec<String> = self.missing.iter().map(|name| json(name)).collect();
                body.push_str(&format!(",\"missing\":[{}]", names.join(",")));
            }
            if let Some(rule) = shown_rule {
                body.push_str(&format!(",\"rule\":{}", json(rule)));
            }
            problem.respond("application/problem+json", &format!("{{{body}}}"))
        };
        if let Some(challenge) = self.challenge() {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.code == Code::KeysUnavailable {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }

    /// RFC 6750 §3.
    fn challenge(&self) -> Option<HeaderValue> {
        let challenge = match (self.code, self.status()) {
            (Code::NoCredential, _) => "Bearer realm=\"orgate\"".to_owned(),
            (Code::BadRequest, _) if self.unreadable_credential => {
                "Bearer realm=\"orgate\", error=\"invalid_request\"".to_owned()
            }
            (_, StatusCode::UNAUTHORIZED) => {
                let title = self.code.title();
                format!("Bearer realm=\"orgate\", error=\"invalid_token\", error_description=\"{title}\"")
            }
            (Code::MissingPermission | Code::NoActiveOrganization, _) => {
                let mut challenge = "Bearer realm=\"orgate\", error=\"insufficient_scope\"".to_owned();
                if !self.missing.is_empty() {
                    challenge.push_str(&format!(", scope=\"{}\"", self.missing.join(" ")));
                }
                challenge
            }
            (Code::MissingRole | Code::ConditionFailed, _) => {
                "Bearer realm=\"orgate\", error=\"insufficient_scope\"".to_owned()
            }
            _ => return None,
        };
        HeaderValue::try_from(challenge).ok()
    }
}

/// A refusal that is not the gate's: of the transport, or of the upstream. Same body, same headers.
#[must_use]
pub fn problem(
    status: StatusCode,
    code: &str,
    title: &str,
    detail: Option<&str>,
    request_id: Option<&str>,
) -> Response<Bytes> {
    let problem = Problem { status, code, title, detail, request_id };
    problem.respond("application/problem+json", &format!("{{{}}}", problem.fields()))
}

struct Problem<'p> {
    status: StatusCode,
    code: &'p str,
    title: &'p str,
    detail: Option<&'p str>,
    request_id: Option<&'p str>,
}

impl Problem<'_> {
    /// The members that every problem has, without the braces.
    fn fields(&self) -> String {
        let mut fields = format!(
            "\"type\":{},\"title\":{},\"status\":{},\"code\":{}",
            json(&format!("urn:orgate:error:{}", self.code)),
            json(self.title),
            self.status.as_u16(),
            json(self.code),
        );
        if let Some(detail) = self.detail {
            fields.push_str(&format!(",\"detail\":{}", json(detail)));
        }
        if let Some(request_id) = self.request_id {
            fields.push_str(&format!(",\"request_id\":{}", json(request_id)));
        }
        fields
    }

    fn respond(&self, content_type: &'static str, body: &str) -> Response<Bytes> {
        let mut response = Response::new(Bytes::copy_from_slice(body.as_bytes()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// A text as a JSON string (RFC 8259 §7).
fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
