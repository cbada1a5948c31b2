//! The doors that forward nothing, from socket to socket: what a front is told, and that a no is never a yes to it.

use orgate_testkit::{TestKey, access_token_claims, jwks};
use serde_json::json;

use super::{
    door::{Directory, token},
    http2::{Answer2, ask, connect, request},
    *,
};
use crate::{
    doors::{ExtAuthzDoor, ForwardAuthDoor, Hall},
    metrics::Metrics,
};

const POLICY: &str = r#"
version: 1
issuers:
  main:
    issuer: https://issuer.example
    audience: app
    profile: orgate
    keys: {file: keys.json}
    mtls: allowed
  away: {issuer: https://away.example, audience: app, profile: orgate, keys: {file: missing.json}}
authenticators:
  hooks: {type: webhook, scheme: github, secret: {file: secret}}
token: {from: [bearer, {query: access_token}, {cookie: session}]}
identity: {forward_token: strip, also_strip: [X-User-Id]}
deny: {redirect: {login: /login, organizations: /organizations}}
cors:
  preflight:
    answer: {origins: ["https://app.example"]}
resource: {url: "https://app.example"}
rules:
  GET /open: public
  GET|POST /docs: read
  DELETE /docs: delete_org
  GET /orgs/{org_id}: read
  POST /hook: via(hooks)
"#;

struct Open {
    forward_auth: SocketAddr,
    ext_authz: SocketAddr,
    _directory: Directory,
}

async fn open(policy: &str) -> Open {
    let directory = Directory::new();
    directory.write("keys.json", &jwks([TestKey::es256()]));
    directory.write("secret", "what the sender and the gate know");
    let gate = orgate::Gate::load(&directory.write("orgate.yaml", policy)).await.expect("a policy");
    let hall = Hall::new(gate, Arc::new(Metrics::new([])), None);
    let forward_auth = serve(ForwardAuthDoor::new(Arc::clone(&hall))).await;
    let ext_authz = serve(ExtAuthzDoor::new(hall)).await;
    Open { forward_auth, ext_authz, _directory: directory }
}

async fn serve(door: impl Handler + Sync) -> SocketAddr {
    let listener = Listener::bind("door", "127.0.0.1:0", "--door").await.expect("a port");
    let address = listener.address();
    tokio::spawn(serve::serve(listener, door, Limits::default().with_http2(), Shutdown::new()));
    address
}

/// In a box: the client is large, and a test asks often.
async fn say(address: SocketAddr, text: &str) -> Answer {
    let asked = async {
        let mut client = Client::new(TcpStream::connect(address).await.expect("a connection"));
        client.send(text).await;
        client.answer().await
    };
    Box::pin(asked).await
}

/// What nginx asks at `path` about a GET.
async fn forward_auth(open: &Open, path: &str, target: &str, lines: &str) -> Answer {
    let asked = format!(
        "GET {path} HTTP/1.1\r\nHost: gate\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Proto: https\r\n\
         X-Forwarded-Host: app.example\r\nX-Forwarded-Uri: {target}\r\n{lines}\r\n"
    );
    say(open.forward_auth, &asked).await
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn code(answer: &Answer) -> String {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    format!("{} {}", answer.status(), body["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_body_that_is_announced_and_not_sent_keeps_nobody_waiting() {
    let open = open(POLICY).await;
    let lines = "Content-Length: 40\r\n";
    let answer = forward_auth(&open, "/", "/open", lines).await;
    assert_eq!(answer.status(), 200);
    // What comes next on the connection must not be taken for the body, nor the rest of it for a question.
    assert_eq!(answer.header("connection").as_deref(), Some("close"));
    let answer =
        say(open.ext_authz, "GET /open HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!((answer.status(), answer.header("connection").as_deref()), (200, Some("close")));
    assert_eq!(forward_auth(&open, "/", "/open", "").await.header("connection"), None);
}

#[tokio::test]
async fn nginx_is_told_what_it_understands_and_the_rest_beside_it() {
    let open = open(POLICY).await;
    let (ours, away) = (bearer(&token("https://issuer.example")), bearer(&token("https://away.example")));
    let page = "Sec-Fetch-Mode: navigate\r\n";
    for (target, lines, status, told, named) in [
        ("/docs", String::new(), 401, 401, "401 no_credential"),
        ("/docs", page.to_owned(), 303, 401, "401 no_credential"),
        ("/orgs/org_evil", format!("{ours}{page}"), 303, 403, "403 org_mismatch"),
        ("/docs/../open", ours.clone(), 400, 403, "400 bad_request_target"),
        ("/docs", format!("{ours}{ours}"), 400, 403, "400 bad_request"),
        ("/nowhere", ours.clone(), 403, 403, "403 no_rule"),
        ("/docs", away, 503, 500, "503 keys_unavailable"),
    ] {
        assert_eq!(forward_auth(&open, "/", target, &lines).await.status(), status, "{target} {named}");
        assert_eq!(
            forward_auth(&open, "/nginxes", target, &lines).await.status(),
            status,
            "{target} {named}"
        );
        for path in ["/nginx", "/nginx/", "/nginx?x"] {
            let answer = forward_auth(&open, path, target, &lines).await;
            assert_eq!(answer.status(), told, "{target} {named}");
            assert_eq!(answer.header("x-orgate-refused").as_deref(), Some(named));
        }
    }
    let answer = forward_auth(&open, "/nginx", "/docs", &ours).await;
    assert_eq!((answer.status(), answer.header("x-orgate-refused")), (200, None));
    let answer = say(open.forward_auth, "GET /nginx HTTP/1.1\r\nHost: gate\r\n\r\n").await;
    assert_eq!(answer.header("x-orgate-refused").as_deref(), Some("400 bad_request"));
}

#[tokio::test]
async fn what_cannot_be_seen_or_done_through_a_door_is_refused() {
    let open = open(POLICY).await;
    let ours = token("https://issuer.example");
    // The target would go on as it is, with the token in it.
    let in_query = format!("/docs?access_token={ours}");
    assert_eq!(code(&forward_auth(&open, "/", &in_query, "").await), "400 bad_request_target");
    let line = format!("GET {in_query} HTTP/1.1\r\nHost: app.example\r\n\r\n");
    assert_eq!(code(&say(open.ext_authz, &line).await), "400 bad_request_target");
    // A signature is over the body, and there is none.
    let hook = "X-Hub-Signature-256: sha256=00\r\n\r\n";
    let asked = "GET / HTTP/1.1\r\nHost: gate\r\nX-Original-Method: POST\r\nX-Original-URI: /hook\r\n";
    assert_eq!(code(&say(open.forward_auth, &format!("{asked}{hook}")).await), "401 invalid_token");
    let hook = format!("POST /hook HTTP/1.1\r\nHost: app.example\r\n{hook}");
    assert_eq!(code(&say(open.ext_authz, &hook).await), "401 invalid_token");
    // The certificate of the connection is the front's, whoever it is.
    let mut claims = access_token_claims("https://issuer.example", "app", orgate::clock::now().seconds());
    claims["cnf"] = json!({"x5t#S256": "A".repeat(43)});
    let bound = bearer(&TestKey::es256().mint(&claims));
    assert_eq!(code(&forward_auth(&open, "/", "/docs", &bound).await), "401 invalid_token");
    // An answer that means yes cannot be the gate's own.
    let preflight = "Origin: https://app.example\r\nAccess-Control-Request-Method: DELETE\r\n\r\n";
    let asked = format!("OPTIONS /docs HTTP/1.1\r\nHost: app.example\r\n{preflight}");
    assert_eq!(say(open.ext_authz, &asked).await.status(), 204);
    let asked = format!(
        "GET / HTTP/1.1\r\nHost: gate\r\nX-Original-Method: OPTIONS\r\nX-Original-URI: /docs\r\n{preflight}"
    );
    assert_eq!(code(&say(open.forward_auth, &asked).await), "403 denied");
    let document = "/.well-known/oauth-protected-resource";
    assert_eq!(code(&forward_auth(&open, "/", document, "").await), "403 denied");
    let asked = format!("GET {document} HTTP/1.1\r\nHost: app.example\r\n\r\n");
    assert_eq!(code(&say(open.ext_authz, &asked).await), "403 denied");
    // To Envoy 5xx is no answer.
    let away = bearer(&token("https://away.example"));
    let answer = say(open.ext_authz, &format!("GET /docs HTTP/1.1\r\nHost: app.example\r\n{away}\r\n")).await;
    assert_eq!(code(&answer), "403 keys_unavailable");
    assert_eq!(answer.header("x-orgate-refused").as_deref(), Some("503 keys_unavailable"));
}

#[tokio::test]
async fn a_rule_for_a_host_is_not_passed_by_without_one() {
    let open = open(
        &POLICY.replace("  GET /open: public", "  GET /open: public\n  GET admin.example/open: delete_org"),
    )
    .await;
    let asked = async |lines: &str| {
        let line = "GET / HTTP/1.1\r\nHost: gate\r\nX-Original-Method: GET\r\nX-Original-URI: /open\r\n";
        code(&say(open.forward_auth, &format!("{line}{lines}\r\n")).await)
    };
    assert_eq!(asked("").await, "400 bad_request");
    assert_eq!(asked("X-Original-Host: app.example\r\n").await, "200 ");
    assert_eq!(asked("X-Original-Host: admin.example\r\n").await, "401 no_credential");
    let line = "GET / HTTP/1.1\r\nHost: gate\r\nX-Original-Method: GET\r\nX-Original-URI: http://ADMIN.example/open\r\n\r\n";
    assert_eq!(code(&say(open.forward_auth, line).await), "401 no_credential");
}

/// A field of a message that has a length (Protocol Buffers, wire type 2).
fn field(number: u8, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).expect("seven bits"));
    out.extend_from_slice(bytes);
    out
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for at in 0.. {
        let (first, rest) = bytes.split_first().expect("a byte");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << (7 * at);
        if first & 0x80 == 0 {
            break;
        }
    }
    value
}

/// The fields `number` of a message; a number as its bytes.
fn fields(mut message: &[u8], number: u64) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let value = match key & 7 {
            0 => varint(&mut message).to_be_bytes().to_vec(),
            2 => {
                let length = usize::try_from(varint(&mut message)).expect("a length");
                let (value, rest) = message.split_at(length);
                message = rest;
                value.to_vec()
            }
            other => panic!("wire type {other}"),
        };
        if key >> 3 == number {
            found.push(value);
        }
    }
    found
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn with(authorization: &str) -> [(&str, &str); 1] {
    [("authorization", authorization)]
}

/// What Envoy asks about this request, in its frame.
fn check(method: &str, path: &[u8], headers: &[(&str, &str)], more: &[u8]) -> Vec<u8> {
    let lines: Vec<u8> = headers
        .iter()
        .flat_map(|(name, value)| field(1, [field(1, name), field(3, value)].concat()))
        .collect();
    let http =
        [field(2, method), field(4, path), field(5, "app.example"), field(13, lines), more.to_vec()].concat();
    framed(&field(1, field(4, field(2, http))))
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a length");
    [&[0], length.to_be_bytes().as_slice(), message].concat()
}

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

async fn call(open: &Open, message: &[u8]) -> Answer2 {
    let mut sender = connect(open.ext_authz).await;
    let request = request("POST", CHECK).header("content-type", "application/grpc").header("te", "trailers");
    let body = Either::Left(Full::new(Bytes::copy_from_slice(message)));
    super::http2::send(&mut sender, request.body(body).expect("a request")).await
}

/// `allow`, or the status and the code that the client is told; and the message itself.
async fn verdict(open: &Open, message: &[u8]) -> (String, Vec<u8>) {
    let answer = call(open, message).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.trailers.expect("trailers")["grpc-status"], "0");
    let message = answer.body[5..].to_vec();
    let status = fields(&message, 1).first().map(|status| fields(status, 1)).expect("a status");
    match (fields(&message, 2).first(), fields(&message, 3).first()) {
        (None, Some(_)) => {
            assert!(status.is_empty(), "only the status OK is a yes");
            ("allow".to_owned(), message)
        }
        (Some(denied), None) => {
            assert!(!status.is_empty(), "the status OK would be a yes");
            let code = fields(&fields(denied, 1)[0], 1)[0].clone();
            let code = u64::from_be_bytes(code.try_into().expect("a number"));
            let body = fields(denied, 3).first().map(|body| text(body)).unwrap_or_default();
            let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
            (format!("{code} {}", body["code"].as_str().unwrap_or_default()), message)
        }
        other => panic!("{other:?}"),
    }
}

/// Name, value and whether it is a further line, of the options in fields `number`.
fn options(message: &[u8], number: u64) -> Vec<(String, String, bool)> {
    let option = |option: Vec<u8>| {
        let header = fields(&option, 1).remove(0);
        let part = |number| fields(&header, number).first().map(|part| text(part)).unwrap_or_default();
        (part(1), part(2), !fields(&fields(&option, 2)[0], 1).is_empty())
    };
    fields(message, number).into_iter().map(option).collect()
}

#[tokio::test]
async fn envoy_is_told_what_to_set_and_what_to_remove() {
    let open = open(POLICY).await;
    let ours = format!("Bearer {}", token("https://issuer.example"));
    let headers = [
        ("authorization", &*ours),
        ("cookie", "a=1; b=2"),
        ("x-orgate-sub", "root"),
        ("x_orgate_sub", "root"),
        ("x.orgate.role", "owner"),
        ("x-orgate-assertion", "a.b.c"),
        ("x_user_id", "root"),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/open"),
        ("x-request-id", "of envoy"),
        ("x-forwarded-proto", "https"),
        ("x_forwarded_proto", "http"),
        ("accept", "*/*"),
    ];
    let (told, message) = verdict(&open, &check("GET", b"/docs?a=b", &headers, &[])).await;
    assert_eq!(told, "allow");
    let ok = fields(&message, 3).remove(0);
    let set = options(&ok, 2);
    assert!(set.contains(&("x-orgate-sub".to_owned(), "usr_ann".to_owned(), false)), "{set:?}");
    assert!(set.iter().all(|(name, ..)| name.starts_with("x-orgate-")), "{set:?}");
    let mut removed: Vec<String> = fields(&ok, 5).iter().map(|name| text(name)).collect();
    removed.sort();
    assert_eq!(
        removed,
        [
            "authorization",
            "x-http-method-override",
            "x-orgate-assertion",
            "x-original-url",
            "x.orgate.role",
            "x_forwarded_proto",
            "x_orgate_sub",
            "x_user_id",
        ]
    );
    let metadata = fields(&message, 4).remove(0);
    assert!(String::from_utf8_lossy(&metadata).contains("GET|POST /docs"), "{metadata:?}");

    // One cookie is the credential, and the others stay.
    let cookie = format!("a=1; session={}; b=2", token("https://issuer.example"));
    let headers = [("cookie", &*cookie), ("sec-fetch-site", "same-origin")];
    let (told, message) = verdict(&open, &check("GET", b"/docs", &headers, &[])).await;
    assert_eq!(told, "allow");
    let set = options(&fields(&message, 3)[0], 2);
    assert!(set.contains(&("cookie".to_owned(), "a=1; b=2".to_owned(), false)), "{set:?}");
}

#[tokio::test]
async fn every_no_to_envoy_is_a_denial() {
    let open = open(POLICY).await;
    let ours = format!("Bearer {}", token("https://issuer.example"));
    let away = format!("Bearer {}", token("https://away.example"));
    for (message, expected) in [
        (check("GET", b"/docs", &[], &[]), "401 no_credential"),
        (check("DELETE", b"/docs", &with(&ours), &[]), "403 missing_permission"),
        (check("GET", b"/docs", &with(&away), &[]), "503 keys_unavailable"),
        (check("GET", b"/docs/../open", &with(&ours), &[]), "400 bad_request_target"),
        (check("GET", b"/open#", &[], &[]), "400 bad_request_target"),
        (check("GET", "/open\u{ff0f}".as_bytes(), &[], &[]), "400 bad_request_target"),
        (check("GET", b"", &[], &[]), "400 bad_request_target"),
        (check("CONNECT", b"", &[], &[]), "400 bad_request"),
        (check("GET", b"/open\xff", &[], &[]), "400 bad_request"),
        (check("GET", b"/open", &[("a b", "")], &[]), "400 bad_request"),
        (framed(&[]), "400 bad_request"),
        (framed(b"\xff\xff"), "400 bad_request"),
        (Vec::new(), "400 bad_request"),
        ([1].iter().chain(&check("GET", b"/open", &[], &[])[1..]).copied().collect(), "400 bad_request"),
        ([check("GET", b"/open", &[], &[]), vec![0]].concat(), "400 bad_request"),
        (check("GET", b"/open", &[("a", &"b".repeat(3 * 1024 * 1024))], &[]), "400 bad_request"),
    ] {
        assert_eq!(verdict(&open, &message).await.0, expected);
    }
    let preflight = [("origin", "https://app.example"), ("access-control-request-method", "GET")];
    let (told, message) = verdict(&open, &check("OPTIONS", b"/docs", &preflight, &[])).await;
    assert_eq!(told, "204 ");
    let headers = options(&fields(&message, 2)[0], 2);
    assert!(headers.iter().any(|(name, ..)| name == "access-control-allow-origin"), "{headers:?}");
}

#[tokio::test]
async fn a_signed_delivery_needs_its_whole_body() {
    let open = open(POLICY).await;
    // HMAC-SHA-256 of the body under the secret.
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"what the sender and the gate know");
    let tag = aws_lc_rs::hmac::sign(&key, b"{\"a\":1}");
    let signature: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let signature = format!("sha256={signature}");
    let asked = |partial: &str, body: &str| {
        let headers = [("x-hub-signature-256", &*signature), ("x-envoy-auth-partial-body", partial)];
        check("POST", b"/hook", &headers, &field(12, body))
    };
    assert_eq!(verdict(&open, &asked("true", "{\"a\":1}")).await.0, "401 invalid_token");
    assert_eq!(verdict(&open, &asked("false", "{\"a\":2}")).await.0, "401 invalid_token");
    assert_eq!(verdict(&open, &asked("false", "")).await.0, "401 invalid_token");
    assert_eq!(verdict(&open, &asked("false", "{\"a\":1}")).await.0, "allow");
}

#[tokio::test]
async fn what_is_no_call_of_envoy_is_no_200() {
    let open = open(POLICY).await;
    let mut sender = connect(open.ext_authz).await;
    for (path, kind, te, status) in [
        ("/open", "application/grpc", "trailers", 404),
        (CHECK, "application/json", "trailers", 415),
        (CHECK, "application/grpc-web", "trailers", 415),
        ("/open", "", "trailers", 415),
    ] {
        let mut asked = request("POST", path).header("te", te);
        if !kind.is_empty() {
            asked = asked.header("content-type", kind);
        }
        assert_eq!(ask(&mut sender, asked, "").await.status, status, "{path} {kind}");
    }
    let without_te = request("POST", CHECK).header("content-type", "application/grpc");
    assert_eq!(ask(&mut sender, without_te, "").await.status, 404);
    let get = request("GET", CHECK).header("content-type", "application/grpc").header("te", "trailers");
    assert_eq!(ask(&mut sender, get, "").await.status, 404);
    // Over HTTP/1.1 it is a request like any other, whatever it says of itself.
    let line =
        format!("POST {CHECK} HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nTE: trailers\r\n\r\n");
    assert_eq!(code(&say(open.ext_authz, &line).await), "403 no_rule");
}

#[tokio::test]
async fn an_observed_policy_refuses_nobody_and_says_what_it_would() {
    let observed = format!("{POLICY}mode: observe\nuntil: 2999-01-01\n");
    let open = open(&observed).await;
    let answer = forward_auth(&open, "/nginx", "/docs", "").await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.header("x-orgate-would").as_deref(), Some("401 no_credential"));
    assert_eq!(answer.header("x-orgate-sub").as_deref(), Some(""));
    let (told, message) = verdict(&open, &check("GET", b"/docs", &[], &[])).await;
    assert_eq!(told, "allow");
    let added = options(&fields(&message, 3)[0], 6);
    assert!(
        added.contains(&("x-orgate-would".to_owned(), "401 no_credential".to_owned(), false)),
        "{added:?}"
    );
    // A request with two readings is nobody's business to let pass.
    assert_eq!(verdict(&open, &check("GET", b"/docs/../open", &[], &[])).await.0, "400 bad_request_target");
}
