//! The future of a judged request.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, Response};
use pin_project_lite::pin_project;

type Waiting<B, E> = Pin<Box<dyn Future<Output = Result<Response<B>, E>> + Send>>;

pin_project! {
    /// Resolves to the inner service's response, or to the refusal.
    pub struct ResponseFuture<F, B, E> {
        #[pin]
        kind: Kind<F, B, E>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F, B, E> {
        Forward { #[pin] future: F, headers: HeaderMap },
        Rejected { response: Option<Response<B>> },
        Waiting { future: Waiting<B, E> },
    }
}

impl<F, B, E> ResponseFuture<F, B, E> {
    #[cfg(feature = "axum")]
    pub(crate) fn forward(future: F) -> Self {
        Self::telling(future, HeaderMap::new())
    }

    /// The same with these headers in the response.
    pub(super) fn telling(future: F, headers: HeaderMap) -> Self {
        Self { kind: Kind::Forward { future, headers } }
    }

    pub(crate) fn rejected(response: Response<B>) -> Self {
        Self { kind: Kind::Rejected { response: Some(response) } }
    }

    pub(super) fn waiting(future: Waiting<B, E>) -> Self {
        Self { kind: Kind::Waiting { future } }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B, E>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Forward { future, headers } => {
                let mut answered = ready!(future.poll(cx));
                if let Ok(response) = &mut answered {
                    response.headers_mut().extend(std::mem::take(headers));
                }
                Poll::Ready(answered)
            }
            // Polled again after it was ready, which no caller may do: there is nothing left to give.
            KindProjection::Rejected { response } => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
            }
            KindProjection::Waiting { future } => Poll::Ready(ready!(future.as_mut().poll(cx))),
        }
    }
}

impl<F, B, E> std::fmt::Debug for ResponseFuture<F, B, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResponseFuture")
    }
}
