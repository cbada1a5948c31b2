//! A verifier whose secret the targets have, so that what they make is read to the end.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use orgate_claims::{IssuerUrl, UnixTime};
use orgate_verify::{Algorithm, KeySet, StaticKeys, TokenTypes, TrustedIssuer, Verified, Verifier, VerifyError};

pub const NOW: i64 = 1_700_000_000;
pub const CLAIMS: &str = r#"{"iss":"https://i.example","sub":"u","aud":"api","exp":1700000300,"org_id":"org_1"}"#;
const SECRET: &str = "a-secret-of-more-than-thirty-two-bytes-for-fuzzing";

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let url = IssuerUrl::parse("https://i.example").expect("a URL");
    let issuer = TrustedIssuer::new(url, vec!["api".to_owned()]).expect("an audience");
    let issuer = issuer.types(TokenTypes::ALL).algorithms(vec![Algorithm::Hs256]).expect("one algorithm");
    let keys = KeySet::from_secret(SECRET, &[Algorithm::Hs256]).expect("long enough");
    Verifier::new(vec![(issuer, Arc::new(StaticKeys::new(keys)))]).expect("one issuer")
});

/// Header and claims as they are, under a right code.
pub fn signed(header: &[u8], claims: &[u8]) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let code = URL_SAFE_NO_PAD.encode(hmac::sign(&key, input.as_bytes()));
    format!("{input}.{code}")
}

/// What the verifier says; asked twice it says the same, and what it accepts is what it was asked to accept.
pub fn verify(token: &str) -> Result<Verified, VerifyError> {
    let now = UnixTime::from_seconds(NOW);
    let (result, again) = (VERIFIER.verify_at(token, now), VERIFIER.verify_at(token, now));
    match (&result, &again) {
        (Ok(one), Ok(two)) => {
            let principal = one.principal();
            assert_eq!(principal, two.principal());
            assert_eq!(principal.issuer().as_str(), "https://i.example");
            assert!(token.len() <= orgate_verify::MAX_TOKEN_BYTES && token.bytes().filter(|&b| b == b'.').count() == 2);
            assert!(one.valid_until().seconds() > NOW && one.valid_until() >= one.expires_at());
            let organization = principal.organization().map(|organization| organization.id.as_str());
            let roles = principal.roles().iter().map(|role| role.as_str());
            for text in roles.chain(organization).chain([principal.subject().as_str()]) {
                assert!(!text.is_empty() && !text.contains(['\r', '\n', '\0']), "{text:?}");
            }
        }
        (Err(one), Err(two)) => {
            assert_eq!((one.kind(), one.to_string()), (two.kind(), two.to_string()));
            assert!(one.refuted_by().is_none() || one.kind() == orgate_verify::VerifyErrorKind::BadSignature);
        }
        _ => panic!("two readings of one token"),
    }
    result
}
