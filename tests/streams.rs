//! Bodies of any size through the real process in constant memory, which the operating system measures.
//!
//! 64 MiB in each direction; `ORGATE_STREAM_MIB` says another size (`./tests/run --long`: 2 GiB).

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{
    fs,
    io::{BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use orgate_e2e::{Folder, graph, orgate};

/// What the process may need beside what it had: buffers of two sockets, and what the allocator keeps.
const MOST: u64 = 24 * 1024 * 1024;
const PIECE: usize = 256 * 1024;

/// An application that takes what it is sent and tells how much that was, or sends as much as it is asked for.
fn application() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || serve(stream.unwrap()));
        }
    });
    address
}

fn serve(stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(head) = head(&mut reader) {
        let target = head.split(' ').nth(1).unwrap();
        match target.strip_prefix("/down/") {
            Some(length) => {
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").unwrap();
                send(&mut stream, length.parse().unwrap());
            }
            None => {
                let told = take(&mut reader, length(&head)).to_string();
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{told}", told.len()).unwrap();
            }
        }
    }
}

fn head(reader: &mut impl std::io::BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

fn length(head: &str) -> u64 {
    let line =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    line.unwrap().trim().parse().unwrap()
}

fn send(stream: &mut TcpStream, mut left: u64) {
    let piece = vec![7; PIECE];
    while left > 0 {
        let now = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        stream.write_all(&piece[..now]).unwrap();
        left -= u64::try_from(now).unwrap();
    }
}

fn take(reader: &mut impl std::io::Read, length: u64) -> u64 {
    std::io::copy(&mut reader.take(length), &mut std::io::sink()).unwrap()
}

/// What the process holds of memory now, and the most that it ever held.
fn memory(process: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let of = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    };
    (of("VmRSS:"), of("VmHWM:"))
}

#[test]
fn bodies_of_any_size_pass_both_ways_in_constant_memory() {
    let size = std::env::var("ORGATE_STREAM_MIB").map_or(64, |size| size.parse().unwrap()) * 1024 * 1024;
    let folder = Folder::new();
    folder.write("orgate.yaml", "version: 1\nrules: {ANY /**: public, ANY /: public}\n");
    let upstream = format!("http://{}", application());
    let running = orgate()
        .args(["proxy", "--upstream", &upstream, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .folder(folder.path())
        .ready();
    let proxy = running.url("proxy").trim_start_matches("http://").to_owned();
    let exchange = |size: u64| {
        let mut stream = TcpStream::connect(&proxy).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        write!(stream, "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n").unwrap();
        send(&mut stream, size);
        let answer = head(&mut reader).unwrap();
        let mut told = vec![0; usize::try_from(length(&answer)).unwrap()];
        reader.read_exact(&mut told).unwrap();
        assert_eq!(String::from_utf8(told).unwrap(), size.to_string());
        write!(stream, "GET /down/{size} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let answer = head(&mut reader).unwrap();
        assert_eq!((length(&answer), take(&mut reader, size)), (size, size));
    };
    // What is made once: buffers, threads, the connection to the application.
    exchange(4 * 1024 * 1024);
    let (before, _) = memory(running.id());
    let (over, process) = (AtomicBool::new(false), running.id());
    let kept = thread::scope(|scope| {
        let samples = scope.spawn(|| {
            let mut kept = Vec::new();
            while !over.load(Ordering::Relaxed) {
                kept.push(memory(process).0 / 1024);
                thread::sleep(Duration::from_millis(20));
            }
            kept
        });
        exchange(size);
        over.store(true, Ordering::Relaxed);
        samples.join().unwrap()
    });
    println!("{}", graph("KiB resident", "every 20 ms", &kept));
    let (after, most) = memory(running.id());
    println!("{} MiB each way: {before} bytes resident before, {after} after, {most} at most", size >> 20);
    assert!(most < before + MOST, "{before} bytes before, {most} at most");
}
