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

use std::net::TcpListener;

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
    ] {
        let (code, out, err) = ends(&directory.0, &arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(err.contains("error: ") && err.contains(expected), "{arguments:?}: {err}");
        assert!(!directory.0.join("orgate.db").exists(), "{arguments:?}");
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
