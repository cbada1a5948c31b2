//! Tokens whose claims must not pass, row by row, with the kind of refusal each must get. A token differs from a good one in one
//! thing only, and the good one passes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod common;

use common::{AUDIENCE, Bench, ISSUER, NOW, claims, with};
use orgate_testkit::{TestKey, compact};
use orgate_verify::{
    TokenTypes,
    VerifyErrorKind::{self, *},
};
use serde_json::{Value, json};

#[test]
fn exp_must_be_a_time_that_has_not_come() {
    let bench = Bench::new();
    for (exp, kind) in [
        ("null", MissingClaim),
        ("true", MalformedClaim),
        ("\"never\"", MalformedClaim),
        ("\"9999999999\"", MalformedClaim),
        ("[9999999999]", MalformedClaim),
        ("{}", MalformedClaim),
        ("\"\"", MalformedClaim),
        ("0", Expired),
        ("1", Expired),
        ("-1", MalformedClaim),
        ("-9223372036854775808", MalformedClaim),
        ("1.5", MalformedClaim),
        ("-0", MalformedClaim),
        ("1e-5", MalformedClaim),
        ("-1e400", Malformed),
        ("9999999999.5", MalformedClaim),
        ("9007199254740993", MalformedClaim),
        ("9223372036854775807", MalformedClaim),
        ("9223372036854775808", MalformedClaim),
        ("18446744073709551616", MalformedClaim),
        ("18446744075409551616", MalformedClaim),
        ("1e19", MalformedClaim),
        ("1e400", Malformed),
    ] {
        let text = claims().to_string().replace(&format!("\"exp\":{}", NOW + 300), &format!("\"exp\":{exp}"));
        bench.refuses(&bench.sign_claims(&text), kind, exp);
    }
    bench.refuses(&TestKey::es256().mint(&with("exp", Value::Null)), MissingClaim, "null");
    let mut missing = claims();
    missing.as_object_mut().unwrap().remove("exp");
    bench.refuses(&TestKey::es256().mint(&missing), MissingClaim, "missing");
}

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
fn nbf_and_iat_must_be_times() {
    let bench = Bench::new();
    for name in ["nbf", "iat"] {
        for value in [json!("1"), json!(true), json!([1]), json!({}), json!(1.5), json!(-1)] {
            bench.refuses(
                &TestKey::es256().mint(&with(name, value.clone())),
                MalformedClaim,
                &format!("{name} {value}"),
            );
        }
    }
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
fn iss_selects_an_issuer_byte_by_byte() {
    let bench = Bench::new();
    for iss in [
        format!("{ISSUER}/"),
        ISSUER.to_uppercase(),
        format!(" {ISSUER}"),
        format!("{ISSUER} "),
        format!("{ISSUER}\0"),
        format!("{ISSUER}.evil.example"),
        format!("https://evil.example/{ISSUER}"),
        ISSUER[..ISSUER.len() - 1].to_owned(),
        ISSUER.replace("https", "http"),
        format!("{ISSUER}:443"),
        ISSUER.replace("https://", "https://user@"),
        format!("{ISSUER}?a=b"),
        ISSUER.replace('e', "е"),
        String::new(),
    ] {
        let token = TestKey::es256().mint(&with("iss", iss.clone().into()));
        let error = bench.refuses(&token, UnknownIssuer, &iss);
        assert_eq!(error.issuer(), None);
    }
    for iss in [json!([ISSUER]), json!([ISSUER, "https://evil.example"]), json!(1), json!(true), json!({})] {
        bench.refuses(&TestKey::es256().mint(&with("iss", iss.clone())), MalformedClaim, &iss.to_string());
    }
    bench.refuses(&TestKey::es256().mint(&with("iss", Value::Null)), MissingClaim, "null");
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
fn aud_must_name_us() {
    let bench = Bench::new();
    let rows: &[(Value, VerifyErrorKind)] = &[
        (json!("other"), WrongAudience),
        (json!(""), WrongAudience),
        (json!([]), WrongAudience),
        (json!("demo-ap"), WrongAudience),
        (json!("demo-api2"), WrongAudience),
        (json!("Demo-Api"), WrongAudience),
        (json!("*"), WrongAudience),
        (json!("demo-api,other"), WrongAudience),
        (json!("demo-api other"), WrongAudience),
        (json!(["other", "another"]), WrongAudience),
        (Value::Null, MissingClaim),
        (json!(7), MalformedClaim),
        (json!(true), MalformedClaim),
        (json!({}), MalformedClaim),
        (json!({"demo-api": true}), MalformedClaim),
        (json!([["demo-api"]]), MalformedClaim),
        (json!([7]), MalformedClaim),
        (json!(["demo-api", 7]), MalformedClaim),
        (json!([null, "demo-api"]), MalformedClaim),
    ];
    for (aud, kind) in rows {
        bench.refuses(&TestKey::es256().mint(&with("aud", aud.clone())), *kind, &aud.to_string());
    }
    let mut missing = claims();
    missing.as_object_mut().unwrap().remove("aud");
    bench.refuses(&TestKey::es256().mint(&missing), MissingClaim, "missing");
    for aud in [json!([AUDIENCE]), json!(["other", AUDIENCE])] {
        assert!(bench.verify(&TestKey::es256().mint(&with("aud", aud))).is_ok());
    }
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
fn only_access_tokens_by_type_pass_where_the_issuer_writes_it() {
    let bench = Bench::new();
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "APPLICATION/AT+JWT", "Application/at+JWT"] {
        assert!(bench.verify(&TestKey::es256().mint_with("typ", typ.into(), &claims())).is_ok(), "{typ}");
    }
    for typ in [
        "JWT",
        "",
        "at+jwt ",
        " at+jwt",
        "at",
        "jwt",
        "application/",
        "application/application/at+jwt",
        "at+jwt;x=y",
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "refresh+jwt",
        "rt+jwt",
        "oauth-authz-req+jwt",
        "client-authentication+jwt",
        "entity-statement+jwt",
        "id+jwt",
        "JOSE",
        "ａt+jwt",
    ] {
        bench.refuses(&TestKey::es256().mint_with("typ", typ.into(), &claims()), WrongType, typ);
    }
    bench.refuses(&TestKey::es256().mint_with("typ", Value::Null, &claims()), WrongType, "absent");
    for typ in [json!(1), json!(["at+jwt"]), json!({})] {
        bench.refuses(
            &TestKey::es256().mint_with("typ", typ.clone(), &claims()),
            Malformed,
            &typ.to_string(),
        );
    }
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
fn a_malformed_organization_claim_refuses_the_token() {
    let bench = Bench::new();
    for (name, value) in [
        ("org_permissions", json!("read")),
        ("org_permissions", json!("a b")),
        ("org_permissions", json!([1])),
        ("org_permissions", json!({"read": true})),
        ("org_id", json!("")),
        ("org_id", json!(1)),
        ("org_id", json!(["org_acme"])),
        ("org_id", json!("a\r\nX-Orgate-Role: owner")),
        ("org_slug", json!("a\0")),
        ("org_role", json!(1)),
        ("org_role", json!("owner\r\n")),
        ("sub", json!("a\nb")),
        ("sub", json!("")),
    ] {
        let token = TestKey::es256().mint(&with(name, value.clone()));
        bench.refuses(&token, MalformedClaim, &format!("{name} {value}"));
    }
    bench.refuses(&TestKey::es256().mint(&with("sub", Value::Null)), MissingClaim, "sub null");
    for (name, value) in [("org_permissions", Value::Null), ("org_id", Value::Null)] {
        assert!(bench.verify(&TestKey::es256().mint(&with(name, value))).is_ok(), "{name} null is absent");
    }
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
