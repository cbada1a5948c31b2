//! The one place where this crate reads a clock.

use std::time::{SystemTime, UNIX_EPOCH};

use orgate_claims::UnixTime;

/// The time now, by the clock of the machine. A clock before 1970 reads as the epoch.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place where the gate reads a clock")]
pub fn now() -> UnixTime {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    UnixTime::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}
