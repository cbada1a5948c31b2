//! The proxy door with a real gate: what passes, what does not, and that the upstream sees nothing of the latter.

use std::path::PathBuf;

use orgate_testkit::{TestKey, access_token_claims, jwks};

use super::*;
use crate::{
    doors::{Hall, ProxyDoor},
    metrics::Metrics,
};

const POLICY: &str = r"
version: 1
issuers:
  main: {issuer: https://issuer.example, audience: app, profile: orgate, keys: {file: keys.json}}
  away: {issuer: https://away.example, audience: app, profile: orgate, keys: {file: missing.json}}
identity: {also_strip: [X-User-Id]}
rules:
  ANY /public: public
  ANY /me: authenticated
  GET /orgs/{org_id}/things: read
  DELETE /orgs/{org_id}: delete_org
";

pub(super) struct Guarded {
    pub(super) recorder: Recorder,
    pub(super) address: SocketAddr,
    pub(super) metrics: Arc<Metrics>,
    _directory: Directory,
}

/// A directory that goes with the test.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("orgate-door-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("written");
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Guarded {
    pub(super) async fn new() -> Self {
        Self::with(Directory::new(), POLICY).await
    }

    pub(super) async fn with(directory: Directory, policy: &str) -> Self {
        Self::over(directory, policy, None, None).await
    }

    /// In front of another upstream than one that records.
    pub(super) async fn before(upstream: SocketAddr) -> Self {
        Self::over(Directory::new(), POLICY, Some(upstream), None).await
    }

    /// With TLS on its listener.
    pub(super) async fn with_tls(directory: Directory, policy: &str, tls: Tls) -> Self {
        Self::over(directory, policy, None, Some(tls)).await
    }

    async fn over(
        directory: Directory,
        policy: &str,
        upstream: Option<SocketAddr>,
        tls: Option<Tls>,
    ) -> Self {
        directory.write("keys.json", &jwks([TestKey::es256()]));
        let policy = directory.write("orgate.yaml", policy);
        let gate = orgate::Gate::load(&policy).await.expect("a policy");
        let recorder = Recorder::ok().await;
        let upstream = format!("http://{}", upstream.unwrap_or(recorder.address));
        let upstream = Upstream::new(&upstream, UpstreamSettings::default()).expect("an upstream");
        let metrics = Arc::new(Metrics::new(gate.parts().policy().rules().map(|(rule, _)| rule)));
        let door = ProxyDoor::new(Hall::new(gate, Arc::clone(&metrics), None), upstream);
        let listener = Listener::bind("proxy", "127.0.0.1:0", "--listen").await.expect("a port");
        let listener = match tls {
            Some(tls) => listener.with_tls(tls),
            None => listener,
        };
        let address = listener.address();
        tokio::spawn(serve::serve(listener, door, Limits::default().with_http2(), Shutdown::new()));
        Self { recorder, address, metrics, _directory: directory }
    }

    pub(super) async fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.address).await.expect("a connection"))
    }

    pub(super) async fn ask(&self, request: &str) -> Answer {
        let mut client = self.connect().await;
        client.send(request).await;
        client.answer().await
    }

    #[track_caller]
    pub(super) fn saw_nothing(&self) {
        assert_eq!(self.recorder.seen().len(), 0);
    }
}

pub(super) fn token(issuer: &str) -> String {
    token_for(issuer, 300)
}

/// One that ends in so many seconds.
pub(super) fn token_for(issuer: &str, seconds: i64) -> String {
    let now = orgate::clock::now().seconds();
    let mut claims = access_token_claims(issuer, "app", now);
    claims["exp"] = (now + seconds).into();
    TestKey::es256().mint(&claims)
}

fn with_token(line: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", token("https://issuer.example"))
}

#[tokio::test]
async fn a_caller_with_the_permission_passes_with_identity() {
    let guarded = Guarded::new().await;
    let answer = guarded.ask(&with_token("GET /orgs/org_acme/things?x=1")).await;
    assert_eq!((answer.status(), answer.text()), (200, "ok"));
    let head = guarded.recorder.only().head;
    assert!(head.starts_with("GET /orgs/org_acme/things?x=1 HTTP/1.1\r\n"), "{head}");
    for (name, value) in [
        ("x-orgate-sub", "usr_ann"),
        ("x-orgate-org-id", "org_acme"),
        ("x-orgate-org-slug", "acme"),
        ("x-orgate-role", "member"),
        ("x-orgate-permissions", "read,write"),
        ("x-orgate-issuer", "https://issuer.example"),
        ("x-orgate-auth", "token"),
    ] {
        assert_eq!(only_header(&head, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(only_header(&head, "x-request-id").map(|id| id.len()), Some(26));
}

#[tokio::test]
async fn refusals_have_one_shape_and_the_upstream_sees_none_of_them() {
    let guarded = Guarded::new().await;
    for (request, status, code) in [
        ("GET /me HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 401, "no_credential"),
        (
            "GET /me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x.y.z\r\n\r\n".to_owned(),
            401,
            "invalid_token",
        ),
        (with_token("DELETE /orgs/org_acme"), 403, "missing_permission"),
        (with_token("GET /orgs/org_other/things"), 403, "org_mismatch"),
        (with_token("GET /nowhere"), 403, "no_rule"),
        (with_token("POST /orgs/org_acme/things"), 403, "method_not_covered"),
        (with_token("TRACE /public"), 400, "bad_request"),
        (with_token("GET /public/../me"), 400, "bad_request_target"),
        (with_token("OPTIONS *"), 400, "bad_request_target"),
        (with_token("CONNECT a:80"), 400, "bad_request"),
        (with_token("GET http://b/public"), 400, "bad_request_target"),
        ("GET /public HTTP/1.1\r\n\r\n".to_owned(), 400, "bad_request"),
        ("GET /public HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_owned(), 400, "bad_request"),
        (
            "POST /public HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: 1\r\n\r\nx".to_owned(),
            417,
            "expectation_failed",
        ),
        ("POST /public HTTP/1.1\r\nHost: a\r\nContent_Length: 1\r\n\r\nx".to_owned(), 400, "bad_request"),
    ] {
        let answer = guarded.ask(&request).await;
        let line = request.lines().next().unwrap_or_default();
        assert_eq!(answer.status(), status, "{line}: {answer:?}");
        let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("a problem");
        assert_eq!(body["code"], code, "{line}: {body}");
        assert_eq!(body["request_id"].as_str().map(str::len), Some(26), "{line}: {body}");
        assert_eq!(answer.header("content-type").as_deref(), Some("application/problem+json"), "{line}");
    }
    guarded.saw_nothing();
}

#[tokio::test]
async fn an_issuer_without_keys_is_503_and_the_others_go_on() {
    let guarded = Guarded::new().await;
    let away = format!(
        "GET /me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n",
        token("https://away.example")
    );
    let answer = guarded.ask(&away).await;
    assert_eq!(answer.status(), 503);
    assert!(
        answer.text().contains("keys_unavailable") && answer.header("retry-after").is_some(),
        "{answer:?}"
    );
    assert_eq!(guarded.ask(&with_token("GET /me")).await.status(), 200);
    assert_eq!(guarded.ask("GET /public HTTP/1.1\r\nHost: a\r\n\r\n").await.status(), 200);
}

#[tokio::test]
async fn a_public_route_passes_without_any_identity() {
    let guarded = Guarded::new().await;
    let token = token("https://issuer.example");
    let answer = guarded
        .ask(&format!(
            "GET /public HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nX-Orgate-Sub: eve\r\nX_Orgate_Role: owner\r\n\
             X-User-Id: eve\r\nx_user_id: eve\r\n\r\n"
        ))
        .await;
    assert_eq!(answer.status(), 200);
    let head = guarded.recorder.only().head.to_lowercase();
    assert!(!head.contains("orgate-") && !head.contains("orgate_") && !head.contains("eve"), "{head}");
}

#[tokio::test]
async fn absolute_form_is_forwarded_as_the_path_that_was_judged() {
    let guarded = Guarded::new().await;
    let answer = guarded.ask("GET http://a/public?q HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.status(), 200);
    assert!(guarded.recorder.only().head.starts_with("GET /public?q HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_refused_body_is_not_asked_for() {
    let guarded = Guarded::new().await;
    let mut client = guarded.connect().await;
    client.send("POST /me HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.header("connection").as_deref(), Some("close"));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_short_refused_body_leaves_the_connection_usable() {
    let guarded = Guarded::new().await;
    let mut client = guarded.connect().await;
    client.send("POST /me HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 401);
    client.send(vec![b'G'; 40_000]).await;
    client.send("GET /public HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 200);
    assert!(guarded.recorder.only().head.starts_with("GET /public "));
}

#[tokio::test]
async fn a_long_refused_body_ends_the_connection_and_the_answer_still_arrives() {
    let guarded = Guarded::new().await;
    let mut client = guarded.connect().await;
    client.send("POST /me HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n").await;
    client.send(vec![b'x'; 400_000]).await;
    client.send("GET /public HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 401);
    assert!(client.is_closed().await);
    guarded.saw_nothing();
}

#[tokio::test]
async fn requests_are_counted_by_rule_and_code() {
    let guarded = Guarded::new().await;
    guarded.ask(&with_token("GET /me")).await;
    guarded.ask("GET /me HTTP/1.1\r\nHost: a\r\n\r\n").await;
    guarded.ask("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let text = guarded.metrics.render();
    for line in [
        r#"orgate_requests_total{rule="ANY /me",code="allowed"} 1"#,
        r#"orgate_requests_total{rule="ANY /me",code="no_credential"} 1"#,
        r#"orgate_requests_total{rule="",code="no_rule"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
