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
            get(|caller: Option<axum::Extension<Principal>>| async move { caller.is_some().to_string() }),
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
    assert_eq!(ask("GET", "/feed", None).await, (200, "false".to_owned()));
    assert_eq!(ask("GET", "/feed", Some(&[])).await, (200, "true".to_owned()));
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
    for path in ["/me", "/docs"] {
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
