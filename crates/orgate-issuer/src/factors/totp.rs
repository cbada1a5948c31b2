//! Codes of authenticator applications: TOTP (RFC 6238) over HOTP (RFC 4226), SHA-1, six digits, thirty seconds.
//!
//! These parameters are those that every application knows. SHA-1 is used here as the RFC uses it, inside HMAC, whose
//! strength does not depend on collisions. A code is taken one step early or late, and each step only once.

use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY};

use crate::{
    encoding::percent_encode,
    secret::{NoRandomness, random_bytes, same},
};

const STEP_S: i64 = 30;
const DIGITS: u32 = 6;
/// How many bytes the secret has: as many as the hash (RFC 4226 §4 R6).
const SECRET: usize = 20;

/// The secret that an application and we share.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Vec<u8>);

impl Secret {
    pub(super) fn new() -> Result<Self, NoRandomness> {
        Ok(Self(random_bytes::<SECRET>()?.to_vec()))
    }

    pub(super) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// For typing into an application (RFC 4648 §6, without padding).
    pub(crate) fn base32(&self) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let bits: String = self.0.iter().map(|byte| format!("{byte:08b}")).collect();
        let bits: Vec<char> = bits.chars().collect();
        bits.chunks(5)
            .map(|chunk| {
                let value = chunk.iter().fold(0_usize, |value, bit| value * 2 + usize::from(*bit == '1'));
                let value = value << (5 - chunk.len());
                char::from(ALPHABET.get(value).copied().unwrap_or(b'A'))
            })
            .collect()
    }

    /// For reading as a picture: the key URI that authenticator applications agree on.
    pub(crate) fn uri(&self, issuer: &str, account: &str) -> String {
        // A colon separates issuer and account.
        let issuer = percent_encode(&issuer.replace(':', " "));
        let account = percent_encode(&account.replace(':', " "));
        format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_S}",
            self.base32()
        )
    }

    fn code(&self, step: i64) -> String {
        let key = hmac::Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        // RFC 4226 §5.3: the low bits of the last byte say where the four bytes begin.
        let offset = usize::from(tag.last().copied().unwrap_or(0) & 0x0f);
        let four = tag.get(offset..offset + 4).unwrap_or(&[0; 4]);
        let number = four.iter().fold(0_u32, |number, byte| (number << 8) | u32::from(*byte)) & 0x7fff_ffff;
        format!("{:06}", number % 10_u32.pow(DIGITS))
    }

    /// The step whose code this is, of those near `now_s`.
    pub(super) fn step_of(&self, code: &str, now_s: i64) -> Option<i64> {
        let now = now_s.div_euclid(STEP_S);
        let digits: String = code.chars().filter(|c| *c != ' ').collect();
        [now, now - 1, now + 1].into_iter().find(|step| same(&self.code(*step), &digits))
    }

    #[cfg(test)]
    pub(crate) fn code_at(&self, now_ms: i64) -> String {
        self.code(now_ms.div_euclid(STEP_S * 1000))
    }

    #[cfg(test)]
    pub(crate) fn from_base32(text: &str) -> Self {
        let bits: String = text
            .chars()
            .map(|c| format!("{:05b}", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(c).unwrap()))
            .collect();
        let bits: Vec<char> = bits.chars().collect();
        let byte = |chunk: &[char]| u8::from_str_radix(&chunk.iter().collect::<String>(), 2).unwrap();
        Self(bits.chunks_exact(8).map(byte).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_rfcs() {
        let secret = Secret(b"12345678901234567890".to_vec());
        // RFC 4226 appendix D.
        for (step, code) in [(0, "755224"), (1, "287082"), (2, "359152"), (9, "520489")] {
            assert_eq!(secret.code(step), code);
        }
        // RFC 6238 appendix B, the last six digits.
        for (now, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            assert_eq!(secret.code_at(now * 1000), code);
        }
        assert_eq!(secret.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(Secret::from_base32(&secret.base32()) == secret);
    }

    #[test]
    fn a_code_is_taken_one_step_early_or_late() {
        let secret = Secret(b"12345678901234567890".to_vec());
        for (now, step) in
            [(0, Some(1)), (29, Some(1)), (30, Some(1)), (59, Some(1)), (89, Some(1)), (90, None)]
        {
            assert_eq!(secret.step_of("287 082", now), step, "{now}");
        }
        for wrong in ["", "28708", "2870821", "287083", "２８７０８２"] {
            assert_eq!(secret.step_of(wrong, 59), None, "{wrong}");
        }
    }

    #[test]
    fn the_uri_is_one_whatever_the_names_hold() {
        let uri = Secret(b"12345678901234567890".to_vec()).uri("A: b&c?", "ann+x@example.com");
        assert_eq!(
            uri,
            "otpauth://totp/A%20%20b%26c%3F:ann%2Bx%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=A%20%20b%26c%3F&algorithm=SHA1&digits=6&period=30"
        );
    }
}
