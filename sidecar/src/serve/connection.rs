//! One accepted connection: what it is spoken over, and in which version of HTTP.

use std::{io, net::SocketAddr};

use tokio::net::TcpStream;
use tracing::debug;

use super::{
    Handler, Limits, Listener, Shared, Shutdown, http1, http2,
    preface::{self, Early},
    tls::{Secured, Tls},
};
use crate::socket::Socket;

/// What is known of a connection before its first request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Connection {
    /// The name of the listener.
    pub listener: &'static str,
    /// Our end.
    pub local: SocketAddr,
    /// The other end, as the operating system names it; never taken from a header.
    pub peer: SocketAddr,
    /// What the handshake has shown, over TLS.
    pub tls: Option<Secured>,
}

impl Connection {
    pub(super) fn new(listener: &Listener, peer: SocketAddr) -> Self {
        Self { listener: listener.name(), local: listener.address(), peer, tls: None }
    }

    /// Serves the connection until it ends.
    pub(super) async fn run<H: Handler>(
        self,
        (stream, tls): (TcpStream, Option<Tls>),
        handler: H,
        shared: Shared,
        shutdown: Shutdown,
    ) {
        // In a box, which is given back before anything is served.
        let begun =
            Box::pin(tokio::time::timeout(shared.limits.header, self.begin(stream, tls, &shared.limits)));
        let begun = tokio::select! {
            biased;
            begun = begun => begun.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            () = shutdown.draining() => return,
        };
        match begun {
            Ok(Begun { connection, socket, early, is_http2: false }) => {
                http1::serve(connection, (socket, early), handler, shared.limits, shutdown).await;
            }
            Ok(Begun { connection, socket, early, is_http2: true }) => {
                http2::serve(connection, (socket, early), handler, shared, shutdown).await;
            }
            Err(error) => debug!(listener = self.listener, %error, "a client did not begin"),
        }
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

/// A connection that is ready for its first request.
struct Begun {
    connection: Connection,
    socket: Socket,
    early: Early,
    is_http2: bool,
}
