//! What rules and `paths:` say besides who gets in: limits, encoded slashes, and the one form of a path, from the file to the
//! answer of the layer.

#![cfg(feature = "axum")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::convert::Infallible;

use axum::{
    Router,
    body::Body,
    extract::Path,
    routing::{any, get},
};
use bytes::Bytes;
use common::{ISSUER, gate_in, policy_file};
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::BodyExt;
use orgate::Gate;
use orgate_testkit::{Folder, TestKey, access_token_claims};
use tower::{Layer, Service, ServiceExt, service_fn};

/// Somebody with every permission of the profile: `ann of acme`, or `ann` without an organization.
fn token(who: &str) -> String {
    let mut claims = access_token_claims(ISSUER, "api", orgate::clock::now().seconds());
    let fields = claims.as_object_mut().unwrap();
    fields.retain(|name, _| !name.starts_with("org_"));
    let (subject, organization) =
        who.split_once(" of ").map_or((who, None), |(who, organization)| (who, Some(organization)));
    fields.insert("sub".to_owned(), subject.into());
    if let Some(organization) = organization {
        fields.insert("org_id".to_owned(), organization.into());
        fields.insert("org_permissions".to_owned(), vec!["read"].into());
    }
    TestKey::es256().mint(&claims)
}

/// Status, code or body, and headers of what `service` answers.
async fn send<S>(service: S, request: &str, who: &str) -> (u16, String, HeaderMap)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let (method, path) = request.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path);
    if !who.is_empty() {
        request = request.header("authorization", format!("Bearer {}", token(who)));
    }
    let response = service.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let code = body.split_once("\"code\":\"").and_then(|(_, rest)| rest.split('"').next()).map(str::to_owned);
    (parts.status.as_u16(), code.unwrap_or(body), parts.headers)
}

/// What an application that says which target it got answers behind the layer.
async fn ask(gate: &Gate, request: &str, who: &str) -> (u16, String, HeaderMap) {
    let service = service_fn(|request: Request<Body>| async move {
        Ok::<_, Infallible>(Response::new(Body::from(request.uri().to_string())))
    });
    send(gate.layer().layer(service), request, who).await
}

async fn told(gate: &Gate, request: &str, who: &str) -> String {
    let (status, text, _) = ask(gate, request, who).await;
    format!("{status} {text}")
}

const LIMITED: &str = "rules:
  GET /docs: {require: read, limit: 2/h per org, allow: [W025], note: who has no organization has no permission}
  GET /mine: {require: authenticated, limit: 1/h per sub}
  DELETE /docs: {require: delete_org, limit: 1/h per sub}
";

#[tokio::test]
async fn who_asks_more_often_than_the_limit_is_told_when_to_try_again() {
    let folder = Folder::new();
    let gate = gate_in(&folder, "", LIMITED).await;
    // What the policy refuses anyway costs nothing.
    for _ in 0..5 {
        assert_eq!(told(&gate, "GET /docs", "").await, "401 no_credential");
        assert_eq!(told(&gate, "GET /docs", "ann").await, "403 no_active_org");
        assert_eq!(told(&gate, "DELETE /docs", "ann of acme").await, "403 missing_permission");
    }
    assert_eq!(told(&gate, "GET /docs", "ann of acme").await, "200 /docs");
    let (status, _, headers) = ask(&gate, "HEAD /docs", "bob of acme").await;
    assert_eq!(status, 200, "of one organization, by one rule");
    assert_eq!(headers["ratelimit-policy"], "\"org\";q=2;w=3600");
    assert_eq!(headers["ratelimit"], "\"org\";r=0;t=1800");
    let (status, code, headers) = ask(&gate, "GET /docs", "bob of acme").await;
    assert_eq!((status, &*code), (429, "rate_limited"));
    let wait: u64 = headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1700..=1800).contains(&wait), "{wait}");
    assert_eq!(headers["ratelimit-policy"], "\"org\";q=2;w=3600");
    assert_eq!(headers["ratelimit"], *format!("\"org\";r=0;t={wait}"));
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers["cache-control"], "no-store");
    assert!(!headers.contains_key("www-authenticate"));
    assert_eq!(told(&gate, "GET /docs", "eve of globex").await, "200 /docs");
    assert_eq!(told(&gate, "GET /mine", "bob of acme").await, "200 /mine", "each rule has its own");
    assert_eq!(
        told(&gate, "GET /mine", "bob of globex").await,
        "429 rate_limited",
        "and this one goes by person"
    );
    assert_eq!(told(&gate, "GET /mine", "ann").await, "200 /mine");
}

#[tokio::test]
async fn a_policy_that_is_read_again_keeps_what_was_counted_of_rules_that_stayed() {
    let folder = Folder::new();
    let gate = gate_in(&folder, "", LIMITED).await;
    for path in ["/docs", "/docs", "/mine"] {
        assert_eq!(ask(&gate, &format!("GET {path}"), "ann of acme").await.0, 200);
    }
    let changed = LIMITED.replace("1/h per sub", "3/h per sub").replace("note: who", "note: whoever");
    gate.reload(policy_file(&folder, "", &changed)).await.unwrap();
    assert_eq!(ask(&gate, "GET /docs", "ann of acme").await.0, 429);
    assert_eq!(ask(&gate, "GET /mine", "ann of acme").await.0, 200, "another limit begins anew");
}

#[tokio::test]
async fn an_observed_policy_tells_what_a_limit_would_do() {
    let folder = Folder::new();
    let gate = gate_in(&folder, "", &format!("mode: observe\nuntil: 2099-01-31\n{LIMITED}")).await;
    assert!(!ask(&gate, "GET /mine", "ann").await.2.contains_key("x-orgate-would"));
    let (status, text, headers) = ask(&gate, "GET /mine", "ann").await;
    assert_eq!((status, &*text), (200, "/mine"));
    assert_eq!(headers["x-orgate-would"], "429 rate_limited");
    assert!(!headers.contains_key("ratelimit"), "what refuses nobody is no limit");
}

async fn show(Path(value): Path<String>) -> String {
    value
}

const SLASHES: &str = "rules:
  GET /files/**: {require: read, allow_encoded_slash: true}
  GET /files/admin/**: role(owner)
  GET /files/{id}/meta: role(owner)
";

#[tokio::test]
async fn an_encoded_slash_passes_as_it_is_where_the_rule_allows_it() {
    let folder = Folder::new();
    let gate = gate_in(&folder, "", SLASHES).await;
    let app = || Router::new().route("/files/{*path}", get(show)).route("/files/admin/{name}", get(show));
    for (path, layer, router) in [
        ("/files/a%2Fb", "200 /files/a%2Fb", "200 a/b"),
        ("/files/a%2fb?x=%2F", "200 /files/a%2fb?x=%2F", "200 a/b"),
        ("/files/admin%2Fb", "400 bad_request_target", "400 bad_request_target"),
        ("/files/admin/a%2Fb", "400 bad_request_target", "400 bad_request_target"),
        ("/files/a%2Fb/meta", "400 bad_request_target", "400 bad_request_target"),
        ("/files/a%2Fmeta", "400 bad_request_target", "400 bad_request_target"),
        ("/files/x%2F..%2Fadmin%2Fb", "400 bad_request_target", "400 bad_request_target"),
        ("/files%2Fa", "400 bad_request_target", "400 bad_request_target"),
    ] {
        let request = format!("GET {path}");
        assert_eq!(told(&gate, &request, "ann of acme").await, layer, "{path}");
        let (status, text, _) = send(gate.protect(app()), &request, "ann of acme").await;
        assert_eq!(format!("{status} {text}"), router, "{path} in a router");
    }
    assert_eq!(told(&gate, "GET /files/a%2Fb", "").await, "401 no_credential");
}

#[tokio::test]
async fn a_path_goes_on_in_its_one_form() {
    let folder = Folder::new();
    let rules = "rules: {GET /docs/**: read, 'GET /admin/{name}': role(owner), GET /: public}\n";
    let gate = gate_in(&folder, "", &format!("paths: {{normalize: true}}\n{rules}")).await;
    let app = || Router::new().route("/docs/{*path}", get(show)).route("/admin/{name}", get(show));
    for (path, layer, router) in [
        ("/docs/a", "200 /docs/a", "200 a"),
        ("//docs///a", "200 /docs/a", "200 a"),
        ("/docs/./x/../a?b=//c/../d", "200 /docs/a?b=//c/../d", "200 a"),
        ("/d%6fcs/%61", "200 /docs/a", "200 a"),
        ("/docs/%2e%2e/admin/x", "403 missing_role", "403 missing_role"),
        ("/docs/../../admin/x", "400 bad_request_target", "400 bad_request_target"),
        ("/docs/a;b", "400 bad_request_target", "400 bad_request_target"),
        ("/docs/a%2Fb", "400 bad_request_target", "400 bad_request_target"),
        ("/docs/%252e%252e/admin/x", "400 bad_request_target", "400 bad_request_target"),
        ("/docs/%2%65%2%65/admin/x", "400 bad_request_target", "400 bad_request_target"),
    ] {
        let request = format!("GET {path}");
        assert_eq!(told(&gate, &request, "ann of acme").await, layer, "{path}");
        let (status, text, _) = send(gate.protect(app()), &request, "ann of acme").await;
        assert_eq!(format!("{status} {text}"), router, "{path} in a router");
    }
    // The absolute form keeps its host.
    assert_eq!(
        told(&gate, "GET http://a.example/docs//a", "ann of acme").await,
        "200 http://a.example/docs/a"
    );
    // Without it nothing is put in form.
    let strict = gate_in(&folder, "", rules).await;
    assert_eq!(told(&strict, "GET /docs//a", "ann of acme").await, "400 bad_request_target");
}

#[tokio::test]
async fn where_a_route_was_taken_already_a_path_must_come_in_its_form() {
    let folder = Folder::new();
    let gate =
        gate_in(&folder, "", "paths: {normalize: true}\nrules: {GET /docs/**: read, GET /open/**: public}\n")
            .await;
    // The layer stands inside: the router has read the path as it was sent.
    let app = || {
        let inner = Router::new().route("/{*path}", any(|uri: Uri| async move { uri.to_string() }));
        Router::new().nest("/docs", inner).layer(gate.layer())
    };
    for (path, expected) in [
        ("/docs/a", "200 /a"),
        ("/docs/x/../a", "400 bad_request_target"),
        ("/docs/../open/a", "400 bad_request_target"),
        ("/docs//a", "400 bad_request_target"),
    ] {
        let (status, text, _) = send(app(), &format!("GET {path}"), "ann of acme").await;
        assert_eq!(format!("{status} {text}"), expected, "{path}");
    }
}

/// A body that does not say how long it is.
struct Chunks(std::vec::IntoIter<String>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.next().map(|text| Ok(http_body::Frame::data(text.into()))))
    }
}

#[tokio::test]
async fn a_delivery_of_unknown_length_is_put_together_again() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("stripe"), "whsec_test_stripe_secret_1").unwrap();
    let observed = "mode: observe\nuntil: 2099-01-31\n\
        authenticators: {stripe: {type: webhook, scheme: stripe, secret: {file: stripe}, max_body: 1KiB}}\n\
        rules: {POST /hook: via(stripe)}\n";
    let gate = gate_in(&folder, "", observed).await;
    let echo = service_fn(|request: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let chunks: Vec<String> = (0..40).map(|number| format!("{number:0>100}")).collect();
    let whole = chunks.concat();
    let body = Body::new(Chunks(chunks.into_iter()));
    let signature = format!("t={},v1={}", orgate::clock::now().seconds(), "0".repeat(64));
    let request = Request::post("/hook").header("stripe-signature", signature).body(body).unwrap();
    let response = gate.layer().layer(echo).oneshot(request).await.unwrap();
    assert_eq!(response.headers()["x-orgate-would"], "413 content_too_large");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), whole);
}
