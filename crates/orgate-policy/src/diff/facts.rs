//! The facts of two policies under one numbering, and what a token makes of them.
//!
//! Two policies number their facts each for itself, and a permission may be held for different reasons in each: because
//! the token says so, or because one of its roles grants it there. So a permission is not a variable of the comparison;
//! what stands in the token is.

use std::collections::HashMap;

use super::{
    functions::{FALSE, Function, TRUE},
    variables::{Variable, Variables},
};
use crate::{
    PermissionsFrom, Policy, RuleKey,
    atom::{Atom, Value},
    check::{Check, Op},
    requirement::Operator,
    rule::Rule,
    set::Set,
    vocabulary::{AUTHENTICATED, ORGANIZATION},
};

/// A fact of either policy, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fact {
    Authenticated,
    Organization,
    Permission(Box<str>),
    Role(Box<str>),
}

/// Something that a value of a request or of the caller is compared with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Term {
    /// A segment of the path.
    Segment(usize),
    /// What is called so in a policy file: `org.id`, `claims.team`, `header.x-org-id`.
    Value(Box<str>),
    Text(Box<str>),
    Bool(bool),
}

/// The facts of both policies.
#[derive(Debug)]
pub(super) struct Facts {
    names: Vec<Fact>,
}

impl Facts {
    pub(super) fn name(&self, number: usize) -> Option<&Fact> {
        self.names.get(number)
    }
}

/// One of the two policies.
#[derive(Debug)]
pub(super) struct Side<'p> {
    pub(super) policy: &'p Policy,
    /// From the numbers of the policy to the common ones.
    common: Vec<usize>,
    /// The roles that grant a permission here, by common numbers.
    granting: HashMap<usize, Vec<usize>>,
    /// What a holder of each column's role has, by common number.
    columns: Vec<Vec<bool>>,
}

/// Both policies over one numbering, and the roles to be looked at: those of the new table, then those of the old one.
pub(super) fn align<'p>(old: &'p Policy, new: &'p Policy) -> (Facts, [Side<'p>; 2], Vec<&'p str>) {
    let mut roles: Vec<&str> = new.table_roles().collect();
    roles.extend(old.table_roles().filter(|role| !new.table_roles().any(|known| known == *role)));
    let mut numbers: HashMap<Fact, usize> = HashMap::new();
    let mut names = Vec::new();
    let mut number = |fact: Fact| {
        *numbers.entry(fact).or_insert_with_key(|fact| {
            names.push(fact.clone());
            names.len() - 1
        })
    };
    let mut common = |policy: &Policy| -> Vec<usize> {
        let vocabulary = policy.vocabulary();
        let mut common = vec![usize::MAX; vocabulary.width()];
        let permissions = vocabulary
            .permissions()
            .filter_map(|name| Some((vocabulary.permission(name)?, Fact::Permission(name.into()))));
        let roles =
            vocabulary.roles().filter_map(|name| Some((vocabulary.role(name)?, Fact::Role(name.into()))));
        let fixed = [(AUTHENTICATED, Fact::Authenticated), (ORGANIZATION, Fact::Organization)];
        for (local, fact) in fixed.into_iter().chain(permissions).chain(roles) {
            if let Some(slot) = common.get_mut(usize::from(local)) {
                *slot = number(fact);
            }
        }
        common
    };
    let commons = [common(old), common(new)];
    let count = names.len();
    let [old_common, new_common] = commons;
    let sides = [(old, old_common), (new, new_common)]
        .map(|(policy, common)| Side::new(policy, common, &roles, count));
    (Facts { names }, sides, roles)
}

impl<'p> Side<'p> {
    fn new(policy: &'p Policy, common: Vec<usize>, roles: &[&str], count: usize) -> Self {
        let mut side = Self { policy, common, granting: HashMap::new(), columns: Vec::new() };
        for role in policy.vocabulary().roles() {
            let number = policy.vocabulary().role(role).and_then(|number| side.common(number));
            let (Some(number), Some(grants)) = (number, policy.grants(role)) else { continue };
            for permission in grants.iter().filter_map(|local| side.common(local)).collect::<Vec<_>>() {
                side.granting.entry(permission).or_default().push(number);
            }
        }
        side.columns = roles
            .iter()
            .map(|role| {
                let mut holds = vec![false; count];
                for fact in policy.role_facts(role).iter().filter_map(|local| side.common(local)) {
                    if let Some(slot) = holds.get_mut(fact) {
                        *slot = true;
                    }
                }
                holds
            })
            .collect();
        side
    }

    fn common(&self, local: u16) -> Option<usize> {
        self.common.get(usize::from(local)).copied().filter(|number| *number != usize::MAX)
    }

    /// What a rule demands as a program over common numbers, and its atoms with values under common names.
    pub(super) fn program(&self, rule: &Rule) -> Vec<Step> {
        let demand = &rule.demand;
        let Some(check) = &demand.check else { return Vec::new() };
        let fact = |local: u16| {
            let atom = demand.atoms.iter().find(|(number, _)| *number == local);
            match (self.common(local), atom) {
                (_, Some((_, atom))) => Step::Atom(self.test(atom, &rule.key)),
                (Some(number), None) => Step::Fact(number),
                (None, None) => Step::Never,
            }
        };
        let joined = |set: &Set, join: Step, none: Step| {
            let mut steps = Vec::new();
            for (at, local) in set.iter().enumerate() {
                steps.push(fact(local));
                steps.extend((at > 0).then(|| join.clone()));
            }
            if steps.is_empty() { vec![none] } else { steps }
        };
        match check {
            Check::AllOf(set) => joined(set, Step::And, Step::Always),
            Check::AnyOf(set) => joined(set, Step::Or, Step::Never),
            Check::Program(ops) => ops
                .iter()
                .map(|op| match op {
                    Op::Fact(local) => fact(*local),
                    Op::Not => Step::Not,
                    Op::And => Step::And,
                    Op::Or => Step::Or,
                })
                .collect(),
        }
    }

    fn test(&self, atom: &Atom, key: &RuleKey) -> Test {
        match atom {
            Atom::Compare { left, operator, right } => {
                Test::Compare(self.term(left, key), *operator, self.term(right, key))
            }
            Atom::Acr(classes) => {
                let mut classes = classes.to_vec();
                classes.sort_unstable();
                Test::Acr(classes)
            }
            Atom::Fresh(seconds) => Test::Fresh(*seconds),
            Atom::Via(name) => Test::Via(name.clone()),
        }
    }

    /// A value under the name that it has in both policies.
    pub(super) fn term(&self, value: &Value, key: &RuleKey) -> Term {
        let named = |text: String| Term::Value(text.into());
        match value {
            Value::Segment(at) => Term::Segment(*at),
            Value::Query(name) => named(format!("query.{name}")),
            Value::Header(name) => named(format!("header.{name}")),
            // What stands before another suffix is another value.
            Value::Host => {
                let suffix = key.host().and_then(|host| host.suffix_or_host().0).unwrap_or_default();
                named(format!("host.{suffix}"))
            }
            Value::Claim(slot) => {
                named(format!("claims.{}", self.policy.claim_names().nth(*slot).unwrap_or_default()))
            }
            Value::OrganizationId => named("org.id".to_owned()),
            Value::OrganizationSlug => named("org.slug".to_owned()),
            Value::Subject => named("sub".to_owned()),
            Value::Text(text) => Term::Text(text.clone()),
            Value::Bool(value) => Term::Bool(*value),
        }
    }

    /// Whether the holder of a column's role has a fact here.
    pub(super) fn column_holds(&self, column: usize, fact: usize) -> bool {
        self.columns.get(column).and_then(|facts| facts.get(fact)).copied().unwrap_or(false)
    }

    /// Whether every column and every grant is the same on both sides, so that equal requirements let in the same.
    pub(super) fn reads_tokens_like(&self, other: &Self) -> bool {
        self.policy.permissions_from() == other.policy.permissions_from()
            && self.columns == other.columns
            && self.granting.len() == other.granting.len()
            && self.granting.iter().all(|(permission, roles)| {
                let theirs = other.granting.get(permission);
                theirs.is_some_and(|theirs| {
                    theirs.len() == roles.len() && roles.iter().all(|role| theirs.contains(role))
                })
            })
    }

    /// When a fact holds here, over what stands in a token.
    pub(super) fn of_token(&self, fact: usize, name: Option<&Fact>, over: &mut Variables) -> Function {
        match name {
            None => FALSE,
            Some(Fact::Authenticated) => TRUE,
            Some(Fact::Organization) => over.variable(Variable::Organization),
            Some(Fact::Role(_)) => over.variable(Variable::Role(fact)),
            Some(Fact::Permission(_)) => {
                let from = self.policy.permissions_from();
                let speaks = over.variable(Variable::SpeaksOfPermissions);
                let mut granted = FALSE;
                for role in self.granting.get(&fact).into_iter().flatten() {
                    let role = over.variable(Variable::Role(*role));
                    granted = over.functions.or(granted, role);
                }
                let written = over.variable(Variable::Permission(fact));
                // A token that does not speak of permissions has none written in it.
                let written = over.functions.and(speaks, written);
                match from {
                    PermissionsFrom::Token => written,
                    PermissionsFrom::Role => granted,
                    PermissionsFrom::Union => over.functions.or(written, granted),
                    PermissionsFrom::TokenElseRole => over.functions.choose(speaks, written, granted),
                }
            }
        }
    }
}

/// One step of a requirement over common facts, in postfix order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Fact(usize),
    Atom(Test),
    Always,
    Never,
    Not,
    And,
    Or,
}

/// An atom with its values under common names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Test {
    Compare(Term, Operator, Term),
    Acr(Vec<Box<str>>),
    Fresh(u32),
    Via(Box<str>),
}
