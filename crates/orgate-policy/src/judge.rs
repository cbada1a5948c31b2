//! What is looked for in a policy before it is compiled.

use std::{collections::HashSet, sync::Arc};

use orgate_claims::{Permission, RoleName};

use crate::{
    BindSpec, PolicyError, PolicySpec, Requirement, RuleKey, audience::Audiences, lint,
    methods::MethodNumbers, overlap, requirement::Expression, shapes::Shapes, vocabulary::Vocabulary,
};

/// Why there is no policy.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refused {
    /// Every problem that was found, in the order of the file; at least one.
    pub errors: Vec<PolicyError>,
    /// Whether all of them were looked for. Where more than [`PolicySpec::MANY_RULES`] rules name what does not exist, it is not
    /// looked at how they go together.
    pub complete: bool,
}

/// What is wrong with rules that are right by themselves.
pub(crate) fn between_rules(
    shapes: &Shapes<'_>,
    bind: &[BindSpec],
    audiences: &mut Audiences<'_>,
    methods: &MethodNumbers,
) -> Vec<PolicyError> {
    // Every further look at the rules goes by walks that are short only without this.
    if let Some(slow) = lint::too_slow(shapes) {
        return vec![slow];
    }
    let collisions = overlap::collisions(shapes, bind, methods);
    let stopped = collisions.stopped();
    let mut errors = collisions.errors;
    if !stopped {
        errors.extend(lint::errors(shapes, audiences, methods));
    }
    errors
}

/// Reads keys that were read by other options again.
pub(crate) fn read_keys(spec: &mut PolicySpec, errors: &mut Vec<PolicyError>) {
    for rule in spec.rules.iter_mut().filter(|rule| rule.key.read_by() != spec.paths) {
        match RuleKey::parse_with(rule.key.as_str(), spec.paths) {
            Ok(key) => rule.key = key,
            Err(error) => {
                let finding = PolicyError::new("E020", rule.place, error.message);
                errors.push(match error.help {
                    Some(help) => finding.help(help),
                    None => finding,
                });
            }
        }
    }
}

/// The names that the rules of a policy may use, and what they judge for each request.
pub(crate) fn vocabulary_of(spec: &PolicySpec) -> Vocabulary {
    let permissions = spec.permissions.iter().chain(spec.roles.iter().flat_map(|role| &role.grants));
    let roles = spec.known_roles.iter().chain(spec.roles.iter().map(|role| &role.name));
    let demands = spec.rules.iter().flat_map(|rule| rule.shadow.iter().chain([&rule.requirement]));
    // A text means one thing in one policy.
    let mut known = HashSet::new();
    let demands = demands.filter(|requirement| known.insert(requirement.as_str()));
    let mut vocabulary = Vocabulary::new(permissions.map(Permission::as_str), roles.map(RoleName::as_str));
    // What a condition says is the same in every rule.
    let mut entered = HashSet::new();
    for expression in demands.filter_map(Requirement::expression) {
        let parts = expression.walk_into(|body| entered.insert(Arc::as_ptr(body)));
        vocabulary.add_atoms(parts.filter_map(Expression::atom));
    }
    vocabulary
}
