//! What can be one way or the other, numbered for one comparison.

use std::collections::HashMap;

use super::{
    facts::{Step, Term, Test},
    functions::{FALSE, Function, Functions, TRUE},
};
use crate::requirement::Operator;

/// What can be one way or the other in a request, independently of everything else but equality.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Variable {
    /// The token speaks of permissions.
    SpeaksOfPermissions,
    /// There is an active organization.
    Organization,
    /// The token has this role.
    Role(usize),
    /// The token has this permission.
    Permission(usize),
    /// Two values are there and equal.
    Equal(Term, Term),
    /// Two values are there and not equal.
    Unequal(Term, Term),
    /// A value is in a set.
    In(Term, Term),
    /// The request has a value.
    Present(Term),
    /// The caller signed in at most so many seconds ago.
    Fresh(u32),
    /// The issuer says that the token still stands.
    Live,
    /// This authenticated the caller instead of a token.
    Via(Box<str>),
}

/// The variables of one comparison, numbered as they come.
#[derive(Debug)]
pub(super) struct Variables {
    pub(super) functions: Functions,
    all: Vec<Variable>,
    numbers: HashMap<Variable, u32>,
}

impl Variables {
    pub(super) fn new() -> Self {
        Self { functions: Functions::new(), all: Vec::new(), numbers: HashMap::new() }
    }

    pub(super) fn variable(&mut self, variable: Variable) -> Function {
        let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(variable).or_insert_with_key(|variable| {
            self.all.push(variable.clone());
            next
        });
        self.functions.variable(number)
    }

    pub(super) fn get(&self, number: u32) -> Option<&Variable> {
        self.all.get(number as usize)
    }

    pub(super) fn all(&self) -> &[Variable] {
        &self.all
    }

    /// When two values are equal. What is the same word is, and two words are not.
    pub(super) fn equal(&mut self, a: Term, b: Term) -> Function {
        match (&a, &b) {
            (Term::Text(_) | Term::Bool(_), Term::Text(_) | Term::Bool(_)) => {
                if a == b {
                    TRUE
                } else {
                    FALSE
                }
            }
            _ if a <= b => self.variable(Variable::Equal(a, b)),
            _ => self.variable(Variable::Equal(b, a)),
        }
    }

    pub(super) fn test(&mut self, test: &Test, term: &dyn Fn(&Term) -> Term) -> Function {
        match test {
            Test::Compare(a, Operator::Equal, b) => self.equal(term(a), term(b)),
            Test::Compare(a, Operator::Unequal, b) => {
                let (a, b) = (term(a), term(b));
                match (&a, &b) {
                    (Term::Text(x), Term::Text(y)) => {
                        if x == y {
                            FALSE
                        } else {
                            TRUE
                        }
                    }
                    (Term::Bool(x), Term::Bool(y)) => {
                        if x == y {
                            FALSE
                        } else {
                            TRUE
                        }
                    }
                    // Values of two types are neither equal nor unequal.
                    (Term::Text(_), Term::Bool(_)) | (Term::Bool(_), Term::Text(_)) => FALSE,
                    _ if a == b => FALSE,
                    _ if a < b => self.variable(Variable::Unequal(a, b)),
                    _ => self.variable(Variable::Unequal(b, a)),
                }
            }
            Test::Compare(a, Operator::In, set) => self.variable(Variable::In(term(a), term(set))),
            Test::Acr(classes) => {
                let mut one = FALSE;
                for class in classes {
                    let equal = self.equal(Term::Text(class.clone()), Term::Value("acr".into()));
                    one = self.functions.or(one, equal);
                }
                one
            }
            Test::Fresh(seconds) => self.variable(Variable::Fresh(*seconds)),
            Test::Via(name) => self.variable(Variable::Via(name.clone())),
        }
    }

    /// When a program holds, given when its facts do.
    pub(super) fn run(
        &mut self,
        program: &[Step],
        term: &dyn Fn(&Term) -> Term,
        mut fact: impl FnMut(usize, &mut Self) -> Function,
    ) -> Function {
        let mut stack: Vec<Function> = Vec::new();
        for step in program {
            let result = match step {
                Step::Fact(number) => fact(*number, self),
                Step::Atom(test) => self.test(test, term),
                Step::Always => TRUE,
                Step::Never => FALSE,
                Step::Not => {
                    let top = stack.pop().unwrap_or(FALSE);
                    self.functions.not(top)
                }
                Step::And | Step::Or => {
                    let (right, left) = (stack.pop().unwrap_or(FALSE), stack.pop().unwrap_or(FALSE));
                    match step {
                        Step::And => self.functions.and(left, right),
                        _ => self.functions.or(left, right),
                    }
                }
            };
            stack.push(result);
        }
        stack.pop().unwrap_or(FALSE)
    }
}
