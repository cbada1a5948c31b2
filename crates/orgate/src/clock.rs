//! The one place where this crate reads a clock.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use orgate_claims::UnixTime;

/// The time now, by the clock of the machine. A clock before 1970 reads as the epoch.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place where the gate reads a clock")]
pub fn now() -> UnixTime {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    UnixTime::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// The time since the first call, by a clock that never goes back.
pub(crate) fn monotonic() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}
