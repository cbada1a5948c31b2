//! The keys of one issuer, kept fresh.
//!
//! * The set in hand is read without a lock and without waiting.
//! * One fetch at a time, in a task of its own: a caller that goes away does not stop it, and any number of callers share
//!   its result. Callers start one only every few seconds, however many tokens name keys that do not exist.
//! * A failure leaves the last good set in place; when that has not been renewed for the stale limit, it is gone.
//! * The same text is the same set: its generation, which caches are bound to, changes only when the keys do.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use orgate_claims::IssuerUrl;
use orgate_verify::{BoxFuture, KeySet, KeySource, KeySourceError, KeySourceStatus, SkipReason, SkippedKey};
use tokio::{sync::watch, time::Instant};
use tracing::{debug, info, warn};

use crate::{
    RemoteError,
    error::Fault,
    fetch::{Fetched, Origin},
    http::HttpClient,
    schedule,
    settings::{KeySettings, Location, Timing},
};

/// The keys of one issuer, fetched and renewed. See the [crate] for how.
#[derive(Debug)]
pub struct RemoteKeys {
    /// What it was made of, so that it can be kept when the same is asked for again.
    made_of: (IssuerUrl, Location),
    origin: Origin,
    timing: Timing,
    current: ArcSwapOption<Loaded>,
    flight: Mutex<Flight>,
    /// Tells whether a set was ever loaded; its end ends the background task.
    loaded: watch::Sender<bool>,
    this: Weak<Self>,
}

/// A set in hand.
#[derive(Debug)]
struct Loaded {
    keys: Arc<KeySet>,
    text: Bytes,
    lifetime: Duration,
    trusted_until: Instant,
}

/// What is known about fetching.
#[derive(Debug, Default)]
struct Flight {
    running: Option<watch::Receiver<Option<Outcome>>>,
    /// When a caller last caused a fetch.
    asked: Option<Instant>,
    last_error: Option<RemoteError>,
    failures: u32,
}

type Outcome = Result<(), RemoteError>;

impl RemoteKeys {
    /// The keys that `settings` describe. Nothing is fetched yet: [`spawn`](Self::spawn) does that.
    ///
    /// # Errors
    /// [`RemoteError`] if the issuer or the location is no URL that keys may be fetched from.
    pub fn new(settings: KeySettings, client: HttpClient) -> Result<Arc<Self>, RemoteError> {
        let KeySettings { issuer, location, timing } = settings;
        let made_of = (issuer.clone(), location.clone());
        let origin = Origin::new(issuer, location, client)?;
        Ok(Arc::new_cyclic(|this| Self {
            made_of,
            origin,
            timing,
            current: ArcSwapOption::empty(),
            flight: Mutex::default(),
            loaded: watch::Sender::new(false),
            this: Weak::clone(this),
        }))
    }

    /// Loads the keys now and renews them from here on, in a background task that ends when the last [`Arc`] is dropped.
    /// Without success it keeps trying.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn(this: &Arc<Self>) {
        let mut alive = this.loaded.subscribe();
        let keys = Arc::downgrade(this);
        drop(tokio::spawn(async move {
            loop {
                let Some(running) = keys.upgrade() else { return };
                // A failure is logged and kept where it happens.
                let _ = running.fetch_now().await;
                let wait = running.next_wait();
                drop(running);
                let gone = async { while alive.changed().await.is_ok() {} };
                if tokio::time::timeout(wait, gone).await.is_ok() {
                    return;
                }
            }
        }));
    }

    /// Whether these are the keys of `issuer` at `location`.
    #[must_use]
    pub fn are_of(&self, issuer: &IssuerUrl, location: &Location) -> bool {
        (&self.made_of.0, &self.made_of.1) == (issuer, location)
    }

    /// Waits until a set has been loaded once.
    pub async fn wait_until_loaded(&self) {
        // The sender is ours, so it cannot be gone.
        let _ = self.loaded.subscribe().wait_for(|loaded| *loaded).await;
    }

    /// Waits until a set has been loaded once, or until this time is over; says whether one was.
    pub async fn wait_at_most(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.wait_until_loaded()).await.is_ok()
    }

    /// Joins the fetch that runs, or starts one.
    async fn fetch_now(&self) -> Outcome {
        let running = {
            let mut flight = self.flight();
            self.join_or_start(&mut flight)
        };
        self.result_of(running).await
    }

    /// Joins the fetch that runs, or starts one if the last that a caller caused is long enough ago.
    async fn fetch_if_due(&self) -> Outcome {
        let loaded = self.current().is_some();
        let running = {
            let mut flight = self.flight();
            let interval = if loaded { self.timing.minimum_interval } else { schedule::FIRST_RETRY };
            if !is_running(&flight) && flight.asked.is_some_and(|at| at.elapsed() < interval) {
                return match &flight.last_error {
                    Some(error) if !loaded => Err(error.clone()),
                    _ => Ok(()),
                };
            }
            if !is_running(&flight) {
                flight.asked = Some(Instant::now());
            }
            self.join_or_start(&mut flight)
        };
        match self.result_of(running).await {
            // The last good set is still in place.
            Err(_) if self.current().is_some() => Ok(()),
            result => result,
        }
    }

    fn join_or_start(&self, flight: &mut Flight) -> Option<watch::Receiver<Option<Outcome>>> {
        if let Some(running) = flight.running.as_ref().filter(|running| running.has_changed().is_ok()) {
            return Some(running.clone());
        }
        let this = self.this.upgrade()?;
        let (done, running) = watch::channel(None);
        flight.running = Some(running.clone());
        drop(tokio::spawn(async move {
            let outcome = this.fetch_once().await;
            this.land(&outcome);
            // Nobody may be waiting any more.
            let _ = done.send(Some(outcome));
        }));
        Some(running)
    }

    async fn result_of(&self, running: Option<watch::Receiver<Option<Outcome>>>) -> Outcome {
        let broken = || self.origin.too_slow(self.timing.total);
        let mut running = running.ok_or_else(broken)?;
        let outcome = running.wait_for(Option::is_some).await.map_err(|_| broken())?;
        outcome.clone().unwrap_or_else(|| Err(broken()))
    }

    async fn fetch_once(&self) -> Outcome {
        let limit = self.timing.total;
        let fetched = tokio::time::timeout(limit, self.origin.fetch()).await;
        let Fetched { text, place, lifetime } =
            fetched.unwrap_or_else(|_| Err(self.origin.too_slow(limit)))?;
        let before = self.current.load_full();
        let keys = match &before {
            Some(loaded) if loaded.text == text => Arc::clone(&loaded.keys),
            _ => {
                let (keys, skipped) = KeySet::from_jwks(&text)
                    .map_err(|error| RemoteError::in_text(&place, Fault::Keys(error)))?;
                self.log_keys(before.as_deref(), &keys, &skipped);
                Arc::new(keys)
            }
        };
        let trusted_until = Instant::now() + self.timing.stale_limit;
        self.current.store(Some(Arc::new(Loaded { keys, text, lifetime, trusted_until })));
        Ok(())
    }

    /// Keeps the outcome of a fetch, and logs where it changes something.
    fn land(&self, outcome: &Outcome) {
        let mut flight = self.flight();
        flight.running = None;
        let issuer = self.origin.issuer();
        match outcome {
            Ok(()) => {
                if flight.last_error.take().is_some() {
                    info!(issuer = %issuer, "the keys of `{issuer}` can be loaded again");
                }
                flight.failures = 0;
                drop(flight);
                self.loaded.send_if_modified(|loaded| !std::mem::replace(loaded, true));
            }
            Err(error) => {
                if flight.last_error.is_none() {
                    warn!(issuer = %issuer, "the keys of `{issuer}` cannot be loaded: {error}");
                } else {
                    debug!(issuer = %issuer, "the keys of `{issuer}` still cannot be loaded: {error}");
                }
                flight.failures = flight.failures.saturating_add(1);
                flight.last_error = Some(error.clone());
            }
        }
    }

    fn log_keys(&self, before: Option<&Loaded>, keys: &KeySet, skipped: &[SkippedKey]) {
        let issuer = self.origin.issuer();
        let kids: Vec<_> = keys.kids().map(for_log).collect();
        match before {
            None => info!(issuer = %issuer, ?kids, "loaded {} keys of `{issuer}`", keys.len()),
            Some(_) => {
                info!(issuer = %issuer, ?kids, "the keys of `{issuer}` have changed, now {}", keys.len())
            }
        }
        for key in skipped {
            match key.reason {
                SkipReason::PrivateMaterial | SkipReason::RepeatedKid => {
                    warn!(issuer = %issuer, "of `{issuer}`: {key}")
                }
                _ => debug!(issuer = %issuer, "of `{issuer}`: {key}"),
            }
        }
    }

    fn next_wait(&self) -> Duration {
        let failures = self.flight().failures;
        match (failures, self.current.load().as_deref()) {
            (0, Some(loaded)) => schedule::after_success(loaded.lifetime),
            (_, loaded) => schedule::after_failure(failures.max(1), loaded.is_some()),
        }
    }

    fn flight(&self) -> MutexGuard<'_, Flight> {
        // Each change to it is a single assignment, so a panic elsewhere leaves it whole.
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeySource for RemoteKeys {
    fn current(&self) -> Option<Arc<KeySet>> {
        let loaded = self.current.load();
        let loaded = loaded.as_ref()?;
        (Instant::now() < loaded.trusted_until).then(|| Arc::clone(&loaded.keys))
    }

    fn refresh(&self) -> BoxFuture<'_, Result<(), KeySourceError>> {
        Box::pin(async { self.fetch_if_due().await.map_err(|error| KeySourceError::new(error.to_string())) })
    }

    fn status(&self) -> KeySourceStatus {
        let last_error = self.flight().last_error.as_ref().map(RemoteError::to_string);
        KeySourceStatus::new(self.origin.location(), self.current().is_some(), last_error)
    }
}

fn is_running(flight: &Flight) -> bool {
    // Its sender is gone without a result only if the task was stopped from outside; then it does not run.
    flight.running.as_ref().is_some_and(|running| running.has_changed().is_ok())
}

/// A `kid` is the issuer's text and can hold anything; a log line cannot.
fn for_log(kid: &str) -> String {
    kid.chars().filter(char::is_ascii_graphic).take(64).collect()
}
