//! What the upstream is told, and what it is not.

use super::*;

#[tokio::test]
async fn many_requests_of_one_client_use_one_upstream_connection() {
    let recorder = Recorder::ok().await;
    let sidecar = Sidecar::before(recorder.address).await;
    let mut client = sidecar.connect().await;
    for _ in 0..50 {
        client.send(GET).await;
        assert_eq!(client.answer().await.text(), "ok");
    }
    let seen = recorder.seen();
    assert_eq!(seen.len(), 50);
    assert!(seen.iter().all(|request| request.connection == 0), "{seen:?}");
}

#[tokio::test]
async fn the_target_arrives_byte_for_byte() {
    let recorder = Recorder::ok().await;
    let sidecar = Sidecar::before(recorder.address).await;
    sidecar.ask("GET /a/%20b/c?x=/../%2f&y=%zz{} HTTP/1.1\r\nHost: app.example\r\n\r\n").await;
    assert!(recorder.only().head.starts_with("GET /a/%20b/c?x=/../%2f&y=%zz{} HTTP/1.1\r\n"));
}

#[tokio::test]
async fn identity_comes_from_the_gate_alone() {
    let recorder = Recorder::ok().await;
    let sidecar = Sidecar::before(recorder.address).await;
    let answer = sidecar
        .ask(
            "GET / HTTP/1.1\r\nHost: app.example\r\nx-orgate-sub: eve\r\nX-Orgate-Sub: eve\r\nX_Orgate_Sub: eve\r\n\
             x.orgate.sub: eve\r\nX-ORGATE-ORG-ID: eve\r\nX-Orgate-Invented: eve\r\n\
             Connection: X-Orgate-Sub, x-orgate-org-id, close\r\nConnection: X_Orgate_Sub\r\n\r\n",
        )
        .await;
    assert_eq!(answer.status(), 200);
    let head = recorder.only().head;
    assert_eq!(only_header(&head, "x-orgate-sub").as_deref(), Some("usr_ann"));
    assert_eq!(only_header(&head, "x-orgate-org-id").as_deref(), Some("org_acme"));
    assert!(!head.contains("eve") && !head.to_lowercase().contains("invented"), "{head}");
}

#[tokio::test]
async fn origin_headers_tell_the_real_peer() {
    let recorder = Recorder::ok().await;
    let sidecar = Sidecar::before(recorder.address).await;
    sidecar
        .ask(
            "GET / HTTP/1.1\r\nHost: app.example:8080\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\
             X-Forwarded-Host: evil\r\nX-Forwarded-Proto: https\r\nX-Real-IP: 6.6.6.6\r\nX-Request-Id: mine\r\n\r\n",
        )
        .await;
    let head = recorder.only().head;
    assert_eq!(only_header(&head, "host").as_deref(), Some("app.example:8080"));
    assert_eq!(only_header(&head, "x-forwarded-host").as_deref(), Some("app.example:8080"));
    assert_eq!(only_header(&head, "x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(only_header(&head, "x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(only_header(&head, "x-request-id").as_deref(), Some("req_1"));
    assert_eq!(only_header(&head, "via").as_deref(), Some("1.1 orgate"));
    assert!(!head.contains("6.6.6.6") && !head.contains("evil"), "{head}");
}

#[tokio::test]
async fn the_upstream_may_be_told_its_own_host() {
    let recorder = Recorder::ok().await;
    let settings =
        UpstreamSettings { host: crate::upstream::HostHeader::Upstream, ..UpstreamSettings::default() };
    let sidecar = Sidecar::with(recorder.address, settings, Limits::default()).await;
    sidecar.ask(GET).await;
    let head = recorder.only().head;
    assert_eq!(only_header(&head, "host"), Some(recorder.address.to_string()));
    assert_eq!(only_header(&head, "x-forwarded-host").as_deref(), Some("app.example"));
}

#[tokio::test]
async fn an_upgrade_is_an_ordinary_request() {
    let recorder = Recorder::ok().await;
    let sidecar = Sidecar::before(recorder.address).await;
    let mut client = sidecar.connect().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.status(), 200);
    client.send(GET).await;
    assert_eq!(client.answer().await.status(), 200);
    let head = recorder.seen()[0].head.to_lowercase();
    assert!(!head.contains("upgrade") && !head.contains("http2-settings"), "{head}");
}

#[tokio::test]
async fn a_response_keeps_its_own_headers_and_loses_those_of_the_connection() {
    let recorder = Recorder::answering(|_| {
        "HTTP/1.1 404 Gone Fishing\r\nContent-Length: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: keep-alive, X-Inner\r\n\
         Keep-Alive: timeout=5\r\nX-Inner: 1\r\nServer: inner\r\n\r\nno"
            .to_owned()
    })
    .await;
    let sidecar = Sidecar::before(recorder.address).await;
    let answer = sidecar.ask(GET).await;
    assert_eq!((answer.status(), answer.text()), (404, "no"));
    assert_eq!(answer.head.matches("set-cookie").count(), 2);
    assert_eq!(answer.header("server").as_deref(), Some("inner"));
    assert_eq!(answer.header("x-inner"), None);
    assert_eq!(answer.header("keep-alive"), None);
}
