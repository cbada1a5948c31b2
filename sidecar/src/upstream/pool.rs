//! Connections to one upstream, kept for the next request.
//!
//! Last in, first out, so that a few connections stay warm and the rest age out. A connection comes back only when
//! both bodies of its exchange are at their end; anything else ends it: an abandoned [`Lease`] aborts the task that
//! drives the connection, and with it the socket and what is left of the request body.
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

use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::AbortHandle, time::Instant};
use tracing::debug;

use super::{Address, Timeouts, body::RequestBody};

/// Idle and leased connections to one address.
#[derive(Debug)]
pub(super) struct Pool {
    address: Address,
    timeouts: Timeouts,
    max_idle: usize,
    idle: Mutex<Vec<Idle>>,
    active: AtomicUsize,
}

#[derive(Debug)]
struct Idle {
    connection: PooledConnection,
    since: Instant,
}

struct PooledConnection {
    sender: SendRequest<RequestBody>,
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
    Handshake(hyper::Error),
}

impl Pool {
    pub(super) fn new(address: Address, timeouts: Timeouts, max_idle: usize) -> Arc<Self> {
        Arc::new(Self {
            address,
            timeouts,
            max_idle,
            idle: Mutex::new(Vec::new()),
            active: AtomicUsize::new(0),
        })
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Idle connections and connections in use.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.lock().len(), self.active.load(Ordering::Relaxed))
    }

    #[cfg(test)]
    pub(super) fn live(&self) -> usize {
        let idle = self.lock().iter().filter(|idle| !idle.connection.sender.is_closed()).count();
        idle + self.active.load(Ordering::Relaxed)
    }

    /// An idle connection that is ready for a request.
    pub(super) async fn idle(self: &Arc<Self>) -> Option<Lease> {
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
                return Some(self.lease(connection));
            }
            connection.driver.abort();
        }
    }

    /// A new connection.
    pub(super) async fn connect(self: &Arc<Self>) -> Result<Lease, ConnectError> {
        let connecting = async {
            let stream = TcpStream::connect((&*self.address.host, self.address.port))
                .await
                .map_err(ConnectError::Refused)?;
            stream.set_nodelay(true).map_err(ConnectError::Refused)?;
            hyper::client::conn::http1::Builder::new()
                .max_headers(MAX_FIELDS)
                .max_header_size(MAX_HEAD)
                .max_buf_size(MAX_HEAD)
                .handshake(TokioIo::new(stream))
                .await
                .map_err(ConnectError::Handshake)
        };
        let (sender, connection) = tokio::time::timeout(self.timeouts.connect, connecting)
            .await
            .map_err(|_| ConnectError::Timeout)??;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                debug!(%error, "upstream connection ended");
            }
        })
        .abort_handle();
        Ok(self.lease(PooledConnection { sender, driver }))
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
        }
    }

    fn lease(self: &Arc<Self>, connection: PooledConnection) -> Lease {
        self.active.fetch_add(1, Ordering::Relaxed);
        Lease { pool: Arc::clone(self), connection: Some(connection) }
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

/// A connection in use. Dropped without [`Lease::give_back`], it ends.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Arc<Pool>,
    connection: Option<PooledConnection>,
}

impl Lease {
    /// The sending half.
    pub(super) fn sender(&mut self) -> Option<&mut SendRequest<RequestBody>> {
        self.connection.as_mut().map(|connection| &mut connection.sender)
    }

    /// The exchange is complete: the connection may serve the next.
    pub(super) fn give_back(mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.take_back(connection);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.active.fetch_sub(1, Ordering::Relaxed);
        if let Some(connection) = self.connection.take() {
            connection.driver.abort();
        }
    }
}

/// How long the task of a connection may take to notice that its exchange is over.
const NOTICE: Duration = Duration::from_millis(100);
const MAX_FIELDS: usize = 200;
const MAX_HEAD: usize = 256 * 1024;
