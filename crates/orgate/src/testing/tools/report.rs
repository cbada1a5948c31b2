//! What became of the cases of a file of tests, for people.

use super::{Judged, Mismatch};

/// What became of the cases, for people; `coverage` names the rules that were not covered.
#[must_use]
pub fn report(files: &[Judged], coverage: bool) -> String {
    let mut text = String::new();
    for file in files {
        for (decision, failure) in file.failures() {
            text.push_str(&format!("FAIL {}:{}  {}\n", file.name, decision.case_line, decision.case));
            text.push_str(&format!("  {}  {}\n", decision.principal, sentence(failure)));
            for line in failure.explanation.lines() {
                text.push_str(&format!("    {line}\n"));
            }
        }
        let (all, failed) = (file.decisions.len(), file.failures().count());
        let counted = match failed {
            0 => format!("{all} decisions as expected"),
            failed => format!("{} of {all} decisions as expected", all - failed),
        };
        let rules = file.coverage.rules;
        let covered = rules - file.coverage.missing.len();
        text.push_str(&format!(
            "{}: {counted}; coverage {covered}/{rules} rules have an allow and a deny case\n",
            file.name
        ));
        if coverage {
            let width = file
                .coverage
                .missing
                .iter()
                .map(|(_, place)| place.chars().count())
                .max()
                .unwrap_or_default();
            for (rule, place) in &file.coverage.missing {
                text.push_str(&format!("  not covered  {place:width$}  {rule}\n"));
            }
        }
    }
    text
}

/// What was expected and what came, in one line.
#[must_use]
pub fn sentence(failure: &Mismatch) -> String {
    match (failure.got, failure.code) {
        ("allow", _) => format!("expected {}, got ALLOW", failure.expected),
        (_, Some(code)) => format!("expected {}, got DENY {code}", failure.expected),
        (got, None) => format!("expected {}, got {got}", failure.expected),
    }
}
