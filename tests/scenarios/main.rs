//! The acceptance scenarios that go through real processes: people sign in at the issuer, on each of its databases, and the
//! sidecar and an axum application behind the layer give the same verdicts. Those that end at the issuer's own API have
//! their place there (`crates/orgate-issuer/src/management/tests`), under the same names.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod attacks;
mod claims;
mod lasting;
mod sign_in;
mod staleness;
mod tabs;
mod testing;
mod world;
