//! The companion issuing service: projects, users, organizations, hosted sign-in and the token endpoint.
//!
//! A library: it opens no port and reads no flag. [`Issuer::open`] brings database, keys and secret into being,
//! [`Issuer::router`] is everything it answers, mountable in any axum application. What the application wants to be asked
//! and told is in [`hooks`].
//!
//! Slices stand side by side in this order, and each uses only those to its left:
//! `events keys mail throttle operators projects users one_time passkeys factors roles members organizations api_keys clients login idempotency accounts tokens
//! management setup bootstrap`. SQL is in
//! the `queries.rs` of a slice and in `db`; the time enters in `clock`; whatever must always hold is a constraint
//! of the schema.

mod accounts;
mod address;
mod api_keys;
mod app;
mod bootstrap;
mod clients;
mod clock;
mod config;
mod courier;
mod db;
mod encoding;
mod events;
mod factors;
pub mod hooks;
mod http;
mod idempotency;
mod ids;
mod issuer;
mod keys;
mod login;
mod mail;
pub mod maintenance;
mod management;
mod members;
mod oauth;
mod one_time;
mod openapi;
mod operators;
mod organizations;
mod passkeys;
mod password;
mod projects;
mod roles;
mod secret;
mod setup;
#[cfg(test)]
mod testing;
mod throttle;
mod tokens;
mod upkeep;
mod users;

pub use self::{
    clock::{Clock, ManualClock, SystemClock},
    config::{Settings, StartError},
    courier::Courier,
    hooks::Hooks,
    issuer::{Health, Issuer},
    keys::{DevelopmentKey, KeyInfo},
    mail::Smtp,
    maintenance::Maintenance,
    setup::FirstStart,
};
