use orgate_testkit::{TestKey, dpop_claims, dpop_header as header, dpop_proof, thumbprint as thumbprint_of};
use serde_json::json;

use super::*;

const NOW: i64 = 1_800_000_000;
const TOKEN: &str = "a.bound.token";
const URL: &str = "https://api.example/orgs/acme";

fn claims() -> serde_json::Value {
    dpop_claims("one", "DELETE", URL, TOKEN, NOW)
}

fn checked(proof: &str, key: &TestKey, nonces: Option<&Nonces>) -> Result<Proof, ProofError> {
    let thumbprint = thumbprint_of(key);
    let proven = Proven {
        method: "DELETE",
        authority: Some("api.example"),
        path: "/orgs/acme",
        public_urls: &PublicUrls::default(),
        token_hash: &token_hash(TOKEN),
        thumbprint: &thumbprint,
        nonces,
    };
    check(proof, &proven, UnixTime::from_seconds(NOW))
}

fn edited(
    header_edit: impl FnOnce(&mut serde_json::Value),
    claims_edit: impl FnOnce(&mut serde_json::Value),
) -> Result<Proof, ProofError> {
    let key = TestKey::es256();
    let (mut header, mut claims) = (header(key), claims());
    header_edit(&mut header);
    claims_edit(&mut claims);
    checked(&key.sign(header.to_string(), claims.to_string()), key, None)
}

/// The request of RFC 9449 §7.1, figure 13.
#[test]
fn the_example_of_the_rfc_holds() {
    let proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUk\
        RZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6\
        IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZ\
        y9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWt\
        zbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
    let proven = Proven {
        method: "GET",
        authority: Some("resource.example.org"),
        path: "/protectedresource",
        public_urls: &PublicUrls::default(),
        token_hash: &token_hash("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"),
        thumbprint: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
        nonces: None,
    };
    let made = UnixTime::from_seconds(1_562_262_618);
    let proof = check(proof, &proven, made).unwrap();
    assert_eq!(proof.stale_at(), made.plus(91));
}

#[test]
fn a_proof_of_every_kind_of_key_holds() {
    for key in TestKey::published() {
        let proof = dpop_proof(key, &claims());
        assert!(checked(&proof, key, None).is_ok(), "{}", key.alg());
        let other = thumbprint_of(TestKey::other_es256());
        assert_ne!(thumbprint_of(key), other);
    }
}

#[test]
fn the_header_says_what_it_is_and_with_which_public_key() {
    type Edit = fn(&mut serde_json::Value);
    let rows: &[(Edit, ProofError)] = &[
        (|h| h["typ"] = "JWT".into(), ProofError::WrongType),
        (|h| h["typ"] = "at+jwt".into(), ProofError::WrongType),
        (|h| drop(h.as_object_mut().unwrap().remove("typ")), ProofError::WrongType),
        (|h| h["alg"] = "none".into(), ProofError::UnsupportedAlgorithm),
        (|h| h["alg"] = "HS256".into(), ProofError::UnsupportedAlgorithm),
        (|h| h["alg"] = "RS256".into(), ProofError::BadKey),
        (|h| h["alg"] = "ES384".into(), ProofError::BadKey),
        (|h| drop(h.as_object_mut().unwrap().remove("jwk")), ProofError::BadKey),
        (|h| h["jwk"] = "key".into(), ProofError::BadKey),
        (|h| h["jwk"]["d"] = "AA".into(), ProofError::BadKey),
        (|h| h["jwk"]["x"] = "AA".into(), ProofError::BadKey),
        (|h| h["jwk"]["use"] = "enc".into(), ProofError::BadKey),
        (|h| h["jwk"]["alg"] = "EdDSA".into(), ProofError::BadKey),
        (|h| h["jwk"] = json!({"kty": "oct", "k": "AA"}), ProofError::BadKey),
        (|h| h["jwk"] = header(TestKey::other_es256())["jwk"].clone(), ProofError::OtherKey),
        (|h| h["crit"] = json!(["x"]), ProofError::Malformed),
    ];
    for (number, (edit, error)) in rows.iter().enumerate() {
        assert_eq!(edited(edit, |_| ()), Err(*error), "row {number}");
    }
    assert!(edited(|h| h["typ"] = "application/DPoP+JWT".into(), |_| ()).is_ok());
    assert!(edited(|h| h["jwk"]["alg"] = "ES256".into(), |_| ()).is_ok());
}

#[test]
fn the_claims_are_those_of_the_request() {
    type Edit = fn(&mut serde_json::Value);
    let rows: &[(Edit, ProofError)] = &[
        (|c| c["jti"] = "".into(), ProofError::Claim("jti")),
        (|c| c["jti"] = 7.into(), ProofError::Claim("jti")),
        (|c| drop(c.as_object_mut().unwrap().remove("ath")), ProofError::Claim("ath")),
        (|c| c["ath"] = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo".into(), ProofError::OtherToken),
        (|c| c["htm"] = "GET".into(), ProofError::OtherMethod),
        (|c| c["htm"] = "delete".into(), ProofError::OtherMethod),
        (|c| c["htu"] = "https://api.example/orgs/globex".into(), ProofError::OtherTarget),
        (|c| c["htu"] = "https://evil.example/orgs/acme".into(), ProofError::OtherTarget),
        (|c| c["htu"] = "/orgs/acme".into(), ProofError::OtherTarget),
        (|c| c["htu"] = "http://api.example/orgs/acme".into(), ProofError::OtherTarget),
        (|c| drop(c.as_object_mut().unwrap().remove("htu")), ProofError::Claim("htu")),
        (|c| c["iat"] = (NOW - 91).into(), ProofError::Stale),
        (|c| c["iat"] = (NOW + 31).into(), ProofError::Stale),
        (|c| c["iat"] = i64::MIN.into(), ProofError::Stale),
        (|c| c["iat"] = i64::MAX.into(), ProofError::Stale),
        (|c| c["iat"] = NOW.to_string().into(), ProofError::Claim("iat")),
        (|c| c["iat"] = 1.5.into(), ProofError::Claim("iat")),
    ];
    for (number, (edit, error)) in rows.iter().enumerate() {
        assert_eq!(edited(|_| (), edit), Err(*error), "row {number}");
    }
    for iat in [NOW - 90, NOW + 30] {
        assert!(edited(|_| (), |c| c["iat"] = iat.into()).is_ok(), "{iat}");
    }
}

#[test]
fn a_signature_of_anything_else_does_not_hold() {
    let key = TestKey::es256();
    let forged = TestKey::other_es256().sign(header(key).to_string(), claims().to_string());
    assert_eq!(checked(&forged, key, None), Err(ProofError::BadSignature));
    let good = key.sign(header(key).to_string(), claims().to_string());
    for bad in ["", "a.b", "a.b.c", &format!("{good}."), good.split_at(1).1, &"a".repeat(MAX_PROOF_BYTES + 1)]
    {
        assert_eq!(checked(bad, key, None), Err(ProofError::Malformed));
    }
    let twice = claims().to_string().replacen('{', "{\"htm\":\"DELETE\",", 1);
    assert_eq!(checked(&key.sign(header(key).to_string(), twice), key, None), Err(ProofError::Malformed));
}

#[test]
fn a_proof_with_any_other_byte_is_refused() {
    let key = TestKey::eddsa();
    let proof = dpop_proof(key, &claims()).into_bytes();
    for at in 0..proof.len() {
        for bit in [1, 2, 32] {
            let mut other = proof.clone();
            other[at] ^= bit;
            let other = String::from_utf8(other).unwrap();
            assert!(checked(&other, key, None).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn a_nonce_is_asked_for_where_there_are_nonces() {
    let (key, nonces) = (TestKey::es256(), Nonces::of(b"secret"));
    let with = |nonce: serde_json::Value| {
        let mut claims = claims();
        claims["nonce"] = nonce;
        checked(&key.sign(header(key).to_string(), claims.to_string()), key, Some(&nonces))
    };
    let made_at = |second: i64| with(nonces.current(UnixTime::from_seconds(second)).into());
    assert!(!made_at(NOW).unwrap().renews_nonce());
    assert!(made_at(NOW - 120).unwrap().renews_nonce(), "it is accepted, and the next one is to be told");
    assert_eq!(with(serde_json::Value::Null), Err(ProofError::Nonce));
    assert_eq!(with("other".into()), Err(ProofError::Nonce));
    assert_eq!(with(nonces.current(UnixTime::from_seconds(NOW - 1_000)).into()), Err(ProofError::Nonce));
}

#[test]
fn a_proof_is_known_again_by_its_id_and_its_key() {
    let make = |key: &TestKey, id: &str, iat: i64| {
        let mut claims = claims();
        (claims["jti"], claims["iat"]) = (id.into(), iat.into());
        checked(&key.sign(header(key).to_string(), claims.to_string()), key, None).unwrap().fingerprint()
    };
    let (one, other) = (TestKey::es256(), TestKey::other_es256());
    assert_eq!(make(one, "a", NOW), make(one, "a", NOW - 1), "signed twice, of one id");
    assert_ne!(make(one, "a", NOW), make(one, "b", NOW));
    assert_ne!(make(one, "a", NOW), make(other, "a", NOW));
}
