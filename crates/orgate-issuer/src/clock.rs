//! The time, as a value that is handed in.
//!
//! The one place of the crate that asks the operating system. Everything else takes a [`Clock`] or milliseconds, so
//! that a test moves time instead of waiting for it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// Tells the time in whole milliseconds since 1970-01-01T00:00:00Z.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Milliseconds since the epoch.
    fn now_ms(&self) -> i64;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the edge where the time enters")]
    fn now_ms(&self) -> i64 {
        // A clock before 1970 reads as 1970: every token is then long expired for the others, which fails closed.
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
    }
}

/// A clock that stands still until it is moved; for tests and for replaying.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows `now_ms`.
    #[must_use]
    pub fn at(now_ms: i64) -> Self {
        Self(Arc::new(AtomicI64::new(now_ms)))
    }

    /// Moves the clock forward by `milliseconds`, for every holder of a clone.
    pub fn advance(&self, milliseconds: i64) {
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Whole seconds, as tokens write time (RFC 7519 §2).
pub(crate) const fn seconds(milliseconds: i64) -> i64 {
    milliseconds.div_euclid(1000)
}

/// `milliseconds` as RFC 3339 in UTC, as the API writes time; `None` only outside the years jiff knows.
pub(crate) fn rfc3339(milliseconds: i64) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(milliseconds).ok()?;
    Some(format!("{at:.3}"))
}

/// The milliseconds of a moment as [`rfc3339`] writes it.
pub(crate) fn from_rfc3339(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_writes_time_in_utc_with_a_z() {
        assert_eq!(rfc3339(1_750_000_000_123).unwrap(), "2025-06-15T15:06:40.123Z");
        assert_eq!(rfc3339(0).unwrap(), "1970-01-01T00:00:00.000Z");
        assert_eq!(from_rfc3339("2025-06-15T15:06:40.123Z"), Some(1_750_000_000_123));
        assert_eq!(from_rfc3339("yesterday"), None);
    }

    #[test]
    fn the_system_clock_is_past_the_day_this_was_written() {
        assert!(SystemClock.now_ms() > 1_760_000_000_000);
    }
}
