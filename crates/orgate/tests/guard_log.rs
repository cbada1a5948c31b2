//! What the guard inside the router logs. Alone in its process: what is logged is asked for once and remembered, by all
//! threads together.

#![cfg(feature = "axum")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body, routing::get};
use common::{Keys, parts, token_at};
use http::Request;
use orgate::Gate;
use orgate_testkit::TestKey;
use tower::ServiceExt;

/// Keeps the errors that are logged, each as its fields.
#[derive(Clone, Debug, Default)]
struct Errors(Arc<Mutex<String>>);

impl tracing::Subscriber for Errors {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::ERROR
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            write!(self.0.lock().unwrap(), "{field}={value:?} ").unwrap();
        });
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_mismatch_is_logged_with_rule_and_template_and_without_values() {
    let errors = Errors::default();
    let _guard = tracing::subscriber::set_default(errors.clone());
    let app = Router::new().route("/files/{*path}", get(|| async {}));
    let rules = [("GET /files/{path}/**", "read")];
    let keys = Arc::new(Keys::default());
    keys.publish(&[TestKey::es256()]);
    keys.load();
    let token = token_at(orgate::clock::now().seconds(), &["read"], |_| {});
    let request =
        Request::builder().uri("/files/secret/b").header("authorization", format!("Bearer {token}"));
    let service = Gate::new(parts(&rules, &keys)).protect(app);
    let response = service.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status().as_u16(), 500);
    let logged = errors.0.lock().unwrap().clone();
    assert!(logged.contains("rule=\"GET /files/{path}/**\""), "{logged}");
    assert!(logged.contains("template=\"/files/{*path}\""), "{logged}");
    assert!(logged.contains("the parameter `path` holds other bytes"), "{logged}");
    assert!(!logged.contains("secret"), "values are personal data: {logged}");
}
