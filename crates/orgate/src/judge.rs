//! The order of a decision, in one place.
//!
//! target → rule → method → credential → binding → requirement. The gate walks it with the credential of a request, the
//! test harness with a principal made by hand; neither has an order of its own. What comes out for the harness is no
//! [`Permit`](crate::Permit): only the gate makes one, and only of a verified token.

use std::sync::Arc;

use orgate_policy::{
    Access, Decision, DenyReason, Facts, Found, Limit, Policy, RequestTarget, RuleId, RuleMatch, Subject,
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
    /// In its one form ([`Policy::normalized`]).
    pub(crate) path_and_query: &'a str,
    pub(crate) host: Option<&'a str>,
    pub(crate) facts: Facts<'a>,
}

/// What came out.
#[derive(Debug)]
pub(crate) struct Judged<C> {
    /// The rule that won.
    pub(crate) rule: Option<RuleId>,
    /// Whoever asked, if the rule wanted to know and it could be proven.
    pub(crate) caller: Option<C>,
    /// Why it is refused, if it is.
    pub(crate) refused: Option<Rejection>,
    /// Whether the rule wants the caller's rights as they are now.
    pub(crate) live: bool,
    /// How often the callers of the rule may ask.
    pub(crate) limit: Option<Limit>,
    /// What `shadow:` would say, where that is something else.
    pub(crate) shadow: Option<bool>,
}

impl<C> Judged<C> {
    /// A refusal by no rule.
    pub(crate) fn unmatched(rejection: Rejection) -> Self {
        let (rule, caller, limit, shadow) = (None, None, None, None);
        Self { rule, caller, refused: Some(rejection), live: false, limit, shadow }
    }
}

impl GateParts {
    /// Judges a request. `caller` finds out who is asking, and is not asked where nothing depends on it.
    ///
    /// # Errors
    /// What must be known first.
    pub(crate) fn judge<C: Caller>(
        &self,
        asked: Asked<'_>,
        caller: impl FnOnce(&RuleMatch<'_>) -> Result<Option<C>, Refusal>,
    ) -> Result<Judged<C>, Need> {
        match unmatched_or(self, asked, |found| self.judge_by(found, &asked.facts, caller)) {
            Ok(judged) => judged,
            Err(rejection) => Ok(Judged::unmatched(rejection)),
        }
    }

    fn judge_by<C: Caller>(
        &self,
        found: &RuleMatch<'_>,
        facts: &Facts<'_>,
        caller: impl FnOnce(&RuleMatch<'_>) -> Result<Option<C>, Refusal>,
    ) -> Result<Judged<C>, Need> {
        let wanted = !matches!(found.access(), Access::Public | Access::Nobody);
        // Where only the shadow asks, what is wrong with a credential is no reason to refuse, nor to wait.
        let (caller, failed) = if wanted {
            match caller(found) {
                Ok(caller) => (caller, None),
                Err(Refusal::Rejection(rejection)) => (None, Some(rejection.with_rule(found.rule()))),
                Err(Refusal::Need(need)) => return Err(need),
            }
        } else if found.shadow(None, facts).is_some() {
            (caller(found).unwrap_or_default(), None)
        } else {
            (None, None)
        };
        let subject = caller.as_ref().map(Caller::subject);
        let refused = failed.or_else(|| match found.decide(subject, facts) {
            Decision::Allow => None,
            Decision::Deny(reason) => Some(denied(reason, found, subject, facts, self.deny)),
        });
        // The shadow stands in for the requirement; what a binding refuses, it would refuse as well.
        let by_binding =
            refused.as_ref().is_some_and(|rejection| rejection.reason() == Code::OrganizationMismatch);
        let shadow =
            found.shadow(subject, facts).filter(|allows| !by_binding && *allows != refused.is_none());
        let refused = refused.map(|rejection| self.finish(rejection, found));
        let caller = caller.filter(|_| wanted);
        let (rule, limit) = (Some(found.id()), found.limit());
        Ok(Judged { rule, caller, refused, live: found.is_live(), limit, shadow })
    }

    /// Says where the rule stands, if refusals may.
    fn placed(&self, rejection: Rejection, found: &RuleMatch<'_>) -> Rejection {
        let place = found.place();
        match self.file_names.get(usize::from(place.file)) {
            Some(file) if self.deny.disclose == Disclose::Full => rejection.with_place(file, place.line),
            _ => rejection,
        }
    }

    /// Gives a refusal by `found` its form.
    fn finish(&self, rejection: Rejection, found: &RuleMatch<'_>) -> Rejection {
        self.placed(rejection, found).asked_by(found.access()).rendered(self.deny)
    }
}

/// What `then` makes of the rule that wins, or the refusal of a request that none wins.
pub(crate) fn unmatched_or<T>(
    parts: &GateParts,
    asked: Asked<'_>,
    then: impl FnOnce(&RuleMatch<'_>) -> T,
) -> Result<T, Rejection> {
    let (policy, deny) = (parts.policy(), parts.deny);
    let refused = |error| unreadable(error).rendered(deny);
    let target = policy.target(asked.method, asked.host, asked.path_and_query).map_err(refused)?;
    match policy.find(&target) {
        Found::Rule(found) => Ok(then(&found)),
        Found::NoRule => Err(unmatched(Code::NoRule, deny).rendered(deny)),
        Found::MethodNotCovered => Err(unmatched(Code::MethodNotCovered, deny).rendered(deny)),
    }
}

/// What a request that was read, of a caller who is known, is answered with: nothing if it may go on. For the tools,
/// which tell what a door would answer because it is the same code.
///
/// `subject` is `None` for a caller without a credential. `target` is what [`Policy::target`] made of the request.
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
            Decision::Deny(reason) => denied(reason, &found, subject, facts, deny).asked_by(found.access()),
        },
    };
    Err(rejection.rendered(deny))
}

pub(crate) fn unreadable(error: TargetError) -> Rejection {
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
