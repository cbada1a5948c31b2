//! A refusal as a response.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::{Code, Rejection};
use crate::Disclose;

impl Rejection {
    /// The answer.
    #[must_use]
    pub fn response(&self, request_id: Option<&str>) -> Response<Bytes> {
        if let Some(location) = &self.location {
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
        let mut response = if self.flat {
            problem.respond("application/json", &format!("{{\"error\":{}}}", json(self.code.title())))
        } else {
            let mut body = problem.fields();
            self.push_rule(&mut body);
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
        if let Some((file, line)) = self.place.as_ref().filter(|_| self.disclose == Disclose::Full) {
            body.push_str(&format!(",\"file\":{},\"line\":{line}", json(file)));
        }
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
                if !self.missing.is_empty() && self.disclose != Disclose::Nothing {
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
