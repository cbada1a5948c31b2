//! Whatever bytes a header holds, over good claims and under a right code.
#![no_main]

mod token;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = token::signed(bytes, token::CLAIMS.as_bytes());
    let Ok(verified) = token::verify(&text) else { return };
    assert_eq!(verified.principal().subject().as_str(), "u");
    // An independent reader finds nothing that should have been refused.
    let header: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
    assert_eq!(header["alg"], "HS256");
    for name in ["crit", "b64", "zip"] {
        assert!(header.get(name).is_none(), "{header}");
    }
    let typ = header["typ"].as_str().unwrap_or_default().to_ascii_lowercase();
    let types = ["", "jwt", "at+jwt", "application/jwt", "application/at+jwt"];
    assert!(types.contains(&typ.as_str()), "{header}");
});
