//! The organizations' API, called from inside.
//!
//! A page asks for what a program of the same person would ask for: the same routes, with the same cookie, judged by the same
//! policy and done by the same functions. There is no second way to change an organization. What the page adds is the word of
//! its form, which it has checked before it says that the request comes from here.

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    body::{Body, to_bytes},
};
use http::{HeaderMap, HeaderValue, Method, Request, header};
use serde_json::Value;

use crate::{
    app::Shared,
    http::{Problem, problem::Code},
    idempotency, management, openapi,
};

/// The largest answer that a page reads: a hundred of the largest organizations.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// The API, which is put together when it is asked for the first time.
#[derive(Clone, Default)]
pub(super) struct Api(Arc<OnceLock<Router>>);

/// What is asked for.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// The path behind `…/organizations`, with its query.
    pub(super) path: &'a str,
    pub(super) body: Option<Value>,
    /// What is done once only, however often the form is sent.
    pub(super) once: Option<String>,
}

impl<'a> Ask<'a> {
    pub(super) fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, body: None, once: None }
    }

    pub(super) fn new(method: Method, path: &'a str, body: Value) -> Self {
        Self { method, path, body: Some(body), once: None }
    }

    pub(super) fn bare(method: Method, path: &'a str) -> Self {
        Self { method, path, body: None, once: None }
    }

    pub(super) fn once(mut self, key: String) -> Self {
        self.once = Some(key);
        self
    }
}

fn router(app: &Shared) -> Router {
    let base = format!("/p/{{project}}{}", app.settings.prefix);
    let (router, described) = management::end_users(&base).into_parts();
    let once = Arc::new(openapi::once(&described));
    let layered = router
        .layer(axum::middleware::from_fn_with_state((Arc::clone(app), once), idempotency::once))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(app), management::denied::note))
        .with_state(Arc::clone(app));
    match app.public.path() {
        "" => layered,
        path => Router::new().nest(path, layered),
    }
}

impl Api {
    /// Asks in the name of whose cookies these are, and gives the answer's body; `null` if it has none.
    pub(super) async fn ask(
        &self,
        app: &Shared,
        project_id: &str,
        headers: &HeaderMap,
        ask: Ask<'_>,
    ) -> Result<Value, Problem> {
        let router = self.0.get_or_init(|| router(app)).clone();
        let (above, prefix) = (app.public.path(), &app.settings.prefix);
        let uri = format!("{above}/p/{project_id}{prefix}/organizations{}", ask.path);
        let mut request = Request::builder().method(ask.method).uri(uri);
        if let Some(inside) = request.headers_mut() {
            // The cookies say who is asking and, like the other one, in which language a letter is to be written.
            for name in [header::COOKIE, header::ACCEPT_LANGUAGE] {
                for value in headers.get_all(&name) {
                    inside.append(&name, value.clone());
                }
            }
            let origin = HeaderValue::from_str(app.public.origin()).map_err(|_| Code::Internal)?;
            inside.insert(header::ORIGIN, origin);
            inside.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            if let Some(key) = ask.once {
                inside
                    .insert(idempotency::HEADER, HeaderValue::from_str(&key).map_err(|_| Code::BadRequest)?);
            }
        }
        let body = ask.body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        // What no URI can hold names nothing.
        let request = request.body(body).map_err(|_| Code::NotFound)?;
        let response = openapi::call(router, request).await;
        let (status, after) = (response.status(), response.headers().get(header::RETRY_AFTER).cloned());
        let bytes = to_bytes(response.into_body(), MAX_ANSWER).await.map_err(|_| Code::Internal)?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).map_err(|_| Code::Internal)?
        };
        if status.is_success() { Ok(body) } else { Err(refusal(&body, after.as_ref())) }
    }
}

/// A refusal, read back.
fn refusal(body: &Value, after: Option<&HeaderValue>) -> Problem {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let code = Code::ALL.iter().find(|code| text("code") == Some(code.as_str()));
    let mut problem = Problem::new(code.copied().unwrap_or(Code::Internal));
    if let Some(detail) = text("detail") {
        problem = problem.detail(detail);
    }
    if let Some(field) = text("field") {
        problem = problem.field(field);
    }
    match after.and_then(|after| after.to_str().ok()?.parse().ok()) {
        Some(seconds) => problem.after(seconds),
        None => problem,
    }
}
