//! The socket of a client, with the patience that HTTP needs below the parser.
//!
//! - a head must be complete within [`Limits::header`](super::Limits) of its first byte (of the accept, for the first);
//! - a peer that takes none of the answer for [`Limits::stall`](super::Limits) is gone;
//! - a connection closed while the peer is still sending a body is closed by FIN and drained for a moment, because a
//!   close with unread bytes becomes a reset, and a reset can destroy the answer that explains it (RFC 9112 §9.6);
//! - every byte read passes the [`Scanner`].

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::{Defect, Scanner};
use crate::deadline::Deadline;

/// The first message of a connection that has two readings; shared with the service of that connection.
#[derive(Debug, Default)]
pub(super) struct FirstDefect(AtomicU64);

impl FirstDefect {
    /// The defect of message number `message`. Messages after a defect have it as well: their place is not known.
    pub(super) fn of(&self, message: u64) -> Option<Defect> {
        // The socket and the service of a connection live in one task; the atomic only satisfies the type system.
        let (at, defect) = Defect::unpack(self.0.load(Ordering::Relaxed))?;
        (at <= message).then_some(defect)
    }

    fn set(&self, message: u64, defect: Defect) {
        self.0.store(defect.pack(message), Ordering::Relaxed);
    }
}

/// A client's socket.
#[derive(Debug)]
pub(super) struct Wire<T> {
    io: T,
    scanner: Scanner,
    first_defect: Arc<FirstDefect>,
    head: Deadline,
    stall: Deadline,
    linger: Deadline,
    lingered: usize,
    finished: bool,
}

impl<T> Wire<T> {
    pub(super) fn new(io: T, first_defect: Arc<FirstDefect>, header: Duration, stall: Duration) -> Self {
        Self {
            io,
            scanner: Scanner::new(),
            first_defect,
            head: Deadline::new(header),
            stall: Deadline::new(stall),
            linger: Deadline::new(LINGER),
            lingered: 0,
            finished: false,
        }
    }

    fn taken<V>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<V>>) -> Poll<io::Result<V>> {
        match poll {
            Poll::Ready(result) => {
                self.stall.disarm();
                Poll::Ready(result)
            }
            Poll::Pending => self.stall.poll_elapsed(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Wire<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut this.io).poll_read(cx, buf) {
            let fresh = buf.filled().get(before..).unwrap_or_default();
            let known = this.scanner.defect().is_some();
            this.scanner.feed(fresh);
            if let (false, Some((message, defect))) = (known, this.scanner.defect()) {
                this.first_defect.set(message, defect);
            }
            if !this.scanner.awaits_head() {
                this.head.disarm();
            }
            return Poll::Ready(result);
        }
        if this.scanner.awaits_head() && this.head.poll_elapsed(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.taken(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.taken(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.io).poll_flush(cx);
        self.taken(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.finished {
            let poll = Pin::new(&mut this.io).poll_shutdown(cx);
            ready!(this.taken(cx, poll))?;
            this.finished = true;
        }
        if !this.scanner.inside_body() {
            return Poll::Ready(Ok(()));
        }
        let mut space = [0_u8; 8 * 1024];
        while this.lingered < LINGER_BYTES {
            let mut buf = ReadBuf::new(&mut space);
            match Pin::new(&mut this.io).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => this.lingered += buf.filled().len(),
                Poll::Ready(_) => break,
                Poll::Pending => return this.linger.poll_elapsed(cx).map(Ok),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// How long, and how much, to read from a peer that has been answered and told to stop.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 512 * 1024;
