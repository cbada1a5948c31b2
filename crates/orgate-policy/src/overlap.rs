//! Rules that cannot stand beside each other.
//!
//! Two rules may overlap only where it is plain which one wins: one host or path within the other, or the same
//! requirement, or a rule of its own for the paths they share. Hosts never cross, so only rules of one host collide.

mod crossings;

use self::crossings::Crossings;
use crate::{
    BindSource, BindSpec, PolicyError, RuleSpec,
    bind::bound,
    methods::MethodNumbers,
    requirement::{Expression, Operand},
    shapes::Shapes,
};

/// After how many collisions the rest is not looked for: nobody reads more, and crossing rules make them in pairs.
pub(crate) const MAX_COLLISIONS: usize = 200;

/// How many places and rules of the trees may be looked at in search of crossing rules. Ten thousand rules of an API take
/// some ten thousand; the most that fit here take a tenth of a second.
pub(crate) const MAX_STEPS: usize = 1_000_000;

/// The search for rules that collide, when it has ended.
pub(crate) struct Collisions {
    /// Each at the later one of two rules.
    pub(crate) errors: Vec<PolicyError>,
    /// How many places and rules were looked at besides the rules' own.
    pub(crate) steps: usize,
}

impl Collisions {
    /// Whether there may be more.
    pub(crate) fn stopped(&self) -> bool {
        self.errors.len() >= MAX_COLLISIONS || self.steps > MAX_STEPS
    }
}

/// The pairs of rules that collide.
pub(crate) fn collisions(shapes: &Shapes<'_>, bind: &[BindSpec], methods: &MethodNumbers) -> Collisions {
    let crossings = Crossings::new(shapes, bind, methods);
    let mut found = Collisions { errors: Vec::new(), steps: 0 };
    let mut crossing = Vec::new();
    for (at, later) in shapes.rules() {
        let beside = shapes.beside(at).iter().take_while(|other| **other < at);
        for earlier in beside.filter_map(|other| shapes.rule(*other)) {
            found.errors.extend(same_path(earlier, later, methods));
            found.steps += 1;
        }
        crossing.clear();
        found.steps += crossings.of(at, &mut crossing);
        crossing.retain(|other| *other < at);
        crossing.sort_unstable();
        for earlier in crossing.iter().filter_map(|other| shapes.rule(*other)) {
            found.errors.extend(ambiguous((earlier, (at, later)), shapes, bind, methods));
        }
        if found.steps > MAX_STEPS {
            let earlier = crossing.first().and_then(|other| shapes.rule(*other));
            found.errors.push(too_many(later, earlier, crossing.len()));
        }
        if found.stopped() {
            found.errors.truncate(MAX_COLLISIONS);
            break;
        }
    }
    found
}

/// What is said where the search ends before all rules were compared.
fn too_many(rule: &RuleSpec, other: Option<&RuleSpec>, others: usize) -> PolicyError {
    let message = match other {
        Some(other) => format!(
            "`{}` crosses `{}` and {others} rules in all; so many cannot be compared",
            rule.key, other.key
        ),
        None => format!("up to `{}`, too many rules cross to be compared", rule.key),
    };
    let error = PolicyError::new("E090", rule.place, message).help(
        "let the patterns begin with different literals: a parameter before a literal crosses every literal before a parameter",
    );
    match other {
        Some(other) => error.related(other.place, other.key.to_string()),
        None => error,
    }
}

fn same_path(earlier: &RuleSpec, later: &RuleSpec, methods: &MethodNumbers) -> Option<PolicyError> {
    if earlier.key.pattern() != later.key.pattern() || earlier.key.host() != later.key.host() {
        let message = format!("`{}` names the parameters of the same path otherwise", later.key);
        let help = "use one name for one segment; bindings go by name";
        return Some(
            PolicyError::new("E041", later.place, message)
                .related(earlier.place, earlier.key.to_string())
                .help(help),
        );
    }
    let both = methods.named(&earlier.key) & methods.named(&later.key);
    (both != 0).then(|| {
        let method = methods.example(both);
        PolicyError::new("E040", later.place, format!("{method} {} has two rules", later.key.paths()))
            .related(earlier.place, format!("the first: {}", earlier.key))
            .help("keep one of them; order carries no meaning")
    })
}

fn ambiguous(
    (earlier, (at, later)): (&RuleSpec, (usize, &RuleSpec)),
    shapes: &Shapes<'_>,
    bind: &[BindSpec],
    methods: &MethodNumbers,
) -> Option<PolicyError> {
    let (a, b) = (earlier.key.pattern(), later.key.pattern());
    let mut open = methods.coverage(earlier.key.methods()) & methods.coverage(later.key.methods());
    if open == 0 || says_the_same(earlier, later, bind) {
        return None;
    }
    let meet = a.meet(b)?;
    for rule in shapes.exactly(at, &meet).iter().filter_map(|at| shapes.rule(*at)) {
        open &= !methods.coverage(rule.key.methods());
    }
    (open != 0).then(|| {
        let paths = later.key.paths_of(&meet);
        let line = format!("{} {paths}: {}", methods.example(open), later.requirement.as_str());
        PolicyError::new("E042", later.place, format!("ambiguous rules for {paths}"))
            .related(earlier.place, format!("{}: {}", earlier.key, earlier.requirement.as_str()))
            .help(format!("say which one you mean by adding:   {line}"))
    })
}

/// Whether it does not matter which of the two wins.
fn says_the_same(a: &RuleSpec, b: &RuleSpec, bind: &[BindSpec]) -> bool {
    let same_shadow = match (&a.shadow, &b.shadow) {
        (Some(a), Some(b)) => a.same_as(b),
        (None, None) => true,
        _ => false,
    };
    a.requirement.same_as(&b.requirement)
        && a.key.host() == b.key.host()
        && !compares_captures(a)
        && same_shadow
        && (a.hide, a.live, a.limit, a.encoded_slash) == (b.hide, b.live, b.limit, b.encoded_slash)
        && bindings(a, bind) == bindings(b, bind)
}

/// What a rule binds, by where the value stands: the same name may stand elsewhere.
fn bindings(rule: &RuleSpec, bind: &[BindSpec]) -> Vec<(String, Option<usize>)> {
    let at = |name: &str| rule.key.pattern().parameters().find(|(parameter, _)| *parameter == name);
    bound(rule, bind)
        .map(|bind| match &bind.source {
            BindSource::Path(name) => (name.to_string(), at(name).map(|(_, at)| at)),
            other => (other.to_string(), None),
        })
        .collect()
}

/// Whether the requirement looks at what the key captures, which two keys may capture at different places.
fn compares_captures(rule: &RuleSpec) -> bool {
    let captured = |operand: &Operand| matches!(operand, Operand::Path(_) | Operand::Host(_));
    let expression = rule.requirement.expression();
    expression.into_iter().flat_map(Expression::walk).any(|part| match part {
        Expression::Compare(comparison) => captured(&comparison.left) || captured(&comparison.right),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::{ambiguous, collisions, same_path};
    use crate::{
        Place, Policy, PolicySpec, Relation, Requirement, RuleKey, RuleSpec, methods::MethodNumbers,
        shapes::Shapes,
    };
    use orgate_claims::Permission;

    /// The codes and messages of a policy, or nothing if it stands.
    fn errors(rules: &[&str]) -> Vec<String> {
        let rules = (1u32..).zip(rules).map(|(line, rule)| {
            let (key, requirement) = rule.split_once(": ").unwrap();
            let place = Place { file: 0, line, column: 3 };
            RuleSpec::new(RuleKey::parse(key).unwrap(), Requirement::parse(requirement).unwrap(), place)
        });
        let mut spec = PolicySpec { rules: rules.collect(), ..PolicySpec::default() };
        spec.permissions = ["read", "write"].map(|name| Permission::parse(name).unwrap()).into();
        match Policy::compile(spec) {
            Ok(_) => Vec::new(),
            Err(errors) => errors
                .iter()
                .map(|error| format!("{}:{} {}", error.place.line, error.code, error.message))
                .collect(),
        }
    }

    #[test]
    fn two_rules_for_one_request_are_refused() {
        assert_eq!(errors(&["GET /a: read", "GET /a: write"]), ["2:E040 GET /a has two rules"]);
        assert_eq!(errors(&["ANY /a: read", "ANY /a: write"]), ["2:E040 ANY /a has two rules"]);
        assert_eq!(errors(&["GET|POST /a: read", "PUT|POST /a: write"]), ["2:E040 POST /a has two rules"]);
        assert_eq!(
            errors(&["GET /{x}: read", "POST /{y}: read"]),
            ["2:E041 `POST /{y}` names the parameters of the same path otherwise"]
        );
        assert_eq!(errors(&["GET /a: read", "HEAD /a: deny", "ANY /a: write"]), [""; 0]);
    }

    #[test]
    fn crossing_paths_need_a_rule_for_what_they_share() {
        let crossing = ["GET /a/{x}/c: read", "GET /a/b/{y}: write"];
        assert_eq!(errors(&crossing), ["2:E042 ambiguous rules for /a/b/c"]);
        assert_eq!(errors(&[crossing[0], crossing[1], "GET /a/b/c: read"]), [""; 0]);
        assert_eq!(
            errors(&[crossing[0], crossing[1], "POST /a/b/c: read"]),
            ["2:E042 ambiguous rules for /a/b/c"]
        );
        assert_eq!(errors(&["GET /a/{x}/c: read", "POST /a/b/{y}: write"]), [""; 0]);
        assert_eq!(
            errors(&["GET /a/{x}/c: read", "GET /a/b/{y}: read"]),
            [""; 0],
            "it does not matter which wins"
        );
        let bound = ["GET /a/{org_id}/c: read", "GET /a/b/{y}: read"];
        assert_eq!(errors(&bound), ["2:E042 ambiguous rules for /a/b/c"], "only one of them is bound");
        assert_eq!(
            errors(&["GET /a/{x}/c: read", "HEAD /a/b/{y}: write"]),
            ["2:E042 ambiguous rules for /a/b/c"],
            "GET covers HEAD"
        );
    }

    #[test]
    fn only_rules_of_one_host_collide() {
        assert_eq!(errors(&["GET a.b/x: read", "GET /x: write", "GET *.b/x: write"]), [""; 0]);
        assert_eq!(errors(&["GET *.b/x: read", "GET *.b/x: write"]), ["2:E040 GET *.b/x has two rules"]);
        assert_eq!(
            errors(&["GET {t}.b/x: read", "POST *.b/x: write"]),
            ["2:E041 `POST *.b/x` names the parameters of the same path otherwise"]
        );
        let crossing = ["GET a.b/a/{x}/c: read", "GET a.b/a/b/{y}: write"];
        assert_eq!(errors(&crossing), ["2:E042 ambiguous rules for a.b/a/b/c"]);
        assert_eq!(errors(&[crossing[0], "GET /a/b/{y}: write"]), [""; 0], "the host goes first");
        assert_eq!(
            errors(&[crossing[0], crossing[1], "GET /a/b/c: read"]),
            ["2:E042 ambiguous rules for a.b/a/b/c"],
            "a rule of all hosts settles nothing"
        );
        assert_eq!(errors(&[crossing[0], crossing[1], "GET a.b/a/b/c: read"]), [""; 0]);
    }

    /// How many steps the search takes, and the codes of what it finds, in two families of rules of which each crosses
    /// each of the other.
    fn crossing(count: usize, one: &str, other: &str) -> (usize, Vec<&'static str>) {
        let lines = (0..count).flat_map(|n| {
            [
                one.replace("PATH", &format!("/a/{{x}}/b{n}")).replace('N', &n.to_string()),
                other.replace("PATH", &format!("/a/c{n}/{{y}}")).replace('N', &n.to_string()),
            ]
        });
        let lines: Vec<String> = lines.collect();
        let rules = lines.iter().map(|rule| {
            let (key, requirement) = rule.split_once(": ").unwrap();
            let key = RuleKey::parse(key).unwrap();
            RuleSpec::new(key, Requirement::parse(requirement).unwrap(), Place::default())
        });
        let spec = PolicySpec { rules: rules.collect(), ..PolicySpec::default() };
        let mut methods = MethodNumbers::default();
        methods.add("PURGE");
        let found = collisions(&Shapes::new(&spec), &[], &methods);
        (found.steps, found.errors.iter().map(|error| error.code).collect())
    }

    #[test]
    fn rules_that_say_the_same_may_cross_in_any_number() {
        for (one, other) in [
            ("GET PATH: authenticated", "GET PATH: authenticated"),
            ("GET PATH: authenticated", "POST PATH: org"),
            ("GET PATH: sub == path.x", "POST PATH: sub == path.y"),
            ("GET PATH: sub == \"N\"", "POST PATH: sub == \"N\""),
        ] {
            let (few, none) = crossing(100, one, other);
            assert_eq!(none, [""; 0], "{one} {other}");
            let (many, none) = crossing(1_000, one, other);
            assert_eq!(none, [""; 0], "{one} {other}");
            assert!(many <= few * 12 && many <= 20 * 2_000, "{one} {other}: {few} {many} steps");
        }
    }

    #[test]
    fn the_search_ends_at_enough_collisions_and_at_enough_steps() {
        let (steps, codes) = crossing(2_000, "GET PATH: authenticated", "GET PATH: org");
        assert_eq!(codes, vec!["E042"; super::MAX_COLLISIONS]);
        assert!(steps < 200_000, "{steps}");
    }

    #[test]
    fn rules_that_cross_without_end_are_refused_with_two_of_them() {
        // All say the same, each in other words.
        let mut lines = Vec::new();
        for n in 0..1_500 {
            let words = format!("{}authenticated{}", "(".repeat(n % 12), ")".repeat(n % 12));
            lines.push(format!("GET /a/{{x}}/b{n}: {words}"));
            lines.push(format!("GET /a/c{n}/{{y}}: {words}"));
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let found = errors(&lines);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("E090") && found[0].contains("cross"), "{found:?}");
    }

    #[test]
    fn ten_thousand_rules_of_an_api_are_few_steps() {
        let mut lines = vec!["ANY /**: deny".to_owned(), "GET /{tenant}/status: public".to_owned()];
        for n in 0..1_200 {
            for rest in ["", "/{id}", "/{id}/members", "/{id}/members/{member}", "/new", "/{id}/files/**"] {
                lines.push(format!("GET /v1/r{n}{rest}: authenticated"));
            }
        }
        let rules = lines.iter().map(|rule| {
            let (key, requirement) = rule.split_once(": ").unwrap();
            let key = RuleKey::parse(key).unwrap();
            RuleSpec::new(key, Requirement::parse(requirement).unwrap(), Place::default())
        });
        let spec = PolicySpec { rules: rules.collect(), ..PolicySpec::default() };
        let found = collisions(&Shapes::new(&spec), &[], &MethodNumbers::default());
        assert!(found.errors.is_empty() && found.steps < 20_000, "{} steps", found.steps);
    }

    proptest::proptest! {
        #[test]
        fn what_is_found_is_what_comparing_every_pair_finds(
            rules in proptest::collection::vec((
                proptest::sample::select(vec!["GET", "POST", "GET|POST", "ANY", "HEAD"]),
                proptest::sample::select(vec!["", "x.y"]),
                proptest::collection::vec(proptest::sample::select(vec!["/a", "/b", "/*", "/c"]), 0..4),
                proptest::bool::ANY,
                proptest::sample::select(vec!["read", "write", "public", "read and write"]),
            ), 1..14),
        ) {
            let specs: Vec<RuleSpec> = (1u32..).zip(&rules).map(|(line, (methods, host, segments, rest, requirement))| {
                let mut path = segments.concat();
                if *rest { path.push_str("/**"); }
                if path.is_empty() { path.push('/'); }
                let key = RuleKey::parse(&format!("{methods} {host}{path}")).unwrap();
                RuleSpec::new(key, Requirement::parse(requirement).unwrap(), Place { file: 0, line, column: 1 })
            }).collect();
            let spec = PolicySpec { rules: specs, ..PolicySpec::default() };
            let (shapes, methods) = (Shapes::new(&spec), MethodNumbers::default());
            let found: Vec<String> =
                collisions(&shapes, &[], &methods).errors.iter().map(|error| format!("{error:?}")).collect();
            let mut expected = Vec::new();
            for (at, later) in spec.rules.iter().enumerate() {
                let same_host = |other: &&RuleSpec| other.key.host() == later.key.host();
                let earlier = || spec.rules.iter().take(at).filter(same_host);
                let relation = |other: &RuleSpec| other.key.pattern().relation(later.key.pattern());
                let equal = earlier().filter(|other| relation(other) == Relation::Equal);
                expected.extend(equal.filter_map(|other| same_path(other, later, &methods)));
                let crossing = earlier().filter(|other| relation(other) == Relation::Crossing);
                expected.extend(crossing.filter_map(|other| ambiguous((other, (at, later)), &shapes, &[], &methods)));
            }
            let expected: Vec<String> = expected.iter().map(|error| format!("{error:?}")).collect();
            proptest::prop_assert_eq!(found, expected);
        }
    }
}
