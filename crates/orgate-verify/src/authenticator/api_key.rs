//! A static key in a header, of which only the SHA-256 is known here.
//!
//! The hash has no salt and is fast, so it protects only keys that cannot be guessed: at least 128 random bits. That is
//! what such keys are; passwords do not belong here.

use std::fmt;

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};

use super::{AuthenticatorError, HeaderText, from_hex};

/// The longest key that is looked at.
const MAX_KEY_BYTES: usize = 1024;

/// The keys that are accepted in one place.
#[derive(Clone)]
pub struct ApiKey {
    hashes: Vec<[u8; 32]>,
}

/// Why a text is not the hash of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// It is not 64 hexadecimal digits.
    NotAHash,
    /// It is the hash of the empty text.
    OfNothing,
    /// There is none.
    None,
}

impl fmt::Display for ApiKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAHash => "it must be a SHA-256 in 64 hexadecimal digits",
            Self::OfNothing => "it is the SHA-256 of nothing: the key was empty when it was hashed",
            Self::None => "there is none",
        })
    }
}

impl std::error::Error for ApiKeyError {}

impl ApiKey {
    /// Accepts the keys with these SHA-256 sums, each in 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`ApiKeyError`] if one is none, or there is none.
    pub fn new<'t>(hashes: impl IntoIterator<Item = &'t str>) -> Result<Self, ApiKeyError> {
        let nothing = digest::digest(&digest::SHA256, b"");
        let hashes: Vec<[u8; 32]> = hashes
            .into_iter()
            .map(|text| match from_hex::<32>(text) {
                Some(hash) if hash.as_slice() == nothing.as_ref() => Err(ApiKeyError::OfNothing),
                hash => hash.ok_or(ApiKeyError::NotAHash),
            })
            .collect::<Result<_, _>>()?;
        if hashes.is_empty() { Err(ApiKeyError::None) } else { Ok(Self { hashes }) }
    }

    /// Whether the header holds one of the keys.
    ///
    /// # Errors
    /// [`AuthenticatorError`] if it does not.
    pub fn verify(&self, header: HeaderText<'_>) -> Result<(), AuthenticatorError> {
        let key = match header {
            HeaderText::Absent | HeaderText::One("") => return Err(AuthenticatorError::Missing),
            HeaderText::One(key) if key.len() <= MAX_KEY_BYTES => key,
            HeaderText::One(_) | HeaderText::Unreadable => return Err(AuthenticatorError::Malformed),
        };
        let hash = digest::digest(&digest::SHA256, key.as_bytes());
        // All of them are compared, so that the time does not tell which one it was.
        let matching =
            self.hashes.iter().filter(|known| verify_slices_are_equal(*known, hash.as_ref()).is_ok()).count();
        if matching > 0 { Ok(()) } else { Err(AuthenticatorError::Wrong) }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({} keys)", self.hashes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0ea2ab43f1aa9be5d3fa76c4c6fbee8bd5bdd9a5d5c5d9a1a1f5f26d7e5f4c1d"; // of nothing in particular

    fn sum(key: &str) -> String {
        digest::digest(&digest::SHA256, key.as_bytes())
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    #[test]
    fn the_hash_is_the_plain_sha_256_of_the_key() {
        // The example of FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let keys = ApiKey::new([abc]).unwrap();
        assert_eq!(keys.verify(HeaderText::One("abc")), Ok(()));
        assert_eq!(
            ApiKey::new([abc.to_uppercase().as_str()]).unwrap().verify(HeaderText::One("abc")),
            Ok(())
        );
    }

    #[test]
    fn any_of_the_keys_is_accepted_and_no_other() {
        let (old, new) = (sum("key_old"), sum("key_new"));
        let keys = ApiKey::new([old.as_str(), new.as_str()]).unwrap();
        for key in ["key_old", "key_new"] {
            assert_eq!(keys.verify(HeaderText::One(key)), Ok(()));
        }
        for key in ["key_ol", "key_oldx", "KEY_OLD", " key_old", old.as_str()] {
            assert_eq!(keys.verify(HeaderText::One(key)), Err(AuthenticatorError::Wrong), "{key}");
        }
    }

    #[test]
    fn what_is_missing_or_has_two_readings_is_refused() {
        let keys = ApiKey::new([sum("key").as_str()]).unwrap();
        assert_eq!(keys.verify(HeaderText::Absent), Err(AuthenticatorError::Missing));
        assert_eq!(keys.verify(HeaderText::One("")), Err(AuthenticatorError::Missing));
        assert_eq!(keys.verify(HeaderText::Unreadable), Err(AuthenticatorError::Malformed));
        assert_eq!(keys.verify(HeaderText::One(&"k".repeat(1025))), Err(AuthenticatorError::Malformed));
    }

    #[test]
    fn only_hashes_are_hashes() {
        assert_eq!(ApiKey::new([]).unwrap_err(), ApiKeyError::None);
        assert_eq!(ApiKey::new([sum("").as_str()]).unwrap_err(), ApiKeyError::OfNothing);
        for text in ["", "key", ONE.get(1..).unwrap(), &format!("{ONE}0"), &ONE.replace('0', "g")] {
            assert_eq!(ApiKey::new([text]).unwrap_err(), ApiKeyError::NotAHash, "{text}");
        }
        let keys = ApiKey::new([ONE, ONE]).unwrap();
        assert_eq!(format!("{keys:?}"), "ApiKey(2 keys)");
    }
}
