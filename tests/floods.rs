//! More connections than the process may have files: probes are answered, and once the flood is over everybody is.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use orgate_e2e::{Folder, orgate, request};
use orgate_testkit::{Answer, Upstream};

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_runs_out_of_files_recovers() {
    let upstream = Upstream::start().await;
    upstream.answer(Answer::status(200).body("ok"));
    let folder = Folder::new();
    folder.write("orgate.yaml", "version: 1\nrules: {GET /a: public}\n");
    let running = orgate()
        .with_files(64)
        .args(["proxy", "--upstream", &upstream.url(), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .folder(folder.path())
        .ready();
    let (proxy, admin) = (running.url("proxy"), running.url("admin"));
    let address = proxy.trim_start_matches("http://");
    let asked = |stream: &mut TcpStream| {
        stream.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").is_ok()
            && stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0)
    };
    // Far more than there can be, of which the first keep their places.
    let mut flood: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    for stream in &mut flood {
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    }
    let served = flood.iter_mut().map(asked).take_while(|is_served| *is_served).count();
    assert!((4..60).contains(&served), "{served} of 100 at once");
    for _ in 0..3 {
        assert_eq!(request("GET", &format!("{admin}/healthz"), &[], None).body, "ok\n");
    }
    drop(flood);
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert!(asked(&mut stream), "nobody is served after the flood");
    assert!(began.elapsed() < Duration::from_secs(20));
    for _ in 0..50 {
        assert_eq!(request("GET", &format!("{proxy}/a"), &[], None).status, 200);
        thread::yield_now();
    }
}
