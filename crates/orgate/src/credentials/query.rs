//! A parameter of the query whose value is the token (RFC 6750 §2.3), where the policy names one.
//!
//! Addresses are written down where headers are not: in histories, in logs, in `Referer`. So such a parameter never goes
//! on: what is judged, forwarded, logged and redirected is the target without it, whether or not the rule looked at it.
//!
//! Applications read queries in different ways. A name in another spelling that one of them takes for ours, and a `;` that
//! some take for a separator, make the credential unreadable; two of the name are two credentials.

use std::borrow::Cow;

use http::uri::PathAndQuery;

use super::{CredentialError, is_token};

/// The value of the one parameter `name`. What needs no encoding has one spelling, and a `+` has two readings.
pub(super) fn extract<'q>(
    target: &'q PathAndQuery,
    name: &str,
) -> Result<Option<Cow<'q, str>>, CredentialError> {
    let mut found = None;
    for pair in target.query().unwrap_or_default().split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if key != name {
            if may_be(pair, name) {
                return Err(CredentialError::Malformed);
            }
        } else if found.replace(value).is_some() {
            return Err(CredentialError::Several);
        }
    }
    let Some(value) = found else { return Ok(None) };
    let token = decode(value).ok_or(CredentialError::Malformed)?;
    if is_token(&token) { Ok(Some(token)) } else { Err(CredentialError::Malformed) }
}

/// The target without what [`extract`] looks at, readable or not; `None` if there is nothing of it.
pub(super) fn without(target: &PathAndQuery, name: &str) -> Option<String> {
    let query = target.query()?;
    if !query.split('&').any(|pair| may_be(pair, name)) {
        return None;
    }
    let left: Vec<&str> = query.split('&').filter(|pair| !may_be(pair, name)).collect();
    let path = target.path();
    Some(if left.is_empty() { path.to_owned() } else { format!("{path}?{}", left.join("&")) })
}

/// Whether somebody finds our parameter in this pair.
fn may_be(pair: &str, name: &str) -> bool {
    pair.split(';').any(|part| is_name(part.split('=').next().unwrap_or_default(), name))
}

/// Whether some applications take `key` for `name`: some know no case, some leave blanks before a name and all from a NUL
/// or a `[` on away, some read dots and blanks as `_`. Encodings that are broken are read as they are.
fn is_name(key: &str, name: &str) -> bool {
    if key == name {
        return true;
    }
    let read = lenient(key);
    let start = read.iter().position(|byte| !b" +".contains(byte)).unwrap_or(read.len());
    let read = read.get(start..).unwrap_or_default();
    let read = read.split(|byte| b"\0[".contains(byte)).next().unwrap_or_default();
    let folded = |byte: &u8| if b". +-".contains(byte) { b'_' } else { byte.to_ascii_lowercase() };
    read.len() == name.len() && read.iter().map(folded).eq(name.as_bytes().iter().map(folded))
}

fn lenient(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('%') {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut read = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        match (byte, octet(after)) {
            (b'%', Some((decoded, after))) => {
                read.push(decoded);
                rest = after;
            }
            _ => {
                read.push(*byte);
                rest = after;
            }
        }
    }
    Cow::Owned(read)
}

/// The value, if it is written in the one way that has one reading.
fn decode(value: &str) -> Option<Cow<'_, str>> {
    if value.contains('+') {
        return None;
    }
    if !value.contains('%') {
        return Some(Cow::Borrowed(value));
    }
    let mut decoded = String::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        if *byte != b'%' {
            decoded.push(char::from(*byte));
            rest = after;
            continue;
        }
        let (octet, after) = octet(after)?;
        // Of what a token may hold, only this is encoded by anybody.
        if !b"~+/=".contains(&octet) {
            return None;
        }
        decoded.push(char::from(octet));
        rest = after;
    }
    Some(Cow::Owned(decoded))
}

/// The byte that two hexadecimal digits at the start stand for, and what comes after them.
fn octet(text: &[u8]) -> Option<(u8, &[u8])> {
    let ([high, low], rest) = text.split_first_chunk()?;
    let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(high)? * 16 + digit(low)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(query: &str) -> PathAndQuery {
        PathAndQuery::try_from(format!("/docs{query}")).unwrap()
    }

    fn extracted(query: &str) -> Result<Option<String>, CredentialError> {
        extract(&target(query), "access_token").map(|token| token.map(Cow::into_owned))
    }

    fn left(query: &str) -> String {
        without(&target(query), "access_token").unwrap_or_else(|| format!("/docs{query}"))
    }

    #[test]
    fn the_parameter_is_found_among_others_and_taken_out() {
        for (query, token, rest) in [
            ("?access_token=a.b.c", "a.b.c", "/docs"),
            ("?x=1&access_token=a.b.c&y=%32", "a.b.c", "/docs?x=1&y=%32"),
            ("?&access_token=a.b.c&", "a.b.c", "/docs?&"),
            ("?access_token=ab%2Fc%2b%7e%3D%3D", "ab/c+~==", "/docs"),
            ("?access_token=ab/c~", "ab/c~", "/docs"),
        ] {
            assert_eq!(extracted(query), Ok(Some(token.to_owned())), "{query}");
            assert_eq!(left(query), rest, "{query}");
        }
    }

    #[test]
    fn without_the_parameter_nothing_is_touched() {
        for query in [
            "",
            "?",
            "?x=access_token",
            "?token=a",
            "?access_token2=a",
            "?50%=1",
            "?%zz=1",
            "?access%5token=a",
        ] {
            assert_eq!(extracted(query), Ok(None), "{query}");
            assert_eq!(without(&target(query), "access_token"), None, "{query}");
        }
    }

    #[test]
    fn two_of_the_name_are_two_credentials() {
        for query in ["?access_token=a&access_token=a", "?access_token=&x=1&access_token=a"] {
            assert_eq!(extracted(query), Err(CredentialError::Several), "{query}");
            assert!(!left(query).contains("access_token"), "{query}");
        }
    }

    #[test]
    fn what_is_there_and_unreadable_is_not_absent_and_goes_no_further() {
        for query in [
            "?access_token",
            "?access_token=",
            "?access_token=a b".replace(' ', "%20").as_str(),
            "?access_token=a+b",
            "?access_token=%61.b.c",
            "?access_token=a%2Eb.c",
            "?access_token=a%2",
            "?access_token=a%zz",
            "?access_token=a%00",
            "?access_token=a,b",
            "?access_token=a=b",
            "?access_token=a;x=1",
            "?x=1;access_token=a",
            "?access%5Ftoken=a",
            "?%61ccess_token=a",
            "?Access_Token=a",
            "?access.token=a",
            "?access-token=a",
            "?access_token[]=a",
            "?access_token%5B%5D=a",
            "?%20access_token=a",
            "?+access_token=a",
            "?access_token%00x=a",
            "?access_token=a&ACCESS_TOKEN=b",
        ] {
            assert_eq!(extracted(query), Err(CredentialError::Malformed), "{query}");
            assert_eq!(left(query), "/docs", "{query}");
        }
    }
}
