//! The one form in which a request is judged and goes on.
//!
//! The target may be brought into its one form (`paths: {normalize: true}`), and loses a credential that its query holds; the
//! method may be another one that a header names (`paths: {profile: rails}`). Whatever is decided, told, forwarded or sent
//! back in a redirect is taken from here; only the credential is read from the request as it was sent.

use std::borrow::Cow;

use http::{Method, uri::PathAndQuery};
use orgate_policy::TargetError;

use crate::{GateParts, Rejection, RequestHead, TokenSource, credentials};

/// What of a request is another than it was sent.
#[derive(Debug)]
pub(crate) struct Form {
    target: Option<PathAndQuery>,
    method: Option<Method>,
}

impl Form {
    /// The form of `sent` under these parts.
    ///
    /// # Errors
    /// The refusal of a request that has none.
    pub(crate) fn of(parts: &GateParts, sent: &RequestHead<'_>) -> Result<Self, Rejection> {
        let unreadable = |error: TargetError| {
            Rejection::new(error.into()).with_detail(error.to_string()).rendered(parts.deny)
        };
        let invalid = |_| unreadable(TargetError::ForbiddenByte);
        let bare = credentials::without_query(sent.path_and_query, &parts.token).map_err(invalid)?;
        let path_and_query = bare.as_ref().unwrap_or(sent.path_and_query);
        let target = match parts.policy().normalized(path_and_query.as_str()).map_err(unreadable)? {
            Cow::Borrowed(_) => bare,
            Cow::Owned(normal) => Some(PathAndQuery::try_from(normal).map_err(invalid)?),
        };
        Ok(Self { target, method: parts.overridden(sent.method, sent.headers)? })
    }

    /// The request in its form.
    pub(crate) fn head<'r>(&'r self, sent: &RequestHead<'r>) -> RequestHead<'r> {
        RequestHead {
            path_and_query: self.target.as_ref().unwrap_or(sent.path_and_query),
            method: self.method.as_ref().unwrap_or(sent.method),
            ..*sent
        }
    }
}

impl GateParts {
    /// Whether a request may go on with another target than it was sent with.
    pub(crate) fn changes_targets(&self) -> bool {
        self.policy().normalizes()
            || self.token.sources.iter().any(|source| matches!(source, TokenSource::Query(_)))
    }
}
