//! The change feed of one issuer, followed.
//!
//! * The marks in hand are a snapshot that is read without a lock and without waiting.
//! * The feed is read as a stream of events; from a server that does not stream, by asking again and again. A connection that is
//!   silent for longer than three heartbeats is given up, and the next one is tried within a second, for as long as it takes.
//! * How old the marks are counts from the last byte of a connection that is in step: one whose first message was understood
//!   and taken. So after an outage they are old until everything that was missed is known.
//! * What cannot be understood ends the connection and leaves the marks as they are; the next one asks for all of them.
//! * It is read as long as a [`Feed`] of it lives.

mod connection;
mod events;
mod message;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use orgate_claims::{IssuerUrl, Principal};
use orgate_verify::{MarkHit, Marks};
use tokio::{sync::watch, task::AbortHandle, time::Instant};
use tracing::{info, warn};

use self::connection::Connection;
use crate::{RemoteError, address::Address, error::Fault, http::HttpClient};

/// The change feed of an issuer, on the terms of one policy. Clones, and what [`on_terms`](Self::on_terms) makes, share marks and
/// connection.
#[derive(Clone)]
pub struct Feed {
    alive: Arc<Alive>,
    terms: FeedTerms,
}

/// What happens when the feed cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeedTerms {
    /// How old the marks may become.
    pub max_stale: Duration,
    /// Whether older ones refuse every token of the issuer; otherwise tokens are believed until they end.
    pub deny: bool,
}

impl FeedTerms {
    /// Marks may become as old as `max_stale`, and then `deny` holds.
    #[must_use]
    pub fn new(max_stale: Duration, deny: bool) -> Self {
        Self { max_stale, deny }
    }
}

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedRefusal {
    /// It was revoked.
    Revoked(MarkHit),
    /// The marks are too old to tell.
    Stale,
    /// There never were any: whoever may wait can wait for them.
    NeverLoaded,
}

/// How a feed stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeedFigures {
    /// Whether marks were ever loaded.
    pub loaded: bool,
    /// Whether a connection is in step now.
    pub connected: bool,
    /// How long ago the last byte of one was received; `None` if none ever was.
    pub age: Option<Duration>,
    /// Whether that is longer than the policy allows.
    pub stale: bool,
    /// Whether tokens are refused for that.
    pub refuses: bool,
    /// How many marks are in force.
    pub marks: usize,
    /// How many connections were tried.
    pub connections: u64,
    /// How many of them ended otherwise than by our own doing.
    pub failures: u64,
    /// Where it is read.
    pub location: String,
    /// What went wrong last; `None` once it is repaired.
    pub last_error: Option<String>,
}

/// Nothing was ever heard.
const NEVER: i64 = i64::MIN;

/// Its end ends the task that reads the feed.
struct Alive {
    link: Arc<Link>,
    task: OnceLock<AbortHandle>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// What the gate and the task that reads share.
struct Link {
    issuer: IssuerUrl,
    address: Address,
    authorization: HeaderValue,
    client: HttpClient,
    current: ArcSwapOption<Loaded>,
    born: Instant,
    /// The last byte of a connection in step, in nanoseconds since it was born; before that, where it was taken over.
    heard: AtomicI64,
    connected: AtomicBool,
    /// Whether it was said that the marks are too old.
    told: AtomicBool,
    last_error: Mutex<Option<RemoteError>>,
    connections: AtomicU64,
    failures: AtomicU64,
    /// Counts the snapshots; waited for by whoever wants the first, or the next.
    changes: watch::Sender<u64>,
}

/// A snapshot, and the position behind it.
#[derive(Debug)]
struct Loaded {
    marks: Marks,
    seq: u64,
}

impl Feed {
    /// The feed of `issuer`, whose `key` is a project key with the scope `feed`. Nothing is read yet: [`spawn`](Self::spawn)
    /// does that.
    ///
    /// # Errors
    /// [`RemoteError`] if the issuer is no address that a secret may be sent to, or the key cannot be sent.
    pub fn new(
        issuer: IssuerUrl,
        key: &str,
        terms: FeedTerms,
        client: HttpClient,
    ) -> Result<Self, RemoteError> {
        let base = Address::of_endpoint(issuer.as_str())?;
        let address = base.with_path(&format!("{}/revocations", base.path()))?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {key}"))
            .map_err(|_| RemoteError::at(&address, Fault::NoKey))?;
        authorization.set_sensitive(true);
        let link = Link {
            issuer,
            address,
            authorization,
            client,
            current: ArcSwapOption::empty(),
            born: Instant::now(),
            heard: AtomicI64::new(NEVER),
            connected: AtomicBool::new(false),
            told: AtomicBool::new(false),
            last_error: Mutex::default(),
            connections: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            changes: watch::Sender::new(0),
        };
        Ok(Self { alive: Arc::new(Alive { link: Arc::new(link), task: OnceLock::new() }), terms })
    }

    /// Reads the feed from here on, in a background task that ends with the last of `self` and its clones.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn(&self) {
        let link = Arc::clone(&self.alive.link);
        self.alive.task.get_or_init(|| tokio::spawn(link.follow()).abort_handle());
    }

    /// The same feed on other terms.
    #[must_use]
    pub fn on_terms(&self, terms: FeedTerms) -> Self {
        Self { terms, ..self.clone() }
    }

    /// Whether `other` is read at the same place with the same key.
    #[must_use]
    pub fn is_the_same(&self, other: &Self) -> bool {
        let (one, other) = (self.link(), other.link());
        one.issuer == other.issuer && one.authorization == other.authorization
    }

    /// Takes over what `other` has in hand, if it is the feed of the same issuer: with another key one need not be without
    /// marks.
    pub fn take_over(&self, other: &Self) {
        let (one, other) = (self.link(), other.link());
        let Some(loaded) = other.current.load_full().filter(|_| one.issuer == other.issuer) else { return };
        let Some(heard) = other.age().and_then(|age| Instant::now().checked_sub(age)) else { return };
        one.heard_at(heard);
        one.install(loaded);
    }

    /// Whether a token of `principal` is believed, that was signed with the key `kid`. Takes no lock and waits for nothing.
    ///
    /// # Errors
    /// [`FeedRefusal`] if it is not.
    pub fn check(&self, principal: &Principal, kid: Option<&str>) -> Result<(), FeedRefusal> {
        let link = self.link();
        let loaded = link.current.load();
        let loaded = loaded.as_ref().ok_or(FeedRefusal::NeverLoaded)?;
        if self.is_stale() {
            self.tell();
            if self.terms.deny {
                return Err(FeedRefusal::Stale);
            }
        }
        loaded.marks.check(principal, kid).map_err(FeedRefusal::Revoked)
    }

    /// Waits until marks have been loaded once.
    pub async fn wait_until_loaded(&self) {
        // The sender is ours, so it cannot be gone.
        let _ = self.link().changes.subscribe().wait_for(|count| *count > 0).await;
    }

    /// Waits until marks have been loaded once, or until this time is over; says whether they were.
    pub async fn wait_at_most(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.wait_until_loaded()).await.is_ok()
    }

    /// Whether it was tried to read it, and could not be.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.link().failures.load(Ordering::Relaxed) > 0
    }

    /// How it stands.
    #[must_use]
    pub fn figures(&self) -> FeedFigures {
        let link = self.link();
        let loaded = link.current.load();
        let stale = loaded.is_some() && self.is_stale();
        FeedFigures {
            loaded: loaded.is_some(),
            connected: link.connected.load(Ordering::Relaxed),
            age: link.age(),
            stale,
            refuses: loaded.is_none() || (stale && self.terms.deny),
            marks: loaded.as_ref().map_or(0, |loaded| loaded.marks.len()),
            connections: link.connections.load(Ordering::Relaxed),
            failures: link.failures.load(Ordering::Relaxed),
            location: link.address.to_string(),
            last_error: link.last_error().as_ref().map(RemoteError::to_string),
        }
    }

    fn is_stale(&self) -> bool {
        self.link().age().is_none_or(|age| age > self.terms.max_stale)
    }

    /// Says once in an outage what becomes of the tokens.
    fn tell(&self) {
        let link = self.link();
        if link.told.load(Ordering::Relaxed) || link.told.swap(true, Ordering::Relaxed) {
            return;
        }
        let (issuer, limit) = (&link.issuer, self.terms.max_stale);
        if self.terms.deny {
            warn!(issuer = %issuer, "the change feed of `{issuer}` is older than {limit:?}: its tokens are refused until it can be read again (`on_stale: deny`)");
        } else {
            warn!(issuer = %issuer, "the change feed of `{issuer}` is older than {limit:?}: what is revoked now is believed until its token ends (`on_stale: ttl`)");
        }
    }

    fn link(&self) -> &Arc<Link> {
        &self.alive.link
    }
}

impl Link {
    fn age(&self) -> Option<Duration> {
        let heard = self.heard.load(Ordering::Acquire);
        let since = self.offset(Instant::now()).saturating_sub(heard);
        (heard != NEVER).then(|| Duration::from_nanos(u64::try_from(since).unwrap_or(0)))
    }

    /// A byte came on a connection that is in step.
    fn heard_at(&self, at: Instant) {
        self.heard.store(self.offset(at), Ordering::Release);
    }

    /// In nanoseconds since it was born, which may be before.
    fn offset(&self, at: Instant) -> i64 {
        let nanoseconds = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        match at.checked_duration_since(self.born) {
            Some(after) => nanoseconds(after),
            None => -nanoseconds(self.born.saturating_duration_since(at)),
        }
    }

    fn position(&self) -> Option<u64> {
        self.current.load().as_ref().map(|loaded| loaded.seq)
    }

    fn install(&self, loaded: Arc<Loaded>) {
        self.current.store(Some(loaded));
        self.changes.send_modify(|count| *count = count.saturating_add(1));
    }

    fn last_error(&self) -> MutexGuard<'_, Option<RemoteError>> {
        // Each change to it is a single assignment, so a panic elsewhere leaves it whole.
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the feed for as long as it takes.
    async fn follow(self: Arc<Self>) {
        let mut connection = Connection::default();
        loop {
            self.connections.fetch_add(1, Ordering::Relaxed);
            let error = connection.read(&self).await;
            self.connected.store(false, Ordering::Relaxed);
            if let Some(error) = error {
                self.note(error);
            }
            tokio::time::sleep(connection.pause()).await;
        }
    }

    /// A connection is in step.
    fn in_step(&self) {
        self.heard_at(Instant::now());
        if !self.connected.swap(true, Ordering::Relaxed) {
            let issuer = &self.issuer;
            let was_told = self.told.swap(false, Ordering::Relaxed);
            if self.last_error().take().is_some() || was_told {
                info!(issuer = %issuer, "the change feed of `{issuer}` can be read again");
            }
        }
    }

    fn note(&self, error: RemoteError) {
        let issuer = &self.issuer;
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut last = self.last_error();
        if last.as_ref() != Some(&error) {
            warn!(issuer = %issuer, "the change feed of `{issuer}` cannot be read: {error}");
            *last = Some(error);
        }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Link { issuer, address, .. } = &**self.link();
        f.debug_struct("Feed")
            .field("issuer", issuer)
            .field("address", address)
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}
