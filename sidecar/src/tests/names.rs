//! Names of requests, and contexts of traces where nothing is traced.

use orgate_testkit::{TestKey, jwks};

use super::{
    door::{Directory, Guarded, token},
    *,
};
use crate::{
    doors::{Hall, ProxyDoor},
    metrics::Metrics,
    trust::TrustedPeers,
};

const POLICY: &str = "version: 1
issuers:
  main: {issuer: https://issuer.example, audience: app, profile: orgate, keys: {file: keys.json}}
identity: {sign: {issuer: https://gate.example.com, audience: notes}}
rules:
  GET /me: authenticated
";

/// A door that believes this machine.
async fn trusting(recorder: &Recorder, directory: &Directory) -> SocketAddr {
    directory.write("keys.json", &jwks([TestKey::es256()]));
    let gate = orgate::Gate::load(directory.write("orgate.yaml", POLICY)).await.expect("a policy");
    let url = format!("http://{}", recorder.address);
    let upstream = Upstream::new(&url, UpstreamSettings::default()).expect("an upstream");
    let door = ProxyDoor::new(Hall::new(gate, Arc::new(Metrics::new([])), None), upstream);
    let listener = Listener::bind("proxy", "127.0.0.1:0", "--listen").await.expect("a port");
    let networks = ["127.0.0.0/8".parse().expect("a network")];
    let listener = listener.trusting(TrustedPeers::new(&networks, false));
    let address = listener.address();
    tokio::spawn(serve::serve(listener, door, Limits::default().with_http2(), Shutdown::new()));
    address
}

fn me(more: &str) -> String {
    let token = token("https://issuer.example");
    format!("GET /me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n{more}\r\n")
}

#[tokio::test]
async fn a_request_has_one_name_everywhere_and_a_stranger_gives_none() {
    let guarded = Guarded::new().await;
    let passed = guarded.ask(&me("X-Request-Id: of-a-stranger\r\n")).await;
    let id = passed.header("x-request-id").expect("an id");
    assert_eq!(only_header(&guarded.recorder.only().head, "x-request-id").as_ref(), Some(&id));
    assert_eq!(id.len(), 26);
    for refused in [
        "GET /me HTTP/1.1\r\nHost: a\r\nX-Request-Id: of-a-stranger\r\n\r\n",
        "GET /a//b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /me HTTP/1.1\r\nHost: a\r\nContent_Length: 1\r\n\r\n",
    ] {
        let refused = guarded.ask(refused).await;
        let body: serde_json::Value = serde_json::from_slice(&refused.body).expect("JSON");
        assert_eq!(refused.header("x-request-id").as_deref(), body["request_id"].as_str());
        assert!(refused.header("x-request-id").is_some_and(|id| id.len() == 26));
    }
}

#[tokio::test]
async fn a_trusted_peer_names_its_requests_and_no_assertion_takes_the_name() {
    let (recorder, directory) = (Recorder::ok().await, Directory::new());
    let address = trusting(&recorder, &directory).await;
    let ask = async |request: String| {
        let mut client = Client::new(TcpStream::connect(address).await.expect("a connection"));
        client.send(request).await;
        client.answer().await
    };
    let passed = ask(me("X-Request-Id: Root=1-6789:a/b\r\n")).await;
    assert_eq!(passed.header("x-request-id").as_deref(), Some("Root=1-6789:a/b"));
    let head = recorder.only().head;
    assert_eq!(only_header(&head, "x-request-id").as_deref(), Some("Root=1-6789:a/b"));
    let assertion = only_header(&head, "x-orgate-assertion").expect("signed");
    let claims = claims_of(&assertion);
    assert_eq!(claims["jti"].as_str().map(str::len), Some(26), "{claims}");
    let refused = ask("GET /me HTTP/1.1\r\nHost: a\r\nX-Request-Id: abc\r\n\r\n".to_owned()).await;
    assert!(refused.text().contains("\"request_id\":\"abc\""), "{}", refused.text());
    for wrong in ["X-Request-Id: a b\r\n", "X-Request-Id: a\r\nX-Request-Id: b\r\n", "X-Request-Id: <a>\r\n"]
    {
        assert!(ask(me(wrong)).await.header("x-request-id").is_some_and(|id| id.len() == 26), "{wrong}");
    }
}

/// The claims of a token, unverified.
fn claims_of(token: &str) -> serde_json::Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let payload = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
}

#[tokio::test]
async fn where_nothing_is_traced_contexts_pass_as_they_came() {
    let guarded = Guarded::new().await;
    for (parent, state) in [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "rojo=1"),
        ("nonsense", "also = nonsense,"),
    ] {
        guarded.ask(&me(&format!("traceparent: {parent}\r\ntracestate: {state}\r\n"))).await;
        let head = guarded.recorder.seen().pop().expect("asked").head;
        assert_eq!(only_header(&head, "traceparent").as_deref(), Some(parent));
        assert_eq!(only_header(&head, "tracestate").as_deref(), Some(state));
    }
}
