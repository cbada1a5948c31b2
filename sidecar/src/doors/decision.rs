//! What doors do that decide for somebody else: another proxy has the request, asks, and sends it on or does not.
//!
//! Such a door sees what its front tells it. What it cannot see fails closed: there is no client certificate, and no body
//! unless the front sends one. And it cannot change the target, so a request that would have to go on with another than
//! it came with is refused: what is judged is what is forwarded, at every door.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, uri::PathAndQuery};
use orgate::{
    Additions, Checked, Code, GateAnswer, GateParts, Need, Permit, Rejection, RequestHead, Verdict, clock,
    rejection,
};

use super::{
    hall::{Asked, Begun, Findings, Hall},
    reading::Unclear,
    request_id::RequestId,
};
use crate::{
    access_log::Outcome,
    assertion::Asserted,
    identity_headers::IdentityHeaders,
    problem::{self, Refusal},
};

/// A request that somebody asks about.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) host: Option<String>,
    pub(super) target: PathAndQuery,
    pub(super) headers: HeaderMap,
    /// All of its body, where the front has sent it along.
    pub(super) body: Option<Bytes>,
}

/// What the front is told.
#[derive(Debug)]
pub(super) enum Decision {
    /// It may go on.
    Allow(Box<Grant>),
    /// It is refused.
    Deny(Box<Rejection>),
    /// The client is to be answered this, and the application not asked.
    Answer(Box<GateAnswer>),
    /// Nothing could be decided. That is a no.
    Fault(Refusal),
}

/// What goes on with an allowed request.
#[derive(Debug)]
pub(super) struct Grant {
    /// The rule that let it pass.
    pub(super) rule: String,
    pub(super) names: Arc<IdentityHeaders>,
    /// What the application is told of the caller.
    pub(super) identity: HeaderMap,
    /// The headers of the client without a credential that ends here.
    pub(super) rest: HeaderMap,
    /// What says the method that was judged, where that is not the one of the request line.
    pub(super) overridden: bool,
    /// What is added to the response.
    pub(super) additions: Additions,
}

impl Hall {
    /// Decides about `question`, and tells metrics and logs.
    pub(super) async fn decide(&self, question: &Question, begun: &Begun) -> Decision {
        let Question { method, host, target, headers, body } = question;
        let head = RequestHead {
            method,
            authority: host.as_deref(),
            path_and_query: target,
            headers,
            // Both are of the connection with the client, which is not ours.
            peer: None,
            client_certificate: None,
        };
        let asked =
            Asked { begun, method: method.as_str(), host: host.as_deref(), target: Some(target.as_str()) };
        // SECURITY: a rule for all hosts must not decide because nobody said which one is meant.
        let is_nowhere =
            host.is_none() && self.gate().parts().policy().rules().any(|(rule, _)| is_of_a_host(rule));
        if is_nowhere {
            let rejection = Rejection::new(Code::BadRequest).with_detail(NO_HOST);
            self.note_rejection(asked, &rejection);
            return Decision::Deny(rejection.into());
        }
        let verdict = match (self.gate().check_now(&head, clock::now()), body) {
            (Checked::Done(verdict), _) => verdict,
            (Checked::Needs(Need::Body { limit }), Some(body)) if body.len() > limit => {
                self.gate().check_oversized(&head, limit)
            }
            (Checked::Needs(Need::Body { .. }), Some(body)) => self.gate().check_body(&head, body).await,
            (Checked::Needs(_), _) => self.gate().check(&head).await,
        };
        match verdict {
            Verdict::Forward(permit) if permit.path_and_query().as_str() != target.as_str() => {
                let rejection = Rejection::new(Code::BadRequestTarget).with_detail(REWRITTEN);
                self.note_rejection(asked, &rejection);
                Decision::Deny(rejection.into())
            }
            Verdict::Forward(permit) => self.grant(permit, question, asked),
            Verdict::Reject(rejection) => {
                self.note_rejection(asked, &rejection);
                Decision::Deny(rejection.into())
            }
            Verdict::Answer(answer) => {
                let status = answer.response().status().as_u16();
                let outcome = Outcome::Answered { rule: answer.rule(), code: "preflight", status };
                self.note(asked, &outcome, Findings::default());
                Decision::Answer(answer.into())
            }
        }
    }

    /// Says who is calling; the permit ends with it.
    fn grant(&self, permit: Permit, question: &Question, asked: Asked<'_>) -> Decision {
        let principal = permit.principal();
        let mut rest = question.headers.clone();
        let overriding = permit.method_override(&question.method, &rest);
        let serves = overriding.as_ref().and_then(|(_, value)| value.to_str().ok());
        let asserted = Asserted {
            method: serves.unwrap_or(question.method.as_str()),
            path: question.target.path(),
            request_id: asked.begun.id.as_str(),
        };
        let additions = permit.strip_credential(&mut rest);
        self.note_shadow(
            permit.rule(),
            asked.method,
            &asked.begun.id,
            permit.would().is_none(),
            permit.shadow(),
        );
        let findings = Findings {
            caller: principal.as_ref(),
            shadow: permit.shadow(),
            policy: Some(permit.policy_digest()),
        };
        let mut headers = HeaderMap::new();
        let told = self.tell(&permit, principal.as_ref(), asserted).and_then(|(names, identity)| {
            match identity.map_or(Ok(()), |identity| names.set(&mut headers, &identity)) {
                Ok(()) => Ok(names),
                Err(_) => Err(crate::upstream::UpstreamError::Identity),
            }
        });
        match told {
            Ok(names) => {
                let outcome = self.let_through(&permit, 200);
                self.note(asked, &outcome, findings);
                Decision::Allow(Box::new(Grant {
                    rule: permit.rule().to_owned(),
                    names,
                    identity: headers,
                    rest,
                    overridden: overriding.is_some(),
                    additions,
                }))
            }
            Err(error) => {
                let refusal = error.refusal();
                let (code, status) = (refusal.code(), refusal.status().as_u16());
                let outcome = Outcome::Failed { rule: permit.rule(), code, status, error: &error };
                self.note(asked, &outcome, findings);
                Decision::Fault(refusal)
            }
        }
    }

    /// Refuses a question that has no single reading.
    pub(super) fn unclear(&self, asked: Asked<'_>, unclear: &Unclear) -> Response<Bytes> {
        let id = Some(asked.begun.id.as_str());
        let (code, response) = match *unclear {
            Unclear::Target(detail) => {
                let rejection = Rejection::new(Code::BadRequestTarget).with_detail(detail);
                (rejection.reason().as_str(), rejection.response(id))
            }
            Unclear::Head(refusal, detail) => (refusal.code(), problem::refusal(refusal, Some(detail), id)),
        };
        let outcome = Outcome::Refused { rule: "", code, status: response.status().as_u16() };
        self.note(asked, &outcome, Findings::default());
        response
    }
}

/// Whether the key of a rule, such as `GET api.example/docs`, names a host.
fn is_of_a_host(rule: &str) -> bool {
    rule.split_once(' ').is_some_and(|(_, pattern)| !pattern.trim_start().starts_with('/'))
}

/// What a front is told that would take an answer for a yes, where the gate has an answer of its own.
pub(super) fn unanswerable(id: &RequestId) -> Response<Bytes> {
    let code = Code::Denied;
    rejection::problem(code.status(), code.as_str(), code.title(), Some(UNANSWERABLE), Some(id.as_str()))
}

/// Names the real refusal, status and code, in `X-Orgate-Refused`, where the answer has another status.
pub(super) fn told_as<B>(
    mut response: Response<B>,
    parts: &GateParts,
    (status, code): (StatusCode, &str),
) -> Response<B> {
    let name = format!("{}-refused", parts.identity_options().prefix).to_ascii_lowercase();
    let value = format!("{} {code}", status.as_u16());
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// A failure of our own.
pub(super) fn fault(refusal: Refusal, id: &RequestId) -> Response<Bytes> {
    problem::refusal(refusal, None, Some(id.as_str()))
}

/// Names the request in its answer.
pub(super) fn named<B>(mut response: Response<B>, id: HeaderValue) -> Response<B> {
    response.headers_mut().insert("x-request-id", id);
    response
}

const NO_HOST: &str = "the policy has rules for hosts, and nobody says which host the request is for";
const REWRITTEN: &str = "the request would have to go on with another target (without the token in its query, or with its path \
                         in normal form), and whoever asks here sends it on as it is";
const UNANSWERABLE: &str =
    "this is answered in place of the application, which cannot be done through this door";
