//! A12 what an issuer publishes. The key set is the case; the token under it would be right.

use orgate_testkit::{TestKey, b64url, compact, jwks, unfit_jwks};
use orgate_verify::VerifyErrorKind::*;
use serde_json::{Value, json};

use super::{Corpus, Expected, header};

pub(super) fn add(corpus: &mut Corpus) {
    corpus.row("A12");
    let good = TestKey::eddsa();
    // An unfit key in place of each fit one: the other one serves, and a token under the unfit one is refused.
    for (what, unfit) in unfit_jwks() {
        let set = json!({"keys": [unfit, good.jwk()]}).to_string();
        let mut head = header(good);
        corpus.push(format!("beside {what}"), corpus.good(good), Some(set.clone()), Expected::Accepted);
        head["kid"] = "unfit".into();
        let token = good.sign(head.to_string(), corpus.claims().to_string());
        let name = format!("under {what}");
        corpus.push(name, token, Some(set), Expected::Refused(UnknownKey));
    }
    unfit_but_signing(corpus);
    repeated(corpus);
}

/// Keys that are unfit by what they say, and whose private half signed the token.
fn unfit_but_signing(corpus: &mut Corpus) {
    let good = TestKey::eddsa();
    for (what, key, member, value) in [
        ("use enc", TestKey::es256(), "use", json!("enc")),
        ("use of RSA enc", TestKey::rs256(), "use", json!("enc")),
        ("key_ops encrypt", TestKey::es256(), "key_ops", json!(["encrypt"])),
        ("key_ops sign", TestKey::rs256(), "key_ops", json!(["sign"])),
        ("key_ops empty", TestKey::rs256(), "key_ops", json!([])),
        ("alg of another hash", TestKey::rs256(), "alg", json!("RS512")),
        ("alg PS256", TestKey::rs256(), "alg", json!("PS256")),
        ("alg RSA-OAEP", TestKey::rs256(), "alg", json!("RSA-OAEP")),
        ("alg RSA1_5", TestKey::rs256(), "alg", json!("RSA1_5")),
        ("alg ES384", TestKey::es256(), "alg", json!("ES384")),
        ("alg ECDH-ES", TestKey::es256(), "alg", json!("ECDH-ES")),
        ("the private exponent", TestKey::rs256(), "d", json!("AQAB")),
        ("the private scalar", TestKey::es256(), "d", json!(b64url([1; 32]))),
        ("a secret beside it", TestKey::es256(), "k", json!("c2VjcmV0")),
    ] {
        let mut jwk = key.jwk();
        jwk[member] = value;
        let set = json!({"keys": [jwk, good.jwk()]}).to_string();
        // A key that is fit for another algorithm is a key of this `kid`.
        let is_fit = ["alg of another hash", "alg PS256"].contains(&what);
        let kind = if is_fit { AlgorithmNotAllowed } else { UnknownKey };
        corpus.push(format!("signed under {what}"), corpus.good(key), Some(set), Expected::Refused(kind));
    }
    for key in [TestKey::hs256(), TestKey::hs384(), TestKey::hs512()] {
        let set = json!({"keys": [key.jwk(), good.jwk()]}).to_string();
        let name = format!("a secret among the keys, {}", key.alg());
        corpus.push(name, corpus.good(key), Some(set), Expected::Refused(AlgorithmNotAllowed));
    }
    // Under the neutral point everything holds that has R for the neutral point and zero for S.
    let mut neutral = [0; 64];
    neutral[0] = 1;
    let jwk =
        json!({"kty": "OKP", "crv": "Ed25519", "x": b64url(&neutral[..32]), "kid": "small", "use": "sig"});
    let set = json!({"keys": [jwk, good.jwk()]}).to_string();
    let head = json!({"alg": "EdDSA", "kid": "small", "typ": "at+jwt"}).to_string();
    let token = compact(head, corpus.claims().to_string(), neutral);
    corpus.push("signed under the neutral point", token, Some(set), Expected::Refused(UnknownKey));
}

fn repeated(corpus: &mut Corpus) {
    let with_kid = |key: &TestKey, kid: &str| {
        let mut jwk = key.jwk();
        jwk["kid"] = kid.into();
        jwk
    };
    let good = TestKey::eddsa();
    let token = |corpus: &Corpus, key: &TestKey| key.mint_with("kid", "k".into(), &corpus.claims());
    for (what, one, two) in [
        ("the same key", TestKey::es256(), TestKey::es256()),
        ("the same algorithm", TestKey::es256(), TestKey::other_es256()),
        ("the same algorithm, swapped", TestKey::other_es256(), TestKey::es256()),
    ] {
        let set = json!({"keys": [with_kid(one, "k"), with_kid(two, "k"), good.jwk()]}).to_string();
        let expected = Expected::Refused(UnknownKey);
        corpus.push(
            format!("one kid twice, {what}"),
            token(corpus, TestKey::es256()),
            Some(set.clone()),
            expected,
        );
        corpus.push(
            format!("beside one kid twice, {what}"),
            corpus.good(good),
            Some(set),
            Expected::Accepted,
        );
    }
    for (one, two) in [(TestKey::rs256(), TestKey::ps256()), (TestKey::rs256(), TestKey::es256())] {
        let set = json!({"keys": [with_kid(one, "k"), with_kid(two, "k")]}).to_string();
        for key in [one, two] {
            let name = format!("one kid for {} and {}, signed by {}", one.alg(), two.alg(), key.alg());
            corpus.push(name, token(corpus, key), Some(set.clone()), Expected::Accepted);
        }
        let head = json!({"alg": one.alg(), "kid": "k", "typ": "at+jwt"}).to_string();
        let crossed = two.sign(head, corpus.claims().to_string());
        let name = format!("one kid for {} and {}, crossed", one.alg(), two.alg());
        corpus.push(name, crossed, Some(set), Expected::Refused(BadSignature));
    }
    let two = jwks([TestKey::es256(), TestKey::other_es256()]);
    let nameless = TestKey::es256().mint_with("kid", Value::Null, &corpus.claims());
    corpus.push("no kid, and two keys it could be", nameless, Some(two), Expected::Refused(KeyNotNamed));
}
