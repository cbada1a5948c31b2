//! The demo's HTTP client: one request, one connection.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The most that the demo reads of one answer.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn location(&self) -> Option<&str> {
        self.headers.get(header::LOCATION)?.to_str().ok()
    }

    /// The member `name` of a JSON body, if it is a text.
    pub(super) fn member(&self, name: &str) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        Some(body.get(name)?.as_str()?.to_owned())
    }
}

/// What to send besides method and URL.
#[derive(Debug, Default)]
pub(super) struct Sent<'s> {
    pub(super) token: Option<&'s str>,
    pub(super) cookies: Option<&'s Cookies>,
    /// Content type and body.
    pub(super) body: Option<(&'static str, String)>,
}

/// Sends one request to `url`.
///
/// # Errors
/// A sentence that says which request failed, and how.
pub(super) async fn send(method: Method, url: &str, sent: Sent<'_>) -> Result<Answer, String> {
    let failed = |what: String| format!("{method} {url}: {what}");
    let uri: Uri = url.parse().map_err(|error| failed(format!("{error}")))?;
    let authority = uri.authority().ok_or_else(|| failed("the URL has no host".into()))?.clone();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request =
        Request::builder().method(method.clone()).uri(path).header(header::HOST, authority.as_str());
    if let Some(token) = sent.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if let Some(cookies) = sent.cookies.filter(|cookies| !cookies.0.is_empty()) {
        request = request.header(header::COOKIE, cookies.header());
    }
    if method != Method::GET {
        // What a browser says when a page sends its own form.
        request = request.header("sec-fetch-site", "same-origin");
    }
    let body = sent.body.map(|(content_type, body)| {
        if let Some(headers) = request.headers_mut() {
            headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
        }
        body
    });
    let request = request
        .body(Full::new(Bytes::from(body.unwrap_or_default())))
        .map_err(|error| failed(format!("{error}")))?;

    let stream = TcpStream::connect(authority.as_str()).await.map_err(|error| failed(format!("{error}")))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(format!("{error}")))?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|error| failed(format!("{error}")))?;
    let (head, body) = response.into_parts();
    let body =
        Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|error| failed(format!("{error}")))?;
    connection.abort();
    Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
}

/// The cookies of one person's browser.
#[derive(Debug, Default)]
pub(super) struct Cookies(BTreeMap<String, String>);

impl Cookies {
    /// Keeps what an answer sets.
    pub(super) fn keep(&mut self, headers: &HeaderMap) {
        for value in headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let pair = value.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                if value.is_empty() {
                    self.0.remove(name.trim());
                } else {
                    self.0.insert(name.trim().to_owned(), value.trim().to_owned());
                }
            }
        }
    }

    fn header(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }
}
