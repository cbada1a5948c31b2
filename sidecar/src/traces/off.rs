//! No traces: what is here has no size and does nothing.

use std::time::Instant;

use http::HeaderMap;

use super::TracingSettings;
use crate::access_log::Outcome;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traces;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace;

/// See the module.
#[derive(Debug)]
pub(crate) struct Call;

#[allow(clippy::unused_self, clippy::unused_async, reason = "it has the form of what does something")]
impl Traces {
    /// Where a file asks for traces it is told that there are none; what the environment says is for every program in it.
    pub(crate) fn start(
        settings: &TracingSettings,
        _: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        if settings.endpoint.is_some() {
            tracing::warn!(
                "this orgate was built without the feature `otel`: `tracing` of the settings does nothing"
            );
        }
        Ok(Self)
    }

    pub(crate) fn begin(&self, _: &HeaderMap, _: Instant) -> Trace {
        Trace
    }

    pub(crate) fn end(&self, _: &Trace, _: &str, _: &str, _: &Outcome<'_>) {}

    pub(crate) fn call(&self, _: &Trace, _: &mut HeaderMap) -> Call {
        Call
    }

    pub(crate) fn called(&self, _: &Trace, _: Call, _: &str, _: Result<u16, &'static str>) {}

    pub(crate) async fn finish(&self) {}
}
