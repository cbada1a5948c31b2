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
use orgate::{Gate, GateParts, IdentityOptions, RedirectOptions, ResourceOptions, TokenOptions, TokenSource};
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

/// What the application sees of a target, in every place where a router keeps one, and of the offered subprotocols.
async fn targets(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let original = request.extensions().get::<axum::extract::OriginalUri>();
    let offered = request.headers().get("sec-websocket-protocol").map(|value| value.to_str().unwrap());
    let text = format!(
        "{} {} {}",
        request.uri(),
        original.map_or("-".to_owned(), |uri| uri.0.to_string()),
        offered.unwrap_or("-")
    );
    Ok(Response::new(Body::from(text)))
}

fn reading(source: TokenSource) -> Gate {
    let keys = Arc::new(Keys::default());
    keys.publish(&[TestKey::es256()]);
    keys.load();
    reading_with(source, &keys, |parts| parts)
}

fn reading_with(source: TokenSource, keys: &Arc<Keys>, edit: impl FnOnce(GateParts) -> GateParts) -> Gate {
    let sources = vec![TokenSource::Bearer, source];
    let rules = [("GET /docs", "read"), ("GET /open", "public"), ("GET /page", "query.page == \"2\"")];
    let redirect = RedirectOptions { login: Some("/login".into()), organizations: None };
    let token = TokenOptions { sources, ..TokenOptions::default() };
    Gate::new(edit(parts(&rules, keys).redirect(redirect).token(token)))
}

async fn asked<S>(service: S, target: &str, headers: &[(&str, &str)]) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let mut request = Request::builder().uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    service.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let code = body.split_once("\"code\":\"").and_then(|(_, rest)| rest.split('"').next());
    format!("{status} {}", code.unwrap_or(&body))
}

#[tokio::test]
async fn a_token_in_the_query_proves_the_caller_and_goes_no_further() {
    let gate = reading(TokenSource::Query("access_token".into()));
    let (token, other) = (token(), token_at(orgate::clock::now().seconds(), &["write"], |_| {}));
    let layered = || gate.layer().layer(service_fn(targets));
    for (target, expected) in [
        (format!("/docs?access_token={token}"), "200 /docs - -"),
        (format!("/docs?a=1&access_token={token}&b=%32"), "200 /docs?a=1&b=%32 - -"),
        (format!("/docs?access_token={other}"), "403 missing_permission"),
        (format!("/docs?access_token={token}&access_token={token}"), "400 bad_request"),
        (format!("/docs?Access_Token={token}"), "400 bad_request"),
        (format!("/docs?a=1;access_token={token}"), "400 bad_request"),
        ("/docs?access_token=".to_owned(), "400 bad_request"),
        ("/docs".to_owned(), "401 no_credential"),
        // Nobody looks at it there, and it is in the address all the same.
        (format!("/open?x=1&access_token={token}&access_token=b"), "200 /open?x=1 - -"),
        (format!("/page?page=2&access_token={token}"), "200 /page?page=2 - -"),
    ] {
        assert_eq!(text(asked(layered(), &target, &[]).await).await, expected, "{target}");
    }
    let bearer = format!("Bearer {token}");
    let both = asked(layered(), &format!("/docs?access_token={token}"), &[("authorization", &bearer)]).await;
    assert_eq!(text(both).await, "400 bad_request");
    // Behind a router that took a prefix off, and kept the whole address.
    let inner = gate.layer().layer(service_fn(targets));
    let nested = Router::new().nest_service("/docs", inner);
    let answer = asked(nested, &format!("/docs/?a=1&access_token={token}"), &[]).await;
    assert_eq!(text(answer).await, "200 /?a=1 /docs/?a=1 -");
    let routed = Router::new().route("/docs", any(targets));
    let answer = asked(gate.protect(routed), &format!("/docs?access_token={token}"), &[]).await;
    assert_eq!(text(answer).await, "200 /docs /docs -");
    // Nor does it travel to the page where people sign in.
    let navigate = [("sec-fetch-mode", "navigate")];
    let answer = asked(layered(), "/docs?a=1&access_token=not.a.token", &navigate).await;
    assert_eq!(answer.headers()["location"], "/login?return_to=%2Fdocs%3Fa%3D1");
}

#[tokio::test]
async fn what_is_answered_to_a_token_in_the_query_is_for_its_sender_alone() {
    let resource = || ResourceOptions { url: "https://api.example".to_owned(), ..ResourceOptions::default() };
    let answering = |said: Option<&'static str>| {
        service_fn(move |_: Request<Body>| async move {
            let said = said.map(|said| ("cache-control", said));
            let response =
                said.into_iter().fold(Response::builder(), |all, (name, value)| all.header(name, value));
            Ok::<_, Infallible>(response.body(Body::empty()).unwrap())
        })
    };
    let token = token();
    let (with, bearer) = (format!("access_token={token}"), format!("Bearer {token}"));
    for observe in [false, true] {
        // The first request has to wait for keys.
        let keys = Arc::new(Keys::default());
        keys.publish(&[TestKey::es256()]);
        let query = TokenSource::Query("access_token".into());
        let gate = reading_with(query, &keys, |parts| parts.resource(resource()).observe(observe));
        let told = async |target: &str, headers: &[(&str, &str)], said| {
            let answer = asked(gate.layer().layer(answering(said)), target, headers).await;
            assert_eq!(answer.status(), 200, "{target}");
            answer.headers().get("cache-control").map(|value| value.to_str().unwrap().to_owned())
        };
        for (target, said, expected) in [
            (format!("/docs?{with}"), None, "private"),
            (format!("/docs?{with}"), None, "private"),
            (format!("/docs?a=1&{with}"), Some("public, max-age=60"), "private, max-age=60"),
            (format!("/docs?{with}"), Some("no-store"), "no-store"),
            (format!("/open?{with}&{with}"), Some("max-age=60"), "private, max-age=60"),
            (format!("/.well-known/oauth-protected-resource?{with}"), None, "private, max-age=300"),
        ] {
            assert_eq!(told(&target, &[], said).await.as_deref(), Some(expected), "{target} {said:?}");
        }
        for said in [None, Some("public, max-age=60")] {
            let headers = [("authorization", &*bearer)];
            assert_eq!(told("/docs?a=1", &headers, said).await.as_deref(), said, "not in the query");
        }
    }
}

#[tokio::test]
async fn a_token_among_subprotocols_proves_the_caller_and_the_handshake_holds() {
    let gate = reading(TokenSource::WebSocketProtocol("bearer".into()));
    let token = token();
    let upgrade = ("upgrade", "websocket");
    let layered = || gate.layer().layer(service_fn(targets));
    for (offered, upgrades, expected) in [
        (format!("bearer, {token}"), true, "200 /docs - -"),
        (format!("chat, bearer, {token}, mqtt"), true, "200 /docs - chat, mqtt"),
        ("bearer, not.a.token".to_owned(), true, "401 invalid_token"),
        ("chat".to_owned(), true, "401 no_credential"),
        ("bearer".to_owned(), true, "400 bad_request"),
        (format!("bearer, {token}, bearer, {token}"), true, "400 bad_request"),
        (format!("bearer, {token}"), false, "400 bad_request"),
    ] {
        let offer = ("sec-websocket-protocol", offered.as_str());
        let headers = if upgrades { vec![upgrade, offer] } else { vec![offer] };
        assert_eq!(text(asked(layered(), "/docs", &headers).await).await, expected, "{offered}");
    }
    let offered = format!("bearer, {token}, chat");
    let offer = ("sec-websocket-protocol", offered.as_str());
    assert_eq!(
        text(asked(layered(), "/open", &[offer]).await).await,
        "200 /open - chat",
        "on a public route"
    );
    let bearer = format!("Bearer {token}");
    let both = asked(layered(), "/docs", &[upgrade, offer, ("authorization", &bearer)]).await;
    assert_eq!(text(both).await, "400 bad_request");
    // A browser gives up a connection for which none of its protocols is selected.
    for (answered, selected, expected) in
        [(101, None, Some("bearer")), (101, Some("chat"), Some("chat")), (200, None, None), (403, None, None)]
    {
        let answering = service_fn(move |_: Request<Body>| async move {
            let mut response = Response::builder().status(answered);
            if let Some(selected) = selected {
                response = response.header("sec-websocket-protocol", selected);
            }
            Ok::<_, Infallible>(response.body(Body::empty()).unwrap())
        });
        let answer = asked(gate.layer().layer(answering), "/docs", &[upgrade, offer]).await;
        let told = answer.headers().get("sec-websocket-protocol").map(|value| value.to_str().unwrap());
        assert_eq!(told, expected, "{answered} {selected:?}");
    }
}
