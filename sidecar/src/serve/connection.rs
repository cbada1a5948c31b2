//! One accepted connection and the loop of its exchanges.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tracing::debug;

use super::{
    Handler, Limits, Listener, Shutdown,
    wire::{FirstDefect, Wire},
};

/// What is known of a connection before its first byte.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Connection {
    /// The name of the listener.
    pub listener: &'static str,
    /// Our end.
    pub local: SocketAddr,
    /// The other end, as the operating system names it; never taken from a header.
    pub peer: SocketAddr,
}

impl Connection {
    pub(super) fn new(listener: &Listener, peer: SocketAddr) -> Self {
        Self { listener: listener.name(), local: listener.address(), peer }
    }

    pub(super) async fn run<H: Handler>(
        self,
        stream: TcpStream,
        handler: H,
        limits: Arc<Limits>,
        shutdown: Shutdown,
    ) {
        let first_defect = Arc::new(FirstDefect::default());
        let wire = Wire::new(stream, Arc::clone(&first_defect), limits.header, limits.stall);
        let messages = AtomicU64::new(0);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let message = messages.fetch_add(1, Ordering::Relaxed);
            let answer = match first_defect.of(message) {
                None => Ok(handler.handle(request, self)),
                Some(defect) => Err(handler.refuse(defect, self)),
            };
            async move {
                match answer {
                    Ok(answer) => Ok::<_, Infallible>(answer.await),
                    Err(refusal) => Ok(refusal),
                }
            }
        });

        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                // Counts from the end of the exchange before; the time for the head itself is kept by the wire.
                .header_read_timeout(limits.idle)
                .max_headers(limits.header_fields)
                .max_header_size(limits.header_bytes)
                .max_buf_size(limits.header_bytes.max(MIN_BUFFER))
                .half_close(false)
                .serve_connection(TokioIo::new(wire), service)
        );
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = shutdown.draining() => {
                connection.as_mut().graceful_shutdown();
                connection.as_mut().await
            }
        };
        if let Err(error) = ended {
            debug!(listener = self.listener, %error, "connection ended");
        }
    }
}

/// Room for the largest head, and what streaming needs.
const MIN_BUFFER: usize = 64 * 1024;
