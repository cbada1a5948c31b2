//! Where an upstream is and what it speaks, as its URL says.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use http::Uri;

/// A place and what is spoken there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) place: Place,
    pub(super) speaks: Speaks,
}

/// Where to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A host, without brackets, and a port.
    Tcp { host: Box<str>, port: u16, bracketed: bool },
    /// A socket of this machine.
    Unix(PathBuf),
}

/// What to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    /// HTTP/1.1 in cleartext.
    Http1,
    /// HTTP/2 in cleartext, which is known before (RFC 9113 §3.3).
    Http2,
    /// TLS, whose handshake chooses the version.
    Tls,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, InvalidUpstream> {
        let fail = |problem| InvalidUpstream::new(url, problem);
        if let Some(path) = url.strip_prefix("unix:") {
            let is_path = Path::new(path).is_absolute() && !path.starts_with("//");
            return match is_path && cfg!(unix) {
                true => Ok(Self { place: Place::Unix(path.into()), speaks: Speaks::Http1 }),
                false => Err(fail("`unix:` needs the path of a socket, from the root")),
            };
        }
        let uri: Uri = url.parse().map_err(|_| fail("it is not a URL"))?;
        let (speaks, usual) = match uri.scheme_str() {
            Some("http") => (Speaks::Http1, 80),
            Some("h2c") => (Speaks::Http2, 80),
            Some("https") => (Speaks::Tls, 443),
            _ => return Err(fail("it must begin with `http://`, `https://`, `h2c://` or `unix:`")),
        };
        let authority = uri.authority().ok_or_else(|| fail("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(fail("it must not contain a user name"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(fail(
                "it must not have a path: requests are forwarded with exactly the path that was judged",
            ));
        }
        let host = authority.host();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let port = match authority.as_str().strip_prefix(host).unwrap_or_default() {
            "" => Some(usual),
            port => port.strip_prefix(':').and_then(|port| port.parse().ok()),
        };
        let Some(port) = port.filter(|port| *port > 0 && !host.is_empty()) else {
            return Err(fail("it has no valid host and port"));
        };
        let place = Place::Tcp { host: bare.unwrap_or(host).into(), port, bracketed: bare.is_some() };
        Ok(Self { place, speaks })
    }

    /// Whether only this machine can be meant. A host name other than `localhost` is not looked up.
    pub(super) fn is_loopback(&self) -> bool {
        match &self.place {
            Place::Unix(_) => true,
            Place::Tcp { host, .. } => {
                &**host == "localhost"
                    || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }

    /// What `Host` names it.
    pub(super) fn host(&self) -> String {
        match &self.place {
            Place::Tcp { host, port, bracketed: true } => format!("[{host}]:{port}"),
            Place::Tcp { host, port, bracketed: false } => format!("{host}:{port}"),
            Place::Unix(_) => "localhost".to_owned(),
        }
    }
}

/// A URL that cannot be an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidUpstream {
    url: String,
    problem: &'static str,
}

impl InvalidUpstream {
    pub(super) fn new(url: &str, problem: &'static str) -> Self {
        Self { url: url.to_owned(), problem }
    }
}

impl fmt::Display for InvalidUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, problem } = self;
        write!(f, "`{url}` cannot be an upstream: {problem}\nhelp: give it as `http://127.0.0.1:3000`")
    }
}

impl std::error::Error for InvalidUpstream {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_and_what_is_spoken_there_are_an_upstream() {
        let shown =
            |url| Address::parse(url).map(|address| (address.host(), address.speaks, address.is_loopback()));
        assert_eq!(shown("http://127.0.0.1:3000"), Ok(("127.0.0.1:3000".to_owned(), Speaks::Http1, true)));
        assert_eq!(shown("http://localhost/"), Ok(("localhost:80".to_owned(), Speaks::Http1, true)));
        assert_eq!(shown("http://[::1]:3000"), Ok(("[::1]:3000".to_owned(), Speaks::Http1, true)));
        assert_eq!(shown("https://app.internal"), Ok(("app.internal:443".to_owned(), Speaks::Tls, false)));
        assert_eq!(shown("h2c://[::1]:3000"), Ok(("[::1]:3000".to_owned(), Speaks::Http2, true)));
        assert_eq!(shown("unix:/run/app.sock"), Ok(("localhost".to_owned(), Speaks::Http1, true)));
    }

    #[test]
    fn anything_else_is_not() {
        for url in [
            "127.0.0.1:3000",
            "ftp://a",
            "http://a/path",
            "http://a?x",
            "http://u@a",
            "http://a:0",
            "http://a:x",
            "http://a:99999",
            "http://:80",
            "https://a/path",
            "unix:",
            "unix:app.sock",
            "unix://run/app.sock",
            "",
        ] {
            let error = Address::parse(url).expect_err(url).to_string();
            assert!(error.contains("help: "), "{error}");
        }
    }
}
