//! Whatever an issuer publishes as its keys: bounded, counted, never a panic, and never a secret among them.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use orgate_verify::{KeySet, KeySetError};

fuzz_target!(|bytes: &[u8]| {
    let (set, skipped) = match KeySet::from_jwks(bytes) {
        Ok((set, skipped)) => (Some(set), skipped),
        Err(KeySetError::NoUsableKey(skipped)) => (None, skipped),
        Err(_) => return,
    };
    let document: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
    let keys = document["keys"].as_array().expect("a list");
    let used = set.as_ref().map_or(0, KeySet::len);
    assert!(keys.len() <= KeySet::MAX_KEYS && used + skipped.len() == keys.len());
    let positions: BTreeSet<usize> = skipped.iter().map(|key| key.position).collect();
    assert_eq!(positions.len(), skipped.len());
    for (position, key) in keys.iter().enumerate() {
        if positions.contains(&position) {
            continue;
        }
        assert!(["RSA", "EC", "OKP"].contains(&key["kty"].as_str().expect("a type")), "{key}");
        for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
            assert!(key.get(name).is_none(), "secret material: {key}");
        }
    }
    for key in &skipped {
        let text = key.to_string();
        assert!(text.len() < 300 && !text.contains(char::is_control), "{text:?}");
    }
});
