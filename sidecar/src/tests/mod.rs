//! The transport from socket to socket: a raw client, a raw upstream, and the real serving and forwarding in between,
//! with a door that lets everything through.

mod balance;
mod bodies;
mod decision_doors;
mod door;
mod failures;
mod framing;
mod headers;
mod http2;
mod identity;
mod lifecycle;
mod modes;
mod names;
mod origin;
mod revocation;
mod senders;
mod tls;
#[cfg(feature = "otel")]
mod traces;
mod upgrades;
mod upstreams;
mod workers;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    identity_headers::{Identity, IdentityHeaders},
    problem,
    serve::{self, Connection, Defect, Handler, Limits, Listener, Shutdown, Tls},
    upstream::{Outbound, ResponseBody, Upstream, UpstreamSettings, Upstreams},
};

/// Forwards everything as `usr_ann` of `org_acme`, and keeps over which connection it came.
#[derive(Clone)]
struct OpenDoor {
    upstreams: Upstreams,
    connections: Arc<Mutex<Vec<Connection>>>,
}

impl Handler for OpenDoor {
    type Body = Either<ResponseBody, Full<Bytes>>;

    fn handle(
        &self,
        request: Request<Incoming>,
        connection: Connection,
    ) -> impl Future<Output = Response<Self::Body>> + Send + 'static + use<> {
        let upstreams = self.upstreams.clone();
        self.connections.lock().expect("unpoisoned").push(connection);
        async move {
            let target = request.uri().path_and_query().cloned().expect("origin form");
            let identity =
                Identity { subject: "usr_ann", organization: Some("org_acme"), ..Identity::default() };
            let outbound = Outbound::new(
                request,
                target,
                Arc::new(IdentityHeaders::new("X-Orgate", &[]).expect("names")),
                Some(identity),
                connection,
                HeaderValue::from_static("req_1"),
            );
            match upstreams.forward(outbound).await {
                Ok(response) => response.map(Either::Left),
                Err(error) => problem::refusal(error.refusal(), Some(error.kind()), None)
                    .map(|body| Either::Right(Full::new(body))),
            }
        }
    }

    fn refuse(&self, defect: Defect, _: Connection) -> Response<Self::Body> {
        serve::refusal(defect, None).map(|body| Either::Right(Full::new(body)))
    }
}

/// A running sidecar without a gate.
struct Sidecar {
    address: SocketAddr,
    shutdown: Shutdown,
    upstream: Arc<Upstream>,
    connections: Arc<Mutex<Vec<Connection>>>,
    served: tokio::task::JoinHandle<()>,
}

impl Sidecar {
    async fn before(upstream: SocketAddr) -> Self {
        Self::with(upstream, UpstreamSettings::default(), Limits::default()).await
    }

    async fn with(upstream: SocketAddr, settings: UpstreamSettings, limits: Limits) -> Self {
        Self::over(upstream, settings, limits, None).await
    }

    async fn over(
        upstream: SocketAddr,
        settings: UpstreamSettings,
        limits: Limits,
        tls: Option<Tls>,
    ) -> Self {
        let upstream = Upstream::new(&format!("http://{upstream}"), settings).expect("an upstream");
        Self::with_upstream(upstream, limits, tls).await
    }

    async fn to(url: &str, settings: UpstreamSettings) -> Self {
        let upstream = Upstream::new(url, settings).expect("an upstream");
        Self::with_upstream(upstream, Limits::default().with_http2(), None).await
    }

    async fn with_upstream(upstream: Arc<Upstream>, limits: Limits, tls: Option<Tls>) -> Self {
        let upstreams = Arc::clone(&upstream).into();
        Self::among(upstreams, upstream, limits, tls).await
    }

    /// Before several, of which `upstream` is the one that is looked at.
    async fn among(upstreams: Upstreams, upstream: Arc<Upstream>, limits: Limits, tls: Option<Tls>) -> Self {
        let mut listener = Listener::bind("proxy", "127.0.0.1:0", "--listen").await.expect("a port");
        if let Some(tls) = tls {
            listener = listener.with_tls(tls);
        }
        Self::listening(listener, upstreams, upstream, limits)
    }

    fn listening(listener: Listener, upstreams: Upstreams, upstream: Arc<Upstream>, limits: Limits) -> Self {
        let address = listener.address();
        let shutdown = Shutdown::new();
        let connections = Arc::default();
        let door = OpenDoor { upstreams, connections: Arc::clone(&connections) };
        let served = tokio::spawn(serve::serve(listener, door, limits, shutdown.clone()));
        Self { address, shutdown, upstream, connections, served }
    }

    async fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.address).await.expect("a connection"))
    }

    /// One request on a connection of its own; everything until the end of the response.
    async fn ask(&self, request: &str) -> Answer {
        let mut client = self.connect().await;
        client.send(request).await;
        client.answer().await
    }

    /// Waits until the pool has settled to `idle` open connections and none in use.
    async fn settled(&self, idle: usize) {
        within(async {
            while (self.upstream.live_connections(), self.upstream.connections().1) != (idle, 0) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// A socket, or TLS over one.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// One end of a raw HTTP/1.1 conversation.
struct Client {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The value of the only header `name`, `None` if absent.
    fn header(&self, name: &str) -> Option<String> {
        only_header(&self.head, name)
    }
}

fn only_header(head: &str, name: &str) -> Option<String> {
    let mut found = head.lines().skip(1).filter_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    });
    let first = found.next();
    assert_eq!(found.next(), None, "{name} is there twice in {head}");
    first
}

impl Client {
    fn new(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), buffer: Vec::new() }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("sent");
    }

    /// More bytes; false at the end of the stream.
    async fn more(&mut self) -> bool {
        let mut chunk = [0; 64 * 1024];
        let read = within(self.stream.read(&mut chunk)).await.unwrap_or(0);
        self.buffer.extend_from_slice(&chunk[..read]);
        read > 0
    }

    async fn until(&mut self, mark: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.buffer.windows(mark.len()).position(|window| window == mark) {
                return self.buffer.drain(..at + mark.len()).collect();
            }
            assert!(self.more().await, "ended before {mark:?}: {:?}", String::from_utf8_lossy(&self.buffer));
        }
    }

    async fn head(&mut self) -> String {
        String::from_utf8(self.until(b"\r\n\r\n").await).expect("text")
    }

    async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.more().await, "ended inside a body");
        }
        self.buffer.drain(..length).collect()
    }

    /// A message after its head, with chunked coding kept as it is on the wire.
    async fn body(&mut self, head: &str) -> Vec<u8> {
        if only_header(head, "transfer-encoding").is_some() {
            let mut body = Vec::new();
            loop {
                let size = self.until(b"\r\n").await;
                body.extend_from_slice(&size);
                let size =
                    usize::from_str_radix(std::str::from_utf8(&size).expect("hex").trim(), 16).expect("hex");
                if size == 0 {
                    loop {
                        let line = self.until(b"\r\n").await;
                        body.extend_from_slice(&line);
                        if line == b"\r\n" {
                            return body;
                        }
                    }
                }
                body.extend_from_slice(&self.exactly(size + 2).await);
            }
        }
        match only_header(head, "content-length") {
            Some(length) => self.exactly(length.parse().expect("a length")).await,
            None => Vec::new(),
        }
    }

    async fn answer(&mut self) -> Answer {
        let head = self.head().await;
        let bodiless = head.starts_with("HTTP/1.1 204") || head.starts_with("HTTP/1.1 304");
        let body = if bodiless { Vec::new() } else { self.body(&head).await };
        Answer { head, body }
    }

    /// Whether the peer closes without another byte.
    async fn is_closed(&mut self) -> bool {
        !self.more().await && self.buffer.is_empty()
    }
}

/// What an upstream saw.
#[derive(Clone, Debug)]
struct Seen {
    connection: usize,
    head: String,
    body: Vec<u8>,
}

/// An upstream that records requests and answers each with what `answer` makes of it.
struct Recorder {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Recorder {
    async fn answering(answer: impl Fn(&Seen) -> String + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(answer);
        let log = Arc::clone(&seen);
        let address = upstream(move |mut client, connection| {
            let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
            async move {
                while !client.buffer.is_empty() || client.more().await {
                    let head = client.head().await;
                    let body = client.body(&head).await;
                    let seen = Seen { connection, head, body };
                    let bytes = answer(&seen);
                    log.lock().expect("unpoisoned").push(seen);
                    client.send(bytes).await;
                }
            }
        })
        .await;
        Self { address, seen }
    }

    async fn ok() -> Self {
        Self::answering(|_| "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned()).await
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("unpoisoned").clone()
    }

    fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.into_iter().next().expect("one")
    }
}

/// An upstream that gives every connection, counted from 0, to `conversation`.
async fn upstream<F, C>(conversation: F) -> SocketAddr
where
    F: Fn(Client, usize) -> C + Send + 'static,
    C: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        for connection in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            tokio::spawn(conversation(Client::new(stream), connection));
        }
    });
    address
}

/// A bound for things that must happen, so that a failure is a message and not a hang.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it takes too long")
}

const GET: &str = "GET /a?b=c HTTP/1.1\r\nHost: app.example\r\n\r\n";
