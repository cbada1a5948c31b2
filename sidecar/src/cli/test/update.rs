//! `orgate test --update`: expectations that are rewritten to what the policy says now.
//!
//! Only the values of failing cases are touched, where they stand. The new text is read and judged before it is written;
//! what it cannot mend (an authenticator that lets nobody in) stays as it is and fails.

use std::{fs, path::Path};

use orgate::testing::tools::{Judged, Judgement, read_cases};
use orgate_config::{
    cases::{ANONYMOUS, Case, EVERYONE},
    document::Span,
};

use super::Loaded;
use crate::cli::Failure;

/// A stretch of the file and what stands there instead.
struct Edit {
    start: usize,
    end: usize,
    text: String,
}

/// Rewrites one file and tells what changed.
pub(super) fn update(path: &Path, loaded: &Loaded) -> Result<String, Failure> {
    let Loaded { name, bytes, file, cases } = loaded;
    let text = String::from_utf8_lossy(bytes);
    let judged = Judged::new(name.clone(), file, cases);
    let mut edits: Vec<Edit> = Vec::new();
    let mut told = String::new();
    for case in &cases.cases {
        let of_case = |one: &&Judgement| one.case == case.request && one.case_line == case.span.line;
        let decisions: Vec<&Judgement> = judged.decisions.iter().filter(of_case).collect();
        if decisions.iter().all(|decision| decision.failure.is_none()) {
            continue;
        }
        let deny = case.deny_span.and_then(|span| edit(&text, span, denied(case, &decisions)));
        let edits_of_case = [edit(&text, case.allow_span, allowed(case, &decisions)), deny];
        let edits_of_case: Vec<Edit> = edits_of_case.into_iter().flatten().collect();
        if !edits_of_case.is_empty() {
            told.push_str(&format!("updated {name}:{}  {}\n", case.span.line, case.request));
        }
        for edit in edits_of_case {
            let old = text.get(edit.start..edit.end).unwrap_or_default().replace('\n', " ");
            told.push_str(&format!("  - {old}\n  + {}\n", edit.text));
            edits.push(edit);
        }
    }
    if edits.is_empty() {
        return Ok(format!("{name}: nothing to update"));
    }
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.start));
    let mut new = text.into_owned();
    for edit in &edits {
        new.replace_range(edit.start..edit.end, &edit.text);
    }
    let is_better = read_cases(name, new.as_bytes(), file).is_ok_and(|cases| {
        Judged::new(name.clone(), file, &cases).failures().count() < judged.failures().count()
    });
    if !is_better {
        let help = "write who gets in as a list on one line, `[ann, bob]`";
        return Err(Failure::could_not_run(format!(
            "`{name}` is laid out in a way that cannot be updated\nhelp: {help}"
        )));
    }
    fs::write(path, new)
        .map_err(|error| Failure::could_not_run(format!("cannot write `{name}`: {error}")))?;
    Ok(told.trim_end().to_owned())
}

/// An edit, if it changes something.
fn edit(text: &str, span: Span, new: String) -> Option<Edit> {
    let start = usize::try_from(span.start).ok()?;
    let old = text.get(start..usize::try_from(span.end).ok()?)?.trim_end();
    (old != new).then_some(Edit { start, end: start + old.len(), text: new })
}

/// Who gets in, as the file says it.
fn allowed(case: &Case, decisions: &[&Judgement]) -> String {
    let of_principals = || decisions.iter().filter(|decision| !is_via(case, decision));
    if of_principals().all(|decision| decision.code.is_none()) {
        return EVERYONE.to_owned();
    }
    let names = of_principals().filter(|decision| decision.code.is_none());
    let names: Vec<String> = names.map(|decision| name(&decision.principal)).collect();
    format!("[{}]", names.join(", "))
}

/// The codes of those whose code the case names, as they are now.
fn denied(case: &Case, decisions: &[&Judgement]) -> String {
    let codes = case.deny.iter().filter_map(|(principal, written)| {
        let decision = decisions.iter().find(|decision| decision.principal == *principal)?;
        let code = match &decision.failure {
            // Another name of the same refusal may stay.
            None => written.as_str(),
            Some(_) => decision.code?.as_str(),
        };
        Some(format!("{}: {code}", name(principal)))
    });
    format!("{{{}}}", codes.collect::<Vec<_>>().join(", "))
}

fn is_via(case: &Case, decision: &Judgement) -> bool {
    case.with.iter().any(|with| decision.principal == format!("via {with}"))
}

/// A name as YAML reads it within brackets.
fn name(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    let is_word = ["true", "false", "null"].iter().any(|word| name.eq_ignore_ascii_case(word));
    if name == ANONYMOUS || (is_plain && !is_word) {
        name.to_owned()
    } else {
        serde_json::Value::from(name).to_string()
    }
}
