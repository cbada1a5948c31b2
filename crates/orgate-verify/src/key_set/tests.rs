use orgate_testkit::{TestKey, jwks, unfit_jwks};
use serde_json::{Value, json};

use super::*;

fn read(keys: &Value) -> Result<(KeySet, Vec<SkippedKey>), KeySetError> {
    KeySet::from_jwks(json!({ "keys": keys }).to_string().as_bytes())
}

fn with_kid(key: &TestKey, kid: &str) -> Value {
    let mut jwk = key.jwk();
    jwk["kid"] = kid.into();
    jwk
}

#[test]
fn unfit_keys_are_skipped_one_by_one_and_the_fit_ones_serve() {
    for (what, unfit) in unfit_jwks() {
        let (set, skipped) = read(&json!([TestKey::es256().jwk(), unfit, TestKey::eddsa().jwk()])).unwrap();
        assert_eq!(set.kids().collect::<Vec<_>>(), ["es-1", "ed-1"], "{what}");
        assert_eq!(skipped.iter().map(|key| key.position).collect::<Vec<_>>(), [1], "{what}");
    }
}

#[test]
fn two_keys_of_one_kid_and_algorithm_are_both_refused() {
    let mut without_alg = TestKey::ps256().jwk();
    without_alg.as_object_mut().unwrap().remove("alg");
    without_alg["kid"] = "k".into();
    for (one, twin) in [
        (with_kid(TestKey::es256(), "k"), with_kid(TestKey::other_es256(), "k")),
        (with_kid(TestKey::es256(), "k"), with_kid(TestKey::es256(), "k")),
        // Without `alg` it is for RS256 as well.
        (with_kid(TestKey::rs256(), "k"), without_alg),
    ] {
        let (set, skipped) = read(&json!([one, TestKey::eddsa().jwk(), twin])).unwrap();
        assert_eq!(set.kids().collect::<Vec<_>>(), ["ed-1"]);
        assert!(skipped.iter().all(|key| key.reason == SkipReason::RepeatedKid));
        assert_eq!(skipped.iter().map(|key| key.position).collect::<Vec<_>>(), [0, 2]);
    }
}

#[test]
fn keys_of_one_kid_for_different_algorithms_are_different_keys() {
    let keys = [TestKey::rs256(), TestKey::ps256(), TestKey::es256(), TestKey::eddsa()];
    let (set, skipped) = read(&keys.iter().map(|key| with_kid(key, "k")).collect()).unwrap();
    assert_eq!((set.len(), skipped.len()), (4, 0));
    for key in keys {
        let found = set.find(Some("k"), key.alg().parse().unwrap()).unwrap();
        assert!(found.verify(b"message", &key.signature(b"message")), "{}", key.alg());
    }
    assert_eq!(set.find(Some("k"), Algorithm::Rs512).err(), Some(NoKey::OtherAlgorithm));
}

#[test]
fn a_secret_is_found_by_its_algorithm_whatever_kid_says() {
    let set = KeySet::from_secret(TestKey::SECRET, &[Algorithm::Hs256, Algorithm::Hs512]).unwrap();
    for kid in [None, Some(""), Some("hs-1"), Some("../../dev/null")] {
        for key in [TestKey::hs256(), TestKey::hs512()] {
            let found = set.find(kid, key.alg().parse().unwrap()).unwrap();
            assert!(found.verify(b"message", &key.signature(b"message")));
            assert!(!found.verify(b"message", &TestKey::hs384().signature(b"message")));
            assert!(!found.verify(b"message", &[]));
        }
        assert_eq!(set.find(kid, Algorithm::Hs384).err(), Some(NoKey::Unknown));
        assert_eq!(set.find(kid, Algorithm::Rs256).err(), Some(NoKey::Unknown));
    }
}

#[test]
fn a_secret_that_can_be_guessed_or_misread_is_refused() {
    let refused = |secret: &str, algorithms: &[Algorithm]| KeySet::from_secret(secret, algorithms).err();
    let too_short = |least| Some(SecretError::Length { least, most: 1024 });
    for (algorithm, least) in [(Algorithm::Hs256, 32), (Algorithm::Hs384, 48), (Algorithm::Hs512, 64)] {
        assert_eq!(refused(&"s".repeat(least - 1), &[algorithm]), too_short(least));
        assert_eq!(refused(&"s".repeat(least), &[algorithm]), None);
    }
    assert_eq!(refused(&"s".repeat(63), &[Algorithm::Hs256, Algorithm::Hs512]), too_short(64));
    assert_eq!(refused(&"s".repeat(1025), &[Algorithm::Hs256]), too_short(32));
    assert_eq!(refused("", &[Algorithm::Hs256]), too_short(32));
    for text in [format!(" {}", TestKey::SECRET), format!("{}\n", TestKey::SECRET), "é".repeat(40)] {
        assert_eq!(refused(&text, &[Algorithm::Hs256]), Some(SecretError::NotPrintable));
    }
    assert_eq!(refused(TestKey::SECRET, &[Algorithm::Es256]), Some(SecretError::None));
}

#[test]
fn a_stamp_tells_whether_the_same_key_is_still_there() {
    let set = |keys: &[&TestKey]| read(&keys.iter().map(|key| key.jwk()).collect()).unwrap().0;
    let old = set(&[TestKey::es256(), TestKey::eddsa()]);
    let stamp = old.stamp(old.find(Some("es-1"), Algorithm::Es256).unwrap());
    assert_eq!(stamp.generation(), old.generation());
    let next = set(&[TestKey::rs256(), TestKey::es256()]);
    assert!(old.holds(stamp) && next.holds(stamp));
    assert_ne!(next.generation(), stamp.generation());
    assert!(!set(&[TestKey::eddsa(), TestKey::other_es256()]).holds(stamp));
    assert!(!KeySet::empty().holds(stamp));
}

#[test]
fn a_signature_key_may_share_its_kid_with_a_key_that_cannot_sign() {
    let mut encryption = with_kid(TestKey::rs256(), "k");
    encryption["use"] = "enc".into();
    let (set, skipped) = read(&json!([encryption, with_kid(TestKey::es256(), "k")])).unwrap();
    assert_eq!((set.len(), skipped.len()), (1, 1));
    assert!(set.find(Some("k"), Algorithm::Es256).is_ok());
}

#[test]
fn a_set_that_is_no_set_is_refused_whole() {
    for text in
        ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":null}"#, "<html></html>", r#"{"keys":[],"keys":[]}"#]
    {
        assert!(matches!(KeySet::from_jwks(text.as_bytes()), Err(KeySetError::Malformed(_))), "{text}");
    }
    assert_eq!(read(&json!([])).unwrap_err(), KeySetError::NoUsableKey(vec![]));
    let error = read(&json!([{"kty": "oct", "k": "c2VjcmV0", "kid": "k"}])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the key set has no key that can be used; key `k` is not used: it publishes secret key material; withdraw it and \
         make a new one"
    );
}

#[test]
fn a_set_is_bounded_in_bytes_and_keys() {
    let many = |n: usize| {
        Value::from((0..n).map(|i| with_kid(TestKey::es256(), &format!("k{i}"))).collect::<Vec<_>>())
    };
    assert_eq!(read(&many(64)).unwrap().0.len(), 64);
    assert_eq!(read(&many(65)).unwrap_err(), KeySetError::TooManyKeys);
    let padded = |bytes: usize| {
        let set = jwks([TestKey::es256()]);
        format!("{set}{}", " ".repeat(bytes - set.len()))
    };
    assert!(KeySet::from_jwks(padded(KeySet::MAX_BYTES).as_bytes()).is_ok());
    assert_eq!(
        KeySet::from_jwks(padded(KeySet::MAX_BYTES + 1).as_bytes()).unwrap_err(),
        KeySetError::TooLarge
    );
}

#[test]
fn a_key_is_found_by_kid_and_algorithm() {
    let (set, _) = KeySet::from_jwks(
        jwks([TestKey::rs256(), TestKey::es256(), TestKey::eddsa(), TestKey::other_eddsa()]).as_bytes(),
    )
    .unwrap();
    let find = |kid, algorithm| {
        let found = set.find(kid, algorithm).map(|key| set.stamp(key));
        found.map(|stamp| {
            set.keys.iter().find(|key| key.uses()[0].fingerprint() == stamp.key).unwrap().kid().unwrap()
        })
    };
    assert_eq!(find(Some("es-1"), Algorithm::Es256), Ok("es-1"));
    assert_eq!(find(Some("es-1"), Algorithm::Rs256), Err(NoKey::OtherAlgorithm));
    for kid in ["", "ES-1", "es-1 ", "es-1\0", "*", "__proto__", "../../dev/null", "es-2"] {
        assert_eq!(find(Some(kid), Algorithm::Es256), Err(NoKey::Unknown), "{kid:?}");
    }
    assert_eq!(find(None, Algorithm::Rs256), Ok("rs-1"));
    assert_eq!(find(None, Algorithm::EdDsa), Err(NoKey::Several));
    assert_eq!(find(None, Algorithm::Hs256), Err(NoKey::Unknown));
    assert_eq!(KeySet::empty().find(None, Algorithm::EdDsa).err(), Some(NoKey::Unknown));
}

#[test]
fn every_set_has_a_generation_of_its_own() {
    let text = jwks([TestKey::es256()]);
    let generation = || KeySet::from_jwks(text.as_bytes()).unwrap().0.generation();
    assert_ne!(generation(), generation());
    assert_ne!(KeySet::empty().generation(), KeySet::empty().generation());
}

#[test]
fn a_kid_is_made_fit_for_a_log_line() {
    let (_, skipped) = read(
        &json!([TestKey::es256().jwk(), {"kty": "x", "kid": format!("a\r\nb\u{202e}{}", "c".repeat(200))}]),
    )
    .unwrap();
    let kid = skipped[0].kid.as_deref().unwrap();
    assert!(kid.starts_with("abc") && kid.len() == 64 && kid.is_ascii());
}
