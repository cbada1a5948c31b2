//! Where a request comes from: peers that are believed, the PROXY protocol, addresses of version 6.

use super::{
    tls::{Folder, handshake, trusting as believing},
    *,
};
use crate::trust::TrustedPeers;

/// In front of `upstream`, believing peers of `networks`.
async fn trusting(address: &str, upstream: &Recorder, networks: &[&str], announce: bool) -> Sidecar {
    listening(address, upstream, networks, announce, None).await
}

async fn listening(
    address: &str,
    upstream: &Recorder,
    networks: &[&str],
    announce: bool,
    tls: Option<Tls>,
) -> Sidecar {
    let networks: Vec<_> = networks.iter().map(|text| text.parse().expect("a network")).collect();
    let listener = Listener::bind("proxy", address, "--listen").await.expect("a port");
    let mut listener = listener.trusting(TrustedPeers::new(&networks, announce));
    if let Some(tls) = tls {
        listener = listener.with_tls(tls);
    }
    let upstream = Upstream::new(&format!("http://{}", upstream.address), UpstreamSettings::default())
        .expect("an upstream");
    Sidecar::listening(listener, Arc::clone(&upstream).into(), upstream, Limits::default().with_http2())
}

const CLAIMING: &str = "GET / HTTP/1.1\r\nHost: app.example:81\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2, junk\r\n\
     X-Forwarded-Proto: https\r\nForwarded: for=192.0.2.1;proto=https\r\nForwarded: for=\"[2001:db8::1]:80\"\r\nX-Real-IP: 192.0.2.9\r\n\r\n";

#[tokio::test]
async fn what_a_trusted_peer_says_is_continued_and_what_others_say_is_replaced() {
    let recorder = Recorder::ok().await;
    let trusted = trusting("127.0.0.1:0", &recorder, &["10.0.0.0/8", "127.0.0.0/8"], false).await;
    assert_eq!(trusted.ask(CLAIMING).await.status(), 200);
    let stranger = trusting("127.0.0.1:0", &recorder, &["10.0.0.0/8"], false).await;
    assert_eq!(stranger.ask(CLAIMING).await.status(), 200);
    let nobody = Sidecar::before(recorder.address).await;
    assert_eq!(nobody.ask(CLAIMING).await.status(), 200);

    let [continued, replaced @ ..] = &recorder.seen()[..] else { panic!("three requests") };
    let says = |seen: &Seen, name: &str| only_header(&seen.head, name).unwrap_or_default();
    assert_eq!(says(continued, "x-forwarded-for"), "192.0.2.1, 192.0.2.2, junk, 127.0.0.1");
    assert_eq!(says(continued, "x-forwarded-proto"), "https");
    assert_eq!(
        says(continued, "forwarded"),
        "for=192.0.2.1;proto=https, for=\"[2001:db8::1]:80\", for=127.0.0.1;host=\"app.example:81\";proto=http"
    );
    for seen in replaced {
        assert_eq!(says(seen, "x-forwarded-for"), "127.0.0.1");
        assert_eq!(says(seen, "x-forwarded-proto"), "http");
        assert_eq!(says(seen, "forwarded"), "for=127.0.0.1;host=\"app.example:81\";proto=http");
    }
    for seen in recorder.seen() {
        assert_eq!(says(&seen, "x-forwarded-host"), "app.example:81");
        assert!(!seen.head.contains("192.0.2.9"), "{}", seen.head);
    }
}

#[tokio::test]
async fn a_trusted_peer_that_says_nothing_adds_nothing_but_itself() {
    let recorder = Recorder::ok().await;
    let sidecar = trusting("127.0.0.1:0", &recorder, &["127.0.0.1"], false).await;
    for request in [
        GET,
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For:\r\nX-Forwarded-Proto: ftp\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Proto: https\r\n\r\n",
    ] {
        assert_eq!(sidecar.ask(request).await.status(), 200);
    }
    for seen in recorder.seen() {
        assert_eq!(only_header(&seen.head, "x-forwarded-for").as_deref(), Some("127.0.0.1"));
        assert_eq!(only_header(&seen.head, "x-forwarded-proto").as_deref(), Some("http"));
        assert_eq!(only_header(&seen.head, "forwarded"), None);
    }
}

#[tokio::test]
async fn a_peer_of_version_4_is_named_as_one_at_a_listener_of_both() {
    let recorder = Recorder::ok().await;
    let sidecar = trusting("[::]:0", &recorder, &[], false).await;
    let mut client =
        Client::new(TcpStream::connect(("127.0.0.1", sidecar.address.port())).await.expect("both"));
    client.send(GET).await;
    assert_eq!(client.answer().await.status(), 200);
    assert_eq!(only_header(&recorder.only().head, "x-forwarded-for").as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn over_version_6_everything_is_the_same() {
    let listener = TcpListener::bind("[::1]:0").await.expect("an address of version 6");
    let address = listener.local_addr().expect("an address");
    let (told, mut heads) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut app = Client::new(stream);
        told.send(app.head().await).await.expect("the test lives");
        app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        while app.more().await {}
    });
    let upstream =
        Upstream::new(&format!("http://{address}"), UpstreamSettings::default()).expect("an upstream");
    let listener = Listener::bind("proxy", "[::1]:0", "--listen").await.expect("a port");
    assert!(listener.url().starts_with("http://[::1]:"), "{}", listener.url());
    let sidecar = Sidecar::listening(listener, Arc::clone(&upstream).into(), upstream, Limits::default());
    let request = "GET / HTTP/1.1\r\nHost: [::1]:80\r\nForwarded: for=x\r\n\r\n";
    assert_eq!(sidecar.ask(request).await.text(), "ok");
    let head = within(heads.recv()).await.expect("a request");
    assert_eq!(only_header(&head, "host").as_deref(), Some("[::1]:80"));
    assert_eq!(only_header(&head, "x-forwarded-for").as_deref(), Some("::1"));
    assert_eq!(
        only_header(&head, "forwarded").as_deref(),
        Some("for=\"[::1]\";host=\"[::1]:80\";proto=http")
    );
}

/// Version 2 with an address of version 4.
fn second(source: [u8; 4]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
    bytes.extend_from_slice(&source);
    bytes.extend_from_slice(&[10, 0, 0, 1, 0x1f, 0x90, 0, 80]);
    bytes
}

#[tokio::test]
async fn a_balancer_names_the_client_before_the_first_byte() {
    let recorder = Recorder::ok().await;
    let sidecar = trusting("127.0.0.1:0", &recorder, &["127.0.0.1", "198.51.100.0/24"], true).await;
    for (announced, expected) in [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 80\r\n".to_vec(), "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 8080 80\r\n".to_vec(), "2001:db8::7"),
        (second([192, 0, 2, 8]), "192.0.2.8"),
        // Another proxy of ours, behind the balancer: it is believed in turn.
        (b"PROXY TCP4 198.51.100.1 10.0.0.1 8080 80\r\n".to_vec(), "192.0.2.1, 198.51.100.1"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "192.0.2.1, 127.0.0.1"),
    ] {
        let mut client = sidecar.connect().await;
        // In pieces, and together with the request.
        let (first, rest) = announced.split_at(5);
        client.send(first).await;
        tokio::task::yield_now().await;
        client
            .send([rest, b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"].concat())
            .await;
        assert_eq!(client.answer().await.status(), 200);
        let seen = recorder.seen().pop().expect("a request");
        assert_eq!(only_header(&seen.head, "x-forwarded-for").as_deref(), Some(expected));
        let peer = sidecar.connections.lock().expect("unpoisoned").last().expect("one").peer;
        assert!(expected.ends_with(&peer.ip().to_string()), "{peer}");
    }
}

#[tokio::test]
async fn under_tls_the_balancer_speaks_first() {
    let (recorder, folder) = (Recorder::ok().await, Folder::new());
    let authority = orgate_testkit::Certificate::authority("test");
    let tls = Tls::load(folder.files(&authority.issue("localhost"))).expect("it stands");
    let sidecar = listening("127.0.0.1:0", &recorder, &["127.0.0.1"], true, Some(tls)).await;
    let mut stream = TcpStream::connect(sidecar.address).await.expect("a connection");
    stream.write_all(&second([192, 0, 2, 9])).await.expect("sent");
    let connector = believing(&authority, None, &[]);
    let stream = super::tls::handshake_over(stream, &connector).await.expect("TLS");
    let mut client = Client::new(stream);
    client.send(GET).await;
    assert_eq!(client.answer().await.status(), 200);
    let head = recorder.only().head;
    assert_eq!(only_header(&head, "x-forwarded-for").as_deref(), Some("192.0.2.9"));
    assert_eq!(only_header(&head, "x-forwarded-proto").as_deref(), Some("https"));
    assert!(handshake(sidecar.address, &connector).await.is_err(), "it must announce itself");
}

#[tokio::test]
async fn who_must_not_announce_is_refused_and_who_must_and_does_not_is() {
    let recorder = Recorder::ok().await;
    let announced = [&b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 80\r\n"[..], GET.as_bytes()].concat();
    for bytes in [announced.clone(), [second([192, 0, 2, 8]), GET.as_bytes().to_vec()].concat()] {
        for (networks, announce) in [(&["10.0.0.0/8"][..], true), (&["127.0.0.1"], false), (&[], true)] {
            let sidecar = trusting("127.0.0.1:0", &recorder, networks, announce).await;
            let mut client = sidecar.connect().await;
            client.send(&bytes).await;
            while client.more().await {}
            let answer = String::from_utf8_lossy(&client.buffer).into_owned();
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
            assert_eq!(answer.matches("HTTP/1.1").count().max(1), 1, "{answer}");
        }
    }
    let sidecar = trusting("127.0.0.1:0", &recorder, &["127.0.0.1"], true).await;
    for bytes in [
        GET.as_bytes(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PROXY TCP4 x y 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut client = sidecar.connect().await;
        client.send(bytes).await;
        assert!(client.is_closed().await, "{}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(recorder.seen().len(), 0);
    // Whoever is no balancer is served as ever.
    let direct = trusting("127.0.0.1:0", &recorder, &["10.0.0.0/8"], true).await;
    assert_eq!(direct.ask(GET).await.status(), 200);
}

#[tokio::test]
async fn a_balancer_that_does_not_finish_is_let_go_in_time() {
    let recorder = Recorder::ok().await;
    let listener = Listener::bind("proxy", "127.0.0.1:0", "--listen").await.expect("a port");
    let networks = ["127.0.0.1".parse().expect("a network")];
    let listener = listener.trusting(TrustedPeers::new(&networks, true));
    let upstream = Upstream::new(&format!("http://{}", recorder.address), UpstreamSettings::default())
        .expect("an upstream");
    let limits = Limits { header: Duration::from_millis(100), ..Limits::default() };
    let sidecar = Sidecar::listening(listener, Arc::clone(&upstream).into(), upstream, limits);
    for bytes in ["", "PROXY", "PROXY TCP4 192.0.2.7 "] {
        let mut client = sidecar.connect().await;
        client.send(bytes).await;
        assert!(client.is_closed().await, "{bytes}");
    }
}

#[tokio::test]
async fn one_peer_cannot_take_all_connections() {
    let recorder = Recorder::ok().await;
    let limits = Limits { per_peer: Some(2), ..Limits::default() };
    let sidecar = Sidecar::with(recorder.address, UpstreamSettings::default(), limits).await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut client = sidecar.connect().await;
        client.send(GET).await;
        assert_eq!(client.answer().await.status(), 200);
        kept.push(client);
    }
    let mut third = sidecar.connect().await;
    assert!(third.is_closed().await);
    drop(kept);
    within(async {
        loop {
            let mut client = sidecar.connect().await;
            if client.stream.write_all(GET.as_bytes()).await.is_ok() && client.more().await {
                break;
            }
        }
    })
    .await;
}
