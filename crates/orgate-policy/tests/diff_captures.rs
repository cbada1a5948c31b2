//! What requirements compare captured values with, where more specific rules win what has some of those values: the
//! difference of two policies against every request there is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::collections::BTreeMap;

use orgate_claims::{ClaimValue, IssuerUrl, Principal, RoleName, SubjectId, UnixTime};
use orgate_policy::{
    Change, ChangeKind, Decision, Diff, DiffError, Facts, Found, PathOptions, Place, Policy, PolicySpec,
    RequestTarget, Requirement, RuleKey, RuleSpec,
};
use proptest::{collection::vec, prelude::*, sample::select};

type Rule = (String, &'static str);

fn compile(paths: PathOptions, rules: &[Rule]) -> Option<Policy> {
    let rules = (1u32..).zip(rules).map(|(line, (key, requirement))| {
        let key = RuleKey::parse_with(key, paths).unwrap();
        RuleSpec::new(key, Requirement::parse(requirement).unwrap(), Place { file: 0, line, column: 3 })
    });
    let spec = PolicySpec {
        rules: rules.collect(),
        known_roles: vec![RoleName::parse("member").unwrap()],
        role_table: vec![(RoleName::parse("member").unwrap(), Vec::new())],
        paths,
        ..PolicySpec::default()
    };
    Policy::compile(spec).ok()
}

/// A change in one line.
fn line(change: &Change) -> String {
    let methods = change.methods.join("|");
    format!("{:?} {methods} {} {:?}", change.kind, change.path, change.who)
}

fn difference(paths: PathOptions, old: &str, new: &str) -> Result<Diff, DiffError> {
    let [old, new] = [old, new].map(|text| {
        let rules = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let rules = rules.map(|line| {
            let (key, requirement) = line.split_once(": ").unwrap();
            (key.to_owned(), &*requirement.to_owned().leak())
        });
        compile(paths, &rules.collect::<Vec<_>>()).expect(text)
    });
    old.diff(&new)
}

#[track_caller]
fn differs(old: &str, new: &str, told: &[&str]) {
    let diff = difference(PathOptions::default(), old, new).unwrap();
    assert_eq!(diff.changes.iter().map(line).collect::<Vec<_>>(), told);
}

#[test]
fn a_value_that_another_rule_wins_is_never_captured() {
    let (old, anonymous) = ("GET /a/*: public\nGET /**: public", ["Tightened GET /{id}/* [\"anonymous\"]"]);
    let everybody = ["Tightened GET /{id}/* [\"anonymous\", \"member\"]"];
    differs(old, &format!("{old}\nGET /{{id}}/*: path.id != \"a\""), &anonymous);
    // It does not matter which policy has the rule; another value is captured.
    differs("GET /**: public", &format!("{old}\nGET /{{id}}/*: path.id != \"a\""), &anonymous);
    differs(
        old,
        "GET /**: public\nGET /{id}/*: path.id != \"a\"",
        &["Tightened GET /a/* [\"anonymous\", \"member\"]", "Tightened GET /{id}/* [\"anonymous\"]"],
    );
    differs(old, &format!("{old}\nGET /{{id}}/*: path.id != \"b\""), &everybody);
    // The word that it never is may be that of a third value.
    let third = format!("{old}\nGET /{{id}}/*: path.id != claims.t");
    differs(&third, &format!("{third} or (claims.t == \"a\" and path.id == claims.t)"), &[]);
    // With another length it is captured after all.
    let longer = format!("{old}\nGET /{{id}}/**: path.id != \"a\"");
    differs(old, &longer, &["Tightened GET /{id}/** [\"anonymous\", \"member\"]"]);
    let shorter = "GET /a: public\nGET /**: public";
    let told = ["Tightened GET /{id}/** [\"anonymous\", \"member\"]"];
    differs(shorter, &format!("{shorter}\nGET /{{id}}/**: path.id != \"a\""), &told);
    let whole = "GET /a/**: public\nGET /**: public";
    let told = ["Tightened GET /{id}/** [\"anonymous\"]"];
    differs(whole, &format!("{whole}\nGET /{{id}}/**: path.id != \"a\""), &told);
}

#[test]
fn two_values_are_never_captured_together_where_another_rule_wins_both() {
    let old = "GET /a/b: public\nGET /{x}/{y}: public";
    let new = |condition: &str| format!("GET /a/b: public\nGET /{{x}}/{{y}}: {condition}");
    let [anonymous, everybody] = ["\"anonymous\"", "\"anonymous\", \"member\""]
        .map(|who| format!("Tightened GET /{{x}}/{{y}} [{who}]"));
    differs(old, &new("path.x != \"a\" or path.y != \"b\""), &[&anonymous]);
    differs(old, &new("path.x != \"a\""), &[&everybody]);
    differs(old, &new("path.y != \"b\""), &[&everybody]);
    differs(old, &new("path.x != \"b\" or path.y != \"a\""), &[&everybody]);
}

#[test]
fn a_host_that_another_rule_wins_is_never_captured() {
    let old = "GET x.e.com/**: public\nGET {h}.e.com/a: public\nGET *.i.e.com/a: public";
    let new = |condition: &str| old.replace("{h}.e.com/a: public", &format!("{{h}}.e.com/a: {condition}"));
    let [anonymous, everybody] = ["\"anonymous\"", "\"anonymous\", \"member\""]
        .map(|who| format!("Tightened GET {{h}}.e.com/a [{who}]"));
    differs(old, &new("host.h != \"x\""), &[&anonymous]);
    differs(old, &new("host.h != \"y.i\""), &[&anonymous]);
    differs(old, &new("host.h != \"X\""), &[&anonymous]);
    differs(old, &new("host.h != \"y\""), &[&everybody]);
}

#[test]
fn a_host_that_two_suffixes_end_is_one_value() {
    let old = "GET {h}.e.com/a: host.h == \"y.x\"";
    differs(old, "GET {h}.x.e.com/a: host.h == \"y\"\nGET {h}.e.com/a: host.h == \"y.x\"", &[]);
    differs(
        "GET {h}.e.com/a: host.h == claims.t",
        "GET {h}.x.e.com/a: host.h == claims.t",
        &[
            "Loosened GET {h}.x.e.com/a [\"member\"]",
            "Tightened GET {h}.e.com/a [\"member\"]",
            "Tightened GET {h}.x.e.com/a [\"member\"]",
        ],
    );
}

#[test]
fn two_parts_of_a_host_are_never_equal() {
    differs(
        "GET {h}.e.com/a: host.h == claims.t",
        "GET {h}.x.e.com/a: not host.h == claims.t\nGET {h}.e.com/a: host.h == claims.t",
        &["Loosened GET {h}.x.e.com/a [\"member\"]"],
    );
}

#[test]
fn what_equals_one_word_is_unequal_to_another() {
    let (old, new) = ("GET /b: claims.t == \"b\" and claims.t != \"x\"", "GET /b: claims.t == \"b\"");
    differs(old, new, &[]);
    differs(new, old, &[]);
    differs(new, "GET /b: claims.t == \"b\" and claims.t != \"b\"", &["Tightened GET /b [\"member\"]"]);
}

#[test]
fn what_is_no_segment_is_never_captured() {
    for word in ["a/b", ".", "", "a%2Fb"] {
        let new = format!("GET /{{id}}: path.id != \"{word}\"");
        differs("GET /{id}: public", &new, &["Tightened GET /{id} [\"anonymous\"]"]);
    }
}

#[test]
fn methods_that_leave_other_values_are_told_apart() {
    differs(
        "POST /a: authenticated\nGET|POST /{id}: authenticated",
        "POST /a: authenticated\nGET|POST /{id}: path.id != \"a\"",
        &["Tightened GET /{id} [\"member\"]"],
    );
    differs(
        "GET /a: authenticated\nGET|POST /{id}: authenticated",
        "GET /a: authenticated\nGET|POST /{id}: path.id != \"a\"",
        &["Tightened POST /{id} [\"member\"]"],
    );
    // GET speaks for HEAD, which loses nothing here.
    differs(
        "HEAD /a: deny\nGET /{id}: authenticated",
        "HEAD /a: deny\nGET /{id}: path.id != \"a\"",
        &["Tightened GET /{id} [\"member\"]"],
    );
    // `ANY` are all of them: one loses.
    let any = "POST /a: authenticated\nGET /a: authenticated\nANY /{id}: authenticated";
    differs(
        any,
        &any.replace("{id}: authenticated", "{id}: path.id != \"a\""),
        &["Tightened ANY /{id} [\"member\"]"],
    );
}

#[test]
fn where_case_is_folded_a_literal_is_one_of_its_spellings() {
    let paths = PathOptions { fold_case: true, ..PathOptions::default() };
    let tightens = |new: &str| {
        let diff = difference(paths, "GET /ab/{y}: public\nGET /{x}/{y}: authenticated", new).unwrap();
        !diff.changes.is_empty()
    };
    let new = |condition: &str| format!("GET /ab/{{y}}: public\nGET /{{x}}/{{y}}: {condition}");
    assert!(!tightens(&new("path.x != \"aB\"")));
    assert!(tightens(&new("path.x != \"b\"")));
    let loses = |old: &str| {
        let diff = difference(paths, &format!("GET /{{x}}: {old}"), "GET /a: authenticated").unwrap();
        diff.changes.iter().any(|change| change.path == "/a" && change.kind == ChangeKind::Loosened)
    };
    assert!(loses("path.x == \"a\"") && !loses("path.x == \"a\" or path.x == \"A\""));
    assert!(!loses("path.x != \"b\""));
    // Of three, two are equal.
    let pairs = ["path.x == path.y", "path.y == path.z", "path.x == path.z"];
    for (condition, told) in [(pairs.join(" or "), 0), (pairs[..2].join(" or "), 1)] {
        let diff =
            difference(paths, &format!("GET /{{x}}/{{y}}/{{z}}: {condition}"), "GET /a/a/a: authenticated");
        let changes = diff.unwrap().changes;
        let gains = changes.iter().filter(|change| change.kind == ChangeKind::Loosened);
        assert_eq!(gains.count(), told, "{condition}");
    }
}

#[test]
fn more_combinations_than_can_be_tried_are_an_error() {
    let policy = |last: &str| {
        let words: Vec<String> = (0..20).map(|at| format!("w{at}")).collect();
        let rules: String = words.iter().map(|word| format!("GET /{word}/{word}/{word}: public\n")).collect();
        let any: Vec<String> = words.iter().map(|word| format!("path.x == \"{word}\"")).collect();
        format!("{rules}GET /{{x}}/{{y}}/{{z}}: {} or path.y == path.z or {last}", any.join(" or "))
    };
    let error =
        difference(PathOptions::default(), &policy("sub == \"a\""), &policy("sub == \"b\"")).unwrap_err();
    assert!(error.to_string().contains("too complicated"), "{error}");
}

const CONDITIONS: [&str; 14] = [
    "public",
    "authenticated",
    "path.x == \"a\"",
    "path.x != \"a\"",
    "path.x != \"a\" or path.y != \"b\"",
    "path.x == \"b\" and path.y == \"a\"",
    "path.x == path.y",
    "path.x == path.y or path.y != \"a\"",
    "path.x == claims.t and claims.t != \"a\"",
    "path.y != claims.t or claims.t == \"A\"",
    "host.h == \"a\"",
    "host.h != \"b.x\" or path.x == host.h",
    "host.h == claims.t",
    "host.h != claims.t or claims.t != \"x\"",
];

fn rule() -> impl Strategy<Value = Rule> {
    let segments = vec(select(vec!["a", "b", "{x}", "{y}", "*"]), 1..=2);
    let host = select(vec!["", "", "", "{h}.e.com", "{h}.e.com", "a.e.com", "{h}.x.e.com"]);
    let method = select(vec!["GET", "GET", "POST", "GET|POST", "HEAD"]);
    (method, host, segments, any::<bool>(), select(CONDITIONS.to_vec())).prop_map(
        |(method, host, segments, rest, condition)| {
            let mut path = String::new();
            for segment in segments {
                let twice = segment.starts_with('{') && path.contains(segment);
                path.push_str(&format!("/{}", if twice { "*" } else { segment }));
            }
            path.push_str(if rest { "/**" } else { "" });
            let fits = ["x", "y"].iter().all(|name| {
                !condition.contains(&format!("path.{name}")) || path.contains(&format!("{{{name}}}"))
            });
            let fits = fits && (!condition.contains("host.h") || host.contains("{h}"));
            (format!("{method} {host}{path}"), if fits { condition } else { "authenticated" })
        },
    )
}

/// What somebody gains and what somebody loses, anonymous callers and others.
type Seen = [bool; 4];

fn asked_for_everything(
    old: &Policy,
    new: &Policy,
) -> BTreeMap<(Option<u32>, Option<u32>, &'static str), Seen> {
    let mut all: BTreeMap<_, Seen> = BTreeMap::new();
    let mut last = vec![String::new()];
    let mut paths = Vec::new();
    for _ in 0..3 {
        let longer = |path: &String| ["a", "A", "b", "c"].map(|word| format!("{path}/{word}"));
        last = last.iter().flat_map(longer).collect();
        paths.extend(last.iter().cloned());
    }
    let values =
        [None, Some("a"), Some("A"), Some("b"), Some("c"), Some("x"), Some("b.x"), Some("a.x"), Some("z")];
    let callers: Vec<Option<Principal>> = std::iter::once(None)
        .chain(values.map(|value| {
            let issuer = IssuerUrl::parse("https://i").unwrap();
            let mut builder = Principal::builder(issuer, SubjectId::parse("ann").unwrap());
            if let Some(value) = value {
                builder = builder.claim("t", ClaimValue::Text(value.into()));
            }
            Some(builder.build())
        }))
        .collect();
    let subjects: Vec<_> = callers
        .iter()
        .map(|caller| [old, new].map(|policy| caller.as_ref().map(|caller| policy.subject(caller))))
        .collect();
    let hosts = [
        None,
        Some("a.e.com"),
        Some("x.x.e.com"),
        Some("c.e.com"),
        Some("x.e.com"),
        Some("a.x.e.com"),
        Some("b.x.e.com"),
        Some("c.x.e.com"),
        Some("b.x.x.e.com"),
    ];
    for (path, host) in paths.iter().flat_map(|path| hosts.iter().map(move |host| (path, *host))) {
        for method in ["GET", "HEAD", "POST"] {
            let target = RequestTarget::parse(method, path).unwrap().at_host(host).unwrap();
            let found = [old, new].map(|policy| match policy.find(&target) {
                Found::Rule(found) => Some(found),
                _ => None,
            });
            let line = |at: usize| found[at].map(|found| found.place().line);
            let seen = all.entry((line(0), line(1), method)).or_default();
            for (at, subject) in subjects.iter().enumerate() {
                let facts = Facts::at(UnixTime::from_seconds(0));
                let [before, after] = [0, 1].map(|side| {
                    found[side]
                        .is_some_and(|found| found.decide(subject[side].as_ref(), &facts) == Decision::Allow)
                });
                let column = usize::from(at > 0);
                seen[column] |= after && !before;
                seen[2 + column] |= before && !after;
            }
        }
    }
    // GET speaks for HEAD.
    let heads: Vec<_> =
        all.iter().filter(|((.., method), _)| *method == "HEAD").map(|(k, v)| (*k, *v)).collect();
    for ((old, new, method), seen) in heads {
        if let Some(gets) = all.get_mut(&(old, new, "GET")) {
            gets.iter_mut().zip(seen).for_each(|(gets, seen)| *gets |= seen);
            all.remove(&(old, new, method));
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60)) })]

    #[test]
    fn nothing_is_told_of_values_that_are_never_captured(
        fold_case in any::<bool>(), shared in vec(rule(), 1..5), before in vec(rule(), 0..3), after in vec(rule(), 0..3),
    ) {
        let paths = PathOptions { fold_case, ..PathOptions::default() };
        let [old, new] = [before, after].map(|own| compile(paths, &[shared.as_slice(), &own].concat()));
        let (Some(old), Some(new)) = (old, new) else { return Ok(()) };
        let diff = old.diff(&new).unwrap();
        let line = |place: Option<Place>| place.map(|place| place.line);
        for ((before, after, method), seen) in asked_for_everything(&old, &new) {
            let told = diff.changes.iter().filter(|change| {
                (line(change.old_place), line(change.new_place)) == (before, after)
                    && change.methods.iter().any(|told| told == method)
            });
            let mut said = [false; 4];
            for change in told {
                let tightens = change.kind == ChangeKind::Tightened;
                let anonymous = change.who.iter().any(|who| who == "anonymous");
                let others = change.who.iter().any(|who| who == "member") || change.counterexample.is_some();
                let (here, there) = if tightens { (2, 0) } else { (0, 2) };
                said[here] |= anonymous;
                said[here + 1] |= others;
                said[there + 1] |= change.also.is_some();
            }
            prop_assert_eq!(said, seen, "{:?} to {:?} {}: {:#?}", before, after, method, diff);
        }
    }
}
