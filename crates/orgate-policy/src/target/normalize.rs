//! `paths: {normalize: true}`: the one form of a path that could be written in several.
//!
//! In this order: what needs no encoding is decoded (RFC 3986 §6.2.2.2), `//` becomes `/`, and dot segments are resolved
//! (§5.2.4). What comes out is read as every target is, and it is what the application gets: so nobody behind the gate
//! reads the path that was sent. A path that leads above the root is refused, and so is everything else that can be read
//! in two ways.

use std::borrow::Cow;

use super::TargetError;

/// The one form of `path_and_query`; the same text where it has that form.
///
/// # Errors
/// [`TargetError`] if there is none.
pub(crate) fn normalized(path_and_query: &str) -> Result<Cow<'_, str>, TargetError> {
    let (path, query) = match path_and_query.find('?').and_then(|at| path_and_query.split_at_checked(at)) {
        Some((path, query)) => (path, query),
        None => (path_and_query, ""),
    };
    let strange = path.contains('%') || path.contains("//") || path.contains("/.");
    // What is no path is refused by whoever reads it.
    if !strange || !path.starts_with('/') {
        return Ok(Cow::Borrowed(path_and_query));
    }
    let plain = decode_unreserved(path)?;
    let (mut segments, mut slash) = (Vec::new(), false);
    for segment in plain.split('/').skip(1) {
        slash = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop().ok_or(TargetError::DotSegment)?;
            }
            segment => segments.push(segment),
        }
    }
    let mut out = String::with_capacity(path_and_query.len());
    for segment in &segments {
        out.push('/');
        out.push_str(segment);
    }
    if slash || segments.is_empty() {
        out.push('/');
    }
    if out == path {
        return Ok(Cow::Borrowed(path_and_query));
    }
    out.push_str(query);
    Ok(Cow::Owned(out))
}

/// Decodes what RFC 3986 §2.3 calls unreserved, and nothing else.
fn decode_unreserved(path: &str) -> Result<String, TargetError> {
    let mut out = String::with_capacity(path.len());
    let mut parts = path.split('%');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or(TargetError::InvalidEncoding)?;
        let all_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let value = u8::from_str_radix(digits, 16).ok().filter(|_| all_digits);
        let value = char::from(value.ok_or(TargetError::InvalidEncoding)?);
        if value.is_ascii_alphanumeric() || "-._~".contains(value) {
            out.push(value);
        } else {
            out.push('%');
            out.push_str(digits);
        }
        out.push_str(rest);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::RequestTarget;

    #[test]
    fn a_path_has_one_form() {
        for (path, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//a///b", "/a/b"),
            ("/a//", "/a/"),
            ("//", "/"),
            ("/a/./b/../c", "/a/c"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a//../b", "/b"),
            ("/%61dmin", "/admin"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b?x=/../y//z", "/b?x=/../y//z"),
            ("/a%20b", "/a%20b"),
            ("/a%2fb", "/a%2fb"),
            ("/a?x//../y", "/a?x//../y"),
            ("/a..b/.c", "/a..b/.c"),
            ("*", "*"),
        ] {
            assert_eq!(normalized(path).unwrap(), expected, "{path}");
        }
        assert!(matches!(normalized("/a%20b/c..d"), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn what_leads_out_or_cannot_be_read_has_none() {
        for (path, error) in [
            ("/..", TargetError::DotSegment),
            ("/a/../../b", TargetError::DotSegment),
            ("/a//../../b", TargetError::DotSegment),
            ("/%2e%2e/a", TargetError::DotSegment),
            ("/a%", TargetError::InvalidEncoding),
            ("/a%2", TargetError::InvalidEncoding),
            ("/a%zz", TargetError::InvalidEncoding),
            ("/a%+1", TargetError::InvalidEncoding),
            ("/a/%2%65%2%65/b", TargetError::InvalidEncoding),
        ] {
            assert_eq!(normalized(path), Err(error), "{path}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused_still() {
        for path in
            ["/a/..;/b", "/a;x", "/a%2fb", "/a%5cb", "/a/%252e%252e/b", "/a%00", "/a/..%2f/b", "/a./b"]
        {
            let normal = normalized(path).unwrap();
            assert!(RequestTarget::parse("GET", &normal).is_err(), "{path} as {normal}");
        }
    }

    proptest! {
        #[test]
        fn the_form_is_its_own_form_and_holds_no_other_way(path in "/([ab./%]|%2[eEfF]|%6[12]|%20|//|\\.\\.){0,12}") {
            let Ok(normal) = normalized(&path) else { return Ok(()) };
            let again = normalized(&normal);
            prop_assert_eq!(again.as_deref(), Ok(&*normal));
            // Whatever can be read as it was sent is what it was.
            if let Ok(sent) = RequestTarget::parse("GET", &path) {
                prop_assert!(!path.contains("%6") && normal == path, "{sent:?}");
            }
        }
    }
}
