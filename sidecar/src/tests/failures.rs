//! Upstreams and clients that misbehave.

use super::*;
use crate::upstream::Timeouts;

fn hasty() -> UpstreamSettings {
    let timeouts = Timeouts {
        connect: Duration::from_secs(2),
        first_byte: Duration::from_millis(300),
        body_idle: Duration::from_millis(300),
        ..Timeouts::default()
    };
    UpstreamSettings { timeouts, ..UpstreamSettings::default() }
}

#[tokio::test]
async fn a_refused_connection_is_502() {
    let unused = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let answer = Sidecar::before(unused).await.ask(GET).await;
    assert_eq!(answer.status(), 502);
    assert!(answer.text().contains(r#""code":"upstream_unavailable""#), "{}", answer.text());
    assert_eq!(answer.header("content-type").as_deref(), Some("application/problem+json"));
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_504_and_its_connection_ends() {
    let (ended, mut end) = tokio::sync::mpsc::channel(1);
    let address = upstream(move |mut app, _| {
        let ended = ended.clone();
        async move {
            app.head().await;
            ended.send(app.is_closed().await).await.expect("the test lives");
        }
    })
    .await;
    let sidecar = Sidecar::with(address, hasty(), Limits::default()).await;
    let answer = sidecar.ask(GET).await;
    assert_eq!(answer.status(), 504);
    assert_eq!(within(end.recv()).await, Some(true));
    sidecar.settled(0).await;
}

#[tokio::test]
async fn a_slow_upload_is_not_an_upstream_that_does_not_answer() {
    let recorder = Recorder::ok().await;
    let sidecar = Sidecar::with(recorder.address, hasty(), Limits::default()).await;
    let mut client = sidecar.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n").await;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.send("x").await;
    }
    assert_eq!(client.answer().await.status(), 200);
}

#[tokio::test]
async fn a_client_that_stops_in_its_body_is_408() {
    let recorder = Recorder::ok().await;
    let sidecar = Sidecar::with(recorder.address, hasty(), Limits::default()).await;
    let mut client = sidecar.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf").await;
    assert_eq!(client.answer().await.status(), 408);
    assert!(client.is_closed().await);
    sidecar.settled(0).await;
}

#[tokio::test]
async fn an_upstream_that_stops_in_its_body_cuts_the_response() {
    let address = upstream(|mut app, _| async move {
        app.head().await;
        app.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
        while app.more().await {}
    })
    .await;
    let sidecar = Sidecar::with(address, hasty(), Limits::default()).await;
    let mut client = sidecar.connect().await;
    client.send(GET).await;
    client.head().await;
    client.until(b"half").await;
    assert!(client.is_closed().await);
    sidecar.settled(0).await;
}

#[tokio::test]
async fn garbage_is_502_and_is_not_pooled() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(300 * 1024));
    for garbage in [
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA\0B: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: a\nSet-Cookie: evil=1\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        &long,
    ] {
        let garbage = garbage.to_owned();
        let shown: String = garbage.chars().take(80).collect();
        let address = upstream(move |mut app, _| {
            let garbage = garbage.clone();
            async move {
                app.head().await;
                let _ = app.stream.write_all(garbage.as_bytes()).await;
                while app.more().await {}
            }
        })
        .await;
        let sidecar = Sidecar::before(address).await;
        assert_eq!(sidecar.ask(GET).await.status(), 502, "{shown:?}");
        sidecar.settled(0).await;
    }
}

#[tokio::test]
async fn bytes_nobody_asked_for_end_the_connection() {
    let recorder = Recorder::answering(|_| {
        "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil".to_owned()
    })
    .await;
    let sidecar = Sidecar::before(recorder.address).await;
    for connection in 0..3 {
        assert_eq!(sidecar.ask(GET).await.status(), 204);
        assert_eq!(recorder.seen().last().expect("a request").connection, connection);
        sidecar.settled(0).await;
    }
}

#[tokio::test]
async fn an_idle_connection_that_the_upstream_closed_is_replaced() {
    let (closing, mut closed) = tokio::sync::mpsc::channel(1);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let address = upstream(move |mut app, connection| {
        let (closing, log) = (closing.clone(), Arc::clone(&log));
        async move {
            let head = app.head().await;
            let body = app.body(&head).await;
            log.lock().expect("unpoisoned").push((connection, String::from_utf8(body).expect("text")));
            app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            drop(app);
            closing.send(()).await.expect("the test lives");
        }
    })
    .await;
    let sidecar = Sidecar::before(address).await;
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    for request in [GET, GET, post, post] {
        assert_eq!(sidecar.ask(request).await.status(), 200);
        within(closed.recv()).await;
    }
    let bodies: Vec<_> = seen.lock().expect("unpoisoned").clone();
    let expected = ["", "", "hello", "hello"].into_iter().map(str::to_owned).enumerate().collect::<Vec<_>>();
    assert_eq!(bodies, expected);
}

/// The request was written before the upstream closed: nobody can know whether it was done.
#[tokio::test]
async fn a_request_that_was_begun_is_never_sent_twice() {
    for request in ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", GET] {
        let requests = Arc::new(Mutex::new(0));
        let count = Arc::clone(&requests);
        let address = upstream(move |mut app, _| {
            let count = Arc::clone(&count);
            async move {
                let head = app.head().await;
                app.body(&head).await;
                *count.lock().expect("unpoisoned") += 1;
                app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                let head = app.head().await;
                app.body(&head).await;
                *count.lock().expect("unpoisoned") += 1;
            }
        })
        .await;
        let sidecar = Sidecar::before(address).await;
        assert_eq!(sidecar.ask(request).await.status(), 200);
        assert_eq!(sidecar.ask(request).await.status(), 502);
        assert_eq!(*requests.lock().expect("unpoisoned"), 2);
    }
}

#[tokio::test]
async fn an_early_answer_arrives_and_its_connection_is_not_pooled() {
    let (ended, mut end) = tokio::sync::mpsc::channel(1);
    let address = upstream(move |mut app, _| {
        let ended = ended.clone();
        async move {
            app.head().await;
            app.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig").await;
            while app.more().await {}
            ended.send(()).await.expect("the test lives");
        }
    })
    .await;
    let sidecar = Sidecar::before(address).await;
    let mut client = sidecar.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegun").await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.text()), (413, "big"));
    within(end.recv()).await.expect("the upstream connection ends");
    sidecar.settled(0).await;
    // The rest of the body is never taken for a request.
    let _ = client.stream.write_all(GET.as_bytes()).await;
    while client.more().await {}
    assert_eq!(String::from_utf8_lossy(&client.buffer), "");
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_exchange_with_the_upstream() {
    let (started, mut start) = tokio::sync::mpsc::channel(1);
    let (ended, mut end) = tokio::sync::mpsc::channel(1);
    let address = upstream(move |mut app, _| {
        let (started, ended) = (started.clone(), ended.clone());
        async move {
            app.head().await;
            started.send(()).await.expect("the test lives");
            while app.more().await {}
            ended.send(()).await.expect("the test lives");
        }
    })
    .await;
    let sidecar = Sidecar::before(address).await;
    let mut client = sidecar.connect().await;
    client.send(GET).await;
    within(start.recv()).await.expect("it begins");
    drop(client);
    within(end.recv()).await.expect("it ends");
    sidecar.settled(0).await;
}
