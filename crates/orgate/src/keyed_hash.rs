//! A hash that nobody outside this process can foresee.
//!
//! SipHash-1-3 of 128 bits (Aumasson and Bernstein, 2012) under two random keys. Whoever chooses what is hashed can neither
//! make two texts fall together nor tell where one stands; what has to be exact compares the bytes besides.

use std::hash::{BuildHasher, Hasher, RandomState};

use siphasher::sip128::{Hasher128, SipHasher13};

/// Two keys that nobody else has. They are in no `Debug` output.
pub(crate) struct KeyedHash(u64, u64);

impl KeyedHash {
    /// Keys from the standard library's source of randomness.
    pub(crate) fn new() -> Self {
        let random = || RandomState::new().build_hasher().finish();
        Self(random(), random())
    }

    /// The hash of a text.
    pub(crate) fn of(&self, text: &str) -> u128 {
        let mut hasher = self.hasher();
        hasher.write(text.as_bytes());
        hasher.finish128().as_u128()
    }

    /// For what is hashed in parts.
    pub(crate) fn hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_keys_of_its_own() {
        let (one, other) = (KeyedHash::new(), KeyedHash::new());
        assert_eq!(one.of("a"), one.of("a"));
        assert_ne!(one.of("a"), one.of("b"));
        assert_ne!(one.of("a"), other.of("a"));
        assert!(one.0 != one.1 && one.0 != other.0 && one.1 != other.1);
    }
}
