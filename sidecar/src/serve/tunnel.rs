//! What comes after `101 Switching Protocols`: bytes, in both directions, until one side ends.
//!
//! A handler that forwards an upgrade answers with status 101 and a [`Switched`] in the extensions of its answer. Nothing
//! of the client's reaches the other side before the 101 does the client: what it sends early stays with the parser, and
//! is a request like any other if there is no 101. The connection keeps its place among those of its listener, and a
//! drain waits for it as for an exchange. A tunnel ends with the caller's token, and soon after that is revoked, since
//! nothing in it is judged again.

use std::{
    any::Any,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use orgate::{Tenure, clock};
use orgate_claims::UnixTime;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// In the extensions of a request whose connection, or stream, can be switched to another protocol.
#[derive(Clone, Copy, Debug)]
pub struct CanSwitch {
    /// Whether an answer that is good and no switch would be taken for one: over HTTP/2 both have a status of 2xx.
    pub(crate) or_fail: bool,
}

/// In the extensions of an answer with status 101: what the connection is switched to.
#[derive(Clone, Debug)]
pub struct Switched(Arc<Mutex<Option<Tunnel>>>);

/// The other side of a connection that was switched.
#[derive(Debug)]
pub struct Tunnel {
    /// The upstream's connection.
    pub(crate) upstream: OnUpgrade,
    /// What lives as long as it does.
    pub(crate) held: Box<dyn Any + Send>,
    /// How long nothing may be sent in either direction.
    pub(crate) idle: Duration,
    /// When it ends in any case.
    pub(crate) until: Option<UnixTime>,
    /// Whether the caller still stands.
    pub(crate) tenure: Option<Tenure>,
}

/// How often it is asked whether a caller still stands who was let in before. No test waits that long.
pub(crate) const REVIEW: Duration =
    if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(5) };

impl Switched {
    /// For the extensions of an answer.
    #[must_use]
    pub fn to(tunnel: Tunnel) -> Self {
        Self(Arc::new(Mutex::new(Some(tunnel))))
    }

    /// What an answer of status 101 switches to.
    pub(super) fn of<B>(answer: &mut http::Response<B>) -> Option<Tunnel> {
        match answer.status() {
            http::StatusCode::SWITCHING_PROTOCOLS => answer.extensions_mut().remove::<Self>()?.take(),
            _ => None,
        }
    }

    fn take(&self) -> Option<Tunnel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Tunnel {
    /// Carries bytes between `client`, of which `early` was read before, and the upstream.
    pub(super) async fn run(
        self,
        client: impl AsyncRead + AsyncWrite + Unpin,
        early: &[u8],
    ) -> io::Result<()> {
        let Self { upstream, held: _held, idle, until, tenure } = self;
        let upstream = upstream.await.map_err(io::Error::other)?;
        let mut upstream = TokioIo::new(upstream);
        upstream.write_all(early).await?;
        let moved = AtomicBool::new(false);
        let mut client = Noticed { io: client, moved: &moved };
        let carried = tokio::io::copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER);
        let quiet = async {
            loop {
                moved.store(false, Ordering::Relaxed);
                tokio::time::sleep(idle).await;
                if !moved.load(Ordering::Relaxed) {
                    return;
                }
            }
        };
        let over = async {
            match until {
                Some(until) => {
                    let left = until.seconds().saturating_sub(clock::now().seconds());
                    tokio::time::sleep(Duration::from_secs(u64::try_from(left).unwrap_or(0))).await;
                }
                None => std::future::pending().await,
            }
        };
        let revoked = async {
            let Some(tenure) = tenure else { return std::future::pending().await };
            loop {
                tokio::time::sleep(REVIEW).await;
                if !tenure.stands() {
                    return;
                }
            }
        };
        tokio::select! {
            carried = carried => carried.map(|_| ()),
            () = quiet => Err(io::ErrorKind::TimedOut.into()),
            () = over => Ok(()),
            () = revoked => Ok(()),
        }
    }
}

/// A stream that tells whether something moved.
struct Noticed<'m, T> {
    io: T,
    moved: &'m AtomicBool,
}

impl<T> Noticed<'_, T> {
    fn note<V>(&self, poll: &Poll<V>) {
        if poll.is_ready() {
            self.moved.store(true, Ordering::Relaxed);
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Noticed<'_, T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.io).poll_read(cx, buf);
        self.note(&poll);
        poll
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Noticed<'_, T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.note(&poll);
        poll
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

const BUFFER: usize = 16 * 1024;
