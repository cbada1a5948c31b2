//! Routes without a rule, and rules without a route.

#![allow(clippy::panic, reason = "an expectation that does not hold ends the test")]

use std::fmt;

use orgate_policy::{MethodName, Methods, PathOptions, Pattern, Policy, Relation, RuleKey};

use crate::template;

/// How a policy and an application's routes cover each other. Routes and rules are named `METHOD /path`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coverage {
    /// Routes that nobody can reach: no rule has any of their paths for their method.
    pub routes_without_rule: Vec<String>,
    /// Routes of which only a part has a rule, as far as single rules tell. That is normal where it is meant.
    pub routes_partly_covered: Vec<String>,
    /// Rules that speak of no route: a route that is gone, or a mistyped path.
    pub rules_without_route: Vec<String>,
}

/// One side of the comparison.
struct Row {
    name: String,
    methods: Methods,
    pattern: Pattern,
}

impl Coverage {
    #[track_caller]
    pub(super) fn of<M: AsRef<str>, T: AsRef<str>>(
        policy: &Policy,
        routes: impl IntoIterator<Item = (M, T)>,
    ) -> Self {
        let mut listed = Vec::new();
        for (method, template) in routes {
            listed.push(route(method.as_ref(), template.as_ref(), policy.paths()));
        }
        let rules: Vec<Row> = policy
            .keys()
            .map(|key| Row {
                name: key.as_str().to_owned(),
                methods: key.methods().clone(),
                pattern: key.pattern().clone(),
            })
            .collect();
        let mut coverage = Self::default();
        for route in &listed {
            let touching: Vec<&Row> = rules.iter().filter(|rule| meet(rule, route)).collect();
            if touching.is_empty() {
                coverage.routes_without_rule.push(route.name.clone());
            } else if !touching.iter().any(|rule| contains(rule, route)) {
                coverage.routes_partly_covered.push(route.name.clone());
            }
        }
        let idle = rules.iter().filter(|rule| !listed.iter().any(|route| meet(rule, route)));
        coverage.rules_without_route = idle.map(|rule| rule.name.clone()).collect();
        coverage
    }

    /// Expects a rule for every route and a route for every rule.
    ///
    /// # Panics
    /// If one is missing; the message lists all of them.
    #[track_caller]
    pub fn complete(&self) {
        if !self.routes_without_rule.is_empty() || !self.rules_without_route.is_empty() {
            panic!("the policy and the routes do not cover each other\n{self}");
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = [
            ("routes without a rule, which nobody can reach", &self.routes_without_rule),
            ("routes of which only a part has a rule", &self.routes_partly_covered),
            ("rules without a route", &self.rules_without_route),
        ];
        let mut complete = true;
        for (title, names) in lists.iter().filter(|(_, names)| !names.is_empty()) {
            complete = false;
            writeln!(f, "{title}:")?;
            for name in *names {
                writeln!(f, "  {name}")?;
            }
        }
        if complete { f.write_str("every route has a rule, and every rule a route") } else { Ok(()) }
    }
}

#[track_caller]
fn route(method: &str, template: &str, paths: PathOptions) -> Row {
    let name = format!("{method} {template}");
    // The path stands in for the template, whose syntax is another.
    let key = RuleKey::parse(&format!("{method} /"))
        .unwrap_or_else(|error| panic!("the route `{name}`: {}", error.message));
    let pattern = template::pattern(template, paths)
        .unwrap_or_else(|error| panic!("the route `{name}` can never be reached: {}", error.message));
    Row { name, methods: key.methods().clone(), pattern }
}

/// Whether some request is the route's and has the rule's path and method.
fn meet(rule: &Row, route: &Row) -> bool {
    let methods = match (&rule.methods, &route.methods) {
        (Methods::Any, _) | (_, Methods::Any) => true,
        (Methods::Named(rule), Methods::Named(route)) => {
            // A route for GET answers HEAD, and so does a rule.
            let named = |names: &[MethodName], wanted: &str| names.iter().any(|name| name.as_str() == wanted);
            route.iter().any(|name| rule.contains(name))
                || named(rule, "GET") && named(route, "HEAD")
                || named(rule, "HEAD") && named(route, "GET")
        }
    };
    methods && rule.pattern.relation(&route.pattern) != Relation::Disjoint
}

/// Whether every request of the route has the rule's path and method; the two are known to meet.
fn contains(rule: &Row, route: &Row) -> bool {
    let methods = match (&rule.methods, &route.methods) {
        (Methods::Any, _) => true,
        (Methods::Named(_), Methods::Any) => false,
        (Methods::Named(rule), Methods::Named(route)) => route.iter().all(|name| {
            let answers =
                |other: &MethodName| other == name || other.as_str() == "GET" && name.as_str() == "HEAD";
            rule.iter().any(answers)
        }),
    };
    methods && matches!(rule.pattern.relation(&route.pattern), Relation::Equal | Relation::Around)
}
