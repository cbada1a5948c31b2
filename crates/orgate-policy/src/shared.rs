//! What many rules have in common, kept once.
//!
//! Thousands of rules say `read` and bind `{org_id}` in the same segment. A decision touches the demand and the bindings
//! of one rule; shared, they stay in the processor's cache whatever rule is asked for, and the rule itself is not touched.

use std::{collections::HashMap, sync::Arc};

use crate::{Requirement, bind::Bound, rule::Demand};

/// Up to how many different bindings are looked through for equal ones.
const MAX_BINDINGS: usize = 64;

/// What a decision looks at of a rule.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) demand: Arc<Demand>,
    pub(crate) bindings: Arc<[Bound]>,
    /// Whether the key's host has a variable part.
    pub(crate) captures_host: bool,
}

/// The parts of the rules compiled so far.
#[derive(Default)]
pub(crate) struct Shared {
    /// The terms, all different, as far as their parts are shared.
    pub(crate) terms: Vec<Terms>,
    numbers: HashMap<(*const Demand, *const Bound, bool), u16>,
    bindings: Vec<Arc<[Bound]>>,
    /// By the text of the requirement; only those that look at nothing of the request.
    demands: HashMap<Box<str>, Arc<Demand>>,
}

impl Shared {
    /// The number of these terms.
    pub(crate) fn terms(&mut self, terms: Terms) -> u16 {
        let parts = (Arc::as_ptr(&terms.demand), terms.bindings.as_ptr(), terms.captures_host);
        *self.numbers.entry(parts).or_insert_with(|| {
            self.terms.push(terms);
            u16::try_from(self.terms.len() - 1).unwrap_or(u16::MAX)
        })
    }

    pub(crate) fn bindings(&mut self, bindings: Vec<Bound>) -> Arc<[Bound]> {
        if let Some(known) = self.bindings.iter().find(|known| ***known == *bindings) {
            return Arc::clone(known);
        }
        let bindings: Arc<[Bound]> = bindings.into();
        if self.bindings.len() < MAX_BINDINGS {
            self.bindings.push(Arc::clone(&bindings));
        }
        bindings
    }

    pub(crate) fn demand(
        &mut self,
        requirement: Requirement,
        compile: impl FnOnce(Requirement) -> Demand,
    ) -> Arc<Demand> {
        if let Some(known) = self.demands.get(requirement.as_str()) {
            return Arc::clone(known);
        }
        let text = requirement.as_str().into();
        let demand = Arc::new(compile(requirement));
        if demand.atoms.is_empty() {
            self.demands.insert(text, Arc::clone(&demand));
        }
        demand
    }
}

#[cfg(test)]
mod tests {
    use crate::{Found, Place, Policy, PolicySpec, RequestTarget, Requirement, RuleKey, RuleSpec};

    #[test]
    fn terms_are_those_of_the_rule_whoever_shares_them() {
        let keys = ["GET /a", "GET /b", "GET {tenant}.x.example/a", "GET /o/{org_id}", "GET /p/x/{org_id}"];
        let rules = keys.iter().chain(&["POST /a"]).zip(["org", "org", "org", "org", "org", "public"]);
        let rules = rules.map(|(key, requirement)| {
            let requirement = Requirement::parse(requirement).unwrap();
            RuleSpec::new(RuleKey::parse(key).unwrap(), requirement, Place::default())
        });
        let policy = Policy::compile(PolicySpec { rules: rules.collect(), ..PolicySpec::default() }).unwrap();
        let numbers: Vec<u16> = policy.compiled_rules().iter().map(|rule| rule.terms).collect();
        assert_eq!(numbers, [0, 0, 1, 2, 3, 4]);
        for (path, host, tenant) in [("/a", "t.x.example", Some("t")), ("/a", "y.example", None)] {
            let target = RequestTarget::parse("GET", path).unwrap().at_host(Some(host)).unwrap();
            let Found::Rule(found) = policy.find(&target) else { panic!("a rule") };
            assert_eq!(found.host(), tenant, "{host}");
        }
    }
}
