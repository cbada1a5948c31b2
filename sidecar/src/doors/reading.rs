//! One reading of a request: one host, one target, one expectation; a request that has two is refused before the gate sees
//! it.

use http::{HeaderMap, header, request::Parts, uri::PathAndQuery};

use orgate::Code;

use crate::problem::Refusal;

/// Why a head has no single reading.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// Which resource is meant.
    Target(&'static str),
    /// Anything else.
    Head(Refusal, &'static str),
}

impl Unclear {
    /// The code of the refusal.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Target(_) => Code::BadRequestTarget.as_str(),
            Self::Head(refusal, _) => refusal.code(),
        }
    }
}

/// The target of the request, if host, target and expectation can each be read in one way (RFC 9112 §3.2).
pub(super) fn only_reading(parts: &Parts) -> Result<PathAndQuery, Unclear> {
    if parts.method == http::Method::CONNECT {
        return Err(Unclear::Head(Refusal::BadRequest, "the methods TRACE and CONNECT are not served"));
    }
    let host = only_host(&parts.headers)?;
    if let Some(authority) = parts.uri.authority() {
        if !authority.as_str().eq_ignore_ascii_case(host) {
            return Err(Unclear::Target("the request target names another host than `Host`"));
        }
        if parts.uri.scheme_str().is_none() {
            return Err(Unclear::Target("the request target is a host and no path"));
        }
        if !matches!(parts.uri.scheme_str(), Some("http" | "https")) {
            return Err(Unclear::Target("the request target has a scheme that is not served"));
        }
    }
    let mut expectations = parts.headers.get_all(header::EXPECT).iter();
    match (expectations.next(), expectations.next()) {
        (None, _) => {}
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"100-continue") => {}
        _ => {
            return Err(Unclear::Head(
                Refusal::ExpectationFailed,
                "only one `Expect: 100-continue` can be met",
            ));
        }
    }
    parts.uri.path_and_query().cloned().ok_or(Unclear::Target("the request target has no path"))
}

/// The one host of the request (RFC 9112 §3.2: none and several are both 400).
fn only_host(headers: &HeaderMap) -> Result<&str, Unclear> {
    let unclear = |detail| Err(Unclear::Head(Refusal::BadRequest, detail));
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return unclear("there must be exactly one `Host`");
    };
    match host.to_str() {
        Ok(host) if is_host(host) => Ok(host),
        _ => unclear("`Host` is not a host"),
    }
}

/// Whether `text` is one host, with or without a port.
pub(super) fn is_host(text: &str) -> bool {
    // As an authority, so that it has one reading; user information and lists would give it a second.
    let plain = |authority: &http::uri::Authority| {
        let name = authority.host();
        let rest = authority.as_str().strip_prefix(name).unwrap_or("@");
        !name.is_empty() && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
    };
    !text.contains([',', ' ', '\t']) && text.parse().is_ok_and(|authority| plain(&authority))
}

/// Digits alone: `u16` would take `+80`.
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn read(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<String, Unclear> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        only_reading(&parts).map(|target| target.to_string())
    }

    #[test]
    fn one_host_and_one_path_are_read() {
        assert_eq!(read("GET", "/a?b", &[("host", "app.example")]), Ok("/a?b".to_owned()));
        assert_eq!(read("GET", "/", &[("host", "app.example:8080")]), Ok("/".to_owned()));
        assert_eq!(read("GET", "/", &[("host", "[::1]:8080")]), Ok("/".to_owned()));
        assert_eq!(read("GET", "http://APP.example/a", &[("host", "app.example")]), Ok("/a".to_owned()));
    }

    #[test]
    fn hosts_in_doubt_are_refused() {
        for hosts in [
            &[][..],
            &[("host", "a"), ("host", "a")],
            &[("host", "a"), ("host", "b")],
            &[("host", "a,b")],
            &[("host", "a b")],
            &[("host", "u@a")],
            &[("host", "a:port")],
            &[("host", "a:99999")],
            &[("host", "a:+80")],
            &[("host", "a:")],
            &[("host", "a/b")],
            &[("host", "")],
            &[("host", ":80")],
        ] {
            assert!(
                matches!(read("GET", "/", hosts), Err(Unclear::Head(Refusal::BadRequest, _))),
                "{hosts:?}"
            );
        }
    }

    #[test]
    fn targets_that_are_no_path_are_refused() {
        let host = [("host", "a.example")];
        for target in ["http://b.example/admin", "http://u:p@a.example/", "a.example:80", "ftp://a.example/"]
        {
            assert!(matches!(read("GET", target, &host), Err(Unclear::Target(_))), "{target}");
        }
        assert!(matches!(read("CONNECT", "a.example", &host), Err(Unclear::Head(Refusal::BadRequest, _))));
    }

    #[test]
    fn odd_expectations_are_417() {
        for expectations in
            [&[("expect", "200-ok")][..], &[("expect", "100-continue"), ("expect", "100-continue")]]
        {
            let headers: Vec<_> = [("host", "a")].iter().chain(expectations).copied().collect();
            assert!(
                matches!(read("GET", "/", &headers), Err(Unclear::Head(Refusal::ExpectationFailed, _))),
                "{headers:?}"
            );
        }
    }
}
