//! `ext_authz` over HTTP: the request itself, without its body. 200 is a yes, 5xx an error, and any other answer goes to the
//! client as it is.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;

use super::changes;
use crate::doors::{
    decision::{self, Decision, Grant, Question},
    hall::{Asked, Begun, Hall},
    original::target_of,
    reading::only_reading,
};

/// Names what Envoy removes from the request.
const REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");

pub(super) async fn answer(hall: &Hall, request: Request<Incoming>) -> Response<Bytes> {
    let (parts, body) = request.into_parts();
    let begun = hall.begin(&parts.headers, false);
    let has_body = !body.is_end_stream();
    let target = only_reading(&parts).and_then(|target| target_of(target.as_str()));
    let mut response = match target {
        Ok(target) => {
            let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
            let host = host.map(str::to_owned);
            let question =
                Question { method: parts.method, host, target, headers: parts.headers, body: None };
            decided(hall, &question, &begun).await
        }
        Err(unclear) => hall.unclear(Asked::of(&parts, &begun), &unclear),
    };
    if has_body {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn decided(hall: &Hall, question: &Question, begun: &Begun) -> Response<Bytes> {
    match hall.decide(question, begun).await {
        Decision::Allow(grant) => allowed(*grant, question),
        Decision::Deny(rejection) => {
            let response = rejection.response(Some(begun.id.as_str()));
            understood(response, hall, rejection.code().as_str())
        }
        Decision::Answer(answer) => {
            let response = answer.response();
            match response.status() {
                // To Envoy that is a yes.
                StatusCode::OK => decision::unanswerable(&begun.id),
                _ => response,
            }
        }
        Decision::Fault(refusal) => understood(decision::fault(refusal, &begun.id), hall, refusal.code()),
    }
}

/// SECURITY: to Envoy 5xx is an error, and an error is a yes where the filter has `failure_mode_allow`. A no is 403.
fn understood(mut response: Response<Bytes>, hall: &Hall, code: &str) -> Response<Bytes> {
    let status = response.status();
    if !status.is_server_error() {
        return response;
    }
    *response.status_mut() = StatusCode::FORBIDDEN;
    decision::told_as(response, &hall.gate().parts(), (status, code))
}

fn allowed(grant: Grant, question: &Question) -> Response<Bytes> {
    let mut changes = changes::of(&grant, &question.headers);
    // Of the client's headers Envoy may have been told to send us few.
    let mut ours = grant.identity.clone();
    grant.names.cover(&mut ours);
    for (name, value) in &ours {
        if value.is_empty() && !changes.remove.contains(name) {
            changes.remove.push(name.clone());
        }
    }
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    for (name, value) in changes.set {
        headers.append(name, value);
    }
    let names: Vec<&str> = changes.remove.iter().map(HeaderName::as_str).collect();
    if let Ok(names) = HeaderValue::try_from(names.join(", ")) {
        headers.insert(REMOVE, names);
    }
    grant.additions.add_to(&mut response);
    response
}
