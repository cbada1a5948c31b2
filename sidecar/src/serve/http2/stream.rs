//! The streams of a connection: how many there are, and whether their clients still take what is sent to them.
//!
//! A client that opens no window keeps an answer waiting without a sign on the socket, so each stream has its own
//! patience: an answer of which not one piece was taken for [`Limits::stall`](crate::serve::Limits) is broken off, and with it
//! the exchange with the upstream.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::sync::OwnedSemaphorePermit;
use tracing::debug;

use crate::deadline::Deadline;

/// What streams of one connection there are and were.
#[derive(Debug, Default)]
pub(super) struct Activity {
    open: AtomicUsize,
    begun: AtomicU64,
}

impl Activity {
    pub(super) fn begin(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        Open { activity: Arc::clone(self), permit: None }
    }

    /// Resolves once there was no stream for `idle`, or for somewhat longer.
    pub(super) async fn ceased(&self, idle: Duration) {
        let mut quiet_since = None;
        loop {
            let begun = self.begun.load(Ordering::Relaxed);
            let is_quiet = self.open.load(Ordering::Relaxed) == 0;
            if is_quiet && quiet_since == Some(begun) {
                return;
            }
            quiet_since = is_quiet.then_some(begun);
            tokio::time::sleep(idle).await;
        }
    }
}

/// One stream, from its head to the end of its answer.
#[derive(Debug)]
pub(super) struct Open {
    activity: Arc<Activity>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Open {
    /// The same for what goes on behind the head of the answer, with its place.
    pub(super) fn go_on(&mut self) -> Self {
        self.activity.open.fetch_add(1, Ordering::Relaxed);
        Self { activity: Arc::clone(&self.activity), permit: self.permit.take() }
    }

    /// Keeps a place for as long as the stream lasts.
    pub(super) fn holding(&mut self, permit: Option<OwnedSemaphorePermit>) {
        self.permit = permit;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.activity.open.fetch_sub(1, Ordering::Relaxed);
    }
}

pin_project! {
    /// The body of an answer, in pieces that a slow client can take in time; tells [`Streams`] for whom it waits.
    #[derive(Debug)]
    pub(super) struct Answer<B> {
        #[pin]
        body: B,
        // What is left of a larger part.
        rest: Bytes,
        // The answer to HEAD, which has none (RFC 9110 §9.3.2).
        without: bool,
        open: Open,
    }
}

impl<B> Answer<B> {
    pub(super) fn new(body: B, without: bool, open: Open) -> Self {
        Self { body, rest: Bytes::new(), without, open }
    }
}

impl<B: Body<Data = Bytes>> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let poll = match this.rest.is_empty() {
            true if *this.without => Poll::Ready(None),
            true => this.body.poll_frame(cx),
            false => Poll::Ready(Some(Ok(Frame::data(std::mem::take(this.rest))))),
        };
        TURN.with(|turn| {
            let Turn { frames, .. } = turn.get();
            turn.set(Turn { frames: frames.wrapping_add(1), of_client: poll.is_ready() });
        });
        poll.map(|frame| {
            frame.map(|frame| {
                frame.map(|frame| {
                    frame.map_data(|mut data| {
                        if data.len() > PIECE {
                            *this.rest = data.split_off(PIECE);
                        }
                        data
                    })
                })
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.without || self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.without {
            return SizeHint::with_exact(0);
        }
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let (body, mut hint) = (self.body.size_hint(), SizeHint::new());
        hint.set_lower(body.lower().saturating_add(rest));
        if let Some(upper) = body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

/// Runs the streams of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams {
    pub(super) stall: Duration,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        tokio::spawn(Patient { stream, turn: Turn::default(), stall: Deadline::new(self.stall) });
    }
}

/// Whose turn it is: the client has a frame to take, or the answer has none to give.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    frames: u64,
    of_client: bool,
}

thread_local! {
    /// Of the stream that is being polled; the parser stands between the body and us.
    static TURN: Cell<Turn> = const { Cell::new(Turn { frames: 0, of_client: false }) };
}

pin_project! {
    /// A stream, and how long its client may leave it waiting.
    struct Patient<F> {
        #[pin]
        stream: F,
        turn: Turn,
        stall: Deadline,
    }
}

impl<F: Future<Output = ()>> Future for Patient<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let before = *this.turn;
        TURN.set(before);
        let poll = this.stream.poll(cx);
        *this.turn = TURN.get();
        if poll.is_ready() {
            return poll;
        }
        if this.turn.frames != before.frames || !this.turn.of_client {
            this.stall.disarm();
        }
        if this.turn.of_client && this.stall.poll_elapsed(cx).is_ready() {
            debug!("a client took nothing of an answer");
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// The least that a client has to take within its patience.
const PIECE: usize = 32 * 1024;
