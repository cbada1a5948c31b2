//! The companion issuing service: projects, users, organizations, hosted sign-in and the token endpoint.
//!
//! A library: it opens no port and reads no flag. [`Issuer::open`] brings database, keys and secret into being,
//! [`Issuer::router`] is everything it answers, mountable in any axum application. What the application wants to be asked
//! and told is in [`hooks`].
//!
//! Slices stand side by side in this order, and each uses only those to its left:
//! `events keys mail throttle operators projects activity webhooks users one_time passkeys factors roles teams members organizations domains api_keys invitations clients consents login idempotency accounts tokens feed
//! management workspace gdpr console setup bootstrap`. SQL is in
//! the `queries.rs` of a slice and in `db`; the time enters in `clock`; whatever must always hold is a constraint
//! of the schema.

mod accounts;
mod activity;
mod address;
mod api_keys;
mod app;
mod bootstrap;
mod clients;
mod clock;
mod config;
mod consents;
mod console;
mod courier;
mod db;
mod domains;
mod encoding;
mod events;
mod factors;
mod feed;
mod gdpr;
pub mod hooks;
mod http;
mod idempotency;
mod ids;
mod invitations;
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
mod reach;
mod roles;
mod secret;
mod setup;
mod teams;
#[cfg(test)]
mod testing;
mod throttle;
mod tokens;
mod upkeep;
mod users;
mod webhooks;
mod workspace;

pub use self::{
    clock::{Clock, ManualClock, SystemClock},
    config::{Settings, StartError},
    courier::{Courier, Message},
    gdpr::Contributor,
    hooks::Hooks,
    issuer::{Health, Issuer},
    keys::{DevelopmentKey, KeyInfo},
    mail::Smtp,
    maintenance::Maintenance,
    reach::{Network, Reach},
    setup::FirstStart,
};
