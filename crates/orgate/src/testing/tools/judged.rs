//! The cases of a file of tests, judged by the engine that decides.

use std::collections::HashMap;

use orgate_claims::Principal;
use orgate_config::{
    PolicyFile,
    cases::{ANONYMOUS, Case, CaseFile},
};
use orgate_policy::Place;

use super::{Answer, Question, told};
use crate::Code;

/// One file of tests, judged.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Judged {
    /// The file of tests.
    pub name: String,
    /// Every case with every caller.
    pub decisions: Vec<Judgement>,
    /// What the cases show of the policy.
    pub coverage: CaseCoverage,
}

/// One decision: a case and a caller.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Judgement {
    /// The case as written.
    pub case: String,
    /// Its line in the file of tests.
    pub case_line: u32,
    /// The name of the caller; `via NAME` for one whom an authenticator accepts.
    pub principal: String,
    /// The code of the refusal, if it is one.
    pub code: Option<Code>,
    /// What differs from what the case says.
    pub failure: Option<Mismatch>,
}

/// What differs from what a case says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Mismatch {
    /// `allow`, `deny`, or the code that was expected.
    pub expected: String,
    /// `allow` or `deny`.
    pub got: &'static str,
    /// The real reason of a refusal.
    pub code: Option<Code>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// Its line in the policy.
    pub line: Option<u32>,
    /// The whole explanation.
    pub explanation: String,
}

/// Which rules have been shown to let somebody through and to keep somebody out, as far as they can.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CaseCoverage {
    /// How many rules there are.
    pub rules: usize,
    /// Key and position of those that were not shown so, in the order of the policy.
    pub missing: Vec<(String, String)>,
    /// The same rules, with what was not shown of each.
    pub gaps: Vec<Gap>,
}

/// What the cases do not show of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// Where its key stands.
    pub rule: Place,
    /// Whether it could let somebody through, and no case shows it.
    pub allow: bool,
    /// Whether it could keep somebody out, and no case shows it.
    pub deny: bool,
}

impl Judged {
    /// Judges every case of a file, called `name`, with every caller.
    #[must_use]
    pub fn new(name: String, file: &PolicyFile, cases: &CaseFile) -> Self {
        let mut seen: HashMap<Place, (bool, bool)> = HashMap::new();
        let mut decisions = Vec::new();
        for case in &cases.cases {
            for (caller, principal, via) in callers(cases, case) {
                let question = Question {
                    host: case.host.as_deref(),
                    headers: &case.headers,
                    principal,
                    via,
                    ..Question::new(&case.method, &case.path, cases.now)
                };
                let answer = Answer::of(file, &question);
                if let Some(rule) = &answer.rule {
                    let (allowed, denied) = seen.entry(rule.place).or_default();
                    *(if answer.allowed { allowed } else { denied }) = true;
                }
                let code = answer.reason;
                let failure = expected(case, &caller, via, &answer)
                    .map(|expected| Mismatch::new(expected, answer, file, &question));
                let (case, case_line) = (case.request.clone(), case.span.line);
                decisions.push(Judgement { case, case_line, principal: caller, code, failure });
            }
        }
        let (mut missing, mut gaps) = (Vec::new(), Vec::new());
        for rule in file.policy.entries() {
            let (allowed, denied) = seen.get(&rule.place).copied().unwrap_or_default();
            let (allow, deny) = (rule.can_allow && !allowed, rule.can_deny && !denied);
            if allow || deny {
                missing.push((rule.key.to_owned(), file.position(rule.place)));
                gaps.push(Gap { rule: rule.place, allow, deny });
            }
        }
        Self { name, decisions, coverage: CaseCoverage { rules: file.policy.rule_count(), missing, gaps } }
    }

    /// Whether everything is as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures().next().is_none()
    }

    /// What is not.
    pub fn failures(&self) -> impl Iterator<Item = (&Judgement, &Mismatch)> {
        self.decisions.iter().filter_map(|decision| Some((decision, decision.failure.as_ref()?)))
    }
}

/// Everybody who makes the request of a case: the principals, nobody, and one for each authenticator that it satisfies.
fn callers<'c>(
    cases: &'c CaseFile,
    case: &'c Case,
) -> impl Iterator<Item = (String, Option<&'c Principal>, Option<&'c str>)> {
    let principals = cases.principals.iter().map(|(name, principal)| (name.clone(), Some(principal), None));
    let proven = case.with.iter().map(|name| (format!("via {name}"), None, Some(name.as_str())));
    principals.chain([(ANONYMOUS.to_owned(), None, None)]).chain(proven)
}

/// What was expected, if it is not what came. Whom an authenticator accepts must get in.
fn expected(case: &Case, caller: &str, via: Option<&str>, answer: &Answer) -> Option<String> {
    let allow = via.is_some() || case.allows(caller);
    if allow != answer.allowed {
        return Some(if allow { "allow" } else { "deny" }.to_owned());
    }
    // A hidden reason may be written as it is, or as the client is told.
    let code = case.code_for(caller)?;
    let is_it = [answer.code, answer.reason].into_iter().flatten().any(|got| got.as_str() == code);
    (!is_it).then(|| code.to_owned())
}

impl Mismatch {
    fn new(expected: String, answer: Answer, file: &PolicyFile, question: &Question<'_>) -> Self {
        Self {
            expected,
            got: answer.decision(),
            code: answer.reason,
            line: answer.rule.as_ref().map(|rule| rule.place.line),
            explanation: told(file, question, false),
            rule: answer.rule.map(|rule| rule.key),
        }
    }
}
