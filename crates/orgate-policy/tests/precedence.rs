//! The trie against a naive reading of the rule "the most specific path that covers the method wins".

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use orgate_claims::Permission;
use orgate_policy::{
    Found, Pattern, Place, Policy, PolicySpec, Relation, RequestTarget, Requirement, RuleKey, RuleSpec,
};
use proptest::{collection::vec, prelude::*, sample::select};

const METHODS: [&str; 4] = ["GET", "HEAD", "POST", "PURGE"];

/// All patterns of up to three segments over two literals and `*`, with and without a rest.
fn pattern() -> impl Strategy<Value = String> {
    (vec(select(vec!["a", "b", "*"]), 0..=3), any::<bool>()).prop_map(|(segments, rest)| {
        let mut text: String = segments.iter().map(|segment| format!("/{segment}")).collect();
        if rest {
            text.push_str("/**");
        }
        if text.is_empty() { "/".to_owned() } else { text }
    })
}

fn rules() -> impl Strategy<Value = Vec<(String, String)>> {
    vec((select(vec!["GET", "HEAD", "POST", "ANY"]), pattern()), 1..7)
        .prop_map(|rules| rules.into_iter().map(|(method, pattern)| (method.to_owned(), pattern)).collect())
}

/// Every path of up to four segments over the two literals and one other word.
fn paths() -> Vec<Vec<&'static str>> {
    let mut all: Vec<Vec<&str>> = vec![vec![]];
    let mut last = all.clone();
    for _ in 0..4 {
        last = last
            .iter()
            .flat_map(|path| ["a", "b", "c"].map(|word| [path.as_slice(), &[word]].concat()))
            .collect();
        all.extend(last.iter().cloned());
    }
    all
}

fn compile(rules: &[(String, String)]) -> Option<Policy> {
    // Each rule demands a permission of its own, so that no two rules say the same.
    let permissions: Vec<Permission> =
        (0..rules.len()).map(|at| Permission::parse(&format!("p{at}")).unwrap()).collect();
    let rules = rules.iter().zip(&permissions).map(|((method, pattern), permission)| {
        let key = RuleKey::parse(&format!("{method} {pattern}")).unwrap();
        RuleSpec::new(key, Requirement::parse(permission.as_str()).unwrap(), Place::default())
    });
    let spec =
        PolicySpec { rules: rules.collect(), permissions: permissions.clone(), ..PolicySpec::default() };
    Policy::compile(spec).ok()
}

/// How strongly a rule's method speaks for `method`: by name, as GET for HEAD, as `ANY`.
fn rank(rule: &str, method: &str) -> Option<u8> {
    match rule {
        rule if rule == method => Some(0),
        "GET" if method == "HEAD" => Some(1),
        "ANY" => Some(2),
        _ => None,
    }
}

/// The winner by the definition: of the rules that cover the method, the one whose paths lie within all others'; at
/// the same path the one that names the method.
fn naive(rules: &[(String, String)], method: &str, path: &[&str]) -> Result<Option<String>, ()> {
    let candidates: Vec<_> = rules
        .iter()
        .filter_map(|(rule, pattern)| Some((rank(rule, method)?, rule, Pattern::parse(pattern).unwrap())))
        .filter(|(_, _, pattern)| pattern.matches(path))
        .collect();
    let wins = |(rank, _, pattern): &&(u8, &String, Pattern)| {
        candidates.iter().all(|(other_rank, _, other)| match pattern.relation(other) {
            Relation::Within => true,
            Relation::Equal => rank <= other_rank,
            _ => false,
        })
    };
    match candidates.iter().filter(wins).collect::<Vec<_>>().as_slice() {
        [] if candidates.is_empty() => Ok(None),
        [(_, rule, pattern)] => Ok(Some(format!("{rule} {pattern}"))),
        _ => Err(()),
    }
}

fn winner(policy: &Policy, method: &str, path: &[&str]) -> Option<String> {
    let text = format!("/{}", path.join("/"));
    let target = RequestTarget::parse(method, &text).unwrap();
    match policy.find(&target) {
        Found::Rule(found) => Some(found.rule().to_owned()),
        Found::NoRule | Found::MethodNotCovered => None,
    }
}

/// How many cases each property is tried with; `./tests/run --long` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1500)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_accepted_policy_always_has_one_winner_and_the_walk_finds_it(rules in rules()) {
        if let Some(policy) = compile(&rules) {
            for path in paths() {
                for method in METHODS {
                    prop_assert_eq!(Ok(winner(&policy, method, &path)), naive(&rules, method, &path), "{} {:?}", method, path);
                }
            }
        }
    }

    #[test]
    fn removing_a_rule_changes_only_what_it_had_won(rules in rules(), at in 0usize..6) {
        let Some(before) = compile(&rules) else { return Ok(()) };
        let mut fewer = rules.clone();
        let removed = fewer.remove(at % rules.len());
        let removed = format!("{} {}", removed.0, removed.1);
        // Without a rule for what two others share, the rest may be ambiguous; that is refused, not decided otherwise.
        let Some(after) = compile(&fewer) else { return Ok(()) };
        for path in paths() {
            for method in METHODS {
                let (was, is) = (winner(&before, method, &path), winner(&after, method, &path));
                prop_assert!(was == is || was.as_deref() == Some(&*removed), "{} {:?}: {:?} became {:?}", method, path, was, is);
            }
        }
    }

    #[test]
    fn relations_and_meets_agree_with_the_sets_of_paths(a in pattern(), b in pattern()) {
        let (a, b) = (Pattern::parse(&a).unwrap(), Pattern::parse(&b).unwrap());
        let paths = paths();
        let (mut both, mut only_a, mut only_b) = (false, false, false);
        for path in &paths {
            let hit = (a.matches(path), b.matches(path));
            both |= hit == (true, true);
            only_a |= hit == (true, false);
            only_b |= hit == (false, true);
        }
        let expected = match (both, only_a, only_b) {
            (false, ..) => Relation::Disjoint,
            (true, false, false) => Relation::Equal,
            (true, false, true) => Relation::Within,
            (true, true, false) => Relation::Around,
            (true, true, true) => Relation::Crossing,
        };
        prop_assert_eq!(a.relation(&b), expected, "{} to {}", &a, &b);
        match a.meet(&b) {
            None => prop_assert!(!both),
            Some(meet) => for path in &paths {
                prop_assert_eq!(meet.matches(path), a.matches(path) && b.matches(path), "{} of {} and {}", &meet, &a, &b);
            }
        }
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in ".{0,80}", path in "[ -~]{0,60}") {
        let _ = RuleKey::parse(&text);
        let _ = Requirement::parse(&text);
        let _ = Pattern::parse(&text);
        let _ = RequestTarget::parse("GET", &text);
        let _ = RequestTarget::parse("GET", &path);
    }
}

#[test]
fn most_random_policies_are_accepted_so_that_the_properties_mean_something() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let accepted =
        (0..400).filter(|_| compile(&rules().new_tree(&mut runner).unwrap().current()).is_some()).count();
    assert!(accepted > 100, "{accepted} of 400");
}

#[test]
fn a_policy_of_ten_thousand_rules_is_checked_rule_by_rule_with_its_neighbours_only() {
    let resources = (0..2500).flat_map(|at| {
        ["", "/{id}", "/{id}/members", "/{id}/members/{member}"]
            .map(move |rest| ("GET".to_owned(), format!("/orgs/{{org_id}}/things{at}{rest}")))
    });
    let rules: Vec<(String, String)> = resources.collect();
    let specs = rules.iter().map(|(method, pattern)| {
        let key = RuleKey::parse(&format!("{method} {pattern}")).unwrap();
        RuleSpec::new(key, Requirement::parse("read").unwrap(), Place::default())
    });
    let spec = PolicySpec {
        rules: specs.collect(),
        permissions: vec![Permission::parse("read").unwrap()],
        ..PolicySpec::default()
    };
    let policy = Policy::compile(spec).unwrap();
    for at in [0, 1234, 2499] {
        let path = format!("/orgs/acme/things{at}/7/members/9");
        let target = RequestTarget::parse("GET", &path).unwrap();
        let Found::Rule(found) = policy.find(&target) else { panic!("{path}") };
        assert_eq!(found.rule(), format!("GET /orgs/{{org_id}}/things{at}/{{id}}/members/{{member}}"));
    }
}
