//! Whether `htu` of a proof is the target of a request (RFC 9449 §4.3, RFC 3986 §6.2).

/// `htu` without query and fragment is `authority` and `path`, whatever the scheme.
pub(super) fn is(htu: &str, authority: &str, path: &str) -> bool {
    let Some((scheme, rest)) = htu.split_once("://") else { return false };
    let default_port = if scheme.eq_ignore_ascii_case("https") {
        ":443"
    } else if scheme.eq_ignore_ascii_case("http") {
        ":80"
    } else {
        return false;
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (theirs, their_path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let host = |text: &str| text.strip_suffix(default_port).unwrap_or(text).to_ascii_lowercase();
    !theirs.is_empty() && host(theirs) == host(authority) && same_path(their_path, path)
}

/// Byte by byte; only the digits of an encoding may be in either case. No encoding is undone: a path that could be
/// written in two ways is refused before a proof is looked at.
fn same_path(theirs: &str, ours: &str) -> bool {
    let (theirs, ours) = (theirs.as_bytes(), ours.as_bytes());
    let digit = |at: usize| {
        (1..=2).any(|back| at.checked_sub(back).and_then(|at| ours.get(at)).is_some_and(|&byte| byte == b'%'))
    };
    theirs.len() == ours.len()
        && theirs
            .iter()
            .zip(ours)
            .enumerate()
            .all(|(at, (a, b))| a == b || digit(at) && a.is_ascii_hexdigit() && a.eq_ignore_ascii_case(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_path_count_and_the_rest_does_not() {
        for htu in [
            "https://api.example/orgs/a%C3%A9",
            "http://api.example/orgs/a%c3%a9",
            "HTTPS://API.example:443/orgs/a%C3%A9?x=1#y",
            "http://api.example:80/orgs/a%C3%A9",
        ] {
            assert!(is(htu, "api.example", "/orgs/a%C3%A9"), "{htu}");
        }
        assert!(is("https://api.example", "Api.Example:443", "/"));
        assert!(is("https://[::1]:8080/", "[::1]:8080", "/"));
    }

    #[test]
    fn everything_else_is_another_target() {
        for htu in [
            "",
            "/orgs/a",
            "api.example/orgs/a",
            "//api.example/orgs/a",
            "ftp://api.example/orgs/a",
            "https:///orgs/a",
            "https://api.example:80/orgs/a",
            "https://api.example:8443/orgs/a",
            "https://user@api.example/orgs/a",
            "https://api.example./orgs/a",
            "https://api.example.evil/orgs/a",
            "https://evil.example/orgs/a",
            "https://api.example/orgs/A",
            "https://api.example/orgs/%61",
            "https://api.example/orgs/a/",
            "https://api.example//orgs/a",
            "https://api.example/orgs/a;x",
            "https://api.example/orgs",
            "https://api.example",
        ] {
            assert!(!is(htu, "api.example", "/orgs/a"), "{htu}");
        }
    }
}
