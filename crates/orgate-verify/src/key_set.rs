//! The keys of one issuer, as it publishes them (RFC 7517 §5).
//!
//! Strict for the set, tolerant per key: a set that is too large, is not strict JSON or has no usable key is refused as a
//! whole, so that the last good one stays; a single unfit key is skipped with its reason and the fit ones serve. Keys of
//! different issuers are never in one set, so within it a key is named by its `kid` and its algorithm. A secret that both
//! sides hold is a set of its own, and never beside published keys.

use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{
    Algorithm, SkipReason,
    authenticator::SecretError,
    json::{self, Value},
    key::{Key, KeyUse},
};

/// The usable keys of one issuer. A value never changes; a new set is a new value.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    /// The only key is a secret of the configuration, which no `kid` names.
    is_secret: bool,
    generation: u64,
}

/// Which key, of which set, proved a token or proved it wrong: what a cache binds its entries to. It says nothing about
/// the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyStamp {
    generation: u64,
    key: u128,
}

impl KeyStamp {
    /// The [`generation`](KeySet::generation) of the set.
    #[must_use]
    pub fn generation(self) -> u64 {
        self.generation
    }
}

/// A key that was not taken into the set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedKey {
    /// Its position in `keys`, from 0.
    pub position: usize,
    /// Its `kid`, if it has a readable one; safe to log: at most 64 printable characters of it.
    pub kid: Option<String>,
    /// Why.
    pub reason: SkipReason,
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kid {
            Some(kid) => write!(f, "key `{kid}` is not used: {}", self.reason),
            None => write!(f, "key number {} is not used: {}", self.position.saturating_add(1), self.reason),
        }
    }
}

/// Why a whole set is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySetError {
    /// More than [`KeySet::MAX_BYTES`].
    TooLarge,
    /// More than [`KeySet::MAX_KEYS`].
    TooManyKeys,
    /// Not a strict JSON object with an array `keys`; says what is wrong.
    Malformed(&'static str),
    /// No key in it can be used; says why for each.
    NoUsableKey(Vec<SkippedKey>),
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the key set is larger than 256 KiB"),
            Self::TooManyKeys => f.write_str("the key set has more than 64 keys"),
            Self::Malformed(fault) => write!(f, "the key set {fault}"),
            Self::NoUsableKey(skipped) => {
                f.write_str("the key set has no key that can be used")?;
                skipped.iter().try_for_each(|key| write!(f, "; {key}"))
            }
        }
    }
}

impl std::error::Error for KeySetError {}

/// Why no key of a set is the one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// None has the `kid`, or, without one, none is for the algorithm.
    Unknown,
    /// Those with the `kid` are for other algorithms.
    OtherAlgorithm,
    /// Without a `kid`, more than one could be meant.
    Several,
}

impl KeySet {
    /// The largest set that is read, in bytes.
    pub const MAX_BYTES: usize = 256 * 1024;
    /// The most keys a set may have.
    pub const MAX_KEYS: usize = 64;
    /// The longest secret.
    pub const MAX_SECRET_BYTES: usize = 1024;

    /// Reads a JWK set. Keys that cannot be used are listed beside it, each with its reason.
    ///
    /// # Errors
    /// [`KeySetError`] if the set as a whole is refused, or no key of it can be used.
    pub fn from_jwks(json: &[u8]) -> Result<(Self, Vec<SkippedKey>), KeySetError> {
        if json.len() > Self::MAX_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let document = json::parse_object(json).map_err(|fault| KeySetError::Malformed(fault.as_str()))?;
        let Some(Value::List(entries)) = document.get("keys") else {
            return Err(KeySetError::Malformed("has no array `keys`"));
        };
        if entries.len() > Self::MAX_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let read: Vec<_> = entries.iter().map(Key::from_jwk).collect();
        // Only keys that could be meant can be confused: a signature key may share its `kid` with an encryption key, or
        // with a key for another algorithm.
        let mut named = BTreeMap::<(String, Algorithm), usize>::new();
        for name in read.iter().flatten().flat_map(names) {
            *named.entry(name).or_default() += 1;
        }
        let is_alone = |key: &Key| names(key).all(|name| named.get(&name) == Some(&1));
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for (position, (entry, key)) in entries.iter().zip(read).enumerate() {
            match key {
                Ok(key) if is_alone(&key) => keys.push(key),
                Ok(_) => skipped.push(SkippedKey::new(position, entry, SkipReason::RepeatedKid)),
                Err(reason) => skipped.push(SkippedKey::new(position, entry, reason)),
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey(skipped));
        }
        Ok((Self::of(keys, false), skipped))
    }

    /// The set of an issuer that signs with a secret we hold, under those of `algorithms` that have secrets. Its tokens
    /// name no key, or whichever they like.
    ///
    /// # Errors
    /// [`SecretError`] if the text is shorter than the hash of one of the algorithms (RFC 7518 §3.2), if something was
    /// read with it, or if no algorithm takes a secret.
    pub fn from_secret(secret: &str, algorithms: &[Algorithm]) -> Result<Self, SecretError> {
        let longest_hash = algorithms.iter().filter_map(|algorithm| algorithm.least_secret_bytes()).max();
        let least = longest_hash.ok_or(SecretError::None)?;
        SecretError::check_text(secret, least, Self::MAX_SECRET_BYTES)?;
        Ok(Self::of_secret_bytes(secret.as_bytes(), algorithms))
    }

    /// As [`from_secret`](Self::from_secret), of any bytes.
    pub(crate) fn of_secret_bytes(secret: &[u8], algorithms: &[Algorithm]) -> Self {
        Self::of(vec![Key::from_secret(secret, algorithms)], true)
    }

    /// A set without keys: every token of its issuer is refused.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(Vec::new(), false)
    }

    fn of(keys: Vec<Key>, is_secret: bool) -> Self {
        static GENERATIONS: AtomicU64 = AtomicU64::new(1);
        Self { keys, is_secret, generation: GENERATIONS.fetch_add(1, Ordering::Relaxed) }
    }

    /// How many keys can be used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// A number that no other set of this process has, so that what was verified under one set can be told apart from
    /// what was verified under its successor.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The `kid`s, in the order of the set. They are the issuer's text and can hold anything.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(Key::kid)
    }

    /// Whether a key equal to the one of `stamp` is in this set, under the same `kid` and algorithm. A secret is equal to
    /// none but itself.
    #[must_use]
    pub fn holds(&self, stamp: KeyStamp) -> bool {
        self.keys.iter().flat_map(Key::uses).any(|one| one.fingerprint() == stamp.key)
    }

    /// The `kid` of a key of this set, if it has one.
    pub(crate) fn kid_of(&self, stamp: KeyStamp) -> Option<&str> {
        let is_it = |key: &&Key| key.uses().iter().any(|one| one.fingerprint() == stamp.key);
        self.keys.iter().find(is_it).and_then(Key::kid)
    }

    pub(crate) fn stamp(&self, key: &KeyUse) -> KeyStamp {
        KeyStamp { generation: self.generation, key: key.fingerprint() }
    }

    /// The one key that a token with this `kid` and `alg` can be signed with.
    pub(crate) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&KeyUse, NoKey> {
        let Some(kid) = kid.filter(|_| !self.is_secret) else {
            let mut fitting = self.keys.iter().filter_map(|key| key.under(algorithm));
            return match (fitting.next(), fitting.next()) {
                (Some(key), None) => Ok(key),
                (Some(_), Some(_)) => Err(NoKey::Several),
                (None, _) => Err(NoKey::Unknown),
            };
        };
        let mut missing = NoKey::Unknown;
        for key in self.keys.iter().filter(|key| key.kid() == Some(kid)) {
            match key.under(algorithm) {
                Some(key) => return Ok(key),
                None => missing = NoKey::OtherAlgorithm,
            }
        }
        Err(missing)
    }
}

/// What a token can call a key: nothing, if the key has no `kid`.
fn names(key: &Key) -> impl Iterator<Item = (String, Algorithm)> {
    key.kid().into_iter().flat_map(|kid| key.uses().iter().map(|one| (kid.to_owned(), one.algorithm())))
}

fn kid_of<'v>(entry: &'v Value<'_>) -> Option<&'v str> {
    match entry {
        Value::Map(jwk) => jwk.get("kid").and_then(Value::as_text),
        _ => None,
    }
}

impl SkippedKey {
    fn new(position: usize, entry: &Value<'_>, reason: SkipReason) -> Self {
        let kid = kid_of(entry).map(|kid| kid.chars().filter(|c| c.is_ascii_graphic()).take(64).collect());
        Self { position, kid, reason }
    }
}

#[cfg(test)]
mod tests;
