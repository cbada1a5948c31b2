//! The token endpoint and what belongs to it.
//!
//! A token names one organization or none, and role, permissions and the organization's change counter are read anew
//! for every token, in one statement. A grant that fails changes nothing, with two exceptions that are the point of
//! the rule: a code or a refresh token that is used again ends everything that came from it.

mod discovery;
mod error;
mod grants;
mod mint;
mod queries;
mod refresh_token;
mod routes;

use axum::Router;

pub(crate) use self::error::TokenError;
use crate::app::Shared;

pub(crate) fn router() -> Router<Shared> {
    Router::new().merge(discovery::router()).merge(routes::router())
}

#[cfg(test)]
mod tests;
