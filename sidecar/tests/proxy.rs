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
    sync::Arc,
};

use common::{Directory, Running, ends, get, orgate};
use orgate_testkit::Certificate;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::aws_lc_rs};

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

/// A request over TLS, to a server that `authority` vouches for; what is wrong with the handshake, if it fails.
fn get_over_tls(address: &str, authority: &Certificate, path: &str) -> Result<String, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().to_vec().into()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let session = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(session, TcpStream::connect(address)?);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn tls_is_announced_and_its_certificate_is_read_again_on_sighup() {
    let (first, second) = (Certificate::authority("first"), Certificate::authority("second"));
    let certificate = first.issue("localhost");
    let directory = Directory::with(&[
        ("orgate.yaml", PUBLIC),
        ("server.pem", &certificate.pem()),
        ("server.key", &certificate.key_pem()),
    ]);
    let tls = ["--tls-cert", "server.pem", "--tls-key", "server.key"];
    let running = Running::start(orgate(&directory.0, &proxy_arguments("http://127.0.0.1:1", &tls)));
    assert!(get_over_tls(running.address("proxy"), &first, "/me").unwrap().starts_with("HTTP/1.1 401 "));
    assert!(get_over_tls(running.address("proxy"), &second, "/me").is_err());

    std::fs::write(directory.0.join("server.key"), second.key_pem()).unwrap();
    running.signal("HUP");
    while !get(running.address("admin"), "/metrics").contains("orgate_certificate_stale 1\n") {
        std::thread::yield_now();
    }
    assert!(get_over_tls(running.address("proxy"), &first, "/me").unwrap().starts_with("HTTP/1.1 401 "));

    let certificate = second.issue("localhost");
    std::fs::write(directory.0.join("server.key"), certificate.key_pem()).unwrap();
    std::fs::write(directory.0.join("server.pem"), certificate.pem()).unwrap();
    running.signal("HUP");
    while get_over_tls(running.address("proxy"), &second, "/me").is_err() {
        std::thread::yield_now();
    }
    while !get(running.address("admin"), "/metrics").contains("orgate_certificate_stale 0\n") {
        std::thread::yield_now();
    }
    running.signal("TERM");
    assert_eq!(running.ends_with().0, 0);
}

#[test]
fn flags_of_tls_that_are_not_whole_are_2_and_open_nothing() {
    let certificate = Certificate::authority("a");
    let directory = Directory::with(&[
        ("orgate.yaml", PUBLIC),
        ("a.pem", &certificate.pem()),
        ("a.key", &certificate.key_pem()),
    ]);
    for (flags, expected) in [
        (&["--tls-cert", "a.pem"][..], "--tls-key"),
        (&["--tls-key", "a.key"], "--tls-cert"),
        (&["--tls-client-ca", "a.pem"], "--tls-cert"),
        (&["--tls-cert", "a.pem", "--tls-key", "a.key", "--tls-client-auth", "optional"], "--tls-client-ca"),
        (&["--tls-cert", "absent.pem", "--tls-key", "a.key"], "absent.pem"),
        (&["--tls-cert", "a.pem", "--tls-key", "a.pem"], "no private key"),
        (&["--tls-cert", "a.pem", "--tls-key", "a.key", "--tls-client-ca", "a.key"], "no certificate"),
    ] {
        let (code, out, err) = ends(&directory.0, &proxy_arguments("http://127.0.0.1:1", flags));
        assert_eq!((code, out.as_str()), (2, ""), "{flags:?}: {err}");
        assert!(err.contains(expected), "{flags:?}: {err}");
    }
}

#[test]
fn required_keys_that_cannot_be_had_are_2() {
    let directory = Directory::with(&[("orgate.yaml", PUBLIC)]);
    let (code, out, err) = ends(&directory.0, &proxy_arguments("http://127.0.0.1:1", &["--require-keys"]));
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("https://issuer.example") && err.contains("help: "), "{err}");
}

/// With the feature `otel`; without it such settings stand as well, and a warning says that they do nothing.
#[test]
fn a_collector_of_the_settings_gets_spans() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings =
        format!("tracing: {{endpoint: \"http://{}\", sample: 1}}\n", collector.local_addr().unwrap());
    let directory = Directory::with(&[("orgate.yaml", PUBLIC), ("sidecar.yaml", &settings)]);
    let arguments = proxy_arguments("http://127.0.0.1:1", &["--settings", "sidecar.yaml"]);
    let running = Running::start(orgate(&directory.0, &arguments));
    assert!(get(running.address("proxy"), "/me").starts_with("HTTP/1.1 401 "));
    if cfg!(feature = "otel") {
        let mut stream = accepted(&collector);
        let mut export = vec![0; 4096];
        let mut read = 0;
        while !contains(&export[..read], b"no_credential") {
            let more = stream.read(&mut export[read..]).unwrap();
            assert!(more > 0, "{}", String::from_utf8_lossy(&export[..read]));
            read += more;
        }
        assert!(export.starts_with(b"POST /v1/traces HTTP/1.1\r\n"));
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    }
}

/// The next connection; it is not waited for without end.
fn accepted(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    for _ in 0..600 {
        if let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(false).unwrap();
            return stream;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    panic!("nobody connects");
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
