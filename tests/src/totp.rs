//! Codes as an authenticator application shows them.

use aws_lc_rs::hmac;

/// The code of a step of thirty seconds (RFC 6238), written apart from the issuer's.
#[must_use]
pub fn totp(base32: &str, step: i64) -> String {
    let (mut bits, mut value, mut secret) = (0, 0_u64, Vec::new());
    for letter in base32.chars() {
        value = (value << 5) | "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).unwrap() as u64;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            secret.push((value >> bits) as u8);
            value &= (1 << bits) - 1;
        }
    }
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret), &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[19] & 15);
    let number = u32::from_be_bytes(tag[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}
