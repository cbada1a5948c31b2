//! Connections to one upstream, kept for the next request.
//!
//! HTTP/1.1: last in, first out, so that a few connections stay warm and the rest age out. A connection comes back only when
//! both bodies of its exchange are at their end; anything else ends it: an abandoned [`Lease`] aborts the task that
//! drives the connection, and with it the socket and what is left of the request body.
//!
//! HTTP/2: connections that are shared (see [`shared`](super::shared)); an abandoned lease ends one stream.
//!
//! Our own rather than the pool of hyper-util: that one races a new connection against every wait for an idle one.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::{task::AbortHandle, time::Instant};
use tracing::debug;

use super::{
    Timeouts,
    body::RequestBody,
    connect::{Connector, Unconnected},
    heads::{Asking, Watched},
    shared::{Place, Shared},
};
use crate::socket::Socket;

/// Idle and leased connections to one address.
#[derive(Debug)]
pub(super) struct Pool {
    connector: Arc<Connector>,
    timeouts: Timeouts,
    max_idle: usize,
    idle: Mutex<Vec<Idle>>,
    shared: Shared,
    active: AtomicUsize,
    connecting: AtomicUsize,
}

#[derive(Debug)]
struct Idle {
    connection: PooledConnection,
    since: Instant,
}

struct PooledConnection {
    sender: http1::SendRequest<RequestBody>,
    asking: Asking,
    driver: AbortHandle,
}

impl fmt::Debug for PooledConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledConnection").field("closed", &self.sender.is_closed()).finish()
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum ConnectError {
    Timeout,
    Refused(io::Error),
    Tls(io::Error),
    Handshake(hyper::Error),
}

impl From<Unconnected> for ConnectError {
    fn from(error: Unconnected) -> Self {
        match error {
            Unconnected::Refused(error) => Self::Refused(error),
            Unconnected::Tls(error) => Self::Tls(error),
        }
    }
}

impl Pool {
    pub(super) fn new(connector: Arc<Connector>, timeouts: Timeouts, max_idle: usize) -> Arc<Self> {
        Arc::new(Self {
            connector,
            timeouts,
            max_idle,
            idle: Mutex::new(Vec::new()),
            shared: Shared::default(),
            active: AtomicUsize::new(0),
            connecting: AtomicUsize::new(0),
        })
    }

    /// Idle connections and exchanges under way.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.lock().len() + self.shared.idle(), self.active.load(Ordering::Relaxed))
    }

    /// Exchanges under way, and requests for which a connection is being made.
    pub(super) fn load(&self) -> usize {
        self.active.load(Ordering::Relaxed).saturating_add(self.connecting.load(Ordering::Relaxed))
    }

    #[cfg(test)]
    pub(super) fn live(&self) -> usize {
        let idle = self.lock().iter().filter(|idle| !idle.connection.sender.is_closed()).count();
        idle + self.shared.idle() + self.active.load(Ordering::Relaxed)
    }

    /// A connection that is ready for a request; with `alone`, one of HTTP/1.1.
    pub(super) async fn ready(self: &Arc<Self>, alone: bool) -> Option<Lease> {
        if let (false, Some((sender, place))) = (alone, self.shared.find()) {
            return Some(self.lease(Leased::Shared { sender, _place: place }));
        }
        loop {
            let Idle { mut connection, since } = self.lock().pop()?;
            if since.elapsed() >= self.timeouts.idle || connection.sender.is_closed() {
                connection.driver.abort();
                continue;
            }
            // Both bodies were at their end, so the driver has only to notice it.
            let ready = connection.sender.is_ready()
                || matches!(tokio::time::timeout(NOTICE, connection.sender.ready()).await, Ok(Ok(())));
            if ready {
                return Some(self.lease(Leased::Alone(connection)));
            }
            connection.driver.abort();
        }
    }

    /// A new connection; with `alone`, one of HTTP/1.1. While one of HTTP/2 is being made, others wait for it.
    pub(super) async fn connect(self: &Arc<Self>, alone: bool) -> Result<Lease, ConnectError> {
        let _connecting = Connecting::on(&self.connecting);
        let connecting = async {
            let turn = match self.shared.is_in_use(self.connector.address()) && !alone {
                true => Some(self.shared.turn().await),
                false => None,
            };
            if let (true, Some((sender, place))) = (turn.is_some(), self.shared.find()) {
                return Ok(Leased::Shared { sender, _place: place });
            }
            let (socket, is_http2) = self.connector.connect(alone).await?;
            match is_http2 {
                true => self
                    .shared
                    .add(socket)
                    .await
                    .map(|(sender, place)| Leased::Shared { sender, _place: place }),
                false => alone_over(socket).await.map(Leased::Alone),
            }
            .map_err(ConnectError::Handshake)
        };
        let leased = tokio::time::timeout(self.timeouts.connect, connecting)
            .await
            .map_err(|_| ConnectError::Timeout)??;
        Ok(self.lease(leased))
    }

    /// Ends connections that were idle too long or were closed, until the pool is gone.
    pub(super) async fn sweep(pool: Weak<Self>, every: Duration) {
        let mut ticks = tokio::time::interval(every.max(Duration::from_millis(100)));
        loop {
            ticks.tick().await;
            let Some(pool) = pool.upgrade() else { return };
            let limit = pool.timeouts.idle;
            pool.lock().retain(|Idle { connection, since }| {
                let keep = since.elapsed() < limit && !connection.sender.is_closed();
                if !keep {
                    connection.driver.abort();
                }
                keep
            });
            pool.shared.sweep(limit);
        }
    }

    fn lease(self: &Arc<Self>, leased: Leased) -> Lease {
        self.active.fetch_add(1, Ordering::Relaxed);
        Lease { pool: Arc::clone(self), leased: Some(leased) }
    }

    fn take_back(&self, connection: PooledConnection) {
        let mut idle = self.lock();
        if idle.len() < self.max_idle && !connection.sender.is_closed() {
            idle.push(Idle { connection, since: Instant::now() });
        } else {
            connection.driver.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        // The vector is whole between any two statements under the lock.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for Idle { connection, .. } in self.lock().drain(..) {
            connection.driver.abort();
        }
    }
}

/// A connection that is being made.
struct Connecting<'c>(&'c AtomicUsize);

impl<'c> Connecting<'c> {
    fn on(count: &'c AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection of HTTP/1.1.
async fn alone_over(socket: Socket) -> Result<PooledConnection, hyper::Error> {
    let asking = Asking::default();
    let (sender, connection) = http1::Builder::new()
        .max_headers(MAX_FIELDS)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(Watched::new(socket, asking.clone())))
        .await?;
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            debug!(%error, "upstream connection ended");
        }
    })
    .abort_handle();
    Ok(PooledConnection { sender, asking, driver })
}

/// A connection in use, or a part of one. Dropped without [`Lease::give_back`], it ends.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Arc<Pool>,
    leased: Option<Leased>,
}

#[derive(Debug)]
enum Leased {
    Alone(PooledConnection),
    Shared { sender: http2::SendRequest<RequestBody>, _place: Place },
}

/// The sending half of a leased connection.
pub(super) enum Sender<'l> {
    Http1(&'l mut http1::SendRequest<RequestBody>),
    Http2(&'l mut http2::SendRequest<RequestBody>),
}

impl Lease {
    /// The sending half, for one request.
    pub(super) fn sender(&mut self) -> Option<Sender<'_>> {
        self.leased.as_mut().map(|leased| match leased {
            Leased::Alone(connection) => {
                connection.asking.ask();
                Sender::Http1(&mut connection.sender)
            }
            Leased::Shared { sender, .. } => Sender::Http2(sender),
        })
    }

    /// The exchange is complete: the connection may serve the next.
    pub(super) fn give_back(mut self) {
        if let Some(Leased::Alone(connection)) = self.leased.take() {
            self.pool.take_back(connection);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.active.fetch_sub(1, Ordering::Relaxed);
        if let Some(Leased::Alone(connection)) = self.leased.take() {
            connection.driver.abort();
        }
    }
}

/// How long the task of a connection may take to notice that its exchange is over.
const NOTICE: Duration = Duration::from_millis(100);
const MAX_FIELDS: usize = 200;
const MAX_HEAD: usize = 256 * 1024;
