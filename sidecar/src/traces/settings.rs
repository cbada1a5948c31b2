//! Where spans go, as the settings file says; the variables of OpenTelemetry win.

/// `tracing` of the settings file.
#[derive(Clone, Debug, Default)]
pub(crate) struct TracingSettings {
    /// The collector: `http://localhost:4318`.
    pub(crate) endpoint: Option<String>,
    /// Of the requests that come without a context one in so many is recorded.
    #[cfg_attr(not(feature = "otel"), allow(dead_code, reason = "nothing is recorded"))]
    pub(crate) sample: Option<u32>,
}

/// Whether spans can be sent to `endpoint`.
///
/// # Errors
/// Why not.
pub(crate) fn check_endpoint(endpoint: &str) -> Result<(), String> {
    parted(endpoint).map(|_| ())
}

/// Scheme and host of `endpoint`, and the path in front of what a collector serves.
///
/// # Errors
/// Why it can be none.
pub(crate) fn parted(endpoint: &str) -> Result<(&str, &str), String> {
    let fail = |problem: &str| {
        Err(format!(
            "`{endpoint}` cannot be a collector: {problem}\nhelp: give it as `http://localhost:4318`"
        ))
    };
    let Some((scheme @ ("http" | "https"), rest)) = endpoint.split_once("://") else {
        return fail("it must begin with `http://` or `https://`");
    };
    let at = rest.find(['/', '?', '#']).map_or(endpoint.len(), |at| scheme.len() + 3 + at);
    let (origin, path) = endpoint.split_at_checked(at).unwrap_or((endpoint, ""));
    if path.contains(['?', '#']) || path.parse::<http::uri::PathAndQuery>().is_err() && !path.is_empty() {
        return fail("behind the host there may be a path, and nothing else");
    }
    match crate::upstream::check_url(origin) {
        Ok(()) => Ok((origin, path.trim_end_matches('/'))),
        Err(_) => fail("it has no host, or something that is none"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_has_a_host_and_may_have_a_path() {
        assert_eq!(parted("http://localhost:4318"), Ok(("http://localhost:4318", "")));
        assert_eq!(parted("https://otlp.example.com/otlp/"), Ok(("https://otlp.example.com", "/otlp")));
        for wrong in [
            "",
            "localhost:4318",
            "grpc://a",
            "http://",
            "http://a?b",
            "http://u:p@a",
            "http://a/b?c",
            "http://a b",
        ] {
            assert!(parted(wrong).expect_err(wrong).contains("help: "), "{wrong}");
        }
    }
}
