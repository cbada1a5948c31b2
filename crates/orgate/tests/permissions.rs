//! Handlers that name permissions by the constants of a policy file.

#![cfg(all(feature = "axum", feature = "macros"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use axum::{Router, body::Body, routing::get};
use common::{gate, token_at};
use http::Request;
use orgate::{Denied, OrgContext};
use tower::ServiceExt;

orgate::permissions!("tests/orgate.yaml");

async fn invite(org: OrgContext) -> Result<&'static str, Denied> {
    org.require(perm::INVITE)?;
    Ok("invited")
}

#[tokio::test]
async fn a_handler_demands_a_permission_by_its_constant() {
    let (gate, _) = gate();
    for (permissions, status) in [(&["read", "invite"][..], 200), (&["read"], 403)] {
        let token = token_at(orgate::clock::now().seconds(), permissions, |_| {});
        let request = Request::builder().uri("/docs").header("authorization", format!("Bearer {token}"));
        let app = gate.protect(Router::new().route("/docs", get(invite)));
        let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{permissions:?}");
    }
}
