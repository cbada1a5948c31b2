//! CORS preflights: a browser that asks whether a page of another origin may send a request (Fetch, "CORS protocol").
//!
//! A preflight is an OPTIONS request with exactly one `Origin` and one `Access-Control-Request-Method`. Unless the policy
//! says otherwise it is an OPTIONS request like any other, and needs a rule and a credential, which browsers never send
//! with it. The gate answers or passes only preflights for requests that a rule speaks of.
//!
//! Only preflights are answered here. The answer to the request itself is the application's, and so are its
//! `Access-Control-*` headers; refusals of the gate carry none.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
};
use orgate_claims::UnixTime;
use orgate_policy::{Access, Facts, RuleId, RuleMatch};

use crate::{
    Code, Permit, Rejection, RequestHead,
    cache_control::make_private,
    gate::{GateParts, Verdict},
    judge::{Asked, Judged, unmatched_or},
};

/// What becomes of preflights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Preflights {
    /// They are OPTIONS requests like any other.
    #[default]
    Deny,
    /// They are forwarded without a credential and without an identity.
    Pass,
    /// They are answered by the gate.
    Answer(CorsOptions),
}

/// What the gate answers to preflights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorsOptions {
    /// The origins that may ask, compared byte by byte; `None`: all of them.
    pub origins: Option<Vec<String>>,
    /// The request headers that they may send.
    pub headers: Vec<String>,
    /// The methods that they may use; `None`: whichever a rule covers.
    pub methods: Option<Vec<String>>,
    /// Whether cookies may be sent. Has no effect where all origins may ask.
    pub credentials: bool,
    /// How long a browser may remember the answer, in seconds.
    pub max_age: Option<u32>,
}

/// What the gate answers itself: a preflight (204, and what the page may do), or the document about the application as a
/// resource.
#[derive(Clone, Debug)]
pub struct GateAnswer {
    rule: Box<str>,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl GateAnswer {
    /// An answer that no rule decides.
    pub(crate) fn new(status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        Self { rule: Box::default(), status, headers, body }
    }

    /// The rule of the request that the browser asks for; empty where it is no preflight.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// The same, for no cache that serves others.
    pub(crate) fn in_private(mut self) -> Self {
        make_private(&mut self.headers);
        self
    }

    /// The headers of the answer.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The answer.
    #[must_use]
    pub fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(self.body.clone());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }
}

/// What decides the answer, so that no cache gives it to anybody else.
const VARIES: &str = "origin, access-control-request-method, access-control-request-headers";

/// The verdict on a preflight, if `head` is one and the policy treats preflights in a way of their own.
pub(crate) fn judge(parts: &Arc<GateParts>, head: &RequestHead<'_>, now: UnixTime) -> Option<Verdict> {
    if parts.preflights == Preflights::Deny || head.method != Method::OPTIONS {
        return None;
    }
    let origin = only(head.headers, &ORIGIN)?;
    let requested = only(head.headers, &ACCESS_CONTROL_REQUEST_METHOD)?;
    let requested = Method::from_bytes(requested.as_bytes()).ok()?;
    let path_and_query = head.path_and_query.as_str();
    let own = Asked { method: "OPTIONS", path_and_query, host: head.authority, facts: Facts::at(now) };
    if parts.preflights == Preflights::Pass && unmatched_or(parts, own, names_options).unwrap_or(false) {
        return None;
    }
    let asked =
        Asked { method: requested.as_str(), path_and_query, host: head.authority, facts: Facts::at(now) };
    let found = unmatched_or(parts, asked, |found| {
        (found.id(), found.rule().into(), found.access() == Access::Nobody)
    });
    let (rule, name, closed): (_, Box<str>, bool) = match found {
        Ok(found) => found,
        Err(rejection) => return Some(refused(parts, head, None, rejection)),
    };
    if closed {
        let rejection = Rejection::new(Code::Denied).with_rule(&name).rendered(parts.deny);
        return Some(refused(parts, head, Some(rule), rejection));
    }
    Some(match &parts.preflights {
        Preflights::Deny => return None,
        // An application whose policy is only observed answers its browsers itself.
        Preflights::Answer(options) if !parts.observes() => {
            let headers = options.headers_for(origin, &requested);
            let answer = GateAnswer::new(StatusCode::NO_CONTENT, headers, Bytes::new());
            Verdict::Answer(GateAnswer { rule: name, ..answer })
        }
        Preflights::Pass | Preflights::Answer(_) => {
            let permit = Permit::new(Arc::clone(parts), Some(rule), None, head.path_and_query.clone());
            Verdict::Forward(permit.preflight_of(requested))
        }
    })
}

/// SECURITY: where a rule names OPTIONS, that rule decides. Anybody can write the headers of a preflight.
fn names_options(found: &RuleMatch<'_>) -> bool {
    found.rule().split(' ').next().is_some_and(|methods| methods.split('|').any(|name| name == "OPTIONS"))
}

fn refused(
    parts: &Arc<GateParts>,
    head: &RequestHead<'_>,
    rule: Option<RuleId>,
    rejection: Rejection,
) -> Verdict {
    Verdict::give(parts, head, Judged { rule, ..Judged::unmatched(rejection) })
}

impl CorsOptions {
    fn headers_for(&self, origin: &HeaderValue, requested: &Method) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(VARY, HeaderValue::from_static(VARIES));
        let allowed = match &self.origins {
            None => HeaderValue::from_static("*"),
            Some(origins) if origins.iter().any(|known| known.as_bytes() == origin.as_bytes()) => {
                origin.clone()
            }
            // Nothing is said, which is a no (Fetch, "CORS check").
            Some(_) => return headers,
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if self.credentials && self.origins.is_some() {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        let methods =
            self.methods.as_ref().map_or_else(|| requested.as_str().to_owned(), |names| names.join(", "));
        for (name, text) in [
            (ACCESS_CONTROL_ALLOW_METHODS, methods),
            (ACCESS_CONTROL_ALLOW_HEADERS, self.headers.join(", ")),
            (ACCESS_CONTROL_MAX_AGE, self.max_age.map(|seconds| seconds.to_string()).unwrap_or_default()),
        ] {
            if !text.is_empty()
                && let Ok(value) = HeaderValue::try_from(text)
            {
                headers.insert(name, value);
            }
        }
        headers
    }
}

/// The only value of a header; several are two readings, and then the request is no preflight.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { None } else { first }
}

impl GateParts {
    /// What becomes of CORS preflights.
    #[must_use]
    pub fn preflights(mut self, preflights: Preflights) -> Self {
        self.preflights = preflights;
        self
    }
}
