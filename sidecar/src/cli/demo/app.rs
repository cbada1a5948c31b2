//! The demo's application, twice: once without any check, to stand behind the sidecar, and once behind the layer.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Json, Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::IntoResponse,
    routing::{delete, get, post},
};
use http::HeaderMap;
use orgate::OrgContext;
use serde_json::{Value, json};

/// The requests that reached an application, as `METHOD /path`.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, request: &Request) {
        let line = format!("{} {}", request.method(), request.uri().path());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// How many requests came.
    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// The application that checks nothing and believes the headers of the sidecar.
pub(super) fn behind_sidecar(seen: Seen) -> Router {
    async fn told(headers: HeaderMap) -> Json<Value> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Json(json!({
            "hello": header("x-orgate-sub"),
            "organization": header("x-orgate-org-id"),
            "role": header("x-orgate-role"),
            "permissions": header("x-orgate-permissions"),
        }))
    }
    counted(routes(told, told), seen)
}

/// The application whose handlers are given the caller by the layer.
pub(super) fn behind_layer(seen: Seen) -> Router {
    async fn given(org: OrgContext) -> Json<Value> {
        let principal = org.principal();
        let permissions: Vec<&str> = principal.permissions().iter().map(AsRef::as_ref).collect();
        Json(json!({
            "hello": principal.subject().as_str(),
            "organization": org.id(),
            "role": principal.roles().first().map(AsRef::as_ref),
            "permissions": permissions.join(","),
        }))
    }
    async fn anybody() -> Json<Value> {
        Json(json!({ "hello": null }))
    }
    counted(routes(given, anybody), seen)
}

/// The routes of the demo's policy: `member` answers those of the organization, `public` the rest.
fn routes<M, P, MT, PT>(member: M, public: P) -> Router
where
    M: axum::handler::Handler<MT, ()> + Clone,
    P: axum::handler::Handler<PT, ()>,
    MT: 'static,
    PT: 'static,
{
    Router::new()
        .route("/healthz", get(public))
        .route("/docs", get(member.clone()).post(member.clone()))
        .route("/members", post(member.clone()))
        .route("/members/{id}", delete(member.clone()).put(member.clone()))
        .route("/orgs/{org_id}", delete(member.clone()))
        .route("/orgs/{org_id}/transfer", post(member))
}

fn counted(router: Router, seen: Seen) -> Router {
    router.layer(from_fn(move |request: Request, next: Next| {
        seen.note(&request);
        async move { next.run(request).await.into_response() }
    }))
}
