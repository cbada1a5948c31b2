//! Where a request carries its credential.
//!
//! 1. Each configured source is looked at; at most one may be present. Two credentials in one request are refused: two
//!    servers may disagree on which of them counts.
//! 2. A source that is present decides, valid or not. What is there and cannot be read is never taken for absent.

mod bearer;
mod header;

use http::HeaderMap;

use crate::{TokenOptions, TokenSource};

/// What a request offers as proof of who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential<'a> {
    /// A signed token, unverified.
    Token(UnverifiedToken<'a>),
}

/// The text of a token, as received. Its `Debug` form does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UnverifiedToken<'a>(&'a str);

impl<'a> UnverifiedToken<'a> {
    /// The text.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl std::fmt::Debug for UnverifiedToken<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UnverifiedToken({} bytes)", self.0.len())
    }
}

/// Why the credential of a request cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialError {
    /// There is more than one.
    Several,
    /// The header that should hold it does not have its form.
    Malformed,
}

/// The credential of a request; `None` if no source is present.
///
/// # Errors
/// [`CredentialError`] if there are several, or one that cannot be read.
pub(crate) fn extract<'a>(
    headers: &'a HeaderMap,
    options: &TokenOptions,
) -> Result<Option<Credential<'a>>, CredentialError> {
    let mut found = None;
    for source in &options.sources {
        let token = match source {
            TokenSource::Bearer => bearer::extract(headers)?,
            TokenSource::Header(name) => header::extract(headers, name)?,
        };
        match token {
            Some(_) if found.is_some() => return Err(CredentialError::Several),
            Some(token) => found = Some(Credential::Token(UnverifiedToken(token))),
            None => {}
        }
    }
    Ok(found)
}
