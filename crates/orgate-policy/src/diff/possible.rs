//! What holds of every request that a pair of rules wins, whatever the two demand.

use super::{
    captures::Captures,
    facts::Term,
    functions::{Function, TRUE},
    variables::{Variable, Variables},
};

/// What holds of every request with such values.
pub(super) fn possible(captures: &Captures, over: &mut Variables) -> Function {
    let mut all = captures.possible(over);
    let variables = over.all().to_vec();
    let is_organization = |term: &Term| matches!(term, Term::Value(name) if name.starts_with("org."));
    for variable in &variables {
        let this = over.variable(variable.clone());
        let mut implied = Vec::new();
        match variable {
            Variable::Equal(a, b) | Variable::Unequal(a, b) => {
                // Nothing is compared with an organization's name where there is no organization.
                if is_organization(a) || is_organization(b) {
                    implied.push(over.variable(Variable::Organization));
                }
                for term in [a, b] {
                    let present = Variable::Present(term.clone());
                    if variables.contains(&present) {
                        implied.push(over.variable(present));
                    }
                }
            }
            Variable::Fresh(seconds) => {
                let longer =
                    variables.iter().filter(|v| matches!(v, Variable::Fresh(other) if other > seconds));
                implied.extend(longer.map(|longer| over.variable(longer.clone())));
            }
            _ => {}
        }
        for other in implied {
            let holds = over.functions.choose(this, other, TRUE);
            all = over.functions.and(all, holds);
        }
        all = match variable {
            Variable::Unequal(a, b) => either(a, b, this, all, over),
            _ => all,
        };
    }
    let via: Vec<Function> = variables
        .iter()
        .filter(|v| matches!(v, Variable::Via(_)))
        .cloned()
        .collect::<Vec<_>>()
        .into_iter()
        .map(|v| over.variable(v))
        .collect();
    for (at, one) in via.iter().enumerate() {
        for other in via.iter().skip(at + 1) {
            let both = over.functions.and(*one, *other);
            all = over.functions.without(all, both);
        }
    }
    all
}

/// Whether every request has this text.
pub(super) fn always(term: &Term) -> bool {
    match term {
        Term::Segment(_) | Term::Text(_) => true,
        Term::Value(name) => **name == *"sub" || name.starts_with("host."),
        Term::Bool(_) => false,
    }
}

/// Two values are not equal and unequal, and one of both where both are always there.
fn either(a: &Term, b: &Term, unequal: Function, all: Function, over: &mut Variables) -> Function {
    let equal = over.equal(a.clone(), b.clone());
    let both = over.functions.and(equal, unequal);
    let all = over.functions.without(all, both);
    let one = over.functions.or(equal, unequal);
    match (a, b) {
        (a, b) if always(a) && always(b) => over.functions.and(all, one),
        (a, Term::Value(name)) if always(a) && **name == *"org.id" => {
            let organization = over.variable(Variable::Organization);
            let holds = over.functions.choose(organization, one, TRUE);
            over.functions.and(all, holds)
        }
        _ => all,
    }
}
