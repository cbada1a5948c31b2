//! Named conditions, and the claims that rules compare.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use orgate_claims::Permission;

use crate::{
    BindSpec, Place, PolicyError, PolicySpec, Requirement, bind,
    names::MAX_ERRORS,
    requirement::{Comparison, Expression, MAX_ATOMS, Operand, Operator},
    vocabulary::Vocabulary,
};

/// The most claims that rules compare.
const MAX_CLAIMS: usize = 64;
/// The most different comparisons.
const MAX_ATOMS_IN_ALL: usize = 4_096;

/// A condition that rules may name, as read.
#[derive(Clone, Debug)]
pub struct ConditionSpec {
    /// Its name.
    pub name: Box<str>,
    /// What it says: comparisons, joined by and, or, not.
    pub body: Requirement,
    /// Where its name stands.
    pub place: Place,
}

/// Whether a policy compares a claim as one value or asks what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimUse {
    /// As one value.
    Scalar,
    /// `in` it.
    Set,
}

/// Puts what the conditions say in the place of their names, and reports the conditions that cannot be. `false`: a rule
/// would become too large, and the rules are not what the policy says.
pub(crate) fn put_in_place(spec: &mut PolicySpec, errors: &mut Vec<PolicyError>) -> bool {
    let mut conditions: BTreeMap<&str, (Arc<Expression>, usize)> = BTreeMap::new();
    let of_roles = spec.roles.iter().flat_map(|role| &role.grants);
    let permissions: HashSet<&str> =
        spec.permissions.iter().chain(of_roles).map(Permission::as_str).collect();
    for condition in &spec.conditions {
        let error = |message: String| PolicyError::new("E036", condition.place, message);
        if permissions.contains(&*condition.name) {
            let message = format!("`{}` is a permission and a condition", condition.name);
            errors.push(error(message).help("give one of them another name"));
        }
        let body = condition.body.expression();
        let strange = body.is_none_or(|body| {
            body.walk().any(|part| {
                !matches!(
                    part,
                    Expression::Compare(_) | Expression::Not(_) | Expression::All(_) | Expression::Any(_)
                )
            })
        });
        if strange {
            let message = format!("the condition `{}` is more than comparisons", condition.name);
            errors.push(error(message).help(
                "a condition compares values, joined by `and`, `or` and `not`: `path.team_id == claims.team_id`",
            ));
        }
        conditions.extend(
            body.filter(|_| !strange).map(|body| (&*condition.name, (Arc::new(body.clone()), atoms(body)))),
        );
    }
    if conditions.is_empty() {
        return true;
    }
    let mut fits = true;
    for rule in &mut spec.rules {
        for requirement in rule.shadow.iter_mut().chain([&mut rule.requirement]) {
            // Counted before anything grows.
            let parts =
                requirement.expression().into_iter().flat_map(Expression::walk).map(|part| match part {
                    Expression::Permission(name) => {
                        conditions.get(name.name.as_str()).map_or(1, |(_, atoms)| *atoms)
                    }
                    part => usize::from(is_atom(part)),
                });
            if parts.sum::<usize>() > MAX_ATOMS {
                let message = format!("with its conditions the requirement has more than {MAX_ATOMS} parts");
                errors.push(PolicyError::new("E090", rule.place, message));
                fits = false;
            } else {
                requirement.replace_names(&|name| conditions.get(name).map(|(body, _)| Arc::clone(body)));
            }
        }
        if errors.len() >= MAX_ERRORS {
            return false;
        }
    }
    fits
}

/// Whether a part of an expression is no joint of others.
fn is_atom(part: &Expression) -> bool {
    use Expression::{All, Any, Condition, Not};
    !matches!(part, All(_) | Any(_) | Not(_) | Condition(..))
}

fn atoms(expression: &Expression) -> usize {
    expression.walk().filter(|part| is_atom(part)).count()
}

impl PolicySpec {
    /// The claims that rules and bindings compare, each with how, sorted by name: what an issuer's mapping must keep.
    #[must_use]
    pub fn claims(&self) -> Vec<(String, ClaimUse)> {
        let uses: BTreeMap<_, _> = uses(self).collect();
        uses.into_iter().map(|(name, how)| (name.to_owned(), how)).collect()
    }
}

/// Every use of a claim. Conditions that no rule names count too, so that a claim has one kind.
fn uses(spec: &PolicySpec) -> impl Iterator<Item = (&str, ClaimUse)> {
    let compared = requirements(spec).flat_map(|(requirement, _)| {
        requirement.expression().into_iter().flat_map(Expression::walk).flat_map(in_comparison)
    });
    compared.chain(bind::claims(&spec.bind).map(|name| (name, ClaimUse::Scalar)))
}

/// Everything that is demanded, each with its place.
fn requirements(spec: &PolicySpec) -> impl Iterator<Item = (&Requirement, Place)> {
    let of_rules = spec.rules.iter().flat_map(|rule| {
        rule.shadow.iter().chain([&rule.requirement]).map(move |requirement| (requirement, rule.place))
    });
    of_rules.chain(spec.conditions.iter().map(|condition| (&condition.body, condition.place)))
}

/// What each condition compares that a rule's key must capture.
pub(crate) struct Captures<'c>(HashMap<&'c str, Vec<&'c Comparison>>);

impl<'c> Captures<'c> {
    pub(crate) fn of(conditions: &'c [ConditionSpec]) -> Self {
        let looks = |comparison: &&Comparison| {
            [&comparison.left, &comparison.right]
                .into_iter()
                .any(|operand| matches!(operand, Operand::Path(_) | Operand::Host(_)))
        };
        let of_one = |condition: &'c ConditionSpec| {
            let parts = condition.body.expression().into_iter().flat_map(Expression::walk);
            let comparisons = parts.filter_map(|part| match part {
                Expression::Compare(comparison) => Some(comparison),
                _ => None,
            });
            (&*condition.name, comparisons.filter(looks).collect())
        };
        Self(conditions.iter().map(of_one).collect())
    }

    /// Those of the condition `name`.
    pub(crate) fn of_condition(&self, name: &str) -> &[&'c Comparison] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

fn in_comparison(part: &Expression) -> impl Iterator<Item = (&str, ClaimUse)> {
    let operands = match part {
        Expression::Compare(Comparison { left, operator, right, .. }) => {
            let how = if *operator == Operator::In { ClaimUse::Set } else { ClaimUse::Scalar };
            vec![(left, ClaimUse::Scalar), (right, how)]
        }
        _ => Vec::new(),
    };
    operands.into_iter().filter_map(|(operand, how)| match operand {
        Operand::Claim(name) => Some((&**name, how)),
        _ => None,
    })
}

/// The slots of the claims, by name; a claim that is used as one value and as a set is reported.
pub(crate) fn claims(spec: &PolicySpec, bind: &[BindSpec], errors: &mut Vec<PolicyError>) -> Vec<Box<str>> {
    let mut known: BTreeMap<&str, (ClaimUse, Place)> = BTreeMap::new();
    let mut add = |name, how, place, errors: &mut Vec<PolicyError>| {
        let (first, at) = *known.entry(name).or_insert((how, place));
        if first != how {
            let message = format!("`claims.{name}` is compared as one value and as a set");
            errors.push(
                PolicyError::new("E037", place, message)
                    .related(at, "the other use")
                    .help("a claim holds one value, or is asked with `in`; not both"),
            );
        }
    };
    // What a condition says is the same in every rule: if it agreed with what was known, it does so ever after.
    let mut agreed: HashSet<*const Expression> = HashSet::new();
    for (requirement, place) in requirements(spec) {
        let before = errors.len();
        let mut entered = Vec::new();
        let Some(expression) = requirement.expression() else { continue };
        let parts = expression.walk_into(|body| {
            let enters = !agreed.contains(&Arc::as_ptr(body));
            entered.extend(enters.then_some(Arc::as_ptr(body)));
            enters
        });
        parts.flat_map(in_comparison).for_each(|(name, how)| add(name, how, place, errors));
        if errors.len() == before {
            agreed.extend(entered);
        }
    }
    bind::claims(&spec.bind).for_each(|name| add(name, ClaimUse::Scalar, Place::default(), errors));
    debug_assert!(bind::claims(bind).all(|name| known.contains_key(name)), "defaults bind no claims");
    known.into_keys().map(Into::into).collect()
}

/// More atoms or claims than a policy may have.
pub(crate) fn too_many(vocabulary: &Vocabulary, claims: &[Box<str>]) -> Vec<PolicyError> {
    let counts = [
        ("different comparisons", vocabulary.atom_count(), MAX_ATOMS_IN_ALL),
        ("claims in comparisons", claims.len(), MAX_CLAIMS),
    ];
    let over = counts.into_iter().filter(|(_, count, most)| count > most);
    over.map(|(what, count, most)| {
        let message = format!("the policy has {count} {what}; at most {most} are allowed");
        PolicyError::new("E090", Place::default(), message)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RuleKey, RuleSpec};

    #[test]
    fn what_a_condition_says_is_kept_once_however_many_rules_name_it() {
        let rule = |key: &str, requirement: &str| {
            let requirement = Requirement::parse(requirement).unwrap();
            RuleSpec::new(RuleKey::parse(key).unwrap(), requirement, Place::default())
        };
        let body = Requirement::parse("sub == \"a\" or sub == \"b\"").unwrap();
        let mut spec = PolicySpec {
            rules: vec![rule("GET /a", "c"), rule("GET /b", "not c")],
            conditions: vec![ConditionSpec { name: "c".into(), body, place: Place::default() }],
            ..PolicySpec::default()
        };
        assert!(put_in_place(&mut spec, &mut Vec::new()));
        let bodies: Vec<&Arc<Expression>> = spec
            .rules
            .iter()
            .flat_map(|rule| rule.requirement.expression().into_iter().flat_map(Expression::walk))
            .filter_map(|part| match part {
                Expression::Condition(_, body) => Some(body),
                _ => None,
            })
            .collect();
        assert!(matches!(bodies.as_slice(), [a, b] if Arc::ptr_eq(a, b)));
    }
}
