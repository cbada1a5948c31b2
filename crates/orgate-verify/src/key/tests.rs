use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use orgate_testkit::{TestKey, unfit_jwks};
use serde_json::json;

use super::{weak::SMALL_ORDER, *};
use crate::json::parse_object;

fn read(jwk: &serde_json::Value) -> Result<Key, SkipReason> {
    let text = json!({ "key": jwk }).to_string();
    Key::from_jwk(&parse_object(text.as_bytes()).unwrap()["key"])
}

fn holds(key: &Key, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
    key.under(algorithm.parse().unwrap()).is_some_and(|key| key.verify(message, signature))
}

#[test]
fn a_fit_key_serves_its_own_algorithm_only() {
    for key in TestKey::published() {
        let read = read(&key.jwk()).unwrap();
        assert_eq!(read.kid(), Some(key.kid()));
        for &other in Algorithm::ALL {
            assert_eq!(read.under(other).is_some(), other.as_str() == key.alg());
        }
        let mut signature = key.signature(b"message");
        assert!(holds(&read, key.alg(), b"message", &signature));
        assert!(!holds(&read, key.alg(), b"massage", &signature));
        signature[7] ^= 1;
        assert!(!holds(&read, key.alg(), b"message", &signature));
    }
}

#[test]
fn a_key_without_alg_serves_every_algorithm_of_its_type_and_curve() {
    let published = TestKey::published();
    let family = |alg: &str| if alg.starts_with(['R', 'P']) { "RSA" } else { alg }.to_owned();
    for key in published {
        let mut jwk = key.jwk();
        jwk.as_object_mut().unwrap().remove("alg");
        let read = read(&jwk).unwrap();
        for &other in Algorithm::ALL {
            let fits = family(other.as_str()) == family(key.alg());
            assert_eq!(read.under(other).is_some(), fits, "{} and {other}", key.alg());
        }
        let signature = key.signature(b"message");
        for one in read.uses() {
            let is_its_own = one.algorithm().as_str() == key.alg();
            assert_eq!(one.verify(b"message", &signature), is_its_own, "{}", key.alg());
        }
    }
}

#[test]
fn an_rsa_key_may_be_as_long_as_8192_bits() {
    let mut jwk = TestKey::rs256().jwk();
    for (bytes, expected) in [(1024, None), (1025, Some(SkipReason::BadModulusSize))] {
        let mut n = vec![0xab; bytes];
        n[bytes - 1] = 0xc3;
        jwk["n"] = URL_SAFE_NO_PAD.encode(n).into();
        assert_eq!(read(&jwk).err(), expected);
    }
}

#[test]
fn members_that_say_nothing_against_it_are_fine() {
    let mut jwk = TestKey::eddsa().jwk();
    jwk["alg"] = "Ed25519".into();
    jwk["key_ops"] = json!(["verify"]);
    jwk["x5t"] = "anything".into();
    jwk["unknown"] = json!({"a": [1]});
    assert!(read(&jwk).is_ok());
    for member in ["kid", "alg", "use"] {
        jwk.as_object_mut().unwrap().remove(member);
    }
    assert_eq!(read(&jwk).unwrap().kid(), None);
}

#[test]
fn leading_zeros_do_not_change_a_modulus() {
    let mut jwk = TestKey::rs256().jwk();
    let n = [&[0][..], &URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap()].concat();
    jwk["n"] = URL_SAFE_NO_PAD.encode(n).into();
    assert!(holds(&read(&jwk).unwrap(), "RS256", b"message", &TestKey::rs256().signature(b"message")));
}

#[test]
fn each_unfit_key_is_refused_for_what_is_wrong_with_it() {
    use SkipReason::*;
    for (what, jwk) in unfit_jwks() {
        let expected = match what {
            "not an object" => NotAnObject,
            "no kty" | "an unknown kty" | "a shared secret without its value" => UnknownKeyType,
            "use enc" => NotForSignatures,
            "use of the wrong type" => MalformedMember("use"),
            "key_ops without verify" | "key_ops empty" => NotForVerification,
            "key_ops of the wrong type" => MalformedMember("key_ops"),
            "kid of the wrong type" => MalformedMember("kid"),
            "an alg of another family" | "an HMAC alg" | "an alg of the other curve" => AlgorithmMismatch,
            "an encryption alg" => UnsupportedAlgorithm,
            "RSA that can be factored" => WeakModulus,
            "RSA of 1024 bits" | "RSA of 2047 bits" | "RSA of 16384 bits" => BadModulusSize,
            "RSA with an even modulus" | "RSA without n" | "RSA with padding in n" => MalformedMember("n"),
            "RSA exponent one" | "RSA exponent two" | "RSA exponent empty" | "RSA exponent of five bytes" => {
                BadExponent
            }
            "secp256k1" | "P-521" | "no crv" | "Ed448" | "X25519" => UnknownCurve,
            "P-384 with the coordinates of P-256" => MalformedMember("x"),
            "a point off the curve" | "the point at infinity" | "Ed25519 with a y above the field" => {
                BadPoint
            }
            "a coordinate of 31 bytes" | "Ed25519 of 33 bytes" => MalformedMember("x"),
            "Ed25519 of small order 4"
            | "Ed25519 of small order 1"
            | "Ed25519 of small order 8"
            | "Ed25519 of small order, not reduced" => SmallOrder,
            "a shared secret" | "a private RSA member" | "a private P-256 key" | "a private Ed25519 key" => {
                PrivateMaterial
            }
            other => panic!("no reason is written down for `{other}`"),
        };
        assert_eq!(read(&jwk).err(), Some(expected), "{what}");
    }
}

#[test]
fn every_point_of_small_order_is_refused_with_either_sign() {
    for mut y in SMALL_ORDER {
        y.reverse();
        for sign in [0, 0x80] {
            let mut point = y;
            point[31] |= sign;
            let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(point)});
            assert_eq!(read(&jwk).err(), Some(SkipReason::SmallOrder));
        }
    }
}

#[test]
fn what_is_printed_of_a_key_holds_no_material() {
    let jwk = TestKey::eddsa().jwk();
    let shown = format!("{:?}", read(&jwk).unwrap());
    assert_eq!(shown, r#"Key { kid: Some("ed-1"), algorithms: [EdDsa], .. }"#);
    let secret = Key::from_secret(TestKey::SECRET.as_bytes(), &[Algorithm::Hs256]);
    assert_eq!(format!("{secret:?}"), "Key { kid: None, algorithms: [Hs256], .. }");
}

#[test]
fn keys_are_told_apart_by_kid_algorithm_and_material() {
    let mut jwk = TestKey::rs256().jwk();
    let fingerprints = |jwk: &serde_json::Value| {
        read(jwk).unwrap().uses().iter().map(KeyUse::fingerprint).collect::<Vec<_>>()
    };
    let first = fingerprints(&jwk);
    assert_eq!(fingerprints(&jwk), first, "the same key is the same");
    jwk["alg"] = "RS384".into();
    assert_ne!(fingerprints(&jwk), first);
    jwk["alg"] = "RS256".into();
    jwk["kid"] = "".into();
    let empty = fingerprints(&jwk);
    jwk.as_object_mut().unwrap().remove("kid");
    let unnamed = fingerprints(&jwk);
    assert!(empty != first && unnamed != first && unnamed != empty);
    assert_ne!(fingerprints(&TestKey::other_rs256().jwk()), first);
    let secret = || Key::from_secret(TestKey::SECRET.as_bytes(), &[Algorithm::Hs256]).uses()[0].fingerprint();
    assert_ne!(secret(), secret(), "nothing can be learnt of a secret by comparing");
}

#[test]
fn the_published_examples_hold() {
    // RFC 7515 appendix A.2 and A.3, RFC 8037 appendix A.4.
    let payload =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let rows = [
        (
            json!({"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4\
                qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXnd\
                S5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmo\
                udF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}),
            format!("eyJhbGciOiJSUzI1NiJ9.{payload}"),
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUA\
             r7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO-\
             -xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_\
             IoypGlUPQGe77Rw",
        ),
        (
            json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}),
            format!("eyJhbGciOiJFUzI1NiJ9.{payload}"),
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".to_owned(),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ];
    for (jwk, input, signature) in rows {
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let algorithm = read(&jwk).unwrap().uses()[0].algorithm();
        assert!(holds(&read(&jwk).unwrap(), algorithm.as_str(), input.as_bytes(), &signature), "{input}");
    }
}
