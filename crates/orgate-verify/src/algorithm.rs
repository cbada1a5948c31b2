//! The signature algorithms that are accepted (RFC 7518 §3, RFC 8037, RFC 9864).
//!
//! A name is compared exactly: `rs256`, `RS256 ` and every look-alike are other names. `none` and the HMAC family are
//! not in the list, so no configuration can let them in.

use std::{fmt, str::FromStr};

/// A signature algorithm that a trusted issuer may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3); keys of 2048 bits and more.
    Rs256,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    Es256,
    /// Ed25519 (RFC 8037 §3.1), also under its own name (RFC 9864 §2.2).
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Rs256, Self::Es256, Self::EdDsa];

    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no algorithm that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlgorithmError(());

impl fmt::Display for AlgorithmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a supported signature algorithm; RS256, ES256 and EdDSA are")
    }
}

impl std::error::Error for AlgorithmError {}

impl FromStr for Algorithm {
    type Err = AlgorithmError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "RS256" => Ok(Self::Rs256),
            "ES256" => Ok(Self::Es256),
            "EdDSA" | "Ed25519" => Ok(Self::EdDsa),
            _ => Err(AlgorithmError(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_and_written_alike() {
        for &algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        }
        assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDsa));
    }

    #[test]
    fn look_alikes_and_the_dangerous_ones_have_no_name() {
        for name in
            ["", "none", "None", "HS256", "rs256", " RS256", "RS256 ", "RS256\0", "RЅ256", "RS1", "Ed448"]
        {
            assert!(name.parse::<Algorithm>().is_err(), "{name:?}");
        }
    }
}
