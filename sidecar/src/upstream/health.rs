//! Which addresses of an application are asked.
//!
//! Two things take one out. What happens to requests: so many in a row that it did not answer, and it is left alone for a
//! pause that doubles each time; then one request tries it. And checks that are asked of it beside all requests, where there
//! are any ([`check`](super::check)). An application with one address is taken out by checks alone: with nowhere else to go,
//! trying is better than waiting.
//!
//! Every change is logged once. No lock: a request reads two numbers here.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;
use tracing::{info, warn};

/// When an address is left alone because of what happened to requests.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Ejection {
    /// Requests in a row that were not answered.
    pub after: u32,
    /// The first pause; each further one is twice as long.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Ejection {
    fn default() -> Self {
        Self { after: 3, first: Duration::from_secs(1), longest: Duration::from_secs(60) }
    }
}

/// How one address is doing.
#[derive(Debug)]
pub(super) struct Health {
    url: Box<str>,
    /// `None` where there is no other address.
    ejection: Option<Ejection>,
    began: Instant,
    /// Requests in a row that it did not answer.
    failures: AtomicU32,
    /// Until when it is left alone, in milliseconds since `began`; 0 where it is not.
    pause_until: AtomicU64,
    /// Pauses in a row.
    pauses: AtomicU32,
    /// Pauses since the start.
    ejections: AtomicU64,
    /// What the checks say.
    down: AtomicBool,
    /// Time that passes in tests.
    #[cfg(test)]
    passed: AtomicU64,
}

/// Leave to send one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    Usually,
    /// The pause is over, and this request finds out whether the address answers again.
    OnTrial,
}

impl Health {
    pub(super) fn new(url: &str, ejection: Option<Ejection>) -> Self {
        Self {
            url: url.into(),
            ejection,
            began: Instant::now(),
            failures: AtomicU32::new(0),
            pause_until: AtomicU64::new(0),
            pauses: AtomicU32::new(0),
            ejections: AtomicU64::new(0),
            down: AtomicBool::new(false),
            #[cfg(test)]
            passed: AtomicU64::new(0),
        }
    }

    /// Whether a request may be sent there now.
    pub(super) fn may_serve(&self) -> bool {
        let until = self.pause_until.load(Ordering::Relaxed);
        !self.down.load(Ordering::Relaxed) && (until == 0 || until <= self.now())
    }

    /// Whether nothing speaks against it, a pause that is over included.
    pub(super) fn is_good(&self) -> bool {
        !self.down.load(Ordering::Relaxed) && self.pause_until.load(Ordering::Relaxed) == 0
    }

    /// Pauses since the start.
    pub(super) fn ejections(&self) -> u64 {
        self.ejections.load(Ordering::Relaxed)
    }

    /// Takes leave to send a request. After a pause one request has it, and another once that takes too long.
    pub(super) fn admit(&self) -> Option<Admitted> {
        if self.down.load(Ordering::Relaxed) {
            return None;
        }
        let (until, now) = (self.pause_until.load(Ordering::Relaxed), self.now());
        let Some(Ejection { first, .. }) = self.ejection.filter(|_| until != 0) else {
            return Some(Admitted::Usually);
        };
        let next = now.saturating_add(milliseconds(first));
        let is_mine = until <= now
            && self.pause_until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        is_mine.then_some(Admitted::OnTrial)
    }

    /// It answered.
    pub(super) fn succeeded(&self) {
        // Looked at before it is written, so that requests do not fight for a cache line.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        if self.pause_until.load(Ordering::Relaxed) != 0 && self.pause_until.swap(0, Ordering::Relaxed) != 0 {
            self.pauses.store(0, Ordering::Relaxed);
            info!(upstream = %self.url, "the upstream answers again and gets requests");
        }
    }

    /// It did not answer a request that was sent by this leave.
    pub(super) fn failed(&self, admitted: Admitted, why: &dyn std::fmt::Display) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let Some(Ejection { after, first, longest }) = self.ejection else { return };
        let pause = || {
            let doubled = 1_u32.checked_shl(self.pauses.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
            first.saturating_mul(doubled).min(longest)
        };
        let until = |pause: Duration| self.now().saturating_add(milliseconds(pause)).max(1);
        match admitted {
            Admitted::OnTrial => {
                self.pauses.fetch_add(1, Ordering::Relaxed);
                self.pause_until.store(until(pause()), Ordering::Relaxed);
                self.ejections.fetch_add(1, Ordering::Relaxed);
            }
            Admitted::Usually if failures >= after => {
                let pause = pause();
                // Requests that began before it was left alone say nothing new.
                if self
                    .pause_until
                    .compare_exchange(0, until(pause), Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
                {
                    self.ejections.fetch_add(1, Ordering::Relaxed);
                    warn!(upstream = %self.url, failures, pause = ?pause, last = %why, "the upstream is left alone for a while");
                }
            }
            Admitted::Usually => {}
        }
    }

    /// What the checks say now.
    pub(super) fn checked(&self, is_good: bool, why: &dyn std::fmt::Display) {
        let was_down = self.down.swap(!is_good, Ordering::Relaxed);
        match (was_down, is_good) {
            (false, false) => {
                warn!(upstream = %self.url, last = %why, "the upstream failed its checks and gets no requests");
            }
            (true, true) => info!(upstream = %self.url, "the upstream passed its checks and gets requests"),
            _ => {}
        }
    }

    fn now(&self) -> u64 {
        let now = milliseconds(self.began.elapsed());
        #[cfg(test)]
        let now = now + self.passed.load(Ordering::Relaxed);
        now
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Health {
        fn pass(&self, milliseconds: u64) {
            self.passed.fetch_add(milliseconds, Ordering::Relaxed);
        }
    }

    fn health() -> Health {
        let ejection = Ejection { after: 3, first: Duration::from_secs(1), longest: Duration::from_secs(3) };
        Health::new("http://a", Some(ejection))
    }

    #[test]
    fn failures_in_a_row_pause_it_and_one_request_tries_it_then() {
        let health = health();
        for _ in 0..2 {
            health.failed(Admitted::Usually, &"x");
        }
        health.succeeded();
        for _ in 0..2 {
            health.failed(Admitted::Usually, &"x");
        }
        assert!(health.may_serve() && health.is_good());
        health.failed(Admitted::Usually, &"x");
        health.failed(Admitted::Usually, &"it began before");
        assert!(!health.may_serve() && health.admit().is_none());
        assert_eq!(health.ejections(), 1);

        for pause in [1, 2, 3, 3] {
            health.pass(pause * 1000 - 500);
            assert!(!health.may_serve(), "{pause}");
            health.pass(501);
            assert!(health.may_serve() && !health.is_good(), "{pause}");
            assert_eq!(health.admit(), Some(Admitted::OnTrial));
            assert_eq!(health.admit(), None, "only one tries");
            health.failed(Admitted::OnTrial, &"x");
        }
        health.pass(4 * 1000);
        assert_eq!(health.admit(), Some(Admitted::OnTrial));
        health.succeeded();
        assert!(health.is_good());
        assert_eq!(health.admit(), Some(Admitted::Usually));
    }

    #[test]
    fn a_trial_that_never_ends_is_followed_by_another() {
        let health = health();
        for _ in 0..3 {
            health.failed(Admitted::Usually, &"x");
        }
        health.pass(2 * 1000);
        assert_eq!(health.admit(), Some(Admitted::OnTrial));
        health.pass(2 * 1000);
        assert_eq!(health.admit(), Some(Admitted::OnTrial));
    }

    #[test]
    fn the_only_address_is_left_alone_by_checks_only() {
        let health = Health::new("http://a", None);
        for _ in 0..100 {
            health.failed(Admitted::Usually, &"x");
        }
        assert_eq!(health.admit(), Some(Admitted::Usually));
        health.checked(false, &"x");
        assert!(health.admit().is_none() && !health.may_serve());
        health.checked(true, &"");
        assert_eq!(health.admit(), Some(Admitted::Usually));
    }
}
