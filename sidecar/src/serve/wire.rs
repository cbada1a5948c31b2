//! The socket of a client, with the patience that HTTP needs below the parser.
//!
//! - a head must be complete within [`Limits::header`](super::Limits) of its first byte (of the accept, for the first);
//! - a peer that takes none of the answer for [`Limits::stall`](super::Limits) is gone;
//! - a connection closed while the peer is still sending a body is closed by FIN and drained for a moment, because a
//!   close with unread bytes becomes a reset, and a reset can destroy the answer that explains it (RFC 9112 §9.6);
//! - every byte read passes what follows the messages of the connection ([`Follow`]), which can hold it back and end the
//!   connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Limits, preface::Early};
use crate::deadline::Deadline;

/// Reads along, one connection from its first byte, and changes none.
pub(super) trait Follow: Unpin {
    /// Takes the next bytes that the peer sent. Returns how many of them are for the parser.
    fn feed(&mut self, bytes: &[u8]) -> usize;

    /// Whether nothing that the peer sends is for the parser any more.
    fn is_broken(&self) -> bool {
        false
    }

    /// Takes note of bytes that were sent to the peer.
    fn sent(&mut self, _bytes: usize) {}

    /// Whether the peer has begun a head, or the connection, and not finished it.
    fn awaits_head(&self) -> bool;

    /// Whether bytes of a body may still be on their way.
    fn inside_body(&self) -> bool;

    /// Whether the connection shall end, for what the peer sent.
    fn is_too_much(&self) -> bool {
        false
    }
}

/// A client's socket.
#[derive(Debug)]
pub(super) struct Wire<T, F> {
    io: T,
    early: Early,
    follow: F,
    head: Deadline,
    stall: Deadline,
    linger: Deadline,
    lingered: usize,
    finished: bool,
}

impl<T, F> Wire<T, F> {
    /// `io` behind `early`, which was read from it before.
    pub(super) fn new(io: T, early: Early, follow: F, limits: &Limits) -> Self {
        Self {
            io,
            early,
            follow,
            head: Deadline::new(limits.header),
            stall: Deadline::new(limits.stall),
            linger: Deadline::new(LINGER),
            lingered: 0,
            finished: false,
        }
    }

    /// The stream itself, with nobody reading along.
    pub(super) fn into_inner(self) -> T {
        self.io
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

impl<T: AsyncRead + Unpin, F: Follow> AsyncRead for Wire<T, F> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.follow.is_broken() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let before = buf.filled().len();
        let poll = match this.early.is_empty() {
            true => Pin::new(&mut this.io).poll_read(cx, buf),
            false => {
                this.early.give(buf);
                Poll::Ready(Ok(()))
            }
        };
        if let Poll::Ready(result) = poll {
            let given = this.follow.feed(buf.filled().get(before..).unwrap_or_default());
            buf.set_filled(before.saturating_add(given).min(buf.filled().len()));
            if given == 0 && this.follow.is_broken() {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            if !this.follow.awaits_head() {
                this.head.disarm();
            }
            if this.follow.is_too_much() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            return Poll::Ready(result);
        }
        if this.follow.awaits_head() && this.head.poll_elapsed(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin, F: Follow> AsyncWrite for Wire<T, F> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write(cx, bytes);
        if let Poll::Ready(Ok(sent)) = poll {
            self.follow.sent(sent);
        }
        self.taken(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        if let Poll::Ready(Ok(sent)) = poll {
            self.follow.sent(sent);
        }
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
        if !this.follow.inside_body() {
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
