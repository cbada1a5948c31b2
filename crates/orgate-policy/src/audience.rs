//! Whom a rule lets in, compared exactly.
//!
//! A requirement is a boolean function of finitely many facts, so two of them are compared by trying every case: nobody
//! signed in; every caller × every outcome of the conditions (`a == b`, `acr(…)`, `fresh(…)`, `via(…)`) × the own or
//! another organization in the path. Callers are either the holders of each declared role ([`Callers::Roles`]) or every
//! combination of facts ([`Callers::Everybody`]). Beyond a bound two requirements are told apart only by their text.

use std::{cell::Cell, collections::HashMap};

use crate::{
    BindSource, BindSpec, PermissionsFrom, PolicySpec, Requirement,
    bind::bound,
    check::Check,
    names::expand_roles,
    requirement::{Expression, Kind},
    set::Set,
    vocabulary::{AUTHENTICATED, ORGANIZATION, Vocabulary},
};

/// The most facts of which every combination is tried.
const MAX_FREE: usize = 14;
/// The most cases: callers times combinations.
const MAX_CASES: usize = 1 << 16;
/// The most cases of all comparisons of one policy.
const MAX_CASES_IN_ALL: usize = 1 << 19;

/// Over whom two rules are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Callers {
    /// The holders of each role of the table; everybody where there is no table.
    Roles,
    /// Every combination of facts.
    Everybody,
}

/// What the callers that a requirement lets in are among those it could be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    None,
    Some,
    All,
}

/// How those whom one rule lets in lie to those whom another lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compared {
    /// Whether the second lets in everybody whom the first lets in.
    pub(crate) within: bool,
    /// Whether the first lets in everybody whom the second lets in.
    pub(crate) around: bool,
}

/// The audiences of all rules. Rules that say the same share one.
pub(crate) struct Audiences<'s> {
    classes: Vec<Audience>,
    class_of: Vec<usize>,
    /// What is known of the holder of each role of the table.
    roles: Vec<Set>,
    /// The facts that a role settles: all that are not judged per request; but of permissions that a profile does not
    /// know, and that tokens bring besides, nothing is known.
    settled: Set,
    vocabulary: &'s Vocabulary,
    compared: HashMap<(usize, usize, Callers), Option<Compared>>,
    /// How many cases may still be tried.
    cases: Cell<usize>,
}

struct Audience {
    kind: Simple,
    /// Only of an expression.
    check: Option<Check>,
    /// The facts it asks for, in order, each once, without the one that holds of every caller.
    facts: Vec<u16>,
    /// Whether it lets in callers of one organization only, or one person.
    bound: bool,
    /// Whether every name in it is declared.
    known: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Simple {
    Public,
    Optional,
    Deny,
    Expression,
}

impl<'s> Audiences<'s> {
    pub(crate) fn new(spec: &PolicySpec, bind: &[BindSpec], vocabulary: &'s Vocabulary) -> Self {
        let roles = role_facts(spec, vocabulary);
        let mut settled = vocabulary.empty_set();
        let all = (0..vocabulary.first_atom()).filter(|fact| {
            let profile = spec.roles.is_empty() && vocabulary.permission_name(*fact).is_some();
            !profile
                || spec
                    .role_table
                    .iter()
                    .flat_map(|(_, grants)| grants)
                    .any(|grant| vocabulary.permission(grant.as_str()) == Some(*fact))
        });
        all.for_each(|fact| settled.insert(fact));
        let mut audiences = Self {
            classes: Vec::new(),
            class_of: Vec::with_capacity(spec.rules.len()),
            roles,
            settled,
            vocabulary,
            compared: HashMap::new(),
            cases: Cell::new(MAX_CASES_IN_ALL),
        };
        let mut known: HashMap<(&str, bool), usize> = HashMap::new();
        for rule in &spec.rules {
            // A header or a query binds only where it is sent.
            let captured =
                |bind: &&BindSpec| matches!(bind.source, BindSource::Path(_) | BindSource::Host(_));
            let is_bound = bound(rule, bind).any(|bind| captured(&bind));
            let class = *known.entry((rule.requirement.as_str(), is_bound)).or_insert_with(|| {
                audiences.classes.push(Audience::new(&rule.requirement, is_bound, vocabulary));
                audiences.classes.len() - 1
            });
            audiences.class_of.push(class);
        }
        audiences
    }

    fn class(&self, rule: usize) -> Option<(usize, &Audience)> {
        let class = *self.class_of.get(rule)?;
        Some((class, self.classes.get(class)?))
    }

    /// As many cases may be tried as at first.
    pub(crate) fn start_anew(&mut self) {
        self.cases.set(MAX_CASES_IN_ALL);
    }

    /// Whether roles are declared, or brought by a profile.
    pub(crate) fn has_roles(&self) -> bool {
        !self.roles.is_empty()
    }

    /// Compares two rules; `None` if they ask for too many facts, or for names that nobody declared.
    pub(crate) fn compare(&mut self, a: usize, b: usize, callers: Callers) -> Option<Compared> {
        let ((a, first), (b, second)) = (self.class(a)?, self.class(b)?);
        if a == b {
            return Some(Compared { within: true, around: true });
        }
        if let Some(known) = self.compared.get(&(a, b, callers)) {
            return *known;
        }
        let compared = self.compare_all(first, second, callers);
        self.compared.insert((a, b, callers), compared);
        compared
    }

    fn compare_all(&self, a: &Audience, b: &Audience, callers: Callers) -> Option<Compared> {
        let mut compared = Compared { within: true, around: true };
        let mut note = |a: bool, b: bool| {
            compared.within &= b || !a;
            compared.around &= a || !b;
        };
        note(a.admits_anonymous(), b.admits_anonymous());
        self.every_case(&[a, b], callers, |facts| {
            for own in [true, false] {
                note(a.admits(facts, own), b.admits(facts, own));
            }
        })?;
        Some(compared)
    }

    /// How many of `callers` the requirement of a rule lets in, in their own organization; `None` if it is no expression
    /// or cannot be told.
    pub(crate) fn share(&self, rule: usize, callers: Callers) -> Option<Share> {
        let (_, audience) = self.class(rule)?;
        if audience.kind != Simple::Expression {
            return None;
        }
        let (mut some, mut all) = (false, true);
        self.every_case(&[audience], callers, |facts| {
            let admits = audience.admits(facts, true);
            some |= admits;
            all &= admits;
        })?;
        Some(match (some, all) {
            (false, _) => Share::None,
            (true, false) => Share::Some,
            (true, true) => Share::All,
        })
    }

    /// Whether the requirement of a rule asks for anything beyond a valid credential.
    pub(crate) fn asks(&self, rule: usize) -> bool {
        self.class(rule).is_some_and(|(_, audience)| !audience.facts.is_empty())
    }

    /// Calls `visit` with the facts of every case; `None` if there are too many, or an undeclared name among them.
    fn every_case(&self, of: &[&Audience], callers: Callers, mut visit: impl FnMut(&Set)) -> Option<()> {
        let mut anybody = self.vocabulary.empty_set();
        anybody.insert(AUTHENTICATED);
        let by_role = callers == Callers::Roles && self.has_roles();
        let bases = if by_role { self.roles.as_slice() } else { std::slice::from_ref(&anybody) };
        let mut free: Vec<u16> = of.iter().flat_map(|audience| audience.facts.iter().copied()).collect();
        free.sort_unstable();
        free.dedup();
        if by_role {
            free.retain(|fact| !self.settled.contains(*fact));
        }
        if !of.iter().all(|audience| audience.known)
            || free.len() > MAX_FREE
            || bases.len() << free.len() > MAX_CASES
        {
            return None;
        }
        self.cases.set(self.cases.get().checked_sub(bases.len() << free.len())?);
        for base in bases {
            for bits in 0u32..1 << free.len() {
                let mut facts = base.clone();
                let held = free.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
                held.for_each(|(_, fact)| facts.insert(*fact));
                visit(&facts);
            }
        }
        Some(())
    }
}

impl Audience {
    fn new(requirement: &Requirement, bound: bool, vocabulary: &Vocabulary) -> Self {
        let mut parts = requirement.expression().into_iter().flat_map(Expression::walk);
        let known = parts.all(|part| match part {
            Expression::Permission(name) => vocabulary.permission(name.name.as_str()).is_some(),
            Expression::Role(names) => names.iter().all(|role| vocabulary.role(role.name.as_str()).is_some()),
            _ => true,
        });
        let (kind, check) = match requirement.kind() {
            Kind::Public => (Simple::Public, None),
            Kind::Optional => (Simple::Optional, None),
            Kind::Deny => (Simple::Deny, None),
            Kind::Expression(expression) => {
                (Simple::Expression, Some(Check::compile(expression, vocabulary)))
            }
        };
        let mut facts: Vec<u16> =
            check.iter().flat_map(Check::facts).filter(|f| *f != AUTHENTICATED).collect();
        facts.sort_unstable();
        facts.dedup();
        Self { kind, check, facts, bound, known }
    }

    fn admits_anonymous(&self) -> bool {
        match self.kind {
            Simple::Public => true,
            Simple::Optional => !self.bound,
            Simple::Deny | Simple::Expression => false,
        }
    }

    fn admits(&self, facts: &Set, own: bool) -> bool {
        match self.kind {
            Simple::Public => true,
            Simple::Optional => own || !self.bound,
            Simple::Deny => false,
            Simple::Expression => {
                (own || !self.bound) && self.check.as_ref().is_some_and(|check| check.holds(facts))
            }
        }
    }
}

/// What is known of the holder of each role of the table, in a token that an issuer made by it.
fn role_facts(spec: &PolicySpec, vocabulary: &Vocabulary) -> Vec<Set> {
    let written = expand_roles(&spec.roles, &mut Vec::new());
    let of_profile = spec.role_table.iter().map(|(name, grants)| (name, grants.iter().collect()));
    let table = if written.is_empty() { of_profile.collect() } else { written };
    // What a profile says is never expanded: its permissions stand in the token or count for nothing.
    let granted = !spec.roles.is_empty() || spec.permissions_from != PermissionsFrom::Role;
    let facts = table.iter().map(|(role, grants)| {
        let mut facts = vocabulary.empty_set();
        let grants =
            grants.iter().filter(|_| granted).filter_map(|name| vocabulary.permission(name.as_str()));
        let role = vocabulary.role(role.as_str());
        [AUTHENTICATED, ORGANIZATION]
            .into_iter()
            .chain(role)
            .chain(grants)
            .for_each(|fact| facts.insert(fact));
        facts
    });
    facts.collect()
}
