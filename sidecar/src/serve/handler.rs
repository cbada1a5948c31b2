//! What answers the requests of a connection.

use std::{convert::Infallible, future::Future};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::Body;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tower_service::Service;

use super::{Connection, Defect};
use crate::{
    problem::{self, Refusal},
    trust::TrustedPeers,
};

/// Answers requests; cloned for each connection.
pub trait Handler: Clone + Send + 'static {
    /// The body of an answer.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static;

    /// Answers one request.
    fn handle(
        &self,
        request: Request<Incoming>,
        connection: Connection,
    ) -> impl Future<Output = Response<Self::Body>> + Send + 'static + use<Self>;

    /// Answers a request that has two readings and that nobody shall read. The connection ends with it.
    fn refuse(&self, defect: Defect, connection: Connection) -> Response<Self::Body>;
}

/// A tower service, such as an axum router, as a [`Handler`]. The [`Connection`] is in the request's extensions, and so is
/// `axum`'s `ConnectInfo`: the address that the request comes from.
#[derive(Clone, Debug)]
pub struct Routed<S> {
    service: S,
    #[cfg_attr(not(feature = "issuer"), allow(dead_code, reason = "it is the issuer that asks"))]
    peers: TrustedPeers,
}

/// The body of an answer of [`Routed`].
pub type RoutedBody<B> = Either<B, Full<Bytes>>;

impl<S> Routed<S> {
    /// Answers with `service`.
    #[must_use]
    pub fn new(service: S) -> Self {
        Self { service, peers: TrustedPeers::default() }
    }

    /// The same, but these peers are believed about where requests come from.
    #[must_use]
    pub fn trusting(self, peers: TrustedPeers) -> Self {
        Self { peers, ..self }
    }
}

impl<S, B> Handler for Routed<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    type Body = RoutedBody<B>;

    fn handle(
        &self,
        mut request: Request<Incoming>,
        connection: Connection,
    ) -> impl Future<Output = Response<Self::Body>> + Send + 'static + use<S, B> {
        request.extensions_mut().insert(connection);
        #[cfg(feature = "issuer")]
        {
            let mut client = connection.peer;
            client.set_ip(self.peers.client(client.ip(), request.headers()));
            request.extensions_mut().insert(axum::extract::ConnectInfo(client));
        }
        let answer = TowerToHyperService::new(self.service.clone()).call(request);
        async move {
            match answer.await {
                Ok(response) => response.map(Either::Left),
                Err(never) => match never {},
            }
        }
    }

    fn refuse(&self, defect: Defect, _: Connection) -> Response<Self::Body> {
        refusal(defect, None).map(|bytes| Either::Right(Full::new(bytes)))
    }
}

impl Defect {
    /// What the client is told.
    #[must_use]
    pub fn refusal(self) -> Refusal {
        match self {
            Self::Fields => Refusal::HeadTooLarge,
            _ => Refusal::BadRequest,
        }
    }
}

/// 400, or 431, and the end of the connection.
pub(crate) fn refusal(defect: Defect, request_id: Option<&str>) -> Response<Bytes> {
    let mut response = problem::refusal(defect.refusal(), Some(&defect.to_string()), request_id);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
