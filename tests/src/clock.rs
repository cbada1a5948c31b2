//! The clock of the tests.

use std::time::SystemTime;

/// Now, in seconds since the epoch.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the one place that reads it")]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970");
    i64::try_from(since.as_secs()).expect("a time of this age of the world")
}
