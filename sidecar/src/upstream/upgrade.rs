//! Requests that ask to switch protocols (RFC 9110 §7.8), such as those of WebSocket (RFC 6455).
//!
//! They are judged like any other request, before the switch. Forwarded is one protocol, asked for in one way, by a GET
//! without a body over HTTP/1.1, or what extended CONNECT makes of a stream of HTTP/2; anything else loses its `Upgrade` and is an ordinary request, which RFC 9110 allows. So
//! does whatever would make the rest of the connection HTTP or TLS again: nobody would judge what comes then.

use http::{HeaderValue, Method, StatusCode, Version, header, request, response};

use super::hop_by_hop;
use crate::serve::CanSwitch;

/// The protocol that the request asks for, if it may be switched to.
pub(super) fn asked_for(parts: &request::Parts) -> Option<HeaderValue> {
    let headers = &parts.headers;
    let mut protocols = headers.get_all(header::UPGRADE).iter();
    let (Some(protocol), None) = (protocols.next(), protocols.next()) else { return None };
    let fits = parts.method == Method::GET
        && matches!(parts.version, Version::HTTP_11 | Version::HTTP_2)
        && parts.extensions.get::<CanSwitch>().is_some()
        && !headers.contains_key(header::CONTENT_LENGTH)
        && !headers.contains_key(header::TRANSFER_ENCODING)
        && hop_by_hop::lists(headers, &header::CONNECTION, "upgrade")
        && is_served(protocol.as_bytes());
    fits.then(|| protocol.clone())
}

/// One name that is neither HTTP nor TLS.
fn is_served(protocol: &[u8]) -> bool {
    let is_name = !protocol.is_empty()
        && protocol.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._+".contains(byte));
    let is_of =
        |family: &[u8]| protocol.get(..family.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(family));
    is_name && !NOT_SERVED.iter().any(|family| is_of(family))
}

/// Whether the answer switches to what was asked for; `Err` if it switches to anything else.
pub(super) fn is_switched(
    asked: Option<&HeaderValue>,
    parts: &response::Parts,
) -> Result<bool, &'static str> {
    if parts.status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(false);
    }
    let asked = asked.ok_or("it switched protocols without being asked")?;
    let mut protocols = parts.headers.get_all(header::UPGRADE).iter();
    match (protocols.next(), protocols.next()) {
        (Some(protocol), None) if protocol.as_bytes().eq_ignore_ascii_case(asked.as_bytes()) => Ok(true),
        _ => Err("it switched to another protocol than was asked for"),
    }
}

const NOT_SERVED: [&[u8]; 3] = [b"h2", b"http", b"tls"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_protocol_that_is_neither_http_nor_tls_is_served() {
        for protocol in ["websocket", "WebSocket", "spdy-like_2.0", "x"] {
            assert!(is_served(protocol.as_bytes()), "{protocol}");
        }
        for protocol in [
            "",
            "h2c",
            "H2C",
            "h2",
            "HTTP/2.0",
            "http2",
            "TLS/1.2",
            "tls",
            "websocket, h2c",
            "a b",
            "a/1",
            "a\tb",
        ] {
            assert!(!is_served(protocol.as_bytes()), "{protocol}");
        }
    }
}
