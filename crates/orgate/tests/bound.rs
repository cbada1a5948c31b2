//! Bound tokens that do not stand in the request as JWTs: those that a session is exchanged for, and opaque ones that their
//! issuer is asked about. Whichever way a token was got, its sender shows what it is bound to, each time.

#![cfg(all(feature = "config", feature = "remote"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::convert::Infallible;

use bytes::Bytes;
use common::{ISSUER, gate_in};
use http::{Request, Response};
use http_body_util::Full;
use orgate::{CertificateThumbprint, Gate};
use orgate_testkit::{
    Folder, Introspector, Reply, Stub, TestKey, access_token_claims, b64url, dpop_claims, dpop_proof,
    thumbprint,
};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

/// The key that tokens are bound to.
fn ours() -> &'static TestKey {
    TestKey::eddsa()
}

fn certificate() -> CertificateThumbprint {
    CertificateThumbprint::of_der(b"the certificate of the client")
}

fn another() -> CertificateThumbprint {
    CertificateThumbprint::of_der(b"the certificate of another client")
}

fn to_key() -> Value {
    json!({"jkt": thumbprint(ours())})
}

fn to_certificate() -> Value {
    json!({"x5t#S256": b64url(certificate().to_bytes())})
}

fn to_both() -> Value {
    json!({"jkt": thumbprint(ours()), "x5t#S256": b64url(certificate().to_bytes())})
}

/// What is said of a token with `cnf`; of none for `null`.
fn claims(cnf: Value) -> Value {
    let mut claims = access_token_claims(ISSUER, "api", orgate::clock::now().seconds());
    claims["org_permissions"] = json!(["read"]);
    if !cnf.is_null() {
        claims["cnf"] = cnf;
    }
    claims
}

/// A gate of one issuer with `issuer` in its part of the policy.
async fn gate(issuer: &str, rest: &str) -> (Gate, Folder) {
    let folder = Folder::new();
    folder.write("secret", "s3cret-of-the-gate");
    let gate = gate_in(&folder, issuer, rest).await;
    (gate, folder)
}

/// What a request shows besides its token.
#[derive(Clone, Copy, Default)]
struct Shown<'s> {
    proof: Option<&'s str>,
    certificate: Option<CertificateThumbprint>,
}

impl<'s> Shown<'s> {
    const NOTHING: Self = Self { proof: None, certificate: None };

    fn proof(proof: &'s str) -> Self {
        Self { proof: Some(proof), certificate: None }
    }

    fn certificate(certificate: CertificateThumbprint) -> Self {
        Self { proof: None, certificate: Some(certificate) }
    }
}

/// The status and the challenge of what the layer answers to `GET path` with this credential.
async fn ask(gate: &Gate, path: &str, credential: (&str, String), shown: Shown<'_>) -> (u16, String) {
    let service = service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let (name, value) = credential;
    let mut request = Request::get(path).header("host", "app.example").header(name, value);
    if let Some(proof) = shown.proof {
        request = request.header("dpop", proof);
    }
    let mut request = request.body(Full::default()).unwrap();
    if let Some(certificate) = shown.certificate {
        request.extensions_mut().insert(certificate);
    }
    let response = gate.layer().layer(service).oneshot(request).await.unwrap();
    let challenge = response.headers().get("www-authenticate");
    let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), challenge.unwrap_or_default())
}

/// A proof named `id` of our key for `GET path` with `token`.
fn proof_for(path: &str, id: &str, token: &str) -> String {
    let url = format!("https://app.example{path}");
    dpop_proof(ours(), &dpop_claims(id, "GET", &url, token, orgate::clock::now().seconds()))
}

fn proof(id: &str, token: &str) -> String {
    proof_for("/docs", id, token)
}

mod from_a_session {
    use super::*;

    const COOKIE: &str = "sid=s1";

    /// A gate that exchanges sessions for `token`, which is used again for as long as `cache` says.
    async fn exchanging(issuer: &str, cache: &str, token: &str) -> (Gate, Folder, Stub) {
        let stub = Stub::start().await;
        stub.set("/token", Reply::json(json!({"token": token}).to_string()));
        let exchange =
            format!("{{cookie: sid, url: \"{}/token\", field: token, cache: {cache}}}", stub.url());
        let (gate, folder) =
            gate(issuer, &format!("token: {{exchange: {exchange}}}\nrules: {{GET /docs: read}}\n")).await;
        (gate, folder, stub)
    }

    async fn with_session(gate: &Gate, shown: Shown<'_>) -> u16 {
        ask(gate, "/docs", ("cookie", COOKIE.to_owned()), shown).await.0
    }

    #[tokio::test]
    async fn a_token_of_a_key_needs_its_proof_whether_exchanged_now_or_before() {
        for (binding, cache, exchanges) in
            [("allowed", "60s", 1), ("required", "60s", 1), ("required", "0s", 6)]
        {
            let token = TestKey::es256().mint(&claims(to_key()));
            let (gate, _folder, stub) = exchanging(&format!(", dpop: {binding}"), cache, &token).await;
            let (status, challenge) =
                ask(&gate, "/docs", ("cookie", COOKIE.to_owned()), Shown::NOTHING).await;
            assert_eq!(status, 401, "a cookie proves no key");
            assert!(challenge.contains("error=\"invalid_dpop_proof\""), "{challenge}");
            assert_eq!(with_session(&gate, Shown::NOTHING).await, 401, "known by now");
            let one = proof("1", &token);
            assert_eq!(with_session(&gate, Shown::proof(&one)).await, 200);
            assert_eq!(with_session(&gate, Shown::proof(&one)).await, 401, "used");
            assert_eq!(with_session(&gate, Shown::proof(&proof("2", "another.to.ken"))).await, 401);
            assert_eq!(with_session(&gate, Shown::proof(&proof("2", &token))).await, 200);
            assert_eq!(stub.hits("/token"), exchanges, "{binding} {cache}");
        }
    }

    #[tokio::test]
    async fn a_token_of_a_certificate_needs_it_whether_exchanged_now_or_before() {
        for first in [None, Some(another()), Some(certificate())] {
            let token = TestKey::es256().mint(&claims(to_certificate()));
            let (gate, _folder, _stub) = exchanging(", mtls: allowed", "60s", &token).await;
            for shown in [first, None, Some(another()), Some(certificate())] {
                let expected = if shown == Some(certificate()) { 200 } else { 401 };
                let shown = Shown { certificate: shown, proof: None };
                assert_eq!(with_session(&gate, shown).await, expected);
            }
        }
    }

    #[tokio::test]
    async fn what_a_token_may_not_be_bound_to_refuses_it_and_so_does_what_it_must_be() {
        for (issuer, cnf) in [
            ("", to_key()),
            ("", to_certificate()),
            (", dpop: allowed", to_both()),
            (", mtls: allowed", to_both()),
            (", dpop: required", Value::Null),
            (", mtls: required", Value::Null),
            (", dpop: allowed, mtls: allowed", json!({"jwk": {}})),
        ] {
            let token = TestKey::es256().mint(&claims(cnf.clone()));
            let (gate, _folder, _stub) = exchanging(issuer, "60s", &token).await;
            let everything = proof("1", &token);
            let everything = Shown { proof: Some(&everything), certificate: Some(certificate()) };
            for _ in 0..2 {
                assert_eq!(with_session(&gate, everything).await, 401, "{issuer} {cnf}");
            }
        }
    }
}

mod by_introspection {
    use super::*;

    const RULES: &str = "rules: {GET /docs: read, GET /standing: {require: read, fresh: live}}\n";
    const TOKEN: &str = "opaque-of-ann";

    /// A gate that asks about opaque tokens; of [`TOKEN`] it is told `said`.
    async fn asking(issuer: &str, cache: &str, mut said: Value) -> (Gate, Folder, Introspector) {
        let introspector = Introspector::start().await;
        said["active"] = true.into();
        introspector.knows(TOKEN, said);
        let introspect = format!(
            ", introspect: {{url: \"{}\", client_id: gate, secret: {{file: secret}}, opaque: true, cache: {cache}}}",
            introspector.url()
        );
        let (gate, folder) = gate(&format!("{issuer}{introspect}"), RULES).await;
        (gate, folder, introspector)
    }

    async fn with(gate: &Gate, scheme: &str, path: &str, shown: Shown<'_>) -> (u16, String) {
        ask(gate, path, ("authorization", format!("{scheme} {TOKEN}")), shown).await
    }

    async fn by(gate: &Gate, scheme: &str, shown: Shown<'_>) -> u16 {
        with(gate, scheme, "/docs", shown).await.0
    }

    #[tokio::test]
    async fn a_token_of_a_key_is_no_bearer_token_and_needs_its_proof_each_time() {
        for (binding, cache, asked) in [("allowed", "60s", 1), ("required", "60s", 1), ("required", "0s", 8)]
        {
            let mut said = claims(to_key());
            said["token_type"] = "DPoP".into();
            let (gate, _folder, introspector) = asking(&format!(", dpop: {binding}"), cache, said).await;
            let (one, two, three) = (proof("1", TOKEN), proof("2", TOKEN), proof("3", TOKEN));
            // What is heard now, and what was heard before.
            for _ in 0..2 {
                assert_eq!(by(&gate, "Bearer", Shown::NOTHING).await, 401, "as if it were not bound");
                assert_eq!(by(&gate, "Bearer", Shown::proof(&three)).await, 401, "with a proof beside it");
            }
            let (status, challenge) = with(&gate, "DPoP", "/docs", Shown::NOTHING).await;
            assert_eq!(status, 401);
            assert!(challenge.starts_with("DPoP "), "{challenge}");
            assert!(challenge.contains("error=\"invalid_dpop_proof\""), "{challenge}");
            assert_eq!(by(&gate, "DPoP", Shown::proof(&one)).await, 200);
            assert_eq!(by(&gate, "DPoP", Shown::proof(&one)).await, 401, "used");
            assert_eq!(by(&gate, "DPoP", Shown::proof(&two)).await, 200);
            assert_eq!(introspector.asked().len(), asked, "{binding} {cache}");
            assert_eq!(by(&gate, "DPoP", Shown::proof(&proof("4", "opaque-of-bob"))).await, 401);
        }
    }

    #[tokio::test]
    async fn a_token_of_a_certificate_needs_it_each_time() {
        for cache in ["60s", "0s"] {
            let (gate, _folder, _introspector) =
                asking(", mtls: required", cache, claims(to_certificate())).await;
            for _ in 0..2 {
                assert_eq!(by(&gate, "Bearer", Shown::NOTHING).await, 401);
                assert_eq!(by(&gate, "Bearer", Shown::certificate(another())).await, 401);
                assert_eq!(by(&gate, "Bearer", Shown::certificate(certificate())).await, 200);
            }
            let proof = proof("1", TOKEN);
            let as_dpop = Shown { proof: Some(&proof), certificate: Some(certificate()) };
            assert_eq!(by(&gate, "DPoP", as_dpop).await, 401, "bound to no key");
        }
    }

    #[tokio::test]
    async fn a_token_of_both_needs_both() {
        let (gate, _folder, _introspector) =
            asking(", dpop: allowed, mtls: allowed", "60s", claims(to_both())).await;
        let one = proof("1", TOKEN);
        assert_eq!(by(&gate, "Bearer", Shown::certificate(certificate())).await, 401);
        assert_eq!(by(&gate, "DPoP", Shown::certificate(certificate())).await, 401);
        assert_eq!(by(&gate, "DPoP", Shown::proof(&one)).await, 401);
        let both = |certificate| Shown { proof: Some(&one), certificate: Some(certificate) };
        assert_eq!(by(&gate, "DPoP", both(another())).await, 401);
        assert_eq!(by(&gate, "DPoP", both(certificate())).await, 200, "none of the others used the proof up");
    }

    #[tokio::test]
    async fn what_a_token_may_not_be_bound_to_refuses_it_and_so_does_what_it_must_be() {
        for (issuer, cnf) in [
            ("", to_key()),
            ("", to_certificate()),
            (", dpop: allowed", to_certificate()),
            (", mtls: allowed", to_key()),
            (", dpop: required", Value::Null),
            (", mtls: required", Value::Null),
            (", dpop: allowed, mtls: allowed", json!({"jwk": {}})),
        ] {
            let (gate, _folder, _introspector) = asking(issuer, "60s", claims(cnf.clone())).await;
            let one = proof("1", TOKEN);
            let everything = Shown { proof: Some(&one), certificate: Some(certificate()) };
            for scheme in ["Bearer", "DPoP", "Bearer", "DPoP"] {
                assert_eq!(by(&gate, scheme, everything).await, 401, "{issuer} {cnf} {scheme}");
            }
        }
    }

    #[tokio::test]
    async fn a_token_that_is_bound_to_no_key_is_not_sent_as_if_it_were() {
        let (gate, _folder, _introspector) = asking(", dpop: allowed", "60s", claims(Value::Null)).await;
        for _ in 0..2 {
            assert_eq!(by(&gate, "DPoP", Shown::proof(&proof("1", TOKEN))).await, 401);
            assert_eq!(by(&gate, "Bearer", Shown::NOTHING).await, 200);
        }
    }

    #[tokio::test]
    async fn a_request_that_waits_for_the_callers_rights_does_not_use_its_own_proof_up() {
        let (gate, _folder, introspector) = asking(", dpop: required", "0s", claims(to_key())).await;
        let token = TestKey::es256().mint(&claims(to_key()));
        introspector.knows(&token, json!({"active": true}));
        let jwt = async |proof: &str| {
            let credential = ("authorization", format!("DPoP {token}"));
            ask(&gate, "/standing", credential, Shown::proof(proof)).await.0
        };
        for id in ["1", "2"] {
            let one = proof_for("/standing", id, &token);
            assert_eq!(jwt(&one).await, 200, "asked about in between");
            assert_eq!(jwt(&one).await, 401, "once");
            let other = proof_for("/standing", id, TOKEN);
            assert_eq!(
                with(&gate, "DPoP", "/standing", Shown::proof(&other)).await.0,
                401,
                "one id, one use"
            );
            let other = proof_for("/standing", &format!("{id}, opaque"), TOKEN);
            assert_eq!(with(&gate, "DPoP", "/standing", Shown::proof(&other)).await.0, 200);
            assert_eq!(with(&gate, "DPoP", "/standing", Shown::proof(&other)).await.0, 401);
        }
    }
}
