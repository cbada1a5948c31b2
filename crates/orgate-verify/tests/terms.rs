//! The terms of an issuer, and what is told of a token that was judged: what the rows of `rows.rs` do not cover, because the
//! terms are others there.
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

use common::{AUDIENCE, Bench, ISSUER, NOW, claims, with};
use orgate_testkit::{TestKey, b64url, compact};
use orgate_verify::{Algorithm, TokenTypes, TrustedIssuer, VerifyErrorKind::*};
use serde_json::{Value, json};

#[test]
fn the_leeway_is_applied_once_to_each_time() {
    let bench = Bench::new();
    let at = |name: &str, time: i64| bench.verify(&TestKey::es256().mint(&with(name, time.into()))).map(drop);
    assert!(at("exp", NOW - 29).is_ok());
    assert_eq!(at("exp", NOW - 30).unwrap_err().kind(), Expired);
    for name in ["nbf", "iat"] {
        assert!(at(name, NOW + 30).is_ok());
        assert_eq!(at(name, NOW + 31).unwrap_err().kind(), NotYetValid);
        assert_eq!(at(name, 1 << 52).unwrap_err().kind(), NotYetValid);
        assert_eq!(at(name, 1 << 62).unwrap_err().kind(), MalformedClaim);
    }
    let strict = Bench::with(|issuer| issuer.leeway(0).unwrap());
    let token = TestKey::es256().mint(&claims());
    assert!(strict.verify_at(&token, NOW + 299).is_ok());
    assert_eq!(strict.verify_at(&token, NOW + 300).unwrap_err().kind(), Expired);
}

#[test]
fn the_first_refused_second_is_valid_until() {
    let bench = Bench::new();
    let token = TestKey::es256().mint(&claims());
    let until = bench.verify(&token).unwrap().valid_until().seconds();
    assert!(bench.verify_at(&token, until - 1).is_ok());
    assert_eq!(bench.verify_at(&token, until).unwrap_err().kind(), Expired);
}

#[test]
fn a_clock_at_the_end_of_its_range_does_not_panic() {
    let bench = Bench::with(|issuer| issuer.leeway(300).unwrap());
    let token = TestKey::es256().mint(&with("nbf", 1.into()));
    for now in [i64::MIN, i64::MIN + 1, -1, 0, 1] {
        assert!(matches!(bench.verify_at(&token, now).map_err(|e| e.kind()), Err(NotYetValid)), "{now}");
    }
    for now in [i64::MAX, i64::MAX - 1, NOW + 3_600] {
        assert_eq!(bench.verify_at(&token, now).unwrap_err().kind(), Expired, "{now}");
    }
}

#[test]
fn a_token_of_one_issuer_is_never_tried_with_the_keys_of_another() {
    let (a, b) = (TestKey::make_es256("k"), TestKey::make_es256("k"));
    let bench = Bench::two(&a, &b);
    let of_a = with("iss", "https://a.example".into());
    assert_eq!(bench.verify(&a.mint(&of_a)).unwrap().issuer().as_usize(), 0);
    let error = bench.refuses(&b.mint(&of_a), BadSignature, "signed by the other issuer");
    assert_eq!(error.issuer().unwrap().as_usize(), 0);
}

#[test]
fn any_audience_has_to_be_asked_for_and_still_needs_its_shape() {
    let bench = Bench::any_audience();
    for aud in [json!("other"), json!([]), Value::Null] {
        assert!(bench.verify(&TestKey::es256().mint(&with("aud", aud))).is_ok());
    }
    bench.refuses(&TestKey::es256().mint(&with("aud", 7.into())), MalformedClaim, "number");
}

#[test]
fn where_plain_jwts_pass_other_kinds_of_token_do_not() {
    let bench = Bench::with(|issuer| issuer.types(TokenTypes::ALL));
    for typ in [json!("at+jwt"), json!("JWT"), json!("jwt"), json!("application/at+jwt"), Value::Null] {
        assert!(bench.verify(&TestKey::es256().mint_with("typ", typ, &claims())).is_ok());
    }
    for typ in ["refresh+jwt", "logout+jwt", "dpop+jwt", "id+jwt", "JOSE", ""] {
        bench.refuses(&TestKey::es256().mint_with("typ", typ.into(), &claims()), WrongType, typ);
    }
    for (name, value) in [
        ("token_use", json!("id")),
        ("token_use", json!("Access")),
        ("token_use", json!(1)),
        ("nonce", json!("n")),
        ("at_hash", json!("h")),
        ("c_hash", json!("h")),
    ] {
        bench.refuses(&TestKey::es256().mint_with("typ", "JWT".into(), &with(name, value)), WrongType, name);
    }
    let access = TestKey::es256().mint_with("typ", "JWT".into(), &with("token_use", "access".into()));
    assert!(bench.verify(&access).is_ok());
}

#[test]
fn a_token_that_says_what_it_is_for_is_for_nothing_else() {
    let bench = Bench::with(|issuer| issuer.types(TokenTypes::ACCESS_TOKEN));
    for usage in [json!("session"), json!("id"), json!(["access"]), Value::Null] {
        bench.refuses(&TestKey::es256().mint(&with("token_use", usage)), WrongType, "at+jwt");
    }
    assert!(bench.verify(&TestKey::es256().mint(&with("token_use", "access".into()))).is_ok());
}

#[test]
fn claims_are_mapped_only_after_the_signature_held() {
    let forged = TestKey::other_es256().mint_with("kid", "es-1".into(), &with("org_id", 1.into()));
    Bench::new().refuses(&forged, BadSignature, "malformed claims under a bad signature");
}

#[test]
fn without_keys_no_token_passes_and_the_refusal_says_so() {
    let bench = Bench::without_keys();
    let error = bench.refuses(&TestKey::es256().mint(&claims()), KeysUnavailable, "never loaded");
    assert_eq!(error.issuer().unwrap().as_usize(), 0);
    bench.refuses(
        &TestKey::es256().mint(&with("exp", 1.into())),
        Expired,
        "the token's own faults come first",
    );
}

#[test]
fn no_refusal_repeats_what_the_token_said() {
    let bench = Bench::new();
    let secret = "s3cr3t-marker";
    for token in [
        TestKey::es256().mint_with("kid", secret.into(), &claims()),
        TestKey::es256().mint_with("alg", secret.into(), &claims()),
        TestKey::es256().mint_with("typ", secret.into(), &claims()),
        TestKey::es256().mint(&with("iss", secret.into())),
        TestKey::es256().mint(&with("aud", secret.into())),
        TestKey::es256().mint(&with("exp", secret.into())),
        TestKey::es256().mint(&with("org_permissions", secret.into())),
        compact(secret, secret, secret),
    ] {
        let error = bench.verify(&token).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
    }
}

#[test]
fn an_issuer_cannot_be_listed_twice() {
    assert_eq!(Bench::twice().unwrap_err().to_string(), format!("the issuer `{ISSUER}` is listed twice"));
}

#[test]
fn a_claim_that_stands_in_for_aud_is_judged_only_where_there_is_no_aud() {
    let bench = Bench::with(|issuer| issuer.audience_claim("client_id"));
    let token = |aud: Value, client: Value| {
        let mut claims = with("aud", aud);
        claims["client_id"] = client;
        TestKey::es256().mint(&claims)
    };
    assert!(bench.verify(&token(Value::Null, AUDIENCE.into())).is_ok());
    assert!(bench.verify(&token(AUDIENCE.into(), "somebody".into())).is_ok());
    bench.refuses(&token("other".into(), AUDIENCE.into()), WrongAudience, "aud decides");
    bench.refuses(&token(json!([]), AUDIENCE.into()), WrongAudience, "an empty aud is an aud");
    bench.refuses(&token(Value::Null, "other".into()), WrongAudience, "another client");
    bench.refuses(&token(Value::Null, json!({"id": AUDIENCE})), MalformedClaim, "an object");
    bench.refuses(&token(Value::Null, Value::Null), MissingClaim, "neither");
    let plain = Bench::new();
    plain.refuses(&token(Value::Null, AUDIENCE.into()), MissingClaim, "nobody asked for client_id");
}

#[test]
fn an_algorithm_that_the_configuration_does_not_name_is_refused() {
    let bench = Bench::with(|issuer| issuer.algorithms(vec![orgate_verify::Algorithm::Es256]).unwrap());
    assert!(bench.verify(&TestKey::es256().mint(&claims())).is_ok());
    bench.refuses(&TestKey::rs256().mint(&claims()), AlgorithmNotAllowed, "RS256");
    bench.refuses(&TestKey::eddsa().mint(&claims()), AlgorithmNotAllowed, "EdDSA");
}

#[test]
fn without_a_kid_the_key_must_be_the_only_one_of_its_algorithm() {
    let token = TestKey::es256().mint_with("kid", Value::Null, &claims());
    assert!(Bench::new().verify(&token).is_ok());
    let two = Bench::with_keys([TestKey::es256(), TestKey::other_es256()]);
    two.refuses(&token, KeyNotNamed, "two keys");
    Bench::with_keys([TestKey::rs256()]).refuses(&token, UnknownKey, "no key");
}

#[test]
fn a_good_token_of_each_algorithm_passes_and_tells_how_long_it_stands() {
    let bench = Bench::new();
    for key in TestKey::published() {
        let verified = bench.verify(&key.mint(&claims())).unwrap();
        assert_eq!(verified.principal().subject().as_str(), "usr_ann");
        assert_eq!(verified.expires_at().seconds(), NOW + 300);
        assert_eq!(verified.valid_until().seconds(), NOW + 330);
        assert_eq!(verified.key().map(|key| key.generation()), Some(bench.generation()));
    }
}

#[test]
fn an_issuer_with_a_secret_takes_its_codes_and_no_signatures() {
    let bench = Bench::with_secret(&[Algorithm::Hs256, Algorithm::Hs384]);
    for key in [TestKey::hs256(), TestKey::hs384()] {
        assert!(bench.verify(&key.mint(&claims())).is_ok(), "{}", key.alg());
        assert!(bench.verify(&key.mint_with("kid", Value::Null, &claims())).is_ok(), "it names no key");
        assert!(
            bench.verify(&key.mint_with("kid", "other".into(), &claims())).is_ok(),
            "it names what it likes"
        );
    }
    bench.refuses(&TestKey::hs512().mint(&claims()), AlgorithmNotAllowed, "HS512");
    for key in TestKey::published() {
        bench.refuses(&key.mint(&claims()), AlgorithmNotAllowed, key.alg());
    }
    let other = TestKey::secret("hs-1", "HS256", "another-secret-of-more-than-thirty-two-bytes");
    bench.refuses(&other.mint(&claims()), BadSignature, "another secret");
    for code in [&[][..], &[0; 32], &[0; 31], &[0; 33]] {
        let input = TestKey::hs256().mint(&claims());
        let (input, right) = input.rsplit_once('.').unwrap();
        let kind = if code.is_empty() { Malformed } else { BadSignature };
        bench.refuses(&format!("{input}.{}", b64url(code)), kind, "no code");
        bench.refuses(&format!("{input}.{}", &right[..40]), BadSignature, "a part of the code");
    }
}

#[test]
fn a_secret_shows_nowhere() {
    let bench = Bench::with_secret(&[Algorithm::Hs256]);
    let verified = bench.verify(&TestKey::hs256().mint(&claims())).unwrap();
    let error = bench.verify(&TestKey::hs384().mint(&claims())).unwrap_err();
    let shown = format!("{bench:?} {verified:?} {error:?}");
    assert!(!shown.contains(TestKey::SECRET) && shown.contains("Hs256"), "{shown}");
}

#[test]
fn the_claims_of_rfc_9068_are_needed_where_the_issuer_writes_them() {
    let bench = Bench::with(TrustedIssuer::rfc9068);
    assert!(bench.verify(&TestKey::es256().mint(&claims())).is_ok());
    for name in ["client_id", "iat", "jti"] {
        let mut missing = claims();
        missing.as_object_mut().unwrap().remove(name);
        let token = TestKey::es256().mint(&missing);
        let error = bench.refuses(&token, MissingClaim, name);
        assert_eq!(
            error.to_string(),
            format!("the token has no `{name}`, as access tokens by RFC 9068 have")
        );
        bench.refuses(&TestKey::es256().mint(&with(name, Value::Null)), MissingClaim, name);
        assert!(Bench::new().verify(&token).is_ok(), "{name} where nobody asks");
    }
}

#[test]
fn a_bad_signature_under_a_known_key_is_told_apart_from_every_other_refusal() {
    let bench = Bench::new();
    let stamp = bench.verify(&TestKey::es256().mint(&claims())).unwrap().key().unwrap();
    assert_eq!(stamp.generation(), bench.generation());
    let forged = TestKey::other_es256().mint_with("kid", "es-1".into(), &claims());
    assert_eq!(bench.refuses(&forged, BadSignature, "forged").refuted_by(), Some(stamp));
    let cases = corpus::all(NOW);
    assert!(cases.len() > 1_000);
    for case in cases.iter().filter(|case| case.jwks.is_none()) {
        if let Err(error) = bench.verify(&case.token) {
            let told = error.refuted_by().is_some();
            assert_eq!(told, error.kind() == BadSignature, "{} {}", case.row, case.name);
        }
    }
    let gone = Bench::with_keys([TestKey::rs256()]);
    assert_eq!(gone.refuses(&forged, UnknownKey, "no such key").refuted_by(), None);
    let expired = TestKey::other_es256().mint_with("kid", "es-1".into(), &with("exp", 1.into()));
    assert_eq!(bench.refuses(&expired, Expired, "expired and forged").refuted_by(), None);
}

#[test]
fn what_an_issuer_says_of_an_opaque_token_is_judged_as_a_token_is() {
    let bench = Bench::new();
    let mut said = claims();
    said["active"] = true.into();
    let verified = bench.introspected(&said.to_string()).unwrap();
    let by_jwt = bench.verify(&TestKey::es256().mint(&claims())).unwrap();
    assert_eq!(verified.principal(), by_jwt.principal());
    assert_eq!((verified.key(), verified.expires_at()), (None, by_jwt.expires_at()));
    assert_eq!(verified.valid_until(), verified.expires_at(), "then the issuer can be asked again");
    // What the standard makes optional.
    for name in ["exp", "iss", "iat", "jti", "client_id", "token_type"] {
        let mut less = said.clone();
        less.as_object_mut().unwrap().remove(name);
        assert!(bench.introspected(&less.to_string()).is_ok(), "{name}");
    }
    for (name, value) in [
        ("token_type", json!("bearer")),
        ("token_type", json!("access_token")),
        ("token_use", json!("access_token")),
        ("typ", json!("Bearer")),
        ("exp", json!(NOW - 29)),
    ] {
        let mut other = said.clone();
        other[name] = value.clone();
        assert!(bench.introspected(&other.to_string()).is_ok(), "{name} {value}");
    }
    for (name, value, kind) in [
        ("active", json!(false), Inactive),
        ("active", json!("true"), Malformed),
        ("active", json!(1), Malformed),
        ("active", Value::Null, Malformed),
        ("iss", json!("https://issuer.example/p/demo/"), UnknownIssuer),
        ("iss", json!(["https://issuer.example/p/demo"]), UnknownIssuer),
        ("aud", json!("another-api"), WrongAudience),
        ("aud", Value::Null, MissingClaim),
        ("aud", json!(7), MalformedClaim),
        ("exp", json!(NOW - 30), Expired),
        ("exp", json!("tomorrow"), MalformedClaim),
        ("nbf", json!(NOW + 31), NotYetValid),
        ("nbf", Value::Null, MalformedClaim),
        ("iat", json!(NOW + 31), NotYetValid),
        ("sub", Value::Null, MissingClaim),
        ("org_id", json!([1]), MalformedClaim),
        ("token_type", json!("refresh_token"), WrongType),
        ("token_type", json!("mac"), WrongType),
        ("token_type", json!(["Bearer"]), WrongType),
        ("token_type", json!("DPoP"), MalformedClaim),
        ("token_use", json!("refresh"), WrongType),
        ("token_use", json!("refresh_token"), WrongType),
        ("typ", json!("Refresh"), WrongType),
        ("typ", json!("ID"), WrongType),
        ("nonce", json!("n"), WrongType),
        ("cnf", json!("thumbprint"), MalformedClaim),
    ] {
        let mut other = said.clone();
        other[name] = value.clone();
        let error = bench.introspected(&other.to_string()).unwrap_err();
        assert_eq!(error.kind(), kind, "{name} {value}: {error}");
        assert_eq!((error.issuer().map(|issuer| issuer.as_usize()), error.refuted_by()), (Some(0), None));
    }
    for answer in [
        "",
        "[]",
        "null",
        "true",
        "{",
        r#"{"active":true,"active":true}"#,
        r#"{"sub":"a","active":true,"sub":"b"}"#,
    ] {
        assert_eq!(bench.introspected(answer).unwrap_err().kind(), Malformed, "{answer}");
    }
    // What it is bound to goes where the binding of every token goes.
    said["cnf"] = json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"});
    assert_eq!(bench.introspected(&said.to_string()).unwrap_err().kind(), WrongBinding, "`dpop` is off here");
}

#[test]
fn nothing_with_the_parts_of_a_jwt_is_opaque() {
    for (token, expected) in [
        ("sk_live_1234", true),
        ("ory_at_abc.def", true),
        ("", true),
        ("a.b.c", false),
        ("a..", false),
        ("a.b.c.d.e", false),
        ("...", false),
        (&*"a".repeat(16 * 1024), true),
        (&*"a".repeat(16 * 1024 + 1), false),
    ] {
        assert_eq!(orgate_verify::is_opaque(token), expected, "{}", token.len());
    }
}
