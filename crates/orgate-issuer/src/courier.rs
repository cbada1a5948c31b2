//! How news leaves the issuer: it has no HTTP client of its own, and whoever embeds it has one.

use std::fmt;

use crate::db::BoxFuture;

/// Sends what the issuer has to tell others. One message at a time; the issuer tries again what did not arrive.
pub trait Courier: fmt::Debug + Send + Sync {
    /// Sends `body` by POST to `url`, in bounded time and without following redirects; gives the status of the answer.
    ///
    /// `url` is https, or http on this machine if the issuer's own public URL is too.
    fn post<'a>(
        &'a self,
        url: &'a str,
        content_type: &'static str,
        body: String,
    ) -> BoxFuture<'a, Result<u16, String>>;
}
