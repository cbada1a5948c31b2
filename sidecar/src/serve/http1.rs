//! HTTP/1.1 (RFC 9112).

use std::{
    convert::Infallible,
    io,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use hyper::{body::Incoming, server::conn::http1, service::service_fn, upgrade::OnUpgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{io::AsyncWriteExt as _, sync::Notify};
use tracing::debug;

use super::{
    Connection, Defect, Handler, Limits, Shutdown,
    connection::FRESH,
    framing::Scanner,
    preface::Early,
    tunnel::{CanSwitch, Switched, Tunnel},
    wire::{Follow, Wire},
};
use crate::socket::Socket;

/// Serves a connection until it ends.
pub(super) async fn serve<H: Handler>(
    connection: Connection,
    (socket, early): (Socket, Early),
    handler: H,
    limits: Arc<Limits>,
    shutdown: Shutdown,
) {
    let noted = Arc::new(Noted::default());
    let heads = Heads { scanner: Scanner::new(), noted: Arc::clone(&noted) };
    let wire = Wire::new(socket, early, heads, &limits);
    let messages = AtomicU64::new(0);
    let notes = Arc::clone(&noted);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        let message = messages.fetch_add(1, Ordering::Relaxed);
        if message == 0 {
            notes.begun.notify_one();
        }
        // Nothing but a request with `Upgrade` has one.
        let upgrade =
            request.extensions_mut().remove::<OnUpgrade>().map(|client| (client, Arc::clone(&notes)));
        if upgrade.is_some() {
            request.extensions_mut().insert(CanSwitch { or_fail: false });
        }
        let answer = match notes.defect_of(message) {
            None => Ok(handler.handle(request, connection)),
            Some(defect) => Err(handler.refuse(defect, connection)),
        };
        async move {
            let mut answer = match answer {
                Ok(answer) => answer.await,
                Err(refusal) => refusal,
            };
            if let Some((client, notes)) = upgrade {
                notes.note_upgrade(Upgrade { client, tunnel: Switched::of(&mut answer) });
            }
            Ok::<_, Infallible>(answer)
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
            .with_upgrades()
    );
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = shutdown.draining() => {
            let ended = tokio::select! {
                ended = served.as_mut() => Some(ended),
                _ = tokio::time::timeout(FRESH, noted.begun.notified()) => None,
            };
            match ended {
                Some(ended) => ended,
                None => {
                    served.as_mut().graceful_shutdown();
                    served.as_mut().await
                }
            }
        }
    };
    match (ended, noted.upgrade()) {
        (Ok(()), Some(upgrade)) => {
            if let Err(error) = upgrade.follow().await {
                debug!(listener = connection.listener, %error, "a switched connection ended");
            }
        }
        (Ok(()), None) => {}
        (Err(error), _) => debug!(listener = connection.listener, %error, "connection ended"),
    }
}

/// A request that asked for another protocol, and what came of it.
#[derive(Debug)]
struct Upgrade {
    client: OnUpgrade,
    tunnel: Option<Tunnel>,
}

impl Upgrade {
    /// Carries what comes after the switch; a connection that was not switched is closed, and has been as a rule.
    async fn follow(self) -> io::Result<()> {
        // The parser gives back the connection once it has asked for it, also at the end of one that was not switched.
        let Ok(client) = self.client.await else { return Ok(()) };
        let Ok(parts) = client.downcast::<TokioIo<Wire<Socket, Heads>>>() else { return Ok(()) };
        let mut wire = parts.io.into_inner();
        match self.tunnel {
            None => wire.shutdown().await,
            // From here on no head is awaited and no line is read.
            Some(tunnel) => tunnel.run(wire.into_inner(), &parts.read_buf).await,
        }
    }
}

/// What is noted of a connection beside its requests.
#[derive(Debug, Default)]
struct Noted {
    /// The first message that has two readings; shared with the service of the connection.
    first_defect: AtomicU64,
    /// There was a first request.
    begun: Notify,
    /// The last request that asked for another protocol.
    upgrade: Mutex<Option<Upgrade>>,
}

impl Noted {
    fn note_upgrade(&self, upgrade: Upgrade) {
        *self.upgrade.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgrade);
    }

    fn upgrade(&self) -> Option<Upgrade> {
        self.upgrade.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The defect of message number `message`. Messages after a defect have it as well: their place is not known.
    fn defect_of(&self, message: u64) -> Option<Defect> {
        // The socket and the service of a connection live in one task; the atomic only satisfies the type system.
        let (at, defect) = Defect::unpack(self.first_defect.load(Ordering::Relaxed))?;
        (at <= message).then_some(defect)
    }

    fn note_defect(&self, message: u64, defect: Defect) {
        self.first_defect.store(defect.pack(message), Ordering::Relaxed);
    }
}

/// The heads of a connection.
#[derive(Debug)]
struct Heads {
    scanner: Scanner,
    noted: Arc<Noted>,
}

impl Follow for Heads {
    fn feed(&mut self, bytes: &[u8]) -> usize {
        let known = self.scanner.defect().is_some();
        let given = self.scanner.feed(bytes);
        if let (false, Some((message, defect))) = (known, self.scanner.defect()) {
            self.noted.note_defect(message, defect);
        }
        given
    }

    fn is_broken(&self) -> bool {
        self.scanner.is_broken()
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
