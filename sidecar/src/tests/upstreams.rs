//! Upstreams of every kind. Where one has to speak TLS or HTTP/2, it is a second sidecar, which tells what it saw.

use http_body::Frame;
use orgate_testkit::Certificate;
use tokio::sync::mpsc;

use super::{
    http2::{Pieces, ask, connect, request, send},
    tls::Folder,
    *,
};
use crate::{
    serve::tls::TlsFiles,
    upstream::{UpstreamTls, UpstreamTlsFiles},
};

/// A sidecar with TLS in front of `upstream`.
async fn behind_tls(upstream: SocketAddr, files: TlsFiles) -> Sidecar {
    let tls = Tls::load(files).expect("it stands");
    Sidecar::over(upstream, UpstreamSettings::default(), Limits::default().with_http2(), Some(tls)).await
}

/// One with HTTP/2 in front of `upstream`.
async fn behind_http2(upstream: SocketAddr) -> Sidecar {
    Sidecar::with(upstream, UpstreamSettings::default(), Limits::default().with_http2()).await
}

fn believing(folder: &Folder, authority: &Certificate, own: Option<&Certificate>) -> UpstreamSettings {
    let own = own.map(|own| (folder.write("own.pem", &own.pem()), folder.write("own.key", &own.key_pem())));
    let files = UpstreamTlsFiles { authorities: Some(folder.write("ca.pem", &authority.pem())), own };
    UpstreamSettings {
        tls: Some(UpstreamTls::load(&files).expect("it stands")),
        ..UpstreamSettings::default()
    }
}

fn https(sidecar: &Sidecar) -> String {
    format!("https://localhost:{}", sidecar.address.port())
}

fn h2c(sidecar: &Sidecar) -> String {
    format!("h2c://{}", sidecar.address)
}

#[cfg(unix)]
#[tokio::test]
async fn an_upstream_may_be_a_socket_of_this_machine() {
    let folder = Folder::new();
    let path = folder.write("placeholder", "").with_file_name("app.sock");
    let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut app = Client::new(stream);
        for _ in 0..2 {
            let head = app.head().await;
            assert_eq!(only_header(&head, "host").as_deref(), Some("app.example"));
            app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
        while app.more().await {}
    });
    let sidecar = Sidecar::to(&format!("unix:{}", path.display()), UpstreamSettings::default()).await;
    for _ in 0..2 {
        assert_eq!(sidecar.ask(GET).await.text(), "ok");
        sidecar.settled(1).await;
    }
    let nobody = Sidecar::to("unix:/absent/app.sock", UpstreamSettings::default()).await;
    assert_eq!(nobody.ask(GET).await.status(), 502);
}

#[tokio::test]
async fn an_upstream_over_tls_is_believed_by_its_authority_and_its_name_only() {
    let (recorder, folder) = (Recorder::ok().await, Folder::new());
    let authority = Certificate::authority("test");
    let good = behind_tls(recorder.address, folder.files(&authority.issue("localhost"))).await;
    let sidecar = Sidecar::to(&https(&good), believing(&folder, &authority, None)).await;
    assert_eq!(sidecar.ask(GET).await.text(), "ok");
    let head = recorder.only().head;
    assert_eq!(only_header(&head, "host").as_deref(), Some("app.example"));

    let stranger = Certificate::authority("test");
    let refusals = [
        (https(&good), believing(&folder, &stranger, None)),
        (https(&good), UpstreamSettings::default()),
        (
            https(
                &behind_tls(recorder.address, Folder::new().files(&authority.issue_expired("localhost")))
                    .await,
            ),
            believing(&folder, &authority, None),
        ),
        (
            https(
                &behind_tls(recorder.address, Folder::new().files(&authority.issue("other.example"))).await,
            ),
            believing(&folder, &authority, None),
        ),
    ];
    for (url, settings) in refusals {
        let refused = Sidecar::to(&url, settings).await;
        let answer = refused.ask(GET).await;
        assert_eq!(answer.status(), 502);
        assert!(answer.text().contains("\"tls\""), "{}", answer.text());
    }
    assert_eq!(recorder.seen().len(), 1);
}

#[tokio::test]
async fn an_upstream_that_wants_a_certificate_is_shown_ours() {
    let (recorder, folder) = (Recorder::ok().await, Folder::new());
    let (authority, clients) = (Certificate::authority("test"), Certificate::authority("clients"));
    let files = folder.with_clients(&authority.issue("localhost"), &clients, true);
    let app = behind_tls(recorder.address, files).await;
    let own = clients.issue("sidecar");
    let shown = Sidecar::to(&https(&app), believing(&folder, &authority, Some(&own))).await;
    assert_eq!(shown.ask(GET).await.text(), "ok");
    let tls = app.connections.lock().expect("unpoisoned")[0].tls.expect("TLS");
    assert!(tls.client_certificate.is_some());
    let without = Sidecar::to(&https(&app), believing(&folder, &authority, None)).await;
    assert_eq!(without.ask(GET).await.status(), 502);
    assert_eq!(recorder.seen().len(), 1);
}

#[tokio::test]
async fn over_tls_the_upstream_chooses_the_version_and_upgrades_get_one_that_has_them() {
    let address = upstream(|mut app, _| async move {
        loop {
            let head = app.head().await;
            if only_header(&head, "upgrade").is_some() {
                app.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello").await;
                while app.more().await {}
                return;
            }
            let via = head.lines().filter(|line| line.starts_with("via")).collect::<Vec<_>>().join("|");
            app.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{via}", via.len())).await;
        }
    })
    .await;
    let folder = Folder::new();
    let authority = Certificate::authority("test");
    let app = behind_tls(address, folder.files(&authority.issue("localhost"))).await;
    let sidecar = Sidecar::to(&https(&app), believing(&folder, &authority, None)).await;
    for _ in 0..2 {
        let via = sidecar.ask(GET).await.text().to_owned();
        assert!(via.contains("1.1 orgate") && via.contains("2 orgate"), "{via}");
    }
    let mut client = sidecar.connect().await;
    client.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    assert_eq!(client.exactly(5).await, b"hello");
    assert_eq!(app.connections.lock().expect("unpoisoned").len(), 3);
}

#[tokio::test]
async fn requests_share_one_connection_of_http2_and_keep_their_form() {
    let recorder = Recorder::answering(|seen| {
        let path = seen.head.split(' ').nth(1).expect("a path").to_owned();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len())
    })
    .await;
    let app = behind_http2(recorder.address).await;
    let sidecar = Arc::new(Sidecar::to(&h2c(&app), UpstreamSettings::default()).await);
    let asked: Vec<_> = (0..40)
        .map(|number| {
            let sidecar = Arc::clone(&sidecar);
            tokio::spawn(async move {
                let request = match number % 3 {
                    0 => format!("GET /a%20{number}?x={number} HTTP/1.1\r\nHost: App.example:81\r\n\r\n"),
                    1 => format!("POST /a%20{number}?x={number} HTTP/1.1\r\nHost: App.example:81\r\nContent-Length: 5\r\n\r\nhello"),
                    _ => format!("POST /a%20{number}?x={number} HTTP/1.1\r\nHost: App.example:81\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
                };
                assert_eq!(sidecar.ask(&request).await.text(), format!("/a%20{number}?x={number}"));
            })
        })
        .collect();
    for answered in asked {
        within(answered).await.expect("answered");
    }
    let peers: std::collections::HashSet<_> =
        app.connections.lock().expect("unpoisoned").iter().map(|connection| connection.peer).collect();
    assert_eq!(peers.len(), 1);
    for seen in recorder.seen() {
        assert_eq!(only_header(&seen.head, "host").as_deref(), Some("App.example:81"));
        let has_body = seen.head.starts_with("POST");
        assert_eq!(!seen.body.is_empty(), has_body, "{}", seen.head);
        assert_eq!(only_header(&seen.head, "x-orgate-sub").as_deref(), Some("usr_ann"));
    }
    sidecar.settled(1).await;
}

#[tokio::test]
async fn trailers_pass_from_end_to_end_and_a_call_streams_both_ways() {
    let address = upstream(|mut app, _| async move {
        app.head().await;
        app.until(b"one\r\n").await;
        app.send("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\nTrailer: grpc-status\r\n\r\n3\r\nONE\r\n").await;
        app.until(b"two\r\n").await;
        app.send("3\r\nTWO\r\n").await;
        app.until(b"0\r\n\r\n").await;
        app.send("0\r\ngrpc-status: 7\r\ngrpc-message: no\r\n\r\n").await;
        while app.more().await {}
    })
    .await;
    let app = behind_http2(address).await;
    let sidecar = Sidecar::to(&h2c(&app), UpstreamSettings::default()).await;
    let mut sender = connect(sidecar.address).await;
    let (pieces, body) = mpsc::channel(1);
    let head = request("POST", "/pkg.Service/Call")
        .header("te", "trailers")
        .header("content-type", "application/grpc");
    let asked = tokio::spawn(async move {
        pieces.send(Frame::data(Bytes::from_static(b"one"))).await.expect("taken");
        pieces.send(Frame::data(Bytes::from_static(b"two"))).await.expect("taken");
    });
    let answer = send(&mut sender, head.body(Either::Right(Pieces(body))).expect("a request")).await;
    within(asked).await.expect("sent");
    assert_eq!((answer.status, &answer.body[..]), (200, &b"ONETWO"[..]));
    assert_eq!(answer.headers.get("content-type").expect("there"), "application/grpc");
    assert_eq!(answer.trailers.expect("trailers").get("grpc-status").expect("there"), "7");
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_stream_and_no_other() {
    let address = upstream(|mut app, _| async move {
        while !app.buffer.is_empty() || app.more().await {
            if app.head().await.starts_with("GET /endless") {
                app.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
                let chunk = vec![b'x'; 64 * 1024];
                while app.stream.write_all(&chunk).await.is_ok() {}
                return;
            }
            app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let app = behind_http2(address).await;
    let sidecar = Sidecar::to(&h2c(&app), UpstreamSettings::default()).await;
    // Some that take nothing keep no window from others.
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut client = sidecar.connect().await;
        client.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.head().await;
        slow.push(client);
    }
    assert_eq!(sidecar.ask(GET).await.text(), "ok");
    drop(slow);
    sidecar.settled(1).await;
    within(async {
        while app.upstream.connections().1 > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(ask(&mut connect(sidecar.address).await, request("GET", "/"), "").await.status, 200);
}

#[tokio::test]
async fn a_connection_of_http2_that_ended_is_replaced() {
    let recorder = Recorder::ok().await;
    let app = behind_http2(recorder.address).await;
    let address = app.address;
    let sidecar = Sidecar::to(&h2c(&app), UpstreamSettings::default()).await;
    assert_eq!(sidecar.ask(GET).await.text(), "ok");
    app.shutdown.drain();
    within(app.served).await.expect("served");
    assert_eq!(sidecar.ask(GET).await.status(), 502);
    let listener = Listener::bind("proxy", &address.to_string(), "--listen").await.expect("the port");
    let door = OpenDoor { upstreams: Arc::clone(&app.upstream).into(), connections: Arc::default() };
    tokio::spawn(serve::serve(listener, door, Limits::default().with_http2(), Shutdown::new()));
    assert_eq!(sidecar.ask(GET).await.text(), "ok");
}

#[tokio::test]
async fn files_of_an_upstream_that_change_count_for_new_connections_if_they_stand() {
    let (recorder, folder) = (Recorder::ok().await, Folder::new());
    let (first, second) = (Certificate::authority("first"), Certificate::authority("second"));
    let of_first = behind_tls(recorder.address, Folder::new().files(&first.issue("localhost"))).await;
    let of_second = behind_tls(recorder.address, Folder::new().files(&second.issue("localhost"))).await;
    let mut settings = believing(&folder, &first, None);
    settings.timeouts.idle = Duration::ZERO;
    let tls = settings.tls.clone().expect("TLS");
    let by_first = Sidecar::to(&https(&of_first), settings.clone()).await;
    let by_second = Sidecar::to(&https(&of_second), settings).await;
    let now = Arc::new(tokio::sync::Notify::new());
    let (told, mut stale) = mpsc::unbounded_channel();
    tokio::spawn(tls.follow(Arc::clone(&now), move |stale| {
        let _ = told.send(stale);
    }));
    let statuses =
        || async { (by_first.ask(GET).await.status(), Box::pin(by_second.ask(GET)).await.status()) };
    assert_eq!(statuses().await, (200, 502));
    for broken in ["", "no PEM"] {
        folder.write("ca.pem", broken);
        now.notify_one();
        assert_eq!(within(stale.recv()).await, Some(true), "{broken}");
    }
    assert_eq!(statuses().await, (200, 502));
    folder.write("ca.pem", &second.pem());
    // Without being asked.
    assert_eq!(within(stale.recv()).await, Some(false));
    assert_eq!(Box::pin(by_second.ask(GET)).await.status(), 200);
}
