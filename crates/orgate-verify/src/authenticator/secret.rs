//! Secrets that sign webhook deliveries.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::WebhookScheme;

/// Why a text is no secret for a scheme. Says nothing about the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretError {
    /// Fewer bytes than can be a secret, or more.
    Length {
        /// At least so many bytes.
        least: usize,
        /// At most so many.
        most: usize,
    },
    /// Not base64 behind `whsec_`.
    NotBase64,
    /// A blank stands at an end of it, or a control character or one beyond ASCII is in it: something else was read
    /// with it.
    NotPrintable,
    /// There is none.
    None,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { least, most } => write!(f, "it must have {least} to {most} bytes"),
            Self::NotBase64 => f.write_str("it must be `whsec_` and base64 behind it"),
            Self::NotPrintable => {
                f.write_str("it holds a blank at an end, a control character or one beyond ASCII")
            }
            Self::None => f.write_str("there is none"),
        }
    }
}

impl std::error::Error for SecretError {}

impl SecretError {
    /// Judges a text that is a secret as it stands.
    pub(crate) fn check_text(text: &str, least: usize, most: usize) -> Result<(), Self> {
        if text.trim() != text || !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return Err(Self::NotPrintable);
        }
        if (least..=most).contains(&text.len()) { Ok(()) } else { Err(Self::Length { least, most }) }
    }
}

/// A key for HMAC-SHA256. Its `Debug` form is aws-lc's, which shows the algorithm alone.
pub(super) fn key(scheme: WebhookScheme, text: &str) -> Result<hmac::Key, SecretError> {
    if text.trim() != text || !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Err(SecretError::NotPrintable);
    }
    let bytes = match scheme {
        // The whole text is the key, with its prefix.
        WebhookScheme::Stripe | WebhookScheme::GitHub => within(text.as_bytes().to_vec(), LEAST_TEXT, 1024)?,
        // Standard Webhooks 1.0, "Symmetric": 24 to 64 random bytes in base64 behind `whsec_`.
        WebhookScheme::StandardWebhooks => {
            let encoded = text.strip_prefix("whsec_").unwrap_or(text);
            within(BASE64.decode(encoded).map_err(|_| SecretError::NotBase64)?, 24, 64)?
        }
    };
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn within(bytes: Vec<u8>, least: usize, most: usize) -> Result<Vec<u8>, SecretError> {
    if (least..=most).contains(&bytes.len()) { Ok(bytes) } else { Err(SecretError::Length { least, most }) }
}

/// Shorter than this, a text can be guessed.
const LEAST_TEXT: usize = 16;

/// With or without padding, as people copy it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(scheme: WebhookScheme, text: &str) -> Option<SecretError> {
        key(scheme, text).err()
    }

    #[test]
    fn secrets_that_could_be_guessed_or_misread_are_refused() {
        use WebhookScheme::{GitHub, StandardWebhooks, Stripe};
        for (scheme, text, expected) in [
            (Stripe, "", Some(SecretError::Length { least: 16, most: 1024 })),
            (GitHub, "short", Some(SecretError::Length { least: 16, most: 1024 })),
            (GitHub, "It's a Secret to Everybody", None),
            (GitHub, " It's a Secret to Everybody", Some(SecretError::NotPrintable)),
            (Stripe, "whsec_test_secret_0001\n", Some(SecretError::NotPrintable)),
            (Stripe, "whsec_test_secret_0001", None),
            (StandardWebhooks, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", None),
            (StandardWebhooks, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", None),
            (
                StandardWebhooks,
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZI",
                Some(SecretError::Length { least: 24, most: 64 }),
            ),
            (StandardWebhooks, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_", Some(SecretError::NotBase64)),
            (StandardWebhooks, "", Some(SecretError::Length { least: 24, most: 64 })),
        ] {
            assert_eq!(refused(scheme, text), expected, "{scheme:?} {text}");
        }
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let key = key(WebhookScheme::Stripe, "whsec_test_secret_0001").unwrap();
        assert!(!format!("{key:?}").contains("test_secret"));
    }
}
