//! Where the keys of an issuer come from, as the verifier sees it.
//!
//! A source always answers at once with the set in hand; fetching is asked for separately, by whoever may wait.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use crate::{KeySet, jws};

/// A boxed future that may cross threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The keys of one issuer.
pub trait KeySource: fmt::Debug + Send + Sync {
    /// The set in hand; `None` if none was ever loaded, or the last one is too old to be trusted.
    fn current(&self) -> Option<Arc<KeySet>>;

    /// Looks for a newer set. `Ok` means that a set is in place afterwards, whether or not it changed; the source
    /// itself bounds the rate, the time, and runs one fetch for any number of callers.
    fn refresh(&self) -> BoxFuture<'_, Result<(), KeySourceError>>;

    /// Looks for the key that a token names by `kid`, or for any if it names none, because the set in hand lacks it.
    ///
    /// # Errors
    /// [`KeySourceError`] if the issuer could not be asked, so that nobody knows whether there is such a key. `Ok` means
    /// that the set in hand is what the issuer publishes, or published a moment ago.
    fn look_for<'s>(&'s self, kid: Option<&str>) -> BoxFuture<'s, Result<(), KeySourceError>> {
        let _ = kid;
        self.refresh()
    }

    /// For readiness and status pages.
    fn status(&self) -> KeySourceStatus;

    /// When asking for keys can bring something new again, if that is known.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// Why no keys could be had. The message names the place, what happened and what to do, and holds no key material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySourceError(Box<str>);

impl KeySourceError {
    /// With a message for people.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into().into_boxed_str())
    }
}

impl fmt::Display for KeySourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeySourceError {}

/// How a [`KeySource`] stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySourceStatus {
    /// Whether a set is in hand.
    pub loaded: bool,
    /// What went wrong last; `None` once it is repaired.
    pub last_error: Option<String>,
    /// The URL or file, for people.
    pub location: String,
    /// What can be counted of it.
    pub figures: KeyFigures,
}

/// What can be counted of a [`KeySource`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyFigures {
    /// How many keys are in hand.
    pub usable: usize,
    /// How many keys of the set in hand are not used, because something is wrong with them.
    pub skipped: usize,
    /// How long ago the issuer last said that this is its set.
    pub age: Option<Duration>,
    /// How often the issuer was asked.
    pub looks: u64,
    /// How often it did not give a set that can be used.
    pub failures: u64,
    /// How many requests named a key that is not in hand.
    pub unknown_kids: u64,
    /// For how many of them the issuer was not asked, because it was asked a moment ago.
    pub refused_looks: u64,
    /// How often the set could not be kept on disk.
    pub snapshot_failures: u64,
}

impl KeySourceStatus {
    /// The status of a source at `location`.
    #[must_use]
    pub fn new(location: impl Into<String>, loaded: bool, last_error: Option<String>) -> Self {
        Self { loaded, last_error, location: location.into(), figures: KeyFigures::default() }
    }

    /// With these figures.
    #[must_use]
    pub fn figures(mut self, figures: KeyFigures) -> Self {
        self.figures = figures;
        self
    }
}

/// The `kid` that a token names, for [`KeySource::look_for`]. Nothing of it is proven.
#[must_use]
pub fn kid_of(token: &str) -> Option<String> {
    let header = jws::decode(jws::split(token).ok()?.header).ok()?;
    jws::parse_header(&header).ok()?.kid.map(Into::into)
}

/// A fixed set of keys: for tests, and for keys that come with the configuration.
#[derive(Debug)]
pub struct StaticKeys {
    keys: Arc<KeySet>,
}

impl StaticKeys {
    /// A source that always has `keys`.
    #[must_use]
    pub fn new(keys: KeySet) -> Self {
        Self { keys: Arc::new(keys) }
    }
}

impl KeySource for StaticKeys {
    fn current(&self) -> Option<Arc<KeySet>> {
        Some(Arc::clone(&self.keys))
    }

    fn refresh(&self) -> BoxFuture<'_, Result<(), KeySourceError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn status(&self) -> KeySourceStatus {
        KeySourceStatus::new("a fixed key set", true, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kid_is_read_of_a_header_that_is_sound_and_of_no_other() {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let kid = |header: &str| kid_of(&format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header)));
        assert_eq!(kid(r#"{"alg":"ES256","kid":"k1"}"#).as_deref(), Some("k1"));
        for header in [
            r#"{"alg":"ES256"}"#,
            r#"{"alg":"ES256","kid":1}"#,
            r#"{"alg":"ES256","kid":"a","kid":"b"}"#,
            r#"{"alg":"ES256","kid":"a","crit":[]}"#,
            r#"{"kid":"a"}"#,
            "",
        ] {
            assert_eq!(kid(header), None, "{header}");
        }
        assert_eq!(kid_of("aaa"), None);
    }
}
