//! Why a requirement does not hold, without an allocation.
//!
//! The check says only that it failed. A refused request must not cost more than an allowed one, so the tree of the
//! requirement is kept beside the check, over fact numbers. Names for people are `check::explain_failure`.

use crate::{
    atom::Scene,
    decision::DenyReason,
    requirement::Expression,
    rule::Demand,
    vocabulary::{AUTHENTICATED, ORGANIZATION, Vocabulary},
};

/// A requirement as a tree over fact numbers. A number that no fact has never holds.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Permission(u16),
    Roles(Box<[u16]>),
    Organization,
    /// Anything else that is one fact.
    Fact(u16),
    /// Whose parts do not count: what a condition says, or the negated.
    Whole(Box<Part>),
    Not(Box<Part>),
    All(Box<[Part]>),
    Any(Box<[Part]>),
}

/// What a failed requirement lacks, by kind.
#[derive(Default)]
struct Lacks {
    organization: bool,
    permission: bool,
    role: bool,
}

impl Part {
    pub(crate) fn compile(expression: &Expression, vocabulary: &Vocabulary) -> Self {
        let all = |terms: &[Expression]| terms.iter().map(|term| Self::compile(term, vocabulary)).collect();
        let known = |number: Option<u16>| number.unwrap_or(u16::MAX);
        match expression {
            Expression::Permission(name) => {
                Self::Permission(known(vocabulary.permission(name.name.as_str())))
            }
            Expression::Role(names) => {
                let number = |name: &str| known(vocabulary.role(name));
                Self::Roles(names.iter().map(|role| number(role.name.as_str())).collect())
            }
            Expression::Authenticated => Self::Fact(AUTHENTICATED),
            Expression::Organization => Self::Organization,
            Expression::Condition(_, body) => Self::Whole(Box::new(Self::compile(body, vocabulary))),
            Expression::Not(inner) => Self::Not(Box::new(Self::compile(inner, vocabulary))),
            Expression::All(terms) => Self::All(all(terms)),
            Expression::Any(terms) => Self::Any(all(terms)),
            atom => Self::Fact(known(atom.atom().and_then(|text| vocabulary.atom(&text)))),
        }
    }

    /// Why it does not hold of the facts of which `has` says that they do.
    pub(crate) fn reason(&self, has: &impl Fn(u16) -> bool) -> DenyReason {
        let mut lacks = Lacks::default();
        self.collect(has, &mut lacks);
        match lacks {
            Lacks { organization: false, permission: false, role: false } => DenyReason::ConditionFailed,
            _ if !has(ORGANIZATION) => DenyReason::NoActiveOrganization,
            Lacks { permission: true, .. } => DenyReason::MissingPermission,
            Lacks { role: true, .. } => DenyReason::MissingRole,
            Lacks { .. } => DenyReason::ConditionFailed,
        }
    }

    fn holds(&self, has: &impl Fn(u16) -> bool) -> bool {
        match self {
            Self::Permission(fact) | Self::Fact(fact) => has(*fact),
            Self::Organization => has(ORGANIZATION),
            Self::Roles(roles) => roles.iter().any(|role| has(*role)),
            Self::Whole(inner) => inner.holds(has),
            Self::Not(inner) => !inner.holds(has),
            Self::All(parts) => parts.iter().all(|part| part.holds(has)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(has)),
        }
    }

    fn collect(&self, has: &impl Fn(u16) -> bool, lacks: &mut Lacks) {
        if self.holds(has) {
            return;
        }
        match self {
            Self::Permission(_) => lacks.permission = true,
            Self::Roles(_) => lacks.role = true,
            Self::Organization => lacks.organization = true,
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.collect(has, lacks)),
            Self::Fact(_) | Self::Whole(_) | Self::Not(_) => {}
        }
    }
}

impl Demand {
    /// Why the requirement does not hold; a sign-in counts as good enough.
    pub(crate) fn reason(&self, scene: Scene<'_>) -> DenyReason {
        let atom = |number: u16| {
            let found = self.atoms.iter().find(|(atom, _)| *atom == number);
            found.is_some_and(|(_, atom)| atom.is_step_up() || atom.holds(scene))
        };
        let has = |number: u16| scene.subject.facts().contains(number) || atom(number);
        self.parts.as_ref().map_or(DenyReason::Denied, |parts| parts.reason(&has))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Requirement, check::explain_failure};

    #[test]
    fn the_reason_is_the_one_that_people_are_told() {
        let mut vocabulary = Vocabulary::new(["a", "b"], ["x", "y"]);
        vocabulary.add_atoms(["path.i == sub".to_owned()]);
        let texts = [
            "a",
            "not a",
            "a and b",
            "a or b",
            "role(x)",
            "role(x, y)",
            "org",
            "authenticated",
            "org and a",
            "not (a and role(x))",
            "a and (b or role(x, y))",
            "(a or org) and not role(y)",
            "path.i == sub",
            "a and path.i == sub",
            "role(x) or path.i == sub",
            "not (path.i == sub)",
            "not authenticated",
        ];
        for text in texts {
            let requirement = Requirement::parse(text).unwrap();
            let expression = requirement.expression().unwrap();
            let part = Part::compile(expression, &vocabulary);
            for bits in 0u32..1 << vocabulary.width() {
                let mut have = vocabulary.empty_set();
                (0..16).filter(|fact| bits & (1 << fact) != 0).for_each(|fact| have.insert(fact));
                let has = |fact: u16| have.contains(fact);
                if !part.holds(&has) {
                    let (reason, _) = explain_failure(expression, &have, &vocabulary);
                    assert_eq!(part.reason(&has), reason, "{text} of {bits:b}");
                }
            }
        }
    }
}
