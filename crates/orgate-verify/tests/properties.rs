//! What holds for every token, not only for those somebody thought of.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{Bench, claims};
use orgate_testkit::{TestKey, b64url, compact};
use orgate_verify::{Algorithm, KeySet};
use proptest::prelude::*;

/// How many cases each property is tried with; `./tests/run --long` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(512)
}

/// Every bit of every character, of header, claims and signature: the bits of the last characters that mean nothing
/// included. Seven of them, so that the text stays one character a byte.
#[test]
fn a_token_with_any_bit_flipped_is_refused() {
    let (published, secret) = (Bench::new(), Bench::with_secret(&[Algorithm::Hs256]));
    for (bench, key) in [
        (&published, TestKey::rs256()),
        (&published, TestKey::ps256()),
        (&published, TestKey::es256()),
        (&published, TestKey::es384()),
        (&published, TestKey::eddsa()),
        (&secret, TestKey::hs256()),
    ] {
        let token = key.mint(&claims());
        assert!(bench.verify(&token).is_ok());
        let mut bytes = token.into_bytes();
        for at in 0..bytes.len() {
            for bit in 0..7 {
                bytes[at] ^= 1 << bit;
                let other = std::str::from_utf8(&bytes).unwrap();
                assert!(bench.verify(other).is_err(), "{} with bit {bit} of byte {at} flipped", key.alg());
                bytes[at] ^= 1 << bit;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_refused_without_a_panic(text in ".{0,200}") {
        prop_assert!(Bench::new().verify(&text).is_err());
    }

    #[test]
    fn any_parts_are_refused_without_a_panic(
        header in prop::collection::vec(any::<u8>(), 0..80),
        claims in prop::collection::vec(any::<u8>(), 0..200),
        signature in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        prop_assert!(Bench::new().verify(&compact(header, claims, signature)).is_err());
    }

    #[test]
    fn any_claims_under_a_right_signature_never_panic(claims in json(), now in any::<i64>()) {
        let _ = Bench::new().verify_at(&TestKey::es256().mint(&claims), now);
    }

    #[test]
    fn any_signature_over_a_right_token_is_refused(signature in prop::collection::vec(any::<u8>(), 0..300), which in 0..9_usize) {
        let token = TestKey::published()[which].mint(&claims());
        let (input, _) = token.rsplit_once('.').unwrap();
        let forged = format!("{input}.{}", b64url(signature));
        prop_assert!(Bench::new().verify(&forged).is_err());
    }

    #[test]
    fn any_bytes_as_a_key_set_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), set in json()) {
        let _ = KeySet::from_jwks(&bytes);
        let _ = KeySet::from_jwks(set.to_string().as_bytes());
        let _ = KeySet::from_jwks(serde_json::json!({ "keys": [set] }).to_string().as_bytes());
    }
}

/// Claims and key sets that have the right names with any values.
fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,12}".prop_map(Value::from),
        Just(Value::from(common::ISSUER)),
        Just(Value::from(common::AUDIENCE)),
    ];
    let name = prop_oneof![
        Just("iss"),
        Just("aud"),
        Just("exp"),
        Just("nbf"),
        Just("iat"),
        Just("sub"),
        Just("org_id"),
        Just("org_role"),
        Just("org_permissions"),
        Just("org_ver"),
        Just("cnf"),
        Just("scope"),
        Just("kty"),
        Just("crv"),
        Just("x"),
        Just("y"),
        Just("n"),
        Just("e"),
        Just("kid"),
        Just("alg"),
        Just("use"),
        Just("key_ops"),
        Just("keys"),
    ]
    .prop_map(str::to_owned);
    leaf.prop_recursive(3, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
