//! The application behind the gate, as the sidecar reaches it.
//!
//! [`Upstream::forward`] is the only way to it, and it takes an [`Outbound`], which only a permit of the gate makes.
//! Which application a request is for, where there are several, its host and its path say ([`Upstreams`]). Each has one address
//! or more (`member`), of which the one that has least to do gets the request (`health` says which are asked at all).
//! An address is reached over TCP, with TLS or without, or over a Unix-domain socket, and speaks HTTP/1.1 or HTTP/2; what that
//! changes stands in `connect` and `versions`.

mod address;
mod body;
mod check;
mod connect;
mod error;
mod forward;
mod heads;
mod health;
mod hop_by_hop;
mod member;
mod origin;
mod place;
mod pool;
#[cfg(feature = "otel")]
mod post;
mod routes;
mod shared;
mod tls;
mod upgrade;
mod versions;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

pub(crate) use self::hop_by_hop::not_of_the_client;
pub use self::{
    address::InvalidUpstream,
    body::{ResponseBody, UpstreamGone},
    check::Checks,
    error::UpstreamError,
    forward::{ClientBody, Outbound},
    health::Ejection,
    place::{InvalidPlace, Place},
    routes::{InvalidRoutes, Upstreams},
    tls::{UpstreamTls, UpstreamTlsFiles},
};
use self::{health::Admitted, member::Member};

/// How long to wait for an upstream.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For the head of the response, counted from the last progress in sending the request.
    pub first_byte: Duration,
    /// For the next part of a body, in each direction.
    pub body_idle: Duration,
    /// How long an unused connection is kept. Must be below the upstream's own, or requests meet closing connections.
    pub idle: Duration,
    /// How long a connection that was switched to another protocol may be silent.
    pub tunnel_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(60),
            body_idle: Duration::from_secs(60),
            idle: Duration::from_secs(30),
            tunnel_idle: Duration::from_secs(60 * 60),
        }
    }
}

/// How an upstream is reached and what it is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UpstreamSettings {
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Idle connections kept.
    pub max_idle: usize,
    /// The threads that serve connections, each of which has its own connections; none where one runtime serves all.
    pub workers: usize,
    /// Which `Host` the upstream sees.
    pub host: HostHeader,
    /// Who is believed over TLS; the authorities of the system where there is none.
    pub tls: Option<UpstreamTls>,
    /// When one of several addresses is left alone because of what happened to requests.
    pub ejection: Ejection,
    /// What is asked of each address beside all requests.
    pub checks: Option<Checks>,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            max_idle: 256,
            workers: 0,
            host: HostHeader::Preserve,
            tls: None,
            ejection: Ejection::default(),
            checks: None,
        }
    }
}

/// Which `Host` the upstream sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostHeader {
    /// The client's, which the gate has judged.
    #[default]
    Preserve,
    /// The upstream's own address.
    Upstream,
}

/// One application behind the gate.
#[derive(Debug)]
pub struct Upstream {
    members: Box<[Member]>,
    settings: UpstreamSettings,
    /// Where the search for an address begins, so that those that are equal take turns.
    turn: AtomicUsize,
    /// Requests that were given to another address.
    retries: AtomicU64,
}

/// Whether `url` can be an address of an application.
///
/// # Errors
/// [`InvalidUpstream`], which says why not.
pub fn check_url(url: &str) -> Result<(), InvalidUpstream> {
    address::Address::parse(url).map(|_| ())
}

/// How one address of an application is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figures {
    /// The address, as it was given.
    pub url: Box<str>,
    /// Whether nothing speaks against it.
    pub is_good: bool,
    /// Requests that it works on.
    pub active: usize,
    /// How often it was left alone because of what happened to requests.
    pub ejections: u64,
}

impl Upstream {
    /// The application at `url`: `http://host:port`, `https://host:port`, `h2c://host:port` or `unix:/path`. Nothing is
    /// connected yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`InvalidUpstream`] if the URL has another scheme, or more than a place, or if nobody can be believed over TLS.
    pub fn new(url: &str, settings: UpstreamSettings) -> Result<Arc<Self>, InvalidUpstream> {
        Self::at(&[url], settings)
    }

    /// The same application at several addresses, each of which can answer every request.
    ///
    /// # Errors
    /// As [`Upstream::new`]; also if there are none, too many, or two that are the same.
    pub fn at(urls: &[&str], settings: UpstreamSettings) -> Result<Arc<Self>, InvalidUpstream> {
        let (Some(first), 1..=MOST_ADDRESSES) = (urls.first(), urls.len()) else {
            return Err(InvalidUpstream::new(
                urls.first().copied().unwrap_or_default(),
                "there must be one address, and at most 64",
            ));
        };
        let mut members = Vec::with_capacity(urls.len());
        for (number, url) in urls.iter().enumerate() {
            if urls.iter().take(number).any(|other| other == url) {
                return Err(InvalidUpstream::new(url, "it is given twice for one place"));
            }
            members.push(Member::new(url, &settings, urls.len() == 1)?);
        }
        // Their certificates and names may differ, what is spoken may not: it decides which requests can be switched.
        let speaks = |member: &Member| member.connector().speaks_http1();
        if members.iter().any(|member| speaks(member) != members.first().is_some_and(speaks)) {
            return Err(InvalidUpstream::new(first, "of addresses for one place all or none are `h2c:`"));
        }
        let (turn, retries) = (AtomicUsize::new(0), AtomicU64::new(0));
        let upstream = Arc::new(Self { members: members.into(), settings, turn, retries });
        check::begin(&upstream);
        Ok(upstream)
    }

    /// Idle connections and connections in use.
    #[must_use]
    pub fn connections(&self) -> (usize, usize) {
        self.members.iter().map(|member| member.counts()).fold((0, 0), |(idle, active), counts| {
            (idle.saturating_add(counts.0), active.saturating_add(counts.1))
        })
    }

    /// Connections that are open, idle ones whose end was not noticed yet not counted.
    #[cfg(test)]
    pub(crate) fn live_connections(&self) -> usize {
        self.members.iter().map(|member| member.live()).sum()
    }

    fn tls(&self) -> Option<&UpstreamTls> {
        self.settings.tls.as_ref()
    }

    /// The addresses of which not only this machine can be meant.
    pub fn remote(&self) -> impl Iterator<Item = &str> {
        let is_remote = |member: &&Member| !member.connector().address().is_loopback();
        self.members.iter().filter(is_remote).map(|member| &*member.url)
    }

    /// How its addresses are doing.
    pub fn figures(&self) -> impl Iterator<Item = Figures> {
        self.members.iter().map(|member| Figures {
            url: member.url.clone(),
            is_good: member.health.is_good(),
            active: member.load(),
            ejections: member.health.ejections(),
        })
    }

    /// Requests that were given to another address, since the start.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Whether its addresses can be asked to switch protocols.
    fn speaks_http1(&self) -> bool {
        self.members.first().is_some_and(|member| member.connector().speaks_http1())
    }

    /// The address that has least to do, of those that may be asked and were not `tried`.
    fn pick(&self, tried: &mut Tried) -> Option<(&Member, Admitted)> {
        if let [only] = &*self.members {
            let is_new = tried.add(0);
            return only.health.admit().filter(|_| is_new).map(|admitted| (only, admitted));
        }
        let count = self.members.len();
        loop {
            let begin = self.turn.fetch_add(1, Ordering::Relaxed) % count;
            let all = self.members.iter().enumerate();
            let in_turn = all.clone().skip(begin).chain(all.take(begin));
            let (number, member) = in_turn
                .filter(|(number, member)| !tried.has(*number) && member.health.may_serve())
                .min_by_key(|(_, member)| member.load())?;
            tried.add(number);
            // Somebody else may have begun the trial meanwhile.
            if let Some(admitted) = member.health.admit() {
                return Some((member, admitted));
            }
        }
    }
}

/// The addresses that a request was given to.
#[derive(Clone, Copy, Debug, Default)]
struct Tried(u64);

impl Tried {
    fn has(self, number: usize) -> bool {
        self.0 & bit(number) != 0
    }

    /// Whether it is new.
    fn add(&mut self, number: usize) -> bool {
        let is_new = !self.has(number);
        self.0 |= bit(number);
        is_new
    }

    fn count(self) -> u32 {
        self.0.count_ones()
    }
}

fn bit(number: usize) -> u64 {
    u32::try_from(number).ok().and_then(|number| 1_u64.checked_shl(number)).unwrap_or(0)
}

/// As many as there are bits in [`Tried`].
const MOST_ADDRESSES: usize = 64;
