//! What a refused request is answered with.

use bytes::Bytes;
use http::Response;

use crate::{GateAnswer, Rejection};

/// Makes the response to a refused request.
pub trait RejectionResponse<B>: Clone {
    /// The response to `rejection`.
    fn response(&self, rejection: &Rejection) -> Response<B>;

    /// The response that the gate makes itself: to a CORS preflight, or the document about the resource.
    fn answer(&self, answer: &GateAnswer) -> Response<B>;
}

/// Problem details with the challenge of RFC 6750, as the table in [`crate::rejection`] says: the same answer as at
/// every other door.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultRejection;

impl<B: From<Bytes>> RejectionResponse<B> for DefaultRejection {
    fn response(&self, rejection: &Rejection) -> Response<B> {
        rejection.response(None).map(B::from)
    }

    fn answer(&self, answer: &GateAnswer) -> Response<B> {
        answer.response().map(B::from)
    }
}

impl<B: From<Bytes>, F: Fn(&Rejection) -> Response<B> + Clone> RejectionResponse<B> for F {
    fn response(&self, rejection: &Rejection) -> Response<B> {
        self(rejection)
    }

    fn answer(&self, answer: &GateAnswer) -> Response<B> {
        answer.response().map(B::from)
    }
}
