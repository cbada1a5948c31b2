//! Atoms of a requirement that are judged for each request: comparisons, step-up, authenticators.

use std::borrow::Cow;

use orgate_claims::ClaimValue;

use crate::{
    Facts, Lookup, Pattern, RequestTarget,
    requirement::{Comparison, Expression, Operand, Operator},
    subject::Subject,
    vocabulary::Vocabulary,
};

/// How far the issuer's clock may be ahead of ours before a sign-in counts as one that has not happened, in seconds.
const CLOCK_SKEW: i64 = 60;

/// An atom of one rule, ready to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Atom {
    Compare { left: Value, operator: Operator, right: Value },
    Acr(Box<[Box<str>]>),
    Fresh(u32),
    Via(Box<str>),
}

/// Where a value of a rule comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// This segment of the path.
    Segment(usize),
    Query(Box<str>),
    Header(Box<str>),
    /// What the variable part of the rule's host stands for.
    Host,
    /// The claim in this slot of the policy.
    Claim(usize),
    OrganizationId,
    OrganizationSlug,
    Subject,
    Text(Box<str>),
    Bool(bool),
}

/// What a value is in one request.
pub(crate) enum Seen<'a> {
    Absent,
    Text(Cow<'a, str>),
    Bool(bool),
    Set(&'a [Box<str>]),
}

/// Everything an atom may look at.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) target: &'a RequestTarget<'a>,
    /// What the variable part of the rule's host stands for.
    pub(crate) host: Option<&'a str>,
    pub(crate) subject: &'a Subject,
    pub(crate) facts: &'a Facts<'a>,
}

impl Value {
    /// `None` where the rule's key has no such parameter.
    pub(crate) fn compile(
        operand: &Operand,
        pattern: &Pattern,
        host: Option<&str>,
        claims: &[Box<str>],
    ) -> Option<Self> {
        Some(match operand {
            Operand::Path(name) => {
                Self::Segment(pattern.parameters().find(|(parameter, _)| **parameter == **name)?.1)
            }
            Operand::Query(name) => Self::Query(name.clone()),
            Operand::Header(name) => Self::Header(name.clone()),
            Operand::Host(name) => {
                host.filter(|host| **host == **name)?;
                Self::Host
            }
            Operand::Claim(name) => Self::Claim(claims.iter().position(|claim| claim == name)?),
            Operand::OrganizationId => Self::OrganizationId,
            Operand::OrganizationSlug => Self::OrganizationSlug,
            Operand::Subject => Self::Subject,
            Operand::Text(text) => Self::Text(text.clone()),
            Operand::Bool(value) => Self::Bool(*value),
        })
    }

    pub(crate) fn see<'a>(&'a self, scene: Scene<'a>) -> Seen<'a> {
        let text = |text: Option<&'a str>| match text {
            Some(text) => Seen::Text(Cow::Borrowed(text)),
            None => Seen::Absent,
        };
        let one = |lookup: Lookup<'a>| match lookup {
            Lookup::One(value) => Seen::Text(value),
            Lookup::Absent | Lookup::Several => Seen::Absent,
        };
        match self {
            Self::Segment(at) => text(scene.target.segment(*at)),
            Self::Query(name) => one(scene.target.query_value(name)),
            Self::Header(name) => one(scene.facts.headers.get(name)),
            Self::Host => text(scene.host),
            Self::Claim(slot) => match scene.subject.claim(*slot) {
                None => Seen::Absent,
                Some(ClaimValue::Text(value)) => text(Some(value)),
                Some(ClaimValue::Bool(value)) => Seen::Bool(*value),
                Some(ClaimValue::Set(values)) => Seen::Set(values),
                Some(_) => Seen::Absent,
            },
            Self::OrganizationId => text(scene.subject.organization_id()),
            Self::OrganizationSlug => text(scene.subject.organization_slug()),
            Self::Subject => text(Some(scene.subject.sub())),
            Self::Text(value) => text(Some(value)),
            Self::Bool(value) => Seen::Bool(*value),
        }
    }
}

impl Atom {
    /// The atom of an expression that is one; `None` for others and where the rule has not the values.
    pub(crate) fn compile(
        expression: &Expression,
        pattern: &Pattern,
        host: Option<&str>,
        claims: &[Box<str>],
    ) -> Option<Self> {
        match expression {
            Expression::Compare(Comparison { left, operator, right, .. }) => Some(Self::Compare {
                left: Value::compile(left, pattern, host, claims)?,
                operator: *operator,
                right: Value::compile(right, pattern, host, claims)?,
            }),
            Expression::Acr(classes) => Some(Self::Acr(classes.clone().into())),
            Expression::Fresh(seconds) => Some(Self::Fresh(*seconds)),
            Expression::Via(name) => Some(Self::Via(name.name.clone())),
            _ => None,
        }
    }

    /// Whether a newer or stronger sign-in could make it true.
    pub(crate) fn is_step_up(&self) -> bool {
        matches!(self, Self::Acr(_) | Self::Fresh(_))
    }

    pub(crate) fn holds(&self, scene: Scene<'_>) -> bool {
        match self {
            Self::Compare { left, operator, right } => {
                let (left, right) = (left.see(scene), right.see(scene));
                match (operator, left, right) {
                    (Operator::Equal, Seen::Text(a), Seen::Text(b)) => a == b,
                    (Operator::Equal, Seen::Bool(a), Seen::Bool(b)) => a == b,
                    (Operator::Unequal, Seen::Text(a), Seen::Text(b)) => a != b,
                    (Operator::Unequal, Seen::Bool(a), Seen::Bool(b)) => a != b,
                    (Operator::In, Seen::Text(a), Seen::Set(items)) => items.iter().any(|item| **item == *a),
                    _ => false,
                }
            }
            Self::Acr(classes) => {
                scene.subject.acr().is_some_and(|acr| classes.iter().any(|class| **class == *acr))
            }
            Self::Fresh(seconds) => scene.subject.auth_time().is_some_and(|at| {
                let age = scene.facts.now.seconds().saturating_sub(at.seconds());
                (-CLOCK_SKEW..=i64::from(*seconds)).contains(&age)
            }),
            Self::Via(name) => scene.subject.authenticator() == Some(name),
        }
    }
}

/// The atoms of an expression, each with its number.
pub(crate) fn atoms(
    expression: &Expression,
    pattern: &Pattern,
    host: Option<&str>,
    claims: &[Box<str>],
    vocabulary: &Vocabulary,
) -> Box<[(u16, Atom)]> {
    let mut atoms: Vec<(u16, Atom)> = expression
        .walk()
        .filter_map(|part| {
            let number = vocabulary.atom(&part.atom()?)?;
            Some((number, Atom::compile(part, pattern, host, claims)?))
        })
        .collect();
    atoms.sort_by_key(|(number, _)| *number);
    atoms.dedup_by_key(|(number, _)| *number);
    atoms.into()
}
