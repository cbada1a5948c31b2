//! OpenTelemetry: one span for each request and one for what the application is asked, sent to a collector, with the context
//! of W3C carried on.
//!
//! The feature `otel` has it; without it, and where no collector is named, nothing is done: `traceparent` and `tracestate`
//! pass as any other header. With it a well-formed `traceparent` is continued, a malformed one is as good as none and goes no further,
//! and the application gets that of our own span. A span holds what the policy says of a request (rule, code) and never a path,
//! a query, a header or who asked.
//!
//! Whoever sends a `traceparent` decides whether it is recorded, as everywhere; what that may cost is bounded by the queue. A
//! collector that is slow or away loses spans and never keeps a request waiting.

pub mod context;
mod settings;

#[cfg(feature = "otel")]
mod export;
#[cfg(feature = "otel")]
mod messages;
#[cfg(feature = "otel")]
mod spans;

#[cfg(not(feature = "otel"))]
mod off;

#[cfg(not(feature = "otel"))]
pub(crate) use self::off::{Trace, Traces};
pub(crate) use self::settings::{TracingSettings, check_endpoint};
#[cfg(feature = "otel")]
pub(crate) use self::spans::{Trace, Traces};
