//! What a refused request is answered with.

use bytes::Bytes;
use http::Response;

use crate::{PreflightAnswer, Rejection};

/// Makes the response to a refused request.
pub trait RejectionResponse<B>: Clone {
    /// The response to `rejection`.
    fn response(&self, rejection: &Rejection) -> Response<B>;

    /// The response to a CORS preflight that the gate answers itself; it has no body.
    fn preflight(&self, answer: &PreflightAnswer) -> Response<B>;
}

/// Problem details with the challenge of RFC 6750, as the table in [`crate::rejection`] says: the same answer as at
/// every other door.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultRejection;

impl<B: From<Bytes>> RejectionResponse<B> for DefaultRejection {
    fn response(&self, rejection: &Rejection) -> Response<B> {
        rejection.response(None).map(B::from)
    }

    fn preflight(&self, answer: &PreflightAnswer) -> Response<B> {
        answer.response().map(B::from)
    }
}

impl<B: Default, F: Fn(&Rejection) -> Response<B> + Clone> RejectionResponse<B> for F {
    fn response(&self, rejection: &Rejection) -> Response<B> {
        self(rejection)
    }

    fn preflight(&self, answer: &PreflightAnswer) -> Response<B> {
        answer.response().map(|_| B::default())
    }
}
