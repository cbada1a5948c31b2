//! What became of the requests of the last minute, and the refusals of late: for the page that people look at.
//!
//! Counting is three numbers; whoever is refused is remembered at the rate of the log lines, so that a flood of refused
//! requests shows as a flood in the figures and does not sweep everything else off the list. Rules are named as the policy has
//! them: paths hold personal data.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use orgate_claims::UnixTime;

use crate::{access_log::Outcome, flood::Flood};

/// Seconds that are remembered.
pub const SECONDS: usize = 60;
/// Refusals that are remembered.
const REFUSALS: usize = 30;
/// Of a method that somebody made up.
const METHOD: usize = 16;

/// Requests of one second, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The application answered, or would have.
    pub allowed: u64,
    /// The gate or a door refused.
    pub refused: u64,
    /// They were let pass, and the application did not answer.
    pub failed: u64,
}

impl Figures {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.allowed.saturating_add(self.refused).saturating_add(self.failed)
    }

    fn since(self, before: Self) -> Self {
        Self {
            allowed: self.allowed.saturating_sub(before.allowed),
            refused: self.refused.saturating_sub(before.refused),
            failed: self.failed.saturating_sub(before.failed),
        }
    }
}

/// A request that was not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When.
    pub at: UnixTime,
    /// Its method, shortened if it is none that there is.
    pub method: Box<str>,
    /// The rule that decided, empty where none was reached.
    pub rule: Box<str>,
    /// Why.
    pub code: &'static str,
    /// What was answered; what would have been, where the policy is only observed.
    pub status: u16,
    /// The id that the client was told.
    pub request_id: Box<str>,
    /// Whether it was let through, because the policy is only observed.
    pub observed: bool,
}

/// The last minute. Cheap to count in.
#[derive(Debug, Default)]
pub struct Recent {
    allowed: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    seconds: Mutex<Seconds>,
    refusals: Mutex<VecDeque<Refusal>>,
    flood: Flood,
}

#[derive(Debug, Default)]
struct Seconds {
    /// The totals when the last second ended.
    before: Figures,
    /// Oldest first.
    of: VecDeque<Figures>,
}

impl Recent {
    /// Counts what became of a request.
    pub fn count(&self, outcome: &Outcome<'_>) {
        let counter = match outcome {
            Outcome::Forwarded { .. } | Outcome::Observed { .. } | Outcome::Answered { .. } => &self.allowed,
            Outcome::Refused { .. } => &self.refused,
            Outcome::Failed { .. } => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Remembers one that was not served, or would not have been; of each kind ten a second.
    pub fn remember(&self, method: &str, outcome: &Outcome<'_>, request_id: &str, at: UnixTime) {
        let (code, status, observed) = match *outcome {
            Outcome::Refused { code, status, .. } | Outcome::Failed { code, status, .. } => {
                (code, status, false)
            }
            Outcome::Observed { code, status, .. } => (code, status, true),
            Outcome::Forwarded { .. } | Outcome::Answered { .. } => return,
        };
        if !self.flood.admits(outcome.rule(), code, Instant::now()).0 {
            return;
        }
        let refusal = Refusal {
            at,
            method: method.chars().take(METHOD).collect(),
            rule: outcome.rule().into(),
            code,
            status,
            request_id: request_id.into(),
            observed,
        };
        let mut refusals = lock(&self.refusals);
        refusals.truncate(REFUSALS - 1);
        refusals.push_front(refusal);
    }

    /// Ends a second.
    pub fn tick(&self) {
        // What was held back stands in the figures.
        let _ = self.flood.over(Instant::now());
        let totals = self.totals();
        let mut seconds = lock(&self.seconds);
        let of = totals.since(std::mem::replace(&mut seconds.before, totals));
        if seconds.of.len() == SECONDS {
            seconds.of.pop_front();
        }
        seconds.of.push_back(of);
    }

    /// Since the process began.
    #[must_use]
    pub fn totals(&self) -> Figures {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Figures { allowed: count(&self.allowed), refused: count(&self.refused), failed: count(&self.failed) }
    }

    /// Of each second of the last minute that is over, oldest first.
    #[must_use]
    pub fn seconds(&self) -> Vec<Figures> {
        lock(&self.seconds).of.iter().copied().collect()
    }

    /// Whoever was refused, latest first.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusal> {
        lock(&self.refusals).iter().cloned().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in it is whole at every moment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: Outcome<'static> = Outcome::Refused { rule: "GET /a", code: "no_credential", status: 401 };

    #[test]
    fn a_second_holds_what_was_counted_in_it() {
        let recent = Recent::default();
        for second in 0..=SECONDS as u64 {
            (0..second).for_each(|_| recent.count(&Outcome::Forwarded { rule: "GET /a", status: 200 }));
            recent.count(&REFUSED);
            recent.tick();
        }
        let seconds = recent.seconds();
        assert_eq!(seconds.len(), SECONDS, "the first is forgotten");
        assert_eq!(seconds[0], Figures { allowed: 1, refused: 1, failed: 0 });
        assert_eq!(seconds[SECONDS - 1], Figures { allowed: 60, refused: 1, failed: 0 });
        assert_eq!(recent.totals(), Figures { allowed: 1830, refused: 61, failed: 0 });
    }

    #[test]
    fn the_latest_refusals_are_kept_and_a_made_up_method_is_shortened() {
        let recent = Recent::default();
        const CODES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        for second in 0..100 {
            let code = CODES[usize::try_from(second % 10).unwrap()];
            let refused = Outcome::Refused { rule: "", code, status: 403 };
            recent.remember(
                &"M".repeat(1000),
                &refused,
                &format!("req_{second}"),
                UnixTime::from_seconds(second),
            );
        }
        recent.remember(
            "GET",
            &Outcome::Forwarded { rule: "GET /a", status: 200 },
            "req",
            UnixTime::from_seconds(1),
        );
        let refusals = recent.refusals();
        assert_eq!(refusals.len(), REFUSALS);
        assert_eq!((&*refusals[0].request_id, refusals[0].method.len()), ("req_99", METHOD));
        assert_eq!(&*refusals[REFUSALS - 1].request_id, "req_70");
    }

    #[test]
    fn a_flood_of_one_kind_does_not_sweep_the_others_away() {
        let recent = Recent::default();
        recent.remember(
            "GET",
            &Outcome::Refused { rule: "", code: "no_rule", status: 403 },
            "first",
            UnixTime::from_seconds(1),
        );
        for _ in 0..1000 {
            recent.remember("GET", &REFUSED, "flood", UnixTime::from_seconds(2));
        }
        let refusals = recent.refusals();
        assert_eq!(refusals.last().map(|refusal| &*refusal.request_id), Some("first"));
        assert!(refusals.len() < REFUSALS, "{}", refusals.len());
    }
}
