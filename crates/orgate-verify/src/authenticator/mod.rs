//! Callers that authenticate without a token: signed webhook deliveries and static keys.
//!
//! A rule `via(x)` names one of these instead of a token. Both are pure: headers, body and time come in, and what comes
//! out says yes or why not. Every comparison with something secret takes the same time wherever the two differ, and
//! several secrets may be in force at once, so that they can be changed without refusing anybody.
//!
//! Neither reads a configuration, nor knows which rule asks.

mod api_key;
mod secret;
mod stripe;
mod webhook;

use std::fmt;

pub use api_key::{ApiKey, ApiKeyError};
pub use secret::SecretError;
pub use webhook::{Delivery, Fingerprint, Webhook, WebhookScheme};

/// A header of a request, as an authenticator may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderText<'h> {
    /// It is not there.
    Absent,
    /// It is there once, and is text.
    One(&'h str),
    /// It is there more than once, or is no text: it has no single reading.
    Unreadable,
}

/// Why a delivery or a key is refused. The text may be shown to whoever sent it: it names headers, never their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthenticatorError {
    /// There is no credential of this kind.
    Missing,
    /// There is one, and it cannot be read.
    Malformed,
    /// The time of a delivery is too far from now, before or behind.
    TooOld,
    /// The signature, or the key, is not one of ours.
    Wrong,
}

impl fmt::Display for AuthenticatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the header with the signature or the key is missing",
            Self::Malformed => "the header with the signature or the key cannot be read",
            Self::TooOld => "the delivery was signed too long ago, or ahead of its time",
            Self::Wrong => "the signature or the key does not match",
        })
    }
}

impl std::error::Error for AuthenticatorError {}

/// Bytes written as pairs of hexadecimal digits, of exactly `N` bytes.
fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_are_read_in_one_way() {
        assert_eq!(from_hex::<2>("0aFf"), Some([0x0a, 0xff]));
        for text in ["", "0a", "0aff00", "0ag0", "+a0f", " 0af", "0a f", "é0"] {
            assert_eq!(from_hex::<2>(text), None, "{text}");
        }
    }
}
