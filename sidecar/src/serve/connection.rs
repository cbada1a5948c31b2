//! One accepted connection: what it is spoken over, and in which version of HTTP.

use std::{io, net::SocketAddr, time::Duration};

use tokio::net::TcpStream;
use tracing::debug;

use super::{
    Handler, Limits, Listener, Shared, Shutdown, announced, http1, http2,
    preface::{self, Early},
    tls::{Secured, Tls},
};
use crate::{socket::Socket, trust::TrustedPeers};

/// What is known of a connection before its first request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Connection {
    /// The name of the listener.
    pub listener: &'static str,
    /// Our end.
    pub local: SocketAddr,
    /// The other end, as the operating system names it, or as a trusted balancer does before the first byte; never taken
    /// from a header.
    pub peer: SocketAddr,
    /// Whether it is believed about where a request comes from.
    pub trusted: bool,
    /// What the handshake has shown, over TLS.
    pub tls: Option<Secured>,
}

impl Connection {
    pub(super) fn new(listener: &Listener, peer: SocketAddr) -> Self {
        Self { listener: listener.name(), local: listener.address(), peer, trusted: false, tls: None }
    }

    /// Serves the connection until it ends.
    pub(super) async fn run<H: Handler>(
        mut self,
        (stream, tls, peers): (std::net::TcpStream, Option<Tls>, TrustedPeers),
        handler: H,
        shared: Shared,
        shutdown: Shutdown,
    ) {
        // In a box, which is given back before anything is served.
        let begun = Box::pin(tokio::time::timeout(shared.limits.header, async {
            let mut stream = TcpStream::from_std(stream)?;
            self.find_peer(&mut stream, &peers).await?;
            let place = match &shared.crowd {
                Some(crowd) => Some(crowd.join(self.peer.ip()).ok_or(io::ErrorKind::QuotaExceeded)?),
                None => None,
            };
            self.begin(stream, tls, &shared.limits).await.map(|begun| (begun, place))
        }));
        let begun = tokio::select! {
            biased;
            begun = begun => begun.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            () = async {
                shutdown.draining().await;
                tokio::time::sleep(FRESH).await;
            } => return,
        };
        match begun {
            Ok((Begun { connection, socket, early, is_http2: false }, _place)) => {
                http1::serve(connection, (socket, early), handler, shared.limits, shutdown).await;
            }
            Ok((Begun { connection, socket, early, is_http2: true }, _place)) => {
                http2::serve(connection, (socket, early), handler, shared, shutdown).await;
            }
            Err(error) => debug!(listener = self.listener, %error, "a client did not begin"),
        }
    }

    /// Finds out who is at the other end.
    async fn find_peer(&mut self, stream: &mut TcpStream, peers: &TrustedPeers) -> io::Result<()> {
        self.trusted = peers.include(self.peer.ip());
        if self.trusted
            && peers.announce
            && let Some(announced) = announced::read(stream).await?
        {
            self.peer = announced;
            // Between the two there may be another that is trusted.
            self.trusted = peers.include(announced.ip());
        }
        Ok(())
    }

    /// Finds out what is spoken: over TLS the handshake says it, in cleartext the first bytes.
    async fn begin(self, mut stream: TcpStream, tls: Option<Tls>, limits: &Limits) -> io::Result<Begun> {
        let early = Early::default();
        let Some(tls) = tls else {
            let (is_http2, early) = match limits.http2 {
                Some(_) => preface::is_http2(&mut stream).await?,
                None => (false, early),
            };
            return Ok(Begun { connection: self, socket: Socket::Plain(stream), early, is_http2 });
        };
        let (socket, secured, is_http2) = tls.accept(stream).await?;
        if is_http2 && limits.http2.is_none() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Begun { connection: Self { tls: Some(secured), ..self }, socket, early, is_http2 })
    }
}

/// How long a drain waits for the first request of a connection that was accepted before it: its client has been told that
/// somebody is there, and would otherwise find the connection reset.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// A connection that is ready for its first request.
struct Begun {
    connection: Connection,
    socket: Socket,
    early: Early,
    is_http2: bool,
}
