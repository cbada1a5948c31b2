//! What the tests of orgate share: keys, tokens of every kind of wrong, and servers that record or misbehave.
//!
//! * [`TestKey`] signs whatever bytes it is given, so that a token can be wrong in exactly one way; [`jwks`] publishes it.
//! * [`Certificate`] is one for TLS, with its key and its authority.
//! * [`FeedIssuer`] is an issuer with a change feed.
//! * [`Folder`] is a test's own, for policy files and keys.
//! * [`Upstream`] is an application that keeps every request it received.
//! * [`Introspector`] is an issuer that is asked about opaque tokens.
//! * [`Postgres`] is a server of PostgreSQL, with a database for each test; [`both`] runs a test on it and on SQLite.
//! * [`Stub`] is an issuer's web server whose answers and faults are switched while it runs.
//!
//! Only tests depend on this crate, and it depends on nothing that it is used to test. It panics where a test would.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic, and so may what only tests use"
)]

mod certificates;
mod dpop;
mod feed;
mod folder;
mod introspector;
mod keys;
mod postgres;
mod server;
mod stub;
mod token;
mod unfit;
mod upstream;
mod vectors;

pub use certificates::Certificate;
pub use dpop::{dpop_claims, dpop_header, dpop_proof, thumbprint};
pub use feed::{FeedIssuer, FeedManner};
pub use folder::Folder;
pub use introspector::Introspector;
pub use keys::{TestKey, jwks, mac};
pub use orgate_testkit_macros::both;
pub use postgres::{Postgres, PostgresDatabase};
pub use stub::{Reply, Stub};
pub use token::{access_token_claims, b64url, compact};
pub use unfit::unfit_jwks;
pub use upstream::{Answer, Recorded, Upstream};
pub use vectors::vectors;
