//! `limit: 100/s per org`: counting what the callers of a rule asked.
//!
//! The generic cell rate algorithm (ITU-T I.371): each caller has one number, the time at which all that was asked would
//! have been asked evenly. It may be ahead of now by as much as the limit allows at once. A request that is refused does
//! not move it.
//!
//! 1. Counted is only what everything else let pass, so that nobody without the right uses up anybody's limit.
//! 2. The numbers stand in a table of fixed size, found by a hash under a key of this process. A number that is not ahead of
//!    now says nothing, and its place is free. Where all places of a set are taken, the caller is forgotten who used least:
//!    whoever floods the table with callers of his own forgets these first, and nobody who is near the limit.
//! 3. No lock, no wait, and no allocation after the table: two numbers of 64 bits for each place, changed one by one. If two
//!    callers take one place in the same instant, one request may be counted for the other.
//!
//! Each process counts for itself, and a limit starts anew with the process. A policy that is read again keeps the numbers of
//! the rules whose key and limit are as they were.

use std::{
    fmt,
    hash::Hasher,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use orgate_claims::Principal;
use orgate_policy::{Limit, LimitPer};
use siphasher::sip128::Hasher128;

use crate::{
    Code, Gate, Rejection, clock, gate::GateParts, judge::Judged, keyed_hash::KeyedHash, quota::Quota,
    token_cache::VerifiedToken,
};

/// The callers of one set.
const WAYS: usize = 16;
/// 131 072 callers in 2 MiB.
const SETS: usize = 8192;

/// What the callers of all rules asked. Empty, and of no size, until a rule with a limit is asked for.
pub(crate) struct Limits {
    sets: OnceLock<Box<[Set]>>,
    count: usize,
    hash: KeyedHash,
}

/// Places that one hash can have.
#[derive(Default)]
struct Set {
    /// Whose place it is; 0 of nobody's yet.
    tags: [AtomicU64; WAYS],
    /// The number, in nanoseconds of the monotonic clock.
    times: [AtomicU64; WAYS],
}

impl Set {
    /// The number of whoever has this tag.
    fn of(&self, wanted: u64) -> Option<&AtomicU64> {
        let mut places = self.tags.iter().zip(&self.times);
        places.find(|(tag, _)| tag.load(Ordering::Acquire) == wanted).map(|(_, time)| time)
    }
}

/// One caller of one rule, as a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallerKey {
    set: u64,
    tag: u64,
}

impl Limits {
    pub(crate) fn new() -> Self {
        Self::of_sets(SETS)
    }

    fn of_sets(count: usize) -> Self {
        Self { sets: OnceLock::new(), count, hash: KeyedHash::new() }
    }

    /// Whom a request of `principal` is counted for.
    fn key(&self, rule: &str, limit: Limit, principal: Option<&Principal>) -> CallerKey {
        let mut hasher = self.hash.hasher();
        // 0xff stands in no text, so no two lists of parts are one.
        let mut part = |bytes: &[u8]| {
            hasher.write(bytes);
            hasher.write_u8(0xff);
        };
        part(rule.as_bytes());
        part(&limit.requests().to_le_bytes());
        part(&limit.period().as_secs().to_le_bytes());
        let organization = principal.and_then(|principal| principal.organization());
        match (limit.per(), organization, principal) {
            // Bindings compare an organization by its id alone, whoever issued the token; so does this.
            (LimitPer::Organization, Some(organization), _) => {
                part(b"org");
                part(organization.id.as_str().as_bytes());
            }
            (LimitPer::Organization | LimitPer::Subject, _, Some(principal)) => {
                part(b"sub");
                part(principal.issuer().as_str().as_bytes());
                part(principal.subject().as_str().as_bytes());
            }
            (_, _, None) => part(b"nobody"),
        }
        let hash = hasher.finish128();
        CallerKey { set: hash.h1, tag: hash.h2.max(1) }
    }

    /// Counts a request at `now`, a time of a clock that never goes back, and says what is left.
    ///
    /// # Errors
    /// After what time the next one is allowed, where this one is not; nothing is counted then.
    fn admit(&self, key: CallerKey, limit: Limit, now: Duration) -> Result<Quota, Duration> {
        let now = nanoseconds(now);
        let requests = u64::from(limit.requests());
        let each = nanoseconds(limit.period()).div_ceil(requests);
        let ahead = each * (requests - 1);
        // Of what is asked ahead of its time, so much is left, and one request more as soon as that is `each` more.
        let quota = |asked: u64| {
            let left = if asked > ahead { 0 } else { (ahead - asked) / each + 1 };
            let more_in = Duration::from_nanos((asked + left * each).saturating_sub(ahead));
            Quota { limit, left, more_in }
        };
        let Some(time) = self.place(key, now) else { return Ok(quota(each)) };
        let mut known = time.load(Ordering::Acquire);
        loop {
            let from = known.max(now);
            if from - now > ahead {
                return Err(Duration::from_nanos(from - now - ahead));
            }
            match time.compare_exchange_weak(known, from + each, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(quota(from + each - now)),
                Err(other) => known = other,
            }
        }
    }

    /// The number of a caller; `None` only of a table without places.
    fn place(&self, key: CallerKey, now: u64) -> Option<&AtomicU64> {
        let sets = self.sets.get_or_init(|| (0..self.count).map(|_| Set::default()).collect());
        let at = usize::try_from(key.set % u64::try_from(sets.len()).ok()?.max(1)).ok()?;
        let set = sets.get(at)?;
        loop {
            if let Some(time) = set.of(key.tag) {
                return Some(time);
            }
            let least = set.tags.iter().zip(&set.times).min_by_key(|(_, time)| {
                // Of those that say nothing all are alike, so that whoever comes at once takes the same place.
                time.load(Ordering::Acquire).max(now)
            });
            let (tag, time) = least?;
            let (owner, known) = (tag.load(Ordering::Acquire), time.load(Ordering::Acquire));
            // Somebody may have taken a place for the same caller since, and have counted there: then it is the one.
            if let Some(time) = set.of(key.tag) {
                return Some(time);
            }
            // First the number is forgotten, then its owner: nobody inherits what another asked.
            let is_free = known <= now
                || time.compare_exchange(known, now, Ordering::AcqRel, Ordering::Acquire).is_ok();
            if is_free && tag.compare_exchange(owner, key.tag, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return Some(time);
            }
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 4)
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").field("in_use", &self.sets.get().is_some()).finish_non_exhaustive()
    }
}

impl Gate {
    /// Counts a request that everything else let pass, where its rule has a limit; refuses it where that is used up. Says
    /// what is left, where anybody is refused for that.
    pub(crate) fn limited(
        &self,
        parts: &GateParts,
        judged: &mut Judged<std::sync::Arc<VerifiedToken>>,
    ) -> Option<Quota> {
        let (Some(limit), None) = (judged.limit, &judged.refused) else { return None };
        let rule = judged.rule.and_then(|rule| parts.policy().rule(rule)).unwrap_or_default();
        let principal = judged.caller.as_ref().map(|token| &*token.principal);
        let key = self.limits().key(rule, limit, principal);
        let quota = match self.limits().admit(key, limit, clock::monotonic()) {
            Ok(quota) => quota,
            Err(wait) => {
                let rejection = Rejection::new(Code::RateLimited).with_retry_after(wait);
                judged.refused = Some(parts.of_rule(rejection, judged.rule));
                // What it stands for would be limited as well.
                judged.shadow = None;
                Quota { limit, left: 0, more_in: wait }
            }
        };
        Some(quota).filter(|_| !parts.observes())
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use orgate_claims::{IssuerUrl, Organization, OrganizationId, SubjectId};

    use super::*;

    fn limit(text: &str) -> Limit {
        Limit::parse(text).unwrap()
    }

    fn principal(issuer: &str, subject: &str, organization: Option<&str>) -> Principal {
        let organization = organization.map(|id| Organization::new(OrganizationId::parse(id).unwrap(), None));
        Principal::builder(IssuerUrl::parse(issuer).unwrap(), SubjectId::parse(subject).unwrap())
            .organization(organization)
            .build()
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn as_many_as_allowed_come_at_once_and_then_one_by_one() {
        let (limits, limit) = (Limits::new(), limit("10/s per org"));
        let key = CallerKey { set: 7, tag: 7 };
        let start = ms(5000);
        let left: Vec<(u64, Duration)> = (0..30)
            .filter_map(|_| limits.admit(key, limit, start).ok())
            .map(|quota| (quota.left, quota.more_in))
            .collect();
        assert_eq!(left, (0..10).rev().map(|left| (left, ms(100))).collect::<Vec<_>>());
        assert_eq!(limits.admit(key, limit, start), Err(ms(100)));
        assert_eq!(limits.admit(key, limit, start + ms(60)), Err(ms(40)), "a refused one costs nothing");
        assert!(limits.admit(key, limit, start + ms(100)).is_ok());
        assert_eq!(limits.admit(key, limit, start + ms(100)), Err(ms(100)));
        let later = start + ms(60_000);
        assert_eq!((0..30).filter(|_| limits.admit(key, limit, later).is_ok()).count(), 10);
        let other = CallerKey { set: 7, tag: 8 };
        assert!(limits.admit(other, limit, later).is_ok());
    }

    #[test]
    fn never_more_than_twice_the_limit_in_its_time_and_never_more_than_the_rate() {
        let (limits, limit) = (Limits::new(), limit("7/m per org"));
        let key = CallerKey { set: 1, tag: 1 };
        let asked = (0..600).filter(|second| limits.admit(key, limit, ms(second * 1000)).is_ok()).count();
        assert!((70..=77).contains(&asked), "{asked} in ten minutes");
    }

    #[test]
    fn callers_are_told_apart_as_the_limit_says() {
        let limits = Limits::new();
        let key = |rule: &str, text: &str, who: &Principal| limits.key(rule, limit(text), Some(who));
        let (ann, bob) =
            (principal("https://a", "ann", Some("acme")), principal("https://a", "bob", Some("acme")));
        let eve = principal("https://a", "ann", Some("globex"));
        let (other, nobody) =
            (principal("https://b", "ann", Some("acme")), principal("https://a", "acme", None));
        let (org, sub) = ("5/s per org", "5/s per sub");
        assert_eq!(key("GET /a", org, &ann), key("GET /a", org, &bob));
        assert_eq!(key("GET /a", org, &ann), key("GET /a", org, &other));
        assert_ne!(key("GET /a", org, &ann), key("GET /a", org, &eve));
        assert_ne!(key("GET /a", org, &ann), key("GET /b", org, &ann));
        assert_ne!(key("GET /a", org, &ann), key("GET /a", "6/s per org", &ann));
        assert_ne!(key("GET /a", org, &ann), key("GET /a", "5/m per org", &ann));
        assert_eq!(key("GET /a", sub, &ann), key("GET /a", sub, &eve));
        assert_ne!(key("GET /a", sub, &ann), key("GET /a", sub, &bob));
        assert_ne!(key("GET /a", sub, &ann), key("GET /a", sub, &other));
        assert_ne!(
            key("GET /a", org, &nobody),
            key("GET /a", org, &ann),
            "whoever has none counts for himself"
        );
        assert_ne!(
            Limits::new().key("GET /a", limit(org), Some(&ann)),
            key("GET /a", org, &ann),
            "nobody outside knows which callers share a set"
        );
    }

    #[test]
    fn a_flood_of_callers_forgets_itself_and_not_who_is_at_the_limit() {
        let (limits, limit) = (Limits::of_sets(1), limit("100/h per sub"));
        let heavy = CallerKey { set: 0, tag: 1 };
        while limits.admit(heavy, limit, ms(1)).is_ok() {}
        for tag in 2..10_000 {
            assert!(limits.admit(CallerKey { set: 0, tag }, limit, ms(2)).is_ok());
        }
        assert!(limits.admit(heavy, limit, ms(3)).is_err());
        let sets = limits.sets.get().unwrap();
        assert_eq!(sets.len() * sets[0].tags.len(), 16, "and the table does not grow");
    }

    #[test]
    fn a_place_that_says_nothing_is_taken_first() {
        let (limits, limit) = (Limits::of_sets(1), limit("1/s per sub"));
        for tag in 1..=16 {
            assert!(limits.admit(CallerKey { set: 0, tag }, limit, ms(tag * 10)).is_ok());
        }
        // The first has ended, the others have not.
        assert!(limits.admit(CallerKey { set: 0, tag: 99 }, limit, ms(1010)).is_ok());
        for tag in 2..=16 {
            assert!(limits.admit(CallerKey { set: 0, tag }, limit, ms(1010)).is_err(), "{tag}");
        }
    }

    #[test]
    fn many_threads_get_no_more_than_one_would() {
        for _ in 0..50 {
            let (limits, limit) = (Arc::new(Limits::new()), limit("1000/h per org"));
            let key = CallerKey { set: 3, tag: 3 };
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let limits = Arc::clone(&limits);
                    thread::spawn(move || {
                        (0..1000).filter(|_| limits.admit(key, limit, ms(1)).is_ok()).count()
                    })
                })
                .collect();
            let asked: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
            assert_eq!(asked, 1000);
        }
    }
}
