//! Whatever bytes the claims hold, under a right header and a right code.
#![no_main]

mod token;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = token::signed(br#"{"alg":"HS256"}"#, bytes);
    let Ok(verified) = token::verify(&text) else { return };
    // An independent reader finds the same.
    let claims: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
    assert_eq!(claims["iss"], "https://i.example");
    let is_ours = |aud: &serde_json::Value| aud == "api";
    assert!(is_ours(&claims["aud"]) || claims["aud"].as_array().is_some_and(|all| all.iter().any(is_ours)));
    assert_eq!(claims["exp"].as_i64(), Some(verified.expires_at().seconds()));
    assert_eq!(claims["sub"].as_str(), Some(verified.principal().subject().as_str()));
    for name in ["nbf", "iat"] {
        let time = &claims[name];
        assert!(time.is_null() || time.as_i64().is_some_and(|time| time <= token::NOW + 30), "{name} {time}");
    }
    for name in ["nonce", "at_hash", "c_hash"] {
        assert!(claims.get(name).is_none(), "an ID token: {claims}");
    }
    let given: Vec<_> = claims["org_permissions"].as_array().into_iter().flatten().collect();
    for permission in verified.principal().permissions() {
        assert!(given.iter().any(|one| **one == permission.as_str()), "{permission:?} of nowhere");
    }
});
