//! Names for requests, to find one in the logs of three programs.
//!
//! 128 bits in Crockford's base32. The first half is of the process, the second walks through all 64-bit numbers in an
//! order that only the process knows, so ids neither repeat nor tell how many requests there were. They are names, not
//! secrets; no random number is drawn per request.
//!
//! A peer that is trusted (`listeners.trust_peers`) names its requests itself, in one `X-Request-Id` of 1 to 128 letters, digits
//! and `. _ - = : + /`. What anybody else says there is replaced: a name that a stranger may choose finds the wrong request.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The source of request ids of one door.
#[derive(Debug)]
pub(super) struct RequestIds {
    process: u64,
    key: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        // Keyed by the operating system, which is all that is needed here.
        let draw = || RandomState::new().build_hasher().finish();
        Self { process: draw(), key: draw(), next: AtomicU64::new(0) }
    }

    pub(super) fn next(&self) -> RequestId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let bits = (u128::from(self.process) << 64) | u128::from(scatter(number ^ self.key));
        let mut text = [0_u8; LENGTH];
        for (place, byte) in text.iter_mut().rev().enumerate() {
            let digit = (bits >> (5 * place)) & 31;
            *byte =
                usize::try_from(digit).ok().and_then(|digit| ALPHABET.get(digit).copied()).unwrap_or(b'0');
        }
        RequestId::Made(text)
    }
}

/// One request's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum RequestId {
    /// By us.
    Made([u8; LENGTH]),
    /// By who sends it; two requests may have it.
    Given(Box<str>),
}

impl RequestId {
    /// The one that `headers` give, if it can be one.
    pub(super) fn given(headers: &HeaderMap) -> Option<Self> {
        let mut fields = headers.get_all(X_REQUEST_ID).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return None };
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-=:+/".contains(&byte);
        let id = field.to_str().ok()?;
        ((1..=128).contains(&id.len()) && id.bytes().all(fits)).then(|| Self::Given(id.into()))
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Made(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
            Self::Given(text) => text,
        }
    }

    pub(super) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(self.as_str()).unwrap_or_else(|_| HeaderValue::from_static("0"))
    }
}

/// In requests to the application and in every answer.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A bijection, so that no two numbers meet (the finalizer of SplitMix64).
fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

const LENGTH: usize = 26;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_distinct_and_can_be_header_values() {
        let ids = RequestIds::new();
        let drawn: HashSet<_> = (0..10_000).map(|_| ids.next()).collect();
        assert_eq!(drawn.len(), 10_000);
        for id in drawn.iter().take(10) {
            assert_eq!(id.header().to_str().ok(), Some(id.as_str()));
            assert_eq!(id.as_str().len(), 26);
        }
    }

    #[test]
    fn a_name_that_is_given_is_one_field_of_plain_characters() {
        let given = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(X_REQUEST_ID, HeaderValue::from_bytes(value).expect("a value"));
            }
            RequestId::given(&headers).map(|id| id.as_str().to_owned())
        };
        for name in ["a", "Root=1-67891233-abcdef012345678912345678", "4bf9-2f35_7:7/b+3.4", &"x".repeat(128)]
        {
            assert_eq!(given(&[name.as_bytes()]).as_deref(), Some(name));
        }
        let long = "x".repeat(129);
        let wrong: [&[u8]; 7] = [b"", b"a b", b"a,b", b"a\"b", b"a\tb", b"\xff", b"<a>"];
        for value in wrong.into_iter().chain([long.as_bytes()]) {
            assert_eq!(given(&[value]), None, "{value:?}");
        }
        for values in [&[][..], &[&b"a"[..], b"a"]] {
            assert_eq!(given(values), None, "{values:?}");
        }
    }

    #[test]
    fn two_sources_share_no_id() {
        let (one, other) = (RequestIds::new(), RequestIds::new());
        let drawn: HashSet<_> = (0..1_000).map(|_| one.next()).collect();
        assert!((0..1_000).all(|_| !drawn.contains(&other.next())));
    }
}
