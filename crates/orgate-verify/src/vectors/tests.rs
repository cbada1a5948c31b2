//! Public test vectors, run against the parts below the claims: their payloads are no access tokens.
//!
//! The files are not kept here: they are read from `$ORGATE_VECTORS`, or from `shared/vectors` beside the repository. They
//! are those of C2SP/wycheproof (`testvectors_v1/json_web_signature_test.json` and `json_web_key_test.json`), of
//! ietf-jose/cookbook and of novifinancial/ed25519-speccheck. Without them the tests say so and test nothing, unless `CI` or
//! `ORGATE_VECTORS` is set: then they fail.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{Algorithm, KeySet, authenticator::SecretError, jws, key::Key};

fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("ORGATE_VECTORS").map(PathBuf::from);
    let is_needed = named.is_some() || std::env::var_os("CI").is_some();
    let folder =
        named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"));
    if folder.join("wycheproof").is_dir() {
        return Some(folder);
    }
    let missing =
        format!("there are no test vectors in {}; name their folder in ORGATE_VECTORS", folder.display());
    assert!(!is_needed, "{missing}");
    eprintln!("{missing}");
    None
}

fn read(name: &str) -> Option<Value> {
    let path = folder()?.join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(serde_json::from_str(&text).unwrap())
}

/// What the crate makes of a JWS under a set of keys: the payload, or what stands against it.
fn judged(token: &str, keys: &KeySet) -> Result<Vec<u8>, String> {
    let told = |error: crate::VerifyError| error.to_string();
    // RFC 7515 allows an empty payload, which no token of claims has.
    let mut parts = token.split('.');
    let (head, payload, signature) = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(head), Some(""), Some(signature), None) => (head, "", signature),
        _ => {
            let compact = jws::split(token).map_err(told)?;
            (compact.header, compact.payload, compact.signature)
        }
    };
    let head = jws::decode(head).map_err(told)?;
    let head = jws::parse_header(&head).map_err(told)?;
    let (payload, signature) = (jws::decode(payload).map_err(told)?, jws::decode(signature).map_err(told)?);
    let key = keys.find(head.kid.as_deref(), head.algorithm).map_err(|fault| format!("{fault:?}"))?;
    let input = token.rsplit_once('.').unwrap().0;
    if key.verify(input.as_bytes(), &signature) {
        Ok(payload)
    } else {
        Err("the signature does not hold".to_owned())
    }
}

/// The keys of a group: published ones, or one secret for the algorithm that its JWK names.
fn keys(jwks: &[&Value]) -> Result<KeySet, String> {
    match jwks {
        [jwk] if jwk["kty"] == "oct" => secret(jwk),
        _ => {
            let (keys, skipped) = KeySet::from_jwks(json!({ "keys": jwks }).to_string().as_bytes())
                .map_err(|e| e.to_string())?;
            if skipped.is_empty() { Ok(keys) } else { Err(format!("{}", skipped[0])) }
        }
    }
}

fn secret(jwk: &Value) -> Result<KeySet, String> {
    let name = jwk["alg"].as_str().unwrap();
    let algorithm: Algorithm = name.parse().map_err(|_| format!("{name} takes no secret"))?;
    let secret = URL_SAFE_NO_PAD.decode(jwk["k"].as_str().unwrap()).unwrap();
    let least = algorithm.least_secret_bytes().ok_or("it takes no secret")?;
    // Secrets of a configuration are text; these are bytes, which differ in nothing but what they are made of.
    SecretError::check_text(&"x".repeat(secret.len()), least, KeySet::MAX_SECRET_BYTES)
        .map_err(|e| e.to_string())?;
    Ok(KeySet::of_secret_bytes(&secret, &[algorithm]))
}

/// Test cases whose outcome here is the other one, each with its reason.
const OTHERWISE: [(u64, &str); 8] = [
    (
        346,
        "the key says `alg: PS256` and the token PS384: a key is used with the algorithm it names, and with no other",
    ),
    (347, "ES512 is not supported: nobody signs access tokens with it"),
    (350, "the key says `alg: PS256` and the token PS384, as in 346"),
    (351, "ES512 is not supported, as in 347"),
    (
        367,
        "byte for byte the token of 357, which is valid: the padding that the comment speaks of is not in the file",
    ),
    (370, "byte for byte the token of 357, as in 367"),
    (
        372,
        "a `?` in the header: base64url has one spelling here (RFC 7515 §2), though what it decodes to is signed",
    ),
    (373, "a `?` in the payload, as in 372"),
];

#[test]
fn wycheproof_signatures() {
    let Some(file) = read("wycheproof/json_web_signature_test.json") else { return };
    let (mut run, mut accepted) = (0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        let jwk = group.get("public").unwrap_or(&group["private"]);
        let keys = keys(&[jwk]);
        for case in group["tests"].as_array().unwrap() {
            let (id, text) = (case["tcId"].as_u64().unwrap(), case["jws"].as_str());
            // A case in the JSON serialisation is an object, and no text at all.
            let owned = text.map_or_else(|| case["jws"].to_string(), str::to_owned);
            let result = keys.as_ref().map_err(Clone::clone).and_then(|keys| judged(&owned, keys));
            let otherwise = OTHERWISE.iter().find(|(one, _)| *one == id);
            let expected = (case["result"] == "valid") != otherwise.is_some();
            let comment = &case["comment"];
            assert_eq!(result.is_ok(), expected, "tcId {id} {comment} ({otherwise:?}): {result:?}");
            run += 1;
            accepted += usize::from(result.is_ok());
        }
    }
    assert_eq!((run, accepted), (401, 42));
}

#[test]
fn wycheproof_keys() {
    let Some(file) = read("wycheproof/json_web_key_test.json") else { return };
    let mut run = 0;
    for group in file["testGroups"].as_array().unwrap() {
        let set = group.get("public").unwrap_or(&group["private"]);
        let jwks: Vec<&Value> = set["keys"].as_array().unwrap().iter().collect();
        // Two secrets: one is the issuer's, and the case names it.
        let is_secrets = group["comment"] == "jws_keyset";
        let keys = if is_secrets { keys(&jwks[..1]) } else { keys(&jwks) };
        for case in group["tests"].as_array().unwrap() {
            let id = case["tcId"].as_u64().unwrap();
            let token = case["jws"].as_str().unwrap();
            let result = keys.as_ref().map_err(Clone::clone).and_then(|keys| judged(token, keys));
            assert_eq!(
                result.is_ok(),
                case["result"] == "valid",
                "tcId {id} {}: {result:?}",
                case["comment"]
            );
            run += 1;
        }
    }
    assert_eq!(run, 26);
}

#[test]
fn rfc_7520() {
    for (name, expected) in [
        ("4_1.rsa_v15_signature", None),
        ("4_2.rsa-pss_signature", None),
        ("4_3.ecdsa_signature", Some("its `crv` is not supported")),
        ("4_4.hmac-sha2_integrity_protection", None),
        // RFC 8037 appendix A.4.
        ("jws", None),
        // RFC 7797: a payload that is not encoded.
        ("hmac-sha2_b64_false", Some("`crit`, which is not supported")),
    ] {
        let Some(file) = read(&format!("rfc7520/{name}.json")) else { return };
        let mut jwk = file["input"]["key"].clone();
        for private in ["d", "p", "q", "dp", "dq", "qi"] {
            jwk.as_object_mut().unwrap().remove(private);
        }
        jwk["alg"] = file["input"]["alg"].clone();
        let token = file["output"]["compact"].as_str().unwrap();
        let result = keys(&[&jwk]).and_then(|keys| judged(token, &keys));
        match expected {
            None => assert_eq!(
                result.as_deref(),
                Ok(file["input"]["payload"].as_str().unwrap().as_bytes()),
                "{name}"
            ),
            Some(reason) => assert!(result.as_ref().is_err_and(|e| e.contains(reason)), "{name}: {result:?}"),
        }
    }
    for name in ["3_1.ec_public_key", "3_3.rsa_public_key"] {
        let Some(mut jwk) = read(&format!("rfc7520/{name}.json")) else { return };
        jwk["kid"] = "k".into();
        // P-521 belongs to ES512.
        assert_eq!(keys(&[&jwk]).is_ok(), name.starts_with("3_3"), "{name}");
    }
}

#[test]
fn ed25519_speccheck() {
    let Some(file) = read("ed25519-speccheck/cases.json") else { return };
    let hex = |text: &Value| -> Vec<u8> {
        let digits = text.as_str().unwrap().as_bytes();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    };
    // What the cases are about, and what becomes of them. RFC 8032 leaves 2 to 5 and 9 to 11 open.
    let expected = [
        "skipped: small order", // 0: A and R of small order, S = 0
        "skipped: small order", // 1: A of small order
        "accepted",             // 2: R of small order, A of mixed order: only who has A's half can make it
        "accepted",             // 3: A and R of mixed order, both equations hold
        "refused",              // 4: only the equation with the cofactor holds
        "refused",              // 5: only the equation with the cofactor holds, k reduced by it
        "refused",              // 6: S above the order
        "refused",              // 7: S far above the order
        "refused",              // 8: R not reduced
        "refused",              // 9: R not reduced
        "skipped: small order", // 10: A of small order, not reduced
        "skipped: small order", // 11: A of small order, not reduced
    ];
    let cases = file.as_array().unwrap();
    assert_eq!(cases.len(), expected.len());
    for (number, (case, expected)) in cases.iter().zip(expected).enumerate() {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(hex(&case["pub_key"]))});
        let text = json!({ "key": jwk }).to_string();
        let key = Key::from_jwk(&crate::json::parse_object(text.as_bytes()).unwrap()["key"]);
        let outcome = match key {
            Err(reason) => format!("skipped: {}", reason.to_string().replace("its point has ", "")),
            Ok(key) => {
                let key = key.under(Algorithm::EdDsa).unwrap();
                let holds = key.verify(&hex(&case["message"]), &hex(&case["signature"]));
                if holds { "accepted" } else { "refused" }.to_owned()
            }
        };
        assert_eq!(outcome, expected, "case {number}");
    }
}

/// Of appendix A, A.2 and A.3 are in `key/tests.rs` as signatures; here they are whole, with the rest.
#[test]
fn rfc_7515_appendix_a() {
    let payload =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let text = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
    let k = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let hs256 = keys(&[&json!({"kty": "oct", "alg": "HS256", "k": k})]).unwrap();
    let a1 = format!(
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{payload}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    );
    assert_eq!(judged(&a1, &hs256).as_deref(), Ok(text.as_bytes()));
    let es256 =
        keys(&[&json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})])
        .unwrap();
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let a3 = format!("eyJhbGciOiJFUzI1NiJ9.{payload}.{signature}");
    assert_eq!(judged(&a3, &es256).as_deref(), Ok(text.as_bytes()));
    // A.4 is ES512 on P-521, which no issuer of access tokens uses.
    let p521 = json!({"kty": "EC", "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4XUQ5TcAwBbwp",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"});
    assert!(keys(&[&p521]).is_err_and(|error| error.contains("its `crv` is not supported")));
    // A.5 is not signed, A.6 and A.7 are the JSON serialisations.
    let a5 = format!("eyJhbGciOiJub25lIn0.{payload}.");
    assert_eq!(judged(&a5, &es256).unwrap_err(), "a part of the token is empty");
    let flat =
        json!({"payload": payload, "protected": "eyJhbGciOiJFUzI1NiJ9", "signature": signature}).to_string();
    let general = json!({"payload": payload, "signatures": [{"protected": "eyJhbGciOiJFUzI1NiJ9", "signature": signature}]});
    for text in [flat, general.to_string()] {
        assert!(judged(&text, &es256).is_err());
    }
}
