//! Public keys that nobody may verify with.

use serde_json::{Value, json};

use crate::{TestKey, b64url};

/// JWKs that are unfit, each with the one thing that is wrong with it.
#[must_use]
pub fn unfit_jwks() -> Vec<(&'static str, Value)> {
    let (rsa, p256, ed25519) = (TestKey::rs256().jwk(), TestKey::es256().jwk(), TestKey::eddsa().jwk());
    let with = |jwk: &Value, member: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk["kid"] = "unfit".into();
        match value {
            Value::Null => drop(jwk.as_object_mut().unwrap().remove(member)),
            value => jwk[member] = value,
        }
        jwk
    };
    let modulus = |bytes: usize| {
        let mut n = vec![0xab; bytes];
        n[bytes - 1] = 0xc3;
        Value::from(b64url(n))
    };
    let small_order = |y: u8| {
        let mut point = [0; 32];
        point[0] = y;
        Value::from(b64url(point))
    };
    vec![
        ("not an object", json!("key")),
        ("no kty", with(&rsa, "kty", Value::Null)),
        ("an unknown kty", with(&rsa, "kty", "AKP".into())),
        ("use enc", with(&rsa, "use", "enc".into())),
        ("use of the wrong type", with(&p256, "use", 1.into())),
        ("key_ops without verify", with(&rsa, "key_ops", json!(["encrypt"]))),
        ("key_ops empty", with(&p256, "key_ops", json!([]))),
        ("key_ops of the wrong type", with(&p256, "key_ops", "verify".into())),
        ("kid of the wrong type", json!({"kty": "OKP", "crv": "Ed25519", "x": ed25519["x"], "kid": 1})),
        ("an alg of another family", with(&rsa, "alg", "ES256".into())),
        ("an HMAC alg", with(&rsa, "alg", "HS256".into())),
        ("an encryption alg", with(&rsa, "alg", "RSA-OAEP".into())),
        ("RSA of 1024 bits", with(&rsa, "n", modulus(128))),
        ("RSA of 2047 bits", with(&rsa, "n", b64url([&[0x7f][..], &[0xff; 255]].concat()).into())),
        ("RSA of 16384 bits", with(&rsa, "n", modulus(2048))),
        ("RSA that can be factored", with(&rsa, "n", FACTORED.into())),
        ("RSA with an even modulus", with(&rsa, "n", b64url([0xaa; 256]).into())),
        ("RSA without n", with(&rsa, "n", Value::Null)),
        ("RSA with padding in n", with(&rsa, "n", format!("{}=", rsa["n"].as_str().unwrap()).into())),
        ("RSA exponent one", with(&rsa, "e", "AQ".into())),
        ("RSA exponent two", with(&rsa, "e", "Ag".into())),
        ("RSA exponent empty", with(&rsa, "e", "".into())),
        ("RSA exponent of five bytes", with(&rsa, "e", b64url([1, 0, 0, 0, 1]).into())),
        ("an alg of the other curve", with(&p256, "alg", "ES384".into())),
        ("P-521", with(&p256, "crv", "P-521".into())),
        ("secp256k1", with(&p256, "crv", "secp256k1".into())),
        ("P-384 with the coordinates of P-256", with(&p256, "crv", "P-384".into())),
        ("no crv", with(&p256, "crv", Value::Null)),
        ("a point off the curve", with(&p256, "y", p256["x"].clone())),
        ("a coordinate of 31 bytes", with(&p256, "x", b64url([1; 31]).into())),
        (
            "the point at infinity",
            with(&with(&p256, "x", b64url([0; 32]).into()), "y", b64url([0; 32]).into()),
        ),
        ("Ed448", with(&ed25519, "crv", "Ed448".into())),
        ("X25519", with(&ed25519, "crv", "X25519".into())),
        ("Ed25519 of 33 bytes", with(&ed25519, "x", b64url([1; 33]).into())),
        ("Ed25519 of small order 4", with(&ed25519, "x", small_order(0))),
        ("Ed25519 of small order 1", with(&ed25519, "x", small_order(1))),
        (
            "Ed25519 of small order 8",
            with(&ed25519, "x", "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU".into()),
        ),
        (
            "Ed25519 of small order, not reduced",
            with(&ed25519, "x", "7v_______________________________________38".into()),
        ),
        (
            "Ed25519 with a y above the field",
            with(&ed25519, "x", "8f_______________________________________38".into()),
        ),
        ("a shared secret", json!({"kty": "oct", "k": "c2VjcmV0", "kid": "unfit"})),
        ("a shared secret without its value", json!({"kty": "oct", "kid": "unfit"})),
        ("a private RSA member", with(&rsa, "d", "AQAB".into())),
        ("a private P-256 key", with(&p256, "d", b64url([1; 32]).into())),
        ("a private Ed25519 key", with(&ed25519, "d", b64url(TestKey::eddsa().ed25519_seed()).into())),
    ]
}

/// The modulus of a key as the generator of CVE-2017-15361 makes them, from Wycheproof (`json_web_key_test.json`, tcId 7).
const FACTORED: &str = "AanFpofbj7KjD4Lf-\
    N2hVMKR7yewSyXhhbirIMTGpfYEhZ_lnt5UoK98DnKIgArXGTu3MaW_HhFw16HGaTDUHqPrId7fe4r11CqRw09yBFuW79V8sYIwH\
    dzCaWflUI6auImYbVfoN9_nD5n8N8SY9DwXw7mwZM9wREPXoDPgOoIWl6q_MPsp7n0zs3Z5ZaiQWOOzl1S9OhwAfSiiOwz6efnXE\
    axuTEtPd7BjSx7NaFka8Dx9U7YqXy2RFj1O9PjyaDGuRh7YXsX3iMUSP_wSyHQg_c_qHRtKUsNSGCT7OZg0hzm2KphtjnayKJvC6\
    4vAbROBR4Ubg6Bxg9IQVZ-QYyE";
