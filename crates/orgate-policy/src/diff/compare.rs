//! Two rules that win the same requests, one in each policy: who is let in by one and not by the other.

use std::fmt;

use super::{
    captures::Captures,
    demand::Demand,
    facts::{Fact, Facts, Side, Term},
    functions::{FALSE, Function, TRUE},
    possible::{always, possible},
    variables::{Variable, Variables},
};
use crate::{ChangeKind, diff::Counterexample};

/// What became of one pair of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) kind: ChangeKind,
    pub(super) anonymous: bool,
    /// The roles that gain or lose, by column.
    pub(super) columns: Vec<usize>,
    /// A token that gains or loses, where no role does.
    pub(super) counterexample: Option<Counterexample>,
    /// A token to which the opposite happens.
    pub(super) also: Option<Counterexample>,
}

/// Both policies, as a comparison needs them.
pub(super) struct Comparison<'c, 'p> {
    pub(super) facts: &'c Facts,
    pub(super) sides: &'c [Side<'p>; 2],
    pub(super) columns: usize,
    /// What the requests in question have in place of values that are looked at.
    pub(super) captures: &'c Captures,
}

/// When somebody gains or loses: of any token, and of the holders of each column's role.
struct Part {
    token: Function,
    columns: Vec<Function>,
}

impl Comparison<'_, '_> {
    /// What became of those whom `old` let in and of those whom `new` lets in; `None` if it is too complicated to tell.
    pub(super) fn effects(&self, old: &Demand, new: &Demand) -> Option<Vec<Effect>> {
        let mut over = Variables::new();
        over.variable(Variable::SpeaksOfPermissions);
        over.variable(Variable::Organization);
        let term = |term: &Term| self.captures.literal(term);
        let bound = old.bound(&mut over, &term);
        let via: Vec<Box<str>> = [old, new].into_iter().filter_map(|demand| demand.via()).collect();
        let [old_part, new_part] =
            [(old, 0), (new, 1)].map(|(demand, at)| self.part(demand, at, &via, &mut over));
        let possible = possible(self.captures, &mut over);
        let gains = difference(&new_part, &old_part, possible, &mut over);
        let losses = difference(&old_part, &new_part, possible, &mut over);
        let (was_open, is_open) = (old.anonymous(&mut over), new.anonymous(&mut over));
        let opens = over.functions.without(is_open, was_open) != FALSE;
        let closes = over.functions.without(was_open, is_open) != FALSE;
        let mut gaining = Vec::new();
        if opens {
            gaining.push((ChangeKind::Public, gains));
        } else if old.loses_a_binding_to(new) {
            let elsewhere = over.functions.not(bound);
            gaining.push((ChangeKind::Unbound, gains.given(elsewhere, &mut over)));
            gaining.push((ChangeKind::Loosened, gains.given(bound, &mut over)));
        } else {
            gaining.push((ChangeKind::Loosened, gains));
        }
        let losing = (ChangeKind::Tightened, losses);
        let mut effects = Vec::new();
        for (kind, part) in gaining.iter().chain([&losing]) {
            let anonymous = match kind {
                ChangeKind::Public => true,
                ChangeKind::Tightened => closes,
                ChangeKind::Unbound | ChangeKind::Loosened => false,
            };
            let columns = self.satisfiable(part, &mut over);
            if anonymous || !columns.is_empty() {
                effects.push(Effect { kind: *kind, anonymous, columns, counterexample: None, also: None });
            }
        }
        // What happens outside of the roles only is one entry; beside what happens to roles, it is told there.
        for (kind, part) in gaining.iter().chain([&losing]) {
            let tightens = *kind == ChangeKind::Tightened;
            if effects.iter().any(|effect| (effect.kind == ChangeKind::Tightened) == tightens) {
                continue;
            }
            let Some(example) = self.example(part.token, &mut over) else { continue };
            let told = Some(self.told(&example, &over));
            match effects.last_mut() {
                Some(effect) => effect.also = told,
                None => effects.push(Effect {
                    kind: *kind,
                    anonymous: false,
                    columns: Vec::new(),
                    counterexample: told,
                    also: None,
                }),
            }
        }
        (!over.functions.overflowed()).then_some(effects)
    }

    fn part(&self, demand: &Demand, at: usize, via: &[Box<str>], over: &mut Variables) -> Part {
        let Some(side) = self.sides.get(at) else { return Part { token: FALSE, columns: Vec::new() } };
        let term = |term: &Term| self.captures.literal(term);
        let fact = |fact, over: &mut Variables| side.of_token(fact, self.facts.name(fact), over);
        let token = demand.admits(over, &term, via, fact);
        let columns = (0..self.columns).map(|column| {
            let holds = |fact, _: &mut Variables| if side.column_holds(column, fact) { TRUE } else { FALSE };
            let mut admitted = demand.admits(over, &term, via, holds);
            for name in via {
                // Whoever holds a role has a token.
                let variable = over.variable(Variable::Via(name.clone()));
                admitted = over.functions.without(admitted, variable);
            }
            let organization = over.variable(Variable::Organization);
            over.functions.and(admitted, organization)
        });
        let columns = columns.collect();
        Part { token, columns }
    }

    fn satisfiable(&self, part: &Part, over: &mut Variables) -> Vec<usize> {
        let columns = part.columns.iter().enumerate();
        columns.filter(|(_, f)| self.example(**f, over).is_some()).map(|(column, _)| column).collect()
    }

    /// An assignment under which `f` holds and which some request can bring about.
    fn example(&self, mut f: Function, over: &mut Variables) -> Option<Vec<(u32, bool)>> {
        loop {
            let preferred = |number| {
                let variable = over.get(number);
                !matches!(variable, Some(Variable::Role(_) | Variable::Permission(_)))
            };
            let example = over.functions.example(f, preferred)?;
            if self.is_consistent(&example, over) || over.functions.overflowed() {
                return Some(example);
            }
            // Never these together.
            let mut conflict = TRUE;
            for (number, value) in &example {
                if matches!(
                    over.get(*number),
                    Some(Variable::Equal(..) | Variable::Unequal(..) | Variable::In(..))
                ) {
                    let variable = over.functions.variable(*number);
                    let literal = if *value { variable } else { over.functions.not(variable) };
                    conflict = over.functions.and(conflict, literal);
                }
            }
            f = over.functions.without(f, conflict);
        }
    }

    /// Whether values exist that are equal and unequal as the assignment says: equality is transitive, two different
    /// words are not equal, and what equals a member of a set is in it.
    fn is_consistent(&self, example: &[(u32, bool)], over: &Variables) -> bool {
        let mut classes: Vec<(&Term, usize)> = Vec::new();
        let said = || example.iter().filter_map(|(number, value)| Some((over.get(*number)?, *value)));
        for (variable, value) in said() {
            if let (Variable::Equal(a, b), true) = (variable, value) {
                let (from, to) = (class(a, &mut classes), class(b, &mut classes));
                classes.iter_mut().filter(|(_, class)| *class == from).for_each(|(_, class)| *class = to);
            }
        }
        // Of what is there and of one type, what is not unequal is equal.
        let mut types: Vec<(&Term, bool)> = Vec::new();
        for (variable, _) in said().filter(|(_, value)| *value) {
            match variable {
                Variable::Equal(a, b) | Variable::Unequal(a, b) => {
                    let known = is_text(a).or_else(|| is_text(b));
                    types.extend(known.iter().flat_map(|text| [(a, *text), (b, *text)]));
                }
                Variable::In(item, _) => types.push((item, true)),
                _ => {}
            }
        }
        let mut joined = true;
        while std::mem::take(&mut joined) {
            for (variable, value) in said() {
                let (Variable::Unequal(a, b), false) = (variable, value) else { continue };
                let (from, to) = (class(a, &mut classes), class(b, &mut classes));
                let of = |wanted: usize| {
                    let mut terms =
                        classes.iter().filter(|(_, class)| *class == wanted).map(|(term, _)| *term);
                    terms.find_map(|term| {
                        let said = types.iter().find(|(known, _)| *known == term).map(|(_, text)| *text);
                        said.or_else(|| {
                            is_text(term).filter(|_| always(term) || matches!(term, Term::Bool(_)))
                        })
                    })
                };
                if let (Some(one), Some(other)) = (of(from), of(to))
                    && from != to
                    && one == other
                {
                    classes.iter_mut().filter(|(_, class)| *class == from).for_each(|(_, class)| *class = to);
                    joined = true;
                }
            }
        }
        let mut find = |term| class(term, &mut classes);
        let mut members = Vec::new();
        for (variable, value) in said() {
            match variable {
                Variable::Equal(a, b) if !value && find(a) == find(b) => return false,
                Variable::Unequal(a, b) if value && find(a) == find(b) => return false,
                Variable::In(item, set) => members.push((find(item), set, value)),
                _ => {}
            }
        }
        let agree = |at: usize, item: &(usize, &Term, bool)| {
            members
                .iter()
                .skip(at + 1)
                .all(|other| (other.0, other.1) != (item.0, item.1) || other.2 == item.2)
        };
        let words: Vec<usize> = classes
            .iter()
            .filter(|(term, _)| matches!(term, Term::Text(_) | Term::Bool(_)))
            .map(|(_, class)| *class)
            .collect();
        members.iter().enumerate().all(|(at, item)| agree(at, item))
            && words.iter().enumerate().all(|(at, class)| !words.iter().skip(at + 1).any(|w| w == class))
    }

    fn told(&self, example: &[(u32, bool)], over: &Variables) -> Counterexample {
        let mut told = Counterexample::default();
        for (number, value) in example {
            let name = |fact: &usize| match self.facts.name(*fact) {
                Some(Fact::Permission(name) | Fact::Role(name)) => Some(name.to_string()),
                _ => None,
            };
            match over.get(*number) {
                Some(Variable::Permission(fact)) if *value => told.permissions.extend(name(fact)),
                Some(Variable::Role(fact)) if *value => told.roles.extend(name(fact)),
                Some(Variable::Organization) => told.organization = Some(*value),
                Some(Variable::Equal(Term::Segment(_), Term::Value(target)))
                    if target.starts_with("org.") =>
                {
                    told.own = Some(told.own.unwrap_or(true) && *value);
                }
                Some(Variable::SpeaksOfPermissions) | None => {}
                Some(variable) => told.conditions.extend(condition(variable, *value)),
            }
        }
        told.permissions.sort_unstable();
        told.roles.sort_unstable();
        told
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(at) => write!(f, "segment {}", at + 1),
            Self::Value(name) => f.write_str(name),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Bool(value) => write!(f, "{value}"),
        }
    }
}

impl Part {
    fn given(&self, condition: Function, over: &mut Variables) -> Self {
        Self {
            token: over.functions.and(self.token, condition),
            columns: self.columns.iter().map(|f| over.functions.and(*f, condition)).collect(),
        }
    }
}

/// Whether a value is a text wherever it is there; `None` of a claim, which may be one or not.
fn is_text(term: &Term) -> Option<bool> {
    match term {
        Term::Bool(_) => Some(false),
        Term::Value(name) if name.starts_with("claims.") => None,
        Term::Segment(_) | Term::Value(_) | Term::Text(_) => Some(true),
    }
}

/// What holds or does not hold, as one writes it in a requirement.
fn condition(variable: &Variable, value: bool) -> Option<String> {
    let text = match variable {
        Variable::Equal(a, b) if value => return Some(format!("{a} == {b}")),
        Variable::Equal(..) => return None,
        Variable::Unequal(a, b) => format!("{a} != {b}"),
        Variable::In(item, set) => format!("{item} in {set}"),
        Variable::Present(term) => format!("{term} is there"),
        Variable::Fresh(seconds) => format!("fresh({seconds}s)"),
        Variable::Live => "fresh: live".to_owned(),
        Variable::Via(name) => format!("via({name})"),
        Variable::SpeaksOfPermissions
        | Variable::Organization
        | Variable::Role(_)
        | Variable::Permission(_) => return None,
    };
    value.then_some(text)
}

/// The class of a term, a new one if it has none.
fn class<'t>(term: &'t Term, classes: &mut Vec<(&'t Term, usize)>) -> usize {
    if let Some((_, class)) = classes.iter().find(|(known, _)| *known == term) {
        return *class;
    }
    let class = classes.len();
    classes.push((term, class));
    class
}

/// What is in `a` and not in `b`, and can be.
fn difference(a: &Part, b: &Part, possible: Function, over: &mut Variables) -> Part {
    let mut of = |a: Function, b: Function| {
        let rest = over.functions.without(a, b);
        over.functions.and(rest, possible)
    };
    let columns = a.columns.iter().zip(&b.columns).map(|(a, b)| of(*a, *b)).collect();
    Part { token: of(a.token, b.token), columns }
}
