//! The gate as a tower layer: the contract of a middleware, and what the inner service is given.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use common::{Keys, RULES, gate, parts, token_at};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use orgate::{Code, Gate, Permit, Principal, Rejection};
use orgate_testkit::TestKey;
use tower::{Layer, Service, ServiceExt};

type Body = Full<Bytes>;

/// Answers with what it was given, and panics when it is called without having been polled ready.
#[derive(Default)]
struct Strict {
    ready: bool,
    calls: Arc<AtomicUsize>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        // A clone is not ready, as a service with a permit or a buffer is not.
        Self { ready: false, calls: Arc::clone(&self.calls) }
    }
}

impl Service<Request<Body>> for Strict {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been polled ready");
        self.calls.fetch_add(1, Ordering::Relaxed);
        let caller = request.extensions().get::<Principal>().map(|principal| principal.subject().to_string());
        let rule = request.extensions().get::<Arc<Permit>>().map(|permit| permit.rule().to_owned());
        ready(Ok(Response::new(Full::from(format!("{caller:?} {rule:?}")))))
    }
}

fn request(method: &str, path: &str, token: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Full::default()).unwrap()
}

fn fresh_token(permissions: &[&str]) -> String {
    token_at(orgate::clock::now().seconds(), permissions, |_| {})
}

async fn text(response: Response<Body>) -> (StatusCode, String) {
    let status = response.status();
    (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn the_service_that_was_polled_ready_is_the_one_that_is_called() {
    let (gate, _) = gate();
    let mut service = gate.layer().layer(Strict::default());
    let token = fresh_token(&["read"]);
    for _ in 0..3 {
        let answer =
            service.ready().await.unwrap().call(request("GET", "/docs", Some(&token))).await.unwrap();
        assert_eq!(text(answer).await, (StatusCode::OK, r#"Some("usr_ann") Some("GET /docs")"#.to_owned()));
    }
}

#[tokio::test]
async fn a_request_that_waits_for_keys_still_calls_the_ready_service() {
    let keys = Arc::new(Keys::default());
    keys.publish(&[TestKey::es256()]);
    let gate = Gate::new(parts(&RULES, &keys));
    let mut service = gate.layer().layer(Strict::default());
    let answer =
        service.ready().await.unwrap().call(request("GET", "/docs", Some(&fresh_token(&["read"])))).await;
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    assert_eq!(keys.refreshes.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn readiness_is_the_inner_services() {
    // One slot: while a response is under way, nothing more is ready.
    let (gate, _) = gate();
    let slow =
        tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
    let mut service = gate.layer().layer(tower::limit::ConcurrencyLimit::new(slow, 1));
    let waiting = service.ready().await.unwrap().call(request("GET", "/healthz", None));
    let mut other = service.clone();
    let blocked = tokio::time::timeout(std::time::Duration::from_millis(20), other.ready()).await;
    assert!(blocked.is_err(), "the limit inside must be felt outside");
    drop(waiting);
    assert!(other.ready().await.is_ok());
}

#[tokio::test]
async fn a_refused_request_never_reaches_the_inner_service() {
    let (gate, _) = gate();
    let inner = Strict::default();
    let calls = Arc::clone(&inner.calls);
    let service = gate.layer().layer(inner);
    for (method, path, token, status) in [
        ("GET", "/docs", None, 401),
        ("POST", "/docs", Some(fresh_token(&["read"])), 403),
        ("GET", "/nowhere", None, 403),
        ("GET", "/a/../docs", None, 400),
        ("DELETE", "/orgs/org_globex", Some(fresh_token(&["delete_org"])), 403),
    ] {
        let answer = service.clone().oneshot(request(method, path, token.as_deref())).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        let reason = answer.extensions().get::<Rejection>().map(Rejection::status);
        assert_eq!(reason, Some(answer.status()), "the reason travels with the response");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_was_in_the_extensions_before_cannot_pass_for_the_caller() {
    let (gate, _) = gate();
    let service = gate.layer().layer(Strict::default());
    let answer =
        service.clone().oneshot(request("GET", "/docs", Some(&fresh_token(&["read"])))).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);

    // Behind a first gate, a second one sees a request that carries a principal; on a public route it goes away.
    let twice = gate.layer().layer(tower::util::MapRequest::new(
        gate.layer().layer(Strict::default()),
        |mut inner: Request<Body>| {
            *inner.uri_mut() = "/healthz".parse().unwrap();
            inner
        },
    ));
    let answer = twice.oneshot(request("GET", "/docs", Some(&fresh_token(&["read"])))).await.unwrap();
    assert_eq!(text(answer).await.1, r#"None Some("GET /healthz")"#);
}

#[tokio::test]
async fn refusals_can_be_rendered_otherwise_and_stay_refusals() {
    let (gate, _) = gate();
    let plain = |rejection: &Rejection| {
        let mut response = Response::new(Full::from(format!("no: {}", rejection.code())));
        *response.status_mut() = rejection.status();
        response
    };
    let service = gate.layer().with_rejection(plain).layer(Strict::default());
    let answer = service.oneshot(request("GET", "/docs", None)).await.unwrap();
    assert_eq!(answer.extensions().get::<Rejection>().map(Rejection::code), Some(Code::NoCredential));
    assert_eq!(text(answer).await, (StatusCode::UNAUTHORIZED, "no: no_credential".to_owned()));
}
