//! What issuers revoke (`feed:`), asked for each request with a token, cached or not: it costs no lock and no allocation.
//!
//! 1. A token that a mark names is refused, 401 `revoked`, whatever was found of it before.
//! 2. What was heard of an opaque token before the mark came is heard anew: its issuer knows better than a mark.
//! 3. As long as nothing was ever heard of an issuer's feed, its tokens wait, and are then refused with 503. When it was not
//!    heard for too long, the policy says what holds.

#[cfg(feature = "remote")]
use orgate_remote::{Feed, FeedRefusal};
#[cfg(feature = "remote")]
use orgate_verify::IssuerIndex;

#[cfg(feature = "remote")]
use crate::{Code, Need, Rejection};
use crate::{GateParts, judge::Refusal, token_cache::VerifiedToken};

#[cfg(feature = "remote")]
impl GateParts {
    /// The change feeds of the issuers of the verifier, in their order; `None`, and what is not in the list, has none.
    #[must_use]
    pub fn feeds(mut self, feeds: Vec<Option<Feed>>) -> Self {
        self.feeds = feeds;
        self
    }

    pub(crate) fn feed(&self, issuer: IssuerIndex) -> Option<&Feed> {
        self.feeds.get(issuer.as_usize())?.as_ref()
    }

    /// Whether a token stands that was verified, or heard of, a moment ago or before.
    pub(crate) fn not_revoked(&self, token: &VerifiedToken) -> Result<(), Refusal> {
        let Some((issuer, feed)) = token.issuer.and_then(|issuer| Some((issuer, self.feed(issuer)?))) else {
            return Ok(());
        };
        match feed.check(&token.principal, token.kid.as_deref()) {
            Ok(()) => Ok(()),
            // Whoever was just asked about it has said that it stands.
            Err(FeedRefusal::Revoked(_)) if token.key.is_none() => Ok(()),
            Err(FeedRefusal::Revoked(hit)) => {
                Err(Rejection::new(Code::Revoked).with_detail(hit.to_string()).into())
            }
            Err(FeedRefusal::Stale) => Err(Rejection::new(Code::StaleFeed)
                .with_detail("the issuer has not said for too long what it revoked; try again")
                .with_retry_after(RETRY_AFTER)
                .into()),
            Err(FeedRefusal::NeverLoaded) => Err(Refusal::Need(Need::Marks(issuer))),
        }
    }

    /// Whether what was heard of an opaque token must be heard anew.
    pub(crate) fn is_outdated(&self, token: &VerifiedToken) -> bool {
        let feed = token.issuer.filter(|_| token.key.is_none()).and_then(|issuer| self.feed(issuer));
        feed.is_some_and(|feed| matches!(feed.check(&token.principal, None), Err(FeedRefusal::Revoked(_))))
    }

    /// Whether it is heard what the issuer of a token revokes.
    pub(crate) fn is_told_of(&self, token: &VerifiedToken) -> bool {
        token.issuer.is_some_and(|issuer| self.feed(issuer).is_some())
    }

    /// Whether a token of this issuer is still believed, for something that it began long ago.
    pub(crate) fn believes(&self, issuer: IssuerIndex, token: &VerifiedToken) -> bool {
        self.feed(issuer).is_none_or(|feed| feed.check(&token.principal, token.kid.as_deref()).is_ok())
    }

    /// Waits a moment for the first marks of an issuer. Where they could not be had, nobody waits for the next attempt.
    pub(crate) async fn wait_for_marks(&self, issuer: IssuerIndex) {
        if let Some(feed) = self.feed(issuer).filter(|feed| !feed.has_failed()) {
            feed.wait_at_most(FIRST_MARKS).await;
        }
    }
}

#[cfg(not(feature = "remote"))]
#[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "the same as with the feature")]
impl GateParts {
    pub(crate) fn not_revoked(&self, _: &VerifiedToken) -> Result<(), Refusal> {
        Ok(())
    }

    pub(crate) fn is_outdated(&self, _: &VerifiedToken) -> bool {
        false
    }

    pub(crate) fn is_told_of(&self, _: &VerifiedToken) -> bool {
        false
    }

    pub(crate) fn believes(&self, _: orgate_verify::IssuerIndex, _: &VerifiedToken) -> bool {
        true
    }

    #[allow(clippy::unused_async, reason = "the same as with the feature")]
    pub(crate) async fn wait_for_marks(&self, _: orgate_verify::IssuerIndex) {}
}

/// How long a request waits for the first marks of its issuer.
#[cfg(feature = "remote")]
const FIRST_MARKS: std::time::Duration = std::time::Duration::from_secs(2);
/// A feed is tried again within a second.
pub(crate) const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(1);
