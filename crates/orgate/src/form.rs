//! The one form in which a request is judged and goes on.
//!
//! The target may be brought into its one form (`paths: {normalize: true}`), and loses a credential that its query holds; the
//! method may be another one that a header names (`paths: {profile: rails}`). Whatever is decided, told, forwarded or sent
//! back in a redirect is taken from here; only the credential is read from the request as it was sent.

use std::{borrow::Cow, sync::Arc};

use http::{Method, uri::PathAndQuery};
use orgate_policy::TargetError;

use crate::{
    GateAnswer, GateParts, Rejection, RequestHead, TokenSource, Verdict, credentials,
    judge::{Judged, unreadable},
    token_cache::VerifiedToken,
};

/// What of a request is another than it was sent.
#[derive(Debug)]
pub(crate) struct Form {
    target: Option<PathAndQuery>,
    method: Option<Method>,
    /// Whether its query held a credential, read or not.
    had_credential: bool,
}

impl Form {
    /// The form of `sent` under these parts.
    ///
    /// # Errors
    /// The refusal of a request that has none.
    pub(crate) fn of(parts: &GateParts, sent: &RequestHead<'_>) -> Result<Self, Rejection> {
        let unreadable = |error: TargetError| unreadable(error).rendered(parts.deny);
        let invalid = |_| unreadable(TargetError::ForbiddenByte);
        let bare = credentials::without_query(sent.path_and_query, &parts.token).map_err(invalid)?;
        let path_and_query = bare.as_ref().unwrap_or(sent.path_and_query);
        let had_credential = bare.is_some();
        let target = match parts.policy().normalized(path_and_query.as_str()).map_err(unreadable)? {
            Cow::Borrowed(_) => bare,
            Cow::Owned(normal) => Some(PathAndQuery::try_from(normal).map_err(invalid)?),
        };
        Ok(Self { target, method: parts.overridden(sent.method, sent.headers)?, had_credential })
    }

    /// The request in its form.
    pub(crate) fn head<'r>(&'r self, sent: &RequestHead<'r>) -> RequestHead<'r> {
        RequestHead {
            path_and_query: self.target.as_ref().unwrap_or(sent.path_and_query),
            method: self.method.as_ref().unwrap_or(sent.method),
            ..*sent
        }
    }

    /// What follows from a judgement of `sent`.
    pub(crate) fn give(
        &self,
        parts: &Arc<GateParts>,
        sent: &RequestHead<'_>,
        judged: Judged<Arc<VerifiedToken>>,
    ) -> Verdict {
        match Verdict::give(parts, &self.head(sent), judged) {
            Verdict::Forward(permit) => Verdict::Forward(permit.in_private(self.had_credential)),
            other => other,
        }
    }

    /// What is answered to a request that is not judged.
    pub(crate) fn answer(&self, answer: GateAnswer) -> Verdict {
        Verdict::Answer(if self.had_credential { answer.in_private() } else { answer })
    }
}

impl GateParts {
    /// Whether a request may go on with another target than it was sent with.
    pub(crate) fn changes_targets(&self) -> bool {
        self.policy().normalizes()
            || self.token.sources.iter().any(|source| matches!(source, TokenSource::Query(_)))
    }
}
