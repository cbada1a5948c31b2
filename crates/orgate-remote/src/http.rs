//! The one HTTP client.
//!
//! Requests for keys go each on a connection of its own (they are minutes apart); questions about callers, which a request
//! waits for, share a few connections. Everything is bounded: the time to connect, the time in all, the head and the body.
//! A redirect is an error, and so is a compressed body, which nobody asked for. TLS is rustls with aws-lc-rs and the system's
//! root certificates; a machine without any can still fetch over loopback http or read files, and says what is missing
//! when https is asked for.

use std::{error::Error, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, crypto::aws_lc_rs};

use crate::{
    address::Address,
    error::{Fault, RemoteError},
    resolve::PublicOnly,
};

/// The bounded HTTP client. Clones share it.
#[derive(Clone, Debug)]
pub struct HttpClient {
    plain: Client<HttpConnector, Full<Bytes>>,
    /// Or why https cannot work here.
    secure: Result<Secure, Arc<str>>,
    limits: Limits,
}

/// The two ways to a server with a certificate.
#[derive(Clone, Debug)]
struct Secure {
    /// To wherever the name leads.
    anywhere: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// To public addresses only.
    public: Client<HttpsConnector<HttpConnector<PublicOnly>>, Full<Bytes>>,
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
    /// Empty if what was asked about has not changed.
    pub(crate) body: Bytes,
    pub(crate) headers: HeaderMap,
    /// Whether the server said 304 to a condition.
    pub(crate) unchanged: bool,
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
        let secure = tls().map_err(|error| error.to_string().into()).map(|tls| {
            let over =
                || HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_only().enable_http1();
            let mut public = HttpConnector::new_with_resolver(PublicOnly::new());
            public.set_connect_timeout(Some(limits.connect));
            public.set_nodelay(true);
            tcp.enforce_http(false);
            public.enforce_http(false);
            Secure {
                anywhere: builder.build(over().wrap_connector(tcp)),
                public: builder.build(over().wrap_connector(public)),
            }
        });
        Self { plain, secure, limits }
    }

    /// Gets a JSON document.
    pub(crate) async fn get_json(&self, address: &Address) -> Result<Answer, RemoteError> {
        self.ask(address, get(address)?).await
    }

    /// Gets a JSON document, or hears that it is still the one with this entity tag (RFC 9110 §13.1.2).
    pub(crate) async fn get_changed(
        &self,
        address: &Address,
        known: &HeaderValue,
    ) -> Result<Answer, RemoteError> {
        let mut request = get(address)?;
        request.headers_mut().insert(header::IF_NONE_MATCH, known.clone());
        self.ask(address, request).await
    }

    /// Gets a JSON document from its source, not from a cache on the way (RFC 9111 §5.2.1.4).
    pub(crate) async fn get_fresh(&self, address: &Address) -> Result<Answer, RemoteError> {
        let mut request = get(address)?;
        request.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
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

    /// Sends `request`, which is for `address`, and gives the answer as soon as its head is there, within `limit`. To bound the
    /// body is the caller's business.
    pub(crate) async fn open(
        &self,
        address: &Address,
        mut request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Response<Incoming>, RemoteError> {
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        match tokio::time::timeout(limit, self.send(address, request)).await {
            Ok(answer) => answer.map_err(|fault| RemoteError::at(address, fault)),
            Err(_) => Err(RemoteError::at(address, Fault::TimedOut(limit))),
        }
    }

    async fn exchange(&self, address: &Address, request: Request<Full<Bytes>>) -> Result<Answer, Fault> {
        let conditional = request.headers().contains_key(header::IF_NONE_MATCH);
        let response = self.send(address, request).await?;
        self.read(response, conditional).await
    }

    async fn send(
        &self,
        address: &Address,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Fault> {
        let response = match &self.secure {
            _ if !address.is_https() => self.plain.request(request),
            Ok(secure) if address.is_guarded() => secure.public.request(request),
            Ok(secure) => secure.anywhere.request(request),
            Err(why) => return Err(Fault::NoRoots(why.to_string())),
        };
        response.await.map_err(|error| {
            let why = root_cause(&error);
            if error.is_connect() { Fault::NoConnection(why) } else { Fault::Broken(why) }
        })
    }

    async fn read(&self, response: Response<Incoming>, conditional: bool) -> Result<Answer, Fault> {
        let (head, body) = response.into_parts();
        match head.status {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if conditional => {
                return Ok(Answer { body: Bytes::new(), headers: head.headers, unchanged: true });
            }
            status if status.is_redirection() && status != StatusCode::NOT_MODIFIED => {
                return Err(Fault::Redirected(status));
            }
            status => return Err(Fault::Status(status)),
        }
        check_media_type(&head.headers)?;
        check_coding(&head.headers)?;
        let body = Limited::new(body, self.limits.body).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                Fault::TooLarge(self.limits.body)
            } else {
                Fault::Broken(root_cause(&*error))
            }
        })?;
        Ok(Answer { body: body.to_bytes(), headers: head.headers, unchanged: false })
    }
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

fn get(address: &Address) -> Result<Request<Full<Bytes>>, RemoteError> {
    Request::get(address.uri().clone())
        .header(header::ACCEPT, "application/json, application/jwk-set+json")
        .body(Full::default())
        .map_err(|_| RemoteError::at(address, Fault::NotAUrl))
}

/// TLS with the root certificates of the system.
fn tls() -> io::Result<ClientConfig> {
    Ok(ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_native_roots()?
        .with_no_client_auth())
}

/// Refuses what is compressed: nobody asked for that, and a few bytes could become gigabytes.
pub(crate) fn check_coding(headers: &HeaderMap) -> Result<(), Fault> {
    let coded = headers.get_all(header::CONTENT_ENCODING).iter().any(|value| value != "identity");
    if coded { Err(Fault::Compressed) } else { Ok(()) }
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
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

const MAX_HEAD_BYTES: usize = 64 * 1024;
const USER_AGENT: &str = concat!("orgate/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Told;

    #[tokio::test]
    async fn a_host_that_a_document_names_is_not_reached_inside_of_the_network() {
        let client = HttpClient::new();
        let issuer = Address::of_issuer("https://issuer.example").unwrap();
        let keys = |told| Address::of_keys("https://localhost:1/jwks", Some(&issuer), told).unwrap();
        if client.secure.is_ok() {
            let error = client.get_json(&keys(Told::ByDocument)).await.unwrap_err().to_string();
            assert!(error.contains("no public address"), "{error}");
            let error = client.get_json(&keys(Told::ByOperator)).await.unwrap_err().to_string();
            assert!(error.contains("cannot be reached") && !error.contains("no public address"), "{error}");
        }
    }
}
