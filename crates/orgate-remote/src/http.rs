//! The one HTTP client.
//!
//! Requests for keys go each on a connection of its own (they are minutes apart); questions about callers, which a request
//! waits for, share a few connections. Everything is bounded: the time to connect, the time in all, the head and the body.
//! A redirect is an error. TLS is rustls with aws-lc-rs and the system's
//! root certificates; a machine without any can still fetch over loopback http or read files, and says what is missing
//! when https is asked for.

use std::{error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::crypto::aws_lc_rs;

use crate::{
    address::Address,
    error::{Fault, RemoteError},
};

/// The bounded HTTP client. Clones share it.
#[derive(Clone, Debug)]
pub struct HttpClient {
    plain: Client<HttpConnector, Full<Bytes>>,
    /// Or why https cannot work here.
    secure: Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, Arc<str>>,
    limits: Limits,
}

/// The bounds of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Until a TCP connection stands: 2 s.
    pub connect: Duration,
    /// From the start to the last byte: 5 s.
    pub total: Duration,
    /// Of the body, in bytes: 256 KiB.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), total: Duration::from_secs(5), body: 256 * 1024 }
    }
}

/// What a server gave.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    pub(crate) headers: HeaderMap,
}

impl HttpClient {
    /// A client with the default limits. Reads the system's root certificates.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// A client with these limits.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self::build(limits, 0)
    }

    /// The same for questions that are asked often: up to eight connections to a host are kept for half a minute.
    #[must_use]
    pub fn for_questions(limits: Limits) -> Self {
        Self::build(limits, 8)
    }

    fn build(limits: Limits, kept: usize) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(limits.connect));
        tcp.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.timer(TokioTimer::new()).pool_timer(TokioTimer::new()).http1_max_buf_size(MAX_HEAD_BYTES);
        builder.pool_max_idle_per_host(kept).pool_idle_timeout(Duration::from_secs(30));
        let plain = builder.build(tcp.clone());
        let secure = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(aws_lc_rs::default_provider())
            .map_err(|error| error.to_string().into())
            .map(|tls| {
                tcp.enforce_http(false);
                builder.build(tls.https_only().enable_http1().wrap_connector(tcp))
            });
        Self { plain, secure, limits }
    }

    /// Gets a JSON document.
    pub(crate) async fn get_json(&self, address: &Address) -> Result<Answer, RemoteError> {
        let request = Request::get(address.uri().clone())
            .header(header::ACCEPT, "application/json, application/jwk-set+json");
        let request = request.body(Full::default()).map_err(|_| RemoteError::at(address, Fault::NotAUrl))?;
        self.ask(address, request).await
    }

    /// Sends `request`, which is for `address`, and reads the JSON document that answers it.
    pub(crate) async fn ask(
        &self,
        address: &Address,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Answer, RemoteError> {
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        match tokio::time::timeout(self.limits.total, self.exchange(address, request)).await {
            Ok(answer) => answer.map_err(|fault| RemoteError::at(address, fault)),
            Err(_) => Err(RemoteError::at(address, Fault::TimedOut(self.limits.total))),
        }
    }

    async fn exchange(&self, address: &Address, request: Request<Full<Bytes>>) -> Result<Answer, Fault> {
        let response = match &self.secure {
            _ if !address.is_https() => self.plain.request(request),
            Ok(secure) => secure.request(request),
            Err(why) => return Err(Fault::NoRoots(why.to_string())),
        };
        let response = response.await.map_err(|error| {
            let why = root_cause(&error);
            if error.is_connect() { Fault::NoConnection(why) } else { Fault::Broken(why) }
        })?;
        self.read(response).await
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Answer, Fault> {
        let (head, body) = response.into_parts();
        if head.status.is_redirection() {
            return Err(Fault::Redirected(head.status));
        }
        if head.status != http::StatusCode::OK {
            return Err(Fault::Status(head.status));
        }
        check_media_type(&head.headers)?;
        let body = Limited::new(body, self.limits.body).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                Fault::TooLarge(self.limits.body)
            } else {
                Fault::Broken(root_cause(&*error))
            }
        })?;
        Ok(Answer { body: body.to_bytes(), headers: head.headers })
    }
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

/// Refuses what says that it is not JSON, a sign-in page above all. A server of plain files does not know what it has.
fn check_media_type(headers: &HeaderMap) -> Result<(), Fault> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let text = String::from_utf8_lossy(value.as_bytes());
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known =
        matches!(&*essence, "application/json" | "text/json" | "application/octet-stream" | "text/plain");
    if known || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    let printable: String = essence.chars().filter(char::is_ascii_graphic).take(64).collect();
    Err(Fault::NotJson(format!("`{printable}`")))
}

/// The innermost cause, which says what happened ("Connection refused") where the outer ones say in which layer.
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

const MAX_HEAD_BYTES: usize = 64 * 1024;
const USER_AGENT: &str = concat!("orgate/", env!("CARGO_PKG_VERSION"));
