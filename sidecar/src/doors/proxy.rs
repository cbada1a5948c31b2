//! The reverse-proxy door: HTTP in, the gate's verdict, HTTP out.
//!
//! What this door owes the gate is one reading of the request: one host, one target, one framing. A request that has
//! two is refused before the gate sees it. What passes the gate goes out with the permit, which is taken by value and
//! holds the target that was judged.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header, request::Parts};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use orgate::{Checked, Code, Need, Permit, Rejection, RequestHead, Verdict, clock};

use super::{
    delivery::{self, Unread},
    drain,
    hall::{Asked, Begun, Findings, Hall},
    reading::{Unclear, only_reading},
    request_id::{RequestId, X_REQUEST_ID},
};
use crate::{
    access_log::Outcome,
    assertion::{Asserted, PUBLISHED_AT},
    problem::{self, Refusal},
    serve::{Connection, Defect, Handler},
    upstream::{ClientBody, Outbound, ResponseBody, UpstreamError, Upstreams},
};

/// The proxy in front of one application. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ProxyDoor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    hall: Arc<Hall>,
    upstreams: Upstreams,
}

/// The body of an answer: the upstream's, or a refusal.
pub type ProxyBody = Either<ResponseBody, Full<Bytes>>;

impl ProxyDoor {
    /// A door from `hall` to `upstreams`.
    #[must_use]
    pub fn new(hall: Arc<Hall>, upstreams: impl Into<Upstreams>) -> Self {
        Self(Arc::new(Inner { hall, upstreams: upstreams.into() }))
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
        self.0.hall.refuse(defect).map(|body| Either::Right(Full::new(body)))
    }
}

impl Inner {
    async fn answer(&self, request: Request<Incoming>, connection: Connection) -> Response<ProxyBody> {
        let begun = self.hall.begin(request.headers(), connection.trusted);
        let mut response = self.judge(request, connection, &begun).await;
        response.headers_mut().insert(X_REQUEST_ID, begun.id.header());
        response
    }

    async fn judge(
        &self,
        request: Request<Incoming>,
        connection: Connection,
        begun: &Begun,
    ) -> Response<ProxyBody> {
        let (parts, body) = request.into_parts();
        let target = match only_reading(&parts) {
            Ok(target) => target,
            Err(unclear) => return self.refuse_head(begun, &parts, body, &unclear),
        };
        if target.path() == PUBLISHED_AT
            && matches!(parts.method, Method::GET | Method::HEAD)
            && let Some(keys) = self.hall.published_keys()
        {
            let outcome = Outcome::Answered { rule: "", code: "key_set", status: 200 };
            self.hall.note(Asked::of(&parts, begun), &outcome, Findings::default());
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
        let (verdict, body) = match self.hall.gate().check_now(&head, clock::now()) {
            Checked::Done(verdict) => (verdict, Body::Unread(body)),
            Checked::Needs(Need::Body { limit }) => match delivery::read(body, &parts.headers, limit).await {
                Ok(bytes) => (self.hall.gate().check_body(&head, &bytes).await, Body::Read(bytes)),
                Err(Unread::TooLarge(bytes, rest)) if self.hall.gate().parts().observes() => {
                    (self.hall.gate().check_oversized(&head, limit), Body::Begun(bytes, rest))
                }
                Err(unread) => return self.refuse_body(begun, &parts, unread),
            },
            Checked::Needs(_) => (self.hall.gate().check(&head).await, Body::Unread(body)),
        };
        match (verdict, body) {
            (Verdict::Forward(permit), Body::Unread(body)) => {
                self.forward(permit, Request::from_parts(parts, body), connection, begun).await
            }
            (Verdict::Forward(permit), Body::Read(bytes)) => {
                self.forward(permit, Request::from_parts(parts, bytes), connection, begun).await
            }
            (Verdict::Forward(permit), Body::Begun(first, rest)) => {
                let body = ClientBody::Begun(first, rest);
                self.forward(permit, Request::from_parts(parts, body), connection, begun).await
            }
            (Verdict::Reject(rejection), body) => self.reject(&rejection, begun, &parts, body),
            (Verdict::Answer(answer), body) => {
                let outcome = Outcome::Answered { rule: answer.rule(), code: "preflight", status: 204 };
                self.hall.note(Asked::of(&parts, begun), &outcome, Findings::default());
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
        begun: &Begun,
    ) -> Response<ProxyBody> {
        let id = &begun.id;
        let method = request.method().clone();
        let host = request.headers().get(header::HOST).filter(|_| self.hall.keeps_decisions()).cloned();
        let principal = permit.principal();
        let target = permit.path_and_query().clone();
        let overriding = permit.method_override(&method, request.headers());
        let serves = overriding.as_ref().and_then(|(_, value)| value.to_str().ok());
        // A name that was given may be that of another request as well, and an assertion is for one.
        let unique = matches!(id, RequestId::Given(_)).then(|| self.hall.next_id());
        let asserted = Asserted {
            method: serves.unwrap_or(method.as_str()),
            path: target.path(),
            request_id: unique.as_ref().unwrap_or(id).as_str(),
        };
        let mut request = request;
        let additions = permit.strip_credential(request.headers_mut());
        let rule = permit.rule();
        let enforced = permit.would().is_none();
        self.hall.note_shadow(rule, method.as_str(), id, enforced, permit.shadow());
        let asked = Asked {
            begun,
            method: method.as_str(),
            host: host.as_ref().and_then(|host| host.to_str().ok()),
            target: Some(permit.path_and_query().as_str()),
        };
        let findings = Findings {
            caller: principal.as_ref(),
            shadow: permit.shadow(),
            policy: Some(permit.policy_digest()),
        };
        let call = self.hall.traces().call(&begun.trace, request.headers_mut());
        let sent = match self.hall.tell(&permit, principal.as_ref(), asserted) {
            Ok((names, identity)) => {
                let until = principal.as_ref().and_then(|principal| principal.expires_at());
                let outbound = Outbound::new(request, target, names, identity, connection, id.header());
                let outbound = outbound.overriding(overriding).until(until);
                self.upstreams.forward(outbound.reviewed_by(permit.tenure(self.hall.gate()))).await
            }
            Err(error) => Err(error),
        };
        let answered = sent.as_ref().map(|response| response.status().as_u16()).map_err(UpstreamError::kind);
        self.hall.traces().called(&begun.trace, call, method.as_str(), answered);
        let mut response = match sent {
            Ok(response) => {
                let outcome = self.hall.let_through(&permit, response.status().as_u16());
                self.hall.note(asked, &outcome, findings);
                response.map(Either::Left)
            }
            Err(error) => {
                let refusal = error.refusal();
                self.hall.metrics().upstream_error(error.kind());
                let outcome = Outcome::Failed {
                    rule,
                    code: refusal.code(),
                    status: refusal.status().as_u16(),
                    error: &error,
                };
                self.hall.note(asked, &outcome, findings);
                let mut response = problem::refusal(refusal, None, Some(id.as_str()))
                    .map(|body| Either::Right(Full::new(body)));
                if error.is_of_client() {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                response
            }
        };
        additions.add_to(&mut response);
        response
    }

    /// Answers a signed delivery whose body could not be read.
    fn refuse_body(&self, begun: &Begun, parts: &Parts, unread: Unread) -> Response<ProxyBody> {
        let (refusal, rest) = match unread {
            Unread::TooLarge(_, rest) => (Refusal::ContentTooLarge, Some(rest)),
            Unread::Late => (Refusal::RequestTimeout, None),
            Unread::Broken => (Refusal::BadRequest, None),
        };
        let outcome = Outcome::Refused { rule: "", code: refusal.code(), status: refusal.status().as_u16() };
        self.hall.note(Asked::of(parts, begun), &outcome, Findings::default());
        let response = problem::refusal(refusal, None, Some(begun.id.as_str()));
        let mut response = response.map(|body| Either::Right(Full::new(body)));
        match rest {
            Some(rest) => drain::dispose(rest, &parts.headers, &mut response),
            None => {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
        }
        response
    }

    fn reject(&self, rejection: &Rejection, begun: &Begun, parts: &Parts, body: Body) -> Response<ProxyBody> {
        self.hall.note_rejection(Asked::of(parts, begun), rejection);
        let mut response =
            rejection.response(Some(begun.id.as_str())).map(|body| Either::Right(Full::new(body)));
        body.dispose(&parts.headers, &mut response);
        response
    }

    fn refuse_head(
        &self,
        begun: &Begun,
        parts: &Parts,
        body: Incoming,
        unclear: &Unclear,
    ) -> Response<ProxyBody> {
        let id = &begun.id;
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
        self.hall.note(Asked::of(parts, begun), &outcome, Findings::default());
        let mut response = bytes.map(|body| Either::Right(Full::new(body)));
        drop(body);
        // Where a message has no one reading, what comes behind it has none either; behind a CONNECT it is no HTTP at all.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
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
