//! The signature algorithms that are accepted (RFC 7518 §3, RFC 8037, RFC 9864).
//!
//! A name is compared exactly: `rs256`, `RS256 ` and every look-alike are other names. `none` is not in the list, so no
//! configuration can let it in. The HMAC family is apart from the others: its key is a secret that both sides hold, so
//! it is for issuers whose secret stands in the configuration, and never for keys that are published.

use std::{fmt, str::FromStr};

/// A signature algorithm that a trusted issuer may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3); keys of 2048 bits and more.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256 and a salt of as many bytes (RFC 7518 §3.5).
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519 (RFC 8037 §3.1), also under its own name (RFC 9864 §2.2).
    EdDsa,
    /// HMAC with SHA-256 (RFC 7518 §3.2); secrets of 32 bytes and more.
    Hs256,
    /// HMAC with SHA-384; secrets of 48 bytes and more.
    Hs384,
    /// HMAC with SHA-512; secrets of 64 bytes and more.
    Hs512,
}

impl Algorithm {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
    ];

    /// Those that an issuer with published keys may use if nothing else is said.
    pub const DEFAULT: &'static [Self] = &[Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// Whether whoever can verify can also sign: the key is a secret that both sides hold.
    #[must_use]
    pub fn is_symmetric(self) -> bool {
        self.least_secret_bytes().is_some()
    }

    /// How long a secret must be: as long as the hash (RFC 7518 §3.2). `None` where the key is no secret.
    #[must_use]
    pub fn least_secret_bytes(self) -> Option<usize> {
        match self {
            Self::Hs256 => Some(32),
            Self::Hs384 => Some(48),
            Self::Hs512 => Some(64),
            _ => None,
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
        f.write_str("not a supported signature algorithm")
    }
}

impl std::error::Error for AlgorithmError {}

impl FromStr for Algorithm {
    type Err = AlgorithmError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name == "Ed25519" {
            return Ok(Self::EdDsa);
        }
        Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == name).ok_or(AlgorithmError(()))
    }
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rs256 => Self::RS256,
            Algorithm::Rs384 => Self::RS384,
            Algorithm::Rs512 => Self::RS512,
            Algorithm::Ps256 => Self::PS256,
            Algorithm::Ps384 => Self::PS384,
            Algorithm::Ps512 => Self::PS512,
            Algorithm::Es256 => Self::ES256,
            Algorithm::Es384 => Self::ES384,
            Algorithm::EdDsa => Self::EdDSA,
            Algorithm::Hs256 => Self::HS256,
            Algorithm::Hs384 => Self::HS384,
            Algorithm::Hs512 => Self::HS512,
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
            let theirs = jsonwebtoken::Algorithm::from(algorithm);
            assert_eq!(algorithm.as_str().parse::<jsonwebtoken::Algorithm>().unwrap(), theirs);
        }
        assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDsa));
    }

    #[test]
    fn look_alikes_and_the_dangerous_ones_have_no_name() {
        for name in [
            "",
            "none",
            "None",
            "hs256",
            "HS1",
            "rs256",
            " RS256",
            "RS256 ",
            "RS256\0",
            "RЅ256",
            "RS1",
            "Ed448",
            "ed25519",
            "ES512",
            "ES256K",
            "RS256,ES256",
        ] {
            assert!(name.parse::<Algorithm>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_secret_is_as_long_as_the_hash_and_no_default() {
        let lengths = |algorithm: &Algorithm| algorithm.least_secret_bytes();
        assert_eq!(Algorithm::ALL.iter().filter_map(lengths).collect::<Vec<_>>(), [32, 48, 64]);
        assert!(!Algorithm::DEFAULT.iter().any(|algorithm| algorithm.is_symmetric()));
    }
}
