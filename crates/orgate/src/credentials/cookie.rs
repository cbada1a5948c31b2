//! A cookie whose value is the token (RFC 6265 §4.2, §5.4).
//!
//! A browser sends one cookie of a name for each path and domain that set one, and says of none where it comes from. So
//! two of the same name are two credentials, whatever they hold: a sibling domain may have planted the first.

use http::{HeaderMap, HeaderValue, header::COOKIE};

use super::{CredentialError, is_token};

/// The most bytes of cookies that are looked through.
const MAX_BYTES: usize = 32 * 1024;

/// The value of the one cookie with this name, exactly as it is spelt. Other cookies may hold what they like. An empty
/// one is none: browsers are left with it when an application signs somebody out.
pub(super) fn extract<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, CredentialError> {
    let mut found = None;
    let mut bytes = 0;
    // HTTP/2 may send each cookie in a header of its own (RFC 9113 §8.2.3).
    for header in headers.get_all(COOKIE) {
        bytes += header.len();
        if bytes > MAX_BYTES {
            return Err(CredentialError::Malformed);
        }
        for pair in header.as_bytes().split(|byte| *byte == b';') {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let (Some(key), Some(value)) = (parts.next(), parts.next()) else { continue };
            if key.trim_ascii() == name.as_bytes() && found.replace(value.trim_ascii()).is_some() {
                return Err(CredentialError::Several);
            }
        }
    }
    let Some(value) = found else { return Ok(None) };
    let value = match value {
        [b'"', inner @ .., b'"'] => inner,
        value => value,
    };
    if value.is_empty() {
        return Ok(None);
    }
    match std::str::from_utf8(value) {
        Ok(token) if is_token(token) => Ok(Some(token)),
        _ => Err(CredentialError::Malformed),
    }
}

/// Leaves the other cookies as they are.
pub(super) fn remove(headers: &mut HeaderMap, name: &str) {
    let key = |pair: &[u8]| {
        pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii() == name.as_bytes()
    };
    let has = |value: &HeaderValue| value.as_bytes().split(|byte| *byte == b';').any(key);
    if !headers.get_all(COOKIE).iter().any(has) {
        return;
    }
    let left: Vec<_> = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| {
            let pairs = value.as_bytes().split(|byte| *byte == b';').filter(|pair| !key(pair));
            let pairs: Vec<_> = pairs.map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty()).collect();
            HeaderValue::from_bytes(&pairs.join(&b"; "[..])).ok().filter(|value| !value.is_empty())
        })
        .collect();
    headers.remove(COOKIE);
    for value in left {
        headers.append(COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extracted(values: &[&[u8]]) -> Result<Option<String>, CredentialError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(COOKIE, HeaderValue::from_bytes(value).unwrap());
        }
        extract(&headers, "__Host-t").map(|token| token.map(str::to_owned))
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        for values in [
            &[&b"__Host-t=a.b.c"[..]][..],
            &[b"x=1; __Host-t=a.b.c; y=\"2\""],
            &[b"x=1;__Host-t=a.b.c"],
            &[b"x=\xff\xfe; __Host-t=\"a.b.c\"; novalue"],
            &[b"x=1", b"__Host-t=a.b.c"],
            &[b" __Host-t = a.b.c "],
        ] {
            assert_eq!(extracted(values), Ok(Some("a.b.c".to_owned())), "{values:?}");
        }
    }

    #[test]
    fn a_name_is_compared_exactly() {
        for value in [
            &b"__host-t=a.b.c"[..],
            b"t=a.b.c",
            b"__Host-t2=a.b.c",
            b"x__Host-t=a.b.c",
            b"x=__Host-t=a.b.c",
            b"__Host-t",
            b"=__Host-t",
            b"",
            b"__Host-t=",
            b"__Host-t=\"\"",
            b"__Host-t= ; x=1",
        ] {
            assert_eq!(extracted(&[value]), Ok(None), "{value:?}");
        }
    }

    #[test]
    fn two_of_the_name_are_two_credentials_even_if_they_are_the_same() {
        for values in [
            &[&b"__Host-t=a.b.c; __Host-t=a.b.c"[..]][..],
            &[b"__Host-t=; __Host-t=a.b.c"],
            &[b"__Host-t=a.b.c", b"x=1; __Host-t=d.e.f"],
        ] {
            assert_eq!(extracted(values), Err(CredentialError::Several), "{values:?}");
        }
    }

    #[test]
    fn what_is_there_and_unreadable_is_not_absent() {
        for value in [
            &b"__Host-t=a b"[..],
            b"__Host-t=a,b",
            b"__Host-t=\"a.b.c",
            b"__Host-t=\"a.b\".c\"",
            b"__Host-t=a%2Eb.c",
            b"__Host-t=a=b",
            b"__Host-t=\xc3\xa9",
        ] {
            assert_eq!(extracted(&[value]), Err(CredentialError::Malformed), "{value:?}");
        }
        let long = format!("x={}; __Host-t=a.b.c", "y".repeat(MAX_BYTES));
        assert_eq!(extracted(&[long.as_bytes()]), Err(CredentialError::Malformed));
    }
}
