//! HTTP/2 on the listener: by prior knowledge and over TLS, with the same requests behind it as over HTTP/1.1.

mod attacks;
mod conformance;
mod lifecycle;
mod raw;
mod websocket;

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use http::HeaderMap;
use http_body::{Body, Frame as BodyFrame};
use http_body_util::BodyExt as _;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use orgate_testkit::Certificate;
use tokio::sync::mpsc;

use self::raw::*;
use super::{
    door::{Guarded, token},
    tls::{Folder, handshake, trusting},
    *,
};

async fn serving(upstream: SocketAddr) -> Sidecar {
    Sidecar::with(upstream, UpstreamSettings::default(), Limits::default().with_http2()).await
}

/// A body that a test sends piece by piece.
pub(super) struct Pieces(pub(super) mpsc::Receiver<BodyFrame<Bytes>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

pub(super) type Sender = http2::SendRequest<Either<Full<Bytes>, Pieces>>;

async fn over(stream: impl Stream + 'static) -> Sender {
    let io = TokioIo::new(Box::new(stream));
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.expect("a handshake");
    tokio::spawn(connection);
    sender
}

pub(super) async fn connect(address: SocketAddr) -> Sender {
    over(TcpStream::connect(address).await.expect("a connection")).await
}

pub(super) fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(format!("http://app.example{path}"))
}

pub(super) async fn ask(sender: &mut Sender, request: http::request::Builder, body: &str) -> Answer2 {
    let body = Either::Left(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    send(sender, request.body(body).expect("a request")).await
}

pub(super) async fn send(sender: &mut Sender, request: Request<Either<Full<Bytes>, Pieces>>) -> Answer2 {
    let response = within(sender.send_request(request)).await.expect("an answer");
    let (head, body) = response.into_parts();
    let whole = within(body.collect()).await.expect("a body");
    let trailers = whole.trailers().cloned();
    Answer2 { status: head.status.as_u16(), headers: head.headers, body: whole.to_bytes(), trailers }
}

pub(super) struct Answer2 {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) trailers: Option<HeaderMap>,
}

#[tokio::test]
async fn a_request_by_prior_knowledge_is_one_of_http1_behind_the_door() {
    let recorder = Recorder::ok().await;
    let sidecar = serving(recorder.address).await;
    let mut sender = connect(sidecar.address).await;
    let answer = ask(&mut sender, request("GET", "/a?b=c").header("te", "trailers"), "").await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]));
    let head = recorder.only().head;
    assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
    for (name, value) in [
        ("host", Some("app.example")),
        ("x-forwarded-host", Some("app.example")),
        ("x-forwarded-proto", Some("http")),
        ("x-orgate-sub", Some("usr_ann")),
        ("via", Some("2 orgate")),
        ("te", Some("trailers")),
        ("transfer-encoding", None),
        ("content-length", None),
    ] {
        assert_eq!(only_header(&head, name).as_deref(), value, "{name} in {head}");
    }
    sidecar.settled(1).await;
}

#[tokio::test]
async fn over_tls_the_handshake_chooses_the_version() {
    let (recorder, folder) = (Recorder::ok().await, Folder::new());
    let authority = Certificate::authority("test");
    let tls = Tls::load(folder.files(&authority.issue("localhost"))).expect("it stands");
    let limits = Limits::default().with_http2();
    let sidecar = Sidecar::over(recorder.address, UpstreamSettings::default(), limits, Some(tls)).await;
    let both = trusting(&authority, None, &["h2", "http/1.1"]);
    let stream = handshake(sidecar.address, &both).await.expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let answer = ask(&mut over(stream).await, request("GET", "/"), "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(only_header(&recorder.only().head, "x-forwarded-proto").as_deref(), Some("https"));
    let stream = handshake(sidecar.address, &trusting(&authority, None, &["http/1.1"])).await.expect("TLS");
    let mut client = Client::new(stream);
    client.send(GET).await;
    assert_eq!(client.answer().await.status(), 200);
}

#[tokio::test]
async fn a_preface_in_pieces_is_one_and_what_only_begins_like_it_is_not() {
    let recorder = Recorder::ok().await;
    let sidecar = serving(recorder.address).await;
    let mut client = sidecar.connect().await;
    for byte in PREFACE {
        client.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    client.send([frame(SETTINGS, 0, 0, &[]), frame(HEADERS, 5, 1, &block(&GET_A))].concat()).await;
    let mut raw = Raw::on(client);
    assert_eq!(raw.outcome(1).await, Outcome::Status(200));

    let mut client = sidecar.connect().await;
    for piece in ["P", "R", "I / HTTP/1.1\r\nHost: a\r\n\r\n"] {
        client.send(piece).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.answer().await.status(), 200);
    assert!(recorder.seen()[1].head.starts_with("PRI / HTTP/1.1\r\n"));

    let mut client = sidecar.connect().await;
    client.send("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").await;
    while client.more().await {}
    assert_eq!(recorder.seen().len(), 2);
}

#[tokio::test]
async fn a_listener_without_limits_for_it_does_not_serve_it() {
    let recorder = Recorder::ok().await;
    let sidecar = Sidecar::before(recorder.address).await;
    let mut client = sidecar.connect().await;
    client.send([PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(HEADERS, 5, 1, &block(&GET_A))].concat()).await;
    while client.more().await {}
    assert_eq!(recorder.seen().len(), 0);
}

#[tokio::test]
async fn an_upgrade_to_h2c_is_not_offered() {
    let recorder = Recorder::ok().await;
    let sidecar = serving(recorder.address).await;
    let upgrade =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    let mut client = sidecar.connect().await;
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{upgrade}\r\n{GET}")).await;
    assert_eq!(client.answer().await.status(), 200);
    assert_eq!(client.answer().await.status(), 200, "what follows is HTTP/1.1 all the same");
    for name in ["upgrade", "connection", "http2-settings"] {
        assert_eq!(only_header(&recorder.seen()[0].head, name), None, "{name}");
    }
}

#[tokio::test]
async fn bodies_are_framed_by_length_or_by_chunks_and_never_by_both() {
    let recorder = Recorder::ok().await;
    let sidecar = serving(recorder.address).await;
    let mut sender = connect(sidecar.address).await;
    ask(&mut sender, request("POST", "/").header("content-length", "5"), "hello").await;
    for method in ["POST", "GET"] {
        let (pieces, body) = mpsc::channel(2);
        pieces.send(BodyFrame::data(Bytes::from_static(b"hello"))).await.expect("room");
        drop(pieces);
        let body = Either::Right(Pieces(body));
        send(&mut sender, request(method, "/").body(body).expect("a request")).await;
    }
    ask(&mut sender, request("POST", "/"), "").await;
    let framing: Vec<_> = recorder
        .seen()
        .iter()
        .map(|seen| {
            let header = |name| only_header(&seen.head, name);
            (
                header("content-length"),
                header("transfer-encoding"),
                String::from_utf8_lossy(&seen.body).into_owned(),
            )
        })
        .collect();
    let text = |text: &str| Some(text.to_owned());
    let chunks = "5\r\nhello\r\n0\r\n\r\n".to_owned();
    assert_eq!(framing[0], (text("5"), None, "hello".to_owned()));
    assert_eq!(framing[1], (None, text("chunked"), chunks.clone()));
    assert_eq!(framing[2], (None, text("chunked"), chunks));
    assert_eq!(framing[3].1, None);
    assert_eq!(framing[3].2, "");
    sidecar.settled(1).await;
}

#[tokio::test]
async fn trailers_pass_in_both_directions_but_carry_no_identity() {
    let recorder = Recorder::answering(|_| {
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: grpc-status\r\n\r\n2\r\nok\r\n0\r\ngrpc-status: 0\r\n\r\n"
            .to_owned()
    })
    .await;
    let sidecar = serving(recorder.address).await;
    let mut sender = connect(sidecar.address).await;
    let (pieces, body) = mpsc::channel(2);
    pieces.send(BodyFrame::data(Bytes::from_static(b"hello"))).await.expect("room");
    let mut trailers = HeaderMap::new();
    for name in ["x-sum", "x-orgate-sub", "x_orgate_sub", "authorization", "x-forwarded-for"] {
        trailers.insert(http::HeaderName::from_static(name), HeaderValue::from_static("1"));
    }
    pieces.send(BodyFrame::trailers(trailers)).await.expect("room");
    let listed = "x-sum, x-orgate-sub, x_orgate_sub, authorization, x-forwarded-for";
    let head = request("POST", "/").header("te", "trailers").header("trailer", listed);
    let answer = send(&mut sender, head.body(Either::Right(Pieces(body))).expect("a request")).await;
    assert_eq!(answer.trailers.expect("trailers").get("grpc-status").expect("there"), "0");
    let sent = String::from_utf8(recorder.only().body).expect("text");
    assert_eq!(sent, "5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n");
}

#[tokio::test]
async fn cookies_in_several_fields_arrive_as_one() {
    let recorder = Recorder::ok().await;
    let sidecar = serving(recorder.address).await;
    let mut sender = connect(sidecar.address).await;
    let request = request("GET", "/").header("cookie", "a=1").header("cookie", "b=2");
    assert_eq!(ask(&mut sender, request, "").await.status, 200);
    assert_eq!(only_header(&recorder.only().head, "cookie").as_deref(), Some("a=1; b=2"));
}

#[tokio::test]
async fn many_streams_of_one_connection_get_each_its_own_answer() {
    let recorder = Recorder::answering(|seen| {
        let path = seen.head.split(' ').nth(1).expect("a path").to_owned();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len())
    })
    .await;
    let sidecar = serving(recorder.address).await;
    let sender = connect(sidecar.address).await;
    let asked: Vec<_> = (0..60)
        .map(|number| {
            let mut sender = sender.clone();
            tokio::spawn(async move {
                let path = format!("/{number}");
                let answer = ask(&mut sender, request("GET", &path), "").await;
                assert_eq!(answer.body, path);
            })
        })
        .collect();
    for answered in asked {
        within(answered).await.expect("answered");
    }
    assert_eq!(recorder.seen().len(), 60);
}

#[tokio::test]
async fn the_upstreams_connection_headers_stay_on_its_side() {
    let recorder = Recorder::answering(|_| {
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, x-hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nX-Kept: 1\r\n\
         Content-Length: 2\r\n\r\nok"
            .to_owned()
    })
    .await;
    let sidecar = serving(recorder.address).await;
    let answer = ask(&mut connect(sidecar.address).await, request("GET", "/"), "").await;
    assert!(answer.headers.contains_key("x-kept"));
    for name in ["connection", "keep-alive", "x-hop", "transfer-encoding"] {
        assert!(!answer.headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn the_gate_judges_requests_of_either_version_alike() {
    let guarded = Guarded::new().await;
    let mut sender = connect(guarded.address).await;
    let bearer = format!("Bearer {}", token("https://issuer.example"));
    for (method, path, authorization, status, code) in [
        ("GET", "/me", None, 401, Some("no_credential")),
        ("GET", "/me", Some("Bearer x.y.z"), 401, Some("invalid_token")),
        ("GET", "/orgs/org_acme/things?x=1", Some(&*bearer), 200, None),
        ("GET", "/orgs/org_other/things", Some(&*bearer), 403, Some("org_mismatch")),
        ("DELETE", "/orgs/org_acme", Some(&*bearer), 403, Some("missing_permission")),
        ("GET", "/nowhere", Some(&*bearer), 403, Some("no_rule")),
        ("GET", "/orgs/org_acme/..%2fadmin", Some(&*bearer), 400, Some("bad_request_target")),
        ("TRACE", "/me", Some(&*bearer), 400, None),
    ] {
        let mut request = request(method, path);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let answer = ask(&mut sender, request, "").await;
        assert_eq!(answer.status, status, "{method} {path}");
        if let Some(code) = code {
            let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert_eq!(body["code"], code, "{method} {path}");
        }
    }
    let head = guarded.recorder.only().head;
    assert!(head.starts_with("GET /orgs/org_acme/things?x=1 HTTP/1.1\r\n"), "{head}");
    assert_eq!(only_header(&head, "x-orgate-sub").as_deref(), Some("usr_ann"));
}

#[tokio::test]
async fn the_answer_to_head_has_the_length_of_a_body_and_none() {
    let guarded = Guarded::new().await;
    let mut sender = connect(guarded.address).await;
    let refused = ask(&mut sender, request("GET", "/me"), "").await;
    let head = ask(&mut sender, request("HEAD", "/me"), "").await;
    assert_eq!((head.status, head.body.len()), (401, 0));
    let length = |answer: &Answer2| answer.headers.get("content-length").cloned();
    assert_eq!(length(&head), length(&refused));
    assert_eq!(length(&refused), Some(refused.body.len().into()));
}
