//! The companion issuing service: projects, users, organizations, hosted sign-in and the token endpoint.
//!
//! A library: it opens no port and reads no flag. [`Issuer::open`] brings database, keys and secret into being,
//! [`Issuer::router`] is everything it answers, mountable in any axum application.
//!
//! Slices stand side by side in this order, and each uses only those to its left:
//! `events keys operators projects users roles members organizations clients login tokens setup bootstrap`. SQL is in
//! the `queries.rs` of a slice and in `db`; the time enters in `clock`; whatever must always hold is a constraint
//! of the schema.

mod address;
mod app;
mod bootstrap;
mod clients;
mod clock;
mod config;
mod courier;
mod db;
mod encoding;
mod events;
mod http;
mod ids;
mod issuer;
mod keys;
mod login;
mod maintenance;
mod members;
mod oauth;
mod operators;
mod organizations;
mod password;
mod projects;
mod roles;
mod secret;
mod setup;
#[cfg(test)]
mod testing;
mod tokens;
mod users;

pub use self::{
    clock::{Clock, ManualClock, SystemClock},
    config::{Settings, StartError},
    courier::Courier,
    issuer::{Health, Issuer},
    keys::{DevelopmentKey, KeyInfo},
    maintenance::Maintenance,
    setup::FirstStart,
};
