//! A verifier with known keys at a known time.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::sync::Arc;

use orgate_claims::{IssuerUrl, UnixTime};
use orgate_testkit::{TestKey, access_token_claims, jwks};
use orgate_verify::{
    Algorithm, BoxFuture, KeySet, KeySource, KeySourceError, KeySourceStatus, StaticKeys, TrustedIssuer,
    Verified, Verifier, VerifierError, VerifyError, VerifyErrorKind,
};
use serde_json::Value;

pub(crate) const ISSUER: &str = "https://issuer.example/p/demo";
pub(crate) const AUDIENCE: &str = "demo-api";
pub(crate) const NOW: i64 = 1_700_000_000;

pub(crate) fn claims() -> Value {
    access_token_claims(ISSUER, AUDIENCE, NOW)
}

pub(crate) fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

#[derive(Debug)]
pub(crate) struct Bench(Verifier);

#[derive(Debug)]
struct NoKeys;

impl KeySource for NoKeys {
    fn current(&self) -> Option<Arc<KeySet>> {
        None
    }

    fn refresh(&self) -> BoxFuture<'_, Result<(), KeySourceError>> {
        Box::pin(std::future::ready(Err(KeySourceError::new("none"))))
    }

    fn status(&self) -> KeySourceStatus {
        KeySourceStatus::new("nowhere", false, None)
    }
}

fn trusted(url: &str) -> TrustedIssuer {
    let audiences = vec![AUDIENCE.to_owned(), "second".to_owned()];
    let issuer = TrustedIssuer::new(IssuerUrl::parse(url).unwrap(), audiences).unwrap();
    issuer.algorithms(algorithms()).unwrap()
}

fn source<'k>(keys: impl IntoIterator<Item = &'k TestKey>) -> Arc<dyn KeySource> {
    Arc::new(StaticKeys::new(KeySet::from_jwks(jwks(keys).as_bytes()).unwrap().0))
}

fn all() -> [&'static TestKey; 9] {
    TestKey::published()
}

/// What the tests let an issuer sign with: everything that has published keys.
pub(crate) fn algorithms() -> Vec<Algorithm> {
    Algorithm::ALL.iter().copied().filter(|algorithm| !algorithm.is_symmetric()).collect()
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|issuer| issuer)
    }

    pub(crate) fn with(change: impl FnOnce(TrustedIssuer) -> TrustedIssuer) -> Self {
        Self(Verifier::new(vec![(change(trusted(ISSUER)), source(all()))]).unwrap())
    }

    pub(crate) fn with_keys<'k>(keys: impl IntoIterator<Item = &'k TestKey>) -> Self {
        Self(Verifier::new(vec![(trusted(ISSUER), source(keys))]).unwrap())
    }

    pub(crate) fn with_jwks(jwks: &str) -> Self {
        let (keys, _) = KeySet::from_jwks(jwks.as_bytes()).unwrap();
        Self(Verifier::new(vec![(trusted(ISSUER), Arc::new(StaticKeys::new(keys)))]).unwrap())
    }

    /// An issuer that signs with [`TestKey::SECRET`].
    pub(crate) fn with_secret(algorithms: &[Algorithm]) -> Self {
        let issuer = trusted(ISSUER).algorithms(algorithms.to_vec()).unwrap();
        let keys = KeySet::from_secret(TestKey::SECRET, algorithms).unwrap();
        Self(Verifier::new(vec![(issuer, Arc::new(StaticKeys::new(keys)))]).unwrap())
    }

    pub(crate) fn any_audience() -> Self {
        let issuer = TrustedIssuer::with_any_audience(IssuerUrl::parse(ISSUER).unwrap());
        Self(Verifier::new(vec![(issuer, source(all()))]).unwrap())
    }

    pub(crate) fn without_keys() -> Self {
        Self(Verifier::new(vec![(trusted(ISSUER), Arc::new(NoKeys))]).unwrap())
    }

    pub(crate) fn two(a: &TestKey, b: &TestKey) -> Self {
        let issuers =
            vec![(trusted("https://a.example"), source([a])), (trusted("https://b.example"), source([b]))];
        Self(Verifier::new(issuers).unwrap())
    }

    pub(crate) fn twice() -> Result<Verifier, VerifierError> {
        Verifier::new(vec![(trusted(ISSUER), source(all())), (trusted(ISSUER), source(all()))])
    }

    pub(crate) fn generation(&self) -> u64 {
        let (index, _) = self.0.issuers().next().unwrap();
        self.0.key_source(index).unwrap().current().unwrap().generation()
    }

    pub(crate) fn sign_claims(&self, claims: &str) -> String {
        TestKey::es256().sign(r#"{"alg":"ES256","kid":"es-1","typ":"at+jwt"}"#, claims)
    }

    pub(crate) fn verify(&self, token: &str) -> Result<Verified, VerifyError> {
        self.verify_at(token, NOW)
    }

    pub(crate) fn verify_at(&self, token: &str, now: i64) -> Result<Verified, VerifyError> {
        self.0.verify_at(token, UnixTime::from_seconds(now))
    }

    /// What comes of an answer of the issuer about an opaque token.
    pub(crate) fn introspected(&self, answer: &str) -> Result<Verified, VerifyError> {
        let (index, _) = self.0.issuers().next().unwrap();
        self.0.introspected_at(index, answer.as_bytes(), UnixTime::from_seconds(NOW))
    }

    #[track_caller]
    pub(crate) fn refuses(&self, token: &str, kind: VerifyErrorKind, what: &str) -> VerifyError {
        match self.verify(token) {
            Ok(_) => panic!("accepted: {what}"),
            Err(error) => {
                assert_eq!(error.kind(), kind, "{what}: {error}");
                error
            }
        }
    }
}
