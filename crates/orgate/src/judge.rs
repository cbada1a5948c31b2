//! What a policy says of a caller who is known, as the answer that a client gets.
//!
//! The gate renders its refusals through these functions, and so do the tools: `explain` and `test` tell what a door
//! would answer, because it is the same code. No credential is looked at here; a refusal of a credential (401
//! `invalid_token` and its like, 503) is the gate's own.

use orgate_policy::{Decision, DenyReason, Found, Policy, RequestTarget, RuleMatch, Subject, TargetError};

use crate::{Code, DenyOptions, Rejection};

/// What a request that was read, of a caller who is known, is answered with: nothing if it may go on.
///
/// `subject` is `None` for a caller without a credential. `target` is what [`RequestTarget::parse`] made of the request.
///
/// # Errors
/// The refusal, ready to be rendered.
pub fn judge(
    policy: &Policy,
    target: &Result<RequestTarget<'_>, TargetError>,
    subject: Option<&Subject>,
    deny: DenyOptions,
) -> Result<(), Rejection> {
    let target = target.as_ref().map_err(|error| unreadable(*error).flat(deny.flat))?;
    let rejection = match policy.find(target) {
        Found::NoRule => unmatched(Code::NoRule, deny),
        Found::MethodNotCovered => unmatched(Code::MethodNotCovered, deny),
        Found::Rule(found) => match found.decide(subject) {
            Decision::Allow => return Ok(()),
            Decision::Deny(reason) => denied(reason, &found, subject, deny),
        },
    };
    Err(rejection.flat(deny.flat))
}

pub(crate) fn unreadable(error: TargetError) -> Rejection {
    Rejection::new(error.into()).with_detail(error.to_string())
}

pub(crate) fn unmatched(code: Code, deny: DenyOptions) -> Rejection {
    let rejection = Rejection::new(code);
    if deny.unmatched_not_found { rejection.hide() } else { rejection }
}

pub(crate) fn denied(
    reason: DenyReason,
    found: &RuleMatch<'_>,
    subject: Option<&Subject>,
    deny: DenyOptions,
) -> Rejection {
    let rejection = Rejection::new(reason.into()).with_rule(found.rule());
    match reason {
        DenyReason::OrganizationMismatch if deny.hide || found.hides() => rejection.hide(),
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
