//! Runs the real programs: spawns them on free ports, waits until they say that they are ready, asks them over HTTP, and
//! ends them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "help for tests"
)]

mod chromium;
pub mod clock;
pub mod front;
mod graph;
mod http;
pub mod installation;
mod looks;
mod process;
pub mod sign_in;
mod totp;

pub use orgate_testkit::Folder;

pub use self::{
    chromium::{Chromium, Tab, chromium},
    graph::graph,
    http::{Response, request, request_to, try_request},
    looks::Sizes,
    process::{Finished, Program, Running, example, orgate},
    totp::totp,
};
