//! HTTP/2 (RFC 9113), over TLS or with prior knowledge.
//!
//! Requests become what they would be in HTTP/1.1 before a handler sees them ([`reading`]); the streams of all connections
//! share a bound, above which they wait as connections do ([`Http2Limits::exchanges`]); floods end the connection
//! ([`frames`]); a client that takes nothing loses its stream ([`stream`]); a WebSocket is a stream ([`websocket`]).

mod frames;
mod reading;
mod stream;
mod websocket;

use std::{
    convert::Infallible,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderValue, Method, header};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tracing::debug;

use self::{
    frames::Frames,
    stream::{Activity, Answer, Streams},
};
use super::{Connection, Handler, Shared, Shutdown, preface::Early, wire::Wire};
use crate::socket::Socket;

/// What a listener that serves HTTP/2 allows its clients, beside its other limits.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Http2Limits {
    /// Streams of one connection at a time.
    pub streams: u32,
    /// Streams of all connections at a time; more wait.
    pub exchanges: usize,
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self { streams: 100, exchanges: 10_000 }
    }
}

/// Serves a connection until it ends.
pub(super) async fn serve<H: Handler>(
    connection: Connection,
    (socket, early): (Socket, Early),
    handler: H,
    shared: Shared,
    shutdown: Shutdown,
) {
    let Shared { limits, exchanges, .. } = shared;
    let Some(bounds) = limits.http2 else { return };
    let wire = Wire::new(socket, early, Frames::new(Instant::now()), &limits);
    let activity = Arc::new(Activity::default());
    let streams = Arc::clone(&activity);
    let most_fields = limits.header_fields;
    let listener = connection.listener;
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut open = streams.begin();
        let is_head = request.method() == Method::HEAD;
        let read = websocket::as_upgrade(request).and_then(|(request, asked)| {
            let mut request = reading::as_http1(request, most_fields)?;
            if let Some(asked) = &asked {
                asked.ask(&mut request);
            }
            Ok((request, asked))
        });
        let (handler, exchanges) = (handler.clone(), Arc::clone(&exchanges));
        async move {
            let (mut answer, asked) = match read {
                Ok((request, asked)) => {
                    // Never closed, so that it is only waited for.
                    open.holding(exchanges.acquire_owned().await.ok());
                    (handler.handle(request, connection).await, asked)
                }
                Err(defect) => (handler.refuse(defect, connection), None),
            };
            let open = match asked {
                Some(asked) => asked.answered(&mut answer, open, listener),
                None => open,
            };
            reading::clean_answer(answer.headers_mut());
            if is_head {
                tell_length(&mut answer);
            }
            Ok::<_, Infallible>(answer.map(|body| Answer::new(body, is_head, open)))
        }
    });

    let mut served = pin!(
        http2::Builder::new(Streams { stall: limits.stall })
            .timer(TokioTimer::new())
            .max_concurrent_streams(bounds.streams)
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(MOST_RESETS)
            .max_local_error_reset_streams(MOST_ERRORS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_WAIT)
            .enable_connect_protocol()
            .serve_connection(TokioIo::new(wire), service)
    );
    let ended = tokio::select! {
        ended = served.as_mut() => Some(ended),
        () = shutdown.draining() => None,
        () = activity.ceased(limits.idle) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            served.as_mut().graceful_shutdown();
            tokio::select! {
                ended = served => ended,
                // Of the streams none is left, and the client does not go.
                () = activity.ceased(limits.header) => return,
            }
        }
    };
    if let Err(error) = ended {
        debug!(listener = connection.listener, %error, "connection ended");
    }
}

/// The length of a body that a client of HEAD does not get, where it is known; the parser tells that of HTTP/1.1 itself.
fn tell_length<B: Body>(answer: &mut hyper::Response<B>) {
    let length = answer.body().size_hint().exact().filter(|length| *length > 0);
    if let Some(length) = length
        && !answer.headers().contains_key(header::CONTENT_LENGTH)
    {
        answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// Streams that were reset before they were looked at.
const MOST_RESETS: usize = 20;
/// Streams that we reset for what is wrong with them (CVE-2025-8671).
const MOST_ERRORS: usize = 100;
/// What a client may send before it is read: of one body, and of all of a connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const SEND_BUFFER: usize = 64 * 1024;
/// A peer that is gone is noticed within the sum.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_WAIT: Duration = Duration::from_secs(20);
