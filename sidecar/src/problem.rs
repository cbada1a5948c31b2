//! Refusals that are not a decision: the request or the upstream is at fault, no rule was asked.
//!
//! The body is the one of all refusals, RFC 9457 as in the contract §6. What the gate refuses is rendered by the gate.

use bytes::Bytes;
use http::{Response, StatusCode};

/// Why the sidecar itself refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The request can be read in two ways, or speaks for a host in two ways.
    BadRequest,
    /// The client stopped sending its request.
    RequestTimeout,
    /// The body of a signed delivery is larger than it may be.
    ContentTooLarge,
    /// The head has more fields than are read.
    HeadTooLarge,
    /// An expectation other than `100-continue`.
    ExpectationFailed,
    /// The upstream could not be reached or did not speak HTTP.
    UpstreamFailed,
    /// There is no upstream to ask.
    UpstreamMissing,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// No upstream is for this host and path.
    NoUpstream,
}

impl Refusal {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::ContentTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::ExpectationFailed => StatusCode::EXPECTATION_FAILED,
            Self::UpstreamFailed => StatusCode::BAD_GATEWAY,
            Self::UpstreamMissing => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::NoUpstream => StatusCode::NOT_FOUND,
        }
    }

    /// The code that programs match on.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::RequestTimeout => "request_timeout",
            Self::ContentTooLarge => "content_too_large",
            Self::HeadTooLarge => "head_too_large",
            Self::ExpectationFailed => "expectation_failed",
            Self::UpstreamFailed | Self::UpstreamMissing | Self::UpstreamTimeout => "upstream_unavailable",
            Self::NoUpstream => "no_upstream",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad request",
            Self::RequestTimeout => "The request was not sent in time",
            Self::ContentTooLarge => "Content too large",
            Self::HeadTooLarge => "Too many headers",
            Self::ExpectationFailed => "Expectation failed",
            Self::UpstreamFailed => "The upstream failed",
            Self::UpstreamMissing => "No upstream is available",
            Self::UpstreamTimeout => "The upstream did not answer in time",
            Self::NoUpstream => "No upstream is for this host and path",
        }
    }
}

/// The answer for `refusal`.
pub(crate) fn refusal(refusal: Refusal, detail: Option<&str>, request_id: Option<&str>) -> Response<Bytes> {
    orgate::rejection::problem(refusal.status(), refusal.code(), refusal.title(), detail, request_id)
}
