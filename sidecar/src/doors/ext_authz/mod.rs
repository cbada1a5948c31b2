//! The door for Envoy's `ext_authz` filter, over gRPC and over HTTP.
//!
//! One listener: what comes by HTTP/2 is gRPC (`envoy.service.auth.v3.Authorization/Check`), what comes by HTTP/1.1 is the
//! request itself, with its own method and target. The version is a setting of Envoy's cluster. The content type would not
//! do: it is a header of the client's request over HTTP, and who could choose it could have a 200 for an answer.
//!
//! A no is always said as a no, our own failures and questions that cannot be read among them: an error would be a yes
//! where the filter has `failure_mode_allow`. What is neither of the two protocols gets a status that is no 200.

mod changes;
mod grpc;
mod http1;
mod messages;
mod question;

use std::{convert::Infallible, future::Ready, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::{Either, Full, combinators::WithTrailers};
use hyper::body::Incoming;

use super::hall::Hall;
use crate::serve::{Connection, Defect, Handler};

/// Answers Envoy. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ExtAuthzDoor(Arc<Hall>);

/// The body of an answer: of HTTP, or of gRPC with its status behind it.
pub type ExtAuthzBody =
    Either<Full<Bytes>, WithTrailers<Full<Bytes>, Ready<Option<Result<HeaderMap, Infallible>>>>>;

impl ExtAuthzDoor {
    /// A door from `hall`.
    #[must_use]
    pub fn new(hall: Arc<Hall>) -> Self {
        Self(hall)
    }
}

impl Handler for ExtAuthzDoor {
    type Body = ExtAuthzBody;

    fn handle(
        &self,
        request: Request<Incoming>,
        _: Connection,
    ) -> impl Future<Output = Response<Self::Body>> + Send + 'static + use<> {
        let hall = Arc::clone(&self.0);
        async move {
            match request.version() {
                Version::HTTP_2 => grpc::answer(&hall, request).await,
                _ => http1::answer(&hall, request).await.map(|body| Either::Left(Full::new(body))),
            }
        }
    }

    fn refuse(&self, defect: Defect, _: Connection) -> Response<Self::Body> {
        self.0.refuse(defect).map(|body| Either::Left(Full::new(body)))
    }
}
