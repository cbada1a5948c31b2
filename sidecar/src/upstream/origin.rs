//! Where a request comes from, as the application is told: `X-Forwarded-For` and `-Proto`, and `Forwarded` (RFC 7239) where
//! the request came with one.
//!
//! What a peer that is trusted says is continued with the address of that peer; what anybody else says is replaced. The last
//! address of a list is therefore always one that was seen here, and an application that knows its proxies can count back.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::serve::Connection;

/// What the request said of it, taken before it is cleaned.
#[derive(Debug, Default)]
pub(super) struct Said {
    chain: Vec<u8>,
    /// Whether there was a `Forwarded` at all.
    is_standard: bool,
    standard: Vec<u8>,
    is_secure: Option<bool>,
}

impl Said {
    /// What of the request's word counts, coming from `client`.
    pub(super) fn by(client: &Connection, headers: &HeaderMap) -> Self {
        let is_standard = headers.contains_key(header::FORWARDED);
        if !client.trusted {
            return Self { is_standard, ..Self::default() };
        }
        let mut protocols = headers.get_all(X_FORWARDED_PROTO).iter();
        let is_secure = match (protocols.next().map(HeaderValue::as_bytes), protocols.next()) {
            (Some(b"https"), None) => Some(true),
            (Some(b"http"), None) => Some(false),
            _ => None,
        };
        Self {
            chain: joined(headers, &X_FORWARDED_FOR),
            is_standard,
            standard: joined(headers, &header::FORWARDED),
            is_secure,
        }
    }

    /// Says it to the application; `host` is the one that the client asked.
    pub(super) fn tell(
        self,
        headers: &mut HeaderMap,
        client: &Connection,
        host: Option<&HeaderValue>,
    ) -> Result<(), header::InvalidHeaderValue> {
        let peer = client.peer.ip().to_canonical();
        let is_secure = self.is_secure.unwrap_or(client.tls.is_some());
        let scheme = if is_secure { "https" } else { "http" };
        headers.insert(X_FORWARDED_FOR, continued(self.chain, peer.to_string())?);
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
        if self.is_standard {
            let here = if client.tls.is_some() { "https" } else { "http" };
            let mut element = match peer {
                IpAddr::V4(address) => format!("for={address}"),
                // A colon is no character of a token.
                IpAddr::V6(address) => format!("for=\"[{address}]\""),
            };
            if let Some(host) = host.and_then(|host| host.to_str().ok()) {
                let is_token = host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'*+^`|#%".contains(&byte));
                let quote = if is_token { "" } else { "\"" };
                // A host that was read in one way holds neither quotes nor backslashes.
                element.push_str(&format!(";host={quote}{host}{quote}"));
            }
            element.push_str(";proto=");
            element.push_str(here);
            headers.insert(header::FORWARDED, continued(self.standard, element)?);
        }
        Ok(())
    }
}

/// All lines of a list as one.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Vec<u8> {
    let lines: Vec<_> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join(&b", "[..])
}

fn continued(mut list: Vec<u8>, last: String) -> Result<HeaderValue, header::InvalidHeaderValue> {
    if !list.is_empty() {
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(last.as_bytes());
    HeaderValue::from_maybe_shared(bytes::Bytes::from(list))
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
