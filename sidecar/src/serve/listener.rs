//! A bound socket with a name.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use tokio::net::TcpListener;

use super::{Tls, workers::Workers};
use crate::trust::TrustedPeers;

/// A socket that is bound and accepts nothing yet.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
    peers: TrustedPeers,
    workers: Option<Arc<Workers>>,
}

impl Listener {
    /// Binds `address` (`host:port`; port 0 takes a free one) for the listener called `name`, the flag being `--flag`.
    ///
    /// # Errors
    /// [`BindError`], which names the address and what to do.
    pub async fn bind(name: &'static str, address: &str, flag: &'static str) -> Result<Self, BindError> {
        let fail = |source| BindError { address: address.to_owned(), flag, source };
        let socket = TcpListener::bind(address).await.map_err(fail)?;
        let resolved = socket.local_addr().map_err(fail)?;
        Ok(Self { name, socket, address: resolved, tls: None, peers: TrustedPeers::default(), workers: None })
    }

    /// The listener called `name` over a socket that listens already.
    ///
    /// # Errors
    /// If it is not one of TCP.
    pub fn given(name: &'static str, socket: std::net::TcpListener) -> io::Result<Self> {
        let address = socket.local_addr()?;
        socket.set_nonblocking(true)?;
        let socket = TcpListener::from_std(socket)?;
        Ok(Self { name, socket, address, tls: None, peers: TrustedPeers::default(), workers: None })
    }

    /// The same, but clients have to speak TLS.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// The same, but these peers are believed about where requests come from.
    #[must_use]
    pub fn trusting(self, peers: TrustedPeers) -> Self {
        Self { peers, ..self }
    }

    /// The same, but its connections are served by these threads.
    #[must_use]
    pub fn spread_over(self, workers: Arc<Workers>) -> Self {
        Self { workers: Some(workers), ..self }
    }

    /// The name in `listening NAME URL`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where it really is, port 0 resolved.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as a URL without a path.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    pub(super) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    pub(super) fn peers(&self) -> &TrustedPeers {
        &self.peers
    }

    pub(super) fn workers(&self) -> Option<&Arc<Workers>> {
        self.workers.as_ref()
    }

    pub(super) async fn accept(&self) -> io::Result<(std::net::TcpStream, SocketAddr)> {
        let (stream, peer) = self.socket.accept().await?;
        // Answers are written whole; waiting for more to send only adds latency.
        stream.set_nodelay(true)?;
        // The runtime that serves it is told of it there.
        Ok((stream.into_std()?, peer))
    }
}

/// An address that could not be bound.
#[derive(Debug)]
pub struct BindError {
    address: String,
    flag: &'static str,
    source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, flag, source } = self;
        match source.kind() {
            io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "address `{address}` is in use by another program\nhelp: choose another with `{flag} 127.0.0.1:0`"
                )
            }
            io::ErrorKind::PermissionDenied => {
                write!(
                    f,
                    "address `{address}` needs more rights than this process has\nhelp: choose a port above 1023 with `{flag}`"
                )
            }
            io::ErrorKind::AddrNotAvailable => {
                write!(
                    f,
                    "address `{address}` is not one of this machine\nhelp: choose one with `{flag} 127.0.0.1:0`"
                )
            }
            _ => write!(
                f,
                "cannot listen on `{address}`: {source}\nhelp: `{flag}` takes an address and a port, such as `127.0.0.1:8080`"
            ),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
