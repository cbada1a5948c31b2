//! One key of an issuer, and what it may be used for (RFC 7517, RFC 7518 §6, RFC 8037 §2).
//!
//! The algorithm belongs to the key: it follows from `kty`, `crv` and `alg` of the JWK, never from a token. A JWK that
//! is not fit to verify with is skipped with a reason; the others of its set still serve. Keys are checked and parsed
//! when they are loaded, so that no request meets an unfit one, and none pays for reading it again.

mod jwk;
mod weak;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use aws_lc_rs::{digest, hmac, signature::ParsedPublicKey};

use self::jwk::{PublicKey, optional_text};
use crate::{
    Algorithm,
    json::{Map, Value},
};

/// A key that is fit to verify with.
pub(crate) struct Key {
    kid: Option<Box<str>>,
    /// One for each algorithm that it may be used under: most often one.
    uses: Vec<KeyUse>,
}

/// A key under one algorithm, ready to verify.
pub(crate) struct KeyUse {
    algorithm: Algorithm,
    material: Material,
    fingerprint: u128,
}

enum Material {
    Public(ParsedPublicKey),
    Secret(Box<hmac::Key>),
}

/// Why a key of a set is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// It is not a JSON object.
    NotAnObject,
    /// It publishes private members (`d`, `p`, `k` …).
    PrivateMaterial,
    /// `kty` is missing or not one of RSA, EC, OKP.
    UnknownKeyType,
    /// `crv` is missing or not one that is supported for its `kty`.
    UnknownCurve,
    /// `use` is not `sig`.
    NotForSignatures,
    /// `key_ops` lacks `verify`.
    NotForVerification,
    /// `alg` is not supported.
    UnsupportedAlgorithm,
    /// `alg` does not belong to `kty` and `crv`.
    AlgorithmMismatch,
    /// A member is missing, has the wrong type, or is not strict base64url of the right length.
    MalformedMember(&'static str),
    /// An RSA modulus below 2048 or above 8192 bits.
    BadModulusSize,
    /// An RSA modulus of a generator whose keys can be factored (ROCA, CVE-2017-15361).
    WeakModulus,
    /// An RSA exponent that is even, one, or above 32 bits.
    BadExponent,
    /// A point that is not on its curve, or that the signature library refuses.
    BadPoint,
    /// An Ed25519 point of small order, under which signatures can be made without the private key.
    SmallOrder,
    /// Another key of the set has the same `kid` for the same algorithm: which one is meant cannot be known.
    RepeatedKid,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAnObject => "it is not a JSON object",
            Self::PrivateMaterial => "it publishes secret key material; withdraw it and make a new one",
            Self::UnknownKeyType => "its `kty` is not RSA, EC or OKP",
            Self::UnknownCurve => "its `crv` is not supported; P-256, P-384 and Ed25519 are",
            Self::NotForSignatures => "its `use` is not `sig`",
            Self::NotForVerification => "its `key_ops` lacks `verify`",
            Self::UnsupportedAlgorithm => "its `alg` is not supported",
            Self::AlgorithmMismatch => "its `alg` does not belong to its `kty` and `crv`",
            Self::MalformedMember(name) => return write!(f, "its `{name}` is missing or malformed"),
            Self::BadModulusSize => "its RSA modulus is not of 2048 to 8192 bits",
            Self::WeakModulus => "its RSA modulus can be factored (CVE-2017-15361); make a new key elsewhere",
            Self::BadExponent => "its RSA exponent is not an odd number from 3 to 2^32",
            Self::BadPoint => "its point is not on the curve",
            Self::SmallOrder => "its point has small order",
            Self::RepeatedKid => "another key has the same `kid` for the same algorithm",
        })
    }
}

impl Key {
    /// Reads one member of `keys`.
    pub(crate) fn from_jwk(jwk: &Value<'_>) -> Result<Self, SkipReason> {
        let (jwk, kid, public) = public(jwk)?;
        let stated = match optional_text(jwk, "alg")? {
            None => None,
            Some(name) => Some(name.parse::<Algorithm>().map_err(|_| SkipReason::UnsupportedAlgorithm)?),
        };
        let fitting = public.algorithms().iter().filter(|&&one| stated.is_none_or(|stated| stated == one));
        let uses = fitting.map(|&algorithm| {
            let key = public.parse(algorithm)?;
            let fingerprint = fingerprint(kid, algorithm, key.as_ref());
            Ok(KeyUse { algorithm, material: Material::Public(key), fingerprint })
        });
        let uses = uses.collect::<Result<Vec<_>, _>>()?;
        if uses.is_empty() {
            Err(SkipReason::AlgorithmMismatch)
        } else {
            Ok(Self { kid: kid.map(Into::into), uses })
        }
    }

    /// The secret of an issuer, for the algorithms of `algorithms` that have secrets.
    pub(crate) fn from_secret(secret: &[u8], algorithms: &[Algorithm]) -> Self {
        // The secret itself leaves no trace in what is shown or compared.
        static SECRETS: AtomicU64 = AtomicU64::new(0);
        let number = SECRETS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let uses = algorithms.iter().filter_map(|&algorithm| {
            let hash = match algorithm {
                Algorithm::Hs256 => hmac::HMAC_SHA256,
                Algorithm::Hs384 => hmac::HMAC_SHA384,
                Algorithm::Hs512 => hmac::HMAC_SHA512,
                _ => return None,
            };
            let material = Material::Secret(Box::new(hmac::Key::new(hash, secret)));
            Some(KeyUse { algorithm, material, fingerprint: fingerprint(None, algorithm, &number) })
        });
        Self { kid: None, uses: uses.collect() }
    }

    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Every algorithm that it may be used under, each with the key for it.
    pub(crate) fn uses(&self) -> &[KeyUse] {
        &self.uses
    }

    /// The key for `algorithm`, if it may be used under it.
    pub(crate) fn under(&self, algorithm: Algorithm) -> Option<&KeyUse> {
        self.uses.iter().find(|one| one.algorithm == algorithm)
    }
}

impl KeyUse {
    /// Reads a public key that came with what it signed, for the one algorithm that it was used under.
    pub(crate) fn of_jwk(jwk: &Value<'_>, algorithm: Algorithm) -> Result<Self, SkipReason> {
        let (jwk, kid, public) = public(jwk)?;
        let stated = optional_text(jwk, "alg")?;
        if !public.algorithms().contains(&algorithm)
            || stated.is_some_and(|name| name.parse() != Ok(algorithm))
        {
            return Err(SkipReason::AlgorithmMismatch);
        }
        let key = public.parse(algorithm)?;
        let fingerprint = fingerprint(kid, algorithm, key.as_ref());
        Ok(Self { algorithm, material: Material::Public(key), fingerprint })
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What tells this key, under this `kid` and algorithm, from every other.
    pub(crate) fn fingerprint(&self) -> u128 {
        self.fingerprint
    }

    /// Whether `signature` over `message` holds. A code is compared in constant time.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Public(key) => key.verify_sig(message, signature).is_ok(),
            Material::Secret(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<_> = self.uses.iter().map(KeyUse::algorithm).collect();
        f.debug_struct("Key").field("kid", &self.kid).field("algorithms", &algorithms).finish_non_exhaustive()
    }
}

/// The members of a key that is public and for verifying, its `kid`, and its numbers.
fn public<'j>(jwk: &'j Value<'_>) -> Result<(&'j Map<'j>, Option<&'j str>, PublicKey), SkipReason> {
    let Value::Map(jwk) = jwk else { return Err(SkipReason::NotAnObject) };
    // SECURITY: `k` among them, so that no published key can ever be a secret.
    if ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"].iter().any(|&name| jwk.contains_key(name)) {
        return Err(SkipReason::PrivateMaterial);
    }
    let kid = optional_text(jwk, "kid")?;
    check_purpose(jwk)?;
    Ok((jwk, kid, PublicKey::read(jwk)?))
}

fn check_purpose(jwk: &Map<'_>) -> Result<(), SkipReason> {
    if optional_text(jwk, "use")?.is_some_and(|usage| usage != "sig") {
        return Err(SkipReason::NotForSignatures);
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::List(operations)) if operations.iter().any(|op| op.as_text() == Some("verify")) => Ok(()),
        Some(Value::List(_)) => Err(SkipReason::NotForVerification),
        Some(_) => Err(SkipReason::MalformedMember("key_ops")),
    }
}

fn fingerprint(kid: Option<&str>, algorithm: Algorithm, material: &[u8]) -> u128 {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in
        [algorithm.as_str().as_bytes(), material, &[u8::from(kid.is_some())], kid.unwrap_or("").as_bytes()]
    {
        hash.update(&part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finish().as_ref().iter().take(16).fold(0, |number, &byte| number << 8 | u128::from(byte))
}

#[cfg(test)]
mod tests;
