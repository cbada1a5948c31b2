//! Everything that a gate fetches.
//!
//! [`HttpClient`] is the one way out: bounded in time and size, following no redirect. [`RemoteKeys`] gets the public keys
//! of one issuer through it (by discovery or from a key set's URL) or from a local file, keeps the last good set, and
//! renews it in the background. [`Feed`] follows what an issuer revokes. [`Introspection`] asks an issuer whether a token still stands, and [`SessionExchange`] gets the
//! token of a session. The gate only ever asks for the set in hand; whoever may wait asks for a newer one.
//!
//! The rule of this crate: **no answer of a server can make the gate accept more than it was told to**. An issuer's
//! document must name that very issuer, keys are replaced as a whole set or not at all, and what fails leaves the last
//! good set in place until that is too old. No request waits for a background refresh.

mod address;
mod clock;
mod discovery;
mod error;
mod exchange;
mod feed;
mod fetch;
mod flight;
mod http;
mod introspection;
mod keys;
mod resolve;
mod schedule;
mod settings;
mod snapshot;

pub use error::RemoteError;
pub use exchange::{SessionAnswer, SessionExchange};
pub use feed::{Feed, FeedFigures, FeedRefusal, FeedTerms};
pub use http::{HttpClient, Limits};
pub use introspection::{Bounds, Introspection, IntrospectionFigures, Unanswered};
pub use keys::RemoteKeys;
pub use settings::{KeySettings, Location, Timing};
