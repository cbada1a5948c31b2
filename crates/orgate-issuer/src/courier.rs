//! How news leaves the issuer: it has no HTTP client of its own, and whoever embeds it has one.

use std::fmt;

use crate::{db::BoxFuture, reach::Reach};

/// What is to be sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Message<'a> {
    /// Where to: https, or http on this machine if the issuer's own public URL is too.
    pub url: &'a str,
    /// What the body is.
    pub content_type: &'static str,
    /// Further fields of the head.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// Which addresses may be dialled, whatever the name is resolved to.
    pub reach: &'a Reach,
}

impl<'a> Message<'a> {
    /// A message with nothing more in its head.
    #[must_use]
    pub fn new(url: &'a str, content_type: &'static str, body: String, reach: &'a Reach) -> Self {
        Self { url, content_type, headers: Vec::new(), body, reach }
    }

    /// The same with one more field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// Sends what the issuer has to tell others. One message at a time; the issuer tries again what did not arrive.
pub trait Courier: fmt::Debug + Send + Sync {
    /// Sends the body by POST, in bounded time and without following redirects; gives the status of the answer, of which
    /// nothing else counts. No address is dialled that [`Reach::allows`] refuses: people choose the URLs.
    ///
    /// The error is for logs and for the operator, and says nothing of what is at the address.
    fn post<'a>(&'a self, message: Message<'a>) -> BoxFuture<'a, Result<u16, String>>;

    /// Gets a text that somebody was told to put there, by the same rules: bounded time, no redirect, no address that
    /// [`Reach::allows`] refuses. What is longer than `most` bytes, no UTF-8, or comes with another status than 200 is an
    /// error. A courier without this gets nothing: then domains of organizations are confirmed by operators alone.
    fn get<'a>(
        &'a self,
        url: &'a str,
        reach: &'a Reach,
        most: usize,
    ) -> BoxFuture<'a, Result<String, String>> {
        let _ = (url, reach, most);
        Box::pin(std::future::ready(Err("this issuer looks at no addresses".to_owned())))
    }
}
