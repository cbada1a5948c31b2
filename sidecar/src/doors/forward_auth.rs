//! The forward-auth door: nginx `auth_request`, Traefik `forwardAuth`, Caddy `forward_auth`, and whatever speaks like them.
//!
//! They send the head of a request and pass it on if the answer is 2xx. The answer is the same on every path: 200 with the
//! identity headers, or the very refusal. Below `/nginx` it is one of those that nginx understands: 200, 401, 403, and 500
//! for what is nobody's fault who asks; the refusal itself is named in `X-Orgate-Refused`.
//!
//! Every name under which the application may be told something stands in the 200, empty where there is nothing to tell, so
//! that a front that copies what is there leaves nothing of a client's own in its place.
//!
//! A body is never read. A front that announces one and sends none would otherwise leave the connection out of step, so
//! the connection ends with the answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;
use orgate::{Code, GateParts};

use super::{
    decision::{self, Decision, Grant, Question},
    hall::{Asked, Begun, Hall},
    original,
    reading::{Unclear, only_reading},
};
use crate::serve::{Connection, Defect, Handler};

/// The path below which answers are for nginx.
pub const NGINX: &str = "/nginx";

/// Answers fronts that have a request and ask whether it may go on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ForwardAuthDoor(Arc<Hall>);

impl ForwardAuthDoor {
    /// A door from `hall`.
    #[must_use]
    pub fn new(hall: Arc<Hall>) -> Self {
        Self(hall)
    }
}

impl Handler for ForwardAuthDoor {
    type Body = Full<Bytes>;

    fn handle(
        &self,
        request: Request<Incoming>,
        _: Connection,
    ) -> impl Future<Output = Response<Self::Body>> + Send + 'static + use<> {
        let hall = Arc::clone(&self.0);
        async move { answer(&hall, request).await.map(Full::new) }
    }

    fn refuse(&self, defect: Defect, _: Connection) -> Response<Self::Body> {
        self.0.refuse(defect).map(Full::new)
    }
}

async fn answer(hall: &Hall, request: Request<Incoming>) -> Response<Bytes> {
    let (parts, body) = request.into_parts();
    let begun = hall.begin(&parts.headers, false);
    let has_body = !body.is_end_stream();
    let path = parts.uri.path();
    let for_nginx = path.strip_prefix(NGINX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let question = only_reading(&parts).and_then(|_| question(parts.headers));
    let told = match question {
        Ok(question) => decided(hall, &question, &begun).await,
        Err(unclear) => Told {
            refused: Some((StatusCode::BAD_REQUEST, unclear.code())),
            response: hall.unclear(Asked::unread(&begun), &unclear),
        },
    };
    let response = if for_nginx { told.understood_by_nginx(&hall.gate().parts()) } else { told.response };
    let mut response = decision::named(response, begun.id.header());
    if has_body {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// An answer.
struct Told {
    response: Response<Bytes>,
    /// Status and code of what refused; the response may send people elsewhere instead.
    refused: Option<(StatusCode, &'static str)>,
}

fn question(headers: HeaderMap) -> Result<Question, Unclear> {
    let original::Original { method, host, target } = original::read(&headers)?;
    Ok(Question { method, host, target, headers, body: None })
}

async fn decided(hall: &Hall, question: &Question, begun: &Begun) -> Told {
    match hall.decide(question, begun).await {
        Decision::Allow(grant) => Told { response: allowed(*grant), refused: None },
        Decision::Deny(rejection) => Told {
            response: rejection.response(Some(begun.id.as_str())),
            refused: Some((rejection.code().status(), rejection.code().as_str())),
        },
        // Whatever is 2xx means that the request may go on.
        Decision::Answer(_) => Told {
            response: decision::unanswerable(&begun.id),
            refused: Some((Code::Denied.status(), Code::Denied.as_str())),
        },
        Decision::Fault(refusal) => Told {
            response: decision::fault(refusal, &begun.id),
            refused: Some((refusal.status(), refusal.code())),
        },
    }
}

fn allowed(grant: Grant) -> Response<Bytes> {
    let Grant { names, mut identity, additions, .. } = grant;
    names.cover(&mut identity);
    let mut response = Response::new(Bytes::new());
    *response.headers_mut() = identity;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    additions.add_to(&mut response);
    response
}

impl Told {
    /// nginx takes 2xx, 401 and 403; everything else is an error to it, and its client gets 500. It shows no body.
    fn understood_by_nginx(self, parts: &GateParts) -> Response<Bytes> {
        let Self { mut response, refused } = self;
        let Some((status, code)) = refused else { return response };
        *response.status_mut() = match status {
            StatusCode::UNAUTHORIZED => StatusCode::UNAUTHORIZED,
            _ if status.is_server_error() => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::FORBIDDEN,
        };
        decision::told_as(response, parts, (status, code))
    }
}
