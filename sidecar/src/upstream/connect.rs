//! A new connection to the upstream.

use std::io;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{
    address::{Address, Place, Speaks},
    tls::{HTTP2, UpstreamTls, UpstreamTlsFiles},
};
use crate::socket::Socket;

/// Connects to one upstream.
#[derive(Debug)]
pub(super) struct Connector {
    address: Address,
    tls: Option<(UpstreamTls, ServerName<'static>)>,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Unconnected {
    Refused(io::Error),
    Tls(io::Error),
}

impl Connector {
    pub(super) fn new(address: Address, tls: Option<&UpstreamTls>) -> Result<Self, &'static str> {
        let tls = match (&address.place, address.speaks) {
            (Place::Tcp { host, .. }, Speaks::Tls) => {
                let tls = match tls {
                    Some(tls) => tls.clone(),
                    None => UpstreamTls::load(&UpstreamTlsFiles::default())
                        .map_err(|_| "the system has no authorities to verify its certificate with")?,
                };
                let name = ServerName::try_from(host.to_string())
                    .map_err(|_| "its host cannot be the name in a certificate")?;
                Some((tls, name))
            }
            _ => None,
        };
        Ok(Self { address, tls })
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Whether a connection can be had that speaks HTTP/1.1.
    pub(super) fn speaks_http1(&self) -> bool {
        self.address.speaks != Speaks::Http2
    }

    /// The scheme of what is asked for over a connection.
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// A stream, and whether HTTP/2 is spoken over it; with `http1`, it is not, if the upstream lets us choose.
    pub(super) async fn connect(&self, http1: bool) -> Result<(Socket, bool), Unconnected> {
        let stream = match &self.address.place {
            Place::Tcp { host, port, .. } => {
                TcpStream::connect((&**host, *port)).await.map_err(Unconnected::Refused)?
            }
            #[cfg(unix)]
            Place::Unix(path) => {
                let stream = tokio::net::UnixStream::connect(path).await.map_err(Unconnected::Refused)?;
                return Ok((Socket::Unix(stream), false));
            }
            #[cfg(not(unix))]
            Place::Unix(_) => return Err(Unconnected::Refused(io::ErrorKind::Unsupported.into())),
        };
        stream.set_nodelay(true).map_err(Unconnected::Refused)?;
        let Some((tls, name)) = &self.tls else {
            return Ok((Socket::Plain(stream), self.address.speaks == Speaks::Http2));
        };
        let configs = tls.configs();
        let config = if http1 { &configs.http1 } else { &configs.either };
        let handshake = TlsConnector::from(config.clone()).connect(name.clone(), stream);
        let stream = handshake.await.map_err(Unconnected::Tls)?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
        Ok((Socket::Tls(Box::new(stream.into())), is_http2))
    }
}
