//! An axum application behind the gate, over a real socket.

#![cfg(feature = "axum")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use axum::{
    Router,
    body::Body,
    routing::{any, delete, get},
};
use common::{gate, token_at};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use orgate::{Denied, OrgContext, Principal};
use tower::ServiceExt;

fn app() -> Router {
    async fn remove(org: OrgContext) -> String {
        format!("bye {} ({})", org.id(), org.slug().unwrap_or("no slug"))
    }
    async fn finer(org: OrgContext) -> Result<&'static str, Denied> {
        org.require("invite")?;
        Ok("invited")
    }
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/docs", get(finer).post(finer))
        .route("/me", get(|caller: Principal| async move { caller.to_string() }))
        .route(
            "/feed",
            get(|caller: Option<Principal>, org: Option<OrgContext>| async move {
                format!("{} {}", caller.is_some(), org.is_some())
            }),
        )
        .route("/orgs/{org_id}", delete(remove))
        .route("/forgotten", get(|| async { "nobody wrote a rule" }))
        .fallback(any(|| async { (StatusCode::NOT_FOUND, "fallback") }))
}

async fn ask(method: &str, path: &str, permissions: Option<&[&str]>) -> (u16, String) {
    let (gate, _) = gate();
    let mut request = Request::builder().method(method).uri(path);
    if let Some(permissions) = permissions {
        let token = token_at(orgate::clock::now().seconds(), permissions, |_| {});
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = gate.protect(app()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn handlers_are_given_the_caller_and_the_organization() {
    assert_eq!(
        ask("DELETE", "/orgs/org_acme", Some(&["delete_org"])).await,
        (200, "bye org_acme (acme)".to_owned())
    );
    assert_eq!(ask("GET", "/me", Some(&[])).await, (200, "usr_ann in org_acme".to_owned()));
    assert_eq!(ask("GET", "/feed", None).await, (200, "false false".to_owned()));
    assert_eq!(ask("GET", "/feed", Some(&[])).await, (200, "true true".to_owned()));
}

#[tokio::test]
async fn a_handlers_own_demand_is_refused_like_the_gates() {
    assert_eq!(ask("GET", "/docs", Some(&["read", "invite"])).await, (200, "invited".to_owned()));
    let (status, body) = ask("GET", "/docs", Some(&["read"])).await;
    assert_eq!(status, 403);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["code"], "missing_permission");
    assert_eq!(body["missing"], serde_json::json!(["invite"]));
    assert_eq!(body["rule"], "GET /docs");
}

#[tokio::test]
async fn a_route_that_no_rule_speaks_of_is_closed_and_so_is_the_fallback() {
    assert_eq!(ask("GET", "/forgotten", Some(&["read"])).await.0, 403);
    assert_eq!(ask("GET", "/anything/else", Some(&["read"])).await.0, 403);
}

#[tokio::test]
async fn without_a_gate_the_extractors_fail_loudly() {
    let bare = app();
    for path in ["/me", "/docs", "/feed"] {
        let response =
            bare.clone().oneshot(Request::builder().uri(path).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains("gate_missing"), "never an anonymous caller");
    }
}

#[tokio::test]
async fn axum_serves_a_protected_router() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (gate, _) = gate();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, gate.protect(app())).await });
    let mut answers = String::new();
    for path in ["/healthz", "/docs"] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_to_string(&mut answers).await.unwrap();
    }
    server.abort();
    assert!(answers.contains("200 OK") && answers.contains("401 Unauthorized"), "{answers}");
}

#[tokio::test]
async fn a_passed_preflight_reaches_the_route_of_the_request_that_it_asks_for() {
    let (_, keys) = gate();
    let gate = orgate::Gate::new(common::parts(&common::RULES, &keys).preflights(orgate::Preflights::Pass));
    let app = Router::new().route("/docs", any(|| async { "the application's answer" }));
    for (asked, status) in [("POST", 200), ("PUT", 403)] {
        let request = Request::options("/docs")
            .header("origin", "https://app.example")
            .header("access-control-request-method", asked)
            .body(Body::empty())
            .unwrap();
        let response = gate.protect(app.clone()).oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{asked}");
    }
}

#[tokio::test]
async fn a_signed_delivery_reaches_an_axum_handler_with_its_body() {
    use orgate_claims::{AuthenticationMethod, IssuerUrl, SubjectId};
    use orgate_policy::{Place, Policy, PolicySpec, Requirement, RuleKey, RuleSpec};
    use orgate_verify::authenticator::{Webhook, WebhookScheme};

    let key = RuleKey::parse("POST /hook").unwrap();
    let rule = RuleSpec::new(key, Requirement::parse("via(github)").unwrap(), Place::default());
    let spec =
        PolicySpec { rules: vec![rule], authenticators: vec!["github".into()], ..PolicySpec::default() };
    let verifier = orgate_verify::Verifier::new(Vec::new()).unwrap();
    // The example of GitHub's documentation.
    let webhook = Webhook::new(WebhookScheme::GitHub, ["It's a Secret to Everybody"], 300).unwrap();
    let sender = orgate_claims::Principal::builder(
        IssuerUrl::parse("urn:hook").unwrap(),
        SubjectId::parse("github").unwrap(),
    );
    let sender = sender.authentication_method(AuthenticationMethod::Webhook).build();
    let parts = orgate::GateParts::new(Policy::compile(spec).unwrap(), verifier)
        .authenticator("github", orgate::Authenticator::webhook(webhook, 64, sender));
    let app = Router::new().route(
        "/hook",
        axum::routing::post(|caller: Principal, body: String| async move {
            format!("{} {body}", caller.subject())
        }),
    );
    let gate = orgate::Gate::new(parts);
    let deliver = |body: &'static str| {
        let request = Request::post("/hook")
            .header(
                "x-hub-signature-256",
                "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            )
            .body(Body::from(body))
            .unwrap();
        let answer = gate.protect(app.clone()).oneshot(request);
        async move {
            let response = answer.await.unwrap();
            let status = response.status().as_u16();
            (status, response.into_body().collect().await.unwrap().to_bytes())
        }
    };
    assert_eq!(deliver("Hello, World!").await, (200, "github Hello, World!".into()));
    assert_eq!(deliver("Hello, World?").await.0, 401);
    assert_eq!(deliver("Hello, World! Hello, World! Hello, World! Hello, World! Hello, World!").await.0, 413);
}
