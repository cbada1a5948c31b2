//! What many rules have in common, kept once.
//!
//! Thousands of rules say `read` and bind `{org_id}` in the same segment. A decision touches the demand and the bindings
//! of one rule; shared, they stay in the processor's cache whatever rule is asked for.

use std::{collections::HashMap, sync::Arc};

use crate::{Requirement, bind::Bound, rule::Demand};

/// Up to how many different bindings are looked through for equal ones.
const MAX_BINDINGS: usize = 64;

/// The parts of the rules compiled so far.
#[derive(Default)]
pub(crate) struct Shared {
    bindings: Vec<Arc<[Bound]>>,
    /// By the text of the requirement; only those that look at nothing of the request.
    demands: HashMap<Box<str>, Arc<Demand>>,
}

impl Shared {
    pub(crate) fn bindings(&mut self, bindings: Vec<Bound>) -> Arc<[Bound]> {
        if let Some(known) = self.bindings.iter().find(|known| ***known == *bindings) {
            return Arc::clone(known);
        }
        let bindings: Arc<[Bound]> = bindings.into();
        if self.bindings.len() < MAX_BINDINGS {
            self.bindings.push(Arc::clone(&bindings));
        }
        bindings
    }

    pub(crate) fn demand(
        &mut self,
        requirement: Requirement,
        compile: impl FnOnce(Requirement) -> Demand,
    ) -> Arc<Demand> {
        if let Some(known) = self.demands.get(requirement.as_str()) {
            return Arc::clone(known);
        }
        let text = requirement.as_str().into();
        let demand = Arc::new(compile(requirement));
        if demand.atoms.is_empty() {
            self.demands.insert(text, Arc::clone(&demand));
        }
        demand
    }
}
