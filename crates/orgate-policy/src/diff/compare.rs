//! Two rules that win the same requests, one in each policy: who is let in by one and not by the other.

use super::{
    facts::{Fact, Facts, Side, Step, Variable, Variables},
    functions::{FALSE, Function, TRUE},
};
use crate::{ChangeKind, bind::BindTarget, compile::Rule, diff::Counterexample, requirement::Kind};

/// What a rule demands, in a form that both policies share; without a rule, nobody gets in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Demand {
    access: Access,
    program: Vec<Step>,
    /// The segments that must be one of some values of the caller.
    bindings: Vec<(usize, Vec<String>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Access {
    Nobody,
    Public,
    Optional,
    Credential,
}

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

impl Demand {
    pub(super) fn nothing() -> Self {
        Self { access: Access::Nobody, program: Vec::new(), bindings: Vec::new() }
    }

    pub(super) fn of(rule: &Rule, side: &Side<'_>) -> Self {
        let access = match rule.requirement.kind() {
            Kind::Public => Access::Public,
            Kind::Optional => Access::Optional,
            Kind::Deny => return Self::nothing(),
            Kind::Expression(_) => Access::Credential,
        };
        let program = rule.check.as_ref().map(|check| side.program(check)).unwrap_or_default();
        let bindings = rule.bindings.iter().map(|(at, targets)| {
            let mut targets: Vec<String> = targets.iter().map(target).collect();
            targets.sort_unstable();
            targets.dedup();
            (*at, targets)
        });
        Self { access, program, bindings: bindings.collect() }
    }

    /// The segments that it binds.
    pub(super) fn bound_segments(&self) -> impl Iterator<Item = usize> {
        self.bindings.iter().map(|(at, _)| *at)
    }

    fn lets_in_anonymous(&self) -> bool {
        match self.access {
            Access::Public => true,
            Access::Optional => self.bindings.is_empty(),
            Access::Nobody | Access::Credential => false,
        }
    }

    /// When every binding holds.
    fn bound(&self, over: &mut Variables) -> Function {
        let mut all = TRUE;
        for (at, targets) in &self.bindings {
            let mut one = FALSE;
            for target in targets {
                let equal = over.variable(Variable::Bound(*at, target.clone()));
                one = over.functions.or(one, equal);
            }
            all = over.functions.and(all, one);
        }
        all
    }

    /// When an authenticated caller gets in, given when a fact holds.
    fn admits(&self, over: &mut Variables, fact: impl FnMut(usize, &mut Variables) -> Function) -> Function {
        match self.access {
            Access::Nobody => FALSE,
            Access::Public => TRUE,
            Access::Optional => self.bound(over),
            Access::Credential => {
                let bound = self.bound(over);
                let holds = over.run(&self.program, fact);
                over.functions.and(bound, holds)
            }
        }
    }

    /// Whether a binding of this one, which lets in somebody, is no longer there.
    fn loses_a_binding_to(&self, new: &Self) -> bool {
        self.bound_segments().any(|at| !new.bound_segments().any(|other| other == at))
    }
}

fn target(target: &BindTarget) -> String {
    target.as_str().to_owned()
}

/// Both policies, as a comparison needs them.
pub(super) struct Comparison<'c, 'p> {
    pub(super) facts: &'c Facts,
    pub(super) sides: &'c [Side<'p>; 2],
    pub(super) columns: usize,
    /// The words that the paths in question have in place of bound segments.
    pub(super) literals: &'c [(usize, Box<str>)],
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
        let bound = old.bound(&mut over);
        let [old_part, new_part] = [(old, 0), (new, 1)].map(|(demand, at)| self.part(demand, at, &mut over));
        let possible = possible(&mut over);
        let gains = difference(&new_part, &old_part, possible, &mut over);
        let losses = difference(&old_part, &new_part, possible, &mut over);
        let anonymous = (old.lets_in_anonymous(), new.lets_in_anonymous());
        let mut gaining = Vec::new();
        if anonymous == (false, true) {
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
                ChangeKind::Tightened => anonymous == (true, false),
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

    fn part(&self, demand: &Demand, at: usize, over: &mut Variables) -> Part {
        let Some(side) = self.sides.get(at) else { return Part { token: FALSE, columns: Vec::new() } };
        let token = demand.admits(over, |fact, over| side.of_token(fact, self.facts.name(fact), over));
        let columns = (0..self.columns).map(|column| {
            let holds = |fact, _: &mut Variables| if side.column_holds(column, fact) { TRUE } else { FALSE };
            demand.admits(over, holds)
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
            // Never these bindings together.
            let mut conflict = TRUE;
            for (number, value) in &example {
                if matches!(over.get(*number), Some(Variable::Bound(..))) {
                    let variable = over.functions.variable(*number);
                    let literal = if *value { variable } else { over.functions.not(variable) };
                    conflict = over.functions.and(conflict, literal);
                }
            }
            f = over.functions.without(f, conflict);
        }
    }

    /// Whether segments and values exist that are equal and unequal as the assignment says: equality is transitive, and
    /// two different words are not equal.
    fn is_consistent(&self, example: &[(u32, bool)], over: &Variables) -> bool {
        let mut classes: Vec<(Term<'_>, usize)> = Vec::new();
        let mut unequal = Vec::new();
        for (number, value) in example {
            let Some(Variable::Bound(at, target)) = over.get(*number) else { continue };
            let segment = match self.literals.iter().find(|(known, _)| known == at) {
                Some((_, word)) => Term::Word(word),
                None => Term::Segment(*at),
            };
            let pair = [class(segment, &mut classes), class(Term::Value(target), &mut classes)];
            match value {
                true => {
                    let [from, to] = pair;
                    classes.iter_mut().filter(|(_, class)| *class == from).for_each(|(_, class)| *class = to);
                }
                false => unequal.push((segment, Term::Value(target))),
            }
        }
        let mut find = |term| class(term, &mut classes);
        let apart = unequal.into_iter().all(|(a, b)| find(a) != find(b));
        let words = classes.iter().filter(|(term, _)| matches!(term, Term::Word(_)));
        let words: Vec<usize> = words.map(|(_, class)| *class).collect();
        apart && words.iter().enumerate().all(|(at, class)| !words.iter().skip(at + 1).any(|w| w == class))
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
                Some(Variable::Bound(..)) => told.own = Some(told.own.unwrap_or(true) && *value),
                _ => {}
            }
        }
        told.permissions.sort_unstable();
        told.roles.sort_unstable();
        told
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Term<'t> {
    Segment(usize),
    Word(&'t str),
    Value(&'t str),
}

/// The class of a term, a new one if it has none.
fn class<'t>(term: Term<'t>, classes: &mut Vec<(Term<'t>, usize)>) -> usize {
    if let Some((_, class)) = classes.iter().find(|(known, _)| *known == term) {
        return *class;
    }
    let class = classes.len();
    classes.push((term, class));
    class
}

/// What is in `a` and not in `b`. A role's holder has an organization, so nothing limits its part.
fn difference(a: &Part, b: &Part, possible: Function, over: &mut Variables) -> Part {
    let token = over.functions.without(a.token, b.token);
    let token = over.functions.and(token, possible);
    let columns = a.columns.iter().zip(&b.columns).map(|(a, b)| over.functions.without(*a, *b)).collect();
    Part { token, columns }
}

/// What holds of every request: nothing equals an organization's name where there is no organization.
fn possible(over: &mut Variables) -> Function {
    let mut all = TRUE;
    for variable in over.bound() {
        let Variable::Bound(_, target) = &variable else { continue };
        if target.starts_with("org.") {
            let (organization, equal) = (over.variable(Variable::Organization), over.variable(variable));
            let either = over.functions.choose(equal, organization, TRUE);
            all = over.functions.and(all, either);
        }
    }
    all
}
