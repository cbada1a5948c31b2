//! The difference of two policies against every request there is: paths up to a depth, methods, callers with every set
//! of permissions and roles. Nothing is missed, and nothing is told that is not so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::collections::{BTreeMap, BTreeSet};

use orgate_claims::{
    ClaimValue, IssuerUrl, Organization, OrganizationId, Permission, Principal, RoleName, Slug, SubjectId,
    UnixTime,
};
use orgate_policy::{
    ANONYMOUS, Change, ChangeKind, Decision, Diff, Facts, Found, Pattern, PermissionsFrom, Place, Policy,
    PolicySpec, RequestTarget, Requirement, RoleSpec, RuleKey, RuleSpec, Subject,
};
use proptest::{collection::vec, prelude::*, sample::select};

/// PATCH is named by no rule.
const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "PURGE", "PATCH"];
const REQUIREMENTS: [&str; 14] = [
    "public",
    "optional",
    "deny",
    "authenticated",
    "org",
    "read",
    "write",
    "read and write",
    "write or read",
    "not read",
    "role(member)",
    "role(owner) or read",
    "role(owner) and org",
    "(read or role(member)) and not write",
];

/// Values that are compared, and how the caller signed in.
const COMPARISONS: [&str; 14] = [
    "public",
    "read",
    "path.id == \"a\"",
    "path.id != \"a\"",
    "path.id == claims.t",
    "not path.id == claims.t",
    "path.id != claims.t and read",
    "claims.t == \"a\" or read",
    "path.id in claims.s",
    "fresh(5m)",
    "fresh(15m) and read",
    "acr(\"1\", \"2\")",
    "acr(\"2\")",
    "path.id == org.id or acr(\"1\")",
];

#[derive(Clone, Debug)]
struct Rule {
    method: &'static str,
    host: &'static str,
    pattern: String,
    requirement: &'static str,
    unbound: bool,
}

#[derive(Clone, Debug)]
struct Written {
    rules: Vec<Rule>,
    /// Which permissions the roles member and owner grant; `None`: no roles are written, but a profile's table is.
    table: Option<[&'static [&'static str]; 2]>,
    from: PermissionsFrom,
}

fn pattern(most: usize) -> impl Strategy<Value = String> {
    let segment = select(vec!["a", "b", "a", "*", "{id}", "{org_id}", "{org}"]);
    (vec(segment, 0..=most), any::<bool>()).prop_map(|(segments, rest)| {
        let mut text = String::new();
        for segment in segments {
            // A name stands once in a pattern.
            let segment = if segment.starts_with('{') && text.contains(segment) { "*" } else { segment };
            text.push('/');
            text.push_str(segment);
        }
        if rest {
            text.push_str("/**");
        }
        if text.is_empty() { "/".to_owned() } else { text }
    })
}

fn rule(most: usize, requirements: [&'static str; 14]) -> impl Strategy<Value = Rule> {
    let method = select(vec!["GET", "HEAD", "POST", "GET|POST", "PURGE", "ANY", "ANY"]);
    let host = select(vec!["", "", "", "x.e.com", "*.e.com", "*.x.e.com"]);
    (method, host, pattern(most), select(requirements.to_vec()), any::<bool>()).prop_map(
        |(method, host, pattern, requirement, unbound)| {
            let captured = pattern.contains("{id}") || !requirement.contains("path.id");
            let requirement = if captured { requirement } else { "read" };
            let bindable = pattern.contains("{org");
            Rule {
                method,
                host,
                unbound: bindable && (unbound || requirement == "public"),
                pattern,
                requirement,
            }
        },
    )
}

/// The same rules for every host.
fn without_hosts((mut old, mut new): (Written, Written)) -> (Written, Written) {
    old.rules.iter_mut().chain(&mut new.rules).for_each(|rule| rule.host = "");
    (old, new)
}

type Table = Option<[&'static [&'static str]; 2]>;

fn table() -> impl Strategy<Value = Table> {
    select(vec![
        None,
        Some([&["read"][..], &["read", "write"][..]]),
        Some([&["read"], &["read"]]),
        Some([&["write"], &["read", "write"]]),
        Some([&[], &["write"]]),
    ])
}

fn from() -> impl Strategy<Value = PermissionsFrom> {
    use PermissionsFrom::{Role, Token, TokenElseRole, Union};
    select(vec![TokenElseRole, TokenElseRole, TokenElseRole, Token, Role, Union])
}

/// Two policies that share most of their rules.
fn two(most: usize, requirements: [&'static str; 14]) -> impl Strategy<Value = (Written, Written)> {
    let rules = move |count: std::ops::Range<usize>| vec(rule(most, requirements), count);
    let settings = (table(), table(), from(), from(), any::<bool>(), any::<bool>());
    (rules(1..5), rules(0..3), rules(0..3), settings).prop_map(|(shared, before, after, settings)| {
        let (table, other_table, from, other_from, same_table, same_from) = settings;
        let written = |own: Vec<Rule>, table, from| {
            let rules = shared.iter().chain(&own).cloned().collect();
            Written { rules, table, from }
        };
        let new_table = if same_table { table } else { other_table };
        let new_from = if same_from { from } else { other_from };
        (written(before, table, from), written(after, new_table, new_from))
    })
}

fn compile(written: &Written) -> Option<Policy> {
    let permission = |name: &&str| Permission::parse(name).unwrap();
    let role = |name: &str| RoleName::parse(name).unwrap();
    let rules = (1u32..).zip(&written.rules).map(|(line, rule)| {
        let key = RuleKey::parse(&format!("{} {}{}", rule.method, rule.host, rule.pattern)).unwrap();
        let requirement = Requirement::parse(rule.requirement).unwrap();
        let mut spec = RuleSpec::new(key, requirement, Place { file: 0, line, column: 3 });
        if rule.unbound {
            let names = ["org_id", "org"].into_iter();
            let present = names.filter(|name| rule.pattern.contains(&format!("{{{name}}}")));
            spec.unbound = present.map(str::to_owned).collect();
        }
        spec
    });
    let names = ["member", "owner"];
    let roles =
        written.table.iter().flat_map(|table| names.iter().zip(table)).map(|(name, grants)| RoleSpec {
            name: role(name),
            grants: grants.iter().map(permission).collect(),
            extends: Vec::new(),
            place: Place::default(),
        });
    let profile = || {
        vec![
            (role("member"), vec![permission(&"read")]),
            (role("owner"), vec![permission(&"read"), permission(&"write")]),
        ]
    };
    let spec = PolicySpec {
        rules: rules.collect(),
        permissions: ["read", "write"].iter().map(permission).collect(),
        known_roles: names.map(role).into(),
        roles: roles.collect(),
        role_table: profile(),
        permissions_from: written.from,
        ..PolicySpec::default()
    };
    Policy::compile(spec).ok()
}

/// Every path up to `depth` over the two literals and one other word.
fn paths(depth: usize) -> Vec<Vec<&'static str>> {
    let mut all: Vec<Vec<&str>> = vec![vec![]];
    let mut last = all.clone();
    for _ in 0..depth {
        let longer =
            |path: &Vec<&'static str>| ["a", "b", "c"].map(|word| [path.as_slice(), &[word]].concat());
        last = last.iter().flat_map(longer).collect();
        all.extend(last.iter().cloned());
    }
    all
}

type Org = (&'static str, Option<&'static str>);
/// Every way in which an organization can be spoken of by a path, or not.
fn orgs() -> impl Iterator<Item = Org> + Clone {
    let slugs = [None, Some("a"), Some("b"), Some("c")];
    ["a", "b", "c", "z"].into_iter().flat_map(move |id| slugs.map(|slug| (id, slug)))
}

fn principal(org: Option<Org>, roles: &[&str], permissions: Option<&[&str]>) -> Principal {
    let organization = org.map(|(id, slug)| {
        Organization::new(OrganizationId::parse(id).unwrap(), slug.map(|slug| Slug::parse(slug).unwrap()))
    });
    Principal::builder(IssuerUrl::parse("https://i").unwrap(), SubjectId::parse("ann").unwrap())
        .organization(organization)
        .roles(roles.iter().map(|name| RoleName::parse(name).unwrap()).collect())
        .permissions(permissions.map(|names| names.iter().map(|n| Permission::parse(n).unwrap()).collect()))
        .build()
}

/// Somebody, as each of the two policies sees them.
struct Caller {
    /// The role by whose table the token was made; [`ANONYMOUS`]; empty for any other token.
    column: &'static str,
    token: String,
    subjects: [Option<Subject>; 2],
}

fn callers(old: &Policy, new: &Policy) -> Vec<Caller> {
    let mut all = vec![Caller { column: ANONYMOUS, token: String::new(), subjects: [None, None] }];
    for role in ["member", "owner"] {
        for org in orgs() {
            let subjects = [old, new].map(|policy| {
                let held = policy.table_permissions([role]);
                Some(policy.subject(&principal(Some(org), &[role], Some(&held))))
            });
            all.push(Caller { column: role, token: String::new(), subjects });
        }
    }
    let claims: [Option<&[&str]>; 5] =
        [None, Some(&[]), Some(&["read"]), Some(&["write"]), Some(&["read", "write"])];
    let role_sets: [&[&str]; 4] = [&[], &["member"], &["owner"], &["member", "owner"]];
    for permissions in claims {
        for roles in role_sets {
            for org in std::iter::once(None).chain(orgs().map(Some)) {
                let principal = principal(org, roles, permissions);
                let subjects = [old, new].map(|policy| Some(policy.subject(&principal)));
                let token = format!("{:?} {roles:?} {}", permissions.unwrap_or_default(), org.is_some());
                all.push(Caller { column: "", token, subjects });
            }
        }
    }
    all
}

const NOW: UnixTime = UnixTime::from_seconds(1_000_000);

/// Callers with every value that a comparison can tell from another.
fn comparing_callers(old: &Policy, new: &Policy) -> Vec<Caller> {
    let mut all = vec![Caller { column: ANONYMOUS, token: String::new(), subjects: [None, None] }];
    let values = [None, Some("a"), Some("b"), Some("c")];
    let sets: [&[&str]; 3] = [&[], &["a"], &["b", "c"]];
    let signed_in =
        [(None, None), (Some("1"), Some(60)), (Some("2"), Some(600)), (None, Some(60)), (Some("2"), None)];
    let holders: [(&'static str, &[&str]); 4] =
        [("", &[]), ("", &["read"]), ("member", &["read"]), ("owner", &["read", "write"])];
    for (column, permissions) in holders {
        for (org, value) in
            [Some("a"), Some("b"), Some("c"), None].into_iter().flat_map(|o| values.map(|v| (o, v)))
        {
            if !column.is_empty() && org.is_none() {
                continue;
            }
            for (set, (acr, age)) in sets.iter().flat_map(|set| signed_in.map(|signed_in| (set, signed_in))) {
                let organization = org.map(|id| Organization::new(OrganizationId::parse(id).unwrap(), None));
                let roles = if column.is_empty() { vec![] } else { vec![RoleName::parse(column).unwrap()] };
                let items: Vec<Box<str>> = set.iter().map(|item| (*item).into()).collect();
                let mut builder = Principal::builder(
                    IssuerUrl::parse("https://i").unwrap(),
                    SubjectId::parse("ann").unwrap(),
                )
                .organization(organization)
                .roles(roles)
                .permissions(Some(permissions.iter().map(|n| Permission::parse(n).unwrap()).collect()))
                .claim("s", ClaimValue::Set(items))
                .acr(acr.map(Into::into))
                .auth_time(age.map(|age| UnixTime::from_seconds(NOW.seconds() - age)));
                if let Some(value) = value {
                    builder = builder.claim("t", ClaimValue::Text(value.into()));
                }
                let principal = builder.build();
                let subjects = [old, new].map(|policy| Some(policy.subject(&principal)));
                let token = format!("{permissions:?} [] {}", org.is_some());
                all.push(Caller { column, token, subjects });
            }
        }
    }
    all
}

fn token(told: &orgate_policy::Counterexample) -> Vec<String> {
    let organization = told.organization.map_or(vec![true, false], |organization| vec![organization]);
    organization.iter().map(|o| format!("{:?} {:?} {o}", told.permissions, told.roles)).collect()
}

/// Who gains and who loses, of the requests that one rule of each policy wins with one method.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    gains: BTreeSet<&'static str>,
    losses: BTreeSet<&'static str>,
    gaining_tokens: BTreeSet<String>,
    losing_tokens: BTreeSet<String>,
    paths: Vec<Vec<&'static str>>,
}

type Key = (Option<u32>, Option<u32>, &'static str);

fn brute_force(
    old: &Policy,
    new: &Policy,
    depth: usize,
    hosted: bool,
    callers: &[Caller],
) -> BTreeMap<Key, Seen> {
    let mut all: BTreeMap<Key, Seen> = BTreeMap::new();
    let hosts = [None, Some("x.e.com"), Some("y.e.com"), Some("y.x.e.com")];
    let hosts = if hosted { &hosts[..] } else { &hosts[..1] };
    for (path, host) in paths(depth).iter().flat_map(|path| hosts.iter().map(move |host| (path, *host))) {
        let text = format!("/{}", path.join("/"));
        for method in METHODS {
            let target = RequestTarget::parse(method, &text).unwrap().at_host(host).unwrap();
            let found = [old, new].map(|policy| match policy.find(&target) {
                Found::Rule(found) => Some(found),
                _ => None,
            });
            let line = |at: usize| found[at].map(|found: orgate_policy::RuleMatch<'_>| found.place().line);
            let seen = all.entry((line(0), line(1), method)).or_default();
            seen.paths.push(path.clone());
            for caller in callers {
                let allowed = [0, 1].map(|at| {
                    let subject = caller.subjects[at].as_ref();
                    found[at].is_some_and(|found| found.decide(subject, &Facts::at(NOW)) == Decision::Allow)
                });
                match allowed {
                    [false, true] => {
                        seen.gains.insert(caller.column);
                        if caller.column.is_empty() {
                            seen.gaining_tokens.insert(caller.token.clone());
                        }
                    }
                    [true, false] => {
                        seen.losses.insert(caller.column);
                        if caller.column.is_empty() {
                            seen.losing_tokens.insert(caller.token.clone());
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    all
}

/// What happens to the requests of each method, where those are one that are told as one.
fn as_told(written: (&Written, &Written), all: &BTreeMap<Key, Seen>) -> BTreeMap<Key, Seen> {
    let mut told: BTreeMap<Key, Seen> = BTreeMap::new();
    for ((old, new, method), seen) in all {
        let gets = *method == "HEAD" && all.contains_key(&(*old, *new, "GET"));
        let method = match named(written, [*old, *new]) {
            false => "ANY",
            true if gets => "GET",
            true => method,
        };
        let one = told.entry((*old, *new, method)).or_default();
        one.gains.extend(&seen.gains);
        one.losses.extend(&seen.losses);
        one.gaining_tokens.extend(seen.gaining_tokens.iter().cloned());
        one.losing_tokens.extend(seen.losing_tokens.iter().cloned());
        one.paths.extend(seen.paths.iter().cloned());
    }
    told
}

/// Whether one of two rules names methods.
fn named(written: (&Written, &Written), lines: [Option<u32>; 2]) -> bool {
    [written.0, written.1].iter().zip(lines).any(|(written, line)| {
        line.is_some_and(|line| written.rules[usize::try_from(line).unwrap() - 1].method != "ANY")
    })
}

/// Whether a change speaks of a method that arrived.
fn speaks_of(change: &Change, written: (&Written, &Written), method: &str) -> bool {
    let named = named(written, [change.old_place, change.new_place].map(|place| Some(place?.line)));
    change.methods.iter().any(|told| match told.as_str() {
        "ANY" => !named,
        "GET" => method == "GET" || method == "HEAD",
        told => told == method,
    })
}

fn check(diff: &Diff, written: (&Written, &Written), all: &BTreeMap<Key, Seen>) -> Result<(), TestCaseError> {
    let line = |place: Option<Place>| place.map(|place| place.line);
    for ((old, new, method), seen) in &as_told(written, all) {
        let told: Vec<&Change> = diff
            .changes
            .iter()
            .filter(|change| (line(change.old_place), line(change.new_place)) == (*old, *new))
            .filter(|change| speaks_of(change, written, method))
            .collect();
        let who = |tightened: bool| -> BTreeSet<&str> {
            let of_kind = told.iter().filter(|change| (change.kind == ChangeKind::Tightened) == tightened);
            of_kind.flat_map(|change| change.who.iter().map(String::as_str)).collect()
        };
        let named = |columns: &BTreeSet<&'static str>| -> BTreeSet<&str> {
            columns.iter().copied().filter(|column| !column.is_empty()).collect()
        };
        let context = format!("{old:?} -> {new:?} {method} {seen:?}\ntold {told:#?}");
        prop_assert_eq!(who(false), named(&seen.gains), "gains of {}", context);
        prop_assert_eq!(who(true), named(&seen.losses), "losses of {}", context);
        let gains = told.iter().any(|change| change.kind != ChangeKind::Tightened || change.also.is_some());
        prop_assert_eq!(gains, !seen.gains.is_empty(), "{}", context);
        let losses = told.iter().any(|change| change.kind == ChangeKind::Tightened || change.also.is_some());
        prop_assert_eq!(losses, !seen.losses.is_empty(), "{}", context);
        for change in told {
            let path = change.path.split_at(change.path.find('/').unwrap()).1;
            let pattern = Pattern::parse(path).unwrap();
            prop_assert!(seen.paths.iter().all(|path| pattern.matches(path)), "{} of {}", &pattern, context);
            prop_assert_eq!(change.who.is_empty(), change.counterexample.is_some(), "{}", context);
            let public =
                change.who.iter().any(|who| who == ANONYMOUS) && change.kind != ChangeKind::Tightened;
            prop_assert_eq!(public, change.kind == ChangeKind::Public, "{}", context);
            let (right, wrong) = match change.kind {
                ChangeKind::Tightened => (&seen.losing_tokens, &seen.gaining_tokens),
                _ => (&seen.gaining_tokens, &seen.losing_tokens),
            };
            for (example, tokens) in [(&change.counterexample, right), (&change.also, wrong)] {
                if let Some(example) = example {
                    prop_assert!(token(example).iter().any(|t| tokens.contains(t)), "{}", context);
                }
            }
        }
    }
    // Whatever is told happens to some request.
    for change in &diff.changes {
        let happens = all.iter().any(|((old, new, method), _)| {
            (line(change.old_place), line(change.new_place)) == (*old, *new)
                && speaks_of(change, written, method)
        });
        prop_assert!(happens, "invented: {change:#?}");
    }
    Ok(())
}

/// How many cases each property is tried with; `./tests/run --long` asks for more.
fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(200), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_difference_is_what_asking_for_everything_finds((old, new) in two(2, REQUIREMENTS).prop_map(without_hosts)) {
        if let (Some(before), Some(after)) = (compile(&old), compile(&new)) {
            let diff = before.diff(&after).unwrap();
            check(&diff, (&old, &new), &brute_force(&before, &after, 3, false, &callers(&before, &after)))?;
        }
    }

    #[test]
    fn nothing_is_told_of_a_policy_in_another_order((written, _) in two(3, REQUIREMENTS), seed in any::<usize>()) {
        let mut shuffled = written.clone();
        shuffled.rules.rotate_left(seed % written.rules.len());
        for rule in &mut shuffled.rules {
            rule.pattern = rule.pattern.replace("{id}", "{renamed}");
            if rule.requirement == "write or read" {
                rule.requirement = "read or write";
            }
        }
        if let (Some(before), Some(after)) = (compile(&written), compile(&shuffled)) {
            prop_assert_eq!(before.diff(&after).unwrap(), Diff { changes: vec![], unchanged: written.rules.len() });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(40), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn comparisons_are_compared_as_well((old, new) in two(2, COMPARISONS).prop_map(without_hosts)) {
        // One table that reads tokens as they are, so that the callers are every caller.
        let plain = |written: &Written| {
            let mut rules = written.rules.clone();
            // None of them has a slug.
            rules.iter_mut().for_each(|rule| rule.pattern = rule.pattern.replace("{org}", "*"));
            Written { table: None, from: PermissionsFrom::Token, rules }
        };
        let (old, new) = (plain(&old), plain(&new));
        if let (Some(before), Some(after)) = (compile(&old), compile(&new)) {
            let diff = before.diff(&after).unwrap();
            check(&diff, (&old, &new), &brute_force(&before, &after, 3, false, &comparing_callers(&before, &after)))?;
        }
    }

    #[test]
    fn hosts_are_compared_as_well((old, new) in two(1, REQUIREMENTS)) {
        if let (Some(before), Some(after)) = (compile(&old), compile(&new)) {
            let diff = before.diff(&after).unwrap();
            check(&diff, (&old, &new), &brute_force(&before, &after, 2, true, &callers(&before, &after)))?;
        }
    }

    #[test]
    fn longer_paths_are_found_as_well((old, new) in two(3, REQUIREMENTS).prop_map(without_hosts)) {
        if let (Some(before), Some(after)) = (compile(&old), compile(&new)) {
            let diff = before.diff(&after).unwrap();
            check(&diff, (&old, &new), &brute_force(&before, &after, 4, false, &callers(&before, &after)))?;
        }
    }
}

#[test]
fn most_random_pairs_are_accepted_and_differ_so_that_the_properties_mean_something() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..400 {
        let (old, new) = two(2, REQUIREMENTS).new_tree(&mut runner).unwrap().current();
        let (Some(old), Some(new)) = (compile(&old), compile(&new)) else { continue };
        *kinds.entry("pairs".to_owned()).or_default() += 1;
        for change in old.diff(&new).unwrap().changes {
            *kinds.entry(format!("{:?}", change.kind)).or_default() += 1;
            *kinds.entry("outside".to_owned()).or_default() += usize::from(change.counterexample.is_some());
            *kinds.entry("also".to_owned()).or_default() += usize::from(change.also.is_some());
        }
    }
    for (name, least) in [
        ("pairs", 100),
        ("Public", 20),
        ("Unbound", 2),
        ("Loosened", 40),
        ("Tightened", 40),
        ("outside", 10),
        ("also", 5),
    ] {
        assert!(kinds.get(name).copied().unwrap_or(0) >= least, "{name}: {kinds:?}");
    }
}
