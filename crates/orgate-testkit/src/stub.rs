//! An issuer's web server that can be made to fail.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::{self, Future as _},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use serde_json::json;

use crate::{
    TestKey, jwks,
    server::{Body, Closed, Server},
};

/// A web server whose answers are set per path and can be changed while it runs. Other paths answer 404.
#[derive(Debug)]
pub struct Stub {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    replies: HashMap<String, Reply>,
    heads: HashMap<String, Vec<HeaderMap>>,
}

/// What is answered at a path.
#[derive(Clone, Debug)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    content: Content,
    delay: Duration,
}

#[derive(Clone, Debug)]
enum Content {
    Whole(Bytes),
    /// So many zeros, in chunks, without saying how many.
    Zeros(usize),
    /// The head comes, the body never ends and never goes on.
    Stalled,
    /// One byte at a time, each after this long.
    Dripped(Bytes, Duration),
    /// These bytes, without saying that they are all.
    Cut(Bytes),
    Never,
    Close,
}

impl Reply {
    fn new(status: u16, content: Content) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            content,
            delay: Duration::ZERO,
        }
    }

    /// 200 with a JSON body.
    #[must_use]
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self::typed("application/json", body)
    }

    /// 200 with a body of this media type.
    #[must_use]
    pub fn typed(media_type: &str, body: impl Into<Bytes>) -> Self {
        Self::new(200, Content::Whole(body.into())).header("content-type", media_type)
    }

    /// A status with an empty body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::new(status, Content::Whole(Bytes::new()))
    }

    /// 302 to `location`.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        Self::status(302).header("location", location)
    }

    /// 200 with so many bytes, chunked, so that the size is not known beforehand.
    #[must_use]
    pub fn huge(bytes: usize) -> Self {
        Self::new(200, Content::Zeros(bytes))
    }

    /// 200 with a JSON body, one byte at a time, each after `every`.
    #[must_use]
    pub fn drip(body: impl Into<Bytes>, every: Duration) -> Self {
        Self::new(200, Content::Dripped(body.into(), every)).header("content-type", "application/json")
    }

    /// 200 with a JSON body that ends before it is as long as it was said to be.
    #[must_use]
    pub fn truncated(body: impl Into<Bytes>) -> Self {
        let body: Bytes = body.into();
        let length = (body.len() + 100).to_string();
        let reply = Self::new(200, Content::Cut(body)).header("content-type", "application/json");
        reply.header("content-length", &length)
    }

    /// No answer at all, as long as the client waits.
    #[must_use]
    pub fn hang() -> Self {
        Self::new(200, Content::Never)
    }

    /// The head of an answer, and never its body.
    #[must_use]
    pub fn stall() -> Self {
        Self::new(200, Content::Stalled)
    }

    /// The connection is closed without an answer.
    #[must_use]
    pub fn close() -> Self {
        Self::new(200, Content::Close)
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    /// With this entity tag, and 304 to whoever has it already.
    #[must_use]
    pub fn tagged(self, tag: &str) -> Self {
        self.header("etag", tag)
    }

    /// After waiting this long.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

impl Stub {
    /// The path of OpenID Connect discovery below an issuer without a path.
    pub const DISCOVERY: &'static str = "/.well-known/openid-configuration";
    /// The path of the key set that [`serve_issuer`](Self::serve_issuer) publishes.
    pub const JWKS: &'static str = "/jwks.json";

    /// Starts one on a free port.
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| reply(request, Arc::clone(&shared))).await;
        Self { server, state }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end: also the issuer of [`serve_issuer`](Self::serve_issuer).
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Answers `path` (with its query, if any) like this from here on.
    pub fn set(&self, path: &str, reply: Reply) {
        self.state.lock().unwrap().replies.insert(path.to_owned(), reply);
    }

    /// Publishes `keys` at [`JWKS`](Self::JWKS), and at [`DISCOVERY`](Self::DISCOVERY) where to find them.
    pub fn serve_issuer<'k>(&self, keys: impl IntoIterator<Item = &'k TestKey>) {
        let url = self.url();
        let document = json!({"issuer": url, "jwks_uri": format!("{url}{}", Self::JWKS)});
        self.set(Self::DISCOVERY, Reply::json(document.to_string()));
        self.serve_keys(keys);
    }

    /// Publishes `keys` at [`JWKS`](Self::JWKS).
    pub fn serve_keys<'k>(&self, keys: impl IntoIterator<Item = &'k TestKey>) {
        self.set(Self::JWKS, Reply::json(jwks(keys)));
    }

    /// How many requests `path` has had.
    #[must_use]
    pub fn hits(&self, path: &str) -> usize {
        self.heads(path).len()
    }

    /// How many requests there were in all.
    #[must_use]
    pub fn all_hits(&self) -> usize {
        self.state.lock().unwrap().heads.values().map(Vec::len).sum()
    }

    /// The headers of the requests to `path`, oldest first.
    #[must_use]
    pub fn heads(&self, path: &str) -> Vec<HeaderMap> {
        self.state.lock().unwrap().heads.get(path).cloned().unwrap_or_default()
    }
}

async fn reply(request: Request<Incoming>, state: Arc<Mutex<State>>) -> Result<Response<Body>, Closed> {
    let path = request.uri().to_string();
    let reply = {
        let mut state = state.lock().unwrap();
        state.heads.entry(path.clone()).or_default().push(request.headers().clone());
        state.replies.get(&path).cloned().unwrap_or_else(|| Reply::status(404))
    };
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    let tag = reply.headers.get("etag").filter(|tag| request.headers().get("if-none-match") == Some(tag));
    if tag.is_some() {
        let mut response = Response::new(Full::default().boxed());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.headers_mut() = reply.headers;
        return Ok(response);
    }
    let body = match reply.content {
        Content::Whole(body) => Full::new(body).boxed(),
        Content::Zeros(left) => Zeros { left: Some(left) }.boxed(),
        Content::Stalled => Zeros { left: None }.boxed(),
        Content::Dripped(left, every) => Dripping { left, every, wait: None }.boxed(),
        Content::Cut(left) => Dripping { left, every: Duration::ZERO, wait: None }.boxed(),
        Content::Never => future::pending().await,
        Content::Close => return Err(Closed),
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    Ok(response)
}

/// So many zeros in chunks of up to 4 KiB; with `None`, a body that never comes.
struct Zeros {
    left: Option<usize>,
}

impl hyper::body::Body for Zeros {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.left {
            None => Poll::Pending,
            Some(0) => Poll::Ready(None),
            Some(left) => {
                let size = left.min(4096);
                self.left = Some(left - size);
                Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'0'; size])))))
            }
        }
    }
}

/// Bytes in an unknown number: all at once, or one at a time after a while each.
struct Dripping {
    left: Bytes,
    every: Duration,
    wait: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl hyper::body::Body for Dripping {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let every = self.every;
        if every.is_zero() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.left)))));
        }
        let wait = self.wait.get_or_insert_with(|| Box::pin(tokio::time::sleep(every)));
        std::task::ready!(wait.as_mut().poll(context));
        self.wait = None;
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(1)))))
    }
}
