//! The future of a judged request.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use crate::Additions;

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
        Forward { #[pin] future: F, additions: Option<Additions> },
        Rejected { response: Option<Response<B>> },
        Waiting { future: Waiting<B, E> },
    }
}

impl<F, B, E> ResponseFuture<F, B, E> {
    #[cfg(feature = "axum")]
    pub(crate) fn forward(future: F) -> Self {
        Self { kind: Kind::Forward { future, additions: None } }
    }

    /// The same with more in the response.
    pub(super) fn adding(future: F, additions: Additions) -> Self {
        Self { kind: Kind::Forward { future, additions: Some(additions) } }
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
            KindProjection::Forward { future, additions } => {
                let mut answered = ready!(future.poll(cx));
                if let (Ok(response), Some(additions)) = (&mut answered, additions.take()) {
                    additions.add_to(response);
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
