//! Telling what a policy would do: `mode: observe`, and `shadow:`.
//!
//! The gate decides and says it in the [`Permit`] and the [`Rejection`]; a door with a log of its own tells it there. The
//! layer has none, so it tells here: at most ten lines a second for each rule, because a flood of requests must not
//! become a flood of lines.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::Method;
use tracing::info;

use crate::{Gate, Permit, Rejection, gate::GateParts};

/// How much was told lately, by rule. A rule is never taken from a request, so this is bounded by the policy.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<HashMap<Box<str>, (Instant, u32)>>);

const WINDOW: Duration = Duration::from_secs(1);
const LINES: u32 = 10;

impl Told {
    fn admits(&self, rule: &str, now: Instant) -> bool {
        // Each change is a single assignment, so a panic elsewhere leaves it whole.
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, lines) = windows.entry(rule.into()).or_insert((now, 0));
        if now.duration_since(*began) >= WINDOW {
            (*began, *lines) = (now, 0);
        }
        *lines += 1;
        *lines <= LINES
    }
}

/// `allow` or `deny`.
fn word(allows: bool) -> &'static str {
    if allows { "allow" } else { "deny" }
}

impl Gate {
    /// Tells what is to be told of a request that was let through.
    pub(crate) fn tell_forwarded(&self, permit: &Permit, method: &Method) {
        if permit.would().is_none() && permit.shadow().is_none()
            || !self.told().admits(permit.rule(), Instant::now())
        {
            return;
        }
        let (rule, method) = (permit.rule(), method.as_str());
        if let Some(would) = permit.would() {
            let (code, status) = (would.reason().as_str(), would.status().as_u16());
            info!(rule, code, method, status, "would be denied");
        }
        if let Some(shadow) = permit.shadow() {
            let enforced = word(permit.would().is_none());
            info!(rule, method, enforced, shadow = word(shadow), "the shadow disagrees");
        }
    }

    /// Tells what is to be told of a request that was refused.
    pub(crate) fn tell_refused(&self, rejection: &Rejection) {
        let rule = rejection.rule().unwrap_or_default();
        if let Some(shadow) = rejection.shadow()
            && self.told().admits(rule, Instant::now())
        {
            info!(rule, enforced = "deny", shadow = word(shadow), "the shadow disagrees");
        }
    }
}

impl GateParts {
    /// Only observes the policy: what it would refuse is let through and told in the [`Permit`]. Requests that have two
    /// readings are refused still.
    #[must_use]
    pub fn observe(mut self, observe: bool) -> Self {
        self.observe = observe;
        self
    }

    /// Whether the policy is only observed.
    #[must_use]
    pub fn observes(&self) -> bool {
        self.observe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_second_are_told_of_each_rule() {
        let (told, now) = (Told::default(), Instant::now());
        assert_eq!((0..50).filter(|_| told.admits("GET /a", now)).count(), 10);
        assert!(told.admits("GET /b", now));
        assert_eq!((0..50).filter(|_| told.admits("GET /a", now + WINDOW)).count(), 10);
    }
}
