//! The admin listener: is it alive, is it ready, how is it doing, which policy does it enforce; and one thing to do: read
//! the policy again. Its own socket, so that nothing here can be reached through the listener that faces clients. A page
//! in a browser cannot ask for the latter: what a browser sends on behalf of another origin is refused.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::{
    assertion,
    serve::{self, Connection, Defect, Handler},
    status::{self, Snapshot},
};

/// What came of reading a policy again: what changed, or what is wrong with it; `None` where there is none.
pub type Reload<'a> = Pin<Box<dyn Future<Output = Option<Result<Value, Value>>> + Send + 'a>>;

/// The mail that waits, or why it cannot be shown; `None` where it is nobody's business.
pub type Outbox<'a> = Pin<Box<dyn Future<Output = Option<Result<Value, String>>> + Send + 'a>>;

/// What the admin listener tells of.
pub trait Administered: fmt::Debug + Send + Sync + 'static {
    /// Whether traffic should be sent here; if not, why.
    fn readiness(&self) -> Pin<Box<dyn Future<Output = Readiness> + Send + '_>>;

    /// The text under `/metrics`.
    fn metrics(&self) -> String;

    /// The policy that is enforced, under `/-/policy`; `None` where there is none.
    fn policy(&self) -> Option<Value> {
        None
    }

    /// How the process is doing, under `/status`; `None` where there is no such page.
    fn status(&self) -> Option<Snapshot> {
        None
    }

    /// The keys that sign what the application is told, under `/.well-known/jwks.json`; `None` where nothing is signed.
    fn key_set(&self) -> Option<String> {
        None
    }

    /// The mail of an issuer for development, under `/dev/outbox`.
    fn outbox(&self) -> Outbox<'_> {
        Box::pin(std::future::ready(None))
    }

    /// Reads the policy again.
    fn reload(&self) -> Reload<'_> {
        Box::pin(std::future::ready(None))
    }
}

/// Whether traffic should be sent here.
#[derive(Clone, Debug, PartialEq)]
pub enum Readiness {
    /// Yes.
    Ready,
    /// Yes, though not all is well; the members are added to the answer of `/readyz`.
    Impaired(serde_json::Map<String, Value>),
    /// Not now; the members are added to the answer of `/readyz`.
    NotReady(serde_json::Map<String, Value>),
}

/// `/status`, `/healthz`, `/readyz`, `/metrics`, `/-/policy` and `/-/reload` of one process.
#[derive(Clone, Debug)]
pub struct Admin(Arc<dyn Administered>);

impl Admin {
    /// Tells of `subject`.
    #[must_use]
    pub fn new(subject: Arc<dyn Administered>) -> Self {
        Self(subject)
    }

    async fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Full<Bytes>> {
        if path == "/-/reload" {
            return self.reload(method, headers).await;
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET is served here\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        if let Some(page) = status::answer(path, || self.0.status()) {
            return page.map(Full::new);
        }
        match path {
            "/healthz" => plain(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" => match self.0.readiness().await {
                Readiness::Ready => plain(StatusCode::OK, TEXT, "ready\n"),
                Readiness::Impaired(mut members) => {
                    members.insert("ready".to_owned(), json!(true));
                    plain(StatusCode::OK, JSON, format!("{}\n", Value::Object(members)))
                }
                Readiness::NotReady(mut members) => {
                    members.insert("ready".to_owned(), json!(false));
                    plain(StatusCode::SERVICE_UNAVAILABLE, JSON, format!("{}\n", Value::Object(members)))
                }
            },
            "/metrics" => plain(StatusCode::OK, METRICS, self.0.metrics()),
            "/.well-known/jwks.json" => match self.0.key_set() {
                Some(keys) => assertion::key_set_response(keys).map(Full::new),
                None => nothing(),
            },
            "/dev/outbox" => self.outbox(headers).await,
            "/-/policy" => match self.0.policy() {
                Some(policy) => plain(StatusCode::OK, JSON, format!("{policy}\n")),
                None => nothing(),
            },
            _ => nothing(),
        }
    }

    async fn outbox(&self, headers: &HeaderMap) -> Response<Full<Bytes>> {
        // SECURITY: mail signs people in. Somebody may open it in a browser, but no page of anybody's may ask for it, not
        // even one whose host name leads to this address.
        let asked_by_page = headers.contains_key(header::ORIGIN)
            || headers.get("sec-fetch-site").is_some_and(|site| site != "none");
        if asked_by_page {
            return plain(StatusCode::FORBIDDEN, TEXT, "not from a page\n");
        }
        match self.0.outbox().await {
            Some(Ok(mail)) => plain(StatusCode::OK, JSON, format!("{mail}\n")),
            Some(Err(why)) => plain(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{why}\n")),
            None => nothing(),
        }
    }

    async fn reload(&self, method: &Method, headers: &HeaderMap) -> Response<Full<Bytes>> {
        if *method != Method::POST {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only POST is served here\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
        // SECURITY: a page of somebody else's must not make the browser of an operator ask.
        if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
            return plain(StatusCode::FORBIDDEN, TEXT, "not from a browser\n");
        }
        match self.0.reload().await {
            Some(Ok(changes)) => plain(StatusCode::OK, JSON, format!("{changes}\n")),
            Some(Err(findings)) => plain(StatusCode::UNPROCESSABLE_ENTITY, JSON, format!("{findings}\n")),
            None => nothing(),
        }
    }
}

impl Handler for Admin {
    type Body = Full<Bytes>;

    fn handle(
        &self,
        request: Request<Incoming>,
        _: Connection,
    ) -> impl Future<Output = Response<Self::Body>> + Send + 'static + use<> {
        let admin = self.clone();
        async move { admin.answer(request.method(), request.uri().path(), request.headers()).await }
    }

    fn refuse(&self, defect: Defect, _: Connection) -> Response<Self::Body> {
        serve::refusal(defect, None).map(Full::new)
    }
}

fn nothing() -> Response<Full<Bytes>> {
    plain(
        StatusCode::NOT_FOUND,
        TEXT,
        "here are /status, /healthz, /readyz, /metrics, /-/policy and /-/reload\n",
    )
}

fn plain(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[derive(Debug)]
    struct Subject(Readiness);

    impl Administered for Subject {
        fn readiness(&self) -> Pin<Box<dyn Future<Output = Readiness> + Send + '_>> {
            Box::pin(std::future::ready(self.0.clone()))
        }

        fn metrics(&self) -> String {
            "# EOF\n".to_owned()
        }

        fn policy(&self) -> Option<Value> {
            (self.0 == Readiness::Ready).then(|| json!({"digest": "d1"}))
        }

        fn outbox(&self) -> Outbox<'_> {
            let mail = (self.0 == Readiness::Ready).then(|| Ok(json!([{"to": "ann"}])));
            Box::pin(std::future::ready(mail))
        }

        fn reload(&self) -> Reload<'_> {
            let stands = self.0 == Readiness::Ready;
            let answer = if stands { Ok(json!({"changes": []})) } else { Err(json!({"findings": []})) };
            Box::pin(std::future::ready(Some(answer)))
        }
    }

    async fn ask(readiness: Readiness, method: Method, path: &str) -> (u16, String) {
        ask_with(readiness, method, path, &HeaderMap::new()).await
    }

    async fn ask_with(
        readiness: Readiness,
        method: Method,
        path: &str,
        headers: &HeaderMap,
    ) -> (u16, String) {
        let response = Admin::new(Arc::new(Subject(readiness))).answer(&method, path, headers).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn a_process_is_alive_before_it_is_ready() {
        let waiting = || {
            let members = json!({"issuers": [{"issuer": "https://i.example", "error": "refused"}]});
            Readiness::NotReady(members.as_object().cloned().expect("an object"))
        };
        assert_eq!(ask(waiting(), Method::GET, "/healthz").await, (200, "ok\n".to_owned()));
        let (status, body) = ask(waiting(), Method::GET, "/readyz").await;
        assert_eq!(status, 503);
        assert_eq!(
            body,
            "{\"issuers\":[{\"error\":\"refused\",\"issuer\":\"https://i.example\"}],\"ready\":false}\n"
        );
        assert_eq!(ask(Readiness::Ready, Method::GET, "/readyz").await, (200, "ready\n".to_owned()));
        let one_is_down = json!({"upstreams": [{"upstream": "http://a"}]});
        let impaired = Readiness::Impaired(one_is_down.as_object().cloned().expect("an object"));
        assert_eq!(
            ask(impaired, Method::GET, "/readyz").await,
            (200, "{\"ready\":true,\"upstreams\":[{\"upstream\":\"http://a\"}]}\n".to_owned())
        );
    }

    #[tokio::test]
    async fn a_policy_is_read_again_only_where_somebody_asks_who_is_no_page() {
        let waiting = || Readiness::NotReady(serde_json::Map::new());
        let (ready, reload) = (|| Readiness::Ready, "/-/reload");
        assert_eq!(ask(ready(), Method::POST, reload).await, (200, "{\"changes\":[]}\n".to_owned()));
        assert_eq!(ask(waiting(), Method::POST, reload).await, (422, "{\"findings\":[]}\n".to_owned()));
        assert_eq!(ask(ready(), Method::GET, reload).await.0, 405);
        for name in ["origin", "sec-fetch-site"] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static("https://evil.example"));
            assert_eq!(ask_with(ready(), Method::POST, reload, &headers).await.0, 403, "{name}");
        }
        assert_eq!(ask(ready(), Method::GET, "/-/policy").await, (200, "{\"digest\":\"d1\"}\n".to_owned()));
        assert_eq!(ask(waiting(), Method::GET, "/-/policy").await.0, 404);
    }

    #[tokio::test]
    async fn only_reading_is_served() {
        assert_eq!(ask(Readiness::Ready, Method::POST, "/healthz").await.0, 405);
        assert_eq!(ask(Readiness::Ready, Method::GET, "/other").await.0, 404);
        assert_eq!(ask(Readiness::Ready, Method::GET, "/metrics").await, (200, "# EOF\n".to_owned()));
    }

    #[tokio::test]
    async fn mail_is_shown_to_a_person_and_to_a_script_but_to_no_page() {
        let ready = || Readiness::Ready;
        let shown = (200, "[{\"to\":\"ann\"}]\n".to_owned());
        assert_eq!(ask(ready(), Method::GET, "/dev/outbox").await, shown);
        assert_eq!(ask(ready(), Method::POST, "/dev/outbox").await.0, 405);
        assert_eq!(ask(Readiness::NotReady(Default::default()), Method::GET, "/dev/outbox").await.0, 404);
        for (name, value, status) in [
            ("sec-fetch-site", "none", 200),
            ("sec-fetch-site", "same-origin", 403),
            ("sec-fetch-site", "cross-site", 403),
            ("origin", "http://127.0.0.1", 403),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(
                ask_with(ready(), Method::GET, "/dev/outbox", &headers).await.0,
                status,
                "{name}: {value}"
            );
        }
    }
}
