//! The accept loop that every listener runs: proxy, admin, issuer, applications of the demo.
//!
//! Our own, because the one of axum sets no timer on hyper, and without a timer its header timeout is inert. It holds:
//! heads of at most 64 KiB and 100 fields; a head in time; a bound on connections; messages with two readings refused
//! (see [`Defect`]); accept errors wait and go on; a shutdown that finishes what it began.
//!
//! HTTP/1.1, and HTTP/2 where a listener has limits for it, each in cleartext or over TLS.

mod announced;
mod connection;
mod crowd;
mod descriptors;
mod framing;
mod handler;
mod http1;
mod http2;
mod listener;
mod preface;
mod shutdown;
pub mod tls;
mod tunnel;
mod wire;
mod workers;

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::JoinSet};
use tracing::{debug, info, warn};

use self::crowd::Crowd;
pub(crate) use self::tunnel::REVIEW;
pub use self::{
    connection::Connection,
    framing::Defect,
    handler::{Handler, Routed, RoutedBody},
    http2::Http2Limits,
    listener::{BindError, Listener},
    shutdown::Shutdown,
    tls::Tls,
    tunnel::{CanSwitch, Switched, Tunnel},
    workers::Workers,
};
pub(crate) use self::{framing::decimal, handler::refusal, workers::current as current_worker};

/// What one listener allows its clients.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Connections at a time; more wait in the operating system's queue.
    pub connections: usize,
    /// Connections of one peer at a time; more are closed.
    pub per_peer: Option<usize>,
    /// From the first byte of a head to its last.
    pub header: Duration,
    /// How long a connection may be idle between two requests.
    pub idle: Duration,
    /// How long a client may take none of an answer.
    pub stall: Duration,
    /// How long a shutdown waits for exchanges under way.
    pub drain: Duration,
    /// Fields in a head.
    pub header_fields: usize,
    /// Bytes of a head.
    pub header_bytes: usize,
    /// HTTP/2, where it is served.
    pub http2: Option<Http2Limits>,
}

/// What the connections of a listener have in common.
#[derive(Clone, Debug)]
struct Shared {
    limits: Arc<Limits>,
    /// The streams of HTTP/2 that may be served at a time.
    exchanges: Arc<Semaphore>,
    /// The peers, where their connections are counted.
    crowd: Option<Crowd>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            per_peer: None,
            header: Duration::from_secs(10),
            // Above the 60 seconds of common load balancers, which must be the ones to close.
            idle: Duration::from_secs(75),
            stall: Duration::from_secs(60),
            drain: Duration::from_secs(30),
            header_fields: 100,
            header_bytes: 64 * 1024,
            http2: None,
        }
    }
}

/// Serves `listener` until `shutdown`: then stops accepting, closes idle connections, lets exchanges under way finish
/// for at most [`Limits::drain`], and aborts what is left. Returns when no connection is left.
pub async fn serve<H: Handler>(listener: Listener, handler: H, limits: Limits, shutdown: Shutdown) {
    let exchanges = Arc::new(Semaphore::new(limits.http2.map_or(0, |http2| http2.exchanges)));
    let crowd = limits.per_peer.map(Crowd::of);
    let shared = Shared { limits: Arc::new(limits), exchanges, crowd };
    let limits = &shared.limits;
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    let mut trouble = Backoff::default();
    let workers = listener.workers().cloned();

    loop {
        // A slot first: a connection that cannot be served is better left where the peer sees it as not accepted.
        let slot = tokio::select! {
            biased;
            () = shutdown.draining() => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let Ok(slot) = slot else { break };
        let accepted = tokio::select! {
            biased;
            () = shutdown.draining() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                trouble = Backoff::default();
                let connection = Connection::new(&listener, peer);
                let served = connection.run(
                    (stream, listener.tls().cloned(), listener.peers().clone()),
                    handler.clone(),
                    shared.clone(),
                    shutdown.clone(),
                );
                match workers.as_deref().and_then(Workers::next) {
                    Some((runtime, place)) => connections.spawn_on(hold(served, (slot, place)), runtime),
                    None => connections.spawn(hold(served, slot)),
                };
            }
            Err(error) if is_of_one_peer(&error) => {
                debug!(%error, "a connection ended before it was accepted")
            }
            Err(error) => trouble.wait(listener.name(), &error, &shutdown).await,
        }
        while connections.try_join_next().is_some() {}
    }

    let name = listener.name();
    // Close the socket before waiting, so that new clients are refused and not left hanging.
    drop(listener);
    if connections.is_empty() {
        return;
    }
    info!(listener = name, connections = connections.len(), "draining");
    let all_done = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        () = all_done => {}
        () = tokio::time::sleep(limits.drain) => warn!(listener = name, "exchanges were cut off at the end of the drain time"),
        () = shutdown.aborting() => {}
    }
    connections.shutdown().await;
}

/// Runs a task that holds something as long as it runs.
async fn hold<T>(task: impl Future<Output = ()>, held: T) {
    task.await;
    drop(held);
}

/// Errors of `accept` that speak of the connection and not of us.
fn is_of_one_peer(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}

/// Waits when the process is out of descriptors or memory: the pending connection stays pending, so a loop without a
/// pause would take a whole core and help nobody.
#[derive(Debug, Default)]
struct Backoff {
    failures: u32,
}

impl Backoff {
    async fn wait(&mut self, listener: &'static str, error: &std::io::Error, shutdown: &Shutdown) {
        if self.failures.is_multiple_of(32) {
            warn!(listener, %error, "cannot accept connections; trying again");
        }
        let pause = Duration::from_millis(10 << self.failures.min(6));
        self.failures = self.failures.saturating_add(1);
        tokio::select! {
            () = shutdown.draining() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
