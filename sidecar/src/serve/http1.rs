//! HTTP/1.1 (RFC 9112).

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tracing::debug;

use super::{
    Connection, Defect, Handler, Limits, Shutdown,
    framing::Scanner,
    preface::Early,
    socket::Socket,
    wire::{Follow, Wire},
};

/// Serves a connection until it ends.
pub(super) async fn serve<H: Handler>(
    connection: Connection,
    (socket, early): (Socket, Early),
    handler: H,
    limits: Arc<Limits>,
    shutdown: Shutdown,
) {
    let first_defect = Arc::new(FirstDefect::default());
    let heads = Heads { scanner: Scanner::new(), first_defect: Arc::clone(&first_defect) };
    let wire = Wire::new(socket, early, heads, &limits);
    let messages = AtomicU64::new(0);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let message = messages.fetch_add(1, Ordering::Relaxed);
        let answer = match first_defect.of(message) {
            None => Ok(handler.handle(request, connection)),
            Some(defect) => Err(handler.refuse(defect, connection)),
        };
        async move {
            match answer {
                Ok(answer) => Ok::<_, Infallible>(answer.await),
                Err(refusal) => Ok(refusal),
            }
        }
    });

    let mut served = pin!(
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
        ended = served.as_mut() => ended,
        () = shutdown.draining() => {
            served.as_mut().graceful_shutdown();
            served.as_mut().await
        }
    };
    if let Err(error) = ended {
        debug!(listener = connection.listener, %error, "connection ended");
    }
}

/// The first message of a connection that has two readings; shared with the service of that connection.
#[derive(Debug, Default)]
struct FirstDefect(AtomicU64);

impl FirstDefect {
    /// The defect of message number `message`. Messages after a defect have it as well: their place is not known.
    fn of(&self, message: u64) -> Option<Defect> {
        // The socket and the service of a connection live in one task; the atomic only satisfies the type system.
        let (at, defect) = Defect::unpack(self.0.load(Ordering::Relaxed))?;
        (at <= message).then_some(defect)
    }

    fn set(&self, message: u64, defect: Defect) {
        self.0.store(defect.pack(message), Ordering::Relaxed);
    }
}

/// The heads of a connection.
#[derive(Debug)]
struct Heads {
    scanner: Scanner,
    first_defect: Arc<FirstDefect>,
}

impl Follow for Heads {
    fn feed(&mut self, bytes: &[u8]) {
        let known = self.scanner.defect().is_some();
        self.scanner.feed(bytes);
        if let (false, Some((message, defect))) = (known, self.scanner.defect()) {
            self.first_defect.set(message, defect);
        }
    }

    fn awaits_head(&self) -> bool {
        self.scanner.awaits_head()
    }

    fn inside_body(&self) -> bool {
        self.scanner.inside_body()
    }
}

/// Room for the largest head, and what streaming needs.
const MIN_BUFFER: usize = 64 * 1024;
