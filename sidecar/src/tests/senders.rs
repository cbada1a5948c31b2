//! The proxy door with tokens that are bound to a key.

use orgate::SenderOptions;
use orgate_claims::UnixTime;
use orgate_testkit::{
    Certificate, TestKey, access_token_claims, b64url, dpop_claims, dpop_proof, thumbprint,
};
use serde_json::json;

use super::{
    door::{Directory, Guarded},
    tls::{Folder, handshake, trusting},
    *,
};

const POLICY: &str = "
version: 1
issuers:
  main:
    issuer: https://issuer.example
    audience: app
    profile: orgate
    keys: {file: keys.json}
    dpop: {mode: allowed, nonce: {file: nonces}}
identity: {forward_token: strip}
rules:
  GET /docs: read
";

const SECRET: &str = "what every gate of the service knows";

fn request(token: &str, proof: &str) -> String {
    format!(
        "GET /docs?a=b HTTP/1.1\r\nHost: app.example\r\nAuthorization: DPoP {token}\r\nDPoP: {proof}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_proof_with_the_nonce_passes_once_and_ends_at_the_proxy() {
    let directory = Directory::new();
    directory.write("nonces", SECRET);
    let guarded = Guarded::with(directory, POLICY).await;
    let now = orgate::clock::now().seconds();
    let key = TestKey::eddsa();
    let mut claims = access_token_claims("https://issuer.example", "app", now);
    claims["cnf"] = json!({"jkt": thumbprint(key)});
    let token = TestKey::es256().mint(&claims);
    let proof = |id: &str, nonce: Option<&str>| {
        let mut claims = dpop_claims(id, "GET", "https://app.example/docs", &token, now);
        claims["nonce"] = nonce.into();
        dpop_proof(key, &claims)
    };

    let refused = guarded.ask(&request(&token, &proof("1", None))).await;
    assert_eq!(refused.status(), 401);
    assert!(refused.head.contains("DPoP realm=\"orgate\", error=\"use_dpop_nonce\""), "{}", refused.head);
    assert!(refused.head.contains("Bearer realm=\"orgate\"\r\n"), "{}", refused.head);
    let nonce = refused.header("dpop-nonce").expect("a nonce");
    guarded.saw_nothing();

    let passed = request(&token, &proof("2", Some(&nonce)));
    let answer = guarded.ask(&passed).await;
    assert_eq!((answer.status(), answer.text()), (200, "ok"));
    let head = guarded.recorder.only().head;
    for name in ["authorization", "dpop"] {
        assert_eq!(only_header(&head, name), None, "{head}");
    }
    assert_eq!(guarded.ask(&passed).await.status(), 401, "the same once more");

    // The nonce of the two minutes before is taken, and the next one is told.
    let nonces = SenderOptions::make_nonces(Some(SECRET)).expect("nonces");
    let before = nonces.current(UnixTime::from_seconds(orgate::clock::now().seconds() - 120));
    let renewed = guarded.ask(&request(&token, &proof("3", Some(&before)))).await;
    assert_eq!(renewed.status(), 200);
    assert!(renewed.header("dpop-nonce").is_some_and(|next| next != before), "{}", renewed.head);
}

#[tokio::test]
async fn a_token_bound_to_a_certificate_passes_with_that_certificate_alone() {
    let bound = POLICY.replace("dpop: {mode: allowed, nonce: {file: nonces}}", "mtls: allowed");
    let (folder, authority, clients) =
        (Folder::new(), Certificate::authority("test"), Certificate::authority("clients"));
    let files = folder.with_clients(&authority.issue("localhost"), &clients, false);
    let guarded = Guarded::with_tls(Directory::new(), &bound, Tls::load(files).expect("it stands")).await;
    let (own, other) = (clients.issue("billing"), clients.issue("billing"));
    let mut claims = access_token_claims("https://issuer.example", "app", orgate::clock::now().seconds());
    let thumbprint = b64url(orgate::CertificateThumbprint::of_der(own.der()).to_bytes());
    claims["cnf"] = json!({"x5t#S256": thumbprint});
    let token = TestKey::es256().mint(&claims);
    let request = format!("GET /docs HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
    for (shown, status) in [(Some(&own), 200), (Some(&other), 401), (None, 401), (Some(&own), 200)] {
        let stream = handshake(guarded.address, &trusting(&authority, shown, &[])).await.expect("TLS");
        let mut client = Client::new(stream);
        client.send(&request).await;
        assert_eq!(client.answer().await.status(), status, "{}", shown.is_some());
    }
    assert_eq!(guarded.recorder.seen().len(), 2);
}
