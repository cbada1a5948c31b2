//! A token among the subprotocols that a page offers when it opens a WebSocket: `Sec-WebSocket-Protocol: marker, token`.
//!
//! A page can set no header of a WebSocket but this one. The marker, which the policy names, says that the member behind it
//! is a token and no protocol. Both end here: the application sees what else is offered. A browser gives up a connection
//! unless the server selects one of the protocols that were offered, so where the application selects none, the marker is
//! what was selected (RFC 6455 §4.2.2).

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::{CredentialError, is_token};

pub(super) const NAME: HeaderName = header::SEC_WEBSOCKET_PROTOCOL;

/// The token behind the marker, of a request that opens a WebSocket. A marker anywhere else is a credential that nobody can
/// read, and so is one without a token.
pub(super) fn extract<'a>(
    method: &Method,
    headers: &'a HeaderMap,
    marker: &str,
) -> Result<Option<&'a str>, CredentialError> {
    let mut offered = Vec::new();
    for value in headers.get_all(NAME) {
        match value.to_str() {
            Ok(text) => offered.extend(text.split(',').map(|member| member.trim_matches([' ', '\t']))),
            Err(_) => return Err(CredentialError::Malformed),
        }
    }
    match offered.iter().filter(|member| **member == marker).count() {
        0 => return Ok(None),
        1 => {}
        _ => return Err(CredentialError::Several),
    }
    let token = offered.iter().skip_while(|member| **member != marker).nth(1).copied();
    match token.filter(|token| is_token(token) && opens_websocket(method, headers)) {
        Some(token) if offered.iter().all(|member| !member.is_empty()) => Ok(Some(token)),
        _ => Err(CredentialError::Malformed),
    }
}

/// Takes every marker out, with the member behind it.
pub(super) fn remove(headers: &mut HeaderMap, marker: &str) {
    if !offers(headers, marker) {
        return;
    }
    let mut left: Vec<Vec<u8>> = Vec::new();
    let mut is_token = false;
    for member in members(headers) {
        let was_marked = std::mem::replace(&mut is_token, member == marker.as_bytes());
        if !was_marked && !is_token {
            left.push(member.to_vec());
        }
    }
    headers.remove(NAME);
    if let Ok(value) = HeaderValue::from_bytes(&left.join(&b", "[..]))
        && !value.is_empty()
    {
        headers.insert(NAME, value);
    }
}

/// Whether the marker is among what the request offers.
pub(super) fn offers(headers: &HeaderMap, marker: &str) -> bool {
    members(headers).any(|member| member == marker.as_bytes())
}

fn members(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(NAME).iter();
    lines.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// Whether the request opens a WebSocket (RFC 6455 §4.1).
fn opens_websocket(method: &Method, headers: &HeaderMap) -> bool {
    let is_websocket = |value: &HeaderValue| {
        value
            .as_bytes()
            .split(|byte| *byte == b',')
            .any(|name| name.trim_ascii().eq_ignore_ascii_case(b"websocket"))
    };
    method == Method::GET && headers.get_all(header::UPGRADE).iter().any(is_websocket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offering(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::UPGRADE, HeaderValue::from_static("WebSocket"));
        for line in lines {
            headers.append(NAME, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    fn extracted(lines: &[&str]) -> Result<Option<String>, CredentialError> {
        extract(&Method::GET, &offering(lines), "bearer").map(|token| token.map(str::to_owned))
    }

    fn left(lines: &[&str]) -> Option<String> {
        let mut headers = offering(lines);
        remove(&mut headers, "bearer");
        assert!(headers.get_all(NAME).iter().count() < 2 || !offers(&offering(lines), "bearer"));
        headers.get(NAME).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_token_stands_behind_the_marker_and_both_end_here() {
        for (lines, rest) in [
            (&["bearer, a.b.c"][..], None),
            (&["bearer,a.b.c , chat.v2,  mqtt"], Some("chat.v2, mqtt")),
            (&["chat.v2, bearer, a.b.c"], Some("chat.v2")),
            (&["bearer", "a.b.c"], None),
            (&["chat.v2", "bearer, a.b.c", "mqtt"], Some("chat.v2, mqtt")),
        ] {
            assert_eq!(extracted(lines), Ok(Some("a.b.c".to_owned())), "{lines:?}");
            assert_eq!(left(lines).as_deref(), rest, "{lines:?}");
        }
    }

    #[test]
    fn without_the_marker_there_is_no_token() {
        for lines in
            [&[][..], &["chat.v2"], &["Bearer, a.b.c"], &["bearer2, a.b.c"], &["x bearer, a.b.c"], &["a,,b"]]
        {
            assert_eq!(extracted(lines), Ok(None), "{lines:?}");
            assert_eq!(left(lines).as_deref(), lines.first().copied(), "{lines:?}");
        }
    }

    #[test]
    fn what_is_there_and_unreadable_is_not_absent_and_goes_no_further() {
        for lines in [
            &["bearer"][..],
            &["chat, bearer"],
            &["bearer, "],
            &["bearer,,a.b.c"],
            &["bearer, a b"],
            &["bearer, a=b"],
        ] {
            assert_eq!(extracted(lines), Err(CredentialError::Malformed), "{lines:?}");
        }
        for lines in
            [&["bearer, a.b.c, bearer, d.e.f"][..], &["bearer, bearer"], &["bearer, a.b.c", "bearer, a.b.c"]]
        {
            assert_eq!(extracted(lines), Err(CredentialError::Several), "{lines:?}");
            assert_eq!(left(lines), None, "{lines:?}");
        }
        assert_eq!(left(&["bearer, a b, chat"]).as_deref(), Some("chat"));
    }

    #[test]
    fn it_counts_only_where_a_websocket_is_opened() {
        let mut headers = offering(&["bearer, a.b.c"]);
        assert_eq!(extract(&Method::POST, &headers, "bearer"), Err(CredentialError::Malformed));
        for (upgrade, opens) in [("h2c", false), ("h2c, websocket", true), ("websockets", false)] {
            headers.insert(header::UPGRADE, HeaderValue::from_static(upgrade));
            assert_eq!(extract(&Method::GET, &headers, "bearer").is_ok(), opens, "{upgrade}");
        }
        headers.remove(header::UPGRADE);
        assert_eq!(extract(&Method::GET, &headers, "bearer"), Err(CredentialError::Malformed));
    }
}
