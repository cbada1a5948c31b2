//! An issuer with a change feed, whose marks and faults are switched while it runs.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};

use crate::{
    Stub, TestKey, jwks,
    server::{Body, Closed, Server},
};

/// An issuer that publishes keys and, at `/revocations`, what was revoked.
#[derive(Debug)]
pub struct FeedIssuer {
    server: Server,
    state: Arc<Mutex<State>>,
    changed: watch::Sender<()>,
}

/// How it answers.
#[derive(Clone, Debug, Default)]
pub enum FeedManner {
    /// By stream to whoever asks for one, and by JSON to others.
    #[default]
    Streams,
    /// By JSON only, and at once whatever `wait` says.
    Answers,
    /// Everything, keys included, is a closed connection.
    Down,
    /// The feed has this status.
    Status(u16),
    /// A stream of these bytes and nothing more; ended behind them, or else left open.
    Says(Bytes, bool),
    /// JSON of these bytes.
    Json(Bytes),
}

#[derive(Debug, Default)]
struct State {
    manner: FeedManner,
    keys: String,
    seq: u64,
    /// The marks as they are sent, by position.
    marks: Vec<(u64, Value)>,
    asked: Vec<(String, HeaderMap)>,
}

impl FeedIssuer {
    /// The project key of its feed.
    pub const KEY: &'static str = "sk_feed";

    /// Starts one on a free port.
    pub async fn start<'k>(keys: impl IntoIterator<Item = &'k TestKey>) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), keys)
    }

    /// Starts one on this socket.
    pub fn start_on<'k>(listener: TcpListener, keys: impl IntoIterator<Item = &'k TestKey>) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { keys: jwks(keys), ..State::default() }));
        let changed = watch::Sender::new(());
        let (shared, news) = (Arc::clone(&state), changed.clone());
        let server = Server::on(listener, move |request| {
            reply(request, url.clone(), Arc::clone(&shared), news.subscribe())
        });
        Self { server, state, changed }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end: the issuer.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Answers like this from here on. Streams that are open end.
    pub fn set(&self, manner: FeedManner) {
        self.change(|state| state.manner = manner);
    }

    /// Adds a mark, such as `{"kind": "session", "sid": "ses_1"}`; it lives for ever if it does not say otherwise. Gives
    /// its position.
    pub fn revoke(&self, mut mark: Value) -> u64 {
        self.change(|state| {
            state.seq += 1;
            mark["seq"] = state.seq.into();
            if mark.get("expires_at").is_none() {
                mark["expires_at"] = 9_999_999_999_u64.into();
            }
            state.marks.push((state.seq, mark));
            state.seq
        })
    }

    /// Forgets all marks, and is at this position, as a database is that was put back.
    pub fn put_back(&self, seq: u64) {
        self.change(|state| (state.seq, state.marks) = (seq, Vec::new()));
    }

    /// The query and the headers of the requests for the feed since the last call, oldest first.
    #[must_use]
    pub fn asked(&self) -> Vec<(String, HeaderMap)> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    /// How many streams of its feed are being read.
    #[must_use]
    pub fn readers(&self) -> usize {
        // The server keeps none itself, but one for each request.
        self.changed.receiver_count()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state.lock().unwrap());
        self.changed.send_replace(());
        changed
    }
}

impl State {
    /// What is said to whoever has this position.
    fn message(&self, after: Option<u64>) -> Value {
        let reset = after.is_some_and(|after| after > self.seq);
        let from = after.filter(|_| !reset).unwrap_or(0);
        let marks: Vec<_> = self.marks.iter().filter(|(seq, _)| *seq > from).map(|(_, mark)| mark).collect();
        let mut message = json!({ "seq": self.seq, "marks": marks });
        if reset {
            message["reset"] = true.into();
        }
        message
    }
}

async fn reply(
    request: Request<Incoming>,
    url: String,
    state: Arc<Mutex<State>>,
    news: watch::Receiver<()>,
) -> Result<Response<Body>, Closed> {
    let whole = |media_type: &'static str, body: Bytes| {
        let mut response = Response::new(Full::new(body).boxed());
        response.headers_mut().insert("content-type", media_type.parse().unwrap());
        response
    };
    let json = |body: String| Ok(whole("application/json", body.into()));
    let status = |status: u16| {
        let mut response = whole("application/json", Bytes::from_static(b"{}"));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        Ok(response)
    };
    let mut known = state.lock().unwrap();
    match request.uri().path() {
        _ if matches!(known.manner, FeedManner::Down) => Err(Closed),
        Stub::DISCOVERY => {
            json(json!({"issuer": url, "jwks_uri": format!("{url}{}", Stub::JWKS)}).to_string())
        }
        Stub::JWKS => json(known.keys.clone()),
        "/revocations" => {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let after = query.split('&').find_map(|pair| pair.strip_prefix("after=")?.parse().ok());
            known.asked.push((query, request.headers().clone()));
            let key = request.headers().get("authorization").map(http::HeaderValue::as_bytes);
            if key != Some(format!("Bearer {}", FeedIssuer::KEY).as_bytes()) {
                return status(401);
            }
            let streams = request.headers().get("accept").is_some_and(|accept| accept == "text/event-stream");
            match known.manner.clone() {
                FeedManner::Status(code) => status(code),
                FeedManner::Json(body) => Ok(whole("application/json", body)),
                FeedManner::Streams if streams => {
                    drop(known);
                    Ok(stream(move |sender| tell(after, state, news, sender)))
                }
                FeedManner::Says(bytes, ends) => Ok(stream(move |sender| async move {
                    let _ = sender.send(bytes).await;
                    if !ends {
                        sender.closed().await;
                    }
                })),
                _ => json(known.message(after).to_string()),
            }
        }
        _ => status(404),
    }
}

/// Says what there is, then what comes, and a heartbeat in between, until the manner is another.
async fn tell(
    mut after: Option<u64>,
    state: Arc<Mutex<State>>,
    mut news: watch::Receiver<()>,
    sender: mpsc::Sender<Bytes>,
) {
    let mut first = true;
    loop {
        let text = {
            let known = state.lock().unwrap();
            if !matches!(known.manner, FeedManner::Streams) {
                return;
            }
            if first || after != Some(known.seq) {
                let text = format!("id: {}\nevent: marks\ndata: {}\n\n", known.seq, known.message(after));
                after = Some(known.seq);
                text
            } else {
                ":\n".to_owned()
            }
        };
        first = false;
        if sender.send(text.into()).await.is_err() {
            return;
        }
        let changed = tokio::time::timeout(Duration::from_millis(200), news.changed());
        let reading = std::pin::pin!(sender.closed());
        let changed = std::pin::pin!(changed);
        if either(changed, reading).await {
            return;
        }
    }
}

/// Waits for one of both; says whether it was the second.
async fn either<A: Future, B: Future>(mut first: Pin<&mut A>, mut second: Pin<&mut B>) -> bool {
    std::future::poll_fn(|context| {
        if second.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        first.as_mut().poll(context).map(|_| false)
    })
    .await
}

fn stream<F>(write: impl FnOnce(mpsc::Sender<Bytes>) -> F) -> Response<Body>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, chunks) = mpsc::channel(1);
    tokio::spawn(write(sender));
    let mut response = Response::new(Chunks(chunks).boxed());
    response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    response
}

/// What is sent, as it is sent.
struct Chunks(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}
