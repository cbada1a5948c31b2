//! Tokens whose header, key, signature or shape must not pass, row by row, with the kind of refusal each must get. A token differs from a good one in one
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

use common::{Bench, ISSUER, NOW, claims, with};
use orgate_testkit::{TestKey, b64url};
use orgate_verify::VerifyErrorKind::*;
use serde_json::{Value, json};

#[test]
fn a_good_token_of_each_algorithm_passes() {
    let bench = Bench::new();
    for key in [TestKey::rs256(), TestKey::es256(), TestKey::eddsa()] {
        let verified = bench.verify(&key.mint(&claims())).unwrap();
        assert_eq!(verified.principal().subject().as_str(), "usr_ann");
        assert_eq!(verified.expires_at().seconds(), NOW + 300);
        assert_eq!(verified.valid_until().seconds(), NOW + 330);
        assert_eq!(verified.key_generation(), bench.generation());
    }
}

#[test]
fn an_algorithm_that_is_not_exactly_one_of_ours_is_refused() {
    let bench = Bench::new();
    for alg in [
        "none", "None", "NONE", "nOnE", "none ", "", "null", "\0none", "rs256", "es256", " ES256", "ES256 ",
        "ES256\0", "ЕS256", "FOO256", "HS256", "HS384", "HS512", "ES384", "ES512", "ES256K", "PS256",
        "RS384", "RS512", "RS1", "Ed448", "eddsa", "RSA-OAEP", "dir",
    ] {
        bench.refuses(&TestKey::es256().mint_with("alg", alg.into(), &claims()), UnsupportedAlgorithm, alg);
    }
    for alg in [json!(1), json!(true), json!(["ES256"]), json!({"alg": "ES256"}), Value::Null] {
        bench.refuses(
            &TestKey::es256().mint_with("alg", alg.clone(), &claims()),
            Malformed,
            &alg.to_string(),
        );
    }
}

#[test]
fn a_signature_is_needed_whatever_alg_says() {
    let bench = Bench::new();
    let none = json!({"alg": "none", "kid": "es-1", "typ": "at+jwt"}).to_string();
    let signed = TestKey::es256().sign(&none, claims().to_string());
    let (head, _) = signed.rsplit_once('.').unwrap();
    bench.refuses(&signed, UnsupportedAlgorithm, "signature kept");
    bench.refuses(&format!("{head}."), Malformed, "signature empty");
    bench.refuses(head, Malformed, "third part absent");
    let good = TestKey::es256().mint(&claims());
    let (head, _) = good.rsplit_once('.').unwrap();
    bench.refuses(&format!("{head}."), Malformed, "a right header without a signature");
    bench.refuses(head, Malformed, "a right header with two parts");
}

#[test]
fn the_algorithm_belongs_to_the_key() {
    let bench = Bench::new();
    for (alg, kid) in [
        ("RS256", "es-1"),
        ("EdDSA", "es-1"),
        ("ES256", "rs-1"),
        ("EdDSA", "rs-1"),
        ("ES256", "ed-1"),
        ("RS256", "ed-1"),
    ] {
        let header = json!({"alg": alg, "kid": kid, "typ": "at+jwt"}).to_string();
        for key in [TestKey::rs256(), TestKey::es256(), TestKey::eddsa()] {
            bench.refuses(
                &key.sign(&header, claims().to_string()),
                AlgorithmNotAllowed,
                &format!("{alg} {kid}"),
            );
        }
    }
}

#[test]
fn an_algorithm_that_the_configuration_does_not_name_is_refused() {
    let bench = Bench::with(|issuer| issuer.algorithms(vec![orgate_verify::Algorithm::Es256]).unwrap());
    assert!(bench.verify(&TestKey::es256().mint(&claims())).is_ok());
    bench.refuses(&TestKey::rs256().mint(&claims()), AlgorithmNotAllowed, "RS256");
    bench.refuses(&TestKey::eddsa().mint(&claims()), AlgorithmNotAllowed, "EdDSA");
}

#[test]
fn ed25519_is_another_name_of_eddsa() {
    let token = TestKey::eddsa().mint_with("alg", "Ed25519".into(), &claims());
    assert!(Bench::new().verify(&token).is_ok());
}

#[test]
fn a_signature_that_is_not_the_one_is_refused() {
    let bench = Bench::new();
    let (zero, mut one) = (vec![0; 32], vec![0; 32]);
    one[31] = 1;
    for key in [TestKey::rs256(), TestKey::es256(), TestKey::eddsa()] {
        let token = key.mint(&claims());
        let (input, _) = token.rsplit_once('.').unwrap();
        let right = key.signature(input.as_bytes());
        let mut rows = vec![
            ("one byte", vec![1]),
            ("zeros", vec![0; right.len()]),
            ("0xff", vec![0xff; right.len()]),
            ("short", right[..right.len() - 1].to_vec()),
            ("long", [&right[..], &[0]].concat()),
            ("leading zero", [&[0], &right[..]].concat()),
            ("doubled", [&right[..], &right].concat()),
            ("of another message", key.signature(b"another")),
            ("r = s = 0 in 64", vec![0; 64]),
            ("r = s = 1", [&one[..], &one].concat()),
            ("r = 0", [&zero[..], &right[32..64]].concat()),
            ("s = 0", [&right[..32], &zero].concat()),
            ("r = n", [&ORDER[..], &right[32..64]].concat()),
            ("s = n", [&right[..32], &ORDER].concat()),
            ("halves swapped", [&right[32..64], &right[..32]].concat()),
            ("66 bytes", [&[0], &right[..32], &[0], &right[32..64]].concat()),
            ("another key's", TestKey::make_es256("x").signature(input.as_bytes())),
            ("another key's", TestKey::make_eddsa("x").signature(input.as_bytes())),
            ("another key's", TestKey::other_rs256().signature(input.as_bytes())),
        ];
        for at in [0, right.len() / 2, right.len() - 1] {
            let mut flipped = right.clone();
            flipped[at] ^= 0x10;
            rows.push(("one bit", flipped));
        }
        for (what, signature) in rows {
            let token = format!("{input}.{}", b64url(signature));
            bench.refuses(&token, BadSignature, &format!("{} {what}", key.alg()));
        }
    }
}

/// The order of P-256, big-endian.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

#[test]
fn both_values_of_s_are_valid_as_the_standard_says() {
    let token = TestKey::es256().mint(&claims());
    let (input, _) = token.rsplit_once('.').unwrap();
    let mut signature = TestKey::es256().signature(input.as_bytes());
    let mut borrow = 0;
    for at in (0..32).rev() {
        let difference = i16::from(ORDER[at]) - i16::from(signature[32 + at]) - borrow;
        borrow = i16::from(difference < 0);
        signature[32 + at] = difference.rem_euclid(256) as u8;
    }
    assert!(Bench::new().verify(&format!("{input}.{}", b64url(signature))).is_ok());
}

#[test]
fn an_ecdsa_signature_in_der_or_with_s_beyond_the_order_is_refused() {
    let bench = Bench::new();
    let token = TestKey::es256().mint(&claims());
    let (input, _) = token.rsplit_once('.').unwrap();
    let right = TestKey::es256().signature(input.as_bytes());
    let integer = |half: &[u8]| [&[2, 33, 0][..], half].concat();
    let der = [&[0x30, 70][..], &integer(&right[..32]), &integer(&right[32..])].concat();
    bench.refuses(&format!("{input}.{}", b64url(der)), BadSignature, "DER");
    let wide = [&right[..32], &[1], &right[32..]].concat();
    bench.refuses(&format!("{input}.{}", b64url(wide)), BadSignature, "s in 33 bytes");
}

#[test]
fn parts_of_two_tokens_do_not_make_a_third() {
    let bench = Bench::new();
    let one = TestKey::es256().mint(&claims());
    let two = TestKey::es256().mint(&with("org_role", "owner".into()));
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (one, two) = (parts(&one), parts(&two));
    bench.refuses(&format!("{}.{}.{}", one[0], two[1], one[2]), BadSignature, "payload swapped");
    bench.refuses(&format!("{}.{}.{}", one[0], one[1], two[2]), BadSignature, "signature swapped");
    let header = b64url(json!({"alg": "ES256", "kid": "es-1", "typ": "at+jwt", "x": 1}).to_string());
    bench.refuses(&format!("{header}.{}.{}", one[1], one[2]), BadSignature, "header swapped");
}

#[test]
fn a_kid_is_compared_exactly_and_leads_nowhere() {
    let bench = Bench::new();
    let long = "k".repeat(5_000);
    for kid in [
        "",
        "unknown",
        "ES-1",
        "es-1 ",
        " es-1",
        "es-1\0",
        "*",
        "__proto__",
        "../../dev/null",
        "/dev/null",
        "file:///etc/passwd",
        "|sleep 3",
        "a\r\nb: c",
        "' OR 1=1 --",
        "es-１",
        &long,
    ] {
        bench.refuses(&TestKey::es256().mint_with("kid", kid.into(), &claims()), UnknownKey, kid);
    }
    for kid in [json!(1), json!(true), json!(["es-1"]), json!({"kid": "es-1"})] {
        bench.refuses(
            &TestKey::es256().mint_with("kid", kid.clone(), &claims()),
            Malformed,
            &kid.to_string(),
        );
    }
    bench.refuses(
        &TestKey::other_es256().mint_with("kid", "es-1".into(), &claims()),
        BadSignature,
        "another key's kid",
    );
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
fn a_key_that_the_token_brings_along_is_not_read() {
    let bench = Bench::new();
    let attacker = TestKey::make_es256("es-1");
    for (name, value) in [
        ("jwk", attacker.jwk()),
        ("jku", "https://evil.example/jwks.json".into()),
        ("jku", format!("{ISSUER}@evil.example/").into()),
        ("x5u", "https://evil.example/cert.pem".into()),
        ("x5c", json!(["MIIB"])),
        ("x5t", "abc".into()),
    ] {
        bench.refuses(&attacker.mint_with(name, value.clone(), &claims()), BadSignature, name);
        assert!(
            bench.verify(&TestKey::es256().mint_with(name, value, &claims())).is_ok(),
            "{name} on a right token"
        );
    }
}

#[test]
fn a_header_that_changes_how_the_token_is_read_is_refused() {
    let bench = Bench::new();
    for crit in [
        json!(["exp"]),
        json!(["unknown"]),
        json!([]),
        json!("b64"),
        json!(1),
        json!(["alg"]),
        json!(["b64", "b64"]),
        json!(["b64"]),
        json!({}),
    ] {
        bench.refuses(
            &TestKey::es256().mint_with("crit", crit.clone(), &claims()),
            CriticalHeader,
            &crit.to_string(),
        );
    }
    let null = r#"{"alg":"ES256","kid":"es-1","typ":"at+jwt","crit":null}"#;
    bench.refuses(&TestKey::es256().sign(null, claims().to_string()), CriticalHeader, "crit null");
    bench.refuses(&TestKey::es256().mint_with("b64", false.into(), &claims()), CriticalHeader, "b64");
    bench.refuses(&TestKey::es256().mint_with("zip", "DEF".into(), &claims()), CriticalHeader, "zip");
    let token = TestKey::es256().mint(&claims());
    let parts: Vec<_> = token.split('.').collect();
    bench.refuses(&format!("{}..{}", parts[0], parts[2]), Malformed, "detached payload");
}

#[test]
fn encrypted_and_json_serialised_tokens_are_refused() {
    let bench = Bench::new();
    let token = TestKey::es256().mint(&claims());
    let parts: Vec<_> = token.split('.').collect();
    let jwe = b64url(r#"{"alg":"dir","enc":"A256GCM"}"#);
    bench.refuses(&format!("{jwe}..{}.{}.{}", parts[0], parts[1], parts[2]), Malformed, "JWE");
    bench.refuses(&format!("{jwe}.{}.{}.{}.{}", parts[0], parts[0], parts[1], parts[2]), Malformed, "JWE");
    let flattened = json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]}).to_string();
    bench.refuses(&flattened, Malformed, "flattened JSON");
    let general =
        json!({"payload": parts[1], "signatures": [{"protected": parts[0], "signature": parts[2]}]})
            .to_string();
    bench.refuses(&general, Malformed, "general JSON");
}

#[test]
fn json_that_two_readers_could_read_differently_is_refused() {
    let bench = Bench::new();
    let key = TestKey::es256();
    let header = json!({"alg": "ES256", "kid": "es-1", "typ": "at+jwt"}).to_string();
    let good = claims().to_string();
    let open = good.strip_suffix('}').unwrap();
    for header in [
        r#"{"alg":"none","alg":"ES256","kid":"es-1","typ":"at+jwt"}"#,
        r#"{"alg":"ES256","kid":"es-1","typ":"at+jwt","\u0061lg":"none"}"#,
        r#"{"alg":"ES256","kid":"es-1","kid":"es-1","typ":"at+jwt"}"#,
        r#"{"alg":"ES256","kid":"es-1","typ":"JWT","typ":"at+jwt"}"#,
        "[]",
        "null",
        "",
    ] {
        bench.refuses(&key.sign(header, &good), Malformed, header);
    }
    for member in [
        r#""exp":9999999999"#,
        r#""iss":"https://evil.example""#,
        r#""aud":"demo-api""#,
        r#""sub":"usr_root""#,
        r#""org_id":"org_other""#,
        r#""org_permissions":["delete_org"]"#,
        r#""\u006frg_permissions":["delete_org"]"#,
        r#""x":{"a":1,"a":2}"#,
    ] {
        bench.refuses(&key.sign(&header, format!("{open},{member}}}")), Malformed, member);
        let first = format!("{{{member},{}", good.strip_prefix('{').unwrap());
        bench.refuses(&key.sign(&header, first), Malformed, member);
    }
    for (what, bytes) in [
        ("BOM", [b"\xef\xbb\xbf", good.as_bytes()].concat()),
        ("trailing bytes", [good.as_bytes(), b"x"].concat()),
        ("two objects", [good.as_bytes(), good.as_bytes()].concat()),
        ("array", b"[]".to_vec()),
        ("string", b"\"a\"".to_vec()),
        ("null", b"null".to_vec()),
        ("number", b"1".to_vec()),
        ("comment", format!("{open}/**/}}").into_bytes()),
        ("NaN", format!("{open},\"x\":NaN}}").into_bytes()),
        ("Infinity", format!("{open},\"x\":Infinity}}").into_bytes()),
        ("UTF-16", good.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("Latin-1", [open.as_bytes(), b",\"x\":\"\xe9\"}"].concat()),
        ("raw newline", format!("{open},\"x\":\"\n\"}}").into_bytes()),
        ("deep arrays", format!("{open},\"x\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000)).into_bytes()),
        ("1e400", format!("{open},\"x\":1e400}}").into_bytes()),
        ("lone surrogate", format!("{open},\"x\":\"\\ud800\"}}").into_bytes()),
    ] {
        bench.refuses(&key.sign(&header, bytes), Malformed, what);
    }
    let digits = format!("{open},\"x\":{}}}", "9".repeat(300));
    assert!(bench.verify(&key.sign(&header, digits)).is_ok(), "a long number that nobody reads");
}

#[test]
fn another_spelling_of_a_token_is_another_token() {
    let bench = Bench::new();
    let token = TestKey::es256().mint(&claims());
    let (input, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = input.split_once('.').unwrap();
    for other in [
        format!("{token}="),
        format!("{token}=="),
        format!("{header}=.{payload}.{signature}"),
        format!("{token}!"),
        format!("{token}#"),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        format!("{header}\t.{payload}.{signature}"),
        format!("\"{token}\""),
        format!("{header}%2e{payload}.{signature}"),
        format!("{header}．{payload}.{signature}"),
        format!(".{token}"),
        format!("{token}."),
        input.to_owned(),
        header.to_owned(),
        format!("{token}.{signature}"),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}.{payload}.{}", signature.replace(['-', '_'], "+")) + "+",
        String::new(),
        ".".repeat(4_000),
    ] {
        bench.refuses(&other, Malformed, &other);
    }
    // The last character of 64 bytes has four bits that mean nothing; they must be zero.
    let last = signature.chars().last().unwrap();
    let slack = char::from(last as u8 + 1);
    bench.refuses(&format!("{input}.{}{slack}", &signature[..signature.len() - 1]), Malformed, "slack bits");
    bench.refuses(&token[..token.len() - 2], BadSignature, "truncated");
}

#[test]
fn a_token_that_is_too_large_is_refused_before_it_is_read() {
    let bench = Bench::new();
    for size in [16 * 1024 + 1, 64 * 1024, 256 * 1024, 512 * 1024] {
        bench.refuses(&"a".repeat(size), TooLarge, "garbage");
    }
    bench.refuses(
        &TestKey::es256().mint(&with("x", "y".repeat(16 * 1024).into())),
        TooLarge,
        "a right signature",
    );
}
