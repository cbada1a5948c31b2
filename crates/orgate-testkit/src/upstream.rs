//! An application behind the gate that keeps what reaches it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use crate::server::{Body, Closed, Server};

/// A recording HTTP/1.1 server.
#[derive(Debug)]
pub struct Upstream {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    requests: Vec<Recorded>,
    answer: Answer,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The method.
    pub method: Method,
    /// The request target, byte for byte.
    pub target: String,
    /// The headers in their order, repeated ones included.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// The trailers behind it.
    pub trailers: Option<HeaderMap>,
}

impl Recorded {
    /// The value of a header that came exactly once; `None` if it did not come.
    ///
    /// # Panics
    /// If it came more than once.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next();
        assert!(values.next().is_none(), "`{name}` came more than once");
        value.map(|value| value.to_str().unwrap())
    }
}

/// What the upstream answers.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Default for Answer {
    fn default() -> Self {
        Self { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::from_static(b"upstream") }
    }
}

impl Answer {
    /// With this status and an empty body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

impl Upstream {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| record(request, Arc::clone(&shared))).await;
        Self { server, state }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Answers like this from here on.
    pub fn answer(&self, answer: Answer) {
        self.state.lock().unwrap().answer = answer;
    }

    /// Every request so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.lock().unwrap().requests.clone()
    }

    /// Every request since the last call.
    #[must_use]
    pub fn take_requests(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }
}

async fn record(request: Request<Incoming>, state: Arc<Mutex<State>>) -> Result<Response<Body>, Closed> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Closed)?;
    let trailers = body.trailers().cloned();
    let recorded = Recorded {
        method: head.method,
        target: head.uri.to_string(),
        headers: head.headers,
        body: body.to_bytes(),
        trailers,
    };
    let answer = {
        let mut state = state.lock().unwrap();
        state.requests.push(recorded);
        state.answer.clone()
    };
    let mut response = Response::new(Full::new(answer.body).boxed());
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    Ok(response)
}
