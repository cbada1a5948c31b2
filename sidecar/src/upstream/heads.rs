//! The heads of an application's answers as they are on the wire, read before the parser repairs them.
//!
//! The parser takes a lone LF as a line end, so whoever gets one into a value of the application's makes a header of his own, or the
//! beginning of a body (response splitting); and it passes over any number of answers that only announce one. Such answers are
//! none. Where a head begins is known from the exchanges of the connection; where it ends, from its lines alone.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Says to the socket of a connection that a request follows, and so an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Asking(Arc<AtomicBool>);

impl Asking {
    /// The next that is read is the beginning of an answer.
    pub(super) fn ask(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The socket of a connection of HTTP/1.1 to an application.
#[derive(Debug)]
pub(super) struct Watched<T> {
    io: T,
    asking: Asking,
    heads: Heads,
}

impl<T> Watched<T> {
    pub(super) fn new(io: T, asking: Asking) -> Self {
        Self { io, asking, heads: Heads::default() }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        if this.asking.0.swap(false, Ordering::Acquire) {
            this.heads = Heads::default();
        }
        if !this.heads.feed(buf.filled().get(before..).unwrap_or_default()) {
            buf.set_filled(before);
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Follows one answer to the end of its head.
#[derive(Debug, Default)]
struct Heads {
    is_over: bool,
    /// There was a CR, so that only a LF may follow.
    after_cr: bool,
    /// The line that is being read is not the first.
    inside: bool,
    /// Bytes of it.
    length: usize,
    /// How the first line begins.
    begin: [u8; BEGIN],
    announced: u32,
}

impl Heads {
    /// Whether the bytes may be read on.
    fn feed(&mut self, bytes: &[u8]) -> bool {
        for &byte in bytes {
            if self.is_over {
                return true;
            }
            match (byte, self.after_cr) {
                (b'\n', true) => self.end_of_line(),
                (b'\n', false) | (_, true) => return false,
                (b'\r', false) => self.after_cr = true,
                (byte, false) => {
                    if let (false, Some(place)) = (self.inside, self.begin.get_mut(self.length)) {
                        *place = byte;
                    }
                    self.length = self.length.saturating_add(1);
                }
            }
        }
        self.announced <= MOST_ANNOUNCED
    }

    fn end_of_line(&mut self) {
        self.after_cr = false;
        match (self.inside, std::mem::take(&mut self.length)) {
            // Before the first line: the parser's to judge.
            (false, 0) => {}
            (true, 0) if self.announces() => {
                *self = Self { announced: self.announced.saturating_add(1), ..Self::default() };
            }
            (true, 0) => self.is_over = true,
            _ => self.inside = true,
        }
    }

    /// Whether another answer follows this one: its status is 1xx and switches to nothing.
    fn announces(&self) -> bool {
        self.begin.get(9..).is_some_and(|status| status.starts_with(b"1") && status != b"101")
    }
}

/// `HTTP/1.1 103`.
const BEGIN: usize = 12;
/// Of one request. `102 Processing` may come every few seconds.
const MOST_ANNOUNCED: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole and byte by byte: whether all of it may be read.
    #[track_caller]
    fn passes(answer: &str) -> bool {
        let mut bytewise = Heads::default();
        let single = answer.bytes().all(|byte| bytewise.feed(&[byte]));
        let whole = Heads::default().feed(answer.as_bytes());
        assert_eq!(whole, single, "{answer:?}");
        whole
    }

    #[test]
    fn lines_of_a_head_end_in_one_way_and_a_body_is_not_looked_at() {
        let head = "HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n";
        for answer in [head.to_owned(), format!("{head}a\nb\r\rc"), format!("\r\n{head}\n")] {
            assert!(passes(&answer), "{answer:?}");
        }
        for answer in [
            "HTTP/1.1 200 OK\n\n",
            "HTTP/1.1 200 OK\r\nX-A: b\nX-B: c\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-A: b\rX-B: c\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-A: b\r\n\n",
            "HTTP/1.1 200 OK\r\nX-A: b\r\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\n",
        ] {
            assert!(!passes(answer), "{answer:?}");
        }
        assert!(
            passes("HTTP/1.1 101 Switching Protocols\r\n\r\n\x01\n"),
            "what is switched to has other lines"
        );
    }

    #[test]
    fn a_hundred_announcements_are_enough() {
        let hint = "HTTP/1.1 103 Early Hints\r\n\r\n";
        assert!(passes(&(hint.repeat(100) + "HTTP/1.1 200 OK\r\n\r\n")));
        assert!(!passes(&hint.repeat(101)));
    }
}
