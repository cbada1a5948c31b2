//! The tries against a naive reading of the rule "of the rules that cover the method, the most specific host wins, then
//! the most specific path, then the one that names the method".

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{cell::Cell, fmt::Write as _};

use orgate_claims::Permission;
use orgate_policy::{
    Found, HostPattern, Methods, PathOptions, Pattern, Place, Policy, PolicyError, PolicySpec, Relation,
    RequestTarget, Requirement, RuleKey, RuleSpec,
};
use proptest::{collection::vec, prelude::*, sample::select};

const METHODS: [&str; 4] = ["GET", "HEAD", "POST", "PURGE"];
const HOSTS: [Option<&str>; 5] =
    [None, Some("a.x.test"), Some("b.a.x.test"), Some("b.x.test"), Some("x.test")];

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

/// Rules without hosts.
fn rules() -> impl Strategy<Value = Vec<RuleKey>> {
    vec((select(vec!["GET", "HEAD", "POST", "ANY"]), pattern()), 1..7)
        .prop_map(|rules| rules.iter().map(|(method, path)| key(&format!("{method} {path}"))).collect())
}

/// Rules with and without hosts that lie within each other.
fn rules_of_hosts() -> impl Strategy<Value = Vec<RuleKey>> {
    let host = select(vec!["", "", "a.x.test", "*.x.test", "{h}.a.x.test", "*.test"]);
    vec((select(vec!["GET", "HEAD", "POST", "ANY"]), host, pattern()), 1..7).prop_map(|rules| {
        rules.iter().map(|(method, host, path)| key(&format!("{method} {host}{path}"))).collect()
    })
}

/// Every choice of options.
fn options() -> impl Strategy<Value = PathOptions> {
    (any::<bool>(), any::<bool>())
        .prop_map(|(fold_case, distinct_slash)| PathOptions { fold_case, distinct_slash })
}

/// Patterns with capitals and, where they make another path, with a `/` at the end.
fn spelled(paths: PathOptions) -> impl Strategy<Value = String> {
    let segment = select(vec!["a", "A", "b", "*"]);
    (vec(segment, 0..=3), 0..4).prop_map(move |(segments, end)| {
        let mut text: String = segments.iter().map(|segment| format!("/{segment}")).collect();
        match end {
            0 => text.push_str("/**"),
            1 | 2 if paths.distinct_slash && !text.is_empty() => text.push('/'),
            _ => {}
        }
        if text.is_empty() { "/".to_owned() } else { text }
    })
}

/// Rules without hosts of a policy with some options.
fn spelled_rules() -> impl Strategy<Value = (PathOptions, Vec<RuleKey>)> {
    options().prop_flat_map(|paths| {
        let rule = (select(vec!["GET", "POST", "ANY"]), spelled(paths));
        vec(rule, 1..7).prop_map(move |rules| {
            let key = |(method, path): &(&str, String)| {
                RuleKey::parse_with(&format!("{method} {path}"), paths).unwrap()
            };
            (paths, rules.iter().map(key).collect())
        })
    })
}

/// Whether a pattern, as written, has a path, as received: read from the text, without the engine's own types.
fn has(paths: PathOptions, pattern: &str, path: &str) -> bool {
    let fold = |text: &str| if paths.fold_case { text.to_ascii_lowercase() } else { text.to_owned() };
    let (pattern, path) = (fold(pattern), fold(path));
    let slash = |text: &str| text.len() > 1 && text.ends_with('/');
    let words = |text: &str| -> Vec<String> {
        text.split('/').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let mut wanted = words(&pattern);
    let given = words(&path);
    let rest = wanted.last().is_some_and(|word| word == "**");
    if rest {
        wanted.pop();
    } else if paths.distinct_slash && slash(&pattern) != slash(&path) {
        return false;
    }
    let length = if rest { given.len() >= wanted.len() } else { given.len() == wanted.len() };
    length && wanted.iter().zip(&given).all(|(wanted, given)| wanted == "*" || wanted == given)
}

/// Every path of up to four segments, in both forms.
fn spelled_paths() -> Vec<String> {
    let mut all = vec!["/".to_owned()];
    let mut last = vec![String::new()];
    for _ in 0..4 {
        last =
            last.iter().flat_map(|path| ["a", "A", "b", "c"].map(|word| format!("{path}/{word}"))).collect();
        all.extend(last.iter().flat_map(|path| [path.clone(), format!("{path}/")]));
    }
    all
}

fn key(text: &str) -> RuleKey {
    RuleKey::parse(text).unwrap()
}

/// Every path of up to `longest` segments over the two literals and one other word.
fn paths(longest: usize) -> Vec<Vec<&'static str>> {
    let mut all: Vec<Vec<&str>> = vec![vec![]];
    let mut last = all.clone();
    for _ in 0..longest {
        last = last
            .iter()
            .flat_map(|path| ["a", "b", "c"].map(|word| [path.as_slice(), &[word]].concat()))
            .collect();
        all.extend(last.iter().cloned());
    }
    all
}

/// Compiles the rules; each demands something of its own, so that no two say the same. A HEAD rule demands everything
/// that the others do, so that it is never weaker than the one that answers GET.
fn compiled(keys: &[RuleKey]) -> Result<Policy, Vec<PolicyError>> {
    let names: Vec<String> = (0..keys.len()).map(|at| format!("p{at}")).collect();
    let rules = keys.iter().zip(&names).map(|(key, name)| {
        let mut requirement = name.clone();
        if key.as_str().starts_with("HEAD ") {
            names.iter().for_each(|name| write!(requirement, " and {name}").unwrap());
        }
        RuleSpec::new(key.clone(), Requirement::parse(&requirement).unwrap(), Place::default())
    });
    let permissions = names.iter().map(|name| Permission::parse(name).unwrap()).collect();
    let paths = keys.first().map(RuleKey::read_by).unwrap_or_default();
    Policy::compile(PolicySpec { rules: rules.collect(), permissions, paths, ..PolicySpec::default() })
}

fn compile(keys: &[RuleKey]) -> Option<Policy> {
    compiled(keys).ok()
}

/// How strongly a rule's methods speak for `method`: by name, as GET for HEAD, as `ANY`.
fn rank(rule: &RuleKey, method: &str) -> Option<u8> {
    let names = |method| match rule.methods() {
        Methods::Any => false,
        Methods::Named(names) => names.iter().any(|name| name.as_str() == method),
    };
    match rule.methods() {
        Methods::Any => Some(2),
        Methods::Named(_) if names(method) => Some(0),
        Methods::Named(_) => (method == "HEAD" && names("GET")).then_some(1),
    }
}

fn host_relation(a: Option<&HostPattern>, b: Option<&HostPattern>) -> Relation {
    match (a, b) {
        (Some(a), Some(b)) => a.relation(b),
        (Some(_), None) => Relation::Within,
        (None, Some(_)) => Relation::Around,
        (None, None) => Relation::Equal,
    }
}

/// The winner by the definition; an error if there is none although rules cover the request.
fn naive(keys: &[RuleKey], host: Option<&str>, method: &str, path: &[&str]) -> Result<Option<String>, ()> {
    let fits = |key: &&RuleKey| {
        key.host().is_none_or(|pattern| host.is_some_and(|host| pattern.matches(host)))
            && key.pattern().matches(path)
    };
    let candidates: Vec<(u8, &RuleKey)> =
        keys.iter().filter(fits).filter_map(|key| Some((rank(key, method)?, key))).collect();
    let beats = |(rank, key): &(u8, &RuleKey), (other_rank, other): &(u8, &RuleKey)| match (
        host_relation(key.host(), other.host()),
        key.pattern().relation(other.pattern()),
    ) {
        (Relation::Within, _) | (Relation::Equal, Relation::Within) => true,
        (Relation::Equal, Relation::Equal) => rank <= other_rank,
        _ => false,
    };
    let wins = |one: &&(u8, &RuleKey)| candidates.iter().all(|other| beats(one, other));
    match candidates.iter().filter(wins).collect::<Vec<_>>().as_slice() {
        [] if candidates.is_empty() => Ok(None),
        [(_, rule)] => Ok(Some(rule.as_str().to_owned())),
        _ => Err(()),
    }
}

fn winner(policy: &Policy, host: Option<&str>, method: &str, path: &[&str]) -> Option<String> {
    let text = format!("/{}", path.join("/"));
    let target = RequestTarget::parse(method, &text).unwrap().at_host(host).unwrap();
    match policy.find(&target) {
        Found::Rule(found) => Some(found.rule().to_owned()),
        Found::NoRule | Found::MethodNotCovered => None,
    }
}

/// The first request over these paths and hosts for which `answer` has something to say.
fn differences<T: PartialEq>(
    longest: usize,
    hosts: &[Option<&'static str>],
    answer: impl Fn(Option<&str>, &str, &[&str]) -> Option<T>,
) -> Option<(T, String)> {
    paths(longest).iter().find_map(|path| {
        hosts.iter().find_map(|host| {
            METHODS.iter().find_map(|method| {
                Some((answer(*host, method, path)?, format!("{method} {host:?} /{}", path.join("/"))))
            })
        })
    })
}

/// How many cases each property is tried with; `./tests/run --long` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(500)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_accepted_policy_always_has_one_winner_and_the_walk_finds_it(keys in rules()) {
        if let Some(policy) = compile(&keys) {
            prop_assert_eq!(wrong_winner(&policy, &keys, 4, &[None]), None);
        }
    }

    #[test]
    fn hosts_go_before_paths_and_every_method_falls_through_by_itself(keys in rules_of_hosts()) {
        if let Some(policy) = compile(&keys) {
            prop_assert_eq!(wrong_winner(&policy, &keys, 3, &HOSTS), None);
        }
    }

    #[test]
    fn removing_a_rule_changes_only_what_it_had_won(keys in rules_of_hosts(), at in 0usize..6) {
        let Some(before) = compile(&keys) else { return Ok(()) };
        let mut fewer = keys.clone();
        let removed = fewer.remove(at % keys.len());
        // Without a rule for what two others share, the rest may be ambiguous; that is refused, not decided otherwise.
        let Some(after) = compile(&fewer) else { return Ok(()) };
        let changed = differences(3, &HOSTS, |host, method, path| {
            let (was, is) = (winner(&before, host, method, path), winner(&after, host, method, path));
            (was != is && was.as_deref() != Some(removed.as_str())).then_some((was, is))
        });
        prop_assert_eq!(changed, None);
    }

    #[test]
    fn every_rule_of_an_accepted_policy_wins_something_and_an_unreachable_one_nothing(keys in rules()) {
        // PURGE stands for every method that no rule names, `c` for every word.
        let won = |key: &RuleKey| {
            differences(4, &[None], |host, method, path| {
                (naive(&keys, host, method, path) == Ok(Some(key.as_str().to_owned()))).then_some(())
            })
        };
        match compiled(&keys) {
            Ok(_) => for key in &keys {
                prop_assert!(won(key).is_some(), "{} wins nothing", key);
            },
            Err(errors) => for error in errors.iter().filter(|error| error.code == "E045") {
                let key = keys.iter().find(|key| error.message.contains(&format!("`{key}`"))).unwrap();
                prop_assert_eq!(won(key), None, "{}", key);
            },
        }
    }

    #[test]
    fn relations_and_meets_agree_with_the_sets_of_paths(a in pattern(), b in pattern()) {
        let (a, b) = (Pattern::parse(&a).unwrap(), Pattern::parse(&b).unwrap());
        let paths = paths(4);
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
        let _ = RuleKey::parse(&format!("GET {text}/x"));
        let _ = RequestTarget::parse("GET", "/").unwrap().at_host(Some(&text));
        let _ = Requirement::parse(&text);
        let _ = Pattern::parse(&text);
        let _ = RequestTarget::parse("GET", &text);
        let _ = RequestTarget::parse("GET", &path);
    }
}

proptest! {
    // Each case asks about every path in each of its forms and spellings.
    #![proptest_config(ProptestConfig { cases: cases() / 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn options_say_which_paths_are_one_and_the_walk_keeps_to_them((paths, keys) in spelled_rules()) {
        let compiled = compiled(&keys);
        let all = spelled_paths();
        let pattern = |key: &RuleKey| key.as_str().split_once(' ').unwrap().1.to_owned();
        let hits: Vec<Vec<bool>> =
            keys.iter().map(|key| all.iter().map(|path| has(paths, &pattern(key), path)).collect()).collect();
        let subset = |a: &[bool], b: &[bool]| a.iter().zip(b).all(|(a, b)| !a || *b);
        let subsets: Vec<Vec<bool>> =
            hits.iter().map(|a| hits.iter().map(|b| subset(a, b)).collect()).collect();
        let within = |a: usize, b: usize| subsets[a][b];
        // The winner by the sets of paths: the one whose set lies in those of all others.
        let wins = |at: usize, path: usize, method: &str| {
            let others = (0..keys.len()).filter(|other| hits[*other][path] && rank(&keys[*other], method).is_some());
            hits[at][path] && rank(&keys[at], method).is_some() && others.into_iter().all(|other| {
                within(at, other) && (!within(other, at) || rank(&keys[at], method) <= rank(&keys[other], method))
            })
        };
        match &compiled {
            Ok(policy) => for (number, path) in all.iter().enumerate() {
                for method in ["GET", "POST", "PURGE"] {
                    let target = RequestTarget::parse(method, path).unwrap();
                    let expected: Vec<&str> =
                        (0..keys.len()).filter(|at| wins(*at, number, method)).map(|at| keys[at].as_str()).collect();
                    let found: Vec<&str> = match policy.find(&target) {
                        Found::Rule(found) => vec![found.rule()],
                        Found::NoRule | Found::MethodNotCovered => vec![],
                    };
                    prop_assert_eq!(&found, &expected, "{} {} {:?}", method, path, paths);
                    let mut listed: Vec<&str> = policy.rules_on(&target).iter().map(|rule| rule.key).collect();
                    let mut covering: Vec<&str> =
                        (0..keys.len()).filter(|at| hits[*at][number]).map(|at| keys[at].as_str()).collect();
                    listed.sort_unstable();
                    covering.sort_unstable();
                    prop_assert_eq!(listed, covering, "{} {:?}", path, paths);
                }
            },
            // What is told of single rules is so.
            Err(errors) => for error in errors.iter().filter(|error| error.code == "E045") {
                let at = keys.iter().position(|key| error.message.contains(&format!("`{key}`"))).unwrap();
                let won = (0..all.len()).any(|path| ["GET", "POST", "PURGE"].iter().any(|method| wins(at, path, method)));
                prop_assert!(!won, "{} {:?}", keys[at], paths);
            },
        }
        if compiled.is_ok() {
            for (at, key) in keys.iter().enumerate() {
                let won = (0..all.len()).any(|path| ["GET", "POST", "PURGE"].iter().any(|method| wins(at, path, method)));
                prop_assert!(won, "{} wins nothing {:?}", key, paths);
            }
        }
    }

    #[test]
    fn relations_and_meets_of_spelled_patterns_agree_with_the_sets_of_paths(
        (paths, a, b) in options().prop_flat_map(|paths| (Just(paths), spelled(paths), spelled(paths)))
    ) {
        let [one, other] = [&a, &b].map(|text| Pattern::parse_with(text, paths).unwrap());
        let (mut both, mut only_a, mut only_b) = (false, false, false);
        let meet = one.meet(&other).map(|meet| meet.to_string());
        for path in spelled_paths() {
            let hit = (has(paths, &a, &path), has(paths, &b, &path));
            both |= hit == (true, true);
            only_a |= hit == (true, false);
            only_b |= hit == (false, true);
            let met = meet.as_ref().is_some_and(|meet| has(paths, meet, &path));
            prop_assert_eq!(met, hit == (true, true), "{} in {} and {}, {:?}", path, a, b, paths);
        }
        let expected = match (both, only_a, only_b) {
            (false, ..) => Relation::Disjoint,
            (true, false, false) => Relation::Equal,
            (true, false, true) => Relation::Within,
            (true, true, false) => Relation::Around,
            (true, true, true) => Relation::Crossing,
        };
        prop_assert_eq!(one.relation(&other), expected, "{} to {}", a, b);
    }
}

/// A request that the policy and the definition answer otherwise.
fn wrong_winner(
    policy: &Policy,
    keys: &[RuleKey],
    longest: usize,
    hosts: &[Option<&'static str>],
) -> Option<(String, String)> {
    differences(longest, hosts, |host, method, path| {
        let (found, expected) = (Ok(winner(policy, host, method, path)), naive(keys, host, method, path));
        (found != expected).then(|| format!("{found:?} and not {expected:?}"))
    })
}

#[test]
fn most_random_policies_are_accepted_so_that_the_properties_mean_something() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let accepted =
        (0..400).filter(|_| compile(&rules().new_tree(&mut runner).unwrap().current()).is_some()).count();
    assert!(accepted > 100, "{accepted} of 400");
    let accepted = (0..400)
        .filter(|_| compile(&rules_of_hosts().new_tree(&mut runner).unwrap().current()).is_some())
        .count();
    assert!(accepted > 100, "{accepted} of 400 with hosts");
}

/// The routes by which `matchit` reads a pattern, parameters named by their depth.
fn routes(pattern: &Pattern) -> Vec<String> {
    let text = pattern.to_string();
    let segments = text.split('/').skip(1).filter(|segment| !segment.is_empty() && *segment != "**");
    let path: String = segments
        .enumerate()
        .map(|(at, segment)| if segment == "*" { format!("/{{p{at}}}") } else { format!("/{segment}") })
        .collect();
    let root = if path.is_empty() { "/" } else { &path };
    let mut routes = vec![root.to_owned()];
    if pattern.has_rest() {
        routes.push(format!("{path}/{{*rest}}"));
    }
    routes
}

#[test]
fn where_matchit_accepts_the_same_patterns_it_finds_the_same_winner() {
    use proptest::test_runner::{Config, TestRunner};
    let compared = Cell::new(0);
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, proptest::test_runner::TestRng::deterministic_rng(Default::default()))
        .run(&vec(pattern(), 1..6), |patterns| {
            let keys: Vec<RuleKey> = patterns.iter().map(|pattern| key(&format!("GET {pattern}"))).collect();
            let Some(policy) = compile(&keys) else { return Ok(()) };
            let mut router = matchit::Router::new();
            for key in &keys {
                for route in routes(key.pattern()) {
                    if router.insert(route, key.as_str()).is_err() {
                        return Ok(()); // it has a rule for fewer sets than we have
                    }
                }
            }
            compared.set(compared.get() + 1);
            for path in paths(4) {
                let text = format!("/{}", path.join("/"));
                let theirs = router.at(&text).ok().map(|found| (*found.value).to_owned());
                prop_assert_eq!(winner(&policy, None, "GET", &path), theirs, "{} of {:?}", text, keys);
            }
            Ok(())
        })
        .unwrap();
    assert!(compared.get() > cases() / 10, "{} of {}", compared.get(), cases());
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
