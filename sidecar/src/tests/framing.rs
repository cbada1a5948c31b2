//! Requests with two readings are refused, and the connection with them.

use super::*;

async fn check_refused(request: &str) {
    let recorder = Recorder::ok().await;
    let sidecar = Sidecar::before(recorder.address).await;
    let mut client = sidecar.connect().await;
    client.send(request).await;
    let answer = client.answer().await;
    assert_eq!(answer.status(), 400, "{request:?}: {answer:?}");
    assert!(client.is_closed().await, "{request:?}");
    assert_eq!(recorder.seen().len(), 0, "{request:?}");
}

#[tokio::test]
async fn length_beside_coding_is_refused() {
    check_refused(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    )
    .await;
    check_refused(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    )
    .await;
}

#[tokio::test]
async fn unclear_lengths_and_codings_are_refused() {
    for line in [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: +5",
        "Content-Length: 5, 5",
        "Content_Length: 5",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer_Encoding: chunked",
        "Transfer-Encoding : chunked",
        "X: 1\r\n Content-Length: 5",
    ] {
        check_refused(&format!("POST / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\nhello")).await;
    }
}

#[tokio::test]
async fn lone_line_feeds_and_fragments_are_refused() {
    check_refused("GET / HTTP/1.1\nHost: a\n\n").await;
    check_refused("GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n").await;
    check_refused("GET /public#/admin HTTP/1.1\r\nHost: a\r\n\r\n").await;
}

#[tokio::test]
async fn a_request_behind_a_refused_one_is_never_read() {
    let recorder = Recorder::ok().await;
    let sidecar = Sidecar::before(recorder.address).await;
    let mut client = sidecar.connect().await;
    let smuggle =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    client.send(format!("{GET}{smuggle}{GET}")).await;
    assert_eq!(client.answer().await.status(), 200);
    assert_eq!(client.answer().await.status(), 400);
    assert!(client.is_closed().await);
    assert_eq!(recorder.seen().len(), 1);
}

#[tokio::test]
async fn a_malformed_chunk_is_the_clients_fault_and_ends_both_connections() {
    let address = upstream(|mut app, _| async move {
        app.head().await;
        while app.more().await {}
    })
    .await;
    let sidecar = Sidecar::before(address).await;
    for body in [
        "zz\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
    ] {
        let mut client = sidecar.connect().await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}")).await;
        let answer = client.answer().await;
        assert_eq!(answer.status(), 400, "{body:?} {answer:?}");
        assert!(client.is_closed().await, "{body:?}");
    }
    sidecar.settled(0).await;
}

#[tokio::test]
async fn large_heads_are_refused_without_reading_them_whole() {
    let recorder = Recorder::ok().await;
    let sidecar = Sidecar::before(recorder.address).await;
    let many = "X: 1\r\n".repeat(200);
    assert_eq!(sidecar.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")).await.status(), 431);
    let long = "x".repeat(80 * 1024);
    assert_eq!(sidecar.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n")).await.status(), 431);
    assert_eq!(recorder.seen().len(), 0);
}
