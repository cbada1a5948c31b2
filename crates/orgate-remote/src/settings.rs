//! What a [`RemoteKeys`](crate::RemoteKeys) needs to know.

use std::{path::PathBuf, time::Duration};

use orgate_claims::IssuerUrl;

/// Whose keys, from where, and how patiently.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySettings {
    /// The issuer.
    pub issuer: IssuerUrl,
    /// Where it publishes its keys.
    pub location: Location,
    /// The bounds in time.
    pub timing: Timing,
}

impl KeySettings {
    /// The keys of `issuer` at `location`, with the default timing.
    #[must_use]
    pub fn new(issuer: IssuerUrl, location: Location) -> Self {
        Self { issuer, location, timing: Timing::default() }
    }

    /// With this timing.
    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// Where the issuer's discovery document says.
    Discover,
    /// At this URL.
    JwksUri(String),
    /// In this file, which holds a JWK set.
    File(PathBuf),
}

/// The bounds in time of one issuer's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// Between two fetches that tokens with an unknown `kid` cause: 10 s.
    pub minimum_interval: Duration,
    /// How long a set is trusted that cannot be renewed: 24 h.
    pub stale_limit: Duration,
    /// For discovery and key set together: 5 s.
    pub total: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            minimum_interval: Duration::from_secs(10),
            stale_limit: Duration::from_secs(24 * 60 * 60),
            total: Duration::from_secs(5),
        }
    }
}

impl Timing {
    /// With another interval between two fetches for an unknown `kid`.
    #[must_use]
    pub fn minimum_interval(mut self, interval: Duration) -> Self {
        self.minimum_interval = interval;
        self
    }

    /// With another limit for a set that cannot be renewed.
    #[must_use]
    pub fn stale_limit(mut self, limit: Duration) -> Self {
        self.stale_limit = limit;
        self
    }

    /// With another limit for one look at discovery and key set.
    #[must_use]
    pub fn total(mut self, total: Duration) -> Self {
        self.total = total;
        self
    }
}
