//! Rights that died before the token did.
//!
//! This is the place where the marks of an issuer's change feed are compared with a principal: "no token of this
//! subject in this organization below version n", a signed-out session, a withdrawn key. The gate asks on every
//! credentialed request, cached or not, after the token was verified and before the policy decides. No mark can exist
//! as long as no feed is read, so the answer is always that the principal stands.

use orgate_claims::Principal;

/// What is known to have been revoked.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Marks {}

impl Marks {
    /// No marks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether `principal` still stands.
    ///
    /// # Errors
    /// The mark that is against it.
    pub fn check(&self, _principal: &Principal) -> Result<(), MarkHit> {
        Ok(())
    }
}

/// The mark that stands against a principal. It has no values as long as there are no marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MarkHit {}

impl std::fmt::Display for MarkHit {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {}
    }
}

impl std::error::Error for MarkHit {}
