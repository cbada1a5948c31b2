//! Which requests an application is for: a host, a path prefix, or both.
//!
//! A prefix is whole segments of the path that was judged, and is written with characters that a path cannot encode:
//! `%61pi` for `api` is refused before anybody asks here, so that there is one spelling of each prefix and the bytes that
//! are compared are the bytes that are forwarded.

use std::{cmp::Reverse, fmt, net::Ipv6Addr, str::FromStr};

/// The requests that one application is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    host: Host,
    /// Whole segments, each behind its slash; empty for every path.
    prefix: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    /// In lower case; an IPv6 address in brackets, in its shortest form.
    Exact(Box<str>),
    /// All below it, written `*.` and then it.
    Below(Box<str>),
}

impl Place {
    /// The place of requests that no other place is for.
    #[must_use]
    pub fn everywhere() -> Self {
        Self { host: Host::Any, prefix: "".into() }
    }

    /// Whether it is for every request.
    #[must_use]
    pub fn is_everywhere(&self) -> bool {
        *self == Self::everywhere()
    }

    /// Whether a request is for it: its `Host` as received, and the path that was judged.
    pub(super) fn takes(&self, host: Option<&[u8]>, path: &str) -> bool {
        self.host.is(host) && self.has(path)
    }

    fn has(&self, path: &str) -> bool {
        path.strip_prefix(&*self.prefix)
            .is_some_and(|rest| self.prefix.is_empty() || rest.is_empty() || rest.starts_with('/'))
    }

    /// Orders places so that the first that takes a request is the one that is most about it.
    pub(super) fn order(&self) -> impl Ord + use<> {
        let of_host = match &self.host {
            Host::Exact(_) => usize::MAX,
            Host::Below(suffix) => suffix.len(),
            Host::Any => 0,
        };
        Reverse((of_host, self.prefix.len()))
    }
}

impl Host {
    fn is(&self, received: Option<&[u8]>) -> bool {
        let (Self::Exact(own) | Self::Below(own)) = self else { return true };
        let Some(host) = received.and_then(|host| std::str::from_utf8(host).ok()).map(without_port) else {
            return false;
        };
        if host.starts_with('[') {
            return address(host)
                .is_some_and(|address| matches!(self, Self::Exact(own) if **own == *address));
        }
        match self {
            Self::Below(_) => {
                let begin = host.len().checked_sub(own.len());
                let (rest, end) = begin.and_then(|at| host.split_at_checked(at)).unwrap_or_default();
                rest.len() > 1 && rest.ends_with('.') && end.eq_ignore_ascii_case(own)
            }
            _ => host.eq_ignore_ascii_case(own),
        }
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

/// An IPv6 address in brackets, in its shortest form.
fn address(text: &str) -> Option<Box<str>> {
    let address: Ipv6Addr = text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
    Some(format!("[{address}]").into())
}

impl FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        let fail = |problem| InvalidPlace { text: text.to_owned(), problem };
        let (host, prefix) = text.split_at(text.find('/').unwrap_or(text.len()));
        let host = match host {
            "" => Host::Any,
            host if host.starts_with('[') => {
                Host::Exact(address(host).ok_or_else(|| fail("its host is no IPv6 address in brackets"))?)
            }
            host => {
                let suffix = host.strip_prefix("*.");
                let name = suffix.unwrap_or(host);
                let is_label = |label: &str| {
                    !label.is_empty()
                        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
                };
                if !name.split('.').all(is_label) || name.len() > MOST_HOST {
                    return Err(fail("its host is no host: letters, digits and hyphens, without a port"));
                }
                let name = name.to_ascii_lowercase().into();
                if suffix.is_some() { Host::Below(name) } else { Host::Exact(name) }
            }
        };
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let is_segment = |segment: &str| {
            !segment.is_empty()
                && !segment.ends_with('.')
                && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
        };
        if !prefix.split('/').skip(1).all(is_segment) {
            return Err(fail(
                "its path is no prefix: whole segments of letters, digits, `-`, `.`, `_` and `~`",
            ));
        }
        let place = Self { host, prefix: prefix.into() };
        if text.is_empty() { Err(fail("it is empty")) } else { Ok(place) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.prefix.is_empty() && self.host == Host::Any { "/" } else { &*self.prefix };
        match &self.host {
            Host::Any => f.write_str(prefix),
            Host::Exact(host) => write!(f, "{host}{prefix}"),
            Host::Below(host) => write!(f, "*.{host}{prefix}"),
        }
    }
}

/// A text that says no place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPlace {
    text: String,
    problem: &'static str,
}

impl InvalidPlace {
    /// What is wrong with it.
    #[must_use]
    pub fn problem(&self) -> &'static str {
        self.problem
    }
}

impl fmt::Display for InvalidPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, problem } = self;
        write!(
            f,
            "`{text}` is no place of an upstream: {problem}\nhelp: write `/api`, `app.example.com` or `app.example.com/api`"
        )
    }
}

impl std::error::Error for InvalidPlace {}

const MOST_HOST: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        text.parse().expect(text)
    }

    #[test]
    fn a_prefix_is_whole_segments() {
        for (prefix, path, takes) in [
            ("/api", "/api", true),
            ("/api", "/api/", true),
            ("/api", "/api/x", true),
            ("/api/", "/api", true),
            ("/api", "/apix", false),
            ("/api", "/API", false),
            ("/api", "/x/api", false),
            ("/api", "/api%2Fx", false),
            ("/", "/x", true),
            ("/", "*", true),
            ("/api", "*", false),
            ("/a/b.c", "/a/b.c/d", true),
        ] {
            assert_eq!(place(prefix).takes(None, path), takes, "{prefix} {path}");
        }
        assert!(place("/").is_everywhere());
    }

    #[test]
    fn a_host_is_compared_without_case_and_port() {
        for (host, received, takes) in [
            ("app.example", Some("APP.example:8080"), true),
            ("App.Example", Some("app.example"), true),
            ("app.example", Some("app.example.evil"), false),
            ("app.example", Some("xapp.example"), false),
            ("app.example", None, false),
            ("*.example", Some("a.b.example"), true),
            ("*.example", Some("example"), false),
            ("*.example", Some(".example"), false),
            ("*.example", Some("xexample"), false),
            ("[::1]", Some("[::1]:80"), true),
            ("[0:0::1]", Some("[::1]"), true),
            ("[::1]", Some("[0::1]"), true),
            ("[::1]", Some("[::2]"), false),
            ("[::1]", Some("::1"), false),
        ] {
            assert_eq!(place(host).takes(received.map(str::as_bytes), "/"), takes, "{host} {received:?}");
        }
    }

    #[test]
    fn the_most_particular_place_comes_first() {
        let mut places: Vec<_> = [
            "/",
            "/a",
            "*.example",
            "/a/b",
            "a.b.example",
            "*.b.example",
            "a.b.example/a",
            "*.example/a/b/c",
        ]
        .into_iter()
        .map(place)
        .collect();
        places.sort_by_key(Place::order);
        let order: Vec<_> = places.iter().map(Place::to_string).collect();
        assert_eq!(
            order,
            [
                "a.b.example/a",
                "a.b.example",
                "*.b.example",
                "*.example/a/b/c",
                "*.example",
                "/a/b",
                "/a",
                "/"
            ]
        );
    }

    #[test]
    fn what_could_be_written_in_two_ways_is_no_place() {
        for text in [
            "",
            "/a//b",
            "/a%20b",
            "/a/../b",
            "/a/.",
            "/a;b",
            "/a/*",
            "/{id}",
            "//",
            "a.example:80",
            "a..b",
            "*",
            "*.",
            "a.*.b",
            "[::1",
            "[::g]",
            "a b",
            "/a?b",
            "/ä",
            "-.",
            "u@a",
        ] {
            if let Ok(place) = text.parse::<Place>() {
                panic!("{text} is {place:?}");
            }
        }
    }
}
