//! One line per request, and few lines under attack.
//!
//! A refusal is information, so it is logged at `info`; a passed request is routine and logged at `debug`. Of refusals
//! at most ten a second are written for each rule and code, the rest is counted and summarised: a flood of refused
//! requests must not become a flood of lines. Lines carry the rule's pattern and not the path, because a path holds
//! personal data; no token, cookie or address ever.

use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use crate::{
    flood::{Flood, HeldBack},
    upstream::UpstreamError,
};

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
    /// Answered by the door itself: a CORS preflight, or a document of its own.
    Answered {
        /// The rule of the request that the browser asks for; empty for a document.
        rule: &'r str,
        /// What it was.
        code: &'static str,
        /// The status.
        status: u16,
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
            | Self::Answered { rule, .. }
            | Self::Refused { rule, .. }
            | Self::Failed { rule, .. } => rule,
        }
    }

    /// What was answered.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Forwarded { status, .. }
            | Self::Observed { status, .. }
            | Self::Answered { status, .. }
            | Self::Refused { status, .. }
            | Self::Failed { status, .. } => *status,
        }
    }

    /// The decision in a word.
    #[must_use]
    pub fn decision(&self) -> &'static str {
        match self {
            Self::Forwarded { .. } | Self::Observed { .. } | Self::Failed { .. } => "allow",
            Self::Answered { .. } => "answer",
            Self::Refused { .. } => "deny",
        }
    }

    /// The code, `allowed` for what was forwarded.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Forwarded { .. } | Self::Observed { .. } => "allowed",
            Self::Answered { code, .. } | Self::Refused { code, .. } | Self::Failed { code, .. } => code,
        }
    }
}

/// Writes records, refusals at a bounded rate.
#[derive(Debug, Default)]
pub struct AccessLog(Flood);

impl AccessLog {
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
            Outcome::Answered { rule, code, status } => {
                debug!(rule, code, method, status, duration_us, request_id, "answered");
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
        self.0.over(Instant::now()).iter().for_each(tell_held_back);
    }

    fn admits(&self, rule: &str, code: &'static str, now: Instant) -> bool {
        let (admitted, before) = self.0.admits(rule, code, now);
        before.iter().for_each(tell_held_back);
        admitted
    }
}

fn tell_held_back((rule, code, count): &HeldBack) {
    info!(rule = &**rule, code, count, "more of the same were not logged");
}
