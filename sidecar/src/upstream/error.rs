//! Why an upstream gave no response, and what the client, the log and the metrics are told of it.

use std::{fmt, io};

use http::Request;
use hyper::client::conn::TrySendError;

use super::{
    body::{RequestBody, Sending},
    pool::ConnectError,
};
use crate::problem::Refusal;

/// Why there is no response.
#[derive(Debug)]
#[non_exhaustive]
pub enum UpstreamError {
    /// No connection.
    Connect(io::Error),
    /// No connection in time.
    ConnectTimeout,
    /// No response in time.
    FirstByteTimeout,
    /// The connection ended before a response.
    Closed,
    /// The response was not HTTP, or too large a head.
    Invalid(hyper::Error),
    /// The response was HTTP that must not be passed on.
    Unfit(&'static str),
    /// The client did not send its body in time.
    ClientLate,
    /// The client's body was malformed, or the client went away.
    ClientBroken,
    /// The identity could not be put in headers.
    Identity,
    /// The upstream's certificate does not stand, or it does not want ours.
    Tls(io::Error),
    /// The host of the request cannot be said in the upstream's version of HTTP.
    Host,
    /// Each address of the application is left alone at the moment.
    NoneHealthy,
    /// No application is for this host and path.
    NoPlace,
}

impl UpstreamError {
    pub(super) fn from_connect(error: ConnectError) -> Self {
        match error {
            ConnectError::Timeout => Self::ConnectTimeout,
            ConnectError::Refused(error) => Self::Connect(error),
            ConnectError::Tls(error) => Self::Tls(error),
            ConnectError::Handshake(error) => Self::Invalid(error),
        }
    }

    pub(super) fn from_exchange(
        error: TrySendError<Request<RequestBody>>,
        sending: Option<&Sending>,
    ) -> Self {
        match sending {
            Some(body) if body.client_was_late() => return Self::ClientLate,
            Some(body) if body.client_broke_off() => return Self::ClientBroken,
            _ => {}
        }
        let error = error.into_error();
        let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<io::Error>());
        // What `heads` does not let through; the rest is the parser's.
        let is_withheld = cause.is_some_and(|cause| cause.kind() == io::ErrorKind::InvalidData);
        if error.is_parse() || is_withheld { Self::Invalid(error) } else { Self::Closed }
    }

    /// What the client is told.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Connect(_)
            | Self::Tls(_)
            | Self::Closed
            | Self::Invalid(_)
            | Self::Unfit(_)
            | Self::Identity => Refusal::UpstreamFailed,
            Self::ConnectTimeout | Self::FirstByteTimeout => Refusal::UpstreamTimeout,
            Self::NoneHealthy => Refusal::UpstreamMissing,
            Self::NoPlace => Refusal::NoUpstream,
            Self::ClientLate => Refusal::RequestTimeout,
            Self::ClientBroken | Self::Host => Refusal::BadRequest,
        }
    }

    /// One word for metrics and logs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::FirstByteTimeout => "first_byte_timeout",
            Self::Closed => "closed",
            Self::Invalid(_) | Self::Unfit(_) => "invalid_response",
            Self::ClientLate => "client_timeout",
            Self::ClientBroken => "client_body",
            Self::Identity => "identity",
            Self::Tls(_) => "tls",
            Self::Host => "host",
            Self::NoneHealthy => "none_healthy",
            Self::NoPlace => "no_place",
        }
    }

    /// Whether it speaks of the client's body, behind which nothing more can be read.
    pub(crate) fn is_of_client(&self) -> bool {
        matches!(self, Self::ClientLate | Self::ClientBroken)
    }

    /// Whether it speaks of the address that was asked, and not of the client or of us.
    pub(super) fn is_of_address(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::ConnectTimeout
            | Self::FirstByteTimeout
            | Self::Closed
            | Self::Invalid(_)
            | Self::Unfit(_)
            | Self::Tls(_) => true,
            Self::ClientLate
            | Self::ClientBroken
            | Self::Identity
            | Self::Host
            | Self::NoneHealthy
            | Self::NoPlace => false,
        }
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "no connection to the upstream: {error}"),
            Self::ConnectTimeout => f.write_str("no connection to the upstream in time"),
            Self::FirstByteTimeout => f.write_str("no response from the upstream in time"),
            Self::Closed => f.write_str("the upstream closed the connection without a response"),
            Self::Invalid(error) => write!(f, "the upstream's response is not valid: {error}"),
            Self::Unfit(problem) => write!(f, "the upstream's response cannot be passed on: {problem}"),
            Self::ClientLate => f.write_str("the client stopped sending its body"),
            Self::ClientBroken => f.write_str("the client's body is malformed or broke off"),
            Self::Identity => f.write_str("the identity cannot be put in headers"),
            Self::Tls(error) => write!(f, "no TLS with the upstream: {error}"),
            Self::NoneHealthy => f.write_str("every address of the upstream is left alone at the moment"),
            Self::NoPlace => f.write_str("no upstream is for this host and path"),
            Self::Host => {
                f.write_str("the host cannot be said in the version of HTTP that the upstream speaks")
            }
        }
    }
}

impl std::error::Error for UpstreamError {}
