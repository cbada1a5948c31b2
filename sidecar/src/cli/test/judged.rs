//! The cases of one file, judged by the engine that decides.

use std::collections::HashMap;

use orgate::Code;
use orgate_claims::Principal;
use orgate_config::{
    PolicyFile,
    cases::{ANONYMOUS, Case, CaseFile},
};
use orgate_policy::Place;

use crate::cli::explain::{Answer, told};

/// One file of tests, judged.
pub(super) struct Judged {
    /// The file of tests.
    pub(super) name: String,
    pub(super) decisions: Vec<Judgement>,
    pub(super) coverage: Coverage,
}

/// One decision: a case and a principal.
pub(super) struct Judgement {
    pub(super) case: String,
    /// The line of the case in the file of tests.
    pub(super) case_line: u32,
    pub(super) principal: String,
    pub(super) failure: Option<Mismatch>,
}

/// What differs from what the case says.
pub(super) struct Mismatch {
    /// `allow`, `deny`, or the code that was expected.
    pub(super) expected: String,
    /// `allow` or `deny`.
    pub(super) got: &'static str,
    pub(super) code: Option<Code>,
    pub(super) rule: Option<String>,
    /// The line of the rule in the policy.
    pub(super) line: Option<u32>,
    pub(super) explanation: String,
}

/// Which rules have been shown to let somebody through and to keep somebody out, as far as they can.
pub(super) struct Coverage {
    pub(super) rules: usize,
    /// Key and position of the others, in the order of the policy.
    pub(super) missing: Vec<(String, String)>,
}

impl Judged {
    pub(super) fn new(name: String, file: &PolicyFile, cases: &CaseFile) -> Self {
        let mut seen: HashMap<Place, (bool, bool)> = HashMap::new();
        let mut decisions = Vec::new();
        let callers: Vec<(&str, Option<&Principal>)> = cases
            .principals
            .iter()
            .map(|(name, principal)| (name.as_str(), Some(principal)))
            .chain([(ANONYMOUS, None)])
            .collect();
        for case in &cases.cases {
            for &(caller, principal) in &callers {
                let answer = Answer::of(file, &case.method, &case.path, principal);
                if let Some(rule) = &answer.rule {
                    let (allowed, denied) = seen.entry(rule.place).or_default();
                    *(if answer.allowed { allowed } else { denied }) = true;
                }
                let failure = expected(case, caller, &answer)
                    .map(|expected| Mismatch::new(expected, answer, file, case, principal));
                decisions.push(Judgement {
                    case: case.request.clone(),
                    case_line: case.span.line,
                    principal: caller.to_owned(),
                    failure,
                });
            }
        }
        let is_covered = |place: &Place, can_allow: bool, can_deny: bool| {
            let (allowed, denied) = seen.get(place).copied().unwrap_or_default();
            (allowed || !can_allow) && (denied || !can_deny)
        };
        let rules = file.policy.entries();
        let missing = rules.filter(|rule| !is_covered(&rule.place, rule.can_allow, rule.can_deny));
        let missing = missing.map(|rule| (rule.key.to_owned(), file.position(rule.place))).collect();
        Self { name, decisions, coverage: Coverage { rules: file.policy.rule_count(), missing } }
    }

    pub(super) fn passed(&self) -> bool {
        self.failures().next().is_none()
    }

    pub(super) fn failures(&self) -> impl Iterator<Item = (&Judgement, &Mismatch)> {
        self.decisions.iter().filter_map(|decision| Some((decision, decision.failure.as_ref()?)))
    }
}

/// What was expected, if it is not what came.
fn expected(case: &Case, caller: &str, answer: &Answer) -> Option<String> {
    let allow = case.allows(caller);
    if allow != answer.allowed {
        return Some(if allow { "allow" } else { "deny" }.to_owned());
    }
    // A hidden reason may be written as it is, or as the client is told.
    let code = case.code_for(caller)?;
    let is_it = [answer.code, answer.reason].into_iter().flatten().any(|got| got.as_str() == code);
    (!is_it).then(|| code.to_owned())
}

impl Mismatch {
    fn new(
        expected: String,
        answer: Answer,
        file: &PolicyFile,
        case: &Case,
        principal: Option<&Principal>,
    ) -> Self {
        let explanation = told(file, &case.method, &case.path, principal, false);
        Self {
            expected,
            got: answer.decision(),
            code: answer.reason,
            line: answer.rule.as_ref().map(|rule| rule.place.line),
            rule: answer.rule.map(|rule| rule.key),
            explanation,
        }
    }
}
