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
    /// The folder in which the last good set is kept for the next start of the process, if it is.
    pub snapshots: Option<PathBuf>,
}

impl KeySettings {
    /// The keys of `issuer` at `location`, with the default timing and nothing kept on disk.
    #[must_use]
    pub fn new(issuer: IssuerUrl, location: Location) -> Self {
        Self { issuer, location, timing: Timing::default(), snapshots: None }
    }

    /// With this timing.
    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// With the last good set kept in this folder, which must be ours alone to write. What is in a local file already is
    /// not kept a second time.
    #[must_use]
    pub fn snapshots(mut self, folder: Option<PathBuf>) -> Self {
        self.snapshots = folder;
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
    /// Between two looks that tokens with an unknown `kid` cause: 10 s.
    pub minimum_interval: Duration,
    /// How long a set is trusted that cannot be renewed: 24 h.
    pub stale_limit: Duration,
    /// How long the keys in hand outlive an issuer that publishes none that could be used: 10 min.
    pub withdrawal_limit: Duration,
    /// For discovery and key set together: 5 s.
    pub total: Duration,
    /// A set is not renewed more often than about this, whatever the issuer says: 60 s.
    pub shortest_lifetime: Duration,
    /// A set is renewed at least this often, whatever the issuer says: 1 h.
    pub longest_lifetime: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            minimum_interval: Duration::from_secs(10),
            stale_limit: Duration::from_secs(24 * 60 * 60),
            withdrawal_limit: Duration::from_secs(10 * 60),
            total: Duration::from_secs(5),
            shortest_lifetime: Duration::from_secs(60),
            longest_lifetime: Duration::from_secs(60 * 60),
        }
    }
}

impl Timing {
    /// With another interval between two looks for an unknown `kid`.
    #[must_use]
    pub fn minimum_interval(mut self, interval: Duration) -> Self {
        self.minimum_interval = interval;
        self
    }

    /// With another limit for a set that cannot be renewed; a year at most.
    #[must_use]
    pub fn stale_limit(mut self, limit: Duration) -> Self {
        self.stale_limit = limit.min(Duration::from_secs(365 * 24 * 60 * 60));
        self
    }

    /// With another limit for one look at discovery and key set.
    #[must_use]
    pub fn total(mut self, total: Duration) -> Self {
        self.total = total;
        self
    }

    /// With other bounds for what an issuer says about the lifetime of its set.
    #[must_use]
    pub fn lifetimes(mut self, shortest: Duration, longest: Duration) -> Self {
        (self.shortest_lifetime, self.longest_lifetime) = (shortest, longest.max(shortest));
        self
    }
}
