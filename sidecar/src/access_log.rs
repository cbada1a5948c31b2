//! One line per request, and few lines under attack.
//!
//! A refusal is information, so it is logged at `info`; a passed request is routine and logged at `debug`. Of refusals
//! at most ten a second are written for each rule and code, the rest is counted and summarised: a flood of refused
//! requests must not become a flood of lines. Lines carry the rule's pattern and not the path, because a path holds
//! personal data; no token, cookie or address ever.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tracing::{debug, info, warn};

use crate::upstream::UpstreamError;

/// What is written of one request.
#[derive(Debug)]
pub struct Record<'r> {
    /// The method.
    pub method: &'r str,
    /// Its id.
    pub request_id: &'r str,
    /// From the end of the request's head to the head of the answer.
    pub duration: Duration,
    /// What became of it.
    pub outcome: &'r Outcome<'r>,
}

/// What became of a request. A rule is its key in the policy, empty where none was reached.
#[derive(Debug)]
pub enum Outcome<'r> {
    /// Answered by the upstream.
    Forwarded {
        /// The rule that let it pass.
        rule: &'r str,
        /// The upstream's status.
        status: u16,
    },
    /// Answered by the upstream, and let through only because the policy is observed and not enforced.
    Observed {
        /// The rule that would refuse, empty where none was reached.
        rule: &'r str,
        /// Why.
        code: &'static str,
        /// The upstream's status.
        status: u16,
    },
    /// A CORS preflight that the gate answered.
    Answered {
        /// The rule of the request that the browser asks for.
        rule: &'r str,
    },
    /// Refused by the gate or the door.
    Refused {
        /// The rule that refused.
        rule: &'r str,
        /// Why.
        code: &'static str,
        /// What was answered.
        status: u16,
    },
    /// Let pass, and not answered by the upstream.
    Failed {
        /// The rule that let it pass.
        rule: &'r str,
        /// What the client was told.
        code: &'static str,
        /// What was answered.
        status: u16,
        /// What really happened.
        error: &'r UpstreamError,
    },
}

impl Outcome<'_> {
    /// The rule, empty where none was reached.
    #[must_use]
    pub fn rule(&self) -> &str {
        match self {
            Self::Forwarded { rule, .. }
            | Self::Observed { rule, .. }
            | Self::Answered { rule }
            | Self::Refused { rule, .. }
            | Self::Failed { rule, .. } => rule,
        }
    }

    /// The code, `allowed` for what was forwarded.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Forwarded { .. } | Self::Observed { .. } => "allowed",
            Self::Answered { .. } => "preflight",
            Self::Refused { code, .. } | Self::Failed { code, .. } => code,
        }
    }
}

/// Writes records, refusals at a bounded rate.
#[derive(Debug)]
pub struct AccessLog {
    windows: Mutex<HashMap<(Box<str>, &'static str), Window>>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    written: u32,
    held_back: u64,
}

impl AccessLog {
    pub(crate) fn new() -> Self {
        Self { windows: Mutex::new(HashMap::new()) }
    }

    /// Writes one record, if its turn has come.
    pub fn record(&self, record: &Record<'_>) {
        let Record { method, request_id, duration, outcome } = *record;
        let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        match *outcome {
            Outcome::Forwarded { rule, status } => {
                debug!(rule, code = "allowed", method, status, duration_us, request_id, "allowed");
            }
            Outcome::Observed { rule, code, status } => {
                if tracing::enabled!(tracing::Level::INFO) && self.admits(rule, code, Instant::now()) {
                    info!(rule, code, method, status, duration_us, request_id, "would be denied");
                }
            }
            Outcome::Answered { rule } => {
                debug!(rule, code = "preflight", method, status = 204, duration_us, request_id, "answered");
            }
            Outcome::Refused { rule, code, status } => {
                if tracing::enabled!(tracing::Level::INFO) && self.admits(rule, code, Instant::now()) {
                    info!(rule, code, method, status, duration_us, request_id, "denied");
                }
            }
            Outcome::Failed { rule, code, status, error } => {
                if self.admits(rule, error.kind(), Instant::now()) {
                    warn!(rule, code, method, status, duration_us, request_id, %error, "not answered");
                }
            }
        }
    }

    /// Writes that the shadow of a rule disagrees with what was decided, if its turn has come.
    pub fn shadow(
        &self,
        rule: &str,
        method: &str,
        request_id: &str,
        enforced: &'static str,
        shadow: &'static str,
    ) {
        let kind = if shadow == "allow" { "shadow=allow" } else { "shadow=deny" };
        if tracing::enabled!(tracing::Level::INFO) && self.admits(rule, kind, Instant::now()) {
            info!(rule, method, request_id, enforced, shadow, "the shadow disagrees");
        }
    }

    /// Writes how many lines were held back in windows that are over. Called once a second.
    pub fn flush(&self) {
        self.flush_at(Instant::now());
    }

    fn flush_at(&self, now: Instant) -> u64 {
        let mut held_back = 0;
        self.lock().retain(|(rule, code), window| {
            if now.duration_since(window.began) < WINDOW {
                return true;
            }
            if window.held_back > 0 {
                held_back += window.held_back;
                info!(rule = &**rule, code, count = window.held_back, "more of the same were not logged");
            }
            // Windows exist only while something happens, so that the table stays as small as the trouble.
            false
        });
        held_back
    }

    fn admits(&self, rule: &str, code: &'static str, now: Instant) -> bool {
        let mut windows = self.lock();
        // INVARIANT: bounded by rules × codes, because neither is taken from a request.
        let window =
            windows.entry((rule.into(), code)).or_insert(Window { began: now, written: 0, held_back: 0 });
        if now.duration_since(window.began) >= WINDOW {
            if window.held_back > 0 {
                info!(rule, code, count = window.held_back, "more of the same were not logged");
            }
            *window = Window { began: now, written: 0, held_back: 0 };
        }
        if window.written < LINES {
            window.written += 1;
            return true;
        }
        window.held_back += 1;
        false
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(Box<str>, &'static str), Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const WINDOW: Duration = Duration::from_secs(1);
const LINES: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_second_are_written_for_each_rule_and_code() {
        let log = AccessLog::new();
        let now = Instant::now();
        let written = |code, at| (0..100).filter(|_| log.admits("GET /a", code, at)).count();
        assert_eq!(written("no_credential", now), 10);
        assert_eq!(written("missing_permission", now), 10);
        assert_eq!(written("no_credential", now + Duration::from_millis(999)), 0);
        assert_eq!(written("no_credential", now + Duration::from_secs(1)), 10);
    }

    #[test]
    fn what_was_held_back_is_counted_once() {
        let log = AccessLog::new();
        let now = Instant::now();
        for _ in 0..50 {
            log.admits("GET /a", "no_credential", now);
        }
        assert_eq!(log.flush_at(now), 0);
        assert_eq!(log.flush_at(now + WINDOW), 40);
        assert_eq!(log.flush_at(now + WINDOW), 0);
        assert!(log.lock().is_empty());
    }
}
