//! An axum application behind the gate.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use axum::{Router, body::Body, response::Response, serve::IncomingStream};
use bytes::Bytes;
use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::{Gate, GateService, ResponseFuture, TemplateGuard};

/// A router that nobody reaches but through the gate; made by [`Gate::protect`].
///
/// It is a service and not a `Router` on purpose: `Router::layer` covers only the routes added before it, while nothing
/// can be added outside of this. It goes where a `Router` goes in `axum::serve`.
#[derive(Clone, Debug)]
pub struct Protected {
    service: GateService<Router>,
}

impl Gate {
    /// Puts the gate around the whole router, its routes, its nested services and its fallback, and a
    /// [`TemplateGuard`] inside of it, which makes sure that the route that is taken is one that the rule speaks of.
    #[must_use]
    pub fn protect(&self, router: Router) -> Protected {
        Protected { service: self.layer().layer(router.layer(TemplateGuard::new())) }
    }
}

impl<B> Service<Request<B>> for Protected
where
    B: http_body::Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = ResponseFuture<axum::routing::future::RouteFuture<Infallible>, Body, Infallible>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request<B>>::poll_ready(&mut self.service, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.service.call(request)
    }
}

/// For `axum::serve`: every connection is served by a clone.
impl<L: axum::serve::Listener> Service<IncomingStream<'_, L>> for Protected {
    type Response = Self;
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: IncomingStream<'_, L>) -> Self::Future {
        ready(Ok(self.clone()))
    }
}
