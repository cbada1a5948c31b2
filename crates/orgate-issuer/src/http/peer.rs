//! Who is at the other end of the connection, as far as the server says so. Headers are not asked: anybody can write
//! them.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::request::Parts;

/// The address of the peer; `None` if the server does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(info.map(|ConnectInfo(address)| address.ip())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_peer_is_the_one_the_server_names() {
        let address: SocketAddr = "192.0.2.1:4000".parse().unwrap();
        let request = http::Request::builder().header("x-forwarded-for", "192.0.2.9");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(Peer::from_request_parts(&mut parts, &()).await, Ok(Peer(None)));
        parts.extensions.insert(ConnectInfo(address));
        assert_eq!(Peer::from_request_parts(&mut parts, &()).await, Ok(Peer(Some(address.ip()))));
    }
}
