//! Connections of HTTP/2 to one upstream, each shared by many exchanges.
//!
//! The window of a connection is as large as those of all its streams together, so that clients that read slowly keep no
//! window from others.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{task::AbortHandle, time::Instant};
use tracing::debug;

use super::{
    address::{Address, Speaks},
    body::RequestBody,
};
use crate::socket::Socket;

/// The shared connections of one pool.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Whether there was ever one: pools of HTTP/1.1 ask nothing else.
    is_used: AtomicBool,
    connections: Mutex<Vec<Connection>>,
    opening: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<RequestBody>,
    driver: AbortHandle,
    streams: Arc<AtomicUsize>,
    /// How many the upstream allows.
    allowed: Arc<AtomicUsize>,
    /// When it was last seen with a stream.
    busy: Instant,
}

/// One exchange on a shared connection.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Place {
    /// Taken while the list of connections is locked, or before the connection is in it.
    fn on(streams: &Arc<AtomicUsize>) -> Self {
        streams.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(streams))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// Whether new connections to `address` are, or seem to be, of HTTP/2.
    pub(super) fn is_in_use(&self, address: &Address) -> bool {
        address.speaks == Speaks::Http2 || self.is_used.load(Ordering::Relaxed)
    }

    /// Held by whoever makes a connection.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.opening.lock().await
    }

    /// A connection with room for an exchange.
    pub(super) fn find(&self) -> Option<(SendRequest<RequestBody>, Place)> {
        if !self.is_used.load(Ordering::Relaxed) {
            return None;
        }
        let mut connections = self.lock();
        let connection = connections.iter_mut().find(|connection| {
            let most = connection.allowed.load(Ordering::Relaxed).clamp(1, STREAMS);
            connection.streams.load(Ordering::Relaxed) < most && !connection.sender.is_closed()
        })?;
        connection.busy = Instant::now();
        Some((connection.sender.clone(), Place::on(&connection.streams)))
    }

    /// Makes a connection of `socket`, with its first exchange.
    pub(super) async fn add(
        &self,
        socket: Socket,
    ) -> Result<(SendRequest<RequestBody>, Place), hyper::Error> {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_header_list_size(MAX_HEAD)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_WAIT)
            .handshake(TokioIo::new(socket))
            .await?;
        let allowed = Arc::new(AtomicUsize::new(STREAMS));
        let driver = tokio::spawn(drive(connection, Arc::clone(&allowed))).abort_handle();
        let streams = Arc::new(AtomicUsize::new(0));
        let place = Place::on(&streams);
        let busy = Instant::now();
        self.lock().push(Connection { sender: sender.clone(), driver, streams, allowed, busy });
        self.is_used.store(true, Ordering::Relaxed);
        Ok((sender, place))
    }

    /// Connections without an exchange.
    pub(super) fn idle(&self) -> usize {
        let is_idle = |connection: &&Connection| {
            connection.streams.load(Ordering::Relaxed) == 0 && !connection.sender.is_closed()
        };
        self.lock().iter().filter(is_idle).count()
    }

    /// Ends connections that had no exchange for `limit`, and forgets those that are closed.
    pub(super) fn sweep(&self, limit: Duration) {
        self.lock().retain_mut(|connection| {
            let is_busy = connection.streams.load(Ordering::Relaxed) > 0;
            if is_busy {
                connection.busy = Instant::now();
            }
            // What is closed for new exchanges may have some under way: its task ends with them.
            let is_over = !is_busy && connection.busy.elapsed() >= limit;
            if is_over {
                connection.driver.abort();
            }
            !is_over && !connection.sender.is_closed()
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        // The vector is whole between any two statements under the lock.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for connection in self.lock().drain(..) {
            connection.driver.abort();
        }
    }
}

/// Runs a connection, and keeps `allowed` at what its upstream allows.
async fn drive(
    connection: http2::Connection<TokioIo<Socket>, RequestBody, TokioExecutor>,
    allowed: Arc<AtomicUsize>,
) {
    let mut connection = Box::pin(connection);
    let ended = std::future::poll_fn(move |cx| {
        allowed.store(connection.current_max_send_streams(), Ordering::Relaxed);
        connection.as_mut().poll(cx)
    });
    if let Err(error) = ended.await {
        debug!(%error, "upstream connection ended");
    }
}

/// Exchanges on one connection, if the upstream allows as many; more open another.
const STREAMS: usize = 100;
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 100;
const MAX_HEAD: u32 = 256 * 1024;
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_WAIT: Duration = Duration::from_secs(20);
