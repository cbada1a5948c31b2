//! The keys of one issuer, kept fresh.
//!
//! * The set in hand is read without a lock and without waiting.
//! * One look at a time, in a task of its own: a caller that goes away does not stop it, and any number of callers share
//!   its result. Callers cause one only every few seconds, however many tokens name keys that do not exist (`flight`).
//! * A failure leaves the last good set in place; when that has not been renewed for the stale limit, it is gone.
//! * An issuer that publishes a set in which nothing can be used has withdrawn its keys, or is broken; nobody can tell at
//!   once. The keys in hand are used for some minutes more, and then the issuer's word holds. If it publishes the private
//!   part of one of them, they are gone at once.
//! * The same text is the same set: its generation, which caches are bound to, changes only when the keys do.

mod in_hand;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use orgate_verify::{BoxFuture, KeySet, KeySource, KeySourceError, KeySourceStatus};
use tokio::{sync::watch, time::Instant};
use tracing::{debug, info, warn};

use self::in_hand::{Counts, Loaded, count};
use crate::{
    RemoteError,
    error::Fault,
    fetch::{Ask, Fetched, Origin},
    flight::{Flight, MAX_WAITING, Outcome, Running, Sought, WaitingRoom},
    http::HttpClient,
    schedule,
    settings::KeySettings,
    snapshot::Snapshot,
};

/// The keys of one issuer, fetched and renewed. See the [crate] for how.
#[derive(Debug)]
pub struct RemoteKeys {
    /// What it was made of, so that it can be kept when the same is asked for again.
    settings: KeySettings,
    origin: Origin,
    current: ArcSwapOption<Loaded>,
    flight: Mutex<Flight>,
    waiting: WaitingRoom,
    counts: Counts,
    snapshot: Option<Snapshot>,
    /// Tells whether a set was ever loaded; its end ends the background task.
    loaded: watch::Sender<bool>,
    this: Weak<Self>,
}

/// Why the issuer is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// It is time.
    Renewal,
    /// Somebody waits for a key that is not in hand.
    Caller,
}

impl RemoteKeys {
    /// The keys that `settings` describe: what a snapshot holds, if there is one that may be believed. Nothing is fetched
    /// yet: [`spawn`](Self::spawn) does that.
    ///
    /// # Errors
    /// [`RemoteError`] if the issuer or the location is no URL that keys may be fetched from.
    pub fn new(settings: KeySettings, client: HttpClient) -> Result<Arc<Self>, RemoteError> {
        let KeySettings { issuer, location, timing, snapshots } = settings.clone();
        let origin = Origin::new(issuer, location, timing, client)?;
        let snapshot = snapshots
            .filter(|_| !origin.is_file())
            .map(|folder| Snapshot::new(&folder, origin.issuer().clone(), origin.location()));
        let keys = Arc::new_cyclic(|this| Self {
            settings,
            origin,
            current: ArcSwapOption::empty(),
            flight: Mutex::default(),
            waiting: WaitingRoom::default(),
            counts: Counts::default(),
            snapshot,
            loaded: watch::Sender::new(false),
            this: Weak::clone(this),
        });
        keys.restore();
        Ok(keys)
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
                let _ = running.renew().await;
                let wait = running.next_wait();
                drop(running);
                let gone = async { while alive.changed().await.is_ok() {} };
                if tokio::time::timeout(wait, gone).await.is_ok() {
                    return;
                }
            }
        }));
    }

    /// Whether these are the keys that `settings` describe.
    #[must_use]
    pub fn are_of(&self, settings: &KeySettings) -> bool {
        self.settings == *settings
    }

    /// Takes over what `other` has in hand, if it is of the same issuer and place, so that other limits for the same keys
    /// do not mean to be without keys. The limits of `self` hold from here on.
    pub fn take_over(&self, other: &Self) {
        let same = |of: &KeySettings| (of.issuer.clone(), of.location.clone());
        let Some(loaded) = other.trusted().filter(|_| same(&self.settings) == same(&other.settings)) else {
            return;
        };
        let (at, age) = loaded.confirmed;
        let Some(left) = self.settings.timing.stale_limit.checked_sub(age) else { return };
        let trusted_until = loaded.trusted_until.min(at + left);
        self.install(Loaded { trusted_until, ..Loaded::clone(&loaded) });
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

    /// Joins the look that is under way, or starts one.
    async fn renew(&self) -> Outcome {
        let running = {
            let mut flight = self.flight();
            flight.running().or_else(|| self.start(&mut flight, Cause::Renewal))
        };
        self.result_of(running).await
    }

    /// Joins the look that is under way, or starts one if the bucket allows. A look that began before and does not bring
    /// the key is followed by one of our own: its answer may be older than the key.
    async fn look(&self, sought: Sought<'_>) -> Outcome {
        let Some(_place) = self.waiting.enter() else {
            return Err(self.origin.crowded(MAX_WAITING));
        };
        let before = self.generation();
        let interval = self.interval();
        for _ in 0..2 {
            let (running, ours) = {
                let mut flight = self.flight();
                match flight.running() {
                    Some(running) => (Some(running), false),
                    None if self.has(sought, before) => return Ok(()),
                    None if flight.take_token(sought, interval) => {
                        (self.start(&mut flight, Cause::Caller), true)
                    }
                    None => {
                        count(&self.counts.refused_looks);
                        return flight.last();
                    }
                }
            };
            self.result_of(running).await?;
            let found = self.has(sought, before);
            if found || ours {
                self.flight().looked_for(sought, found, interval);
                break;
            }
        }
        Ok(())
    }

    /// How often callers may cause a look.
    fn interval(&self) -> Duration {
        let interval = self.settings.timing.minimum_interval;
        if self.trusted().is_some() { interval } else { interval.min(schedule::WITHOUT_KEYS) }
    }

    /// Whether the set in hand has the key; if none is named, whether it is another set than `before`.
    fn has(&self, sought: Sought<'_>, before: Option<u64>) -> bool {
        match sought {
            Sought::Key(Some(kid)) => {
                self.trusted().is_some_and(|loaded| loaded.keys.kids().any(|known| known == kid))
            }
            Sought::Key(None) | Sought::Newer => self.generation() != before,
        }
    }

    fn generation(&self) -> Option<u64> {
        self.trusted().map(|loaded| loaded.keys.generation())
    }

    fn trusted(&self) -> Option<Arc<Loaded>> {
        self.current.load_full().filter(|loaded| Instant::now() < loaded.trusted_until)
    }

    fn start(&self, flight: &mut Flight, cause: Cause) -> Option<Running> {
        let this = self.this.upgrade()?;
        let (done, running) = watch::channel(None);
        flight.running = Some(running.clone());
        count(&self.counts.looks);
        drop(tokio::spawn(async move {
            let outcome = this.fetch_once(cause).await;
            this.land(&outcome);
            let fetched = outcome.is_ok();
            // Nobody may be waiting any more.
            let _ = done.send(Some(outcome));
            if fetched {
                // Nobody waits for this either.
                drop(tokio::task::spawn_blocking(move || this.keep()));
            }
        }));
        Some(running)
    }

    async fn result_of(&self, running: Option<Running>) -> Outcome {
        let broken = || self.origin.too_slow(self.settings.timing.total);
        let mut running = running.ok_or_else(broken)?;
        let outcome = running.wait_for(Option::is_some).await.map_err(|_| broken())?;
        outcome.clone().unwrap_or_else(|| Err(broken()))
    }

    async fn fetch_once(&self, cause: Cause) -> Outcome {
        let limit = self.settings.timing.total;
        let before = self.trusted();
        let asked = tokio::time::timeout(limit, self.origin.fetch(ask(cause, before.as_deref()))).await;
        let Fetched { text, place, lifetime, tag } =
            asked.unwrap_or_else(|_| Err(self.origin.too_slow(limit)))?;
        let now = Instant::now();
        let tagged_since = before.as_ref().and_then(|loaded| Some(loaded.tag.as_ref()?.1));
        let since = if text.is_none() { tagged_since.unwrap_or(now) } else { now };
        let fresh = |keys, text, skipped| Loaded {
            keys,
            text,
            skipped,
            tag: tag.map(|tag| (tag, since)),
            lifetime,
            confirmed: (now, Duration::ZERO),
            trusted_until: now + self.settings.timing.stale_limit,
        };
        let loaded = match (text, before) {
            (None, Some(known)) => {
                fresh(Arc::clone(&known.keys), known.text.clone(), Arc::clone(&known.skipped))
            }
            (Some(text), Some(known)) if known.text == text => {
                fresh(Arc::clone(&known.keys), text, Arc::clone(&known.skipped))
            }
            (text, before) => {
                let text = text.unwrap_or_default();
                let (keys, skipped) = KeySet::from_jwks(&text)
                    .map_err(|error| RemoteError::in_text(&place, Fault::Keys(error)))?;
                self.log_keys(before.as_deref(), &keys, &skipped);
                fresh(Arc::new(keys), text, skipped.into())
            }
        };
        self.install(loaded);
        Ok(())
    }

    fn install(&self, loaded: Loaded) {
        self.current.store(Some(Arc::new(loaded)));
        self.loaded.send_if_modified(|loaded| !std::mem::replace(loaded, true));
    }

    /// Keeps the outcome of a look, and logs where it changes something.
    fn land(&self, outcome: &Outcome) {
        let issuer = self.origin.issuer();
        if let Err(error) = outcome {
            count(&self.counts.failures);
            if let Some(skipped) = error.without_usable_key() {
                self.withdraw(skipped);
            }
        }
        let mut flight = self.flight();
        flight.running = None;
        match outcome {
            Ok(()) => {
                if flight.last_error.take().is_some() {
                    info!(issuer = %issuer, "the keys of `{issuer}` can be loaded again");
                }
                flight.failures = 0;
            }
            Err(error) => {
                if flight.last_error.as_ref() == Some(error) {
                    debug!(issuer = %issuer, "the keys of `{issuer}` still cannot be loaded: {error}");
                } else {
                    warn!(issuer = %issuer, "the keys of `{issuer}` cannot be loaded: {error}");
                }
                flight.failures = flight.failures.saturating_add(1);
                flight.last_error = Some(error.clone());
            }
        }
    }

    fn next_wait(&self) -> Duration {
        let failures = self.flight().failures;
        match (failures, self.trusted()) {
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
        Box::pin(async {
            match self.look(Sought::Newer).await {
                // The last good set is still in place.
                Err(_) if self.trusted().is_some() => Ok(()),
                result => result.map_err(|error| KeySourceError::new(error.to_string())),
            }
        })
    }

    fn look_for<'s>(&'s self, kid: Option<&str>) -> BoxFuture<'s, Result<(), KeySourceError>> {
        let kid = kid.map(str::to_owned);
        count(&self.counts.unknown_kids);
        Box::pin(async move {
            self.look(Sought::Key(kid.as_deref()))
                .await
                .map_err(|error| KeySourceError::new(error.to_string()))
        })
    }

    fn status(&self) -> KeySourceStatus {
        let last_error = self.flight().last_error.as_ref().map(RemoteError::to_string);
        KeySourceStatus::new(self.origin.location(), self.current().is_some(), last_error)
            .figures(self.figures())
    }

    fn retry_after(&self) -> Option<Duration> {
        self.flight().empty_for(self.interval())
    }
}

/// How the set is asked for. For a caller that waits, what caches on the way hold is of no use; otherwise it is enough to
/// hear that nothing has changed, but not for ever: an answer that is wrong about that would keep withdrawn keys alive.
fn ask(cause: Cause, before: Option<&Loaded>) -> Ask {
    match (cause, before.and_then(|loaded| loaded.tag.as_ref())) {
        (Cause::Caller, _) => Ask::Fresh,
        (Cause::Renewal, Some((tag, since))) if since.elapsed() < TAG_LIFETIME => Ask::Changed(tag.clone()),
        (Cause::Renewal, _) => Ask::Whole,
    }
}

/// How long it is enough to hear that nothing has changed.
const TAG_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::fetch::Tag;

    #[tokio::test(start_paused = true)]
    async fn that_nothing_has_changed_is_believed_for_a_day() {
        let now = Instant::now();
        let loaded = Loaded {
            keys: Arc::new(KeySet::empty()),
            text: Bytes::new(),
            skipped: Arc::new([]),
            tag: Some((Tag::of("\"1\"", "https://issuer.example/jwks"), now)),
            lifetime: Duration::ZERO,
            confirmed: (now, Duration::ZERO),
            trusted_until: now,
        };
        assert!(matches!(ask(Cause::Renewal, None), Ask::Whole));
        assert!(matches!(ask(Cause::Renewal, Some(&loaded)), Ask::Changed(_)));
        assert!(matches!(ask(Cause::Caller, Some(&loaded)), Ask::Fresh));
        tokio::time::advance(Duration::from_secs(24 * 60 * 60)).await;
        assert!(matches!(ask(Cause::Renewal, Some(&loaded)), Ask::Whole));
    }
}
