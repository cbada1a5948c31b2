//! Whether a request that carries its credential in a cookie was made by a page that may make it.
//!
//! A browser adds cookies to whatever any page makes it send. So a request that may change something must show that it
//! comes from the application itself, or from an origin that the policy names: by `Sec-Fetch-Site` (W3C Fetch Metadata),
//! which scripts cannot set, or else by `Origin` (RFC 6454 §7, Fetch §3.2). `Sec-Fetch-Site: none` does not: whoever types
//! an address causes a GET, and what else says `none` is an extension of the browser, whose origin a policy can name.
//!
//! Where the door ends TLS is not known here. `Origin` is compared by host and port, and its scheme only decides the port
//! that is not written; browsers that tell schemes apart send `Sec-Fetch-Site`, and that is looked at first.

use http::{HeaderMap, HeaderName, Method, header};

use crate::RequestHead;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks a request whose credential came in a cookie. `trusted` are the origins that the policy names, in lower case.
///
/// # Errors
/// Why it is refused, in words for the caller.
pub(crate) fn check(head: &RequestHead<'_>, trusted: &[Box<str>]) -> Result<(), &'static str> {
    let upgrade = head.headers.contains_key(header::UPGRADE);
    if is_safe(head.method) && !upgrade {
        return Ok(());
    }
    let site = single(head.headers, &SEC_FETCH_SITE)?;
    let origin = single(head.headers, &header::ORIGIN)?;
    if origin.is_some_and(|origin| trusted.iter().any(|known| known.eq_ignore_ascii_case(origin))) {
        return Ok(());
    }
    let own = |origin| head.authority.is_some_and(|authority| is_own(origin, authority));
    match (site, origin) {
        (Some(site), _) if site != "same-origin" => Err("the request was made by another site"),
        // A browser opens a WebSocket to any site, and every server is told to look at its `Origin` (RFC 6455 §10.2).
        (Some(_), _) if !upgrade => Ok(()),
        (_, Some(origin)) if own(origin) => Ok(()),
        (_, Some(_)) => Err("the request was made by another origin"),
        (_, None) => Err("the request does not say which page made it"),
    }
}

/// Methods that change nothing (RFC 9110 §9.2.1).
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, &'static str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            value.to_str().map(Some).map_err(|_| "the origin of the request cannot be read")
        }
        (Some(_), Some(_)) => Err("the request names its origin twice"),
    }
}

/// Whether `origin` is that of a page at `authority`.
fn is_own(origin: &str, authority: &str) -> bool {
    let (rest, default) = match (origin.strip_prefix("https://"), origin.strip_prefix("http://")) {
        (Some(rest), _) => (rest, "443"),
        (_, Some(rest)) => (rest, "80"),
        _ => return false,
    };
    let (host, port) = split_port(rest);
    let (own_host, own_port) = split_port(authority);
    let port = port.unwrap_or(default);
    !host.is_empty() && host.eq_ignore_ascii_case(own_host) && port == own_port.unwrap_or(default)
}

/// Host and port; an IPv6 address keeps its brackets.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}
