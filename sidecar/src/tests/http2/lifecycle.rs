//! Connections and streams begin, wait, and end.

use super::*;
use crate::serve::Http2Limits;

fn hasty() -> Limits {
    Limits {
        header: Duration::from_millis(200),
        idle: Duration::from_millis(300),
        stall: Duration::from_millis(300),
        ..Limits::default().with_http2()
    }
}

async fn hasty_sidecar(upstream: SocketAddr) -> Sidecar {
    Sidecar::with(upstream, UpstreamSettings::default(), hasty()).await
}

#[tokio::test]
async fn a_preface_or_a_head_that_does_not_come_closes_the_connection() {
    let recorder = Recorder::ok().await;
    let sidecar = hasty_sidecar(recorder.address).await;
    let mut client = sidecar.connect().await;
    client.send(&PREFACE[..10]).await;
    assert!(client.is_closed().await);
    let mut client = sidecar.connect().await;
    client.send(PREFACE).await;
    while client.more().await {}
    let mut raw = Raw::to(&sidecar).await;
    raw.send(HEADERS, END_STREAM, 1, &block(&GET_A)).await;
    raw.ends().await;
    assert_eq!(recorder.seen().len(), 0);
}

#[tokio::test]
async fn an_idle_connection_is_told_to_go_and_closed() {
    let recorder = Recorder::ok().await;
    let sidecar = hasty_sidecar(recorder.address).await;
    let mut raw = Raw::to(&sidecar).await;
    raw.ask(1, &GET_A).await;
    assert_eq!(raw.outcome(1).await, Outcome::Status(200));
    assert!(raw.wait(GOAWAY, 0).await.is_some());
    raw.ends().await;
}

#[tokio::test]
async fn a_stream_that_waits_for_its_upstream_is_not_idle() {
    let address = upstream(|mut app, _| async move {
        app.head().await;
        tokio::time::sleep(Duration::from_millis(1200)).await;
        app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        app.send("ok").await;
        while app.more().await {}
    })
    .await;
    let sidecar = hasty_sidecar(address).await;
    let answer = ask(&mut connect(sidecar.address).await, request("GET", "/"), "").await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]));
}

/// An upstream that sends until nobody takes it any more.
async fn endless() -> SocketAddr {
    upstream(|mut app, _| async move {
        app.head().await;
        app.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n").await;
        let chunk = vec![b'x'; 64 * 1024];
        while app.stream.write_all(&chunk).await.is_ok() {}
    })
    .await
}

#[tokio::test]
async fn a_client_that_opens_no_window_loses_its_stream_and_the_upstream_is_let_go() {
    let sidecar = hasty_sidecar(endless().await).await;
    // SETTINGS_INITIAL_WINDOW_SIZE: 0.
    let mut raw = Raw::with_settings(&sidecar, &[0, 4, 0, 0, 0, 0]).await;
    raw.ask(1, &GET_A).await;
    assert_eq!(raw.outcome(1).await, Outcome::Status(200));
    assert!(raw.wait(RST_STREAM, 1).await.is_some());
    sidecar.settled(0).await;
}

#[tokio::test]
async fn a_client_that_takes_its_time_but_takes_keeps_its_stream() {
    let sidecar = hasty_sidecar(endless().await).await;
    let mut raw = Raw::to(&sidecar).await;
    raw.ask(1, &GET_A).await;
    assert_eq!(raw.outcome(1).await, Outcome::Status(200));
    let mut taken = 0;
    for _ in 0..10 {
        while taken < 65_535 {
            taken += raw.wait(DATA, 1).await.expect("data").payload.len();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let more = 65_535_u32.to_be_bytes();
        raw.send(WINDOW_UPDATE, 0, 0, &more).await;
        raw.send(WINDOW_UPDATE, 0, 1, &more).await;
        taken = 0;
    }
}

#[tokio::test]
async fn a_client_that_resets_its_stream_ends_the_exchange_with_the_upstream() {
    let sidecar = serving(endless().await).await;
    let mut raw = Raw::to(&sidecar).await;
    raw.ask(1, &GET_A).await;
    assert_eq!(raw.outcome(1).await, Outcome::Status(200));
    raw.send(RST_STREAM, 0, 1, &[0, 0, 0, 8]).await;
    sidecar.settled(0).await;

    let address = upstream(|mut app, _| async move { while app.more().await {} }).await;
    let sidecar = serving(address).await;
    let mut raw = Raw::to(&sidecar).await;
    raw.ask(1, &GET_A).await;
    while sidecar.upstream.connections().1 == 0 {
        tokio::task::yield_now().await;
    }
    raw.send(RST_STREAM, 0, 1, &[0, 0, 0, 8]).await;
    sidecar.settled(0).await;
}

#[tokio::test]
async fn a_drain_tells_the_client_to_go_and_finishes_what_is_under_way() {
    let (started, mut start) = mpsc::channel(1);
    let (finish, finished) = tokio::sync::watch::channel(false);
    let address = upstream(move |mut app, _| {
        let (started, mut finished) = (started.clone(), finished.clone());
        async move {
            app.head().await;
            started.send(()).await.expect("the test lives");
            let _ = finished.wait_for(|finished| *finished).await;
            app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            while app.more().await {}
        }
    })
    .await;
    let sidecar = serving(address).await;
    let sender = connect(sidecar.address).await;
    let asked = {
        let mut sender = sender.clone();
        tokio::spawn(async move { ask(&mut sender, request("GET", "/"), "").await.status })
    };
    within(start.recv()).await.expect("it begins");
    let mut idle = Raw::to(&sidecar).await;
    sidecar.shutdown.drain();
    assert!(idle.wait(GOAWAY, 0).await.is_some());
    drop(idle);
    finish.send(true).expect("the upstream lives");
    assert_eq!(within(asked).await.expect("asked"), 200);
    drop(sender);
    within(sidecar.served).await.expect("served");
}

#[tokio::test]
async fn streams_above_the_bound_of_the_listener_wait_and_above_that_of_the_connection_are_refused() {
    let (go, gone) = tokio::sync::watch::channel(false);
    let address = upstream(move |mut app, _| {
        let mut gone = gone.clone();
        async move {
            loop {
                app.head().await;
                let _ = gone.wait_for(|gone| *gone).await;
                app.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
        }
    })
    .await;
    let bounds = Http2Limits { streams: 3, exchanges: 2 };
    let limits = Limits { http2: Some(bounds), ..Limits::default() };
    let sidecar = Sidecar::with(address, UpstreamSettings::default(), limits).await;
    let mut raw = Raw::to(&sidecar).await;
    for stream in [1, 3, 5] {
        raw.ask(stream, &GET_A).await;
    }
    within(async {
        while sidecar.upstream.connections().1 < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    raw.ask(7, &GET_A).await;
    let refused = raw.wait(RST_STREAM, 7).await.expect("a reset");
    assert_eq!(refused.payload, [0, 0, 0, 7], "REFUSED_STREAM: it may be sent again");
    assert_eq!(sidecar.upstream.connections().1, 2);
    go.send(true).expect("the upstream lives");
    let mut answered = Vec::new();
    while answered.len() < 3 {
        let frame = raw.next().await.expect("an answer");
        if frame.kind == HEADERS {
            answered.push(frame.stream);
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 3, 5]);
}

#[tokio::test]
async fn an_upstream_that_does_not_read_holds_the_client_back() {
    let address = upstream(|mut app, _| async move {
        app.head().await;
        std::future::pending::<()>().await;
    })
    .await;
    let sidecar = serving(address).await;
    let mut sender = connect(sidecar.address).await;
    let (pieces, body) = mpsc::channel(1);
    let head = request("POST", "/").body(Either::Right(Pieces(body))).expect("a request");
    let asked = tokio::spawn(async move { sender.send_request(head).await.is_ok() });
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let mut sent = 0_usize;
    while tokio::time::timeout(Duration::from_millis(500), pieces.send(BodyFrame::data(piece.clone())))
        .await
        .is_ok_and(|sent| sent.is_ok())
    {
        sent += piece.len();
        assert!(sent < 64 * 1024 * 1024, "it is kept somewhere");
    }
    asked.abort();
}
