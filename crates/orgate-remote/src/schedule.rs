//! When to look for keys again.
//!
//! After success: before what `Cache-Control` promises has run out (RFC 9111 §5.2.2.1), within bounds, and not at the same
//! moment as every other gate. After failure: soon and then less soon, for as long as it takes.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use http::{HeaderMap, header};

use crate::settings::Timing;

/// How long a set may be used without looking again, by the headers it came with.
///
/// `Age` counts: what a cache on the way has kept for a while is not fresh (RFC 9111 §4.2.3). `Expires` does not, because it
/// needs two clocks that agree; whoever sends it sends `max-age` too.
pub(crate) fn lifetime(headers: &HeaderMap, timing: &Timing) -> Duration {
    let (shortest, longest) = (timing.shortest_lifetime, timing.longest_lifetime);
    let directives = headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim);
    let mut lifetime = None;
    for directive in directives {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match &*name.to_ascii_lowercase() {
            "no-store" | "no-cache" => return shortest,
            "max-age" => lifetime = seconds(value.trim_matches('"')),
            _ => {}
        }
    }
    let age = headers.get(header::AGE).and_then(|value| seconds(value.to_str().ok()?));
    let lifetime = lifetime.map(|lifetime| lifetime.saturating_sub(age.unwrap_or_default()));
    lifetime.unwrap_or(DEFAULT_LIFETIME).max(shortest).min(longest)
}

/// RFC 9111 §1.2.2: what is too large to count is very long.
fn seconds(text: &str) -> Option<Duration> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

/// The wait after a success: 70 to 80 % of the lifetime.
pub(crate) fn after_success(lifetime: Duration) -> Duration {
    lifetime.mul_f64(0.8 - 0.1 * random_fraction())
}

/// The wait after so many failures in a row, the last one included.
pub(crate) fn after_failure(failures: u32, loaded: bool) -> Duration {
    // With a good set in hand nobody waits for the next one; without, every protected request is refused.
    let (first, longest) = if loaded {
        (Duration::from_secs(5), Duration::from_secs(60))
    } else {
        (FIRST_RETRY, Duration::from_secs(5))
    };
    let doubled = first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(longest).mul_f64(1.0 - 0.2 * random_fraction())
}

/// The wait before a change feed is read again, after so many connections in a row that did not last: never more than a
/// second.
pub(crate) fn before_reconnecting(failures: u32) -> Duration {
    let doubled = FIRST_RECONNECT.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX));
    doubled.min(Duration::from_secs(1)).mul_f64(1.0 - 0.25 * random_fraction())
}

/// A fraction from 0 to 1, different in each process and at each call. It spreads load and keeps no secret.
fn random_fraction() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 32;
    f64::from(u32::try_from(bits).unwrap_or_default()) / f64::from(u32::MAX)
}

/// How often callers may cause a look while there are no keys.
pub(crate) const WITHOUT_KEYS: Duration = Duration::from_secs(1);
/// The first wait of a gate that has never had keys.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// The wait after a connection to a change feed that lasted.
const FIRST_RECONNECT: Duration = Duration::from_millis(50);
/// For answers that say nothing, and for files.
pub(crate) const DEFAULT_LIFETIME: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn lifetime_of(values: &[&str]) -> u64 {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CACHE_CONTROL, HeaderValue::from_str(value).unwrap());
        }
        lifetime(&headers, &Timing::default()).as_secs()
    }

    #[test]
    fn what_a_cache_kept_for_a_while_is_not_fresh() {
        for (age, seconds) in [
            ("0", 3_000),
            ("1000", 2_000),
            ("2990", 60),
            ("9999", 60),
            ("99999999999999999999", 60),
            ("-1", 3_000),
            ("soon", 3_000),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3000"));
            headers.append(header::AGE, HeaderValue::from_str(age).unwrap());
            assert_eq!(lifetime(&headers, &Timing::default()).as_secs(), seconds, "{age}");
        }
    }

    #[test]
    fn expires_is_not_read() {
        let mut headers = HeaderMap::new();
        headers.append(header::EXPIRES, HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
        assert_eq!(lifetime(&headers, &Timing::default()), DEFAULT_LIFETIME);
    }

    #[test]
    fn max_age_is_honoured_within_bounds() {
        for (values, seconds) in [
            (&[][..], 300),
            (&["public"], 300),
            (&["max-age=600"], 600),
            (&["public, MAX-AGE=600, must-revalidate"], 600),
            (&["public", "max-age=\"600\""], 600),
            (&["max-age=0"], 60),
            (&["max-age=59"], 60),
            (&["max-age=999999999"], 3_600),
            (&["max-age=99999999999999999999"], 3_600),
            (&["max-age="], 300),
            (&["max-age=+600"], 300),
            (&["max-age=-1"], 300),
            (&["s-maxage=600"], 300),
            (&["no-store, max-age=600"], 60),
            (&["no-cache"], 60),
        ] {
            assert_eq!(lifetime_of(values), seconds, "{values:?}");
        }
    }

    #[test]
    fn the_next_look_comes_before_the_lifetime_ends_and_not_always_at_once() {
        let waits: Vec<_> = (0..100).map(|_| after_success(Duration::from_secs(1_000))).collect();
        assert!(waits.iter().all(|wait| (700..=800).contains(&wait.as_secs())));
        assert!(waits.iter().any(|wait| wait != &waits[0]));
    }

    #[test]
    fn retries_slow_down_to_a_bound_and_never_stop() {
        for (failures, least, most) in
            [(1, 200, 250), (2, 400, 500), (3, 800, 1_000), (9, 4_000, 5_000), (u32::MAX, 4_000, 5_000)]
        {
            let wait = after_failure(failures, false).as_millis();
            assert!((least..=most).contains(&wait), "{failures}: {wait}");
        }
        for (failures, least, most) in [(1, 4, 5), (5, 48, 60), (u32::MAX, 48, 60)] {
            let wait = after_failure(failures, true).as_secs();
            assert!((least..=most).contains(&wait), "{failures}: {wait}");
        }
    }

    #[test]
    fn a_feed_is_read_again_within_a_second_and_not_by_all_at_once() {
        for (failures, least, most) in
            [(0, 37, 50), (1, 75, 100), (4, 600, 800), (5, 750, 1_000), (u32::MAX, 750, 1_000)]
        {
            let waits: Vec<_> = (0..50).map(|_| before_reconnecting(failures).as_millis()).collect();
            assert!(waits.iter().all(|wait| (least..=most).contains(wait)), "{failures}: {waits:?}");
            assert!(waits.iter().any(|wait| wait != &waits[0]));
        }
    }
}
