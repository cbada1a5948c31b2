//! Refusals: one table for all doors.
//!
//! A refusal has a [`Code`]; the table gives its status, its title and its challenge. The body is a problem document
//! (RFC 9457) with the code; the challenge follows RFC 6750 §3 (no error attribute where there was no credential,
//! `insufficient_scope` where there was a valid one).

mod challenge;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use orgate_policy::{Access, StepUp};

pub(crate) use self::challenge::{ProofFault, Schemes};
use crate::{Code, DenyOptions, Disclose, GateParts, Principal, page, quota::Quota, status::Asker};

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
    /// What a new sign-in must bring, as parameters of a challenge (RFC 9470 §3).
    step_up: Option<Box<str>>,
    flat: bool,
    /// What the rule's `shadow:` would have said, where that is something else.
    shadow: Option<bool>,
    disclose: Disclose,
    /// What few refusals have.
    rare: Option<Box<Rare>>,
    /// Who asked, and under which policy.
    asker: Option<Box<Asker>>,
    /// Whether the way the credential was sent is at fault.
    unreadable_credential: bool,
    /// By which schemes tokens can be sent.
    schemes: Schemes,
    /// Whether the token came, or should have come, as `DPoP`.
    by_dpop: bool,
}

/// What few refusals have, apart from the others so that all of them stay small.
#[derive(Clone, Debug, Default)]
struct Rare {
    /// The authenticator that a credential must be for, where it is none for tokens.
    authenticator: Option<Box<str>>,
    /// The file and the line of the rule.
    place: Option<(Box<str>, u32)>,
    /// Where the caller is sent instead.
    location: Option<HeaderValue>,
    /// Whether it is shown as a page, and where that leads to another organization.
    page: Option<Option<Box<str>>>,
    /// After how many seconds to try again.
    retry_after: Option<u64>,
    /// What is wrong with the proof of possession.
    proof_fault: Option<ProofFault>,
    /// Which nonce the next proof must carry.
    nonce: Option<HeaderValue>,
    /// Where the document about the resource is.
    metadata: Option<Arc<str>>,
    /// What is left of the limit of the rule.
    quota: Option<Quota>,
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
            step_up: None,
            flat: false,
            shadow: None,
            disclose: Disclose::default(),
            rare: None,
            asker: None,
            unreadable_credential: false,
            schemes: Schemes::default(),
            by_dpop: false,
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

    /// Says what a new sign-in must bring: one of these classes, and at most this age in seconds.
    pub(crate) fn with_step_up(mut self, needed: &StepUp<'_>) -> Self {
        let mut parameters = String::new();
        if !needed.acr.is_empty() {
            parameters.push_str(&format!(", acr_values=\"{}\"", needed.acr.join(" ")));
        }
        if let Some(max_age) = needed.max_age {
            parameters.push_str(&format!(", max_age=\"{max_age}\""));
        }
        self.step_up = Some(parameters.into());
        self
    }

    /// Makes the challenge one for the authenticator of a rule `via(x)`.
    pub(crate) fn asked_by(mut self, access: Access<'_>) -> Self {
        if let Access::Authenticator(name) = access {
            self.rare.get_or_insert_default().authenticator = Some(name.into());
        }
        self
    }

    pub(crate) fn with_shadow(mut self, shadow: Option<bool>) -> Self {
        self.shadow = shadow;
        self
    }

    pub(crate) fn asked_under(mut self, parts: &GateParts, caller: Option<Principal>) -> Self {
        self.asker = Some(Box::new(Asker { caller, policy: Arc::clone(&parts.digest) }));
        self.naming(parts.resource.as_ref().map(|resource| &resource.metadata))
    }

    /// Names the document about the resource in its challenge.
    pub(crate) fn naming(mut self, metadata: Option<&Arc<str>>) -> Self {
        if let Some(url) = metadata {
            self.rare.get_or_insert_default().metadata = Some(Arc::clone(url));
        }
        self
    }

    /// The verified caller who was refused, where one was asked for and proven.
    #[must_use]
    pub fn principal(&self) -> Option<&Principal> {
        self.asker.as_ref()?.caller.as_ref()
    }

    /// The digest of the policy that refused; `None` for what no policy refused.
    #[must_use]
    pub fn policy_digest(&self) -> Option<&str> {
        self.asker.as_ref().map(|asker| &*asker.policy)
    }

    /// What the rule's `shadow:` would have said, where that is something else than what was decided.
    #[must_use]
    pub fn shadow(&self) -> Option<bool> {
        self.shadow
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
        self.rare.get_or_insert_default().place = Some((file.into(), line));
        self
    }

    /// Sends the caller elsewhere; code and rule stay as they are for logs and metrics.
    pub(crate) fn sent_to(mut self, location: Option<HeaderValue>) -> Self {
        if location.is_some() {
            self.rare.get_or_insert_default().location = location;
        }
        self
    }

    /// Shows it as a page; `switch` is where another organization is chosen.
    pub(crate) fn shown_as_page(mut self, switch: Option<String>) -> Self {
        self.rare.get_or_insert_default().page = Some(switch.map(String::into_boxed_str));
        self
    }

    /// Says after what time the same request can be let through.
    pub(crate) fn with_quota(mut self, quota: Quota) -> Self {
        self.rare.get_or_insert_default().quota = Some(quota);
        self
    }

    pub(crate) fn with_retry_after(mut self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.rare.get_or_insert_default().retry_after = Some(seconds.max(1));
        self
    }

    fn location(&self) -> Option<&HeaderValue> {
        self.rare.as_ref()?.location.as_ref()
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
        if self.location().is_some() { StatusCode::SEE_OTHER } else { self.code.status() }
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
        if let Some(location) = self.location() {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = self.status();
            response.headers_mut().insert(header::LOCATION, location.clone());
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            return response;
        }
        let problem = Problem {
            status: self.status(),
            code: self.code.as_str(),
            title: self.code.title(),
            detail: self.detail.as_deref(),
            request_id,
        };
        let page = self.rare.as_ref().and_then(|rare| rare.page.as_ref());
        let mut response = if let Some(switch) = page {
            let mut response = problem.respond("text/html", &page::html(self, switch.as_deref(), request_id));
            for (name, value) in page::headers() {
                response.headers_mut().insert(name, value);
            }
            response
        } else if self.flat {
            problem.respond("application/json", &format!("{{\"error\":{}}}", json(self.code.title())))
        } else {
            let mut body = problem.fields();
            self.push_rule(&mut body);
            problem.respond("application/problem+json", &format!("{{{body}}}"))
        };
        self.challenge(response.headers_mut());
        let known = self.rare.as_ref().and_then(|rare| rare.retry_after);
        let retry_after = known.or(match self.code {
            Code::KeysUnavailable | Code::StaleFeed => Some(5),
            _ => None,
        });
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(quota) = self.rare.as_ref().and_then(|rare| rare.quota) {
            quota.add_to(response.headers_mut());
        }
        response
    }

    /// What the refusal shows of the policy.
    fn push_rule(&self, body: &mut String) {
        if self.disclose == Disclose::Nothing || self.hidden.is_some() {
            return;
        }
        if let Some(required) = &self.required {
            body.push_str(&format!(",\"required\":{}", json(required)));
        }
        if !self.missing.is_empty() {
            let names: Vec<String> = self.missing.iter().map(|name| json(name)).collect();
            body.push_str(&format!(",\"missing\":[{}]", names.join(",")));
        }
        if let Some(rule) = &self.rule {
            body.push_str(&format!(",\"rule\":{}", json(rule)));
        }
        let place = self.rare.as_ref().and_then(|rare| rare.place.as_ref());
        if let Some((file, line)) = place.filter(|_| self.disclose == Disclose::Full) {
            body.push_str(&format!(",\"file\":{},\"line\":{line}", json(file)));
        }
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
pub(crate) fn json(text: &str) -> String {
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
