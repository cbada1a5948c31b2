//! The API, called from inside.
//!
//! A page asks for what a program of the same person would ask for: the same routes, with the same cookie, judged by the same
//! policy and done by the same functions. There is no second way to change anything. What the page adds is the word of
//! its form, which it has checked before it says that the request comes from here.

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    body::{Body, to_bytes},
};
use http::{HeaderValue, Method, Request, header};
use serde_json::Value;

use super::denied;
use crate::{
    app::{App, Shared},
    http::{Problem, problem::Code},
    idempotency,
    openapi::{self, Routes},
};

/// The largest answer that a page reads: a hundred of the largest organizations.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// The API that a page asks, which is put together when it is asked for the first time.
#[derive(Clone)]
pub(crate) struct Api {
    routes: fn(&App) -> Routes,
    built: Arc<OnceLock<Router>>,
}

/// What is asked for.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    /// The path behind that of the API, with its query.
    pub(crate) path: &'a str,
    pub(crate) body: Option<Value>,
    /// What is done once only, however often the form is sent.
    pub(crate) once: Option<String>,
    /// What the browser likes to read (`Accept-Language`), where a letter may come of it.
    pub(crate) language: Option<HeaderValue>,
}

impl<'a> Ask<'a> {
    pub(crate) fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, body: None, once: None, language: None }
    }

    pub(crate) fn new(method: Method, path: &'a str, body: Value) -> Self {
        Self { method, path, body: Some(body), once: None, language: None }
    }

    pub(crate) fn bare(method: Method, path: &'a str) -> Self {
        Self { method, path, body: None, once: None, language: None }
    }

    pub(crate) fn once(mut self, key: String) -> Self {
        self.once = Some(key);
        self
    }
}

impl Api {
    pub(crate) fn new(routes: fn(&App) -> Routes) -> Self {
        Self { routes, built: Arc::default() }
    }

    fn router(&self, app: &Shared) -> Router {
        let (router, described) = (self.routes)(app).into_parts();
        let once = Arc::new(openapi::once(&described));
        let layered = router
            .layer(axum::middleware::from_fn_with_state((Arc::clone(app), once), idempotency::once))
            .layer(axum::middleware::from_fn_with_state(Arc::clone(app), denied::note))
            .with_state(Arc::clone(app));
        match app.public.path() {
            "" => layered,
            path => Router::new().nest(path, layered),
        }
    }

    /// Asks what is at `base` and `ask.path` behind it, in the name of whose cookies these are, and gives the answer's body;
    /// `null` if it has none.
    pub(crate) async fn ask(
        &self,
        app: &Shared,
        base: &str,
        cookies: impl IntoIterator<Item = HeaderValue>,
        ask: Ask<'_>,
    ) -> Result<Value, Problem> {
        let router = self.built.get_or_init(|| self.router(app)).clone();
        let uri = format!("{}{base}{}", app.public.path(), ask.path);
        let mut request = Request::builder().method(ask.method).uri(uri);
        if let Some(inside) = request.headers_mut() {
            for cookie in cookies {
                inside.append(header::COOKIE, cookie);
            }
            if let Some(language) = ask.language {
                inside.insert(header::ACCEPT_LANGUAGE, language);
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

    /// What a list of the API has answered: its rows, and the cursor of what follows.
    pub(crate) fn rows(mut answer: Value) -> Result<(Vec<Value>, Option<String>), Problem> {
        let Some(Value::Array(rows)) = answer.get_mut("data").map(Value::take) else {
            return Err(Code::Internal.into());
        };
        Ok((rows, answer.get("next_cursor").and_then(Value::as_str).map(str::to_owned)))
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
