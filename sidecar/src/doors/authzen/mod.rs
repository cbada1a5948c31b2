//! The door for whatever speaks the OpenID AuthZEN Authorization API 1.0.
//!
//! `POST /access/v1/evaluation` and `/access/v1/evaluations`, and the metadata. An action is a method, a resource of the
//! type `route` is a request target. Who asks is proven by a token in `subject.properties.access_token`, or by the headers
//! of the request in `context.headers`; what `subject.id` says is never believed, and without a token nobody asks.
//!
//! A no is 200 with `"decision": false`, and in `context` what a refused client would be told. Only what is no question is
//! an error.

mod question;

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts,
};
use http_body_util::Full;
use hyper::body::Incoming;
use orgate::{Code, Rejection, rejection};
use serde_json::{Value, json};

use self::question::{Asking, Malformed, Semantic};
use super::{
    decision::Decision,
    delivery,
    hall::{Asked, Begun, Findings, Hall},
    reading::{Unclear, only_reading},
};
use crate::{
    access_log::Outcome,
    problem::{self, Refusal},
    serve::{Connection, Defect, Handler},
};

const EVALUATION: &str = "/access/v1/evaluation";
const EVALUATIONS: &str = "/access/v1/evaluations";
const METADATA: &str = "/.well-known/authzen-configuration";
/// The largest question.
const MOST: usize = 1024 * 1024;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers enforcement points of others. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AuthZenDoor(Arc<Hall>);

impl AuthZenDoor {
    /// A door from `hall`.
    #[must_use]
    pub fn new(hall: Arc<Hall>) -> Self {
        Self(hall)
    }
}

impl Handler for AuthZenDoor {
    type Body = Full<Bytes>;

    fn handle(
        &self,
        request: Request<Incoming>,
        connection: Connection,
    ) -> impl Future<Output = Response<Self::Body>> + Send + 'static + use<> {
        let hall = Arc::clone(&self.0);
        async move { answer(&hall, request, connection).await.map(Full::new) }
    }

    fn refuse(&self, defect: Defect, _: Connection) -> Response<Self::Body> {
        self.0.refuse(defect).map(Full::new)
    }
}

async fn answer(hall: &Hall, request: Request<Incoming>, connection: Connection) -> Response<Bytes> {
    let (parts, body) = request.into_parts();
    let begun = hall.begin(&parts.headers, false);
    let asked = Asked::unread(&begun);
    let mut response = if let Err(unclear) = only_reading(&parts) {
        hall.unclear(asked, &unclear)
    } else {
        match (&parts.method, parts.uri.path()) {
            (&Method::GET | &Method::HEAD, METADATA) => metadata(&parts, connection),
            (&Method::POST, path @ (EVALUATION | EVALUATIONS)) => {
                match evaluate(hall, &parts.headers, body, path == EVALUATIONS).await {
                    Ok(decided) => json_response(&decided),
                    Err(Malformed(detail)) => {
                        let unclear = Unclear::Head(Refusal::BadRequest, detail);
                        hall.unclear(asked, &unclear)
                    }
                }
            }
            (_, EVALUATION | EVALUATIONS) => elsewhere(StatusCode::METHOD_NOT_ALLOWED, "POST"),
            (_, METADATA) => elsewhere(StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD"),
            _ => elsewhere(StatusCode::NOT_FOUND, ""),
        }
    };
    let named = parts.headers.get(&REQUEST_ID).filter(|id| id.len() <= 256).cloned();
    response.headers_mut().insert(REQUEST_ID, named.unwrap_or_else(|| begun.id.header()));
    response
}

async fn evaluate(
    hall: &Hall,
    headers: &HeaderMap,
    body: Incoming,
    several: bool,
) -> Result<Value, Malformed> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Malformed("the content type must be `application/json`"));
    }
    let Ok(bytes) = delivery::read(body, headers, MOST).await else {
        return Err(Malformed("the question cannot be read, or has more than 1 MiB"));
    };
    let asking = question::read(&bytes, several)?;
    match asking {
        Asking::One(question) => Ok(decide(hall, headers, *question).await.1),
        Asking::Several(questions, semantic) => {
            let mut decided = Vec::with_capacity(questions.len());
            for question in questions {
                let (is_yes, told) = decide(hall, headers, question).await;
                decided.push(told);
                if semantic.ends_with(is_yes) {
                    break;
                }
            }
            Ok(json!({"evaluations": decided}))
        }
    }
}

/// The decision, and what is told of it.
async fn decide(hall: &Hall, headers: &HeaderMap, question: question::Evaluation) -> (bool, Value) {
    let begun = hall.begin(headers, false);
    let question = match question {
        question::Evaluation::Route(question) => question,
        question::Evaluation::Unclear(unclear) => {
            let response = hall.unclear(Asked::unread(&begun), &unclear);
            return (false, no(response.status(), unclear.code(), &response));
        }
        question::Evaluation::Foreign => return (false, foreign(hall, &begun)),
    };
    match hall.decide(&question, &begun).await {
        Decision::Allow(_) => (true, json!({"decision": true, "context": {"request_id": begun.id.as_str()}})),
        Decision::Deny(rejection) => (false, of_rejection(&rejection, &begun)),
        Decision::Answer(_) => {
            let response = super::decision::unanswerable(&begun.id);
            (false, no(response.status(), Code::Denied.as_str(), &response))
        }
        Decision::Fault(refusal) => {
            let response = super::decision::fault(refusal, &begun.id);
            (false, no(response.status(), refusal.code(), &response))
        }
    }
}

fn of_rejection(rejection: &Rejection, begun: &Begun) -> Value {
    let code = rejection.code();
    no(code.status(), code.as_str(), &rejection.response(Some(begun.id.as_str())))
}

/// A resource of another type is none that a policy speaks of.
fn foreign(hall: &Hall, begun: &Begun) -> Value {
    let code = Code::NoRule;
    let outcome = Outcome::Refused { rule: "", code: code.as_str(), status: code.status().as_u16() };
    hall.note(Asked::unread(begun), &outcome, Findings::default());
    let detail = Some("only resources of the type `route` are known");
    let response =
        rejection::problem(code.status(), code.as_str(), code.title(), detail, Some(begun.id.as_str()));
    no(code.status(), code.as_str(), &response)
}

/// A no, with what a client would be told: the members of the problem document, and what it is asked for.
fn no(status: StatusCode, code: &str, response: &Response<Bytes>) -> Value {
    let mut context = match serde_json::from_slice(response.body()) {
        Ok(Value::Object(problem)) if problem.contains_key("code") => problem,
        _ => serde_json::Map::new(),
    };
    context.remove("type");
    context.insert("status".to_owned(), status.as_u16().into());
    context.insert("code".to_owned(), code.into());
    let challenges: Vec<&str> = response
        .headers()
        .get_all(header::WWW_AUTHENTICATE)
        .iter()
        .filter_map(|challenge| challenge.to_str().ok())
        .collect();
    if !challenges.is_empty() {
        context.insert("www_authenticate".to_owned(), challenges.into());
    }
    json!({"decision": false, "context": context})
}

/// Where everything is, under the name by which it was asked (AuthZEN §9).
fn metadata(parts: &Parts, connection: Connection) -> Response<Bytes> {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let scheme = if connection.tls.is_some() { "https" } else { "http" };
    let base = format!("{scheme}://{host}");
    json_response(&json!({
        "policy_decision_point": base,
        "access_evaluation_endpoint": format!("{base}{EVALUATION}"),
        "access_evaluations_endpoint": format!("{base}{EVALUATIONS}"),
    }))
}

fn json_response(value: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(value.to_string()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn elsewhere(status: StatusCode, allow: &'static str) -> Response<Bytes> {
    let detail =
        "here are /access/v1/evaluation, /access/v1/evaluations and /.well-known/authzen-configuration";
    let refusal = Refusal::BadRequest;
    let mut response = problem::refusal(refusal, Some(detail), None);
    *response.status_mut() = status;
    if !allow.is_empty() {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    response
}

impl Semantic {
    /// Whether nothing is evaluated after this decision.
    fn ends_with(self, is_yes: bool) -> bool {
        match self {
            Self::ExecuteAll => false,
            Self::DenyOnFirstDeny => !is_yes,
            Self::PermitOnFirstPermit => is_yes,
        }
    }
}
