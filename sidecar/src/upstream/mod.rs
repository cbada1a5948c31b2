//! The application behind the gate, as the sidecar reaches it.
//!
//! [`Upstream::forward`] is the only way to it, and it takes an [`Outbound`], which only a permit of the gate makes.
//! It is reached over TCP, with TLS or without, or over a Unix-domain socket, and speaks HTTP/1.1 or HTTP/2; what that changes
//! stands in `connect` and `versions`.

mod address;
mod body;
mod connect;
mod error;
mod forward;
mod hop_by_hop;
mod pool;
mod shared;
mod tls;
mod upgrade;
mod versions;

use std::{sync::Arc, time::Duration};

pub(crate) use self::hop_by_hop::not_of_the_client;
use self::{address::Address, connect::Connector, pool::Pool};
pub use self::{
    address::InvalidUpstream,
    body::{ResponseBody, UpstreamGone},
    error::UpstreamError,
    forward::{ClientBody, Outbound},
    tls::{UpstreamTls, UpstreamTlsFiles},
};

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
    /// Who is believed over TLS; the authorities of the system where there is none.
    pub tls: Option<UpstreamTls>,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self { timeouts: Timeouts::default(), max_idle: 256, host: HostHeader::Preserve, tls: None }
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
}

impl Upstream {
    /// The upstream at `url`: `http://host:port`, `https://host:port`, `h2c://host:port` or `unix:/path`. Nothing is connected
    /// yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`InvalidUpstream`] if the URL has another scheme, or more than a place, or if nobody can be believed over TLS.
    pub fn new(url: &str, settings: UpstreamSettings) -> Result<Arc<Self>, InvalidUpstream> {
        let address = Address::parse(url)?;
        let own_host = http::HeaderValue::try_from(address.host())
            .map_err(|_| InvalidUpstream::new(url, "the host is not valid"))?;
        let connector = Connector::new(address, settings.tls.as_ref())
            .map_err(|problem| InvalidUpstream::new(url, problem))?;
        let pool = Pool::new(connector, settings.timeouts, settings.max_idle);
        tokio::spawn(Pool::sweep(Arc::downgrade(&pool), settings.timeouts.idle / 4));
        Ok(Arc::new(Self { pool, settings, own_host }))
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
        self.pool.connector().address().is_loopback()
    }
}
