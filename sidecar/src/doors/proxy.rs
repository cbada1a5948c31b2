//! The reverse-proxy door: HTTP in, the gate's verdict, HTTP out.
//!
//! What this door owes the gate is one reading of the request: one host, one target, one framing. A request that has
//! two is refused before the gate sees it. What passes the gate goes out with the permit, which is taken by value and
//! holds the target that was judged.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header, request::Parts, uri::PathAndQuery};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use orgate::{Checked, Code, Gate, Need, Permit, Principal, Rejection, RequestHead, Verdict, clock};

use super::{
    delivery::{self, Unread},
    drain,
    reading::{Unclear, only_reading},
    request_id::{RequestId, RequestIds},
    teller::Teller,
};
use crate::{
    access_log::{AccessLog, Outcome, Record},
    assertion::{Asserted, PUBLISHED_AT},
    decision_log::{Decision, DecisionLog},
    metrics::Metrics,
    problem::{self, Refusal},
    serve::{self, Connection, Defect, Handler},
    upstream::{ClientBody, Outbound, ResponseBody, Upstreams},
};

/// The proxy in front of one application. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ProxyDoor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    gate: Gate,
    upstreams: Upstreams,
    metrics: Arc<Metrics>,
    log: AccessLog,
    decisions: Option<DecisionLog>,
    teller: Teller,
    ids: RequestIds,
}

/// What is asked, as logs tell it.
#[derive(Clone, Copy)]
struct Asked<'r> {
    started: Instant,
    id: &'r RequestId,
    method: &'r str,
    host: Option<&'r str>,
    target: Option<&'r str>,
}

/// What was found out while it was judged.
#[derive(Clone, Copy, Default)]
struct Findings<'r> {
    caller: Option<&'r Principal>,
    shadow: Option<bool>,
    policy: Option<&'r str>,
}

impl<'r> Asked<'r> {
    fn of(parts: &'r Parts, started: Instant, id: &'r RequestId) -> Self {
        Self {
            started,
            id,
            method: parts.method.as_str(),
            host: parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()),
            target: parts.uri.path_and_query().map(PathAndQuery::as_str),
        }
    }
}

/// The body of an answer: the upstream's, or a refusal.
pub type ProxyBody = Either<ResponseBody, Full<Bytes>>;

impl ProxyDoor {
    /// A door to `upstreams`, guarded by `gate`.
    #[must_use]
    pub fn new(gate: Gate, upstreams: impl Into<Upstreams>, metrics: Arc<Metrics>) -> Self {
        Self::logging(gate, upstreams, metrics, None)
    }

    /// The same, with a log of its decisions.
    #[must_use]
    pub fn logging(
        gate: Gate,
        upstreams: impl Into<Upstreams>,
        metrics: Arc<Metrics>,
        decisions: Option<DecisionLog>,
    ) -> Self {
        let (log, teller, ids) = (AccessLog::default(), Teller::new(), RequestIds::new());
        let upstreams = upstreams.into();
        Self(Arc::new(Inner { gate, upstreams, metrics, log, decisions, teller, ids }))
    }

    /// The log of its requests, for the task that flushes its summaries.
    #[must_use]
    pub fn access_log(&self) -> &AccessLog {
        &self.0.log
    }

    /// The keys that sign assertions, as a key set; `None` where the policy has none signed.
    #[must_use]
    pub fn key_set(&self) -> Option<String> {
        self.0.teller.key_set(self.0.gate.parts().identity_options())
    }

    /// Exchanges the key that signs assertions if it is old enough.
    pub fn rotate_keys(&self) {
        self.0.teller.rotate();
    }
}

impl Handler for ProxyDoor {
    type Body = ProxyBody;

    fn handle(
        &self,
        request: Request<Incoming>,
        connection: Connection,
    ) -> impl Future<Output = Response<ProxyBody>> + Send + 'static + use<> {
        let inner = Arc::clone(&self.0);
        async move { inner.answer(request, connection).await }
    }

    fn refuse(&self, defect: Defect, _: Connection) -> Response<ProxyBody> {
        let id = self.0.ids.next();
        let asked = Asked { started: Instant::now(), id: &id, method: "", host: None, target: None };
        let refusal = defect.refusal();
        let outcome = Outcome::Refused { rule: "", code: refusal.code(), status: refusal.status().as_u16() };
        self.0.note(asked, &outcome, Findings::default());
        serve::refusal(defect, Some(id.as_str())).map(|body| Either::Right(Full::new(body)))
    }
}

impl Inner {
    async fn answer(&self, request: Request<Incoming>, connection: Connection) -> Response<ProxyBody> {
        let started = Instant::now();
        let id = self.ids.next();
        let (parts, body) = request.into_parts();
        let target = match only_reading(&parts) {
            Ok(target) => target,
            Err(unclear) => return self.refuse_head(started, &id, &parts, body, &unclear),
        };
        if target.path() == PUBLISHED_AT
            && matches!(parts.method, Method::GET | Method::HEAD)
            && let Some(keys) = self.teller.published(self.gate.parts().identity_options())
        {
            let outcome = Outcome::Answered { rule: "", code: "key_set", status: 200 };
            self.note(Asked::of(&parts, started, &id), &outcome, Findings::default());
            let mut response = keys.map(|body| Either::Right(Full::new(body)));
            drain::dispose(body, &parts.headers, &mut response);
            return response;
        }
        let head = RequestHead {
            method: &parts.method,
            authority: parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()),
            path_and_query: &target,
            headers: &parts.headers,
            peer: Some(connection.peer),
            client_certificate: connection.tls.and_then(|tls| tls.client_certificate),
        };
        let (verdict, body) = match self.gate.check_now(&head, clock::now()) {
            Checked::Done(verdict) => (verdict, Body::Unread(body)),
            Checked::Needs(Need::Body { limit }) => match delivery::read(body, &parts.headers, limit).await {
                Ok(bytes) => (self.gate.check_body(&head, &bytes).await, Body::Read(bytes)),
                Err(Unread::TooLarge(begun, rest)) if self.gate.parts().observes() => {
                    (self.gate.check_oversized(&head, limit), Body::Begun(begun, rest))
                }
                Err(unread) => return self.refuse_body(started, &id, &parts, unread),
            },
            Checked::Needs(_) => (self.gate.check(&head).await, Body::Unread(body)),
        };
        match (verdict, body) {
            (Verdict::Forward(permit), Body::Unread(body)) => {
                self.forward(permit, Request::from_parts(parts, body), connection, started, &id).await
            }
            (Verdict::Forward(permit), Body::Read(bytes)) => {
                self.forward(permit, Request::from_parts(parts, bytes), connection, started, &id).await
            }
            (Verdict::Forward(permit), Body::Begun(begun, rest)) => {
                let body = ClientBody::Begun(begun, rest);
                self.forward(permit, Request::from_parts(parts, body), connection, started, &id).await
            }
            (Verdict::Reject(rejection), body) => self.reject(&rejection, started, &id, &parts, body),
            (Verdict::Answer(answer), body) => {
                let outcome = Outcome::Answered { rule: answer.rule(), code: "preflight", status: 204 };
                self.note(Asked::of(&parts, started, &id), &outcome, Findings::default());
                let mut response = answer.response().map(|body| Either::Right(Full::new(body)));
                body.dispose(&parts.headers, &mut response);
                response
            }
        }
    }

    /// Sends a request that has a permit; the permit ends with it.
    async fn forward(
        &self,
        permit: Permit,
        request: Request<impl Into<ClientBody>>,
        connection: Connection,
        started: Instant,
        id: &RequestId,
    ) -> Response<ProxyBody> {
        let method = request.method().clone();
        let host = request.headers().get(header::HOST).filter(|_| self.decisions.is_some()).cloned();
        let principal = permit.principal();
        let target = permit.path_and_query().clone();
        let overriding = permit.method_override(&method, request.headers());
        let serves = overriding.as_ref().and_then(|(_, value)| value.to_str().ok());
        let asserted = Asserted {
            method: serves.unwrap_or(method.as_str()),
            path: target.path(),
            request_id: id.as_str(),
        };
        let mut request = request;
        let additions = permit.strip_credential(request.headers_mut());
        let rule = permit.rule();
        let enforced = permit.would().is_none();
        self.note_shadow(rule, method.as_str(), id, enforced, permit.shadow());
        let asked = Asked {
            started,
            id,
            method: method.as_str(),
            host: host.as_ref().and_then(|host| host.to_str().ok()),
            target: Some(permit.path_and_query().as_str()),
        };
        let findings = Findings {
            caller: principal.as_ref(),
            shadow: permit.shadow(),
            policy: Some(permit.policy_digest()),
        };
        let sent = match self.teller.tell(&permit, principal.as_ref(), asserted) {
            Ok((names, identity)) => {
                let until = principal.as_ref().and_then(|principal| principal.expires_at());
                let outbound = Outbound::new(request, target, names, identity, connection, id.header());
                self.upstreams.forward(outbound.overriding(overriding).until(until)).await
            }
            Err(error) => Err(error),
        };
        let mut response = match sent {
            Ok(response) => {
                let status = response.status().as_u16();
                let outcome = match permit.would() {
                    None => Outcome::Forwarded { rule, status },
                    Some(would) => {
                        self.metrics.would_deny(rule, would.reason().as_str());
                        Outcome::Observed { rule, code: would.reason().as_str(), status }
                    }
                };
                self.note(asked, &outcome, findings);
                response.map(Either::Left)
            }
            Err(error) => {
                let refusal = error.refusal();
                self.metrics.upstream_error(error.kind());
                let outcome = Outcome::Failed {
                    rule,
                    code: refusal.code(),
                    status: refusal.status().as_u16(),
                    error: &error,
                };
                self.note(asked, &outcome, findings);
                problem::refusal(refusal, None, Some(id.as_str())).map(|body| Either::Right(Full::new(body)))
            }
        };
        additions.add_to(&mut response);
        response
    }

    /// Tells where the shadow of a rule disagrees with what was decided.
    fn note_shadow(&self, rule: &str, method: &str, id: &RequestId, enforced: bool, shadow: Option<bool>) {
        if let Some(shadow) = shadow {
            let word = |allows: bool| if allows { "allow" } else { "deny" };
            self.metrics.shadow(rule, word(enforced), word(shadow));
            self.log.shadow(rule, method, id.as_str(), word(enforced), word(shadow));
        }
    }

    /// Answers a signed delivery whose body could not be read.
    fn refuse_body(
        &self,
        started: Instant,
        id: &RequestId,
        parts: &Parts,
        unread: Unread,
    ) -> Response<ProxyBody> {
        let (refusal, rest) = match unread {
            Unread::TooLarge(_, rest) => (Refusal::ContentTooLarge, Some(rest)),
            Unread::Late => (Refusal::RequestTimeout, None),
            Unread::Broken => (Refusal::BadRequest, None),
        };
        let outcome = Outcome::Refused { rule: "", code: refusal.code(), status: refusal.status().as_u16() };
        self.note(Asked::of(parts, started, id), &outcome, Findings::default());
        let response = problem::refusal(refusal, None, Some(id.as_str()));
        let mut response = response.map(|body| Either::Right(Full::new(body)));
        match rest {
            Some(rest) => drain::dispose(rest, &parts.headers, &mut response),
            None => {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
        }
        response
    }

    fn reject(
        &self,
        rejection: &Rejection,
        started: Instant,
        id: &RequestId,
        parts: &Parts,
        body: Body,
    ) -> Response<ProxyBody> {
        let rule = rejection.rule().unwrap_or_default();
        self.note_shadow(rule, parts.method.as_str(), id, false, rejection.shadow());
        let outcome = Outcome::Refused {
            rule: rejection.rule().unwrap_or_default(),
            code: rejection.reason().as_str(),
            status: rejection.status().as_u16(),
        };
        let findings = Findings {
            caller: rejection.principal(),
            shadow: rejection.shadow(),
            policy: rejection.policy_digest(),
        };
        self.note(Asked::of(parts, started, id), &outcome, findings);
        let mut response = rejection.response(Some(id.as_str())).map(|body| Either::Right(Full::new(body)));
        body.dispose(&parts.headers, &mut response);
        response
    }

    fn refuse_head(
        &self,
        started: Instant,
        id: &RequestId,
        parts: &Parts,
        body: Incoming,
        unclear: &Unclear,
    ) -> Response<ProxyBody> {
        let (code, bytes) = match *unclear {
            Unclear::Target(detail) => {
                let rejection = Rejection::new(Code::BadRequestTarget).with_detail(detail);
                (rejection.reason().as_str(), rejection.response(Some(id.as_str())))
            }
            Unclear::Head(refusal, detail) => {
                (refusal.code(), problem::refusal(refusal, Some(detail), Some(id.as_str())))
            }
        };
        let outcome = Outcome::Refused { rule: "", code, status: bytes.status().as_u16() };
        self.note(Asked::of(parts, started, id), &outcome, Findings::default());
        let mut response = bytes.map(|body| Either::Right(Full::new(body)));
        drain::dispose(body, &parts.headers, &mut response);
        response
    }

    fn note(&self, asked: Asked<'_>, outcome: &Outcome<'_>, findings: Findings<'_>) {
        let Asked { started, id, method, host, target } = asked;
        let duration = started.elapsed();
        self.metrics.request(outcome.rule(), outcome.code(), duration);
        self.log.record(&Record { method, request_id: id.as_str(), duration, outcome });
        if let Some(decisions) = &self.decisions {
            let Findings { caller, shadow, policy } = findings;
            let (id, latency) = (id.as_str(), duration);
            decisions.record(&Decision {
                id,
                method,
                host,
                target,
                outcome,
                shadow,
                caller,
                policy,
                latency,
            });
        }
    }
}

/// The body of a request that is being judged.
enum Body {
    Unread(Incoming),
    Read(Bytes),
    /// More than was to be read of it.
    Begun(Bytes, Incoming),
}

impl Body {
    /// Disposes of what is left of it, after a refusal.
    fn dispose<B>(self, request: &HeaderMap, response: &mut Response<B>) {
        if let Self::Unread(body) | Self::Begun(_, body) = self {
            drain::dispose(body, request, response);
        }
    }
}
