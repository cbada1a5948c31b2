//! Requests that switch protocols: judged before, nothing forwarded before, and bytes after.

use super::*;

const ASK: &str = "GET /ws HTTP/1.1\r\nHost: app.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// An upstream that switches, says `hello` with the same bytes, and then sends back what it gets.
async fn echo() -> SocketAddr {
    upstream(|mut app, _| async move {
        app.head().await;
        app.send(format!("{SWITCH}hello")).await;
        loop {
            let bytes = std::mem::take(&mut app.buffer);
            if app.stream.write_all(&bytes).await.is_err() || !app.more().await {
                return;
            }
        }
    })
    .await
}

async fn switched(sidecar: &Sidecar) -> Client {
    let mut client = sidecar.connect().await;
    client.send(ASK).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(client.exactly(5).await, b"hello");
    client
}

#[tokio::test]
async fn a_switched_connection_carries_bytes_both_ways_and_is_never_used_again() {
    let sidecar = Sidecar::before(echo().await).await;
    let mut client = sidecar.connect().await;
    client.send(ASK).await;
    let head = client.head().await;
    for (name, value) in [
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ] {
        assert_eq!(only_header(&head, name).as_deref(), Some(value), "{head}");
    }
    assert_eq!(client.exactly(5).await, b"hello");
    // No line end in it, and what looks like a request.
    let message = [vec![0x81; 300_000], b"GET /admin HTTP/1.1\n\nContent-Length: 5\r\n".to_vec()].concat();
    for part in message.chunks(10_000) {
        client.send(part).await;
        let echoed = client.exactly(part.len()).await;
        assert_eq!(echoed, part);
    }
    assert_eq!(sidecar.upstream.connections(), (0, 1));
    drop(client);
    sidecar.settled(0).await;
}

#[tokio::test]
async fn the_upstream_gets_the_question_with_identity_and_without_what_was_claimed() {
    let (told, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let address = upstream(move |mut app, _| {
        let told = told.clone();
        async move {
            told.send(app.head().await).expect("the test lives");
            app.send(SWITCH).await;
            while app.more().await {}
        }
    })
    .await;
    let sidecar = Sidecar::before(address).await;
    let mut client = sidecar.connect().await;
    let claimed = "Connection: Upgrade, X-Orgate-Sub, Sec-WebSocket-Version\r\nX-Orgate-Sub: usr_eve\r\nTE: trailers\r\n";
    client.send(ASK.replacen("Connection: keep-alive, Upgrade\r\n", claimed, 1)).await;
    client.head().await;
    let head = within(asked.recv()).await.expect("asked");
    for (name, value) in [
        ("upgrade", Some("websocket")),
        ("connection", Some("upgrade")),
        ("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZQ==")),
        ("sec-websocket-version", None),
        ("x-orgate-sub", Some("usr_ann")),
        ("host", Some("app.example")),
    ] {
        assert_eq!(only_header(&head, name).as_deref(), value, "{name} in {head}");
    }
}

#[tokio::test]
async fn nothing_that_a_client_sends_early_is_forwarded_before_the_switch() {
    let (go, gone) = tokio::sync::watch::channel(false);
    let address = upstream(move |mut app, _| {
        let mut gone = gone.clone();
        async move {
            app.head().await;
            let early = tokio::time::timeout(Duration::from_millis(300), app.more()).await;
            assert!(early.is_err() && app.buffer.is_empty(), "{:?}", app.buffer);
            let _ = gone.wait_for(|gone| *gone).await;
            app.send(SWITCH).await;
            assert_eq!(app.exactly(5).await, b"early");
            app.send("fine!").await;
            while app.more().await {}
        }
    })
    .await;
    let sidecar = Sidecar::before(address).await;
    let mut client = sidecar.connect().await;
    client.send(format!("{ASK}early")).await;
    assert!(tokio::time::timeout(Duration::from_millis(600), client.more()).await.is_err());
    go.send(true).expect("the upstream lives");
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    assert_eq!(client.exactly(5).await, b"fine!");
}

#[tokio::test]
async fn what_comes_early_is_a_request_of_its_own_if_there_is_no_switch() {
    let recorder = Recorder::ok().await;
    let sidecar = Sidecar::before(recorder.address).await;
    let mut client = sidecar.connect().await;
    client.send(format!("{ASK}{GET}")).await;
    assert_eq!(client.answer().await.status(), 200);
    assert_eq!(client.answer().await.status(), 200);
    let seen = recorder.seen();
    assert_eq!((seen.len(), &*seen[1].body), (2, &b""[..]));
    assert_eq!(only_header(&seen[1].head, "x-orgate-sub").as_deref(), Some("usr_ann"), "{}", seen[1].head);
    let mut client = sidecar.connect().await;
    client.send(format!("{ASK}\x01\x02 no request\r\n\r\n")).await;
    assert_eq!(client.answer().await.status(), 200);
    assert_ne!(client.answer().await.status(), 200);
    assert!(client.is_closed().await);
    assert_eq!(recorder.seen().len(), 3);
    sidecar.settled(1).await;
}

#[tokio::test]
async fn questions_that_are_not_one_plain_question_are_ordinary_requests() {
    let recorder = Recorder::ok().await;
    let sidecar = Sidecar::before(recorder.address).await;
    let head = |line: &str, more: &str| format!("{line}\r\nHost: a\r\n{more}\r\n\r\n");
    let get = "GET / HTTP/1.1";
    for request in [
        head(get, "Connection: Upgrade\r\nUpgrade: h2c"),
        head(get, "Connection: Upgrade\r\nUpgrade: TLS/1.2"),
        head(get, "Connection: Upgrade\r\nUpgrade: HTTP/2.0"),
        head(get, "Connection: Upgrade\r\nUpgrade: websocket, h2c"),
        head(get, "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c"),
        head(get, "Upgrade: websocket"),
        head(get, "Connection: keep-alive\r\nUpgrade: websocket"),
        head(get, "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0"),
        head("POST / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket"),
        head("GET / HTTP/1.0", "Connection: Upgrade\r\nUpgrade: websocket"),
    ] {
        assert_eq!(sidecar.ask(&request).await.status(), 200, "{request}");
        let last = recorder.seen().pop().expect("seen").head;
        assert_eq!(only_header(&last, "upgrade"), None, "{request}");
        assert_eq!(only_header(&last, "connection"), None, "{request}");
    }
}

#[tokio::test]
async fn a_switch_to_something_else_is_502_and_ends_the_upstreams_connection() {
    for answer in [
        SWITCH.replace("WebSocket", "h2c"),
        SWITCH.replace("Upgrade: WebSocket\r\n", ""),
        SWITCH.replace("Upgrade: WebSocket\r\n", "Upgrade: websocket\r\nUpgrade: h2c\r\n"),
    ] {
        let address = upstream(move |mut app, _| {
            let answer = answer.clone();
            async move {
                app.head().await;
                app.send(answer).await;
                while app.more().await {}
            }
        })
        .await;
        let sidecar = Sidecar::before(address).await;
        assert_eq!(sidecar.ask(ASK).await.status(), 502);
        sidecar.settled(0).await;
    }
}

#[tokio::test]
async fn times_for_heads_and_idle_connections_do_not_count_after_a_switch_but_silence_does() {
    let brief = Duration::from_millis(100);
    let limits = Limits { header: brief, idle: brief, stall: brief, ..Limits::default() };
    let mut settings = UpstreamSettings::default();
    settings.timeouts.tunnel_idle = Duration::from_millis(1500);
    let sidecar = Sidecar::with(echo().await, settings, limits).await;
    let mut client = switched(&sidecar).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        client.send("still").await;
        assert_eq!(client.exactly(5).await, b"still");
    }
    assert!(client.is_closed().await);
    sidecar.settled(0).await;
}

#[tokio::test]
async fn the_end_of_either_side_is_the_end_of_the_other() {
    let address = upstream(|mut app, _| async move {
        app.head().await;
        app.send(format!("{SWITCH}hello")).await;
        app.until(b"bye").await;
    })
    .await;
    let sidecar = Sidecar::before(address).await;
    let mut client = switched(&sidecar).await;
    client.send("bye").await;
    assert!(client.is_closed().await);
    drop(client);
    sidecar.settled(0).await;
}

#[tokio::test]
async fn a_drain_gives_a_switched_connection_its_time_and_no_more() {
    let limits = Limits { drain: Duration::from_millis(500), ..Limits::default() };
    let sidecar = Sidecar::with(echo().await, UpstreamSettings::default(), limits).await;
    let mut client = switched(&sidecar).await;
    sidecar.shutdown.drain();
    client.send("still").await;
    assert_eq!(client.exactly(5).await, b"still");
    within(sidecar.served).await.expect("served");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn whoever_may_not_pass_switches_nothing_and_a_token_ends_its_connection() {
    use super::door::{Guarded, token_for};
    let guarded = Guarded::before(echo().await).await;
    let ask = |authorization: &str| {
        ASK.replacen("/ws", "/me", 1).replacen("\r\n", &format!("\r\n{authorization}"), 1)
    };
    for refused in [String::new(), "Authorization: Bearer x.y.z\r\n".to_owned()] {
        assert_eq!(guarded.ask(&ask(&refused)).await.status(), 401);
    }
    let token = token_for("https://issuer.example", 2);
    let mut client = guarded.connect().await;
    client.send(ask(&format!("Authorization: Bearer {token}\r\n"))).await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    assert_eq!(client.exactly(5).await, b"hello");
    assert!(client.is_closed().await);
}
