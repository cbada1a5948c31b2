//! Rules that no request can reach.
//!
//! Literals are finitely many and segments are not, so only a `**` can be taken out whole: by rules for each number of
//! further segments up to one from which another `**` takes over (`/a`, `/a/*` and `/a/*/**` leave nothing of `/a/**`),
//! or up to the longest path that is accepted. The same holds of hosts: no set of narrower ones is all of a suffix.

use crate::{
    PolicyError, RuleSpec, key::Methods, methods::MethodNumbers, shapes::Shapes, target::MAX_SEGMENTS,
};

/// Rules that win no method of any path.
pub(crate) fn unreachable(shapes: &Shapes<'_>, methods: &MethodNumbers) -> Vec<PolicyError> {
    let rests = shapes.rules().filter(|(_, rule)| rule.key.pattern().has_rest());
    let found = rests.filter_map(|(at, rule)| {
        let takers = takers(at, shapes, methods)?;
        let message = format!("`{}` is never used: narrower rules take every request", rule.key);
        let mut error = PolicyError::new("E045", rule.place, message)
            .help("leave it away, or one of the rules that take its requests");
        for taker in takers.into_iter().filter_map(|taker| shapes.rule(taker)) {
            error = error.related(taker.place, taker.key.to_string());
        }
        Some(error)
    });
    found.collect()
}

/// The rules that take every request of the rule `at`, whose pattern ends in `**`, in the order of the file; `None` if
/// one is left.
fn takers(at: usize, shapes: &Shapes<'_>, methods: &MethodNumbers) -> Option<Vec<usize>> {
    let spec = shapes.rule(at)?;
    let coverage = |rule: &usize| shapes.rule(*rule).map_or(0, |rule| methods.coverage(rule.key.methods()));
    let mut takers = Vec::new();
    let mut take = |open: u64, rules: &[usize]| {
        let taking = rules.iter().filter(|rule| coverage(rule) & open != 0);
        taking.fold(0, |bits, rule| {
            takers.push(*rule);
            bits | coverage(rule) & open
        })
    };
    // The methods that are its own at its path, and of which every shorter path is taken.
    let mut open = own_methods(at, spec, shapes, methods);
    if open == 0 {
        return None; // a second rule for the same requests, which is reported as such
    }
    let shortest = spec.key.pattern().segments().len();
    let mut node = shapes.place(at)?;
    for length in shortest..=MAX_SEGMENTS {
        let mut taken_here = take(open, &node.here);
        if shapes.distinct_slash && length > 0 {
            taken_here &= take(open, shapes.with_slash(node));
        }
        if length > shortest {
            open &= !take(open, &node.rest);
        }
        if open & !taken_here != 0 {
            return None;
        }
        if open == 0 || length == MAX_SEGMENTS {
            break;
        }
        node = shapes.below(node)?;
    }
    takers.sort_unstable();
    takers.dedup();
    Some(takers)
}

/// The methods that a rule answers at its own path: what no other rule of the path names, and for `ANY` nor covers.
fn own_methods(at: usize, spec: &RuleSpec, shapes: &Shapes<'_>, methods: &MethodNumbers) -> u64 {
    let others =
        shapes.beside(at).iter().filter(|other| **other != at).filter_map(|other| shapes.rule(*other));
    let is_any = *spec.key.methods() == Methods::Any;
    others.fold(methods.coverage(spec.key.methods()), |open, other| match other.key.methods() {
        Methods::Any if is_any => 0,
        Methods::Any => open,
        Methods::Named(_) if is_any => open & !methods.coverage(other.key.methods()),
        Methods::Named(_) => open & !methods.named(&other.key),
    })
}

#[cfg(test)]
mod tests {
    use crate::{Place, Policy, PolicySpec, Requirement, RuleKey, RuleSpec};

    #[track_caller]
    fn found(rules: &[&str], expected: &[(u32, &[u32])]) {
        let specs = (1u32..).zip(rules).map(|(line, key)| {
            let place = Place { file: 0, line, column: 3 };
            RuleSpec::new(RuleKey::parse(key).unwrap(), Requirement::parse("authenticated").unwrap(), place)
        });
        let spec = PolicySpec { rules: specs.collect(), ..PolicySpec::default() };
        let errors = Policy::compile(spec).err().unwrap_or_default();
        let found: Vec<(u32, Vec<u32>)> = errors
            .iter()
            .filter(|error| error.code == "E045")
            .map(|error| (error.place.line, error.related.iter().map(|(place, _)| place.line).collect()))
            .collect();
        let expected: Vec<_> = expected.iter().map(|(line, takers)| (*line, takers.to_vec())).collect();
        assert_eq!(found, expected, "{rules:?}: {errors:?}");
    }

    #[test]
    fn a_rule_whose_every_request_goes_to_narrower_rules_is_an_error() {
        found(&["GET /a/**", "GET /a", "GET /a/*", "GET /a/*/**"], &[(1, &[2, 3, 4])]);
        found(&["GET /a/**", "GET /a", "GET /a/*/**"], &[(1, &[2, 3])]);
        found(&["ANY /**", "ANY /", "ANY /{x}/**"], &[(1, &[2, 3])]);
        found(&["GET /a/**", "GET|POST /a", "ANY /a/*/**"], &[(1, &[2, 3])]);
        found(&["GET /a/**", "GET /a", "GET /a/*", "GET /a/*/*/**", "HEAD /a/*/*/**"], &[(1, &[2, 3, 4, 5])]);
        found(&["GET x.y/a/**", "GET x.y/a", "GET x.y/a/*/**"], &[(1, &[2, 3])]);
        found(&["HEAD /a/**", "GET /a", "GET /a/*/**"], &[(1, &[2, 3])]);
        let deepest = format!("GET {}/**", "/*".repeat(32));
        found(&[&deepest, &deepest.replace("/**", "")], &[(1, &[2])]);
    }

    #[test]
    fn a_rule_with_one_request_left_stays() {
        found(&["GET /a/**", "GET /a", "GET /a/*"], &[]);
        found(&["GET /a/**", "GET /a", "GET /a/b/**"], &[]);
        found(&["GET /a/**", "GET /a/*", "GET /a/*/**"], &[]);
        found(&["GET /a/**", "POST /a", "ANY /a/*/**"], &[]);
        found(&["GET /a/**", "HEAD /a", "GET /a/*/**"], &[]);
        found(&["GET|PURGE /a/**", "GET /a", "GET /a/*/**"], &[]);
        found(&["ANY /a/**", "GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS /a", "ANY /a/*/**"], &[]);
        found(&["ANY /x", "GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS /x"], &[]);
        found(&["GET /a/**", "GET x.y/a", "GET x.y/a/*/**"], &[]);
        found(&["GET /{x}/**", "GET /a", "GET /a/*/**"], &[]);
    }

    #[test]
    fn what_another_rule_of_the_path_answers_is_not_its_own() {
        found(&["GET /a/**", "HEAD /a/**", "GET /a", "GET /a/*/**"], &[(1, &[3, 4]), (2, &[3, 4])]);
        found(&["ANY /a/**", "GET /a/**", "ANY /a", "ANY /a/*/**"], &[(1, &[3, 4]), (2, &[3, 4])]);
        found(&["ANY /a/**", "GET /a/**", "POST /a", "ANY /a/*/**"], &[]);
    }

    #[test]
    fn two_rules_for_the_same_requests_are_no_unreachable_ones() {
        found(&["GET /a/**", "GET /a/**"], &[]);
        found(&["ANY /a/**", "ANY /a/**"], &[]);
    }
}
