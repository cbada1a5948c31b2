//! The application behind the gate, as the sidecar reaches it.
//!
//! [`Upstream::forward`] is the only way to it, and it takes an [`Outbound`], which only a permit of the gate makes.
//! HTTP/1.1 over TCP. Other transports are other ways to a connection in `pool`; the rest does not change with them.

mod body;
mod forward;
mod hop_by_hop;
mod pool;
mod upgrade;

use std::{fmt, sync::Arc, time::Duration};

use http::Uri;

use self::pool::Pool;
pub use self::{
    body::{ResponseBody, UpstreamGone},
    forward::{ClientBody, Outbound, UpstreamError},
};
use crate::identity_headers::IdentityHeaders;

/// How long to wait for an upstream.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For the head of the response, counted from the last progress in sending the request.
    pub first_byte: Duration,
    /// For the next part of a body, in each direction.
    pub body_idle: Duration,
    /// How long an unused connection is kept. Must be below the upstream's own, or requests meet closing connections.
    pub idle: Duration,
    /// How long a connection that was switched to another protocol may be silent.
    pub tunnel_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(60),
            body_idle: Duration::from_secs(60),
            idle: Duration::from_secs(30),
            tunnel_idle: Duration::from_secs(60 * 60),
        }
    }
}

/// How an upstream is reached and what it is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UpstreamSettings {
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Idle connections kept.
    pub max_idle: usize,
    /// Which `Host` the upstream sees.
    pub host: HostHeader,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self { timeouts: Timeouts::default(), max_idle: 256, host: HostHeader::Preserve }
    }
}

/// Which `Host` the upstream sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostHeader {
    /// The client's, which the gate has judged.
    #[default]
    Preserve,
    /// The upstream's own address.
    Upstream,
}

/// One application behind the gate.
#[derive(Debug)]
pub struct Upstream {
    pool: Arc<Pool>,
    settings: UpstreamSettings,
    /// The value of `Host` under [`HostHeader::Upstream`].
    own_host: http::HeaderValue,
    identity: Arc<IdentityHeaders>,
}

impl Upstream {
    /// The upstream at `url` (`http://host:port`). Nothing is connected yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`InvalidUpstream`] if the URL has another scheme, or more than a host and a port.
    pub fn new(
        url: &str,
        settings: UpstreamSettings,
        identity: Arc<IdentityHeaders>,
    ) -> Result<Arc<Self>, InvalidUpstream> {
        let address = Address::parse(url)?;
        let own_host = http::HeaderValue::try_from(address.to_string())
            .map_err(|_| InvalidUpstream { url: url.to_owned(), problem: "the host is not valid" })?;
        let pool = Pool::new(address, settings.timeouts, settings.max_idle);
        tokio::spawn(Pool::sweep(Arc::downgrade(&pool), settings.timeouts.idle / 4));
        Ok(Arc::new(Self { pool, settings, own_host, identity }))
    }

    /// Idle connections and connections in use.
    #[must_use]
    pub fn connections(&self) -> (usize, usize) {
        self.pool.counts()
    }

    /// Connections that are open, idle ones whose end was not noticed yet not counted.
    #[cfg(test)]
    pub(crate) fn live_connections(&self) -> usize {
        self.pool.live()
    }

    /// Whether only this machine can be meant by its address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.pool.address().is_loopback()
    }

    /// The names that carry identity to it.
    #[must_use]
    pub fn identity_headers(&self) -> &Arc<IdentityHeaders> {
        &self.identity
    }
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    host: Box<str>,
    port: u16,
    bracketed: bool,
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, InvalidUpstream> {
        let fail = |problem| InvalidUpstream { url: url.to_owned(), problem };
        let uri: Uri = url.parse().map_err(|_| fail("it is not a URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(fail("TLS to the upstream is not supported")),
            _ => return Err(fail("it must begin with `http://`")),
        }
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
            "" => Some(80),
            port => port.strip_prefix(':').and_then(|port| port.parse().ok()),
        };
        let Some(port) = port.filter(|port| *port > 0 && !host.is_empty()) else {
            return Err(fail("it has no valid host and port"));
        };
        Ok(Self { host: bare.unwrap_or(host).into(), port, bracketed: bare.is_some() })
    }

    /// Whether only this machine can be meant. A host name other than `localhost` is not looked up.
    pub(crate) fn is_loopback(&self) -> bool {
        &*self.host == "localhost"
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bracketed {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// A URL that cannot be an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidUpstream {
    url: String,
    problem: &'static str,
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
    fn a_host_and_a_port_are_an_upstream() {
        let shown = |url| Address::parse(url).map(|address| (address.to_string(), address.is_loopback()));
        assert_eq!(shown("http://127.0.0.1:3000"), Ok(("127.0.0.1:3000".to_owned(), true)));
        assert_eq!(shown("http://localhost/"), Ok(("localhost:80".to_owned(), true)));
        assert_eq!(shown("http://[::1]:3000"), Ok(("[::1]:3000".to_owned(), true)));
        assert_eq!(shown("http://app.internal:8080"), Ok(("app.internal:8080".to_owned(), false)));
    }

    #[test]
    fn anything_else_is_not() {
        for url in [
            "127.0.0.1:3000",
            "https://127.0.0.1:3000",
            "ftp://a",
            "http://a/path",
            "http://a?x",
            "http://u@a",
            "http://a:0",
            "http://a:x",
            "http://a:99999",
            "http://:80",
            "",
        ] {
            let error = Address::parse(url).expect_err(url).to_string();
            assert!(error.contains("help: "), "{error}");
        }
    }
}
