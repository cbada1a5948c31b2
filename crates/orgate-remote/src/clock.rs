//! The one place where this crate reads a clock that survives the process: for the age of a snapshot.

use std::time::{SystemTime, UNIX_EPOCH};

use orgate_claims::UnixTime;

/// The time now, by the clock of the machine. A clock before 1970 reads as the epoch.
#[allow(clippy::disallowed_methods, reason = "the one place where this crate reads a clock")]
pub(crate) fn now() -> UnixTime {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    UnixTime::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}
