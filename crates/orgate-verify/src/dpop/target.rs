//! Whether `htu` of a proof is the target of a request (RFC 9449 §4.3, RFC 3986 §6.2).
//!
//! A client writes the address at which it sees the service. What arrives here may have another scheme, because somebody
//! in front ended TLS, and even another host or a shorter path. No header tells it: the addresses stand in the
//! configuration, or else the host must be that of the request and the scheme https.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

/// The addresses at which clients see the service; none where it is the host of the request, by https.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicUrls(Vec<PublicUrl>);

/// One address at which clients see the service.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PublicUrl {
    scheme: Scheme,
    /// In lower case, without the default port.
    authority: Box<str>,
    /// What stands before every path; empty, or with a slash at the beginning and none at the end.
    base: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// A text is no http(s) URL with a host and nothing behind the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicUrlError(());

impl fmt::Display for PublicUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no http(s) URL of a scheme, a host and at most a path")
    }
}

impl std::error::Error for PublicUrlError {}

impl PublicUrls {
    /// One more address: `https://api.example.com`, or `https://www.example.com/api` where what is in front takes `/api` away.
    ///
    /// # Errors
    /// [`PublicUrlError`] if `text` is none.
    pub fn with(mut self, text: &str) -> Result<Self, PublicUrlError> {
        let fits = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>^`{|}#?@".contains(&byte));
        let (scheme, authority, path) = parts(text).filter(|_| fits).ok_or(PublicUrlError(()))?;
        let authority = lower(scheme, authority);
        let has_host = !authority.is_empty() && !authority.starts_with(':') && !authority.ends_with(':');
        let base = path.strip_suffix('/').unwrap_or(path);
        if !has_host || base.contains("//") || base.ends_with('/') {
            return Err(PublicUrlError(()));
        }
        self.0.push(PublicUrl { scheme, authority: authority.into(), base: base.into() });
        Ok(self)
    }

    /// Whether `htu` without query and fragment is the address of a request with this host and this path.
    ///
    /// Where one address is configured, it is that, whatever the host of the request; of several, one with that host.
    pub(super) fn is_target(&self, htu: &str, authority: Option<&str>, path: &str) -> bool {
        let Some((scheme, theirs, their_path)) = parts(htu) else { return false };
        let same_host = |ours: &str| !theirs.is_empty() && lower(scheme, theirs) == lower(scheme, ours);
        if self.0.is_empty() {
            let secure = scheme == Scheme::Https || is_loopback(theirs);
            return secure && authority.is_some_and(same_host) && same_path(their_path, path);
        }
        let only = self.0.len() == 1;
        self.0.iter().any(|url| {
            let meant = only || authority.is_some_and(|host| lower(url.scheme, host) == *url.authority);
            let rest = their_path.strip_prefix(&*url.base);
            // Where only the base was asked for, what is in front leaves `/`.
            let rest = rest.map(|rest| if rest.is_empty() { "/" } else { rest });
            meant
                && scheme == url.scheme
                && same_host(&url.authority)
                && rest.is_some_and(|rest| same_path(rest, path))
        })
    }
}

impl fmt::Display for PublicUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls = self.0.iter().map(|PublicUrl { scheme, authority, base }| {
            let scheme = match scheme {
                Scheme::Http => "http",
                Scheme::Https => "https",
            };
            format!("{scheme}://{authority}{base}")
        });
        let urls: Vec<String> = urls.collect();
        f.write_str(if urls.is_empty() { "none" } else { "" })?;
        f.write_str(&urls.join(", "))
    }
}

/// Scheme, authority and path, without query and fragment.
fn parts(url: &str) -> Option<(Scheme, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = match () {
        () if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
        () if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
        () => return None,
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    Some((scheme, authority, path))
}

/// An authority in lower case and without the default port.
fn lower(scheme: Scheme, authority: &str) -> String {
    let port = match scheme {
        Scheme::Https => ":443",
        Scheme::Http => ":80",
    };
    authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase()
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    };
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || v6.is_some_and(|host| host.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()))
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

    fn is(htu: &str, authority: &str, path: &str) -> bool {
        PublicUrls::default().is_target(htu, Some(authority), path)
    }

    fn at(urls: &[&str]) -> PublicUrls {
        urls.iter().fold(PublicUrls::default(), |urls, url| urls.with(url).unwrap())
    }

    #[test]
    fn host_and_path_count_and_the_query_does_not() {
        for htu in [
            "https://api.example/orgs/a%C3%A9",
            "https://api.example/orgs/a%c3%a9",
            "HTTPS://API.example:443/orgs/a%C3%A9?x=1#y",
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
            "http://api.example/orgs/a",
            "http://api.example:443/orgs/a",
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
        assert!(!PublicUrls::default().is_target("https://api.example/", None, "/"), "no host, no target");
        assert!(!is("https:///", "", "/"));
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for (host, local) in [
            ("localhost:8080", true),
            ("LocalHost", true),
            ("127.0.0.1:8080", true),
            ("127.8.9.1", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("localhost.example", false),
            ("127.0.0.1.example", false),
            ("127.1", false),
            ("::1", false),
            ("[::2]:80", false),
            ("10.0.0.1", false),
            ("api", false),
        ] {
            assert_eq!(is(&format!("http://{host}/a"), host, "/a"), local, "{host}");
            assert!(is(&format!("https://{host}/a"), host, "/a"), "{host}");
        }
    }

    #[test]
    fn one_public_address_stands_for_whatever_arrives() {
        let urls = at(&["https://www.example/api/"]);
        for host in [Some("10.0.0.1:8080"), Some("www.example"), None] {
            assert!(urls.is_target("https://www.example/api/orgs/a", host, "/orgs/a"), "{host:?}");
            assert!(urls.is_target("https://WWW.example:443/api", host, "/"), "{host:?}");
            for other in [
                "https://www.example/orgs/a",
                "https://www.example/apiorgs/a",
                "https://www.example/api/orgs/b",
                "https://10.0.0.1:8080/api/orgs/a",
                "http://www.example/api/orgs/a",
                "http://10.0.0.1:8080/orgs/a",
            ] {
                assert!(!urls.is_target(other, host, "/orgs/a"), "{other} {host:?}");
            }
        }
        let mesh = at(&["http://orders.svc"]);
        assert!(mesh.is_target("http://orders.svc/a", Some("orders.svc"), "/a"));
        assert!(!mesh.is_target("https://orders.svc/a", Some("orders.svc"), "/a"));
    }

    #[test]
    fn of_several_public_addresses_the_host_chooses() {
        let urls = at(&["https://a.example", "https://b.example:8443/x"]);
        assert!(urls.is_target("https://a.example/p", Some("a.example"), "/p"));
        assert!(urls.is_target("https://a.example/p", Some("A.example:443"), "/p"));
        assert!(urls.is_target("https://b.example:8443/x/p", Some("b.example:8443"), "/p"));
        for host in [Some("b.example:8443"), Some("a.example:8443"), Some("c.example"), None] {
            assert!(!urls.is_target("https://a.example/p", host, "/p"), "{host:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            "api.example",
            "ftp://api.example",
            "https://",
            "https:///x",
            "https://:443",
            "https://a:",
            "https://a@b",
            "https://a/?x",
            "https://a/#x",
            "https://a b",
            "https://a//b",
            "https://a/b//",
            "https://é.example",
        ] {
            assert!(PublicUrls::default().with(bad).is_err(), "{bad}");
        }
    }
}
