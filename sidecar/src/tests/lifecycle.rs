//! Connections begin, wait, and end.

use super::*;

fn hasty() -> Limits {
    Limits {
        header: Duration::from_millis(200),
        idle: Duration::from_millis(400),
        stall: Duration::from_millis(300),
        drain: Duration::from_secs(5),
        ..Limits::default()
    }
}

async fn hasty_sidecar(address: SocketAddr) -> Sidecar {
    Sidecar::with(address, UpstreamSettings::default(), hasty()).await
}

#[tokio::test]
async fn a_head_that_does_not_come_closes_the_connection() {
    let recorder = Recorder::ok().await;
    let sidecar = hasty_sidecar(recorder.address).await;
    let mut silent = sidecar.connect().await;
    assert!(silent.is_closed().await);
    let mut slow = sidecar.connect().await;
    slow.send("GET / HTTP/1.1\r\nHost: a\r\n").await;
    assert!(slow.is_closed().await);
    let mut second = sidecar.connect().await;
    second.send(GET).await;
    second.answer().await;
    second.send("GET / HT").await;
    assert!(second.is_closed().await);
    assert_eq!(recorder.seen().len(), 1);
}

#[tokio::test]
async fn an_idle_connection_outlives_the_time_for_a_head_and_then_closes() {
    let recorder = Recorder::ok().await;
    let sidecar = hasty_sidecar(recorder.address).await;
    let mut client = sidecar.connect().await;
    client.send(GET).await;
    client.answer().await;
    tokio::time::sleep(Duration::from_millis(250)).await;
    client.send(GET).await;
    assert_eq!(client.answer().await.status(), 200);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_let_go() {
    let (ended, mut end) = tokio::sync::mpsc::channel(1);
    let address = upstream(move |mut app, _| {
        let ended = ended.clone();
        async move {
            app.head().await;
            let _ = app.stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n").await;
            let chunk = vec![0; 64 * 1024];
            while app.stream.write_all(&chunk).await.is_ok() {}
            ended.send(()).await.expect("the test lives");
        }
    })
    .await;
    let sidecar = hasty_sidecar(address).await;
    let mut client = sidecar.connect().await;
    client.send(GET).await;
    within(end.recv()).await.expect("the exchange ends");
    sidecar.settled(0).await;
}

#[tokio::test]
async fn shutdown_finishes_what_is_under_way_and_takes_nothing_new() {
    let (go, wait) = tokio::sync::watch::channel(false);
    let (started, mut start) = tokio::sync::mpsc::channel(1);
    let address = upstream(move |mut app, _| {
        let (mut wait, started) = (wait.clone(), started.clone());
        async move {
            app.head().await;
            started.send(()).await.expect("the test lives");
            wait.wait_for(|go| *go).await.expect("the test lives");
            app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let sidecar = Sidecar::before(address).await;
    let mut idle = sidecar.connect().await;
    let mut busy = sidecar.connect().await;
    busy.send(GET).await;
    within(start.recv()).await.expect("it begins");
    sidecar.shutdown.drain();
    assert!(idle.is_closed().await);
    within(async {
        while TcpStream::connect(sidecar.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    go.send(true).expect("the upstream lives");
    let answer = busy.answer().await;
    assert_eq!((answer.status(), answer.text()), (200, "ok"));
    assert!(busy.is_closed().await);
    within(sidecar.served).await.expect("served");
}

/// It was accepted, so its client must not find it reset.
#[tokio::test]
async fn a_connection_that_was_accepted_before_a_drain_is_served_once() {
    let recorder = Recorder::ok().await;
    let sidecar =
        Sidecar::with(recorder.address, UpstreamSettings::default(), Limits::default().with_http2()).await;
    let mut fresh = sidecar.connect().await;
    // It is accepted once a later one was served.
    assert_eq!(sidecar.ask(GET).await.status(), 200);
    sidecar.shutdown.drain();
    within(async {
        while TcpStream::connect(sidecar.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    fresh.send(GET).await;
    let answer = fresh.answer().await;
    assert_eq!((answer.status(), answer.header("connection").as_deref()), (200, Some("close")));
    assert!(fresh.is_closed().await);
    within(sidecar.served).await.expect("served");
}

#[tokio::test]
async fn a_second_word_ends_what_is_under_way() {
    let (started, mut start) = tokio::sync::mpsc::channel(1);
    let address = upstream(move |mut app, _| {
        let started = started.clone();
        async move {
            app.head().await;
            started.send(()).await.expect("the test lives");
            while app.more().await {}
        }
    })
    .await;
    let sidecar = Sidecar::before(address).await;
    let mut client = sidecar.connect().await;
    client.send(GET).await;
    within(start.recv()).await.expect("it begins");
    sidecar.shutdown.drain();
    sidecar.shutdown.abort();
    within(sidecar.served).await.expect("served");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn connections_above_the_limit_wait_their_turn() {
    let recorder = Recorder::ok().await;
    let limits = Limits { connections: 1, ..Limits::default() };
    let sidecar = Sidecar::with(recorder.address, UpstreamSettings::default(), limits).await;
    let mut first = sidecar.connect().await;
    first.send(GET).await;
    first.answer().await;
    let mut second = sidecar.connect().await;
    second.send(GET).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), second.more()).await.is_err());
    drop(first);
    assert_eq!(second.answer().await.status(), 200);
}

#[tokio::test]
async fn an_occupied_port_is_named_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let error = Listener::bind("proxy", &address, "--listen").await.expect_err("it is taken");
    assert_eq!(
        error.to_string(),
        format!(
            "address `{address}` is in use by another program\nhelp: choose another with `--listen 127.0.0.1:0`"
        )
    );
}
