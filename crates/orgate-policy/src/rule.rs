//! One rule, ready to be judged.

use std::sync::Arc;

use crate::{
    HostPattern, Limit, Place, Requirement, RuleKey, RuleSpec,
    atom::{Atom, atoms},
    bind::{BindSpec, Bound, bound},
    check::Check,
    failure::Part,
    shared::{Shared, Terms},
    vocabulary::Vocabulary,
};

/// One compiled rule. A decision looks at its [`Terms`] only.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) key: Box<RuleKey>,
    /// The number of its [`Terms`].
    pub(crate) terms: u16,
    pub(crate) demand: Arc<Demand>,
    /// What is judged beside it and reported.
    pub(crate) shadow: Option<Box<Demand>>,
    pub(crate) bindings: Arc<[Bound]>,
    pub(crate) hide: bool,
    pub(crate) live: bool,
    pub(crate) encoded_slash: bool,
    pub(crate) limit: Option<Limit>,
    pub(crate) place: Place,
}

/// A requirement of one rule, ready to be judged.
#[derive(Debug)]
pub(crate) struct Demand {
    pub(crate) requirement: Requirement,
    /// `None` for public, optional and deny.
    pub(crate) check: Option<Check>,
    /// The same as a tree, for the reason of a denial.
    pub(crate) parts: Option<Part>,
    /// What is judged per request, by the numbers that the check asks for.
    pub(crate) atoms: Box<[(u16, Atom)]>,
    /// What authenticates instead of a token.
    pub(crate) authenticator: Option<Box<str>>,
}

impl Rule {
    pub(crate) fn compile(
        spec: RuleSpec,
        bind: &[BindSpec],
        claims: &[Box<str>],
        vocabulary: &Vocabulary,
        shared: &mut Shared,
    ) -> Self {
        let bindings = bound(&spec, bind).filter_map(|bind| Bound::compile(bind, &spec, claims)).collect();
        let bindings = shared.bindings(bindings);
        let RuleSpec { key, requirement, shadow, hide, live, limit, encoded_slash, place, .. } = spec;
        let demand = |requirement| Demand::compile(requirement, &key, claims, vocabulary);
        let shadow = shadow.map(|shadow| Box::new(demand(shadow)));
        let demand = shared.demand(requirement, demand);
        let captures_host = key.host().and_then(HostPattern::parameter).is_some();
        let (key, bound) = (Box::new(key), Arc::clone(&bindings));
        let terms = shared.terms(Terms { demand: Arc::clone(&demand), bindings: bound, captures_host });
        Self { key, terms, demand, shadow, bindings, hide, live, encoded_slash, limit, place }
    }

    pub(crate) fn requirement(&self) -> &Requirement {
        &self.demand.requirement
    }

    /// Whether what its key captures must be the caller's.
    pub(crate) fn is_bound(&self) -> bool {
        self.bindings.iter().any(Bound::is_captured)
    }
}

impl Demand {
    fn compile(
        requirement: Requirement,
        key: &RuleKey,
        claims: &[Box<str>],
        vocabulary: &Vocabulary,
    ) -> Self {
        let expression = requirement.expression();
        let host = key.host().and_then(HostPattern::parameter);
        let atoms = expression
            .map(|expression| atoms(expression, key.pattern(), host, claims, vocabulary))
            .unwrap_or_default();
        let check = expression.map(|expression| Check::compile(expression, vocabulary));
        let authenticator = requirement.authenticator().map(|name| name.name.clone());
        let parts = expression.map(|expression| Part::compile(expression, vocabulary));
        Self { check, parts, atoms, authenticator, requirement }
    }
}
