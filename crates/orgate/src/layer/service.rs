//! Judges each request before the inner service sees it.

use std::{
    mem,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Method, Request, Response, uri::PathAndQuery};
use tower_service::Service;
use tracing::debug;

use super::{RejectionResponse, ResponseFuture};
use crate::{Checked, Code, Gate, Permit, Rejection, RequestHead, Verdict, clock, head::authority};

/// A service behind a [`Gate`]; made by [`GateLayer`](super::GateLayer).
#[derive(Clone, Debug)]
pub struct GateService<S, R = super::DefaultRejection> {
    gate: Gate,
    rejection: R,
    inner: S,
}

impl<S, R> GateService<S, R> {
    pub(crate) fn new(gate: Gate, rejection: R, inner: S) -> Self {
        Self { gate, rejection, inner }
    }
}

impl<S, R, ReqBody, ResBody> Service<Request<ReqBody>> for GateService<S, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    R: RejectionResponse<ResBody> + Send + 'static,
    ReqBody: Send + 'static,
    ResBody: 'static,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        // The clone stays behind; the service that was polled ready is the one that is called.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let Some(path_and_query) = path_and_query(&request) else {
            let code =
                if request.method() == Method::CONNECT { Code::BadRequest } else { Code::BadRequestTarget };
            let rejection = Rejection::new(code).with_detail("the request target has no path");
            return ResponseFuture::rejected(self.reject(rejection));
        };
        match self.gate.check_now(&head(&request, &path_and_query), clock::now()) {
            Checked::Done(Verdict::Forward(permit)) => {
                admit(&mut request, permit);
                ResponseFuture::forward(inner.call(request))
            }
            Checked::Done(Verdict::Reject(rejection)) => ResponseFuture::rejected(self.reject(rejection)),
            Checked::Needs(_) => {
                let this = Self { gate: self.gate.clone(), rejection: self.rejection.clone(), inner };
                ResponseFuture::waiting(Box::pin(this.check(request, path_and_query)))
            }
        }
    }
}

impl<S, R> GateService<S, R> {
    fn reject<B>(&self, rejection: Rejection) -> Response<B>
    where
        R: RejectionResponse<B>,
    {
        debug!(rule = rejection.rule(), code = %rejection.reason(), status = rejection.status().as_u16(), "denied");
        let mut response = self.rejection.response(&rejection);
        // The reason survives a replaced body, for whoever logs further out.
        response.extensions_mut().insert(rejection);
        response
    }

    /// The way of a request that has to wait for keys.
    async fn check<ReqBody, ResBody>(
        mut self,
        mut request: Request<ReqBody>,
        path_and_query: PathAndQuery,
    ) -> Result<Response<ResBody>, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
        R: RejectionResponse<ResBody>,
    {
        let (parts, body) = request.into_parts();
        let verdict = {
            let peer = parts.extensions.get::<SocketAddr>().copied();
            let head = RequestHead {
                method: &parts.method,
                authority: authority(&parts.uri, &parts.headers),
                path_and_query: &path_and_query,
                headers: &parts.headers,
                peer,
            };
            self.gate.check(&head).await
        };
        request = Request::from_parts(parts, body);
        match verdict {
            Verdict::Forward(permit) => {
                admit(&mut request, permit);
                self.inner.call(request).await
            }
            Verdict::Reject(rejection) => Ok(self.reject(rejection)),
        }
    }
}

/// The target as the client sent it: routers that strip a prefix keep the original beside it.
fn path_and_query<B>(request: &Request<B>) -> Option<PathAndQuery> {
    #[cfg(feature = "axum")]
    if let Some(original) = request.extensions().get::<axum::extract::OriginalUri>() {
        return original.path_and_query().cloned();
    }
    request.uri().path_and_query().cloned()
}

fn head<'r, B>(request: &'r Request<B>, path_and_query: &'r PathAndQuery) -> RequestHead<'r> {
    RequestHead {
        method: request.method(),
        authority: authority(request.uri(), request.headers()),
        path_and_query,
        headers: request.headers(),
        peer: request.extensions().get::<SocketAddr>().copied(),
    }
}

/// Hands the permit to the inner service.
fn admit<B>(request: &mut Request<B>, permit: Permit) {
    let extensions = request.extensions_mut();
    // Nothing that a layer further out put there may pass for the gate's word.
    extensions.remove::<crate::Principal>();
    if let Some(principal) = permit.principal() {
        extensions.insert(principal);
    }
    extensions.insert(Arc::new(permit));
}
