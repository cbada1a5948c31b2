//! A1 algorithm, A3 kid, A4 keys in the token, A5 parameters that change the reading.

use orgate_testkit::{TestKey, b64url, compact, mac};
use orgate_verify::VerifyErrorKind::*;
use serde_json::{Value, json};

use super::{Corpus, ISSUER, families, header};

pub(super) fn add(corpus: &mut Corpus) {
    corpus.row("A1");
    none(corpus);
    other_algorithms(corpus);
    public_key_as_secret(corpus);
    mismatches(corpus);
    corpus.row("A3");
    kids(corpus);
    corpus.row("A4");
    brought_keys(corpus);
    corpus.row("A5");
    critical(corpus);
    encrypted(corpus);
}

fn none(corpus: &mut Corpus) {
    let key = TestKey::es256();
    let (claims, kept) = (corpus.claims().to_string(), key.signature(b"anything"));
    for alg in ["none", "None", "NONE", "nOnE", "none ", " none", "", "null", "\0none", "none\0", "ｎone"] {
        let mut none = header(key);
        none["alg"] = alg.into();
        let none = none.to_string();
        corpus.refused(format!("{alg:?}, signed"), key.sign(&none, &claims), UnsupportedAlgorithm);
        corpus.refused(format!("{alg:?}, kept"), compact(&none, &claims, &kept), UnsupportedAlgorithm);
        corpus.refused(format!("{alg:?}, empty"), compact(&none, &claims, ""), Malformed);
        let two = format!("{}.{}", b64url(&none), b64url(&claims));
        corpus.refused(format!("{alg:?}, two parts"), two, Malformed);
    }
}

fn other_algorithms(corpus: &mut Corpus) {
    for key in families() {
        let claims = corpus.claims();
        for alg in [
            "FOO256",
            "RS1",
            "ES512",
            "ES256K",
            "Ed448",
            "eddsa",
            "ed25519",
            "RSA-OAEP",
            "dir",
            "A256GCMKW",
            "PBES2-HS256+A128KW",
            "SHA256",
            "rs256",
            " RS256",
            "RS256\0",
            "es256",
            "ES256 ",
            "ES256\0",
            "ЕS256",
            "RЅ256",
        ] {
            let token = key.mint_with("alg", alg.into(), &claims);
            corpus.refused(format!("{} as {alg:?}", key.alg()), token, UnsupportedAlgorithm);
        }
        for alg in [json!(1), json!(true), json!([key.alg()]), json!({"alg": key.alg()}), Value::Null] {
            let mut named = header(key);
            named["alg"] = alg.clone();
            let token = key.sign(named.to_string(), claims.to_string());
            corpus.refused(format!("{} as {alg}", key.alg()), token, Malformed);
        }
        let unknown = json!({"alg": "FOO256", "kid": key.kid(), "typ": "at+jwt"}).to_string();
        corpus.refused(
            format!("{} FOO256, empty", key.alg()),
            compact(unknown, claims.to_string(), ""),
            Malformed,
        );
        let token = key.mint_with("alg", Value::Null, &claims);
        corpus.refused(format!("{} without alg", key.alg()), token, Malformed);
    }
}

/// What is public of a key, in every form that somebody could have given to a library as a secret.
fn public_key_as_secret(corpus: &mut Corpus) {
    for key in families() {
        let jwk = key.jwk();
        let part = |name: &str| jwk[name].as_str().unwrap_or_default().to_owned();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", part("n") + &part("x"));
        let secrets = [
            ("PEM", pem.clone().into_bytes()),
            ("PEM and a line end", format!("{pem}\n").into_bytes()),
            ("PEM behind a blank", format!(" {pem}").into_bytes()),
            ("PKCS #1", pem.replace("PUBLIC", "RSA PUBLIC").into_bytes()),
            ("JWK", jwk.to_string().into_bytes()),
            ("n or x as text", (part("n") + &part("x")).into_bytes()),
            ("x and y as text", (part("x") + &part("y")).into_bytes()),
            ("kid", key.kid().as_bytes().to_vec()),
            ("empty", Vec::new()),
            ("secret", b"secret".to_vec()),
            ("NUL", vec![0]),
        ];
        for (what, secret) in secrets {
            for alg in ["HS256", "HS384", "HS512"] {
                let head = json!({"alg": alg, "kid": key.kid(), "typ": "at+jwt"}).to_string();
                let input = format!("{}.{}", b64url(head), b64url(corpus.claims().to_string()));
                let token = format!("{input}.{}", b64url(mac(alg, &secret, input.as_bytes())));
                corpus.refused(format!("{alg} by {what} of {}", key.alg()), token, AlgorithmNotAllowed);
            }
        }
    }
}

/// An algorithm of another family, curve or hash than the key's, signed as it says and as the key would.
fn mismatches(corpus: &mut Corpus) {
    let claims = corpus.claims().to_string();
    for named in TestKey::published() {
        for signer in TestKey::published().into_iter().filter(|key| key.alg() != named.alg()) {
            let head = json!({"alg": signer.alg(), "kid": named.kid(), "typ": "at+jwt"}).to_string();
            let name = format!("{} under the kid of {}", signer.alg(), named.alg());
            corpus.refused(name, signer.sign(head, &claims), AlgorithmNotAllowed);
        }
    }
}

fn kids(corpus: &mut Corpus) {
    let key = TestKey::es256();
    let claims = corpus.claims();
    let long = "k".repeat(5_000);
    for kid in [
        "",
        "unknown",
        "ES-1",
        "es-1 ",
        " es-1",
        "es-1\0",
        "\0",
        "*",
        "__proto__",
        "../../dev/null",
        "/dev/null",
        "file:///etc/passwd",
        "https://evil.example/k",
        "|sleep 3",
        "a\r\nb: c",
        "' OR 1=1 --",
        "es-１",
        "es‐1",
        "[object]",
        &long,
    ] {
        let name = kid.chars().take(30).collect::<String>();
        corpus.refused(format!("{name:?}"), key.mint_with("kid", kid.into(), &claims), UnknownKey);
    }
    for kid in [json!(1), json!(true), json!(["es-1"]), json!({"kid": "es-1"})] {
        corpus.refused(kid.to_string(), key.mint_with("kid", kid, &claims), Malformed);
    }
    let null = key.sign(r#"{"alg":"ES256","kid":null,"typ":"at+jwt"}"#, claims.to_string());
    corpus.refused("null", null, Malformed);
    let other = TestKey::other_es256().mint_with("kid", "es-1".into(), &claims);
    corpus.refused("the kid of another key", other, BadSignature);
    corpus.accepted("none, and one key that it could be", key.mint_with("kid", Value::Null, &claims));
    for alg in ["HS256", "HS384", "HS512"] {
        let head = json!({"alg": alg, "kid": "../../dev/null", "typ": "at+jwt"}).to_string();
        let input = format!("{}.{}", b64url(head), b64url(claims.to_string()));
        let token = format!("{input}.{}", b64url(mac(alg, b"", input.as_bytes())));
        corpus.refused(format!("{alg} by an empty file"), token, AlgorithmNotAllowed);
    }
}

fn brought_keys(corpus: &mut Corpus) {
    let claims = corpus.claims();
    let (own, evil) = (TestKey::make_es256("evil"), "https://evil.example/jwks.json");
    for (name, value) in [
        ("jwk", own.jwk()),
        ("jku", evil.into()),
        ("jku", format!("{ISSUER}@evil.example/jwks.json").into()),
        ("jku", format!("{ISSUER}#/../evil").into()),
        ("jku", "http://169.254.169.254/".into()),
        ("x5u", evil.into()),
        ("x5c", json!(["MIIBIjANBgkq"])),
        ("x5t", "abc".into()),
        ("x5t#S256", "abc".into()),
    ] {
        corpus.refused(
            format!("{name} {value} and its own kid"),
            own.mint_with(name, value.clone(), &claims),
            UnknownKey,
        );
        let mut head = header(TestKey::es256());
        head[name] = value.clone();
        let token = own.sign(head.to_string(), claims.to_string());
        corpus.refused(format!("{name} {value} and a real kid"), token, BadSignature);
        corpus.accepted(
            format!("{name} {value} in a right token is ignored"),
            TestKey::es256().mint_with(name, value, &claims),
        );
    }
}

fn critical(corpus: &mut Corpus) {
    for key in families() {
        for crit in [
            json!(["exp"]),
            json!(["unknown"]),
            json!([]),
            json!("b64"),
            Value::Null,
            json!(1),
            json!(["alg"]),
            json!(["b64", "b64"]),
            json!(["b64"]),
            json!({}),
            json!([[]]),
        ] {
            let mut head = header(key);
            head["crit"] = crit.clone();
            let token = key.sign(head.to_string(), corpus.claims().to_string());
            corpus.refused(format!("{} crit {crit}", key.alg()), token, CriticalHeader);
        }
        for (name, value) in [("b64", json!(false)), ("b64", json!(true)), ("zip", json!("DEF"))] {
            let token = key.mint_with(name, value.clone(), &corpus.claims());
            corpus.refused(format!("{} {name} {value}", key.alg()), token, CriticalHeader);
        }
        let (claims, head) =
            (corpus.claims().to_string(), json!({"alg": key.alg(), "b64": false, "crit": ["b64"]}));
        let input = format!("{}.{claims}", b64url(head.to_string()));
        let raw = format!("{input}.{}", b64url(key.signature(input.as_bytes())));
        corpus.refused(format!("{} with its payload unencoded", key.alg()), raw, Malformed);
        let token = corpus.good(key);
        let parts: Vec<_> = token.split('.').collect();
        corpus.refused(format!("{} detached", key.alg()), format!("{}..{}", parts[0], parts[2]), Malformed);
    }
}

fn encrypted(corpus: &mut Corpus) {
    let token = corpus.good(TestKey::es256());
    let parts: Vec<_> = token.split('.').collect();
    let claims = b64url(corpus.claims().to_string());
    for head in [
        json!({"alg": "dir", "enc": "A256GCM"}),
        json!({"alg": "RSA-OAEP", "enc": "A256GCM", "cty": "JWT"}),
        json!({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2_147_483_647, "p2s": "AA"}),
        json!({"alg": "none", "enc": "none"}),
    ] {
        let alg = head["alg"].clone();
        let head = b64url(head.to_string());
        for (what, token) in [
            ("a plain JWT", format!("{head}..{}.{}.{}", parts[0], parts[1], parts[2])),
            ("the claims", format!("{head}.{}.{}.{claims}.{}", parts[0], parts[0], parts[2])),
            ("a right JWS", format!("{head}.AA.AA.{}.AA", b64url(&token))),
            (
                "a zero key",
                format!("{head}.{}.AAAAAAAAAAAAAAAA.{claims}.{}", b64url([0; 32]), b64url([0; 16])),
            ),
        ] {
            corpus.refused(format!("JWE by {alg} with {what} in it"), token, Encrypted);
        }
    }
    let flat = json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]}).to_string();
    corpus.refused("flattened JSON", flat, Malformed);
    let one = json!([{"protected": parts[0], "signature": parts[2]}]);
    corpus.refused("general JSON", json!({"payload": parts[1], "signatures": one}).to_string(), Malformed);
}
