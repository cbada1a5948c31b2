//! Tokens that are bound to a key or to a certificate: what their senders have to show, and what thieves cannot.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use common::{AUDIENCE, ISSUER, Keys, NOW, RULES, Sent, check, policy, token_at, verdict_text};
use http::{HeaderMap, HeaderName, Request, Response, header::WWW_AUTHENTICATE};
use http_body_util::Full;
use orgate::{
    CertificateThumbprint, Checked, Gate, GateParts, IdentityOptions, SenderOptions, TokenOptions,
    TokenSource, Verdict,
};
use orgate_claims::{IssuerUrl, UnixTime};
use orgate_testkit::{TestKey, b64url, dpop_claims, dpop_header, dpop_proof, thumbprint};
use orgate_verify::{
    Binding::{self, Allowed, Off, Required},
    KeySource, TrustedIssuer, Verifier,
    dpop::PublicUrls,
};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt};

const URL: &str = "https://app.example/docs";

/// The key that tokens are bound to.
fn ours() -> &'static TestKey {
    TestKey::eddsa()
}

fn certificate() -> CertificateThumbprint {
    CertificateThumbprint::of_der(b"the certificate of the client")
}

fn parts(dpop: Binding, mtls: Binding) -> GateParts {
    parts_of(dpop, mtls, &loaded())
}

fn loaded() -> Arc<Keys> {
    let keys = Arc::new(Keys::default());
    keys.publish(&[TestKey::es256()]);
    keys.load();
    keys
}

fn parts_of(dpop: Binding, mtls: Binding, keys: &Arc<Keys>) -> GateParts {
    let issuer = TrustedIssuer::new(IssuerUrl::parse(ISSUER).unwrap(), vec![AUDIENCE.to_owned()]).unwrap();
    let source: Arc<dyn KeySource> = Arc::<Keys>::clone(keys);
    GateParts::new(policy(&RULES), Verifier::new(vec![(issuer.dpop(dpop).mtls(mtls), source)]).unwrap())
}

fn gate(dpop: Binding) -> Gate {
    Gate::new(parts(dpop, Off))
}

/// A token with `cnf`; none for `null`.
fn token_with(cnf: Value) -> String {
    token_at(NOW, &["read"], |claims| claims["cnf"] = cnf)
}

fn bound() -> String {
    token_with(json!({"jkt": thumbprint(ours())}))
}

/// A proof named `id` for `GET /docs` with `token`, changed by `edit`.
fn proof_but(id: &str, token: &str, edit: impl FnOnce(&mut Value)) -> String {
    let mut claims = dpop_claims(id, "GET", URL, token, NOW);
    edit(&mut claims);
    dpop_proof(ours(), &claims)
}

fn proof(id: &str, token: &str) -> String {
    proof_but(id, token, |_| {})
}

/// What the gate says, and the response to what it refuses.
fn ask(gate: &Gate, request: &str, headers: &[(&str, &str)]) -> (String, HeaderMap) {
    ask_with(gate, request, headers, None)
}

fn ask_with(
    gate: &Gate,
    request: &str,
    headers: &[(&str, &str)],
    client_certificate: Option<CertificateThumbprint>,
) -> (String, HeaderMap) {
    let sent = Sent::new(request, headers).by(client_certificate);
    let Checked::Done(verdict) = sent.checked_at(gate, NOW) else { panic!("a need") };
    let told = match &verdict {
        Verdict::Reject(rejection) => rejection.response(None).headers().clone(),
        Verdict::Forward(permit) => {
            let mut response = Response::new(());
            permit.strip_credential(&mut sent.headers().clone()).add_to(&mut response);
            response.headers().clone()
        }
        Verdict::Answer(_) => panic!("an answer"),
    };
    (verdict_text(&verdict), told)
}

/// `GET /docs` with the token as `DPoP` and a proof.
fn proven(gate: &Gate, token: &str, proof: &str) -> String {
    ask(gate, "GET /docs", &[("authorization", &format!("DPoP {token}")), ("dpop", proof)]).0
}

fn challenges(headers: &HeaderMap) -> Vec<&str> {
    headers.get_all(WWW_AUTHENTICATE).iter().map(|value| value.to_str().unwrap()).collect()
}

const ALLOWED: &str = "allow GET /docs";
const REFUSED: &str = "401 invalid_token";

#[test]
fn every_request_needs_a_proof_of_its_own_also_with_a_token_that_is_known() {
    for binding in [Allowed, Required] {
        let (gate, token) = (gate(binding), bound());
        let first = proof("1", &token);
        assert_eq!(proven(&gate, &token, &first), ALLOWED);
        assert_eq!(proven(&gate, &token, &first), REFUSED, "the same once more");
        assert_eq!(proven(&gate, &token, &proof("2", &token)), ALLOWED);
        let without = [("authorization", &*format!("DPoP {token}"))];
        assert_eq!(ask(&gate, "GET /docs", &without).0, REFUSED, "none");
        let again = proof_but("1", &token, |claims| claims["iat"] = (NOW + 5).into());
        assert_eq!(proven(&gate, &token, &again), REFUSED, "an id that was used, signed anew");
    }
}

#[test]
fn a_proof_is_for_this_request_this_token_this_key_and_now() {
    let (gate, token) = (gate(Required), bound());
    // The token is known, so that nothing but the proof decides.
    assert_eq!(proven(&gate, &token, &proof("0", &token)), ALLOWED);
    let other = token_with(json!({"jkt": thumbprint(ours()), "x": 1}));
    type Edit = fn(&mut Value);
    let rows: [(&str, Edit); 17] = [
        ("htm", |c| c["htm"] = "POST".into()),
        ("htm in lower case", |c| c["htm"] = "get".into()),
        ("path", |c| c["htu"] = "https://app.example/feed".into()),
        ("host", |c| c["htu"] = "https://evil.example/docs".into()),
        ("port", |c| c["htu"] = "https://app.example:8443/docs".into()),
        ("scheme", |c| c["htu"] = "http://app.example/docs".into()),
        ("path alone", |c| c["htu"] = "/docs".into()),
        ("user", |c| c["htu"] = "https://a@app.example/docs".into()),
        ("ath", |c| c["ath"] = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo".into()),
        ("no ath", |c| drop(c.as_object_mut().unwrap().remove("ath"))),
        ("no jti", |c| drop(c.as_object_mut().unwrap().remove("jti"))),
        ("no iat", |c| drop(c.as_object_mut().unwrap().remove("iat"))),
        ("old", |c| c["iat"] = (NOW - 91).into()),
        ("very old", |c| c["iat"] = 0.into()),
        ("of the future", |c| c["iat"] = (NOW + 31).into()),
        ("iat as text", |c| c["iat"] = NOW.to_string().into()),
        ("iat too large", |c| c["iat"] = json!(1e300)),
    ];
    for (what, edit) in rows {
        let headers =
            [("authorization", &*format!("DPoP {token}")), ("dpop", &proof_but(what, &token, edit))];
        let (verdict, told) = ask(&gate, "GET /docs", &headers);
        assert_eq!(verdict, REFUSED, "{what}");
        assert!(challenges(&told)[0].contains("error=\"invalid_dpop_proof\""), "{what}: {told:?}");
    }
    assert_eq!(proven(&gate, &token, &proof("of another token", &other)), REFUSED);
    assert_eq!(
        proven(&gate, &token, &proof_but("query", &token, |c| c["htu"] = format!("{URL}?a#b").into())),
        ALLOWED
    );
}

#[test]
fn a_proof_is_signed_by_the_key_of_the_token_and_shows_nothing_private() {
    let (gate, token) = (gate(Required), bound());
    let claims = dpop_claims("k", "GET", URL, &token, NOW).to_string();
    let theirs = TestKey::other_eddsa();
    type Edit = fn(&mut Value);
    let rows: [(&str, &TestKey, Edit); 9] = [
        ("their key", theirs, |h| h["jwk"] = dpop_header(TestKey::other_eddsa())["jwk"].clone()),
        ("their signature under our key", theirs, |_| ()),
        ("our signature under their key", ours(), |h| {
            h["jwk"] = dpop_header(TestKey::other_eddsa())["jwk"].clone();
        }),
        ("a private key", ours(), |h| h["jwk"]["d"] = b64url(ours().ed25519_seed()).into()),
        ("none", ours(), |h| h["alg"] = "none".into()),
        ("a code", TestKey::hs256(), |h| {
            (h["alg"], h["jwk"]) = ("HS256".into(), dpop_header(TestKey::hs256())["jwk"].clone());
        }),
        ("another typ", ours(), |h| h["typ"] = "JWT".into()),
        ("an access token's typ", ours(), |h| h["typ"] = "at+jwt".into()),
        ("crit", ours(), |h| h["crit"] = json!(["jwk"])),
    ];
    for (what, key, edit) in rows {
        let mut header = dpop_header(ours());
        edit(&mut header);
        assert_eq!(proven(&gate, &token, &key.sign(header.to_string(), &claims)), REFUSED, "{what}");
    }
    assert_eq!(proven(&gate, &token, &ours().sign(dpop_header(ours()).to_string(), &claims)), ALLOWED);
}

#[test]
fn there_is_one_proof_that_can_be_read() {
    let (gate, token) = (gate(Required), bound());
    let scheme = format!("DPoP {token}");
    let (one, two) = (proof("1", &token), proof("2", &token));
    let both = format!("{one}, {two}");
    let long = proof_but("3", &token, |claims| claims["x"] = "x".repeat(9_000).into());
    for proofs in
        [&[&*one, &*two][..], &[&one, &one], &[&both], &[""], &["a.b.c"], &[&long], &["é"], &[&token]]
    {
        let mut headers = vec![("authorization", &*scheme)];
        headers.extend(proofs.iter().map(|proof| ("dpop", *proof)));
        assert_eq!(ask(&gate, "GET /docs", &headers).0, REFUSED, "{} proofs", proofs.len());
    }
    // None of them used the ids up.
    assert_eq!(proven(&gate, &token, &one), ALLOWED);
}

#[test]
fn a_bound_token_is_no_bearer_token_and_another_is_no_bound_one() {
    let (bound, plain) = (bound(), token_with(Value::Null));
    for (binding, as_bearer, as_dpop) in
        [(Off, ALLOWED, REFUSED), (Allowed, ALLOWED, REFUSED), (Required, REFUSED, REFUSED)]
    {
        let gate = gate(binding);
        for _ in 0..2 {
            let bearer = format!("Bearer {plain}");
            assert_eq!(ask(&gate, "GET /docs", &[("authorization", &bearer)]).0, as_bearer, "{binding:?}");
            // A proof beside it changes nothing.
            let with_proof = [("authorization", &*bearer), ("dpop", "x")];
            assert_eq!(ask(&gate, "GET /docs", &with_proof).0, as_bearer, "{binding:?}");
            assert_eq!(proven(&gate, &plain, &proof("1", &plain)), as_dpop, "{binding:?}");
            for headers in [
                vec![("authorization", format!("Bearer {bound}"))],
                vec![("authorization", format!("Bearer {bound}")), ("dpop", proof("2", &bound))],
            ] {
                let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                assert_eq!(ask(&gate, "GET /docs", &headers).0, REFUSED, "{binding:?}");
            }
        }
    }
    let off = gate(Off);
    assert_eq!(proven(&off, &bound, &proof("3", &bound)), REFUSED, "never taken, also with a proof");
    // The scheme is not taken for absent.
    assert_eq!(ask(&off, "GET /feed", &[("authorization", &format!("DPoP {plain}"))]).0, REFUSED);
    assert_eq!(ask(&off, "GET /feed", &[("authorization", "DPoP ")]).0, "400 bad_request");
}

#[test]
fn wherever_a_bound_token_stands_it_needs_its_proof() {
    let token = bound();
    let sources = vec![
        TokenSource::Bearer,
        TokenSource::Cookie("__Host-t".into()),
        TokenSource::Header(HeaderName::from_static("x-token")),
    ];
    let gate = Gate::new(parts(Allowed, Off).token(TokenOptions { sources, ..TokenOptions::default() }));
    for (name, value) in [("cookie", format!("__Host-t={token}")), ("x-token", token.clone())] {
        assert_eq!(ask(&gate, "GET /docs", &[(name, &value)]).0, REFUSED, "{name}");
        let one = proof(name, &token);
        let headers = [(name, &*value), ("dpop", &*one)];
        assert_eq!(ask(&gate, "GET /docs", &headers).0, ALLOWED, "{name}");
        assert_eq!(ask(&gate, "GET /docs", &headers).0, REFUSED, "{name}, again");
    }
}

#[test]
fn a_proof_is_used_up_by_any_verdict_and_by_no_public_route() {
    let (gate, token) = (gate(Required), bound());
    let scheme = format!("DPoP {token}");
    let post = dpop_proof(ours(), &dpop_claims("1", "POST", URL, &token, NOW));
    let headers = [("authorization", &*scheme), ("dpop", &*post)];
    let (verdict, told) = ask(&gate, "POST /docs", &headers);
    assert_eq!(verdict, "403 missing_permission");
    assert_eq!(challenges(&told).len(), 1);
    assert!(challenges(&told)[0].starts_with("DPoP realm=\"orgate\", error=\"insufficient_scope\""));
    assert_eq!(ask(&gate, "POST /docs", &headers).0, REFUSED);
    let open = dpop_proof(ours(), &dpop_claims("2", "GET", "https://app.example/healthz", &token, NOW));
    for _ in 0..2 {
        let headers = [("authorization", &*scheme), ("dpop", &*open)];
        assert_eq!(ask(&gate, "GET /healthz", &headers).0, "allow GET /healthz");
    }
}

#[tokio::test]
async fn a_request_that_waits_for_keys_does_not_use_its_own_proof_up() {
    let keys = Arc::new(Keys::default());
    keys.publish(&[TestKey::es256()]);
    let gate = Gate::new(parts_of(Required, Off, &keys));
    let now = orgate::clock::now().seconds();
    let token = token_at(now, &["read"], |claims| claims["cnf"] = json!({"jkt": thumbprint(ours())}));
    let proof = dpop_proof(ours(), &dpop_claims("1", "GET", URL, &token, now));
    let sent = Sent::new("GET /docs", &[("authorization", &format!("DPoP {token}")), ("dpop", &proof)]);
    assert_eq!(verdict_text(&gate.check(&sent.head()).await), ALLOWED);
    assert_eq!(verdict_text(&gate.check(&sent.head()).await), REFUSED);
}

#[test]
fn of_many_at_once_one_uses_a_proof() {
    let (gate, token) = (gate(Required), bound());
    let proof = proof("1", &token);
    let passed: usize = std::thread::scope(|scope| {
        let one = || usize::from(proven(&gate, &token, &proof) == ALLOWED);
        let running: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        running.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(passed, 1);
}

#[test]
fn a_challenge_says_which_schemes_and_algorithms_there_are() {
    let algs = "algs=\"RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 EdDSA\"";
    let plain_dpop = format!("DPoP realm=\"orgate\", {algs}");
    let (token, plain) = (bound(), token_with(Value::Null));
    let bearer = |token: &str| format!("Bearer {token}");
    let invalid = "realm=\"orgate\", error=\"invalid_token\", error_description=\"Invalid token\"";
    let no_proof = format!(
        "DPoP realm=\"orgate\", error=\"invalid_dpop_proof\", error_description=\"Invalid DPoP proof\", {algs}"
    );
    let rows: [(Binding, Option<String>, Vec<String>); 9] = [
        (Off, None, vec!["Bearer realm=\"orgate\"".to_owned()]),
        (Off, Some(bearer(&token)), vec![format!("Bearer {invalid}")]),
        (Off, Some(format!("DPoP {plain}")), vec![format!("Bearer {invalid}")]),
        (Allowed, None, vec!["Bearer realm=\"orgate\"".to_owned(), plain_dpop.clone()]),
        (Allowed, Some(bearer(&token)), vec![format!("Bearer {invalid}"), plain_dpop.clone()]),
        (
            Allowed,
            Some(format!("DPoP {plain}")),
            vec![format!("DPoP {invalid}, {algs}"), "Bearer realm=\"orgate\"".to_owned()],
        ),
        (
            Allowed,
            Some(format!("DPoP {token}")),
            vec![no_proof.clone(), "Bearer realm=\"orgate\"".to_owned()],
        ),
        (Required, None, vec![plain_dpop.clone()]),
        (Required, Some(format!("DPoP {token}")), vec![no_proof]),
    ];
    for (binding, authorization, expected) in rows {
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        let (_, told) = ask(&gate(binding), "GET /docs", &headers);
        assert_eq!(challenges(&told), expected, "{binding:?} {authorization:?}");
    }
    let expired = token_at(NOW - 9_000, &[], |claims| claims["cnf"] = json!({"jkt": thumbprint(ours())}));
    let (verdict, told) = ask(&gate(Allowed), "GET /docs", &[("authorization", &format!("DPoP {expired}"))]);
    assert_eq!(verdict, "401 expired_token");
    assert!(challenges(&told)[0].starts_with("DPoP realm=\"orgate\", error=\"invalid_token\""), "{told:?}");
}

#[test]
fn a_nonce_is_asked_for_and_renewed() {
    let nonces = SenderOptions::make_nonces(Some("a secret that all gates know, of 32 bytes")).unwrap();
    let senders = || SenderOptions::default().nonces(vec![Some(Arc::clone(&nonces))]);
    let gate = Gate::new(parts(Required, Off).senders(senders()));
    let token = bound();
    let ask = |proof: &str| {
        ask(&gate, "GET /docs", &[("authorization", &format!("DPoP {token}")), ("dpop", proof)])
    };
    let (verdict, told) = ask(&proof("1", &token));
    assert_eq!(verdict, REFUSED);
    assert!(challenges(&told)[0].contains("error=\"use_dpop_nonce\""), "{told:?}");
    let nonce = told["dpop-nonce"].to_str().unwrap().to_owned();
    // The same id may be used again: the first proof was none.
    let with = |id: &str, nonce: &str| proof_but(id, &token, |claims| claims["nonce"] = nonce.into());
    let (verdict, told) = ask(&with("1", &nonce));
    assert_eq!((verdict.as_str(), told.len()), (ALLOWED, 0));
    let before = nonces.current(UnixTime::from_seconds(NOW - 120));
    let (verdict, told) = ask(&with("2", &before));
    assert_eq!((verdict.as_str(), told["dpop-nonce"].to_str().unwrap()), (ALLOWED, nonce.as_str()));
    let (verdict, told) = ask(&with("3", &nonces.current(UnixTime::from_seconds(NOW - 240))));
    assert_eq!((verdict.as_str(), told["dpop-nonce"].to_str().unwrap()), (REFUSED, nonce.as_str()));
    // Another gate with the secret knows it; one without does not.
    for (secret, expected) in [(Some("a secret that all gates know, of 32 bytes"), ALLOWED), (None, REFUSED)]
    {
        let nonces = SenderOptions::make_nonces(secret).unwrap();
        let other =
            Gate::new(parts(Required, Off).senders(SenderOptions::default().nonces(vec![Some(nonces)])));
        assert_eq!(proven(&other, &token, &with("4", &nonce)), expected);
    }
}

#[test]
fn proofs_are_for_the_address_that_clients_see() {
    let token = bound();
    let urls = PublicUrls::default().with("https://www.example/api").unwrap();
    let gate = Gate::new(parts(Required, Off).senders(SenderOptions::default().public_urls(urls)));
    let seen = |url: &str| proof_but(url, &token, |claims| claims["htu"] = url.into());
    assert_eq!(proven(&gate, &token, &seen("https://www.example/api/docs")), ALLOWED);
    assert_eq!(proven(&gate, &token, &seen(URL)), REFUSED);
}

#[test]
fn a_proof_of_one_method_is_none_of_another_that_a_header_asks_for() {
    let token =
        token_at(NOW, &["read", "write"], |claims| claims["cnf"] = json!({"jkt": thumbprint(ours())}));
    let gate = Gate::new(parts(Required, Off).method_override(true));
    for (method, header, expected) in
        [("POST", None, "allow POST /docs"), ("POST", Some("GET"), REFUSED), ("GET", Some("GET"), REFUSED)]
    {
        let proof =
            dpop_proof(ours(), &dpop_claims(&format!("{method}{header:?}"), method, URL, &token, NOW));
        let scheme = format!("DPoP {token}");
        let mut headers = vec![("authorization", &*scheme), ("dpop", &*proof)];
        headers.extend(header.map(|method| ("x-http-method-override", method)));
        assert_eq!(ask(&gate, "POST /docs", &headers).0, expected, "{method} {header:?}");
    }
}

#[test]
fn a_certificate_must_be_that_of_the_connection() {
    let thumbprint_text = b64url(certificate().to_bytes());
    let by_certificate = token_with(json!({"x5t#S256": thumbprint_text}));
    let by_both = token_with(json!({"x5t#S256": thumbprint_text, "jkt": thumbprint(ours())}));
    let plain = token_with(Value::Null);
    let other = Some(CertificateThumbprint::of_der(b"another certificate"));
    let bearer = |mtls: Binding, token: &str, certificate: Option<CertificateThumbprint>| {
        let gate = Gate::new(parts(Off, mtls));
        let header = format!("Bearer {token}");
        // Twice: the second time the token is known.
        let [first, again] =
            [0, 1].map(|_| ask_with(&gate, "GET /docs", &[("authorization", &header)], certificate).0);
        assert_eq!(first, again);
        first
    };
    for (mtls, token, certificate, expected) in [
        (Off, &by_certificate, Some(certificate()), REFUSED),
        (Off, &plain, Some(certificate()), ALLOWED),
        (Allowed, &by_certificate, Some(certificate()), ALLOWED),
        (Allowed, &by_certificate, other, REFUSED),
        (Allowed, &by_certificate, None, REFUSED),
        (Allowed, &plain, None, ALLOWED),
        (Required, &by_certificate, Some(certificate()), ALLOWED),
        (Required, &plain, Some(certificate()), REFUSED),
        (Required, &by_both, Some(certificate()), REFUSED),
    ] {
        assert_eq!(bearer(mtls, token, certificate), expected, "{mtls:?} {certificate:?}");
    }

    let gate = Gate::new(parts(Allowed, Allowed));
    let both = |id: &str, certificate| {
        let scheme = format!("DPoP {by_both}");
        let headers = [("authorization", &*scheme), ("dpop", &*proof(id, &by_both))];
        ask_with(&gate, "GET /docs", &headers, certificate).0
    };
    assert_eq!(both("1", None), REFUSED, "the key alone");
    assert_eq!(both("2", other), REFUSED);
    assert_eq!(both("3", Some(certificate())), ALLOWED);
    let bearer = [("authorization", &*format!("Bearer {by_both}"))];
    assert_eq!(
        ask_with(&gate, "GET /docs", &bearer, Some(certificate())).0,
        REFUSED,
        "the certificate alone"
    );
    let as_dpop =
        [("authorization", &*format!("DPoP {by_certificate}")), ("dpop", &proof("4", &by_certificate))];
    assert_eq!(ask_with(&gate, "GET /docs", &as_dpop, Some(certificate())).0, REFUSED, "bound to no key");
}

#[tokio::test]
async fn the_layer_takes_the_certificate_of_its_connection_and_tells_the_next_nonce() {
    let nonces = SenderOptions::make_nonces(None).unwrap();
    let senders = SenderOptions::default().nonces(vec![Some(Arc::clone(&nonces))]);
    let gate = Gate::new(parts(Allowed, Allowed).senders(senders));
    let now = orgate::clock::now();
    let cnf = json!({"x5t#S256": b64url(certificate().to_bytes()), "jkt": thumbprint(ours())});
    let token = token_at(now.seconds(), &["read"], |claims| claims["cnf"] = cnf);
    let service = gate.layer().layer(tower::service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    }));
    let nonce = nonces.current(now.plus(-120));
    let ask = async |certificate: Option<CertificateThumbprint>| {
        let mut claims = dpop_claims("1", "GET", URL, &token, now.seconds());
        claims["nonce"] = nonce.as_str().into();
        let mut request = Request::get("/docs")
            .header("host", "app.example")
            .header("authorization", format!("DPoP {token}"))
            .header("dpop", dpop_proof(ours(), &claims))
            .body(Full::new(Bytes::new()))
            .unwrap();
        if let Some(certificate) = certificate {
            request.extensions_mut().insert(certificate);
        }
        let response = service.clone().oneshot(request).await.unwrap();
        (response.status().as_u16(), response.headers().contains_key("dpop-nonce"))
    };
    assert_eq!(ask(None).await, (401, false));
    assert_eq!(ask(Some(certificate())).await, (200, true));
}

#[test]
fn no_header_stands_for_a_certificate() {
    let token = token_with(json!({"x5t#S256": b64url(certificate().to_bytes())}));
    let gate = Gate::new(parts(Off, Required));
    let thumbprint = b64url(certificate().to_bytes());
    for name in ["x-client-cert", "x-ssl-client-cert", "client-cert", "x-forwarded-client-cert", "x5t#S256"] {
        let Ok(header) = HeaderName::try_from(name) else { continue };
        let headers = [("authorization", &*format!("Bearer {token}")), (header.as_str(), &*thumbprint)];
        assert_eq!(ask(&gate, "GET /docs", &headers).0, REFUSED, "{name}");
    }
}

#[test]
fn what_a_token_asks_for_and_is_not_known_refuses_it() {
    let gate = Gate::new(parts(Allowed, Allowed));
    for cnf in [
        json!({}),
        json!({"kid": "a"}),
        json!({"jkt": thumbprint(ours()), "kid": "a"}),
        json!({"jwk": {}}),
        json!({"jkt": "short"}),
        json!({"x5t#S256": ""}),
        json!("jkt"),
    ] {
        let token = token_with(cnf.clone());
        assert_eq!(
            check(&gate, "GET /docs", &[("authorization", &format!("Bearer {token}"))], NOW),
            "401 malformed_claim",
            "{cnf}"
        );
        assert_eq!(proven(&gate, &token, &proof("1", &token)), "401 malformed_claim", "{cnf}");
    }
}

#[test]
fn token_and_proof_end_at_the_gate_together() {
    let token = bound();
    for forward_token in [true, false] {
        let identity = IdentityOptions { forward_token, ..IdentityOptions::default() };
        let gate = Gate::new(parts(Required, Off).identity(identity));
        let headers = [("authorization", &*format!("DPoP {token}")), ("dpop", &proof("1", &token))];
        let sent = Sent::new("GET /docs", &headers);
        let Checked::Done(Verdict::Forward(permit)) = sent.checked_at(&gate, NOW) else { panic!("refused") };
        let mut headers = sent.headers().clone();
        let _ = permit.strip_credential(&mut headers);
        assert_eq!(headers.len(), if forward_token { 2 } else { 0 });
    }
}
