//! Bodies stream, at the reader's pace, with their trailers.

use super::*;

#[tokio::test]
async fn the_upstream_sees_the_first_chunk_before_the_last_is_sent() {
    let address = upstream(|mut app, _| async move {
        app.head().await;
        assert_eq!(app.until(b"first\r\n").await, b"5\r\nfirst\r\n");
        app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nseen\r\n").await;
        app.until(b"0\r\n\r\n").await;
        app.send("4\r\nlast\r\n0\r\n\r\n").await;
        while app.more().await {}
    })
    .await;
    let sidecar = Sidecar::before(address).await;
    let mut client = sidecar.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    client.head().await;
    client.until(b"seen\r\n").await;
    client.send("0\r\n\r\n").await;
    assert_eq!(client.until(b"0\r\n\r\n").await, b"4\r\nlast\r\n0\r\n\r\n");
    sidecar.settled(1).await;
}

#[tokio::test]
async fn framing_is_kept_and_is_one_kind() {
    let recorder = Recorder::ok().await;
    let sidecar = Sidecar::before(recorder.address).await;
    sidecar.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await;
    sidecar
        .ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        .await;
    sidecar
        .ask("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        .await;
    sidecar.ask("DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await;
    sidecar.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
    let framing: Vec<_> = recorder
        .seen()
        .iter()
        .map(|seen| {
            (
                only_header(&seen.head, "content-length"),
                only_header(&seen.head, "transfer-encoding"),
                String::from_utf8(seen.body.clone()).expect("text"),
            )
        })
        .collect();
    let length = |n: &str, body: &str| (Some(n.to_owned()), None, body.to_owned());
    let chunked = || (None, Some("chunked".to_owned()), "5\r\nhello\r\n0\r\n\r\n".to_owned());
    assert_eq!(framing, [length("5", "hello"), chunked(), chunked(), length("5", "hello"), length("0", "")]);
}

#[tokio::test]
async fn trailers_pass_both_ways_without_identity() {
    let recorder = Recorder::answering(|_| {
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n".to_owned()
    })
    .await;
    let sidecar = Sidecar::before(recorder.address).await;
    let answer = sidecar
        .ask(
            "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nTrailer: X-Check, X-Orgate-Sub, X_Orgate_Sub\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Check: 9\r\nX-Orgate-Sub: eve\r\nX_Orgate_Sub: eve\r\n\r\n",
        )
        .await;
    assert_eq!(answer.text(), "2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n");
    let seen = recorder.only();
    assert_eq!(String::from_utf8_lossy(&seen.body), "2\r\nab\r\n0\r\nx-check: 9\r\n\r\n");
    assert_eq!(only_header(&seen.head, "te").as_deref(), Some("trailers"));
    assert_eq!(only_header(&seen.head, "connection").as_deref(), Some("te"));
}

#[tokio::test]
async fn a_client_that_takes_no_trailers_gets_none() {
    let recorder = Recorder::answering(|_| {
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n".to_owned()
    })
    .await;
    let sidecar = Sidecar::before(recorder.address).await;
    assert_eq!(sidecar.ask(GET).await.text(), "2\r\nok\r\n0\r\n\r\n");
    assert_eq!(only_header(&recorder.only().head, "te"), None);
    sidecar.settled(1).await;
}

/// The upstream reads nothing while the client sends: what can be under way is bounded by the socket and connection
/// buffers, so the client must come to a halt long before its end.
#[tokio::test]
async fn a_large_upload_goes_at_the_upstreams_pace() {
    const TOTAL: usize = 64 * 1024 * 1024;
    let (go, wait) = tokio::sync::watch::channel(false);
    let address = upstream(move |mut app, _| {
        let mut wait = wait.clone();
        async move {
            let head = app.head().await;
            wait.wait_for(|go| *go).await.expect("the test lives");
            let length: usize =
                only_header(&head, "content-length").expect("length").parse().expect("number");
            let mut left = length - app.buffer.len();
            let mut chunk = vec![0; 256 * 1024];
            while left > 0 {
                left -= app.stream.read(&mut chunk).await.expect("read");
            }
            app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let sidecar = Sidecar::before(address).await;
    let mut client = sidecar.connect().await;
    client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {TOTAL}\r\n\r\n")).await;
    let chunk = vec![7_u8; 64 * 1024];
    let mut sent = 0;
    while sent < TOTAL {
        let part = &chunk[..chunk.len().min(TOTAL - sent)];
        match tokio::time::timeout(Duration::from_millis(500), client.stream.write(part)).await {
            Ok(written) => sent += written.expect("written"),
            Err(_) => break,
        }
    }
    assert!(sent < TOTAL / 2, "{sent} bytes were taken though nobody reads them");
    go.send(true).expect("the upstream lives");
    while sent < TOTAL {
        let part = &chunk[..chunk.len().min(TOTAL - sent)];
        sent += within(client.stream.write(part)).await.expect("written");
    }
    assert_eq!(client.answer().await.text(), "ok");
}

#[tokio::test]
async fn a_large_download_goes_at_the_clients_pace() {
    const TOTAL: usize = 64 * 1024 * 1024;
    let (report, mut stalled_at) = tokio::sync::mpsc::channel(1);
    let address = upstream(move |mut app, _| {
        let report = report.clone();
        async move {
            app.head().await;
            app.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {TOTAL}\r\n\r\n")).await;
            let chunk = vec![7_u8; 64 * 1024];
            let mut sent = 0;
            let mut told = false;
            while sent < TOTAL {
                let part = &chunk[..chunk.len().min(TOTAL - sent)];
                let writing = app.stream.write(part);
                match tokio::time::timeout(Duration::from_millis(500), writing).await {
                    Ok(written) => sent += written.expect("written"),
                    Err(_) if told => {}
                    Err(_) => {
                        told = true;
                        report.send(sent).await.expect("the test lives");
                    }
                }
            }
            while app.more().await {}
        }
    })
    .await;
    let sidecar = Sidecar::before(address).await;
    let mut client = sidecar.connect().await;
    client.send(GET).await;
    let sent = within(stalled_at.recv()).await.expect("the upstream comes to a halt");
    assert!(sent < TOTAL / 2, "{sent} bytes were taken though nobody reads them");
    client.head().await;
    let mut read = client.buffer.len();
    let mut chunk = vec![0; 256 * 1024];
    while read < TOTAL {
        read += within(client.stream.read(&mut chunk)).await.expect("read");
    }
    assert_eq!(read, TOTAL);
    sidecar.settled(1).await;
}

#[tokio::test]
async fn responses_without_a_body_leave_the_connection_in_step() {
    let recorder = Recorder::answering(|seen| match seen.head.split(' ').next() {
        Some("HEAD") => "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n".to_owned(),
        Some("DELETE") => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        Some("PUT") => "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n".to_owned(),
        _ => "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
    })
    .await;
    let sidecar = Sidecar::before(recorder.address).await;
    let mut client = sidecar.connect().await;
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!(only_header(&head, "content-length").as_deref(), Some("77"));
    client.send("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 204"), "{head}");
    assert_eq!(only_header(&head, "content-length"), None);
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 304"));
    client.send(GET).await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.text()), (200, "ok"));
    assert!(recorder.seen().iter().all(|seen| seen.connection == 0));
}

#[tokio::test]
async fn a_response_that_ends_with_the_connection_is_passed_on_and_not_pooled() {
    let address = upstream(|mut app, _| async move {
        app.head().await;
        app.send("HTTP/1.1 200 OK\r\n\r\nuntil the end").await;
    })
    .await;
    let sidecar = Sidecar::before(address).await;
    let answer = sidecar.ask(GET).await;
    assert_eq!(answer.text(), "D\r\nuntil the end\r\n0\r\n\r\n");
    sidecar.settled(0).await;
}

#[tokio::test]
async fn a_body_is_asked_for_only_when_it_is_wanted() {
    let recorder = Recorder::ok().await;
    let sidecar = Sidecar::before(recorder.address).await;
    let mut client = sidecar.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello").await;
    assert_eq!(client.answer().await.status(), 200);
    assert_eq!(only_header(&recorder.only().head, "expect"), None);
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let (next, wait) = tokio::sync::watch::channel(0);
    let address = upstream(move |mut app, _| {
        let mut wait = wait.clone();
        async move {
            app.head().await;
            app.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            )
            .await;
            for number in 1..=5 {
                wait.wait_for(|next| *next >= number).await.expect("the test lives");
                let event = format!("data: {number}\n\n");
                app.send(format!("{:x}\r\n{event}\r\n", event.len())).await;
            }
            app.send("0\r\n\r\n").await;
            while app.more().await {}
        }
    })
    .await;
    let sidecar = Sidecar::before(address).await;
    let mut client = sidecar.connect().await;
    client.send(GET).await;
    let head = client.head().await;
    assert_eq!(only_header(&head, "content-type").as_deref(), Some("text/event-stream"));
    for number in 1..=5 {
        // Nothing comes before it is asked for, and each comes before the next is.
        next.send(number).expect("the upstream lives");
        let event = client.until(b"\n\n\r\n").await;
        assert!(event.ends_with(format!("data: {number}\n\n\r\n").as_bytes()), "{event:?}");
        assert!(client.buffer.is_empty() || number == 5);
    }
    sidecar.settled(1).await;
}
