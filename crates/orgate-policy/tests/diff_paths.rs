//! The difference of two policies that fold case or tell slashes apart, against every path up to a depth in each of its
//! forms and spellings.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use orgate_claims::Permission;
use orgate_policy::{
    DiffError, Found, PathOptions, Pattern, Place, Policy, PolicySpec, RequestTarget, Requirement, RuleKey,
    RuleSpec,
};
use proptest::{collection::vec, prelude::*, sample::select};

type Rule = (&'static str, String, &'static str);

fn rule(paths: PathOptions) -> impl Strategy<Value = Rule> {
    let segment = select(vec!["a", "A", "b", "*"]);
    let pattern = (vec(segment, 0..=2), 0..4).prop_map(move |(segments, end)| {
        let mut text: String = segments.iter().map(|segment| format!("/{segment}")).collect();
        match end {
            0 => text.push_str("/**"),
            1 | 2 if paths.distinct_slash && !text.is_empty() => text.push('/'),
            _ => {}
        }
        if text.is_empty() { "/".to_owned() } else { text }
    });
    (select(vec!["GET", "POST", "ANY"]), pattern, select(vec!["public", "read", "write", "deny"]))
}

fn two() -> impl Strategy<Value = (PathOptions, Vec<Rule>, Vec<Rule>)> {
    (any::<bool>(), any::<bool>()).prop_flat_map(|(fold_case, distinct_slash)| {
        let paths = PathOptions { fold_case, distinct_slash };
        let rules = |most: usize| vec(rule(paths), 0..most);
        (rules(4), rules(3), rules(3)).prop_map(move |(shared, before, after)| {
            let written = |own: &[Rule]| shared.iter().chain(own).cloned().collect();
            (paths, written(&before), written(&after))
        })
    })
}

fn compile(paths: PathOptions, rules: &[Rule]) -> Option<Policy> {
    let rules = rules.iter().map(|(method, pattern, requirement)| {
        let key = RuleKey::parse_with(&format!("{method} {pattern}"), paths).unwrap();
        RuleSpec::new(key, Requirement::parse(requirement).unwrap(), Place::default())
    });
    let permissions = ["read", "write"].map(|name| Permission::parse(name).unwrap()).into();
    Policy::compile(PolicySpec { rules: rules.collect(), permissions, paths, ..PolicySpec::default() }).ok()
}

fn all_paths() -> Vec<String> {
    let mut all = vec!["/".to_owned()];
    let mut last = vec![String::new()];
    for _ in 0..3 {
        last =
            last.iter().flat_map(|path| ["a", "A", "b", "c"].map(|word| format!("{path}/{word}"))).collect();
        all.extend(last.iter().flat_map(|path| [path.clone(), format!("{path}/")]));
    }
    all
}

/// What is demanded of a request; `deny` where no rule lets anybody in.
fn demand(policy: &Policy, target: &RequestTarget<'_>) -> String {
    match policy.find(target) {
        Found::Rule(found) => found.requirement().to_owned(),
        Found::NoRule | Found::MethodNotCovered => "deny".to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn every_changed_path_is_told_in_its_form_and_no_other_is((paths, old, new) in two()) {
        let (Some(old), Some(new)) = (compile(paths, &old), compile(paths, &new)) else { return Ok(()) };
        let diff = old.diff(&new).unwrap();
        let mut seen = vec![false; diff.changes.len()];
        for path in all_paths() {
            for method in ["GET", "POST", "PURGE"] {
                let target = RequestTarget::parse(method, &path).unwrap();
                let (before, after) = (demand(&old, &target), demand(&new, &target));
                if before == after {
                    continue;
                }
                let mut words: Vec<String> = target.segments().map(|word| match paths.fold_case {
                    true => word.to_ascii_lowercase(),
                    false => word.to_owned(),
                }).collect();
                if paths.distinct_slash && target.ends_in_slash() {
                    words.push(String::new());
                }
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let told = diff.changes.iter().zip(&mut seen).filter(|(change, _)| {
                    let text = |told: &Option<String>| told.clone().unwrap_or_else(|| "deny".to_owned());
                    Pattern::parse_with(&change.path, paths).unwrap().matches(&words)
                        && change.methods.iter().any(|told| told == method || told == "ANY")
                        && (text(&change.before), text(&change.after)) == (before.clone(), after.clone())
                });
                let mut count = 0;
                told.for_each(|(_, seen)| { *seen = true; count += 1; });
                prop_assert!(count > 0, "{} {}: {} to {}, {:?}: {:?}", method, path, before, after, paths, diff);
            }
        }
        prop_assert!(seen.iter().all(|seen| *seen), "{:?} {:?}", paths, diff);
    }
}

#[test]
fn policies_that_read_paths_otherwise_are_not_compared() {
    let distinct = PathOptions { distinct_slash: true, ..PathOptions::default() };
    let rules = [("GET", "/a".to_owned(), "public")];
    let [old, new] = [PathOptions::default(), distinct].map(|paths| compile(paths, &rules).unwrap());
    assert_eq!(old.diff(&new), Err(DiffError::OtherPaths));
    assert!(new.diff(&new).unwrap().changes.is_empty());
}

#[test]
fn a_change_of_a_path_that_only_its_slash_leaves_to_a_rule_is_told() {
    let paths = PathOptions { distinct_slash: true, ..PathOptions::default() };
    let policy = |rest| {
        let rules = [("/a/**", rest), ("/a", "write"), ("/a/*/**", "write")];
        compile(paths, &rules.map(|(path, requirement)| ("GET", path.to_owned(), requirement))).unwrap()
    };
    let diff = policy("read").diff(&policy("public")).unwrap();
    let told: Vec<&str> = diff.changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(told, ["/a/**"]);
}
