//! Several upstreams, several addresses of one, and what becomes of those that do not answer.

use tokio::sync::{mpsc, watch};

use super::*;
use crate::upstream::{Checks, Ejection, Place};

/// An upstream that answers every request with `text`.
async fn saying(text: &'static str) -> Recorder {
    Recorder::answering(move |_| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()))
        .await
}

/// An address at which nobody is.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address")
}

async fn at(addresses: &[SocketAddr], settings: UpstreamSettings) -> Sidecar {
    let urls: Vec<_> = addresses.iter().map(|address| format!("http://{address}")).collect();
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    let upstream = Upstream::at(&urls, settings).expect("an upstream");
    Sidecar::with_upstream(upstream, Limits::default(), None).await
}

/// Paused for so long that no test sees the end.
fn patient() -> UpstreamSettings {
    let long = Duration::from_secs(600);
    let ejection = Ejection { first: long, longest: long, ..Ejection::default() };
    UpstreamSettings { ejection, ..UpstreamSettings::default() }
}

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";

#[tokio::test]
async fn host_and_path_say_which_upstream_a_request_is_for() {
    let mut recorders = Vec::new();
    let mut upstreams = Vec::new();
    for (place, name) in
        [("/api", "api"), ("/api/v2", "v2"), ("app.example", "app"), ("*.example/api", "tenant")]
    {
        let recorder = saying(name).await;
        let upstream = Upstream::new(&format!("http://{}", recorder.address), UpstreamSettings::default());
        upstreams.push((place.parse::<Place>().expect("a place"), upstream.expect("an upstream")));
        recorders.push(recorder);
    }
    let first = Arc::clone(&upstreams[0].1);
    let upstreams = Upstreams::new(upstreams).expect("they stand");
    assert!(!upstreams.has_default());
    let sidecar = Sidecar::among(upstreams, first, Limits::default(), None).await;
    for (target, host, expected) in [
        ("/api", "a", "api"),
        ("/api/x?/api/v2", "a", "api"),
        ("/api/v2/x", "a", "v2"),
        ("/api/v2x", "a", "api"),
        ("/api/v2", "APP.example:80", "app"),
        ("/anything", "app.example", "app"),
        ("/api/v2", "b.example", "tenant"),
    ] {
        let answer = sidecar.ask(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(answer.text(), expected, "{host}{target}");
    }
    let seen = recorders[1].only().head;
    assert!(seen.starts_with("GET /api/v2/x HTTP/1.1\r\n"), "the path goes on as it was: {seen}");
    for (target, host) in [("/apix", "a"), ("/", "a"), ("/x", "b.example"), ("*", "a")] {
        let method = if target == "*" { "OPTIONS" } else { "GET" };
        let answer = sidecar.ask(&format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(answer.status(), 404, "{host}{target}");
        assert!(answer.text().contains(r#""code":"no_upstream""#), "{}", answer.text());
    }
    assert_eq!(recorders.iter().map(|recorder| recorder.seen().len()).sum::<usize>(), 7);
}

#[tokio::test]
async fn two_upstreams_for_one_place_and_one_address_twice_are_refused() {
    let upstream = || Upstream::new("http://127.0.0.1:1", UpstreamSettings::default()).expect("an upstream");
    let place = || "/api".parse::<Place>().expect("a place");
    let told = Upstreams::new([(place(), upstream()), (place(), upstream())]).expect_err("twice").to_string();
    assert!(told.contains("`/api`") && told.contains("help: "), "{told}");
    assert!(Upstreams::new([]).expect_err("none").to_string().contains("help: "));
    for urls in [&["http://a", "http://a"][..], &[], &["http://a", "h2c://b"], &["http://a"; 65]] {
        assert!(Upstream::at(urls, UpstreamSettings::default()).is_err(), "{urls:?}");
    }
}

#[tokio::test]
async fn addresses_of_one_upstream_take_turns() {
    let (a, b, c) = (saying("a").await, saying("b").await, saying("c").await);
    let sidecar = at(&[a.address, b.address, c.address], UpstreamSettings::default()).await;
    for _ in 0..30 {
        assert_eq!(sidecar.ask(GET).await.status(), 200);
    }
    for recorder in [a, b, c] {
        let count = recorder.seen().len();
        assert!((5..=15).contains(&count), "{count} of 30");
    }
}

#[tokio::test]
async fn the_address_that_has_least_to_do_is_asked() {
    let (go, wait) = watch::channel(false);
    let (started, mut start) = mpsc::channel(100);
    let slow = upstream(move |mut app, _| {
        let (mut wait, started) = (wait.clone(), started.clone());
        async move {
            app.head().await;
            started.send(()).await.expect("the test lives");
            wait.wait_for(|go| *go).await.expect("the test lives");
            app.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow").await;
        }
    })
    .await;
    let quick = saying("quick").await;
    let sidecar = at(&[slow, quick.address], UpstreamSettings::default()).await;
    // Until one waits there.
    let mut waiting = Vec::new();
    while start.try_recv().is_err() {
        let mut client = sidecar.connect().await;
        client.send(GET).await;
        waiting.push(client);
        sidecar.ask(GET).await;
    }
    for _ in 0..50 {
        assert_eq!(sidecar.ask(GET).await.text(), "quick");
    }
    assert!(start.try_recv().is_err(), "another was sent to the one that is busy");
    go.send(true).expect("the upstream lives");
    for mut client in waiting {
        assert_eq!(client.answer().await.status(), 200);
    }
}

#[tokio::test]
async fn where_nobody_is_requests_go_to_another_address_and_then_no_longer_begin_there() {
    let (good, dead) = (saying("good").await, nobody().await);
    let sidecar = at(&[dead, good.address], patient()).await;
    for request in [GET, POST].into_iter().cycle().take(20) {
        assert_eq!(sidecar.ask(request).await.text(), "good");
    }
    assert_eq!(good.seen().len(), 20);
    assert!(good.seen().iter().all(|seen| seen.body.is_empty() || seen.body == b"hello"));
    assert_eq!(sidecar.upstream.retries(), 3);
    let figures: Vec<_> =
        sidecar.upstream.figures().map(|of| (of.is_good, of.ejections, of.active)).collect();
    assert_eq!(figures, [(false, 1, 0), (true, 0, 0)]);
}

#[tokio::test]
async fn where_nobody_is_at_any_address_the_answer_is_502_and_then_503() {
    let sidecar = at(&[nobody().await, nobody().await], patient()).await;
    let mut told = Vec::new();
    for _ in 0..5 {
        let answer = sidecar.ask(GET).await;
        assert!(answer.text().contains(r#""code":"upstream_unavailable""#), "{}", answer.text());
        told.push(answer.status());
    }
    assert_eq!(told, [502, 502, 502, 503, 503]);
    // One request tries three of many.
    let port = nobody().await.port();
    let many: Vec<SocketAddr> = (1..=5).map(|last| ([127, 0, 0, last], port).into()).collect();
    let many = at(&many, patient()).await;
    assert_eq!((many.ask(GET).await.status(), many.upstream.retries()), (502, 2));
    // The only address is tried again and again.
    let alone = at(&[nobody().await], patient()).await;
    for _ in 0..5 {
        assert_eq!(alone.ask(GET).await.status(), 502);
    }
}

#[tokio::test]
async fn an_address_that_answers_again_gets_requests_again() {
    let (good, dead) = (saying("good").await, nobody().await);
    let mut settings = patient();
    settings.ejection.first = Duration::from_millis(50);
    settings.ejection.longest = Duration::from_millis(50);
    let sidecar = at(&[dead, good.address], settings).await;
    // In a box, as it is large and there are two of it here.
    let ask = || Box::pin(sidecar.ask(GET));
    while sidecar.upstream.figures().all(|of| of.ejections == 0) {
        assert_eq!(ask().await.text(), "good");
    }
    let listener = TcpListener::bind(dead).await.expect("the port is free");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut app = Client::new(stream);
                while !app.buffer.is_empty() || app.more().await {
                    app.head().await;
                    app.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nback").await;
                }
            });
        }
    });
    within(async { while ask().await.text() != "back" {} }).await;
    assert!(sidecar.upstream.figures().all(|of| of.is_good));
}

/// It read the request, and nobody can know what it did with it.
#[tokio::test]
async fn a_request_that_was_begun_goes_to_no_other_address() {
    for request in [GET, POST] {
        let broken = upstream(|mut app, _| async move {
            let head = app.head().await;
            app.body(&head).await;
        })
        .await;
        let good = saying("good").await;
        let sidecar = at(&[broken, good.address], UpstreamSettings::default()).await;
        let mut told = [0, 0];
        for _ in 0..20 {
            match sidecar.ask(request).await.status() {
                200 => told[0] += 1,
                502 => told[1] += 1,
                other => panic!("{other}"),
            }
        }
        // It failed for some, was left alone then, and none of them went to the other.
        assert!(told[1] >= 3 && good.seen().len() == told[0], "{told:?}");
        assert_eq!(sidecar.upstream.retries(), 0);
    }
}

#[tokio::test]
async fn checks_take_an_address_out_and_bring_it_back() {
    let (state, is_well) = watch::channel(true);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let checked = Recorder::answering(move |seen| {
        let is_check = seen.head.starts_with("GET /healthz?deep HTTP/1.1\r\n");
        if is_check {
            log.lock().expect("unpoisoned").push(seen.head.clone());
        }
        match is_check && !*is_well.borrow() {
            true => "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno".to_owned(),
            false => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
        }
    })
    .await;
    let mut checks = Checks::of("/healthz?deep".parse().expect("a path"));
    checks.every = Duration::from_millis(10);
    let settings = UpstreamSettings { checks: Some(checks), ..UpstreamSettings::default() };
    let sidecar = at(&[checked.address], settings).await;
    let becomes = |good| {
        let upstream = Arc::clone(&sidecar.upstream);
        within(async move {
            while upstream.figures().any(|of| of.is_good != good) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    };
    assert_eq!(sidecar.ask(GET).await.status(), 200);
    state.send(false).expect("the upstream lives");
    becomes(false).await;
    let answer = sidecar.ask(GET).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.text().contains(r#""code":"upstream_unavailable""#), "{}", answer.text());
    state.send(true).expect("the upstream lives");
    becomes(true).await;
    assert_eq!(sidecar.ask(GET).await.status(), 200);
    let checks = asked.lock().expect("unpoisoned");
    assert!(checks.len() >= 5);
    for head in &*checks {
        assert_eq!(only_header(head, "host"), Some(checked.address.to_string()));
        assert!(!head.to_lowercase().contains("x-orgate"), "a check is nobody: {head}");
    }
}

/// HTTP/2 as bytes: answers the first request with `first`, and later ones with status 200.
async fn refusing(first: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> (SocketAddr, Arc<Mutex<u32>>) {
    answering(first, 1).await
}

/// The same, but it answers every request so.
pub(super) async fn refusing_always(
    answer: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static,
) -> (SocketAddr, Arc<Mutex<u32>>) {
    answering(answer, u32::MAX).await
}

async fn answering(
    first: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static,
    times: u32,
) -> (SocketAddr, Arc<Mutex<u32>>) {
    let requests = Arc::new(Mutex::new(0));
    let (count, first) = (Arc::clone(&requests), Arc::new(first));
    let address = upstream(move |mut app, _| {
        let (count, first) = (Arc::clone(&count), Arc::clone(&first));
        async move {
            app.until(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
            app.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
            loop {
                while app.buffer.len() < 9 {
                    if !app.more().await {
                        return;
                    }
                }
                let frame = app.exactly(9).await;
                let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]);
                app.exactly(usize::try_from(length).expect("small")).await;
                if frame[3] != 1 {
                    continue;
                }
                let stream = [frame[5], frame[6], frame[7], frame[8]];
                let number = {
                    let mut count = count.lock().expect("unpoisoned");
                    *count += 1;
                    *count
                };
                if number <= times {
                    app.send(first(u32::from_be_bytes(stream))).await;
                    continue;
                }
                let mut head = vec![0, 0, 1, 1, 5];
                head.extend_from_slice(&stream);
                head.push(0x88);
                app.send(head).await;
            }
        }
    })
    .await;
    (address, requests)
}

pub(super) fn reset(stream: u32, reason: u8) -> Vec<u8> {
    let mut frame = vec![0, 0, 4, 3, 0];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0, reason]);
    frame
}

fn going_away(last: u32) -> Vec<u8> {
    let mut frame = vec![0, 0, 8, 7, 0, 0, 0, 0, 0];
    frame.extend_from_slice(&last.to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame
}

#[tokio::test]
async fn what_the_upstream_did_not_look_at_is_sent_once_more() {
    const REFUSED_STREAM: u8 = 7;
    const INTERNAL_ERROR: u8 = 2;
    for (name, first, request, status, asked) in [
        ("refused", reset as fn(u32, u8) -> Vec<u8>, GET, 200, 2),
        ("going away", |_, _| going_away(0), GET, 200, 2),
        ("failed", |stream, _| reset(stream, INTERNAL_ERROR), GET, 502, 1),
        (
            "going away behind it",
            |stream, _| [going_away(stream), reset(stream, INTERNAL_ERROR)].concat(),
            GET,
            502,
            1,
        ),
        ("with a body", |stream, _| reset(stream, REFUSED_STREAM), POST, 502, 1),
    ] {
        let (address, requests) = refusing(move |stream| first(stream, REFUSED_STREAM)).await;
        let sidecar = Sidecar::to(&format!("h2c://{address}"), UpstreamSettings::default()).await;
        let answer = sidecar.ask(request).await;
        assert_eq!(answer.status(), status, "{name}: {}", answer.text());
        assert_eq!(*requests.lock().expect("unpoisoned"), asked, "{name}");
    }
}
