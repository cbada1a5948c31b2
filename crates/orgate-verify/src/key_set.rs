//! The keys of one issuer, as it publishes them (RFC 7517 §5).
//!
//! Strict for the set, tolerant per key: a set that is too large, is not strict JSON or has no usable key is refused as a
//! whole, so that the last good one stays; a single unfit key is skipped with its reason and the fit ones serve. Keys of
//! different issuers are never in one set.

use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{
    Algorithm, SkipReason,
    json::{self, Value},
    key::Key,
};

/// The usable keys of one issuer. A value never changes; a new set is a new value.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    generation: u64,
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
    /// The one with the `kid` is for another algorithm.
    OtherAlgorithm,
    /// Without a `kid`, more than one could be meant.
    Several,
}

impl KeySet {
    /// The largest set that is read, in bytes.
    pub const MAX_BYTES: usize = 256 * 1024;
    /// The most keys a set may have.
    pub const MAX_KEYS: usize = 64;

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
        // Only keys that could be meant can be confused: a signature key may share its `kid` with an encryption key.
        let mut uses = BTreeMap::<String, usize>::new();
        for kid in read.iter().filter_map(|key| key.as_ref().ok()?.kid()) {
            *uses.entry(kid.to_owned()).or_default() += 1;
        }
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for (position, (entry, key)) in entries.iter().zip(read).enumerate() {
            match key {
                Ok(key) if key.kid().and_then(|kid| uses.get(kid)).is_none_or(|&times| times == 1) => {
                    keys.push(key)
                }
                Ok(_) => skipped.push(SkippedKey::new(position, entry, SkipReason::RepeatedKid)),
                Err(reason) => skipped.push(SkippedKey::new(position, entry, reason)),
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey(skipped));
        }
        Ok((Self::of(keys), skipped))
    }

    /// A set without keys: every token of its issuer is refused.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(Vec::new())
    }

    fn of(keys: Vec<Key>) -> Self {
        static GENERATIONS: AtomicU64 = AtomicU64::new(1);
        Self { keys, generation: GENERATIONS.fetch_add(1, Ordering::Relaxed) }
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

    /// The one key that a token with this `kid` and `alg` can be signed with.
    pub(crate) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&Key, NoKey> {
        match kid {
            Some(kid) => match self.keys.iter().find(|key| key.kid() == Some(kid)) {
                Some(key) if key.fits(algorithm) => Ok(key),
                Some(_) => Err(NoKey::OtherAlgorithm),
                None => Err(NoKey::Unknown),
            },
            None => {
                let mut fitting = self.keys.iter().filter(|key| key.fits(algorithm));
                match (fitting.next(), fitting.next()) {
                    (Some(key), None) => Ok(key),
                    (Some(_), Some(_)) => Err(NoKey::Several),
                    (None, _) => Err(NoKey::Unknown),
                }
            }
        }
    }
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
