//! `Cache-Control` of responses to requests that carried their credential in the query (RFC 6750 §2.3).
//!
//! The address of such a request holds the credential, and what is kept under it is this caller's: no cache may keep it that
//! serves others. Whatever else the application says of caching stays.

use http::{HeaderMap, HeaderValue, header::CACHE_CONTROL};

/// Keeps shared caches from keeping a response with these headers.
pub(crate) fn make_private(headers: &mut HeaderMap) {
    let mut directives = vec!["private"];
    let (mut no_store, mut must_understand) = (false, false);
    // What cannot be read is not passed on: nobody knows what a cache makes of it.
    let fields = headers.get_all(CACHE_CONTROL).iter().filter_map(|field| field.to_str().ok());
    for directive in fields.flat_map(members) {
        let name = directive.split('=').next().unwrap_or_default().trim_end();
        no_store |= name.eq_ignore_ascii_case("no-store");
        // A cache that knows this one keeps what `no-store` is said of (RFC 9111 §5.2.2.3).
        must_understand |= name.eq_ignore_ascii_case("must-understand");
        if !["", "private", "public", "s-maxage"].iter().any(|other| name.eq_ignore_ascii_case(other)) {
            directives.push(directive);
        }
    }
    if no_store && !must_understand {
        return;
    }
    let value = HeaderValue::try_from(directives.join(", "));
    let value = value.unwrap_or_else(|_| HeaderValue::from_static("private"));
    headers.insert(CACHE_CONTROL, value);
}

/// The members of a list; a comma within quotes ends none.
fn members(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let ends = move |character: char| {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        character == ',' && !quoted
    };
    text.split(ends).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(fields: &[&[u8]]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(CACHE_CONTROL, HeaderValue::from_bytes(field).unwrap());
        }
        make_private(&mut headers);
        headers.get_all(CACHE_CONTROL).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn no_cache_of_others_keeps_it_and_the_rest_stays() {
        for (said, expected) in [
            ("", "private"),
            ("max-age=60", "private, max-age=60"),
            ("public, max-age=60, s-maxage=600", "private, max-age=60"),
            ("Public,S-MaxAge = 600", "private"),
            ("private", "private"),
            ("private=\"set-cookie\", max-age=60", "private, max-age=60"),
            ("private=\"a, public, b\", no-cache=\"x, y\"", "private, no-cache=\"x, y\""),
            ("no-cache=\"a\\\", no-store\", max-age=1", "private, no-cache=\"a\\\", no-store\", max-age=1"),
            ("no-cache, , must-revalidate", "private, no-cache, must-revalidate"),
            ("no-store", "no-store"),
            ("max-age=0, No-Store", "max-age=0, No-Store"),
            ("must-understand, no-store, public", "private, must-understand, no-store"),
            ("x=\"open, no-store", "private, x=\"open, no-store"),
        ] {
            assert_eq!(made(&[said.as_bytes()]), [expected], "{said}");
        }
        assert_eq!(made(&[]), ["private"]);
        assert_eq!(made(&[b"public", b"max-age=60"]), ["private, max-age=60"]);
        assert_eq!(made(&[b"public", b"no-store"]), ["public", "no-store"]);
        assert_eq!(made(&[b"caf\xe9", b"max-age=60"]), ["private, max-age=60"]);
    }
}
