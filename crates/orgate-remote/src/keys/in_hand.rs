//! The set in hand: where it comes from at the start, how it ends, and what is told and kept of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use orgate_verify::{KeyFigures, KeySet, SkipReason, SkippedKey};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::RemoteKeys;
use crate::{clock, fetch::Tag, snapshot::Restored};

/// A set in hand.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) keys: Arc<KeySet>,
    pub(super) text: Bytes,
    pub(super) skipped: Arc<[SkippedKey]>,
    /// What to ask with whether it has changed, and since when that alone was asked.
    pub(super) tag: Option<(Tag, Instant)>,
    pub(super) lifetime: Duration,
    /// When the issuer last said so: so long before this moment.
    pub(super) confirmed: (Instant, Duration),
    pub(super) trusted_until: Instant,
}

/// How often what happened.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) looks: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) unknown_kids: AtomicU64,
    pub(super) refused_looks: AtomicU64,
    pub(super) snapshot_failures: AtomicU64,
}

impl RemoteKeys {
    /// The issuer publishes a set in which nothing can be used.
    pub(super) fn withdraw(&self, skipped: &[SkippedKey]) {
        let Some(loaded) = self.trusted() else { return };
        let kids: Vec<_> = loaded.keys.kids().map(for_log).collect();
        let leaked = skipped.iter().any(|key| {
            key.reason == SkipReason::PrivateMaterial && key.kid.as_ref().is_none_or(|kid| kids.contains(kid))
        });
        let limit = if leaked { Duration::ZERO } else { self.settings.timing.withdrawal_limit };
        let trusted_until = Instant::now() + limit;
        // The first word of it counts: what is repeated does not prolong it.
        if trusted_until < loaded.trusted_until {
            let (issuer, seconds) = (self.origin.issuer(), limit.as_secs());
            warn!(issuer = %issuer, "`{issuer}` publishes no key that can be used; its keys in hand end in {seconds} s");
            self.current.store(Some(Arc::new(Loaded { trusted_until, tag: None, ..Loaded::clone(&loaded) })));
        }
        if let Some(snapshot) = &self.snapshot
            && let Err(why) = snapshot.forget()
        {
            warn!(issuer = %self.origin.issuer(), file = %snapshot.path().display(), "cannot remove a snapshot: {why}");
        }
    }

    /// Starts from what an earlier process knew.
    pub(super) fn restore(&self) {
        let Some(snapshot) = &self.snapshot else { return };
        let (issuer, limit) = (self.origin.issuer(), self.settings.timing.stale_limit);
        let found = snapshot.load(clock::now(), limit).and_then(|found| {
            let Some(Restored { text, age }) = found else { return Ok(None) };
            let (keys, skipped) = KeySet::from_jwks(&text).map_err(|error| error.to_string())?;
            Ok(Some((keys, skipped, text, age)))
        });
        match found {
            Ok(None) => {}
            Ok(Some((keys, skipped, text, age))) => {
                info!(
                    issuer = %issuer,
                    "loaded {} keys of `{issuer}` from a snapshot that is {} s old", keys.len(), age.as_secs()
                );
                let now = Instant::now();
                self.install(Loaded {
                    keys: Arc::new(keys),
                    text,
                    skipped: skipped.into(),
                    tag: None,
                    lifetime: self.settings.timing.shortest_lifetime,
                    confirmed: (now, age),
                    trusted_until: now + limit.saturating_sub(age),
                });
            }
            Err(why) => {
                let file = snapshot.path().display();
                warn!(issuer = %issuer, %file, "the snapshot of the keys of `{issuer}` is ignored: {why}");
            }
        }
    }

    /// Keeps what is in hand for the next start.
    pub(super) fn keep(&self) {
        let (Some(snapshot), Some(loaded)) = (&self.snapshot, self.trusted()) else { return };
        // What a look found wrong meanwhile is not kept.
        if loaded.confirmed.1 > Duration::ZERO || self.flight().last_error.is_some() {
            return;
        }
        if let Err(why) = snapshot.save(&loaded.text, clock::now()) {
            let (issuer, file) = (self.origin.issuer(), snapshot.path().display());
            if self.counts.snapshot_failures.fetch_add(1, Ordering::Relaxed) == 0 {
                warn!(issuer = %issuer, %file, "the keys of `{issuer}` cannot be kept on disk: {why}");
            } else {
                debug!(issuer = %issuer, %file, "the keys of `{issuer}` still cannot be kept on disk: {why}");
            }
        }
    }

    pub(super) fn log_keys(&self, before: Option<&Loaded>, keys: &KeySet, skipped: &[SkippedKey]) {
        let issuer = self.origin.issuer();
        let kids: Vec<_> = keys.kids().map(for_log).collect();
        match before {
            None => info!(issuer = %issuer, ?kids, "loaded {} keys of `{issuer}`", keys.len()),
            Some(_) => {
                info!(issuer = %issuer, ?kids, "the keys of `{issuer}` have changed, now {}", keys.len())
            }
        }
        let known = before.map(|loaded| &*loaded.skipped).unwrap_or_default();
        for key in
            skipped.iter().filter(|key| !known.iter().any(|k| (&k.kid, k.reason) == (&key.kid, key.reason)))
        {
            match key.reason {
                SkipReason::PrivateMaterial | SkipReason::RepeatedKid => {
                    warn!(issuer = %issuer, "of `{issuer}`: {key}")
                }
                _ => info!(issuer = %issuer, "of `{issuer}`: {key}"),
            }
        }
    }

    pub(super) fn figures(&self) -> KeyFigures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut figures = KeyFigures::default();
        if let Some(loaded) = self.trusted() {
            let (at, age) = loaded.confirmed;
            (figures.usable, figures.skipped) = (loaded.keys.len(), loaded.skipped.len());
            figures.age = Some(age + at.elapsed());
        }
        figures.looks = read(&self.counts.looks);
        figures.failures = read(&self.counts.failures);
        figures.unknown_kids = read(&self.counts.unknown_kids);
        figures.refused_looks = read(&self.counts.refused_looks);
        figures.snapshot_failures = read(&self.counts.snapshot_failures);
        figures
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A `kid` is the issuer's text and can hold anything; a log line cannot.
fn for_log(kid: &str) -> String {
    kid.chars().filter(char::is_ascii_graphic).take(64).collect()
}
