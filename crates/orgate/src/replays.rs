//! Proofs that were used, so that each is good for one request (RFC 9449 §11.1).
//!
//! 1. A proof is remembered until it would be refused for its age; nothing is forgotten before. Where there is no room
//!    for one more, the request is refused and not let through unremembered.
//! 2. The room is divided among the keys by a hash that nobody outside this process can compute: whoever makes proofs
//!    without end fills the part of his own key and leaves the others.
//! 3. What is remembered is this process's. Another gate does not know it, and neither does this one after a new start.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use orgate_claims::UnixTime;
use orgate_verify::dpop::Proof;

/// Into how many parts the room is divided.
const PARTS: usize = 8;
/// How many proofs are remembered in each; about 4 MiB when it is full. One key can keep up 1,400 requests a second.
const ROOM: usize = 131_072;
/// Proofs that end within so many seconds are forgotten at once.
const PERIOD: i64 = 32;

/// The proofs that were used. Safe to share; a lock is held for one look-up and never across an await.
pub(crate) struct Replays {
    parts: [Mutex<Part>; PARTS],
    hasher: RandomState,
    room: usize,
}

#[derive(Debug, Default)]
struct Part {
    /// By the period in which they end.
    ending: BTreeMap<i64, HashSet<u128>>,
    count: usize,
    /// Before this period everything was forgotten.
    floor: i64,
}

/// Why a proof is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotFirst {
    /// It was used before.
    Replayed,
    /// It ended, by a clock that has been put back since: whether it was used is not known any more.
    Forgotten,
    /// There is no room before so long.
    Full(Duration),
}

impl Replays {
    pub(crate) fn new() -> Self {
        Self::of(ROOM)
    }

    pub(crate) fn of(room: usize) -> Self {
        Self { parts: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new(), room }
    }

    /// Lets each proof through once.
    pub(crate) fn admit(&self, proof: Proof, now: UnixTime) -> Result<(), NotFirst> {
        self.admit_of(proof.key(), proof.fingerprint(), proof.stale_at(), now)
    }

    fn admit_of(&self, key: u128, fingerprint: u128, ends: UnixTime, now: UnixTime) -> Result<(), NotFirst> {
        let hash = self.hasher.hash_one(key);
        let part = usize::try_from(hash).unwrap_or_default() % PARTS;
        let Some(part) = self.parts.get(part) else { return Err(NotFirst::Forgotten) };
        // Whatever panics elsewhere: a part is whole between two statements.
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        part.admit(fingerprint, ends, now, self.room)
    }
}

impl Part {
    fn admit(
        &mut self,
        fingerprint: u128,
        ends: UnixTime,
        now: UnixTime,
        room: usize,
    ) -> Result<(), NotFirst> {
        let (ends, present) = (ends.seconds().div_euclid(PERIOD), now.seconds().div_euclid(PERIOD));
        if self.floor < present {
            let left = self.ending.split_off(&present);
            self.count -= self.ending.values().map(HashSet::len).sum::<usize>();
            (self.ending, self.floor) = (left, present);
        }
        if ends < self.floor {
            return Err(NotFirst::Forgotten);
        }
        if self.ending.values().any(|used| used.contains(&fingerprint)) {
            return Err(NotFirst::Replayed);
        }
        if self.count >= room {
            let first = self.ending.keys().next().copied().unwrap_or(present);
            let wait = first.saturating_add(1).saturating_mul(PERIOD).saturating_sub(now.seconds());
            return Err(NotFirst::Full(Duration::from_secs(u64::try_from(wait).unwrap_or(1))));
        }
        self.ending.entry(ends).or_default().insert(fingerprint);
        self.count += 1;
        Ok(())
    }
}

impl std::fmt::Debug for Replays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Replays")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn at(second: i64) -> UnixTime {
        UnixTime::from_seconds(second)
    }

    #[test]
    fn a_proof_is_let_through_once_until_it_ends_by_itself() {
        let mut part = Part::default();
        let ends = NOW + 91;
        let mut admit = |fingerprint, ends, now| part.admit(fingerprint, at(ends), at(now), 100);
        assert_eq!(admit(1, ends, NOW), Ok(()));
        for now in NOW..ends {
            assert_eq!(admit(1, ends, now), Err(NotFirst::Replayed), "{}", now - NOW);
        }
        assert_eq!(admit(2, ends, NOW + 60), Ok(()));
    }

    #[test]
    fn an_id_that_is_signed_again_with_another_time_was_used() {
        let mut part = Part::default();
        assert_eq!(part.admit(1, at(NOW + 91), at(NOW), 100), Ok(()));
        assert_eq!(part.admit(1, at(NOW + 151), at(NOW + 60), 100), Err(NotFirst::Replayed));
    }

    #[test]
    fn a_clock_that_is_put_back_lets_nothing_through_twice() {
        let mut part = Part::default();
        assert_eq!(part.admit(1, at(NOW + 91), at(NOW), 100), Ok(()));
        assert_eq!(part.admit(2, at(NOW + 600), at(NOW + 500), 100), Ok(()), "the first is forgotten");
        assert_eq!(part.admit(1, at(NOW + 91), at(NOW), 100), Err(NotFirst::Forgotten));
        assert_eq!(part.count, 1);
    }

    #[test]
    fn one_key_fills_its_own_part_alone() {
        let replays = Replays::of(100);
        let admit = |key, fingerprint| replays.admit_of(key, fingerprint, at(NOW + 91), at(NOW));
        let passed = (0..1_000).filter(|fingerprint| admit(7, *fingerprint).is_ok()).count();
        assert_eq!(passed, 100);
        // Of 200 other keys about an eighth shares the part.
        let others = (1_000..1_200).filter(|key| admit(*key, *key).is_ok()).count();
        assert!((100..200).contains(&others), "{others}");
    }

    #[test]
    fn where_there_is_no_room_nothing_is_let_through_until_there_is() {
        let mut part = Part::default();
        for fingerprint in 0..10 {
            assert_eq!(part.admit(fingerprint, at(NOW + 91), at(NOW), 10), Ok(()));
        }
        let Err(NotFirst::Full(wait)) = part.admit(10, at(NOW + 91), at(NOW), 10) else {
            panic!("let through")
        };
        assert!((91..=91 + PERIOD.unsigned_abs()).contains(&wait.as_secs()), "{wait:?}");
        assert_eq!(part.admit(3, at(NOW + 91), at(NOW), 10), Err(NotFirst::Replayed), "nothing is forgotten");
        let later = NOW + i64::try_from(wait.as_secs()).unwrap();
        assert!(matches!(part.admit(10, at(later + 90), at(later - 1), 10), Err(NotFirst::Full(_))));
        assert_eq!(part.admit(10, at(later + 91), at(later), 10), Ok(()));
        assert_eq!(part.count, 1);
    }
}
