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

/// Fewer files than even the smallest bound of connections takes: `accept` itself fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_cannot_accept_waits_without_work_and_goes_on() {
    let upstream = Upstream::start().await;
    let folder = Folder::new();
    folder.write("orgate.yaml", "version: 1\nrules: {GET /a: public}\n");
    let mut running = orgate()
        .with_files(22)
        .args(["proxy", "--upstream", &upstream.url(), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        // Each thread has some of them.
        .args(["--threads", "1"])
        .folder(folder.path())
        .ready();
    let proxy = running.url("proxy");
    let flood: Vec<TcpStream> =
        (0..60).map(|_| TcpStream::connect(proxy.trim_start_matches("http://")).unwrap()).collect();
    let began = Instant::now();
    while !running.stderr_so_far().contains("cannot accept connections") {
        assert!(began.elapsed() < Duration::from_secs(20), "it can still accept");
        thread::park_timeout(Duration::from_millis(10));
    }
    let before = processor_time(running.id());
    thread::park_timeout(Duration::from_secs(1));
    let used = processor_time(running.id()) - before;
    assert!(used < 40, "it used {used} hundredths of a second while it could do nothing");
    drop(flood);
    // No rule: refused without a connection to anybody else.
    for _ in 0..20 {
        assert_eq!(request("GET", &format!("{proxy}/b"), &[], None).status, 403);
    }
    assert_eq!(running.terminate().code, Some(0));
}

/// In hundredths of a second.
fn processor_time(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}
