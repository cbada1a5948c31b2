//! What the application is told follows the policy that judged the request, also where it was read again.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use orgate_testkit::{TestKey, access_token_claims, jwks};

use super::{door::Directory, *};
use crate::{
    doors::{Hall, ProxyDoor},
    metrics::Metrics,
};

fn policy(identity: &str) -> String {
    format!(
        "version: 1
issuers:
  main: {{issuer: https://issuer.example, audience: app, profile: orgate, keys: {{file: keys.json}}}}
identity: {identity}
rules:
  GET /open: public
"
    )
}

#[tokio::test]
async fn a_prefix_that_a_reload_brings_is_stripped_at_once() {
    let directory = Directory::new();
    directory.write("keys.json", &jwks([TestKey::es256()]));
    let path = directory.write("orgate.yaml", &policy("{prefix: X-Old, also_strip: [x-a]}"));
    let gate = orgate::Gate::load(&path).await.expect("a policy");
    let recorder = Recorder::ok().await;
    let upstream = Upstream::new(&format!("http://{}", recorder.address), UpstreamSettings::default())
        .expect("an upstream");
    let door = ProxyDoor::new(Hall::new(gate.clone(), Arc::new(Metrics::new([])), None), upstream);
    let listener = Listener::bind("proxy", "127.0.0.1:0", "--listen").await.expect("a port");
    let address = listener.address();
    tokio::spawn(serve::serve(listener, door, Limits::default(), Shutdown::new()));

    let request = "GET /open HTTP/1.1\r\nHost: a\r\nX-Old-Sub: o\r\nX-New-Sub: n\r\nX-A: a\r\nX-B: b\r\n\r\n";
    let sent_on = async |number: usize| {
        let mut client = Client::new(TcpStream::connect(address).await.expect("a connection"));
        client.send(request).await;
        assert_eq!(client.answer().await.status(), 200);
        let head = recorder.seen().get(number).expect("a request").head.clone();
        ["x-old-sub", "x-new-sub", "x-a", "x-b"].map(|name| only_header(&head, name).is_some())
    };
    assert_eq!(sent_on(0).await, [false, true, false, true]);
    directory.write("orgate.yaml", &policy("{prefix: X-New, also_strip: [x-b]}"));
    gate.reload(&path).await.expect("a policy");
    assert_eq!(sent_on(1).await, [true, false, true, false]);
}

#[tokio::test]
async fn an_assertion_is_for_the_method_and_the_path_that_the_application_serves() {
    let directory = Directory::new();
    directory.write("keys.json", &jwks([TestKey::es256()]));
    let policy = "version: 1
issuers:
  main: {issuer: https://issuer.example, audience: app, profile: orgate, keys: {file: keys.json}}
identity: {sign: {issuer: https://gate.example, audience: notes}}
paths: {profile: rails}
rules:
  POST|DELETE /notes/{id}: authenticated
";
    let guarded = door::Guarded::with(directory, policy).await;
    let now = orgate::clock::now().seconds();
    let token = TestKey::es256().mint(&access_token_claims("https://issuer.example", "app", now));
    for (more, method) in [("", "POST"), ("X-HTTP-Method-Override: DELETE\r\n", "DELETE")] {
        let mut client = Client::new(TcpStream::connect(guarded.address).await.expect("a connection"));
        let request = format!(
            "POST /notes/1?x=2 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nX-Orgate-Assertion: a.b.c\r\n\
             {more}Content-Length: 0\r\n\r\n"
        );
        client.send(&request).await;
        assert_eq!(client.answer().await.status(), 200, "{method}");
        let head = guarded.recorder.seen().pop().expect("a request").head;
        let assertion = only_header(&head, "x-orgate-assertion").expect("an assertion");
        let claims = assertion.split('.').nth(1).expect("claims");
        let claims: serde_json::Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64url")).expect("JSON");
        assert_eq!((&claims["htm"], &claims["htu"]), (&method.into(), &"/notes/1".into()));
        assert_eq!(claims["sub"], "usr_ann");
    }
}
