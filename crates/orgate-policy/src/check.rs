//! A requirement, compiled.

use crate::{
    decision::DenyReason,
    requirement::Expression,
    set::Set,
    vocabulary::{AUTHENTICATED, ORGANIZATION, Vocabulary},
};

/// An expression over the facts of a policy. The common shapes are one comparison of two sets; the rest is a short
/// program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Every fact of the set holds.
    AllOf(Set),
    /// At least one does.
    AnyOf(Set),
    /// Postfix over a stack of bits.
    Program(Box<[Op]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Pushes whether the fact holds.
    Fact(u16),
    Not,
    /// Replaces the top two by their conjunction.
    And,
    Or,
}

impl Check {
    /// Compiles an expression whose names are all in the vocabulary; unknown names compile to a fact that never
    /// holds (they are reported as errors before a policy comes to life).
    pub(crate) fn compile(expression: &Expression, vocabulary: &Vocabulary) -> Self {
        if let Some(set) = facts(std::slice::from_ref(expression), vocabulary) {
            return Self::AllOf(set);
        }
        match expression {
            Expression::All(terms) => facts(terms, vocabulary).map(Self::AllOf),
            Expression::Any(terms) => facts(terms, vocabulary).map(Self::AnyOf),
            Expression::Role(names) => {
                let mut set = vocabulary.empty_set();
                for name in names {
                    set.insert(vocabulary.role(name.name.as_str()).unwrap_or(u16::MAX));
                }
                Some(Self::AnyOf(set))
            }
            _ => None,
        }
        .unwrap_or_else(|| {
            let mut ops = Vec::new();
            emit(expression, vocabulary, &mut ops);
            Self::Program(ops.into())
        })
    }

    /// The facts it asks for, some perhaps more than once.
    pub(crate) fn facts(&self) -> impl Iterator<Item = u16> {
        let (set, ops) = match self {
            Self::AllOf(set) | Self::AnyOf(set) => (Some(set), None),
            Self::Program(ops) => (None, Some(ops)),
        };
        let named = ops.into_iter().flatten().filter_map(|op| match op {
            Op::Fact(fact) => Some(*fact),
            Op::Not | Op::And | Op::Or => None,
        });
        set.into_iter().flat_map(Set::iter).chain(named)
    }

    /// Whether it holds of these facts, atoms counted among them.
    pub(crate) fn holds(&self, have: &Set) -> bool {
        self.holds_with(have, |_| false)
    }

    /// Whether it holds of these facts; `atom` is asked about those that are not in the set.
    #[inline]
    pub(crate) fn holds_with(&self, have: &Set, atom: impl Fn(u16) -> bool) -> bool {
        match self {
            Self::AllOf(need) => need.is_within(have),
            Self::AnyOf(need) => need.meets(have),
            Self::Program(ops) => run(ops, |number| have.contains(number) || atom(number)),
        }
    }
}

/// Whether something holds, whatever is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Always,
    Never,
    Sometimes,
}

/// Over how many unknown facts a verdict is looked for by trying all of them; beyond it, it is `Sometimes`.
const MAX_OPEN: usize = 12;

impl Check {
    /// Whether it holds of `have`, where each fact of `open` may hold or not.
    pub(crate) fn verdict(&self, have: &Set, open: &[u16]) -> Verdict {
        if open.len() > MAX_OPEN {
            return Verdict::Sometimes;
        }
        let holds = |bits: usize| {
            let mut have = have.clone();
            let set = open.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
            set.for_each(|(_, number)| have.insert(*number));
            self.holds(&have)
        };
        let first = holds(0);
        match ((1..1usize << open.len()).all(|bits| holds(bits) == first), first) {
            (true, true) => Verdict::Always,
            (true, false) => Verdict::Never,
            (false, _) => Verdict::Sometimes,
        }
    }
}

/// The set of facts, if every term is a single one.
fn facts(terms: &[Expression], vocabulary: &Vocabulary) -> Option<Set> {
    let mut set = vocabulary.empty_set();
    for term in terms {
        set.insert(fact(term, vocabulary)?);
    }
    Some(set)
}

fn fact(term: &Expression, vocabulary: &Vocabulary) -> Option<u16> {
    match term {
        Expression::Permission(name) => Some(vocabulary.permission(name.name.as_str()).unwrap_or(u16::MAX)),
        Expression::Role(names) => match names.as_slice() {
            [name] => Some(vocabulary.role(name.name.as_str()).unwrap_or(u16::MAX)),
            _ => None,
        },
        Expression::Authenticated => Some(AUTHENTICATED),
        Expression::Organization => Some(ORGANIZATION),
        _ => None,
    }
}

/// The number of an atom that is judged per request; such an atom is never part of a set.
fn atom(term: &Expression, vocabulary: &Vocabulary) -> u16 {
    term.atom().and_then(|text| vocabulary.atom(&text)).unwrap_or(u16::MAX)
}

/// Writes the program so that the stack never holds more than one bit for each level of nesting and one more.
fn emit(expression: &Expression, vocabulary: &Vocabulary, ops: &mut Vec<Op>) {
    let mut join = |terms: &[Expression], op: Op| {
        for (at, term) in terms.iter().enumerate() {
            emit(term, vocabulary, ops);
            ops.extend((at > 0).then_some(op));
        }
    };
    match expression {
        Expression::Not(inner) => {
            emit(inner, vocabulary, ops);
            ops.push(Op::Not);
        }
        Expression::All(terms) => join(terms, Op::And),
        Expression::Any(terms) => join(terms, Op::Or),
        Expression::Role(names) => {
            for (at, name) in names.iter().enumerate() {
                ops.push(Op::Fact(vocabulary.role(name.name.as_str()).unwrap_or(u16::MAX)));
                ops.extend((at > 0).then_some(Op::Or));
            }
        }
        Expression::Condition(_, body) => emit(body, vocabulary, ops),
        term => ops.push(Op::Fact(fact(term, vocabulary).unwrap_or_else(|| atom(term, vocabulary)))),
    }
}

/// Runs a program. The stack is the bits of one word; requirements nest at most 16 levels deep.
fn run(ops: &[Op], holds: impl Fn(u16) -> bool) -> bool {
    let mut stack: u64 = 0;
    for op in ops {
        match op {
            Op::Fact(number) => stack = (stack << 1) | u64::from(holds(*number)),
            Op::Not => stack ^= 1,
            Op::And => stack = (stack >> 1) & (stack | !1),
            Op::Or => stack = (stack >> 1) | (stack & 1),
        }
    }
    stack & 1 == 1
}

/// Why an expression does not hold of `have`, atoms counted among it, and the permissions that would have helped.
pub(crate) fn explain_failure<'v>(
    expression: &Expression,
    have: &Set,
    vocabulary: &'v Vocabulary,
) -> (DenyReason, Vec<&'v str>) {
    let mut failure = Failure::default();
    collect(expression, have, vocabulary, &mut failure);
    let no_organization = !have.contains(ORGANIZATION);
    let needs_organization = failure.organization || !failure.permissions.is_empty() || failure.role;
    let reason = if no_organization && needs_organization {
        DenyReason::NoActiveOrganization
    } else if !failure.permissions.is_empty() {
        DenyReason::MissingPermission
    } else if failure.role {
        DenyReason::MissingRole
    } else {
        DenyReason::ConditionFailed
    };
    (reason, failure.permissions)
}

/// What a failed expression lacks, by kind.
#[derive(Default)]
struct Failure<'v> {
    organization: bool,
    permissions: Vec<&'v str>,
    role: bool,
}

fn collect<'v>(expression: &Expression, have: &Set, vocabulary: &'v Vocabulary, failure: &mut Failure<'v>) {
    if Check::compile(expression, vocabulary).holds(have) {
        return;
    }
    match expression {
        Expression::Permission(name) => {
            let name = vocabulary
                .permission(name.name.as_str())
                .and_then(|number| vocabulary.permission_name(number));
            failure.permissions.extend(name.filter(|name| !failure.permissions.contains(name)));
        }
        Expression::Role(_) => failure.role = true,
        Expression::Organization => failure.organization = true,
        Expression::All(terms) | Expression::Any(terms) => {
            terms.iter().for_each(|term| collect(term, have, vocabulary, failure));
        }
        Expression::Authenticated
        | Expression::Not(_)
        | Expression::Compare(_)
        | Expression::Condition(..)
        | Expression::Acr(_)
        | Expression::Fresh(_)
        | Expression::Via(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirement::{Kind, Requirement};

    fn holds(text: &str, facts: &[&str]) -> bool {
        let vocabulary = Vocabulary::new(["a", "b", "c", "d"], ["x", "y"]);
        let mut have = vocabulary.empty_set();
        have.insert(AUTHENTICATED);
        for name in facts {
            let number =
                vocabulary.permission(name).or_else(|| vocabulary.role(name)).unwrap_or(ORGANIZATION);
            have.insert(number);
        }
        let requirement = Requirement::parse(text).unwrap();
        let Kind::Expression(expression) = requirement.kind() else { panic!("an expression") };
        Check::compile(expression, &vocabulary).holds(&have)
    }

    #[test]
    fn compiled_checks_hold_when_the_expression_does() {
        for (text, facts, expected) in [
            ("a", &["a"][..], true),
            ("a", &["b"], false),
            ("a and b", &["a"], false),
            ("a and b", &["a", "b"], true),
            ("a or b", &["b"], true),
            ("a or b", &[], false),
            ("authenticated", &[], true),
            ("org and a", &["a"], false),
            ("org and a", &["a", "ORG"], true),
            ("role(x, y)", &["y"], true),
            ("role(x)", &["y"], false),
            ("not a", &[], true),
            ("not a", &["a"], false),
            ("a and (b or c)", &["a", "c"], true),
            ("a and (b or c)", &["b", "c"], false),
            ("not (a and b) and not c", &["a"], true),
            ("not (a and b) and not c", &["a", "b"], false),
            ("(a or b) and (c or d) and role(x, y)", &["b", "c", "y"], true),
            ("(a or b) and (c or d) and role(x, y)", &["b", "c"], false),
        ] {
            assert_eq!(holds(text, facts), expected, "{text} of {facts:?}");
        }
    }

    #[test]
    fn a_program_of_the_largest_size_keeps_every_bit() {
        let text = (0..63).map(|at| if at % 2 == 0 { "a" } else { "(b or c)" }).collect::<Vec<_>>();
        let text = text.iter().take(42).copied().collect::<Vec<_>>().join(" and ");
        assert!(holds(&text, &["a", "b"]));
        assert!(!holds(&text, &["b", "c"]));
        assert!(!holds(&text, &["a"]));
    }
}
