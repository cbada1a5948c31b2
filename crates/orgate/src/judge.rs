//! The order of a decision, in one place.
//!
//! target → rule → method → credential → binding → requirement. The gate walks it with the credential of a request, the
//! test harness with a principal made by hand; neither has an order of its own. What comes out for the harness is no
//! [`Permit`](crate::Permit): only the gate makes one, and only of a verified token.

use std::sync::Arc;

use orgate_policy::{Access, Decision, DenyReason, Found, RequestTarget, RuleId, RuleMatch, Subject};

use crate::{Code, Need, Rejection, gate::GateParts, token_cache::VerifiedToken};

/// Why a request does not go on, now or at all.
#[derive(Debug)]
pub(crate) enum Refusal {
    Rejection(Rejection),
    Need(Need),
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Rejection(rejection)
    }
}

/// Whoever is judged.
pub(crate) trait Caller {
    /// As the policy sees it.
    fn subject(&self) -> &Subject;
}

impl Caller for Arc<VerifiedToken> {
    fn subject(&self) -> &Subject {
        &self.subject
    }
}

impl GateParts {
    /// Judges a request target. `caller` finds out who is asking, and is not asked where the rule does not care.
    pub(crate) fn judge<C: Caller>(
        &self,
        method: &str,
        path_and_query: &str,
        caller: impl FnOnce() -> Result<Option<C>, Refusal>,
    ) -> Result<(RuleId, Option<C>), Refusal> {
        let target = RequestTarget::parse(method, path_and_query)
            .map_err(|error| self.refuse(Rejection::new(error.into()).with_detail(error.to_string())))?;
        let found = match self.policy().find(&target) {
            Found::Rule(found) => found,
            Found::NoRule => return Err(self.unmatched(Code::NoRule)),
            Found::MethodNotCovered => return Err(self.unmatched(Code::MethodNotCovered)),
        };
        let caller = match found.access() {
            Access::Public | Access::Nobody => None,
            Access::Optional | Access::Credential => caller().map_err(|refusal| match refusal {
                Refusal::Rejection(rejection) => self.refuse(rejection.with_rule(found.rule())),
                Refusal::Need(need) => Refusal::Need(need),
            })?,
        };
        let subject = caller.as_ref().map(Caller::subject);
        match found.decide(subject) {
            Decision::Allow => Ok((found.id(), caller)),
            Decision::Deny(reason) => Err(self.refuse(self.denied(reason, &found, subject))),
        }
    }

    fn refuse(&self, rejection: Rejection) -> Refusal {
        Refusal::Rejection(rejection.flat(self.deny.flat))
    }

    fn unmatched(&self, code: Code) -> Refusal {
        let rejection = Rejection::new(code);
        self.refuse(if self.deny.unmatched_not_found { rejection.hide() } else { rejection })
    }

    fn denied(&self, reason: DenyReason, found: &RuleMatch<'_>, subject: Option<&Subject>) -> Rejection {
        let rejection = Rejection::new(reason.into()).with_rule(found.rule());
        match reason {
            DenyReason::OrganizationMismatch if self.deny.hide || found.hides() => rejection.hide(),
            DenyReason::MissingPermission
            | DenyReason::MissingRole
            | DenyReason::ConditionFailed
            | DenyReason::NoActiveOrganization => {
                let missing = subject.map(|subject| found.missing_permissions(subject)).unwrap_or_default();
                rejection.with_requirement(found.requirement(), missing.into_iter().map(Into::into).collect())
            }
            DenyReason::Denied | DenyReason::NoCredential | DenyReason::OrganizationMismatch => rejection,
        }
    }
}
