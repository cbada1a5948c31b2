//! Whatever a DPoP proof says: one reading, never a panic, and good only for the request, the token and the key it is for.
//!
//! An input with a line break is a header and claims, signed here by the right key; `$JWK`, `$ATH` and `$NONCE` stand for
//! what is right. Any other input is the proof itself.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use orgate_claims::UnixTime;
use orgate_verify::dpop::{self, MAX_PROOF_BYTES, Nonces, Proof, ProofError, Proven, PublicUrls};
use serde_json::Value;

const NOW: i64 = 1_700_000_000;
const PATH: &str = "/orgs/a%C3%A9";
const TOKEN: &str = "the.access.token";

struct Right {
    key: Ed25519KeyPair,
    x: String,
    thumbprint: String,
    token_hash: String,
    nonces: Nonces,
    nonce: String,
}

static RIGHT: LazyLock<Right> = LazyLock::new(|| {
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed");
    let x = URL_SAFE_NO_PAD.encode(key.public_key());
    let jwk = format!("{{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"{x}\"}}");
    let nonces = Nonces::of(b"a secret of thirty-two bytes, and more");
    let nonce = nonces.current(UnixTime::from_seconds(NOW));
    Right { key, x, thumbprint: dpop::token_hash(&jwk), token_hash: dpop::token_hash(TOKEN), nonces, nonce }
});

fn sign(input: &str) -> String {
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(RIGHT.key.sign(input.as_bytes())))
}

/// The proof that an input means.
fn meant(text: &str) -> String {
    let Some((header, claims)) = text.split_once('\n') else { return text.to_owned() };
    let jwk = format!("{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"{}\"}}", RIGHT.x);
    let put = |text: &str| {
        let text =
            text.replace("$JWK", &jwk).replace("$ATH", &RIGHT.token_hash).replace("$NONCE", &RIGHT.nonce);
        URL_SAFE_NO_PAD.encode(text)
    };
    sign(&format!("{}.{}", put(header), put(claims)))
}

fn check(proof: &str, now: i64, nonces: Option<&Nonces>) -> Result<Proof, ProofError> {
    let urls = PublicUrls::default();
    let proven = Proven {
        method: "GET",
        authority: Some("api.example"),
        path: PATH,
        public_urls: &urls,
        token_hash: &RIGHT.token_hash,
        thumbprint: &RIGHT.thumbprint,
        nonces,
    };
    dpop::check(proof, &proven, UnixTime::from_seconds(now))
}

fn object(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

/// An independent reader finds nothing that should have been refused.
fn compare(proof: &str, accepted: Proof) {
    assert!(proof.len() <= MAX_PROOF_BYTES);
    let (input, _) = proof.rsplit_once('.').expect("a signature");
    assert_eq!(proof, sign(input), "nobody else has the key");
    let (header, claims) = input.split_once('.').expect("two parts");
    let (header, claims) = (object(header), object(claims));
    let typ = header["typ"].as_str().expect("a text").to_ascii_lowercase();
    assert!(["dpop+jwt", "application/dpop+jwt"].contains(&typ.as_str()), "{header}");
    assert!(["EdDSA", "Ed25519"].iter().any(|name| header["alg"] == *name), "{header}");
    assert_eq!(header["jwk"]["x"], RIGHT.x.as_str());
    assert!(
        header["jwk"].get("d").is_none()
            && ["crit", "b64", "zip"].iter().all(|name| header.get(name).is_none())
    );
    assert_eq!((&claims["htm"], &claims["ath"]), (&"GET".into(), &RIGHT.token_hash.as_str().into()));
    let htu = claims["htu"].as_str().expect("a text");
    let (address, path) = htu
        .split(['?', '#'])
        .next()
        .and_then(|htu| htu.split_at_checked(htu.len() - PATH.len()))
        .expect("a path");
    assert!(
        ["https://api.example", "https://api.example:443"].contains(&address.to_ascii_lowercase().as_str()),
        "{htu}"
    );
    assert!(path.eq_ignore_ascii_case(PATH) && path.starts_with("/orgs/a%"), "{htu}");
    let (id, issued_at) =
        (claims["jti"].as_str().expect("a text"), claims["iat"].as_i64().expect("a number"));
    assert!(!id.is_empty() && (-30..=90).contains(&(NOW - issued_at)), "{claims}");
    // It is good from half a minute before it was made until it ends, and the same one all the time.
    let ends = accepted.stale_at().seconds();
    assert_eq!(ends, issued_at + 91);
    for (now, good) in [(issued_at - 31, false), (issued_at - 30, true), (ends - 1, true), (ends, false)] {
        let result = check(proof, now, None);
        assert_eq!(result.is_ok(), good, "{now}: {result:?}");
        assert!(result.is_err() || result == Ok(accepted));
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let proof = meant(text);
    let result = check(&proof, NOW, None);
    assert_eq!(result, check(&proof, NOW, None), "two readings of one proof");
    if let Ok(accepted) = result {
        compare(&proof, accepted);
    }
    // A nonce that is asked for refuses more, and changes nothing else.
    match check(&proof, NOW, Some(&RIGHT.nonces)) {
        Ok(accepted) => {
            assert_eq!(result, Ok(accepted));
            let claims = object(proof.split('.').nth(1).expect("claims"));
            assert_eq!(claims["nonce"], RIGHT.nonce.as_str());
        }
        Err(ProofError::Nonce) => assert!(result.is_ok() || result == Err(ProofError::BadSignature)),
        Err(error) => assert_eq!(result, Err(error)),
    }
});
