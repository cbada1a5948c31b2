//! The servers record and misbehave as they say.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::{net::SocketAddr, time::Duration};

use orgate_testkit::{Answer, Reply, Stub, TestKey, Upstream, jwks};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Sends `request` byte for byte and reads until the server closes.
async fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

#[tokio::test]
async fn the_upstream_keeps_a_request_whole() {
    let upstream = Upstream::start().await;
    upstream.answer(Answer::status(201).header("x-from", "upstream").body("done"));
    let request = "PATCH /a%2Fb?c=d HTTP/1.1\r\nHost: x\r\nX-One: 1\r\nx-one: 2\r\nConnection: close\r\nTE: trailers\r\n\
                   Transfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n";
    let answer = send(upstream.address(), request).await;
    assert!(
        answer.starts_with("HTTP/1.1 201") && answer.contains("x-from: upstream") && answer.ends_with("done")
    );
    let [recorded] = &upstream.take_requests()[..] else { panic!("not one request") };
    assert_eq!((recorded.method.as_str(), recorded.target.as_str()), ("PATCH", "/a%2Fb?c=d"));
    assert_eq!(recorded.headers.get_all("x-one").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(recorded.header("host"), Some("x"));
    assert_eq!(recorded.body, "abc");
    assert_eq!(recorded.trailers.as_ref().unwrap()["x-sum"], "9");
    assert!(upstream.requests().is_empty(), "taken");
}

#[tokio::test]
async fn the_stub_answers_as_it_was_last_told() {
    let stub = Stub::start().await;
    assert!(send(stub.address(), &get("/x")).await.starts_with("HTTP/1.1 404"));
    stub.set("/x", Reply::redirect("/y"));
    let answer = send(stub.address(), &get("/x")).await;
    assert!(answer.starts_with("HTTP/1.1 302") && answer.contains("location: /y"));
    stub.set("/x", Reply::huge(5_000));
    assert!(send(stub.address(), &get("/x")).await.contains("transfer-encoding: chunked"));
    stub.set("/x", Reply::close());
    assert_eq!(send(stub.address(), &get("/x")).await, "");
    for reply in [Reply::hang(), Reply::stall()] {
        stub.set("/x", reply);
        let hanging = tokio::time::timeout(Duration::from_millis(50), send(stub.address(), &get("/x"))).await;
        assert!(hanging.is_err());
    }
    assert_eq!((stub.hits("/x"), stub.hits("/y")), (6, 0));
    stub.serve_issuer([TestKey::es256()]);
    assert!(send(stub.address(), &get(Stub::JWKS)).await.ends_with(&jwks([TestKey::es256()])));
}

#[tokio::test]
async fn a_server_is_gone_when_dropped() {
    let upstream = Upstream::start().await;
    let address = upstream.address();
    assert!(TcpStream::connect(address).await.is_ok());
    drop(upstream);
    tokio::task::yield_now().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[test]
fn each_key_publishes_what_it_is() {
    for (key, kty) in [(TestKey::rs256(), "RSA"), (TestKey::es256(), "EC"), (TestKey::eddsa(), "OKP")] {
        let jwk = key.jwk();
        assert_eq!(
            (&jwk["kty"], &jwk["alg"], &jwk["kid"]),
            (&kty.into(), &key.alg().into(), &key.kid().into())
        );
        assert_eq!(key.mint(&serde_json::json!({})).split('.').count(), 3);
    }
    assert_ne!(TestKey::es256().jwk()["x"], TestKey::other_es256().jwk()["x"]);
    assert_eq!(TestKey::rs256().jwk()["e"], "AQAB");
}
