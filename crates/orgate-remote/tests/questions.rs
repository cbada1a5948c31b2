//! Questions about one caller: introspection and session exchange, against a server that records what it is sent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use orgate_remote::{HttpClient, Introspection, Limits, SessionExchange};
use orgate_testkit::{Reply, Stub};

fn client() -> HttpClient {
    let mut limits = Limits::default();
    limits.connect = Duration::from_millis(500);
    limits.total = Duration::from_millis(500);
    HttpClient::for_questions(limits)
}

/// Answers every request with 200 and `body`, and keeps what it was sent.
fn recorder(body: &'static str) -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(String::new()));
    let log = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut text = Vec::new();
            let mut chunk = [0; 4096];
            loop {
                let read = stream.read(&mut chunk).unwrap();
                text.extend_from_slice(&chunk[..read]);
                let whole = String::from_utf8_lossy(&text).into_owned();
                let Some((head, rest)) = whole.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
                });
                if rest.len() >= length.unwrap_or(0) {
                    break;
                }
            }
            log.lock().unwrap().push_str(&String::from_utf8_lossy(&text));
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    (url, seen)
}

#[tokio::test]
async fn a_token_is_asked_about_as_the_standard_says() {
    let (url, seen) = recorder(r#"{"active":true,"sub":"usr_ann"}"#);
    let introspection =
        Introspection::new(&format!("{url}/introspect"), "gate one", "s3cret:+/", client()).unwrap();
    assert!(introspection.is_active("aaa.bbb+ccc").await.unwrap());
    let seen = seen.lock().unwrap().clone();
    assert!(seen.starts_with("POST /introspect HTTP/1.1\r\n"), "{seen}");
    // RFC 6749 §2.3.1: both are form-encoded before they are joined. printf 'gate+one:s3cret%%3A%%2B%%2F' | base64
    assert!(seen.contains("authorization: Basic Z2F0ZStvbmU6czNjcmV0JTNBJTJCJTJG\r\n"), "{seen}");
    assert!(seen.contains("content-type: application/x-www-form-urlencoded\r\n"), "{seen}");
    assert!(seen.ends_with("\r\n\r\ntoken=aaa.bbb%2Bccc&token_type_hint=access_token"), "{seen}");
    let shown = format!("{introspection:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("Basic"), "{shown}");
}

#[tokio::test]
async fn only_a_clear_answer_is_one() {
    let stub = Stub::start().await;
    let introspection =
        Introspection::new(&format!("{}/introspect", stub.url()), "gate", "secret", client()).unwrap();
    let answers = |reply: Reply| stub.set("/introspect", reply);
    answers(Reply::json(r#"{"active":false}"#));
    assert!(!introspection.is_active("t").await.unwrap());
    for reply in [
        Reply::json("{}"),
        Reply::json(r#"{"active":"true"}"#),
        Reply::json(r#"{"active":1}"#),
        Reply::json(r#"{"active":false,"active":true}"#),
        Reply::json("[true]"),
        Reply::typed("text/html", r#"{"active":true}"#),
        Reply::status(401),
        Reply::status(500),
        Reply::redirect("/other"),
        Reply::close(),
        Reply::hang(),
        Reply::stall(),
        Reply::huge(1024 * 1024),
    ] {
        let shown = format!("{reply:?}");
        answers(reply);
        assert!(introspection.is_active("t").await.is_err(), "{shown}");
    }
    // Nothing of it stays.
    answers(Reply::json(r#"{"active":true}"#));
    assert!(introspection.is_active("t").await.unwrap());
}

#[tokio::test]
async fn a_session_is_exchanged_for_its_token() {
    let (url, seen) = recorder(r#"{"data":{"token":"aaa.bbb.ccc"}}"#);
    let exchange = SessionExchange::new(
        &format!("{url}/token?x=y"),
        "better-auth.session_token",
        "/data/token",
        client(),
    )
    .unwrap();
    assert_eq!(exchange.token("se55ion%3D").await.unwrap().as_deref(), Some("aaa.bbb.ccc"));
    let seen = seen.lock().unwrap().clone();
    assert!(seen.starts_with("GET /token?x=y HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("cookie: better-auth.session_token=se55ion%3D\r\n"), "{seen}");
    assert!(!format!("{exchange:?}").contains("se55ion"));
}

#[tokio::test]
async fn a_session_that_is_unknown_differs_from_a_server_that_is_out_of_reach() {
    let stub = Stub::start().await;
    let exchange = SessionExchange::new(&format!("{}/token", stub.url()), "sid", "token", client()).unwrap();
    for (reply, expected) in [
        (Reply::json(r#"{"token":"a.b.c"}"#), Some(Some("a.b.c"))),
        (Reply::status(401), Some(None)),
        (Reply::status(403), Some(None)),
        (Reply::json("null"), Some(None)),
        (Reply::json("{}"), None),
        (Reply::json(r#"{"token":null}"#), None),
        (Reply::json(r#"{"token":""}"#), None),
        (Reply::json(r#"{"data":{"token":"a"}}"#), None),
        (Reply::status(404), None),
        (Reply::status(500), None),
        (Reply::redirect("/sign-in"), None),
        (Reply::hang(), None),
    ] {
        let shown = format!("{reply:?}");
        stub.set("/token", reply);
        let got = exchange.token("s").await.ok();
        assert_eq!(got.as_ref().map(|token| token.as_deref()), expected, "{shown}");
    }
    assert!(exchange.token("a\r\nb").await.is_err());
}
