//! Where an application may be sent back to.

use url::{Host, Url};

/// Why a URI is not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfit(pub(crate) &'static str);

/// Whether `uri` may be registered: absolute, without fragment, user name or wildcard, and not in the clear except on
/// this machine.
pub(crate) fn check(uri: &str) -> Result<(), Unfit> {
    let url = Url::parse(uri).map_err(|_| Unfit("is not an absolute URI"))?;
    if uri.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\' || c == '*') {
        return Err(Unfit("holds a space, a backslash, a wildcard or a control character"));
    }
    if url.fragment().is_some() {
        return Err(Unfit("has a fragment"));
    }
    if !url.username().is_empty() || url.password().is_some() || authority(uri).contains('@') {
        return Err(Unfit("holds a user name"));
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => Err(Unfit("is http, and that is for this machine only")),
        // RFC 8252 §7.1: a private scheme is a reversed domain name, so it has a dot; `javascript` has none.
        scheme if scheme.contains('.') => Ok(()),
        _ => Err(Unfit("has a scheme that is neither https nor a reversed domain name")),
    }
}

/// What the content security policy of a page must allow for the redirect to `uri`.
pub(crate) fn form_target(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    match url.scheme() {
        "http" | "https" => Some(url.origin().ascii_serialization()),
        scheme => Some(format!("{scheme}:")),
    }
}

/// Where somebody is sent who is sent to `uri`, as people can tell it: the host, or the scheme of an application on the device.
pub(crate) fn place(uri: &str) -> String {
    let Ok(url) = Url::parse(uri) else { return String::new() };
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => url.scheme().to_owned(),
    }
}

/// Whether both are the same loopback address but for the port.
pub(crate) fn differ_in_loopback_port(registered: &str, uri: &str) -> bool {
    let (Ok(one), Ok(other)) = (Url::parse(registered), Url::parse(uri)) else { return false };
    // RFC 8252 §8.3: the name `localhost` may resolve to something else.
    let loopback = |url: &Url| match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        _ => false,
    };
    one.scheme() == "http"
        && loopback(&one)
        && loopback(&other)
        && !authority(uri).contains('@')
        && without_port(registered) == without_port(uri)
}

/// Whether the host is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// What stands between `//` and the next `/`, `?` or `#`, as it is written.
fn authority(uri: &str) -> &str {
    let rest = uri.split_once("//").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#', '\\']).next().unwrap_or_default()
}

/// The text of the URI with the port cut out.
fn without_port(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("//")?;
    let authority = authority(uri);
    let path = rest.strip_prefix(authority)?;
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    Some(format!("{scheme}//{host}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_places_are_registered() {
        for good in [
            "https://app.example.com/callback",
            "https://app.example.com/callback?x=1",
            "http://127.0.0.1:3000/callback",
            "http://[::1]/cb",
            "http://localhost:5173/cb",
            "com.example.app:/callback",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "/callback",
            "//evil.test",
            "http://app.example.com/cb",
            "https://good@evil.test/cb",
            "https://@evil.test/",
            "https://a:b@evil.test/",
            "https://x.test/#f",
            "https://*.x.test/",
            "https://x.test/*",
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "https://x.test\\@evil.test/",
            "myapp:/cb",
            "https://x.test/ a",
            "http://127.0.0.1.evil.test/",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_port_of_a_loopback_address_is_free() {
        let registered = "http://127.0.0.1/cb";
        for (uri, same) in [
            ("http://127.0.0.1:51004/cb", true),
            ("http://127.0.0.1:51004/cb2", false),
            ("http://127.0.0.1:51004/cb?x", false),
            ("http://localhost:51004/cb", false),
            ("https://127.0.0.1:51004/cb", false),
            ("http://a@127.0.0.1:51004/cb", false),
            ("http://127.0.0.1:51004@evil.test/cb", false),
            ("http://127.0.0.1.evil.test/cb", false),
            ("http://127.1:51004/cb", false),
        ] {
            assert_eq!(differ_in_loopback_port(registered, uri), same, "{uri}");
        }
        assert!(!differ_in_loopback_port("https://app.example.com/cb", "https://app.example.com:444/cb"));
    }

    #[test]
    fn the_form_may_go_where_the_redirect_goes() {
        assert_eq!(form_target("http://127.0.0.1:3000/callback").unwrap(), "http://127.0.0.1:3000");
        assert_eq!(form_target("https://app.example.com/cb?x=1").unwrap(), "https://app.example.com");
        assert_eq!(form_target("com.example.app:/cb").unwrap(), "com.example.app:");
    }
}
