//! Whatever text arrives as a token: one reading, never a panic, and nobody gets in without the secret.
#![no_main]

mod token;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // The one token that is right, as a seed has it, may come out again; a forgery of another cannot.
    if let Ok(verified) = token::verify(text) {
        let right = token::signed(br#"{"alg":"HS256"}"#, token::CLAIMS.as_bytes());
        assert_eq!(text, right, "forged: {verified:?}");
    }
});
