//! What a rule demands, as a function of what a request and a token carry.

use super::{
    facts::{Side, Step, Term, Test},
    functions::{FALSE, Function, TRUE},
    variables::{Variable, Variables},
};
use crate::{requirement::Kind, rule::Rule};

/// What a rule demands, in a form that both policies share; without a rule, nobody gets in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Demand {
    access: Access,
    program: Vec<Step>,
    bindings: Vec<Binding>,
    /// Whether the issuer is asked about each token.
    live: bool,
}

/// A value of the request that must be one of some values of the caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Binding {
    value: Term,
    /// Whether it is there in every request; otherwise it counts only where it is.
    captured: bool,
    targets: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Access {
    Nobody,
    Public,
    Optional,
    Token,
    Via(Box<str>),
}

impl Demand {
    pub(super) fn nothing() -> Self {
        Self { access: Access::Nobody, program: Vec::new(), bindings: Vec::new(), live: false }
    }

    pub(super) fn of(rule: &Rule, side: &Side<'_>) -> Self {
        let access = match (rule.requirement().kind(), &rule.demand.authenticator) {
            (Kind::Public, _) => Access::Public,
            (Kind::Optional, _) => Access::Optional,
            (Kind::Deny, _) => return Self::nothing(),
            (Kind::Expression(_), None) => Access::Token,
            (Kind::Expression(_), Some(name)) => Access::Via(name.clone()),
        };
        let bindings = rule.bindings.iter().map(|bound| {
            let mut targets: Vec<Term> =
                bound.targets.iter().map(|(_, value)| side.term(value, &rule.key)).collect();
            targets.sort_unstable();
            targets.dedup();
            Binding { value: side.term(&bound.value, &rule.key), captured: bound.is_captured(), targets }
        });
        let live = rule.live && matches!(access, Access::Optional | Access::Token);
        Self { access, program: side.program(rule), bindings: bindings.collect(), live }
    }

    /// The values of the target that it looks at.
    pub(super) fn captures(&self) -> impl Iterator<Item = &Term> {
        let compared = self.program.iter().flat_map(|step| match step {
            Step::Atom(Test::Compare(left, _, right)) => vec![left, right],
            _ => Vec::new(),
        });
        let bound = self.bindings.iter().map(|binding| &binding.value);
        bound.chain(compared).filter(|term| match term {
            Term::Segment(_) => true,
            Term::Value(name) => name.starts_with("host."),
            Term::Text(_) | Term::Bool(_) => false,
        })
    }

    /// The words that it mentions beside values.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        let compared = self.program.iter().flat_map(|step| match step {
            Step::Atom(Test::Compare(left, _, right)) => vec![left, right],
            _ => Vec::new(),
        });
        compared.filter_map(|term| match term {
            Term::Text(text) => Some(&**text),
            Term::Segment(_) | Term::Value(_) | Term::Bool(_) => None,
        })
    }

    /// When a caller without a credential gets in.
    pub(super) fn anonymous(&self, over: &mut Variables) -> Function {
        match self.access {
            Access::Public => TRUE,
            Access::Optional => {
                let mut nothing_bound = TRUE;
                for binding in &self.bindings {
                    let present = binding.present(over);
                    nothing_bound = over.functions.without(nothing_bound, present);
                }
                nothing_bound
            }
            Access::Nobody | Access::Token | Access::Via(_) => FALSE,
        }
    }

    /// When every binding holds.
    pub(super) fn bound(&self, over: &mut Variables, term: &dyn Fn(&Term) -> Term) -> Function {
        let mut all = TRUE;
        for binding in &self.bindings {
            let mut one = FALSE;
            for target in &binding.targets {
                let equal = over.equal(term(&binding.value), target.clone());
                one = over.functions.or(one, equal);
            }
            let present = binding.present(over);
            let holds = over.functions.choose(present, one, TRUE);
            all = over.functions.and(all, holds);
        }
        all
    }

    /// When a caller with a credential gets in, given when a fact holds. `via` is what authenticates instead of a token
    /// in either policy.
    pub(super) fn admits(
        &self,
        over: &mut Variables,
        term: &dyn Fn(&Term) -> Term,
        via: &[Box<str>],
        fact: impl FnMut(usize, &mut Variables) -> Function,
    ) -> Function {
        let mut admitted = match &self.access {
            Access::Nobody => return FALSE,
            Access::Public => return TRUE,
            Access::Optional => self.bound(over, term),
            Access::Token | Access::Via(_) => {
                let bound = self.bound(over, term);
                let holds = over.run(&self.program, term, fact);
                over.functions.and(bound, holds)
            }
        };
        if self.live {
            let stands = over.variable(Variable::Live);
            admitted = over.functions.and(admitted, stands);
        }
        // What authenticates here, and nothing else.
        for name in via {
            let variable = over.variable(Variable::Via(name.clone()));
            admitted = match &self.access {
                Access::Via(wanted) if wanted == name => over.functions.and(admitted, variable),
                // Whoever has proven something else has no token, and is nobody here.
                Access::Optional => {
                    let nobody = self.anonymous(over);
                    over.functions.choose(variable, nobody, admitted)
                }
                _ => over.functions.without(admitted, variable),
            };
        }
        admitted
    }

    /// Whether a value that this one binds is no longer bound.
    pub(super) fn loses_a_binding_to(&self, new: &Self) -> bool {
        let kept = |binding: &Binding| new.bindings.iter().any(|other| other.value == binding.value);
        self.bindings.iter().any(|binding| !kept(binding))
    }
}

impl Binding {
    fn present(&self, over: &mut Variables) -> Function {
        if self.captured { TRUE } else { over.variable(Variable::Present(self.value.clone())) }
    }
}

impl Demand {
    pub(super) fn via(&self) -> Option<Box<str>> {
        match &self.access {
            Access::Via(name) => Some(name.clone()),
            _ => None,
        }
    }
}
