//! What the library that everybody uses makes of the same tokens (`corpus/`), and so what our own reading closes.
//!
//! It is asked in two ways. The natural one: the header's `kid` chooses a JWK, the header's `alg` the validation, issuer and
//! audience are set. The hardened one turns on every check that the library offers besides. Whatever it lets through is
//! counted row by row, so that a version of it that closes a hole, or opens one, is noticed here; the verifier refuses all
//! of it. The other way round, what the verifier accepts and the library does not is named case by case.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod common;
mod corpus;
mod random;

use std::collections::BTreeMap;

use common::{AUDIENCE, Bench, ISSUER};
use corpus::{Case, Expected};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header, get_current_timestamp,
    jwk::{JwkSet, KeyOperations, PublicKeyUse},
};
use orgate_testkit::{TestKey, jwks};
use orgate_verify::VerifyErrorKind;
use proptest::prelude::*;
use serde_json::Value;

/// The library as its documentation shows it.
fn naturally(token: &str, jwks: &str) -> bool {
    judged(token, jwks, false).is_some()
}

/// The library with every check that it has.
fn hardened(token: &str, jwks: &str) -> bool {
    judged(token, jwks, true).is_some()
}

fn judged(token: &str, jwks: &str, hardened: bool) -> Option<Value> {
    let header = decode_header(token).ok()?;
    let set = keys(jwks);
    let jwk = set.find(header.kid.as_deref()?)?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    if hardened {
        validation.leeway = 30;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let is_listed = !matches!(header.alg, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
        let is_for_it =
            jwk.common.key_algorithm.is_none_or(|alg| alg.to_string() == format!("{:?}", header.alg));
        let is_for_signatures =
            jwk.common.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature)
                && jwk.common.key_operations.as_ref().is_none_or(|it| it.contains(&KeyOperations::Verify));
        let is_access_token = header
            .typ
            .as_deref()
            .is_some_and(|typ| ["at+jwt", "application/at+jwt"].contains(&typ.to_ascii_lowercase().as_str()));
        if !(is_listed && is_for_it && is_for_signatures && is_access_token) {
            return None;
        }
    }
    decode(token, &DecodingKey::from_jwk(jwk).ok()?, &validation).ok().map(|token| token.claims)
}

/// The keys that the library can read; one that it cannot would make it refuse the whole set.
fn keys(jwks: &str) -> JwkSet {
    let set: Value = serde_json::from_str(jwks).unwrap();
    let readable = set["keys"].as_array().unwrap().iter();
    JwkSet { keys: readable.filter_map(|jwk| serde_json::from_value(jwk.clone()).ok()).collect() }
}

/// The cases as of the clock that the library reads, but for those that a slow test could turn round.
fn cases() -> Vec<Case> {
    let now = i64::try_from(get_current_timestamp()).unwrap();
    corpus::all(now).into_iter().filter(|case| !case.name.ends_with("s ago")).collect()
}

/// How many cases of each row `accepts` lets through though they must be refused, and their names.
fn let_through(accepts: impl Fn(&str, &str) -> bool) -> BTreeMap<&'static str, Vec<String>> {
    let published = jwks(TestKey::published());
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for Case { row, name, token, jwks, expected } in cases() {
        let is_bad = matches!(expected, Expected::Refused(_));
        if is_bad && accepts(&token, jwks.as_deref().unwrap_or(&published)) {
            found.entry(row).or_default().push(name);
        }
    }
    found
}

fn counted(found: &BTreeMap<&'static str, Vec<String>>) -> Vec<(&'static str, usize)> {
    found.iter().map(|(row, names)| (*row, names.len())).collect()
}

#[test]
fn the_library_alone_lets_these_through() {
    let found = let_through(naturally);
    let rows = [
        ("A1", 4),   // the padding of the token, where the key says the other one
        ("A11", 68), // not its business: it gives the claims as they are
        ("A12", 21), // `use`, `key_ops`, `alg` and private members of a JWK, secrets among published keys, the neutral point
        ("A5", 40),  // `crit`, `b64`, `zip`
        ("A6", 20),  // members named twice
        ("A7", 4),   // tokens of any size
        ("A8", 37),  // fractions and huge numbers, `nbf` and `iat` of any kind
        ("A9", 52),  // `iss` and `aud` of the wrong kind, every `typ`
    ];
    assert_eq!(counted(&found), rows, "{found:#?}");
}

#[test]
fn the_library_with_every_check_still_lets_these_through() {
    let found = let_through(hardened);
    let rows = [("A11", 63), ("A12", 7), ("A5", 40), ("A6", 20), ("A7", 4), ("A8", 23), ("A9", 3)];
    assert_eq!(counted(&found), rows, "{found:#?}");
}

/// What is right and the library refuses.
const ONLY_OURS: [&str; 4] = [
    // It is asked for a key by `kid` alone.
    "none, and one key that it could be",
    // RFC 9864.
    "Ed25519, its other name",
    // It takes the first key of the `kid`, whatever it is for.
    "one kid for RS256 and PS256, signed by PS256",
    "one kid for RS256 and ES256, signed by ES256",
];

#[test]
fn what_we_accept_the_library_accepts_but_for_these() {
    let published = jwks(TestKey::published());
    let refused: Vec<String> = cases()
        .into_iter()
        .filter(|case| !matches!(case.expected, Expected::Refused(_)))
        .filter(|case| !hardened(&case.token, case.jwks.as_deref().unwrap_or(&published)))
        .map(|case| case.name)
        .collect();
    assert_eq!(refused, ONLY_OURS);
}

/// Why a token is refused that the library, with every check, accepts: each kind is a rule that the library does not have.
const STRICTER: [(VerifyErrorKind, &str); 7] = [
    (VerifyErrorKind::TooLarge, "tokens are bounded"),
    (VerifyErrorKind::Malformed, "members named twice, depth"),
    (VerifyErrorKind::CriticalHeader, "`crit`, `b64` and `zip`"),
    (VerifyErrorKind::MalformedClaim, "times and names of the wrong kind"),
    (VerifyErrorKind::NotYetValid, "`iat` ahead"),
    (VerifyErrorKind::WrongType, "`token_use`"),
    (VerifyErrorKind::UnknownIssuer, "a list of issuers"),
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(random::cases()) })]

    /// Two implementations, one token: whatever we accept it accepts as well, and reads as the same subject; what we refuse
    /// and it accepts is one of [`STRICTER`].
    #[test]
    fn both_implementations_agree_but_for_what_is_named(changes in random::changes(), which in 0..9_usize) {
        let key = TestKey::published()[which];
        let now = i64::try_from(get_current_timestamp()).unwrap();
        let token = random::token(key, &changes, now);
        let (ours, theirs) = (Bench::new().verify_at(&token, now), judged(&token, &jwks(TestKey::published()), true));
        match (&ours, &theirs) {
            (Ok(ours), Some(theirs)) => {
                prop_assert_eq!(ours.principal().subject().as_str(), theirs["sub"].as_str().unwrap());
                prop_assert_eq!(ours.expires_at().seconds(), theirs["exp"].as_i64().unwrap());
            }
            (Ok(_), None) => prop_assert!(false, "only we accept {changes:?}"),
            (Err(error), Some(_)) => {
                let named = STRICTER.iter().any(|(kind, _)| *kind == error.kind());
                prop_assert!(named, "only the library accepts {changes:?}: {:?} {error}", error.kind());
            }
            (Err(_), None) => {}
        }
    }
}
