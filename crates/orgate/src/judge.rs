//! The order of a decision, in one place.
//!
//! target → rule → method → credential → binding → requirement. The gate walks it with the credential of a request, the
//! test harness with a principal made by hand; neither has an order of its own. What comes out for the harness is no
//! [`Permit`](crate::Permit): only the gate makes one, and only of a verified token.

use std::sync::Arc;

use orgate_policy::{
    Access, Decision, DenyReason, Facts, Found, Policy, RequestTarget, RuleId, RuleMatch, Subject,
    TargetError,
};

use crate::{Code, DenyOptions, Disclose, Need, Rejection, gate::GateParts, token_cache::VerifiedToken};

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

/// What is judged.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) path_and_query: &'a str,
    pub(crate) host: Option<&'a str>,
    pub(crate) facts: Facts<'a>,
}

impl GateParts {
    /// Judges a request. `caller` finds out who is asking, and is not asked where the rule does not care.
    pub(crate) fn judge<C: Caller>(
        &self,
        asked: Asked<'_>,
        caller: impl FnOnce(&RuleMatch<'_>) -> Result<Option<C>, Refusal>,
    ) -> Result<(RuleId, Option<C>), Refusal> {
        let target = RequestTarget::parse(asked.method, asked.path_and_query)
            .and_then(|target| target.at_host(asked.host))
            .map_err(|error| self.refuse(unreadable(error)))?;
        let found = match self.policy().find(&target) {
            Found::Rule(found) => found,
            Found::NoRule => return Err(self.refuse(unmatched(Code::NoRule, self.deny))),
            Found::MethodNotCovered => return Err(self.refuse(unmatched(Code::MethodNotCovered, self.deny))),
        };
        let caller = match found.access() {
            Access::Public | Access::Nobody => None,
            Access::Optional | Access::Credential | Access::Authenticator(_) => {
                caller(&found).map_err(|refusal| match refusal {
                    Refusal::Rejection(rejection) => {
                        self.refuse(self.placed(rejection, &found).with_rule(found.rule()))
                    }
                    Refusal::Need(need) => Refusal::Need(need),
                })?
            }
        };
        let subject = caller.as_ref().map(Caller::subject);
        match found.decide(subject, &asked.facts) {
            Decision::Allow => Ok((found.id(), caller)),
            Decision::Deny(reason) => {
                let rejection = denied(reason, &found, subject, &asked.facts, self.deny);
                Err(self.refuse(self.placed(rejection, &found)))
            }
        }
    }

    /// Says where the rule stands, if refusals may.
    fn placed(&self, rejection: Rejection, found: &RuleMatch<'_>) -> Rejection {
        let place = found.place();
        match self.file_names.get(usize::from(place.file)) {
            Some(file) if self.deny.disclose == Disclose::Full => rejection.with_place(file, place.line),
            _ => rejection,
        }
    }

    fn refuse(&self, rejection: Rejection) -> Refusal {
        Refusal::Rejection(rejection.rendered(self.deny))
    }
}

/// What a request that was read, of a caller who is known, is answered with: nothing if it may go on. For the tools,
/// which tell what a door would answer because it is the same code.
///
/// `subject` is `None` for a caller without a credential. `target` is what [`RequestTarget::parse`] made of the request.
///
/// # Errors
/// The refusal, ready to be rendered.
pub fn judge(
    policy: &Policy,
    target: &Result<RequestTarget<'_>, TargetError>,
    subject: Option<&Subject>,
    facts: &Facts<'_>,
    deny: DenyOptions,
) -> Result<(), Rejection> {
    let target = target.as_ref().map_err(|error| unreadable(*error).rendered(deny))?;
    let rejection = match policy.find(target) {
        Found::NoRule => unmatched(Code::NoRule, deny),
        Found::MethodNotCovered => unmatched(Code::MethodNotCovered, deny),
        Found::Rule(found) => match found.decide(subject, facts) {
            Decision::Allow => return Ok(()),
            Decision::Deny(reason) => denied(reason, &found, subject, facts, deny),
        },
    };
    Err(rejection.rendered(deny))
}

fn unreadable(error: TargetError) -> Rejection {
    Rejection::new(error.into()).with_detail(error.to_string())
}

fn unmatched(code: Code, deny: DenyOptions) -> Rejection {
    let rejection = Rejection::new(code);
    if deny.unmatched_not_found { rejection.hide() } else { rejection }
}

fn denied(
    reason: DenyReason,
    found: &RuleMatch<'_>,
    subject: Option<&Subject>,
    facts: &Facts<'_>,
    deny: DenyOptions,
) -> Rejection {
    let rejection = Rejection::new(reason.into()).with_rule(found.rule());
    match reason {
        DenyReason::OrganizationMismatch if deny.hide || found.hides() => rejection.hide(),
        DenyReason::MissingPermission
        | DenyReason::MissingRole
        | DenyReason::ConditionFailed
        | DenyReason::NoActiveOrganization => {
            let missing =
                subject.map(|subject| found.missing_permissions(subject, facts)).unwrap_or_default();
            rejection.with_requirement(found.requirement(), missing.into_iter().map(Into::into).collect())
        }
        DenyReason::StepUp => {
            let needed = subject.map(|subject| found.step_up(subject, facts)).unwrap_or_default();
            rejection.with_requirement(found.requirement(), Vec::new()).with_step_up(&needed)
        }
        DenyReason::Denied | DenyReason::NoCredential | DenyReason::OrganizationMismatch => rejection,
    }
}
