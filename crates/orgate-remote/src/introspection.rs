//! Asking an issuer about a token (RFC 7662): whether one still stands, and what an opaque one says.
//!
//! No answer is kept here: whoever asks wants to know how it is now, and knows how long that is ([`Introspection::answers_last`]).
//! An answer that does not say `"active": true` or
//! `"active": false` is no answer, so that a wrong address cannot let a revoked token in.
//!
//! Opaque tokens are asked about before anything is known of them, so anybody can cause a question. One token is asked about
//! once at a time; questions about tokens that were never good come out of a bucket, and those about tokens that were are
//! asked beside it, so that a flood of made-up ones keeps nobody out whom the issuer knows.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use form_urlencoded::{Serializer, byte_serialize};
use http::{HeaderValue, Request, header};
use http_body_util::Full;
use serde::Deserialize;
use tokio::{sync::watch, time::Instant};
use tracing::{debug, info, warn};

use crate::{RemoteError, address::Address, error::Fault, http::HttpClient};

/// The introspection endpoint of one issuer, and who we are there.
pub struct Introspection {
    address: Address,
    authorization: HeaderValue,
    client: HttpClient,
    lasting: Duration,
    bounds: Bounds,
    state: Mutex<State>,
    counts: Counts,
}

/// What can be counted of the questions about tokens, since the policy was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntrospectionFigures {
    /// Questions that the issuer was asked.
    pub asked: u64,
    /// Those of them that it did not answer, in time and in the form of RFC 7662.
    pub failures: u64,
    /// Requests for which it was not asked, because that would have been too much.
    pub throttled: u64,
    /// Requests that waited for the answer to somebody else's question.
    pub shared: u64,
    /// Requests for which it was not asked, because what it said before is used again.
    pub reused: u64,
}

#[derive(Default)]
struct Counts {
    asked: AtomicU64,
    failures: AtomicU64,
    throttled: AtomicU64,
    shared: AtomicU64,
    reused: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// How much an issuer is asked about opaque tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Questions about tokens that were never good: so many a second, 100.
    pub per_second: u32,
    /// And so many at once after a while without any, 200.
    pub burst: u32,
    /// Questions that are under way at the same time, 512; at most a quarter of them about tokens that were never good.
    pub at_once: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { per_second: 100, burst: 200, at_once: 512 }
    }
}

/// Nothing was heard of a token, which may well be good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// When it is worth while to try again.
    pub retry_after: Duration,
}

type Outcome = Option<Result<Bytes, RemoteError>>;

#[derive(Default)]
struct State {
    /// By the very token, under a hash with a key of this process.
    flights: HashMap<Box<str>, watch::Receiver<Outcome>>,
    strangers: usize,
    bucket: Option<(Instant, f64)>,
    failing: bool,
}

/// What is read of an answer. A member named twice is refused.
#[derive(Deserialize)]
struct Answer {
    active: bool,
}

/// The largest answer about one token.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// When to come back if the issuer could not be asked.
const PAUSE: Duration = Duration::from_secs(5);

impl Introspection {
    /// The endpoint at `url`, which knows us as `client_id` with `secret` (RFC 6749 §2.3.1, HTTP Basic).
    ///
    /// # Errors
    /// [`RemoteError`] if `url` is not https and not on this machine.
    pub fn new(url: &str, client_id: &str, secret: &str, client: HttpClient) -> Result<Self, RemoteError> {
        let address = Address::of_endpoint(url)?;
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = STANDARD.encode(format!("{}:{}", encode(client_id), encode(secret)));
        let mut authorization = HeaderValue::try_from(format!("Basic {pair}"))
            .map_err(|_| RemoteError::at(&address, Fault::NotAUrl))?;
        authorization.set_sensitive(true);
        let (lasting, bounds) = (Duration::ZERO, Bounds::default());
        let (state, counts) = (Mutex::default(), Counts::default());
        Ok(Self { address, authorization, client, lasting, bounds, state, counts })
    }

    /// The same, whose word that a token stands may be used again for `time`. By default it is not.
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        self.lasting = time;
        self
    }

    /// The same, asked about opaque tokens within other bounds.
    #[must_use]
    pub fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// How long its word that a token stands may be used again.
    #[must_use]
    pub fn answers_last(&self) -> Duration {
        self.lasting
    }

    /// Counts a request for which what was said before is used again. Whoever keeps answers says so.
    pub fn note_reused(&self) {
        count(&self.counts.reused);
    }

    /// What was counted.
    #[must_use]
    pub fn figures(&self) -> IntrospectionFigures {
        let Counts { asked, failures, throttled, shared, reused } = &self.counts;
        let [asked, failures, throttled, shared, reused] =
            [asked, failures, throttled, shared, reused].map(|counter| counter.load(Ordering::Relaxed));
        IntrospectionFigures { asked, failures, throttled, shared, reused }
    }

    /// Whether the issuer says that `token` stands.
    ///
    /// # Errors
    /// [`RemoteError`] if it does not say, in time and in the form of RFC 7662 §2.2.
    pub async fn is_active(&self, token: &str) -> Result<bool, RemoteError> {
        self.fetch(token).await.map(|(active, _)| active)
    }

    /// What the issuer says of the opaque `token`: a JSON object with `active`. Whoever asks about the same token meanwhile
    /// hears the same. `familiar` is a token that this issuer said is good, not long ago.
    ///
    /// # Errors
    /// [`Unanswered`] if it says nothing, in time and in the form of RFC 7662 §2.2, or is not to be asked now.
    pub async fn ask(self: &Arc<Self>, token: &str, familiar: bool) -> Result<Bytes, Unanswered> {
        let mut running = self.start(token, familiar)?;
        // The sender is gone without an answer only if its task was stopped from outside.
        let outcome = running.wait_for(Option::is_some).await;
        match outcome.as_deref() {
            Ok(Some(Ok(answer))) => Ok(answer.clone()),
            _ => Err(Unanswered { retry_after: PAUSE }),
        }
    }

    fn start(self: &Arc<Self>, token: &str, familiar: bool) -> Result<watch::Receiver<Outcome>, Unanswered> {
        let mut state = self.state();
        if let Some(running) = state.flights.get(token).filter(|running| running.has_changed().is_ok()) {
            count(&self.counts.shared);
            return Ok(running.clone());
        }
        let Bounds { at_once, .. } = self.bounds;
        let crowded = state.flights.len() >= at_once || !familiar && state.strangers >= at_once.div_ceil(4);
        if crowded {
            count(&self.counts.throttled);
            return Err(Unanswered { retry_after: Duration::from_secs(1) });
        }
        if !familiar {
            state.take(self.bounds, Instant::now()).inspect_err(|_| count(&self.counts.throttled))?;
            state.strangers += 1;
        }
        let (done, running) = watch::channel(None);
        state.flights.insert(token.into(), running.clone());
        drop(state);
        let landing = Landing { of: Arc::clone(self), token: token.into(), familiar };
        drop(tokio::spawn(async move {
            let outcome = landing.of.fetch(&landing.token).await.map(|(_, answer)| answer);
            landing.of.note(outcome.as_ref().err());
            drop(landing);
            // Nobody may be waiting any more.
            let _ = done.send(Some(outcome));
        }));
        Ok(running)
    }

    /// Logs where something changes: a flood of questions must not become a flood of lines.
    fn note(&self, error: Option<&RemoteError>) {
        let failed = std::mem::replace(&mut self.state().failing, error.is_some());
        match (failed, error) {
            (false, Some(error)) => warn!(%error, "opaque tokens cannot be asked about"),
            (true, Some(error)) => debug!(%error, "opaque tokens still cannot be asked about"),
            (true, None) => info!(endpoint = %self.address, "opaque tokens can be asked about again"),
            (false, None) => {}
        }
    }

    async fn fetch(&self, token: &str) -> Result<(bool, Bytes), RemoteError> {
        count(&self.counts.asked);
        self.question(token).await.inspect_err(|_| count(&self.counts.failures))
    }

    async fn question(&self, token: &str) -> Result<(bool, Bytes), RemoteError> {
        let form = Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("token_type_hint", "access_token")
            .finish();
        let request = Request::post(self.address.uri().clone())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::AUTHORIZATION, self.authorization.clone())
            .body(Full::new(Bytes::from(form)))
            .map_err(|_| RemoteError::at(&self.address, Fault::NotAUrl))?;
        let body = self.client.ask(&self.address, request).await?.body;
        if body.len() > MAX_ANSWER_BYTES {
            return Err(RemoteError::at(&self.address, Fault::TooLarge(MAX_ANSWER_BYTES)));
        }
        // A list is a struct to serde as well.
        let is_object = body.trim_ascii_start().first() == Some(&b'{');
        let read = serde_json::from_slice::<Answer>(&body).ok().filter(|_| is_object);
        read.map(|answer| (answer.active, body)).ok_or_else(|| {
            RemoteError::at(&self.address, Fault::NotAnAnswer("without one `active` that is true or false"))
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change to it is a single assignment, so a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes one question out of the bucket.
    fn take(&mut self, bounds: Bounds, now: Instant) -> Result<(), Unanswered> {
        let (rate, burst) = (f64::from(bounds.per_second.max(1)), f64::from(bounds.burst.max(1)));
        let (at, left) = self.bucket.unwrap_or((now, burst));
        let left = (left + now.duration_since(at).as_secs_f64() * rate).min(burst);
        if left < 1.0 {
            let retry_after = Duration::try_from_secs_f64((1.0 - left) / rate).unwrap_or(PAUSE);
            self.bucket = Some((now, left));
            return Err(Unanswered { retry_after });
        }
        self.bucket = Some((now, left - 1.0));
        Ok(())
    }
}

/// A question under way; its end makes room, however it ends.
struct Landing {
    of: Arc<Introspection>,
    token: Box<str>,
    familiar: bool,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut state = self.of.state();
        state.flights.remove(&self.token);
        state.strangers -= usize::from(!self.familiar);
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").field("address", &self.address).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_bucket_gives_so_many_questions_a_second_and_says_when_to_come_back() {
        let bounds = Bounds { per_second: 10, burst: 5, at_once: 1 };
        let mut state = State::default();
        let mut taken =
            |count: usize| (0..count).filter(|_| state.take(bounds, Instant::now()).is_ok()).count();
        assert_eq!(taken(100), 5);
        tokio::time::advance(Duration::from_millis(250)).await;
        assert_eq!(taken(100), 2);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(taken(100), 5, "what is not used is not kept");
        let wait = state.take(bounds, Instant::now()).unwrap_err().retry_after;
        assert!((Duration::from_millis(90)..=Duration::from_millis(101)).contains(&wait), "{wait:?}");
    }
}
