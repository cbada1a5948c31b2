//! What became of a request that a test made up.

#![allow(clippy::panic, reason = "an expectation that does not hold ends the test")]

use std::fmt;

use orgate_policy::Policy;

use crate::{Code, Rejection};

/// What the gate would do. Nothing but text and a code: nobody gets in with it.
#[derive(Clone, Debug)]
#[must_use = "say what is expected: `.allowed()` or `.denied(..)`"]
pub struct Outcome {
    /// The request and who makes it.
    request: String,
    /// The rule and what it demands.
    rule: Option<(String, String)>,
    rejection: Option<Rejection>,
}

impl Outcome {
    pub(super) fn allowed_by(request: String, policy: &Policy, rule: &str) -> Self {
        Self { request, rule: with_requirement(policy, rule), rejection: None }
    }

    pub(super) fn refused(request: String, policy: &Policy, rejection: Rejection) -> Self {
        let rule = rejection.rule().and_then(|rule| with_requirement(policy, rule));
        Self { request, rule, rejection: Some(rejection) }
    }

    /// The code that the caller is told; `None` if the request may go on.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.rejection.as_ref().map(Rejection::code)
    }

    /// The key of the rule that decided; `None` if none was found.
    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        self.rule.as_ref().map(|(rule, _)| rule.as_str())
    }

    /// Expects that the request may go on.
    ///
    /// # Panics
    /// If it may not, and says why.
    #[track_caller]
    pub fn allowed(&self) {
        if self.rejection.is_some() {
            panic!("expected to be allowed, but {self}");
        }
    }

    /// Expects that the request is refused with this code.
    ///
    /// # Panics
    /// If it may go on or is refused for another reason, and says why.
    #[track_caller]
    pub fn denied(&self, code: Code) {
        if self.code() != Some(code) {
            panic!("expected to be denied with `{code}`, but {self}");
        }
    }
}

/// One sentence: `GET /docs as … is denied with …`, and on further lines what explains it.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is ", self.request)?;
        match &self.rejection {
            None => f.write_str("allowed")?,
            Some(rejection) => {
                write!(f, "denied with `{}` ({})", rejection.code(), rejection.status().as_u16())?;
                if rejection.reason() != rejection.code() {
                    write!(f, ", which hides `{}`", rejection.reason())?;
                }
            }
        }
        match (&self.rule, self.rejection.as_ref().map(Rejection::reason)) {
            (Some((rule, requirement)), _) => write!(f, "\n  rule: {rule}: {requirement}")?,
            (None, Some(Code::NoRule)) => {
                f.write_str("\n  rule: none has this path, so nobody gets there")?
            }
            (None, Some(Code::MethodNotCovered)) => {
                f.write_str("\n  rule: those of this path do not name this method, so nobody gets there")?;
            }
            (None, _) => {}
        }
        let Some(rejection) = &self.rejection else { return Ok(()) };
        let missing: Vec<&str> = rejection.missing().collect();
        if !missing.is_empty() {
            write!(f, "\n  missing: {}", missing.join(", "))?;
        }
        match &rejection.detail {
            Some(detail) => write!(f, "\n  because: {detail}"),
            None => write!(f, "\n  because: {}", rejection.reason().title()),
        }
    }
}

fn with_requirement(policy: &Policy, rule: &str) -> Option<(String, String)> {
    let requirement = policy.rules().find(|(key, _)| *key == rule).map(|(_, requirement)| requirement)?;
    Some((rule.to_owned(), requirement.to_owned()))
}
