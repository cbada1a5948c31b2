//! `orgate proxy` as a process: what it prints, how it ends.
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
    path::Path,
};

use common::{Directory, Running, ends, get, orgate};

const PUBLIC: &str = "version: 1\nissuers: {main: {issuer: https://issuer.example, audience: app, profile: orgate, \
                      keys: {file: missing.json}}}\nrules:\n  GET /public: public\n  GET /me: authenticated\n";

fn proxy_arguments<'a>(upstream: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![
        "proxy",
        "--upstream",
        upstream,
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--threads",
        "1",
    ];
    arguments.extend(more);
    arguments
}

fn start(directory: &Path, upstream: &str) -> Running {
    Running::start(orgate(directory, &proxy_arguments(upstream, &[])))
}

#[test]
fn a_proxy_announces_its_listeners_and_serves_both() {
    let directory = Directory::with(&[("orgate.yaml", PUBLIC)]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let running = start(&directory.0, &format!("http://{nobody}"));
    assert_eq!(running.names(), ["proxy", "admin"]);
    assert!(get(running.address("proxy"), "/me").starts_with("HTTP/1.1 401 "));
    assert!(get(running.address("proxy"), "/public").starts_with("HTTP/1.1 502 "));
    assert!(
        get(running.address("proxy"), "/healthz").starts_with("HTTP/1.1 403 "),
        "admin is not reached through the proxy"
    );
    assert!(get(running.address("admin"), "/healthz").starts_with("HTTP/1.1 200 "));
    let readiness = get(running.address("admin"), "/readyz");
    assert!(
        readiness.starts_with("HTTP/1.1 503 ") && readiness.contains("https://issuer.example"),
        "{readiness}"
    );
    let metrics = get(running.address("admin"), "/metrics");
    assert!(metrics.contains(r#"orgate_requests_total{rule="GET /me",code="no_credential"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"orgate_keys_loaded{issuer="https://issuer.example"} 0"#), "{metrics}");
    running.signal("HUP");
    assert!(get(running.address("admin"), "/healthz").starts_with("HTTP/1.1 200 "));
    running.signal("TERM");
    assert_eq!(running.ends_with(), (0, String::new()));
}

#[test]
fn a_first_signal_drains_and_a_second_one_stops_at_once() {
    let directory = Directory::with(&[("orgate.yaml", PUBLIC)]);
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let running = start(&directory.0, &format!("http://{}", upstream.local_addr().unwrap()));
    let mut client = TcpStream::connect(running.address("proxy")).unwrap();
    client.write_all(b"GET /public HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let (mut app, _) = upstream.accept().unwrap();
    let mut begun = [0; 3];
    app.read_exact(&mut begun).unwrap();
    running.signal("INT");
    // The drain has begun once nobody is let in any more; the admin listener tells of it.
    while TcpStream::connect(running.address("proxy")).is_ok() {
        std::thread::yield_now();
    }
    assert!(get(running.address("admin"), "/readyz").contains(r#""draining":true"#));
    running.signal("INT");
    assert_eq!(running.ends_with().0, 0);
}

#[test]
fn a_bad_policy_is_1_and_opens_nothing() {
    let directory = Directory::with(&[("orgate.yaml", "version: 1\nrulez: {}\n")]);
    let (code, out, err) = ends(&directory.0, &proxy_arguments("http://127.0.0.1:1", &["--color", "never"]));
    assert_eq!(code, 1, "{err}");
    assert_eq!(out, "");
    assert!(err.contains("orgate.yaml:2:1") && err.contains("rulez"), "{err}");
}

#[test]
fn what_keeps_the_program_from_running_is_2_and_opens_nothing() {
    let directory = Directory::with(&[("orgate.yaml", PUBLIC)]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let listen =
        ["proxy", "--upstream", "http://127.0.0.1:1", "--admin", "127.0.0.1:0", "--listen", &address];
    let admin = ["proxy", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", &address];
    for (arguments, expected) in [
        (listen.to_vec(), "--listen 127.0.0.1:0"),
        (admin.to_vec(), "--admin 127.0.0.1:0"),
        (proxy_arguments("ftp://a", &[]), "http://127.0.0.1:3000"),
        (proxy_arguments("http://127.0.0.1:1", &["--policy", "absent.yaml"]), "absent.yaml"),
        (proxy_arguments("http://127.0.0.1:1", &["--log", "=,=x"]), "--log info"),
        (proxy_arguments("http://127.0.0.1:1", &["--lissten", "x"]), "--listen"),
        (vec!["proxy"], "--upstream"),
    ] {
        let (code, out, err) = ends(&directory.0, &arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(
            err.lines().any(|line| line.starts_with("error: ")) && err.contains(expected),
            "{arguments:?}: {err}"
        );
    }
}

#[test]
fn flags_can_come_from_the_environment() {
    let directory = Directory::with(&[("orgate.yaml", PUBLIC)]);
    let output = orgate(&directory.0, &["proxy"])
        .env("ORGATE_UPSTREAM", "http://127.0.0.1:1")
        .env("ORGATE_POLICY", "absent.yaml")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("absent.yaml"));
}

#[test]
fn required_keys_that_cannot_be_had_are_2() {
    let directory = Directory::with(&[("orgate.yaml", PUBLIC)]);
    let (code, out, err) = ends(&directory.0, &proxy_arguments("http://127.0.0.1:1", &["--require-keys"]));
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("https://issuer.example") && err.contains("help: "), "{err}");
}
