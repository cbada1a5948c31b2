//! The change feed: whose rights have ended, for gates that judge by tokens issued before.
//!
//! `GET /p/{project}/revocations` gives marks. A mark says which tokens do not count any more, and until when it is worth to
//! know that: after `expires_at` every one of them is over. Nothing is stored for it: marks are made of the events of the
//! project, in their order, whose numbers are the positions of its readers. So they survive whatever the events survive, and
//! every issuer on one database gives the same.
//!
//! Whoever reads waits for a commit of this process, for what other issuers tell through PostgreSQL, and for a look at the
//! numbers of all projects twice a second, which finds what neither tells (`follow`).

mod follow;
mod marks;
mod page;
mod queries;
mod readers;
mod routes;
mod ssf;
mod stream;

pub(crate) use self::{follow::run, readers::Readers, ssf::above};
use crate::openapi::Routes;

pub(crate) fn router() -> Routes {
    Routes::new().merge(routes::router()).merge(ssf::router())
}

#[cfg(test)]
mod tests;
