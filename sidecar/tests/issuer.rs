//! `orgate issuer` as a process.
#![cfg(feature = "issuer")]
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
    net::{TcpListener, TcpStream},
};

use common::{Directory, Running, ends, get, orgate};

#[test]
fn an_issuer_announces_its_listeners_serves_and_ends() {
    let directory = Directory::with(&[]);
    let running = Running::start(orgate(
        &directory.0,
        &["issuer", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
    ));
    assert_eq!(running.names(), ["issuer", "admin"]);
    assert!(get(running.address("issuer"), "/nowhere").starts_with("HTTP/1.1 404 "));
    assert!(get(running.address("admin"), "/readyz").starts_with("HTTP/1.1 200 "));
    assert!(get(running.address("admin"), "/metrics").contains("orgate_build_info"));
    running.signal("TERM");
    assert_eq!(running.ends_with(), (0, String::new()));
    assert!(directory.0.join("orgate.db").exists());
}

#[test]
fn what_keeps_the_issuer_from_running_is_2_and_makes_no_database() {
    let directory = Directory::with(&[]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (arguments, expected) in [
        (vec!["issuer", "--listen", &address], "--listen 127.0.0.1:0"),
        (vec!["issuer", "--listen", "127.0.0.1:0", "--admin", &address], "--admin 127.0.0.1:0"),
        (vec!["issuer", "--listen", "0.0.0.0:0"], "--public-url"),
        (vec!["issuer", "--listen", "127.0.0.1:0", "--public-url", "nonsense"], "nonsense"),
        (vec!["issuer", "--listen", "127.0.0.1:0", "--bootstrap", "absent.yaml"], "absent.yaml"),
        (vec!["issuer", "--listen", "127.0.0.1:0", "--trust-peer", "0.0.0.0/0"], "believes everybody"),
        (vec!["issuer", "--listen", "127.0.0.1:0", "--trust-peer", "10.0.0.1,::/0"], "believes everybody"),
    ] {
        let (code, out, err) = ends(&directory.0, &arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(err.contains("error: ") && err.contains(expected), "{arguments:?}: {err}");
        assert!(!directory.0.join("orgate.db").exists(), "{arguments:?}");
    }
}

/// The status of an attempt to sign in as an operator, with these lines in the head.
fn attempt(address: &str, more: &str) -> String {
    let body = r#"{"email":"nobody@example.com","password":"a guess"}"#;
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /api/platform/operators/login HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{more}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn attempts_are_counted_by_the_address_that_a_trusted_proxy_names() {
    for (peers, statuses) in [
        // Whoever is not believed has the address of the connection, whatever they write.
        (&[][..], ["401", "401"]),
        (&["--trust-peer", "10.0.0.0/8"], ["401", "401"]),
        (&["--trust-peer", "127.0.0.1"], ["429", "401"]),
    ] {
        let directory = Directory::with(&[]);
        let mut arguments = vec!["issuer", "--listen", "127.0.0.1:0"];
        arguments.extend(peers);
        let running = Running::start(orgate(&directory.0, &arguments));
        let from =
            |client: &str| attempt(running.address("issuer"), &format!("X-Forwarded-For: {client}\r\n"));
        for _ in 0..10 {
            // What a client writes itself stands before the address that the proxy has seen.
            assert_eq!(from("198.51.100.9, 192.0.2.1"), "401", "{peers:?}");
        }
        assert_eq!([from("192.0.2.1"), from("192.0.2.2")], statuses, "{peers:?}");
    }
}

#[test]
fn a_bootstrap_file_with_a_mistake_is_1_and_makes_no_database() {
    let directory = Directory::with(&[("bootstrap.yaml", "projectz: []\n")]);
    let arguments =
        ["issuer", "--listen", "127.0.0.1:0", "--bootstrap", "bootstrap.yaml", "--color", "never"];
    let (code, out, err) = ends(&directory.0, &arguments);
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(err.contains("bootstrap.yaml:1:1") && err.contains("projectz"), "{err}");
    assert!(!directory.0.join("orgate.db").exists());
}
