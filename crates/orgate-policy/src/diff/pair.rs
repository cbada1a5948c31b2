//! Two rules that win the same requests, and what it means that one takes the place of the other.

use super::{Change, ChangeKind, DiffError, compare::Effect};
use crate::{
    HostPattern,
    bind::Bound,
    host::host_relation,
    matrix::ANONYMOUS,
    pattern::{Pattern, Relation},
    rule::Rule,
};

/// The paths that two rules share, under the names of the new one.
pub(super) fn shared(old: Option<&Rule>, new: Option<&Rule>) -> Option<Pattern> {
    match (old, new) {
        (Some(old), Some(new)) => new.key.pattern().meet(old.key.pattern()),
        (one, other) => one.or(other).map(|rule| rule.key.pattern().clone()),
    }
}

/// The rule that speaks of the hosts that both speak of.
fn at_narrower_host<'r>(old: Option<&'r Rule>, new: Option<&'r Rule>) -> Option<&'r Rule> {
    match (old, new) {
        (Some(old), Some(new)) if host_relation(old.key.host(), new.key.host()) == Relation::Within => {
            Some(old)
        }
        (old, new) => new.or(old),
    }
}

/// The hosts that two rules share.
pub(super) fn narrower<'r>(old: Option<&'r Rule>, new: Option<&'r Rule>) -> Option<&'r HostPattern> {
    at_narrower_host(old, new).and_then(|rule| rule.key.host())
}

/// The paths that two rules share, with the host that stands before them.
fn shared_path(old: Option<&Rule>, new: Option<&Rule>) -> String {
    let Some(pattern) = shared(old, new) else { return String::new() };
    at_narrower_host(old, new).map(|rule| rule.key.paths_of(&pattern)).unwrap_or_default()
}

/// Two rules that win the same requests with some methods.
pub(super) struct Pair<'p> {
    pub(super) old: Option<&'p Rule>,
    pub(super) new: Option<&'p Rule>,
    /// Whether they demand the same.
    pub(super) same: bool,
    pub(super) methods: Vec<String>,
}

impl Pair<'_> {
    pub(super) fn change(&self, effect: &Effect, roles: &[&str]) -> Change {
        let anonymous = effect.anonymous.then_some(ANONYMOUS);
        let columns = effect.columns.iter().filter_map(|column| roles.get(*column).copied());
        let text = |rule: &Rule| rule.requirement().as_str().to_owned();
        let unbound = match effect.kind {
            ChangeKind::Unbound => self.unbound(),
            _ => Vec::new(),
        };
        Change {
            kind: effect.kind,
            methods: self.methods.clone(),
            path: shared_path(self.old, self.new),
            who: anonymous.into_iter().chain(columns).map(str::to_owned).collect(),
            before: self.old.map(text),
            after: self.new.map(text),
            unbound,
            by_reading: self.same && effect.counterexample.is_some(),
            old_place: self.old.map(|rule| rule.place),
            new_place: self.new.map(|rule| rule.place),
            counterexample: effect.counterexample.clone(),
            also: effect.also.clone(),
        }
    }

    fn unbound(&self) -> Vec<String> {
        let (Some(old), Some(new)) = (self.old, self.new) else { return Vec::new() };
        let kept = |bound: &Bound| new.bindings.iter().any(|other| other.value == bound.value);
        old.bindings.iter().filter(|bound| !kept(bound)).map(|bound| bound.name.to_string()).collect()
    }

    pub(super) fn too_complex(&self) -> DiffError {
        let name = |rule: Option<&Rule>| rule.map(|rule| rule.key.to_string());
        DiffError::TooComplex { old: name(self.old), new: name(self.new) }
    }
}
