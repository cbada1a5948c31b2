//! Tokens whose signature did not hold, so that one that is sent again and again costs one check in ten seconds.
//!
//! The rule: only a bad signature under a known key is remembered. Whatever else is wrong with a token is found without a
//! signature check, may be mended by time or by new keys, or is chosen freely by whoever sends it. The store is apart from
//! that of good tokens and small, so that garbage evicts nobody.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use moka::{policy::EvictionPolicy, sync::Cache};
use orgate_claims::UnixTime;
use orgate_verify::{Verifier, VerifyError};

use crate::keyed_hash::KeyedHash;

/// How many are remembered.
const REMEMBERED: u64 = 1_024;
/// How long one is remembered, in seconds.
const SECONDS: i64 = 10;

/// One token that failed.
struct Forgery {
    token: Box<str>,
    error: VerifyError,
    /// The parts of the gate (policy, issuers) under which it failed.
    parts_generation: u64,
    at: UnixTime,
}

/// The store. Safe to share.
pub(crate) struct Forgeries {
    entries: Cache<u128, Arc<Forgery>>,
    hash: KeyedHash,
    recognized: AtomicU64,
}

impl Forgeries {
    pub(crate) fn new() -> Self {
        // The default policy would keep out a new one while those that are there are asked for.
        let entries =
            Cache::builder().max_capacity(REMEMBERED).eviction_policy(EvictionPolicy::lru()).build();
        Self { entries, hash: KeyedHash::new(), recognized: AtomicU64::new(0) }
    }

    /// Why exactly this text was refused a moment ago, if the same keys would refuse it now.
    pub(crate) fn recognize(
        &self,
        token: &str,
        verifier: &Verifier,
        parts_generation: u64,
        now: UnixTime,
    ) -> Option<VerifyError> {
        let known = self.entries.get(&self.hash.of(token))?;
        let age = now.seconds().saturating_sub(known.at.seconds());
        let same = *known.token == *token
            && known.parts_generation == parts_generation
            && is_in_force(verifier, &known.error);
        if !same || !(0..SECONDS).contains(&age) {
            return None;
        }
        self.recognized.fetch_add(1, Ordering::Relaxed);
        Some(known.error.clone())
    }

    /// Remembers a token that was refused, if it is one to be remembered.
    pub(crate) fn remember(&self, token: &str, error: &VerifyError, parts_generation: u64, at: UnixTime) {
        if error.refuted_by().is_some() {
            self.remember_answer(token, error, parts_generation, at);
        }
    }

    /// Remembers what an issuer said of an opaque token.
    pub(crate) fn remember_answer(
        &self,
        token: &str,
        error: &VerifyError,
        parts_generation: u64,
        at: UnixTime,
    ) {
        let forgery = Forgery { token: token.into(), error: error.clone(), parts_generation, at };
        self.entries.insert(self.hash.of(token), Arc::new(forgery));
    }

    /// How many requests were refused without a signature check.
    pub(crate) fn recognized(&self) -> u64 {
        self.recognized.load(Ordering::Relaxed)
    }
}

/// Whether the keys that refuted a token are still those of its issuer. What the issuer itself said needs none.
fn is_in_force(verifier: &Verifier, error: &VerifyError) -> bool {
    let Some(stamp) = error.refuted_by() else { return true };
    let keys = error.issuer().and_then(|issuer| verifier.key_source(issuer)).and_then(|keys| keys.current());
    keys.is_some_and(|keys| keys.generation() == stamp.generation())
}

impl std::fmt::Debug for Forgeries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forgeries").field("entries", &self.entries.entry_count()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn garbage() -> VerifyError {
        Verifier::new(Vec::new()).unwrap().verify_at("garbage", UnixTime::from_seconds(0)).unwrap_err()
    }

    #[test]
    fn garbage_is_not_remembered() {
        let forgeries = Forgeries::new();
        forgeries.remember("garbage", &garbage(), 1, UnixTime::from_seconds(0));
        forgeries.entries.run_pending_tasks();
        assert_eq!(forgeries.entries.entry_count(), 0);
    }

    #[test]
    fn what_was_refused_is_known_by_its_very_bytes() {
        let (forgeries, verifier) = (Forgeries::new(), Verifier::new(Vec::new()).unwrap());
        let at = UnixTime::from_seconds(0);
        forgeries.remember_answer("one", &garbage(), 1, at);
        assert!(forgeries.recognize("one", &verifier, 1, at).is_some());
        // As if two texts had one hash.
        let entry = forgeries.entries.get(&forgeries.hash.of("one")).unwrap();
        forgeries.entries.insert(forgeries.hash.of("two"), entry);
        assert!(forgeries.recognize("two", &verifier, 1, at).is_none());
    }

    #[test]
    fn the_store_is_bounded() {
        let forgeries = Forgeries::new();
        let at = UnixTime::from_seconds(0);
        for number in 0..3_000u32 {
            let token = number.to_string();
            let index = forgeries.hash.of(&token);
            let forgery = Forgery { token: token.into(), error: garbage(), parts_generation: 1, at };
            forgeries.entries.insert(index, Arc::new(forgery));
        }
        forgeries.entries.run_pending_tasks();
        assert_eq!(forgeries.entries.entry_count(), REMEMBERED);
    }
}
