//! The one place where this crate reads a clock.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use orgate_claims::UnixTime;

/// The time now, by the clock of the machine. A clock before 1970 reads as the epoch.
#[must_use]
pub fn now() -> UnixTime {
    UnixTime::from_seconds(i64::try_from(elapsed().as_secs()).unwrap_or(i64::MAX))
}

/// The same in milliseconds since 1970, for logs.
#[must_use]
pub fn milliseconds() -> i64 {
    i64::try_from(elapsed().as_millis()).unwrap_or(i64::MAX)
}

#[allow(clippy::disallowed_methods, reason = "the one place where the gate reads a clock")]
fn elapsed() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The time since the first call, by a clock that never goes back.
pub(crate) fn monotonic() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}
