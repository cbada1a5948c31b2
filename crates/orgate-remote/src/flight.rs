//! How often an issuer is asked.
//!
//! One look at a time; whoever needs one meanwhile joins it. Tokens that name a key that is not in hand cause a look
//! only when the bucket holds a token, and it holds one every few seconds. A `kid` that was looked for in vain does not
//! take that token again for a while, and longer each time, so that one client with an old token cannot keep it from the
//! first token under a new key.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use crate::RemoteError;

/// What came of a look.
pub(crate) type Outcome = Result<(), RemoteError>;
/// What a look will have come to.
pub(crate) type Running = watch::Receiver<Option<Outcome>>;

/// What a look is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sought<'k> {
    /// Whatever is newer.
    Newer,
    /// The key that a token names by this `kid`, or any if it names none.
    Key(Option<&'k str>),
}

/// What is known about looks.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    pub(crate) running: Option<Running>,
    pub(crate) last_error: Option<RemoteError>,
    pub(crate) failures: u32,
    /// When a token last caused a look.
    asked: Option<Instant>,
    absent: Absent,
}

impl Flight {
    /// The look that is under way.
    pub(crate) fn running(&self) -> Option<Running> {
        // Its sender is gone without a result only if the task was stopped from outside; then it does not run.
        self.running.as_ref().filter(|running| running.has_changed().is_ok()).cloned()
    }

    /// Takes the token of the bucket, if it is there and may be taken for this.
    pub(crate) fn take_token(&mut self, sought: Sought<'_>, interval: Duration) -> bool {
        let now = Instant::now();
        let absent = matches!(sought, Sought::Key(kid) if self.absent.holds(kid, now));
        if absent || self.asked.is_some_and(|at| now.duration_since(at) < interval) {
            return false;
        }
        self.asked = Some(now);
        true
    }

    /// How long the bucket stays empty.
    pub(crate) fn empty_for(&self, interval: Duration) -> Option<Duration> {
        self.asked.map(|at| (at + interval).saturating_duration_since(Instant::now()))
    }

    /// What the last look came to.
    pub(crate) fn last(&self) -> Outcome {
        self.last_error.clone().map_or(Ok(()), Err)
    }

    /// Keeps whether the key was there when it was looked for.
    pub(crate) fn looked_for(&mut self, sought: Sought<'_>, found: bool, interval: Duration) {
        match sought {
            Sought::Newer => {}
            Sought::Key(kid) if found => self.absent.forget(kid),
            Sought::Key(kid) => self.absent.note(kid, interval, Instant::now()),
        }
    }
}

/// Keys that were looked for in vain, by a keyed hash of their `kid`: two that share one are both left alone for at most
/// a minute.
#[derive(Debug, Default)]
struct Absent {
    hasher: RandomState,
    kids: HashMap<u64, (Instant, u32)>,
}

impl Absent {
    fn holds(&self, kid: Option<&str>, now: Instant) -> bool {
        let known = self.kids.get(&self.hasher.hash_one(kid));
        known.is_some_and(|(until, _)| now < *until)
    }

    /// Leaves it alone for one interval, then two, four and six of them.
    fn note(&mut self, kid: Option<&str>, interval: Duration, now: Instant) {
        let hash = self.hasher.hash_one(kid);
        if self.kids.len() >= MAX_ABSENT && !self.kids.contains_key(&hash) {
            self.kids.retain(|_, (until, _)| now < *until);
            if self.kids.len() >= MAX_ABSENT {
                return;
            }
        }
        let (until, times) = self.kids.entry(hash).or_insert((now, 0));
        // Callers that waited for one look together count as one.
        if now >= *until {
            *until = now + interval * (1_u32 << (*times).min(3)).min(6);
            *times = times.saturating_add(1);
        }
    }

    fn forget(&mut self, kid: Option<&str>) {
        self.kids.remove(&self.hasher.hash_one(kid));
    }
}

/// How many requests wait for a look at the same time.
#[derive(Debug, Default)]
pub(crate) struct WaitingRoom(AtomicUsize);

/// A place in it.
#[derive(Debug)]
pub(crate) struct Place<'r>(&'r WaitingRoom);

impl WaitingRoom {
    /// A place, unless all are taken.
    pub(crate) fn enter(&self) -> Option<Place<'_>> {
        let place = Place(self);
        (self.0.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The most requests that wait for one issuer; what is beyond is answered at once.
pub(crate) const MAX_WAITING: usize = 1024;
/// The most keys that are remembered as absent.
const MAX_ABSENT: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    fn key(kid: &str) -> Sought<'_> {
        Sought::Key(Some(kid))
    }

    #[tokio::test(start_paused = true)]
    async fn the_bucket_gives_one_token_per_interval() {
        let mut flight = Flight::default();
        let mut taken = 0;
        for second in 0..100 {
            for kid in 0..10 {
                taken += usize::from(flight.take_token(key(&format!("{second}-{kid}")), INTERVAL));
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(taken, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_bucket_says_how_long_it_stays_empty() {
        let mut flight = Flight::default();
        assert_eq!(flight.empty_for(INTERVAL), None);
        assert!(flight.take_token(key("a"), INTERVAL));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(flight.empty_for(INTERVAL), Some(Duration::from_secs(6)));
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(flight.empty_for(INTERVAL), Some(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_kid_that_is_absent_again_and_again_leaves_the_token_to_others() {
        let mut flight = Flight::default();
        let mut looks = Vec::new();
        for second in 0..240_u64 {
            if flight.take_token(key("old"), INTERVAL) {
                looks.push(second);
                flight.looked_for(key("old"), false, INTERVAL);
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(looks, [0, 10, 30, 70, 130, 190]);
        assert!(flight.take_token(key("new"), INTERVAL));
        flight.looked_for(key("old"), true, INTERVAL);
        tokio::time::advance(INTERVAL).await;
        assert!(flight.take_token(key("old"), INTERVAL), "it was there after all");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_without_a_kid_is_one_of_them() {
        let mut flight = Flight::default();
        assert!(flight.take_token(Sought::Key(None), Duration::ZERO));
        flight.looked_for(Sought::Key(None), false, INTERVAL);
        assert!(!flight.take_token(Sought::Key(None), Duration::ZERO));
        assert!(flight.take_token(key(""), Duration::ZERO));
        assert!(flight.take_token(Sought::Newer, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn absent_keys_are_remembered_within_bounds() {
        let mut absent = Absent::default();
        for kid in 0..10 * MAX_ABSENT {
            absent.note(Some(&kid.to_string()), INTERVAL, Instant::now());
        }
        assert_eq!(absent.kids.len(), MAX_ABSENT);
        assert!(absent.holds(Some("0"), Instant::now()));
        tokio::time::advance(INTERVAL).await;
        absent.note(Some("later"), INTERVAL, Instant::now());
        assert!(absent.holds(Some("later"), Instant::now()), "what is over makes room");
    }

    #[test]
    fn so_many_wait_and_no_more() {
        let room = WaitingRoom::default();
        let mut places: Vec<_> = (0..MAX_WAITING).map(|_| room.enter().unwrap()).collect();
        assert!(room.enter().is_none());
        assert!(room.enter().is_none(), "who was turned away takes no place");
        places.pop();
        assert!(room.enter().is_some());
    }
}
