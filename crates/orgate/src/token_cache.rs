//! Verified tokens, so that a token's signature is checked once.
//!
//! The rule: an entry answers only for the very bytes that were verified, under the very policy, issuers and keys that
//! they were verified with, and never from the second on in which the token would be refused.
//!
//! Only success is kept. A decision is never kept: it depends on the request.

use std::{
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use moka::{Expiry, sync::Cache};
use orgate_claims::{Principal, UnixTime};
use orgate_policy::Subject;
use orgate_verify::{IssuerIndex, KeyStamp};

use crate::keyed_hash::KeyedHash;

use crate::sender::Bound;

/// A verified token with all that a decision needs.
#[derive(Debug)]
pub(crate) struct VerifiedToken {
    pub(crate) principal: Arc<Principal>,
    pub(crate) subject: Subject,
    /// Whose token it is; `None` for a caller without one, which is never in the cache.
    pub(crate) issuer: Option<IssuerIndex>,
    /// The key that proved it; `None` where its issuer did.
    pub(crate) key: Option<KeyStamp>,
    /// What its issuer calls that key; the change feed names keys so.
    #[cfg_attr(not(feature = "remote"), expect(dead_code, reason = "without the feed nobody asks"))]
    pub(crate) kid: Option<Box<str>>,
    /// The parts of the gate (policy, issuers) it was verified and read under.
    pub(crate) parts_generation: u64,
    /// The first second in which it would be refused.
    pub(crate) valid_until: UnixTime,
    pub(crate) verified_at: UnixTime,
    /// What every request that carries it has to show besides.
    pub(crate) bound: Option<Box<Bound>>,
    /// Until when the issuer's word that it stands is used again, in nanoseconds of the monotonic clock.
    pub(crate) stands_until: AtomicU64,
    /// Whether its issuer has said since that it does not stand.
    pub(crate) withdrawn: AtomicBool,
}

impl VerifiedToken {
    /// A caller that an authenticator proves, for each request anew.
    pub(crate) fn without_token(principal: Arc<Principal>, subject: Subject) -> Self {
        let never = UnixTime::from_seconds(0);
        Self {
            principal,
            subject,
            issuer: None,
            key: None,
            kid: None,
            parts_generation: 0,
            valid_until: never,
            verified_at: never,
            bound: None,
            stands_until: AtomicU64::new(0),
            withdrawn: AtomicBool::new(false),
        }
    }

    /// Whether the issuer's word that it stands is good still.
    pub(crate) fn stands_at(&self, now: Duration) -> bool {
        now.as_nanos() < u128::from(self.stands_until.load(Ordering::Relaxed))
    }

    /// Uses the issuer's word until a time of the monotonic clock; the token has to hold besides, as ever.
    pub(crate) fn stands_until(&self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(0);
        self.stands_until.fetch_max(time, Ordering::Relaxed);
    }

    /// Asks the issuer anew the next time.
    pub(crate) fn stands_no_longer(&self) {
        self.stands_until.store(0, Ordering::Relaxed);
    }

    /// Uses nothing any more of what the issuer said before; only of opaque tokens that is all there is.
    pub(crate) fn withdraw(&self) {
        self.stands_no_longer();
        self.withdrawn.store(true, Ordering::Relaxed);
    }

    /// Whether a key vouches for it, or else its issuer still does.
    pub(crate) fn is_vouched_for(&self) -> bool {
        self.key.is_some() || !self.withdrawn.load(Ordering::Relaxed)
    }
}

struct Entry {
    token: Box<str>,
    verified: Arc<VerifiedToken>,
}

/// The cache: bounded by bytes, safe to share.
pub(crate) struct TokenCache {
    entries: Cache<u128, Arc<Entry>, BuildHasherDefault<Folded>>,
    hash: KeyedHash,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// How often a token was known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenCacheFigures {
    /// Requests whose token was known and still held.
    pub hits: u64,
    /// Requests whose token was not.
    pub misses: u64,
    /// Tokens that are known, about.
    pub entries: u64,
}

/// What an entry weighs besides its token: the principal's fields, the subject's sets, the cache's own bookkeeping.
const ENTRY_OVERHEAD_BYTES: usize = 1024;

impl TokenCache {
    /// A cache of at most about `bytes`.
    pub(crate) fn new(bytes: u64) -> Self {
        let weigh = |_: &u128, entry: &Arc<Entry>| {
            u32::try_from(entry.token.len() + ENTRY_OVERHEAD_BYTES).unwrap_or(u32::MAX)
        };
        let entries = Cache::builder()
            .max_capacity(bytes)
            .weigher(weigh)
            .expire_after(UntilRefused)
            .build_with_hasher(BuildHasherDefault::default());
        Self { entries, hash: KeyedHash::new(), hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// What was verified of exactly this text. Whether it still holds is the caller's question.
    pub(crate) fn get(&self, token: &str) -> Option<Arc<VerifiedToken>> {
        let entry = self.entries.get(&self.index(token))?;
        // The index is only a hash: the bytes decide.
        (*entry.token == *token).then(|| Arc::clone(&entry.verified))
    }

    pub(crate) fn insert(&self, token: &str, verified: Arc<VerifiedToken>) {
        self.entries.insert(self.index(token), Arc::new(Entry { token: token.into(), verified }));
    }

    /// Counts a request by whether its token was known and still held.
    pub(crate) fn count(&self, known: bool) {
        let counter = if known { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn figures(&self) -> TokenCacheFigures {
        let [hits, misses] = [&self.hits, &self.misses].map(|counter| counter.load(Ordering::Relaxed));
        TokenCacheFigures { hits, misses, entries: self.entries.entry_count() }
    }

    /// Drops everything: what was verified under other keys or another policy is of no use.
    pub(crate) fn clear(&self) {
        self.entries.invalidate_all();
    }

    /// The place of a text, which says nothing of it to anybody outside of this process.
    pub(crate) fn index(&self, token: &str) -> u128 {
        self.hash.of(token)
    }
}

impl std::fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenCache").field("entries", &self.entries.entry_count()).finish_non_exhaustive()
    }
}

/// Frees an entry when its token ends. That it is not *used* any longer is checked on every hit, by the clock of the
/// request; this only gives the memory back.
struct UntilRefused;

impl Expiry<u128, Arc<Entry>> for UntilRefused {
    fn expire_after_create(&self, _: &u128, entry: &Arc<Entry>, _: Instant) -> Option<Duration> {
        let seconds =
            entry.verified.valid_until.seconds().saturating_sub(entry.verified.verified_at.seconds());
        Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }

    /// What takes the place of an entry has its own end: an opaque token that was asked about again, above all.
    fn expire_after_update(
        &self,
        index: &u128,
        entry: &Arc<Entry>,
        updated_at: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(index, entry, updated_at)
    }
}

/// The index is a keyed hash already; half of it serves as the hash of the map.
#[derive(Default)]
struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            self.0 = chunk.iter().fold(self.0.rotate_left(8), |state, byte| state << 8 ^ u64::from(*byte));
        }
    }

    fn write_u128(&mut self, index: u128) {
        #[allow(clippy::cast_possible_truncation, reason = "one half of a hash is a hash")]
        let half = index as u64;
        self.0 = half;
    }
}

#[cfg(test)]
mod tests {
    use orgate_claims::{IssuerUrl, SubjectId};
    use orgate_policy::{Place, Policy, PolicySpec, Requirement, RuleKey, RuleSpec};

    use super::*;

    fn verified(valid_for: i64) -> Arc<VerifiedToken> {
        let (key, demand) = (RuleKey::parse("GET /").unwrap(), Requirement::parse("public").unwrap());
        let rules = vec![RuleSpec::new(key, demand, Place::default())];
        let policy = Policy::compile(PolicySpec { rules, ..PolicySpec::default() }).unwrap();
        let (issuer, subject) = (IssuerUrl::parse("https://i").unwrap(), SubjectId::parse("ann").unwrap());
        let principal = Principal::builder(issuer, subject).build();
        let mut token = VerifiedToken::without_token(Arc::new(principal.clone()), policy.subject(&principal));
        token.valid_until = UnixTime::from_seconds(valid_for);
        Arc::new(token)
    }

    #[test]
    fn the_cache_is_bounded_by_bytes() {
        let cache = TokenCache::new(64 * 1024);
        let token = verified(300);
        for number in 0..100 {
            cache.insert(&format!("{number}{}", "x".repeat(8 * 1024)), Arc::clone(&token));
            cache.entries.run_pending_tasks();
            assert!(cache.entries.weighted_size() <= 64 * 1024, "{number}");
        }
        assert!(cache.entries.entry_count() <= 7);
    }

    #[test]
    fn an_entry_answers_for_its_very_bytes_and_is_freed_when_its_token_ends() {
        let cache = TokenCache::new(64 * 1024);
        cache.insert("one", verified(300));
        assert!(cache.get("one").is_some() && cache.get("two").is_none());
        // As if two texts had one hash.
        let entry = Arc::new(Entry { token: "another".into(), verified: verified(300) });
        cache.entries.insert(cache.index("one"), entry);
        assert!(cache.get("one").is_none());
        cache.insert("ended", verified(0));
        cache.entries.run_pending_tasks();
        assert!(!cache.entries.contains_key(&cache.index("ended")));
        let (first, again) = (
            Entry { token: "t".into(), verified: verified(1) },
            Arc::new(Entry { token: "t".into(), verified: verified(60) }),
        );
        let lives = UntilRefused.expire_after_create(&0, &Arc::new(first), Instant::now());
        assert_eq!(lives, Some(Duration::from_secs(1)));
        assert_eq!(
            UntilRefused.expire_after_update(&0, &again, Instant::now(), lives),
            Some(Duration::from_secs(60))
        );
    }

    #[test]
    fn an_issuers_word_is_good_until_its_time_and_no_longer() {
        let token = verified(0);
        let second = Duration::from_secs;
        assert!(!token.stands_at(second(0)));
        token.stands_until(second(10));
        token.stands_until(second(5));
        assert!(token.stands_at(second(9)) && !token.stands_at(second(10)) && !token.stands_at(second(11)));
        token.stands_no_longer();
        assert!(!token.stands_at(second(9)));
    }
}
