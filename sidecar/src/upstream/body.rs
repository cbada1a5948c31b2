//! Bodies on their way through, frame by frame: never collected, never copied, with the reader's pace.
//!
//! Each direction waits at most the body idle time for its next frame. The two report to each other whether the
//! exchange is complete, because only then may the upstream connection serve another (see [`pool`](super::pool)).

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use orgate::Tenure;
use tokio::time::Instant;

use super::{hop_by_hop, pool::Lease};
use crate::{deadline::Deadline, identity_headers::IdentityHeaders, serve::REVIEW};

/// What the sending of a request body looks like from outside.
#[derive(Debug, Default)]
pub(super) struct Sending {
    /// Frames given to the upstream connection.
    frames: AtomicU64,
    /// The body is at its end.
    complete: AtomicBool,
    /// We wait for the client, not for the upstream.
    waiting: AtomicBool,
    /// The client did not send in time.
    late: AtomicBool,
    /// What the client sent is no HTTP body, or it went away.
    broken: AtomicBool,
}

impl Sending {
    pub(super) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    pub(super) fn waits_for_client(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn client_was_late(&self) -> bool {
        self.late.load(Ordering::Acquire)
    }

    pub(super) fn client_broke_off(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }
}

/// The client's body on its way to the upstream.
#[derive(Debug)]
pub(super) enum RequestBody {
    Empty,
    Streaming(Streaming),
    /// It was read before the request was judged; these are the bytes that were.
    Whole(Option<Bytes>, Arc<Sending>),
}

#[derive(Debug)]
pub(super) struct Streaming {
    /// What was read of it before.
    begun: Option<Bytes>,
    inner: Incoming,
    idle: Deadline,
    sending: Arc<Sending>,
    identity: Arc<IdentityHeaders>,
}

impl RequestBody {
    /// No body, and nothing to report.
    pub(super) fn empty() -> Self {
        Self::Empty
    }

    /// Sends `bytes`, and reports to `sending`.
    pub(super) fn whole(bytes: Bytes, sending: Arc<Sending>) -> Self {
        Self::Whole(Some(bytes), sending)
    }

    /// Streams `inner`, waiting at most `idle` for each frame, and reports to `sending`.
    pub(super) fn streaming(
        inner: Incoming,
        idle: Duration,
        sending: Arc<Sending>,
        identity: Arc<IdentityHeaders>,
    ) -> Self {
        Self::Streaming(Streaming { begun: None, inner, idle: Deadline::new(idle), sending, identity })
    }

    /// The same once more, where all of it is in hand.
    pub(super) fn again(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Whole(bytes, sending) => Some(Self::Whole(bytes.clone(), Arc::clone(sending))),
            Self::Streaming(_) => None,
        }
    }

    /// The same behind `begun`.
    pub(super) fn begun_with(mut self, begun: Bytes) -> Self {
        if let Self::Streaming(streaming) = &mut self {
            streaming.begun = Some(begun).filter(|begun| !begun.is_empty());
        }
        self
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = ClientGone;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientGone>>> {
        let Streaming { begun, inner, idle, sending, identity } = match &mut *self {
            Self::Empty => return Poll::Ready(None),
            Self::Whole(bytes, sending) => {
                sending.frames.fetch_add(1, Ordering::Relaxed);
                sending.complete.store(true, Ordering::Release);
                return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))));
            }
            Self::Streaming(streaming) => streaming,
        };
        if let Some(begun) = begun.take() {
            sending.frames.fetch_add(1, Ordering::Relaxed);
            if inner.is_end_stream() {
                sending.complete.store(true, Ordering::Release);
            }
            return Poll::Ready(Some(Ok(Frame::data(begun))));
        }
        match Pin::new(&mut *inner).poll_frame(cx) {
            Poll::Pending => {
                sending.waiting.store(true, Ordering::Relaxed);
                if idle.poll_elapsed(cx).is_pending() {
                    return Poll::Pending;
                }
                sending.late.store(true, Ordering::Release);
                Poll::Ready(Some(Err(ClientGone::Late)))
            }
            Poll::Ready(frame) => {
                idle.disarm();
                sending.waiting.store(false, Ordering::Relaxed);
                sending.frames.fetch_add(1, Ordering::Relaxed);
                let frame = match frame {
                    None => None,
                    Some(Ok(frame)) => Some(Ok(clean(frame, Some(identity)))),
                    Some(Err(error)) => {
                        sending.broken.store(true, Ordering::Release);
                        return Poll::Ready(Some(Err(ClientGone::Broken(error))));
                    }
                };
                let trailers = matches!(&frame, Some(Ok(frame)) if frame.is_trailers());
                if frame.is_none() || trailers || inner.is_end_stream() {
                    sending.complete.store(true, Ordering::Release);
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streaming(body) => body.begun.is_none() && body.inner.is_end_stream(),
            Self::Whole(bytes, _) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streaming(Streaming { begun: None, inner, .. }) => inner.size_hint(),
            Self::Streaming(body) => {
                let begun = body.begun.as_ref().map_or(0, Bytes::len);
                let (begun, rest) = (u64::try_from(begun).unwrap_or(u64::MAX), body.inner.size_hint());
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower().saturating_add(begun));
                if let Some(upper) = rest.upper() {
                    hint.set_upper(upper.saturating_add(begun));
                }
                hint
            }
            Self::Whole(bytes, _) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
        }
    }
}

/// The client stopped sending its body.
#[derive(Debug)]
pub(super) enum ClientGone {
    /// Nothing for the body idle time.
    Late,
    /// It went away or sent what is no body.
    Broken(hyper::Error),
}

impl fmt::Display for ClientGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("the client stopped sending its body"),
            Self::Broken(error) => write!(f, "the client's body broke off: {error}"),
        }
    }
}

impl std::error::Error for ClientGone {}

/// The upstream's body on its way to the client. Holds the upstream connection until both bodies are at their end.
#[derive(Debug)]
pub struct ResponseBody {
    inner: Incoming,
    idle: Deadline,
    lease: Option<Lease>,
    sending: Option<Arc<Sending>>,
    review: Option<Box<Review>>,
}

/// Whether the caller still stands, asked now and then while the body lasts.
#[derive(Debug)]
struct Review {
    tenure: Tenure,
    last: Instant,
    next: Deadline,
}

impl Review {
    /// Called whenever the body is looked at: ready once the caller does not stand any more.
    fn poll_over(&mut self, cx: &mut Context<'_>, is_waiting: bool) -> Poll<()> {
        while self.last.elapsed() >= REVIEW || (is_waiting && self.next.poll_elapsed(cx).is_ready()) {
            if !self.tenure.stands() {
                return Poll::Ready(());
            }
            self.last = Instant::now();
            self.next.disarm();
        }
        Poll::Pending
    }
}

impl ResponseBody {
    pub(super) fn new(inner: Incoming, idle: Duration, lease: Lease, sending: Option<Arc<Sending>>) -> Self {
        let mut body = Self { inner, idle: Deadline::new(idle), lease: Some(lease), sending, review: None };
        if body.inner.is_end_stream() {
            body.finish();
        }
        body
    }

    /// None, of an answer that switches protocols.
    pub(super) fn none(inner: Incoming) -> Self {
        Self { inner, idle: Deadline::new(Duration::ZERO), lease: None, sending: None, review: None }
    }

    /// The same, cut off once the caller does not stand any more.
    pub(super) fn reviewed_by(self, tenure: Option<Tenure>) -> Self {
        let review = |tenure| Box::new(Review { tenure, last: Instant::now(), next: Deadline::new(REVIEW) });
        Self { review: tenure.filter(|_| !self.inner.is_end_stream()).map(review), ..self }
    }

    fn finish(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        if self.sending.as_ref().is_none_or(|sending| sending.is_complete()) {
            lease.give_back();
        }
        // Otherwise the upstream answered before it had read the request. The rest of the request is still on this
        // connection's account, so dropping the lease ends it.
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = UpstreamGone;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamGone>>> {
        let this = &mut *self;
        let frame = Pin::new(&mut this.inner).poll_frame(cx);
        if let Some(review) = &mut this.review
            && review.poll_over(cx, frame.is_pending()).is_ready()
        {
            this.lease = None;
            return Poll::Ready(Some(Err(UpstreamGone::Revoked)));
        }
        match frame {
            Poll::Pending if this.idle.poll_elapsed(cx).is_pending() => Poll::Pending,
            Poll::Pending => {
                this.lease = None;
                Poll::Ready(Some(Err(UpstreamGone::Late)))
            }
            Poll::Ready(None) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                this.lease = None;
                Poll::Ready(Some(Err(UpstreamGone::Broken(error))))
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.idle.disarm();
                let frame = clean(frame, None);
                // A body of known length is not polled again after its last byte, nor is one after its trailers.
                if frame.is_trailers() || this.inner.is_end_stream() {
                    this.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The upstream stopped in the middle of its body. The client's connection is then cut, which is the only way to tell
/// it so (RFC 9112 §8).
#[derive(Debug)]
pub enum UpstreamGone {
    /// Nothing for the body idle time.
    Late,
    /// It closed the connection or sent what is no body.
    Broken(hyper::Error),
    /// It did not stop: whom it was for may not have it any more.
    Revoked,
}

impl fmt::Display for UpstreamGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("the upstream stopped sending its body"),
            Self::Broken(error) => write!(f, "the upstream's body broke off: {error}"),
            Self::Revoked => f.write_str("the caller's token was revoked while the answer was sent"),
        }
    }
}

impl std::error::Error for UpstreamGone {}

fn clean(frame: Frame<Bytes>, identity: Option<&IdentityHeaders>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Err(data) => data,
        Ok(mut trailers) => {
            hop_by_hop::clean_trailers(&mut trailers, identity);
            Frame::trailers(trailers)
        }
    }
}
