//! `orgate proxy` and the keys of its issuers, over a restart and in its numbers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use common::{Directory, Running, get, orgate};
use orgate_testkit::{Reply, Stub, TestKey, Upstream, access_token_claims};

fn status(address: &str, token: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET /me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[allow(clippy::disallowed_methods, reason = "a token of a test ends by the real clock")]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_starts_while_its_issuer_is_down_has_the_keys_of_its_last_run() {
    let (stub, upstream) = (Stub::start().await, Upstream::start().await);
    stub.serve_issuer([TestKey::es256()]);
    let policy = format!(
        "version: 1\nissuers: {{main: {{issuer: \"{}\", audience: app, profile: orgate}}}}\nrules:\n  GET /me: authenticated\n",
        stub.url()
    );
    let directory = Directory::with(&[("orgate.yaml", &policy)]);
    let arguments =
        ["proxy", "--upstream", &upstream.url(), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let start = |more: &[&str]| Running::start(orgate(&directory.0, &[&arguments[..], more].concat()));
    let token = TestKey::es256().mint(&access_token_claims(&stub.url(), "app", now()));

    let running = start(&["--key-snapshots", "snapshots", "--require-keys"]);
    assert_eq!(status(running.address("proxy"), &token), "200");
    let kept =
        || std::fs::read_dir(directory.0.join("snapshots")).is_ok_and(|mut files| files.next().is_some());
    for _ in 0..4_000 {
        if kept() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(kept());
    running.signal("TERM");
    assert_eq!(running.ends_with().0, 0);

    stub.set(Stub::DISCOVERY, Reply::hang());
    let running = start(&["--key-snapshots", "snapshots"]);
    assert_eq!(status(running.address("proxy"), &token), "200");
    assert!(get(running.address("admin"), "/readyz").starts_with("HTTP/1.1 200 "));
    let metrics = get(running.address("admin"), "/metrics");
    let shown = |line: &str| metrics.contains(&line.replace("ISSUER", &format!("issuer=\"{}\"", stub.url())));
    assert!(shown("orgate_keys_loaded{ISSUER} 1") && shown("orgate_keys_usable{ISSUER} 1"), "{metrics}");
    assert!(shown("orgate_keys_age_seconds{ISSUER} "), "{metrics}");
    drop(running);

    let running = start(&[]);
    assert_eq!(status(running.address("proxy"), &token), "503", "and without a snapshot it has none");
}
