//! What is left of a limit, as clients are told of it: `RateLimit-Policy` and `RateLimit`
//! (draft-ietf-httpapi-ratelimit-headers-10, structured fields of RFC 9651).
//!
//! ```text
//! RateLimit-Policy: "org";q=100;w=1
//! RateLimit: "org";r=99;t=1
//! ```
//!
//! `q` requests in `w` seconds, `r` of them left, and one more in `t` seconds. An application may have limits of its own: its
//! fields stand beside ours.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use orgate_policy::{Limit, LimitPer};

use crate::{Code, Verdict};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// What a caller has left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) limit: Limit,
    /// Requests that would be let pass now.
    pub(crate) left: u64,
    /// When there will be one more.
    pub(crate) more_in: Duration,
}

impl Verdict {
    /// Tells the client what is left of the limit of its rule.
    pub(crate) fn with_quota(self, quota: Option<Quota>) -> Self {
        match (self, quota) {
            (Self::Forward(permit), quota) => Self::Forward(permit.with_quota(quota)),
            // Who is refused for something else used nothing up.
            (Self::Reject(rejection), Some(quota)) if rejection.code() == Code::RateLimited => {
                Self::Reject(rejection.with_quota(quota))
            }
            (other, _) => other,
        }
    }
}

impl Quota {
    /// Tells a client.
    pub(crate) fn add_to(self, headers: &mut HeaderMap) {
        let Self { limit, left, more_in } = self;
        let name = match limit.per() {
            LimitPer::Organization => "org",
            LimitPer::Subject => "sub",
        };
        let seconds = more_in.as_secs() + u64::from(more_in.subsec_nanos() > 0);
        let policy = format!("\"{name}\";q={};w={}", limit.requests(), limit.period().as_secs());
        for (field, value) in [(POLICY, policy), (LEFT, format!("\"{name}\";r={left};t={seconds}"))] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.append(field, value);
            }
        }
    }
}
