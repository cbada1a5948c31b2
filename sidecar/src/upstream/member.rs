//! One address of an application, and one request to it.
//!
//! A request goes out once. It goes out again only where nothing of it can have been acted on: no connection came about, a
//! pooled one turned out to be closed before a byte was written (hyper then hands the request back), or the upstream said
//! that it did not look at it (REFUSED_STREAM, or a GOAWAY that names an earlier stream; RFC 9113 §8.7) and no part of a
//! body had been asked for. A request that was begun is never sent again, whatever its method.

use std::{error::Error as _, sync::Arc};

use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;

use super::{
    HostHeader, InvalidUpstream, Timeouts, UpstreamError, UpstreamSettings,
    address::Address,
    body::{RequestBody, Sending},
    connect::Connector,
    health::Health,
    pool::{Lease, Pool, Sender},
    versions,
};
use crate::serve::current_worker;

/// One address of an application.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) url: Box<str>,
    connector: Arc<Connector>,
    /// One for each thread that serves connections, and the first for all others.
    pools: Box<[Arc<Pool>]>,
    pub(super) health: Health,
    /// The value of `Host` that names it.
    pub(super) own_host: HeaderValue,
    host: HostHeader,
    timeouts: Timeouts,
}

/// A request that was not answered.
pub(super) struct Failed {
    pub(super) error: UpstreamError,
    /// It, if nothing of it can have been acted on.
    pub(super) unsent: Option<Request<RequestBody>>,
}

impl From<UpstreamError> for Failed {
    fn from(error: UpstreamError) -> Self {
        Self { error, unsent: None }
    }
}

impl Member {
    /// The address `url`; with `alone`, the only one. Needs a tokio runtime.
    pub(super) fn new(url: &str, settings: &UpstreamSettings, alone: bool) -> Result<Self, InvalidUpstream> {
        let address = Address::parse(url)?;
        let own_host = HeaderValue::try_from(address.host())
            .map_err(|_| InvalidUpstream::new(url, "the host is not valid"))?;
        let connector = Connector::new(address, settings.tls.as_ref())
            .map_err(|problem| InvalidUpstream::new(url, problem))?;
        let timeouts = settings.timeouts;
        let connector = Arc::new(connector);
        let max_idle = settings.max_idle.div_ceil(settings.workers.max(1));
        let pools = (0..=settings.workers).map(|_| {
            let pool = Pool::new(Arc::clone(&connector), timeouts, max_idle);
            tokio::spawn(Pool::sweep(Arc::downgrade(&pool), timeouts.idle / 4));
            pool
        });
        let pools = pools.collect();
        let health = Health::new(url, (!alone).then_some(settings.ejection));
        Ok(Self { url: url.into(), connector, pools, health, own_host, host: settings.host, timeouts })
    }

    /// Exchanges that are under way, and connections that are being made for some.
    pub(super) fn load(&self) -> usize {
        self.pools.iter().fold(0, |sum, pool| sum.saturating_add(pool.load()))
    }

    /// Idle connections and exchanges under way.
    pub(super) fn counts(&self) -> (usize, usize) {
        self.pools.iter().map(|pool| pool.counts()).fold((0, 0), |(idle, active), counts| {
            (idle.saturating_add(counts.0), active.saturating_add(counts.1))
        })
    }

    #[cfg(test)]
    pub(super) fn live(&self) -> usize {
        self.pools.iter().map(|pool| pool.live()).sum()
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// The connections of this thread.
    fn pool(&self) -> Option<&Arc<Pool>> {
        self.pools.get(current_worker()).or_else(|| self.pools.first())
    }

    /// Sends a request and waits for the head of its response.
    pub(super) async fn send(
        &self,
        mut request: Request<RequestBody>,
        alone: bool,
        sending: Option<&Sending>,
    ) -> Result<(Lease, Response<Incoming>), Failed> {
        if self.host == HostHeader::Upstream {
            versions::as_http1(&mut request).ok_or(UpstreamError::Host)?;
            request.headers_mut().insert(header::HOST, self.own_host.clone());
        }
        let Some(pool) = self.pool() else { return Err(UpstreamError::Closed.into()) };
        let mut pooled = pool.ready(alone).await;
        for _ in 0..MOST_SENT {
            let lease = match pooled.take() {
                Some(lease) => lease,
                None => match pool.connect(alone).await {
                    Ok(lease) => lease,
                    Err(error) => {
                        let error = UpstreamError::from_connect(error);
                        return Err(Failed { error, unsent: Some(request) });
                    }
                },
            };
            match self.exchange(lease, request, sending).await? {
                Exchanged::Done(done) => return Ok(*done),
                Exchanged::NothingSent(unsent) => request = *unsent,
            }
        }
        Err(Failed { error: UpstreamError::Closed, unsent: Some(request) })
    }

    async fn exchange(
        &self,
        mut lease: Lease,
        mut request: Request<RequestBody>,
        sending: Option<&Sending>,
    ) -> Result<Exchanged, UpstreamError> {
        let mut copy = None;
        let answered = match lease.sender() {
            None => return Ok(Exchanged::NothingSent(Box::new(request))),
            Some(Sender::Http1(sender)) => {
                versions::as_http1(&mut request).ok_or(UpstreamError::Host)?;
                self.answered(sender.try_send_request(request), sending).await?
            }
            Some(Sender::Http2(sender)) => {
                let scheme = self.connector.scheme();
                versions::as_http2(&mut request, scheme).ok_or(UpstreamError::Host)?;
                copy = copy_of(&request);
                self.answered(sender.try_send_request(request), sending).await?
            }
        };
        match answered {
            Ok(response) => Ok(Exchanged::Done(Box::new((lease, response)))),
            Err(mut error) => {
                let was_begun = sending.is_some_and(|sending| sending.frames() > 0);
                let copy = copy.filter(|_| !was_begun && was_refused(error.error()));
                match error.take_message().or(copy) {
                    Some(unsent) => Ok(Exchanged::NothingSent(Box::new(unsent))),
                    None => Err(UpstreamError::from_exchange(error, sending)),
                }
            }
        }
    }

    /// Waits for the head of the response, at most as long as nothing moves.
    async fn answered<T>(
        &self,
        answer: impl Future<Output = T>,
        sending: Option<&Sending>,
    ) -> Result<T, UpstreamError> {
        let mut answer = std::pin::pin!(answer);
        let first_byte = self.timeouts.first_byte;
        loop {
            let frames = sending.map_or(0, Sending::frames);
            match tokio::time::timeout(first_byte, answer.as_mut()).await {
                Ok(answered) => return Ok(answered),
                // A long upload is progress, and a slow client is its own fault (see `RequestBody`).
                Err(_) if sending.is_some_and(|body| body.waits_for_client() || body.frames() != frames) => {}
                Err(_) => return Err(UpstreamError::FirstByteTimeout),
            }
        }
    }
}

enum Exchanged {
    Done(Box<(Lease, Response<Incoming>)>),
    NothingSent(Box<Request<RequestBody>>),
}

/// The same request once more, where its body is in hand: the parser keeps what it was given.
fn copy_of(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let mut copy = Request::new(request.body().again()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

/// Whether the upstream says that it did not look at the request.
fn was_refused(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    // Only streams behind the last one that it names end with its GOAWAY.
    cause.is_some_and(|cause| {
        cause.is_remote() && (cause.is_go_away() || cause.reason() == Some(h2::Reason::REFUSED_STREAM))
    })
}

/// How often one address is given a request, of which it then looks at one at most.
const MOST_SENT: usize = 2;
