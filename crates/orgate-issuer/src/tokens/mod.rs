//! The token endpoint and what belongs to it.
//!
//! A token names one organization or none, and role, permissions and the organization's change counter are read anew
//! for every token, in one statement. A grant that fails changes nothing, with two exceptions that are the point of
//! the rule: a code or a refresh token that is used again ends everything that came from it.

mod access;
pub(crate) mod backchannel;
pub(crate) mod discovery;
mod dpop;
mod grants;
mod introspect;
mod logout;
mod mint;
mod queries;
mod refresh_token;
mod revoke;
mod routes;
pub(crate) mod session_token;
mod userinfo;

use crate::openapi::{Members, Routes, object, text};

pub(crate) fn router() -> Routes {
    Routes::new()
        .merge(discovery::router())
        .merge(routes::router())
        .merge(userinfo::router())
        .merge(introspect::router())
        .merge(revoke::router())
        .merge(session_token::router())
        .merge(logout::router())
}

/// A form about a token.
fn about_a_token() -> Members {
    let optional = ["token_type_hint", "client_id", "client_secret"];
    optional.into_iter().fold(object().with("token", text()), |fields, name| fields.may(name, text()))
}

#[cfg(test)]
mod tests;
