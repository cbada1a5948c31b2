//! The guard inside the router: the route that is taken is one that the rule speaks of.

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

use axum::{
    Router,
    body::Body,
    extract::Path,
    routing::{any, delete, get},
};
use common::{Keys, parts, parts_of, policy_under, token_at};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use orgate::{Gate, TemplateGuard};
use orgate_policy::PathOptions;
use orgate_testkit::TestKey;
use tower::{Layer, Service, ServiceExt, service_fn};

fn gate(rules: &[(&str, &str)]) -> Gate {
    let keys = Arc::new(Keys::default());
    keys.publish(&[TestKey::es256()]);
    keys.load();
    Gate::new(parts(rules, &keys))
}

async fn ask<S>(app: S, request: &str) -> String
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let (method, path) = request.split_once(' ').unwrap();
    let token = token_at(orgate::clock::now().seconds(), &["read"], |_| {});
    let request =
        Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
    let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    match serde_json::from_slice::<serde_json::Value>(&body) {
        Ok(problem) if problem.is_object() => {
            format!("{status} {}", problem["code"].as_str().unwrap_or("no code"))
        }
        _ => format!("{status} {}", String::from_utf8_lossy(&body)),
    }
}

/// Asks an application behind `rules`.
async fn protected(rules: &[(&str, &str)], app: Router, request: &str) -> String {
    ask(gate(rules).protect(app), request).await
}

/// Changes each request before `inner` sees it.
fn changing<S>(
    inner: S,
    change: impl Fn(&mut Request<Body>) + Clone + Send + 'static,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    service_fn(move |mut request: Request<Body>| {
        change(&mut request);
        inner.clone().oneshot(request)
    })
}

async fn ok() -> &'static str {
    "ok"
}

async fn show(Path(value): Path<String>) -> String {
    value
}

#[tokio::test]
async fn wider_and_narrower_rules_are_normal() {
    let app = || {
        Router::new()
            .route("/docs", get(ok).post(ok))
            .route("/docs/{id}", get(show).delete(show))
            .route("/files/{*path}", get(show))
            .route("/", get(ok))
    };
    for (rule, request, expected) in [
        ("GET /docs", "GET /docs", "200 ok"),
        ("GET /docs", "HEAD /docs", "200 "),
        ("HEAD /docs", "HEAD /docs", "200 "),
        ("ANY /**", "POST /docs", "200 ok"),
        ("GET /**", "GET /docs/7", "200 7"),
        ("GET /docs/{id}", "GET /docs/7", "200 7"),
        ("GET /docs/{other}", "GET /docs/7", "200 7"),
        ("GET /docs/7", "GET /docs/7", "200 7"),
        ("GET /docs/*", "GET /docs/7", "200 7"),
        ("GET /{kind}/7", "GET /docs/7", "200 7"),
        ("GET /files/public/**", "GET /files/public/a/b", "200 public/a/b"),
        ("GET /files/{folder}/**", "GET /files/a/b", "200 a/b"),
        ("GET /files/{path}", "GET /files/a", "200 a"),
        ("GET /", "GET /", "200 ok"),
        ("GET /**", "GET /", "200 ok"),
        ("GET /**", "PUT /docs", "403 method_not_covered"),
    ] {
        assert_eq!(protected(&[(rule, "read")], app(), request).await, expected, "{request} by {rule}");
    }
}

#[tokio::test]
async fn routes_are_read_as_the_policy_reads_paths() {
    let app = || {
        Router::new()
            .route("/Docs/{id}", get(show))
            .route("/docs/{id}/", get(|| async { "slash" }))
            .route("/files/{*path}", get(show))
    };
    let folded = PathOptions { fold_case: true, ..PathOptions::default() };
    let distinct = PathOptions { distinct_slash: true, ..PathOptions::default() };
    for (paths, rule, request, expected) in [
        (folded, "GET /docs/{id}", "GET /Docs/Ab", "200 Ab"),
        (folded, "GET /DOCS/{id}", "GET /docs/7/", "200 slash"),
        (PathOptions::default(), "GET /docs/{id}", "GET /Docs/7", "403 no_rule"),
        (PathOptions::default(), "GET /docs/{id}", "GET /docs/7/", "200 slash"),
        (distinct, "GET /docs/{id}", "GET /docs/7/", "403 no_rule"),
        (distinct, "GET /docs/{id}/", "GET /docs/7/", "200 slash"),
        (distinct, "GET /docs/**", "GET /docs/7/", "200 slash"),
        (distinct, "GET /docs/{id}/", "GET /docs/7", "403 no_rule"),
        (distinct, "GET /files/**", "GET /files/a/", "200 a/"),
    ] {
        let keys = Arc::new(Keys::default());
        keys.publish(&[TestKey::es256()]);
        keys.load();
        let gate = Gate::new(parts_of(policy_under(paths, &[(rule, "read")]), &keys));
        assert_eq!(ask(gate.protect(app()), request).await, expected, "{request} by {rule}");
    }
    // Rewritten behind the gate to the other form.
    let keys = Arc::new(Keys::default());
    keys.publish(&[TestKey::es256()]);
    keys.load();
    let gate = Gate::new(parts_of(policy_under(distinct, &[("GET /docs/{id}", "read")]), &keys));
    let inner = gate.layer().layer(changing(app().layer(TemplateGuard::new()), |request| {
        *request.uri_mut() = "/docs/7/".parse().unwrap();
    }));
    assert_eq!(ask(inner, "GET /docs/7").await, "500 template_mismatch");
}

#[tokio::test]
async fn parameters_are_compared_after_decoding() {
    let app = || Router::new().route("/docs/{id}", get(show)).route("/caf%C3%A9/{id}", get(show));
    for (rule, request, expected) in [
        ("GET /docs/{id}", "GET /docs/a%20b", "200 a b"),
        ("GET /docs/{id}", "GET /docs/%C3%A9", "200 é"),
        ("GET /docs/é", "GET /docs/%C3%A9", "200 é"),
        ("GET /café/{id}", "GET /caf%C3%A9/7", "200 7"),
        ("GET /docs/{id}", "GET /docs/a%2Fb", "400 bad_request_target"),
    ] {
        assert_eq!(protected(&[(rule, "read")], app(), request).await, expected, "{request} by {rule}");
    }
}

#[tokio::test]
async fn nested_routers_are_compared_with_their_whole_template() {
    let inner = Router::new().route("/docs/{id}", get(show)).route("/", get(ok));
    let app = || {
        Router::new()
            .nest("/api/{version}", Router::new().route("/x", get(ok)))
            .nest("/orgs", Router::new().nest("/deep", inner.clone()))
            .nest_service(
                "/static",
                service_fn(|_| async { Ok::<_, Infallible>(Response::new(Body::from("file"))) }),
            )
            .fallback(any(|| async { "fallback" }))
    };
    for (rule, request, expected) in [
        ("GET /orgs/deep/docs/{id}", "GET /orgs/deep/docs/7", "200 7"),
        ("GET /orgs/**", "GET /orgs/deep/docs/7", "200 7"),
        ("GET /orgs/deep", "GET /orgs/deep", "200 ok"),
        ("GET /api/{version}/x", "GET /api/v1/x", "200 ok"),
        ("GET /static/**", "GET /static/a/b.css", "200 file"),
        ("GET /static/**", "GET /static", "200 file"),
        ("GET /else/**", "GET /else/where", "200 fallback"),
    ] {
        assert_eq!(protected(&[(rule, "read")], app(), request).await, expected, "{request} by {rule}");
    }
}

#[tokio::test]
async fn a_router_that_stands_in_another_application_is_compared_with_what_the_client_sent() {
    let rules = [("GET /app/docs/{id}", "read")];
    let inner = gate(&rules).protect(Router::new().route("/docs/{id}", get(show)));
    let app = Router::new().nest_service("/app", inner);
    assert_eq!(ask(app, "GET /app/docs/7").await, "200 7");
}

#[tokio::test]
async fn a_target_that_is_rewritten_behind_the_gate_is_caught() {
    let rules = [("GET /public/**", "public"), ("GET /admin/{id}", "deny"), ("GET /docs/{id}", "read")];
    let router = || {
        Router::new()
            .route("/admin/{id}", get(show))
            .route("/docs/{id}", get(show))
            .route("/public/{id}", get(show))
            .layer(TemplateGuard::new())
    };
    let to =
        |path: &'static str| move |request: &mut Request<Body>| *request.uri_mut() = path.parse().unwrap();
    for (request, path, expected) in [
        ("GET /public/7", "/admin/7", "500 template_mismatch"),
        ("GET /docs/7", "/docs/8", "500 template_mismatch"),
        ("GET /docs/7", "/public/7", "500 template_mismatch"),
        ("GET /docs/7", "/docs/7", "200 7"),
        ("GET /docs/7", "/docs/%37", "200 7"),
        ("GET /docs/7", "/docs/%FF", "500 template_mismatch"),
    ] {
        let stack = gate(&rules).layer().layer(changing(router(), to(path)));
        assert_eq!(ask(stack, request).await, expected, "a stack, {request} to {path}");
        let inside = Router::new().fallback_service(changing(router(), to(path)));
        assert_eq!(protected(&rules, inside, request).await, expected, "a fallback, {request} to {path}");
    }
}

#[tokio::test]
async fn a_method_that_is_changed_behind_the_gate_is_caught() {
    let rules = [("GET /docs/{id}", "read"), ("DELETE /docs/{id}", "delete_org"), ("ANY /any", "read")];
    let router = Router::new()
        .route("/docs/{id}", delete(show).get(show).patch(show))
        .route("/any", any(ok))
        .layer(TemplateGuard::new());
    for (request, method, expected) in [
        ("GET /docs/7", Method::DELETE, "500 template_mismatch"),
        ("GET /docs/7", Method::PATCH, "500 template_mismatch"),
        ("HEAD /docs/7", Method::GET, "200 7"),
        ("GET /any", Method::POST, "200 ok"),
    ] {
        let change = {
            let method = method.clone();
            move |request: &mut Request<Body>| *request.method_mut() = method.clone()
        };
        let stack = gate(&rules).layer().layer(changing(router.clone(), change));
        assert_eq!(ask(stack, request).await, expected, "{request} to {method}");
    }
}

#[tokio::test]
async fn a_parameter_of_the_same_name_must_hold_the_same() {
    let app = || Router::new().route("/files/{*path}", get(show));
    assert_eq!(
        protected(&[("GET /files/{path}/**", "read")], app(), "GET /files/a/b").await,
        "500 template_mismatch",
        "the rule judged `a`, the handler would act on `a/b`"
    );
    let app = Router::new().route("/files/v{id}", get(show));
    assert_eq!(
        protected(&[("GET /files/{id}", "read")], app, "GET /files/v2").await,
        "500 template_mismatch"
    );
}

#[tokio::test]
async fn a_guard_without_a_gate_lets_nothing_pass() {
    let router = Router::new().route("/docs", get(ok)).layer(TemplateGuard::new());
    assert_eq!(ask(router, "GET /docs").await, "500 gate_missing");
}

#[tokio::test]
async fn what_was_learned_of_one_template_does_not_answer_for_another() {
    let app = gate(&[("GET /a/{id}", "read"), ("GET /b/{id}", "read")])
        .protect(Router::new().route("/a/{id}", get(show)).route("/b/{id}", get(show)));
    for _ in 0..2 {
        assert_eq!(ask(app.clone(), "GET /a/1").await, "200 1");
        assert_eq!(ask(app.clone(), "GET /b/2").await, "200 2");
    }
}
