//! The `orgate` binary as a library: the reverse proxy in front of an application, its admin listener, and the
//! command line over both.
//!
//! A request comes in through [`serve`], is judged in one of the [`doors`], and goes to an [`upstream`]. The decision
//! itself is made by the crate `orgate`; nothing here knows a rule.

pub mod access_log;
pub mod admin;
mod assertion;
pub mod cli;
#[cfg(feature = "issuer")]
mod courier;
mod deadline;
pub mod decision_log;
pub mod doors;
mod flood;
pub mod identity_headers;
pub mod metrics;
pub mod problem;
pub mod recent;
pub mod serve;
mod socket;
pub mod status;
pub mod telemetry;
pub mod traces;
pub mod trust;
pub mod upstream;

#[cfg(test)]
mod tests;
