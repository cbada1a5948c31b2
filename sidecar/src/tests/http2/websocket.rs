//! WebSocket over a stream (RFC 8441): judged as the GET that it stands for.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;
use crate::tests::door::token_for;

const CONNECT: [(&str, &str); 5] = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "http"),
    (":authority", "app.example"),
    (":path", "/me?b=c"),
];

fn connect_with<'f>(more: &[(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
    [&CONNECT[..], &[("sec-websocket-version", "13")], more].concat()
}

/// The answer of an application that switches, and has understood the key.
fn switch(head: &str) -> String {
    let key = only_header(head, "sec-websocket-key").expect("a key");
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        STANDARD.encode(digest)
    )
}

/// An application that switches, says `hello`, and sends back what it gets; what it is asked is told.
async fn echo() -> (SocketAddr, mpsc::Receiver<String>) {
    let (told, asked) = mpsc::channel(8);
    let address = upstream(move |mut app, _| {
        let told = told.clone();
        async move {
            let head = app.head().await;
            app.send(format!("{}hello", switch(&head))).await;
            let _ = told.send(head).await;
            loop {
                let bytes = std::mem::take(&mut app.buffer);
                if app.stream.write_all(&bytes).await.is_err() || !app.more().await {
                    return;
                }
            }
        }
    })
    .await;
    (address, asked)
}

/// So many bytes of the stream.
async fn take(raw: &mut Raw, stream: u32, length: usize) -> Vec<u8> {
    let mut taken = Vec::new();
    while taken.len() < length {
        let data = raw.wait(DATA, stream).await.expect("data");
        let credit = u32::try_from(data.payload.len()).expect("short").to_be_bytes();
        taken.extend(data.payload);
        if credit != [0; 4] {
            raw.send(WINDOW_UPDATE, 0, 0, &credit).await;
            raw.send(WINDOW_UPDATE, 0, stream, &credit).await;
        }
    }
    taken
}

#[tokio::test]
async fn a_stream_carries_a_websocket_and_the_application_sees_a_get_that_asks_for_one() {
    let (address, mut asked) = echo().await;
    let sidecar = serving(address).await;
    let mut client = sidecar.connect().await;
    client.send([PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
    let mut raw = Raw::on(client);
    let settings = raw.wait(SETTINGS, 0).await.expect("settings").payload;
    assert!(settings.chunks(6).any(|setting| setting == [0, 8, 0, 0, 0, 1]), "it is offered: {settings:?}");
    raw.begin(
        1,
        &connect_with(&[
            ("sec-websocket-key", "of the client"),
            ("sec-websocket-protocol", "chat"),
            ("x-orgate-sub", "usr_eve"),
        ]),
    )
    .await;
    assert_eq!(raw.outcome(1).await, Outcome::Status(200));
    assert_eq!(take(&mut raw, 1, 5).await, b"hello");
    for part in [&b"one"[..], &[0x81; 16_000], b"GET /admin HTTP/1.1\r\n\r\n"] {
        raw.send(DATA, 0, 1, part).await;
        assert_eq!(take(&mut raw, 1, part.len()).await, part);
    }
    let head = within(asked.recv()).await.expect("asked");
    assert!(head.starts_with("GET /me?b=c HTTP/1.1\r\n"), "{head}");
    for (name, value) in [
        ("upgrade", Some("websocket")),
        ("connection", Some("upgrade")),
        ("sec-websocket-version", Some("13")),
        ("sec-websocket-protocol", Some("chat")),
        ("x-orgate-sub", Some("usr_ann")),
        ("host", Some("app.example")),
        ("via", Some("2 orgate")),
        ("content-length", None),
        ("transfer-encoding", None),
    ] {
        assert_eq!(only_header(&head, name).as_deref(), value, "{name} in {head}");
    }
    assert_eq!(only_header(&head, "sec-websocket-key").map(|key| key.len()), Some(24));
    // The connection serves others meanwhile.
    raw.begin(3, &connect_with(&[])).await;
    assert_eq!(take(&mut raw, 3, 5).await, b"hello");
    assert_eq!(sidecar.upstream.connections(), (0, 2));
    raw.send(DATA, END_STREAM, 1, b"").await;
    raw.send(RST_STREAM, 0, 3, &[0, 0, 0, 8]).await;
    sidecar.settled(0).await;
    assert_ne!(
        only_header(&within(asked.recv()).await.expect("asked"), "sec-websocket-key"),
        only_header(&head, "sec-websocket-key"),
        "each has a key of its own"
    );
}

#[tokio::test]
async fn whoever_may_not_pass_opens_none_and_a_token_ends_the_stream() {
    let (address, mut asked) = echo().await;
    let guarded = Guarded::before(address).await;
    let raw = async || {
        let mut raw = Raw::on(guarded.connect().await);
        raw.bytes(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
        raw
    };
    for authorization in [None, Some("Bearer x.y.z")] {
        let more: Vec<_> = authorization.iter().map(|value| ("authorization", *value)).collect();
        let mut raw = raw().await;
        raw.begin(1, &connect_with(&more)).await;
        assert_eq!(raw.outcome(1).await, Outcome::Status(401));
    }
    assert!(asked.try_recv().is_err(), "nobody was asked");
    let bearer = format!("Bearer {}", token_for("https://issuer.example", 2));
    let mut raw = raw().await;
    raw.begin(1, &connect_with(&[("authorization", &bearer)])).await;
    assert_eq!(raw.outcome(1).await, Outcome::Status(200));
    assert_eq!(take(&mut raw, 1, 5).await, b"hello");
    let end = loop {
        let frame = raw.next().await.expect("the connection stays");
        if frame.stream == 1 {
            break frame;
        }
    };
    assert!(end.kind == RST_STREAM || end.kind == DATA && end.flags & END_STREAM != 0, "{end:?}");
}

#[tokio::test]
async fn of_extended_connect_nothing_else_is_served() {
    let recorder = Recorder::ok().await;
    let sidecar = serving(recorder.address).await;
    let but = |name: &str, value: &'static str| -> Vec<(&'static str, &'static str)> {
        CONNECT
            .iter()
            .map(|&(other, kept)| if other == name { (other, value) } else { (other, kept) })
            .collect()
    };
    for fields in [
        but(":protocol", "connect-udp"),
        but(":protocol", "WebSocket"),
        but(":protocol", "h2c"),
        but(":scheme", "ftp"),
        connect_with(&[("content-length", "0")]),
        connect_with(&[("host", "b.example")]),
        connect_with(&[("transfer_encoding", "chunked")]),
    ] {
        let mut raw = Raw::to(&sidecar).await;
        raw.begin(1, &fields).await;
        assert_eq!(raw.outcome(1).await, Outcome::Status(400), "{fields:?}");
    }
    for fields in [
        but(":protocol", ""),
        but(":method", "GET"),
        CONNECT.iter().copied().filter(|(name, _)| *name != ":path").collect(),
        CONNECT.iter().copied().filter(|(name, _)| *name != ":scheme").collect(),
        connect_with(&[("upgrade", "websocket")]),
    ] {
        let mut raw = Raw::to(&sidecar).await;
        raw.begin(1, &fields).await;
        let outcome = raw.outcome(1).await;
        assert!(
            matches!(outcome, Outcome::Reset | Outcome::Closed | Outcome::Status(400)),
            "{outcome:?}: {fields:?}"
        );
    }
    assert_eq!(recorder.seen().len(), 0);
}

#[tokio::test]
async fn what_does_not_switch_is_never_taken_for_it() {
    for (answer, status) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 502),
        ("HTTP/1.1 204 No Content\r\n\r\n", 502),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 502),
        (
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            502,
        ),
    ] {
        let address = upstream(move |mut app, _| async move {
            app.head().await;
            app.send(answer).await;
            while app.more().await {}
        })
        .await;
        let sidecar = serving(address).await;
        let mut raw = Raw::to(&sidecar).await;
        raw.begin(1, &connect_with(&[])).await;
        assert_eq!(raw.outcome(1).await, Outcome::Status(status), "{answer}");
    }
}
