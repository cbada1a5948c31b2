//! `ext_authz` over gRPC: one message in, one message out, and the status behind it (the gRPC protocol over HTTP/2).

use std::collections::BTreeMap;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::Incoming;
use prost::Message as _;

use super::{
    ExtAuthzBody,
    changes::{self, pairs},
    messages::{
        self, CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValueOption, HttpRequest, HttpStatus,
        OkHttpResponse, Status, Struct, Value,
    },
    question,
};
use crate::{
    doors::{
        decision::{self, Decision, Grant, Question},
        delivery,
        hall::{Asked, Begun, Hall},
        reading::Unclear,
    },
    problem::Refusal,
};

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
/// The largest message: the headers of a request, and a body of which a signature may be.
const MOST: usize = 2 * 1024 * 1024;

/// Statuses of gRPC.
const OK: i32 = 0;
const PERMISSION_DENIED: i32 = 7;
const UNAUTHENTICATED: i32 = 16;

pub(super) async fn answer(hall: &Hall, request: Request<Incoming>) -> Response<ExtAuthzBody> {
    let (parts, body) = request.into_parts();
    if let Some(status) = not_served(&parts) {
        let mut response = Response::new(Either::Left(Full::new(Bytes::new())));
        *response.status_mut() = status;
        return response;
    }
    let begun = hall.begin(&parts.headers, false);
    let asked = match delivery::read(body, &parts.headers, MOST).await {
        Ok(bytes) => message(&bytes),
        Err(_) => None,
    };
    let answer = match asked.map(question::of) {
        Some(Ok(question)) => decided(hall, &question, &begun).await,
        Some(Err(unclear)) => denied(&refused(hall, &begun, &unclear)),
        None => {
            let unclear = Unclear::Head(Refusal::BadRequest, "the question of Envoy cannot be read");
            denied(&refused(hall, &begun, &unclear))
        }
    };
    framed(&answer)
}

/// The status for what is no call of the one method that there is; a client of gRPC makes an error of it.
fn not_served(parts: &http::request::Parts) -> Option<StatusCode> {
    let says = |name: HeaderName, fits: fn(&str) -> bool| {
        parts.headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(fits)
    };
    if !says(header::CONTENT_TYPE, |kind| kind == "application/grpc" || kind == "application/grpc+proto") {
        return Some(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    if parts.method != Method::POST || parts.uri.path() != CHECK || !says(header::TE, |te| te == "trailers") {
        return Some(StatusCode::NOT_FOUND);
    }
    None
}

/// The one message of a call, in its frame.
fn message(bytes: &Bytes) -> Option<HttpRequest> {
    let (frame, message) = bytes.split_at_checked(5)?;
    let (&compressed, length) = frame.split_first()?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    if compressed != 0 || usize::try_from(length) != Ok(message.len()) {
        return None;
    }
    CheckRequest::decode(bytes.slice(5..)).ok()?.attributes?.request?.http
}

fn framed(answer: &CheckResponse) -> Response<ExtAuthzBody> {
    let message = answer.encode_to_vec();
    let mut bytes = BytesMut::with_capacity(5 + message.len());
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    bytes.put_slice(&message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(bytes.freeze()).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(Either::Right(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

fn refused(hall: &Hall, begun: &Begun, unclear: &Unclear) -> Response<Bytes> {
    hall.unclear(Asked::unread(begun), unclear)
}

async fn decided(hall: &Hall, question: &Question, begun: &Begun) -> CheckResponse {
    match hall.decide(question, begun).await {
        Decision::Allow(grant) => allowed(*grant, question, begun),
        Decision::Deny(rejection) => denied(&rejection.response(Some(begun.id.as_str()))),
        Decision::Answer(answer) => denied(&answer.response()),
        Decision::Fault(refusal) => denied(&decision::fault(refusal, &begun.id)),
    }
}

fn allowed(grant: Grant, question: &Question, begun: &Begun) -> CheckResponse {
    let changes = changes::of(&grant, &question.headers);
    let mut additions = Response::new(());
    grant.additions.add_to(&mut additions);
    let text = |text: &str| Value { string: Some(text.to_owned()) };
    let told = BTreeMap::from([
        ("rule".to_owned(), text(&grant.rule)),
        ("decision_id".to_owned(), text(begun.id.as_str())),
    ]);
    CheckResponse {
        status: Some(Status { code: OK }),
        denied_response: None,
        ok_response: Some(OkHttpResponse {
            headers: options(changes.set),
            headers_to_remove: changes.remove.iter().map(|name| name.as_str().to_owned()).collect(),
            response_headers_to_add: options(pairs(additions.headers())),
        }),
        dynamic_metadata: Some(Struct { fields: told }),
    }
}

/// The answer that the client gets in place of the application's.
fn denied(response: &Response<Bytes>) -> CheckResponse {
    let code = match response.status() {
        StatusCode::UNAUTHORIZED => UNAUTHENTICATED,
        _ => PERMISSION_DENIED,
    };
    CheckResponse {
        status: Some(Status { code }),
        denied_response: Some(DeniedHttpResponse {
            status: Some(HttpStatus { code: response.status().as_u16().into() }),
            headers: options(pairs(response.headers())),
            body: String::from_utf8_lossy(response.body()).into_owned(),
        }),
        ok_response: None,
        dynamic_metadata: None,
    }
}

/// Headers that take the place of what is there, further lines of one name behind the first.
fn options(headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Vec<HeaderValueOption> {
    let mut seen: Vec<HeaderName> = Vec::new();
    let option = |(name, value): (HeaderName, HeaderValue)| {
        let further = seen.contains(&name);
        let key = name.as_str().to_owned();
        seen.push(name);
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let header = messages::HeaderValue { key, value, raw_value: Bytes::new() };
        HeaderValueOption { header: Some(header), append: Some(further) }
    };
    headers.into_iter().map(option).collect()
}
