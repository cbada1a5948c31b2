//! Proof that a request may go on.

use std::sync::Arc;

use http::uri::PathAndQuery;
use orgate_policy::RuleId;

use crate::{Principal, gate::GateParts, token_cache::VerifiedToken};

/// Proof that the gate let this request pass. Only the gate makes one; it cannot be copied, and forwarding takes it by
/// value, so nothing is sent on without having been judged, and nothing is sent twice.
///
/// ```compile_fail
/// // A permit cannot be made by hand: its fields are nobody else's…
/// fn forge(permit: orgate::Permit) -> orgate::Permit {
///     orgate::Permit { ..permit }
/// }
/// ```
/// ```compile_fail
/// // …nor used twice.
/// fn forward(permit: orgate::Permit) {}
/// fn twice(permit: orgate::Permit) {
///     forward(permit);
///     forward(permit);
/// }
/// ```
#[derive(Debug)]
pub struct Permit {
    pub(crate) parts: Arc<GateParts>,
    pub(crate) token: Option<Arc<VerifiedToken>>,
    pub(crate) rule: RuleId,
    pub(crate) path_and_query: PathAndQuery,
}

impl Permit {
    /// The verified caller; `None` on a public route, and on an optional one without a credential.
    #[must_use]
    pub fn principal(&self) -> Option<Principal> {
        self.token.as_ref().map(|token| Principal::verified(Arc::clone(&token.principal)))
    }

    /// The request target that was judged, byte by byte: the only one that may be forwarded.
    #[must_use]
    pub fn path_and_query(&self) -> &PathAndQuery {
        &self.path_and_query
    }

    /// The key of the rule that let the request pass.
    #[must_use]
    pub fn rule(&self) -> &str {
        self.parts.policy().rule(self.rule).unwrap_or_default()
    }

    /// The caller's permissions under the policy, sorted by name: those of the token that the policy knows, and what it
    /// derives from roles.
    #[must_use]
    pub fn permissions(&self) -> Vec<&str> {
        let subject = self.token.as_ref().map(|token| &token.subject);
        subject.map(|subject| self.parts.policy().effective_permissions(subject)).unwrap_or_default()
    }

    /// Whether the caller has a permission. One that no rule of the policy and no role names is looked up in the token.
    #[must_use]
    pub fn has_permission(&self, name: &str) -> bool {
        self.token.as_ref().is_some_and(|token| {
            let in_token =
                || token.principal.permissions().iter().any(|permission| permission.as_str() == name);
            self.parts.policy().has_permission(&token.subject, name).unwrap_or_else(in_token)
        })
    }
}
