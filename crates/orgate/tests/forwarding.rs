//! What of a request goes on besides its target: the credential, and the method where a header overrides it.

#![cfg(feature = "axum")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::{convert::Infallible, sync::Arc};

use axum::{Router, body::Body, routing::any};
use common::{Keys, parts, token_at};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use orgate::{Gate, IdentityOptions, TokenOptions, TokenSource};
use orgate_testkit::TestKey;
use tower::{Layer, Service, ServiceExt, service_fn};

const RULES: [(&str, &str); 3] =
    [("GET /docs", "read"), ("POST /docs", "read"), ("DELETE /docs", "delete_org")];

fn gate(edit: impl FnOnce(orgate::GateParts) -> orgate::GateParts) -> Gate {
    let keys = Arc::new(Keys::default());
    keys.publish(&[TestKey::es256()]);
    keys.load();
    Gate::new(edit(parts(&RULES, &keys)))
}

fn token() -> String {
    token_at(orgate::clock::now().seconds(), &["read"], |_| {})
}

/// What the application sees: its method, and the headers that were sent.
async fn seen<S>(service: S, method: &str, headers: &[(&str, &str)]) -> String
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let mut request = Request::builder().method(method).uri("/docs");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = service.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (status, body) =
        (response.status().as_u16(), response.into_body().collect().await.unwrap().to_bytes());
    let body = String::from_utf8(body.to_vec()).unwrap();
    let code = body.split_once("\"code\":\"").and_then(|(_, rest)| rest.split('"').next());
    format!("{status} {}", code.unwrap_or(&body))
}

async fn show(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let header = |name| {
        let values = request.headers().get_all(name).iter().map(|value| value.to_str().unwrap());
        values.collect::<Vec<_>>().join(" + ")
    };
    let lines = ["authorization", "cookie", "x-token", "x-http-method-override"].map(header);
    Ok(Response::new(Body::from(format!("{} {}", request.method(), lines.join("|")))))
}

#[tokio::test]
async fn the_credential_ends_at_the_gate_where_the_policy_says_so() {
    let (bearer, token) = (format!("Bearer {}", token()), token());
    let cookies = format!("a=1; t={token};b=2");
    let sources = || TokenOptions {
        sources: vec![
            TokenSource::Bearer,
            TokenSource::Cookie("t".into()),
            TokenSource::Header(http::HeaderName::from_static("x-token")),
        ],
        ..TokenOptions::default()
    };
    let of = |forward_token: bool| {
        let identity = IdentityOptions { forward_token, ..IdentityOptions::default() };
        gate(|parts| parts.identity(identity).token(sources())).layer().layer(service_fn(show))
    };
    for (headers, kept, stripped) in [
        (vec![("authorization", &*bearer)], format!("{bearer}|||"), "|||".to_owned()),
        (vec![("x-token", &*token)], format!("||{token}|"), "|||".to_owned()),
        (
            vec![("authorization", "Basic eDp5"), ("x-token", &*token)],
            format!("Basic eDp5||{token}|"),
            "Basic eDp5|||".to_owned(),
        ),
        (vec![("cookie", &*cookies)], format!("|{cookies}||"), "|a=1; b=2||".to_owned()),
        (
            vec![("cookie", &*cookies), ("cookie", "c=3")],
            format!("|{cookies} + c=3||"),
            "|a=1; b=2 + c=3||".to_owned(),
        ),
    ] {
        assert_eq!(seen(of(true), "GET", &headers).await, format!("200 GET {kept}"));
        assert_eq!(seen(of(false), "GET", &headers).await, format!("200 GET {stripped}"));
    }
}

#[tokio::test]
async fn an_overridden_method_is_judged_and_served_as_that() {
    let bearer = format!("Bearer {}", token());
    let with = |value: &'static str| {
        [("authorization", bearer.clone()), ("x-http-method-override", value.to_owned())]
    };
    let rails = || gate(|parts| parts.method_override(true));
    for (method, value, expected) in [
        ("POST", "GET", format!("200 GET {bearer}|||")),
        ("POST", "get", format!("200 GET {bearer}|||")),
        ("POST", "DELETE", "403 missing_permission".to_owned()),
        ("POST", "PUT", "403 method_not_covered".to_owned()),
        ("POST", "", "400 bad_request".to_owned()),
        ("POST", "BREW", "400 bad_request".to_owned()),
        ("POST", "GET, DELETE", "400 bad_request".to_owned()),
        // Rack overrides a POST and nothing else.
        ("GET", "DELETE", format!("200 GET {bearer}|||DELETE")),
    ] {
        let headers = with(value);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let layered = rails().layer().layer(service_fn(show));
        assert_eq!(seen(layered, method, &headers).await, expected, "{method} as {value:?}");
        let routed =
            Router::new().route("/docs", any(|method: Method| async move { format!("ran {method}") }));
        let inside = seen(routed.clone().layer(rails().layer()), method, &headers).await;
        let outside = seen(rails().protect(routed), method, &headers).await;
        if method == "POST" && expected.starts_with("200") {
            assert_eq!((inside.as_str(), outside.as_str()), ("400 bad_request", "200 ran GET"), "{value}");
        }
    }
    let twice =
        [("authorization", &*bearer), ("x-http-method-override", "GET"), ("x-http-method-override", "GET")];
    assert_eq!(seen(rails().layer().layer(service_fn(show)), "POST", &twice).await, "400 bad_request");
    // Elsewhere it is a header like others.
    let headers = [("authorization", &*bearer), ("x-http-method-override", "DELETE")];
    let plain = gate(|parts| parts).layer().layer(service_fn(show));
    assert_eq!(seen(plain, "POST", &headers).await, format!("200 POST {bearer}|||DELETE"));
}
