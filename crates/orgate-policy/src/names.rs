//! Whether a policy names only what exists, and stays within its limits.

use std::collections::{HashMap, HashSet};

use orgate_claims::{Permission, RoleName};

use crate::{
    HostPattern, Place, PolicyError, RoleSpec, RuleSpec,
    bind::{BindSource, BindSpec, bound, is_bound},
    closest,
    compile::PolicySpec,
    conditions::Captures,
    requirement::{Comparison, Expression, Kind, Name, Operand},
    set::Set,
    vocabulary::Vocabulary,
};

/// The most rules of one policy.
const MAX_RULES: usize = 20_000;
/// The most permissions.
const MAX_PERMISSIONS: usize = 1_024;
/// The most roles.
const MAX_ROLES: usize = 256;
/// The most hosts that rules speak of.
pub(crate) const MAX_HOSTS: usize = 256;
/// The most bindings of the policy, and of one rule that it takes back.
const MAX_BINDINGS: usize = 256;
/// The most authenticators.
const MAX_AUTHENTICATORS: usize = 256;
/// The most conditions.
const MAX_CONDITIONS: usize = 4_096;
/// After how many problems the rules are not looked through for more: nobody reads them.
pub(crate) const MAX_ERRORS: usize = 200;

/// How many candidates are compared with an unknown name: none behind the first findings, because nobody reads so many,
/// and each comparison takes time.
fn suggestions(errors: &[PolicyError]) -> usize {
    if errors.len() < 50 { usize::MAX } else { 0 }
}

pub(crate) fn limits(spec: &PolicySpec) -> Vec<PolicyError> {
    let permissions = spec.permissions.len() + spec.roles.iter().map(|role| role.grants.len()).sum::<usize>();
    let hosts = spec.rules.iter().filter_map(|rule| rule.key.host()).map(HostPattern::suffix_or_host);
    let counts = [
        ("hosts", hosts.collect::<HashSet<_>>().len(), MAX_HOSTS),
        ("rules", spec.rules.len(), MAX_RULES),
        ("permissions", permissions, MAX_PERMISSIONS * 4),
        ("roles", spec.roles.len() + spec.known_roles.len(), MAX_ROLES),
        ("permissions", spec.permissions.len(), MAX_PERMISSIONS),
        ("bindings", spec.bind.len(), MAX_BINDINGS),
        ("authenticators", spec.authenticators.len(), MAX_AUTHENTICATORS),
        ("conditions", spec.conditions.len(), MAX_CONDITIONS),
    ];
    let long = spec.rules.iter().find(|rule| rule.unbound.len() > MAX_BINDINGS).map(|rule| {
        let message =
            format!("`unbound` has {} names; at most {MAX_BINDINGS} are allowed", rule.unbound.len());
        PolicyError::new("E090", rule.place, message)
    });
    let over = counts.iter().filter(|(_, count, most)| count > most);
    let over = over.map(|(what, count, most)| {
        PolicyError::new(
            "E090",
            Place::default(),
            format!("the policy has {count} {what}; at most {most} are allowed"),
        )
    });
    over.chain(long).collect()
}

/// What each role grants, with everything it extends.
pub(crate) fn expand_roles<'s>(
    roles: &'s [RoleSpec],
    errors: &mut Vec<PolicyError>,
) -> Vec<(&'s RoleName, Vec<&'s Permission>)> {
    // The first of equals, as everywhere.
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    for (number, role) in roles.iter().enumerate() {
        numbers.entry(role.name.as_str()).or_insert(number);
    }
    let mut extended: Vec<Vec<usize>> = Vec::with_capacity(roles.len());
    for role in roles {
        let mut known: Vec<usize> = Vec::new();
        for name in &role.extends {
            match numbers.get(name.as_str()) {
                Some(number) => known.push(*number),
                None => {
                    let most = suggestions(errors);
                    let names = roles.iter().map(|role| role.name.as_str()).take(most);
                    let message = format!("role `{}` extends the unknown role `{name}`", role.name);
                    let mut error = PolicyError::new("E032", role.place, message);
                    error.help =
                        closest(name.as_str(), names).map(|meant| format!("did you mean `{meant}`?"));
                    errors.push(error);
                }
            }
        }
        known.sort_unstable();
        known.dedup();
        extended.push(known);
    }
    let reached = reached(&extended);
    let mut expanded = Vec::with_capacity(roles.len());
    for (role, reached) in roles.iter().zip(&reached) {
        let parents = reached.iter().filter_map(|number| roles.get(usize::from(number)));
        let grants = role.grants.iter().chain(parents.flat_map(|parent| &parent.grants));
        let own = numbers.get(role.name.as_str()).and_then(|own| u16::try_from(*own).ok());
        if own.is_some_and(|own| reached.contains(own)) {
            errors.push(
                PolicyError::new("E033", role.place, format!("role `{}` extends itself", role.name))
                    .help("break the circle of `extends`"),
            );
        }
        expanded.push((&role.name, grants.collect()));
    }
    expanded
}

/// Which roles each role extends, directly or through others (Warshall's algorithm).
fn reached(extended: &[Vec<usize>]) -> Vec<Set> {
    let number = |at: usize| u16::try_from(at).ok();
    let mut reached: Vec<Set> = extended
        .iter()
        .map(|parents| {
            let mut set = Set::empty(extended.len());
            parents.iter().filter_map(|parent| number(*parent)).for_each(|parent| set.insert(parent));
            set
        })
        .collect();
    for through in 0..reached.len() {
        let Some((further, number)) = reached.get(through).cloned().zip(number(through)) else { break };
        reached.iter_mut().filter(|set| set.contains(number)).for_each(|set| set.extend(&further));
    }
    reached
}

/// Reports the names in a rule that nothing has.
pub(crate) fn check_names(
    rule: &RuleSpec,
    (authenticators, captures): (&[Box<str>], &Captures<'_>),
    vocabulary: &Vocabulary,
    errors: &mut Vec<PolicyError>,
) {
    let of_shadow = rule.shadow.as_ref().map(|shadow| (shadow, true));
    for (requirement, shadow) in [(&rule.requirement, false)].into_iter().chain(of_shadow) {
        let Some(expression) = requirement.expression() else { continue };
        let found = errors.len();
        check_parts(rule, expression, (authenticators, captures), vocabulary, errors);
        for error in errors.iter_mut().skip(found).filter(|_| shadow) {
            error.in_requirement = None;
            error.message = format!("in `shadow`: {}", error.message);
        }
    }
}

fn check_parts(
    rule: &RuleSpec,
    expression: &Expression,
    (authenticators, captures): (&[Box<str>], &Captures<'_>),
    vocabulary: &Vocabulary,
    errors: &mut Vec<PolicyError>,
) {
    let unknown = |code, what: &str, name: &str, at: usize, meant: Option<&str>, otherwise: String| {
        let help = meant.map_or(otherwise, |meant| format!("did you mean `{meant}`?"));
        PolicyError::new(code, rule.place, format!("unknown {what} `{name}`"))
            .in_requirement(at, name.len())
            .help(help)
    };
    // What a condition says stands elsewhere; its name is what can be pointed at.
    let mut pending = vec![expression];
    while let Some(next) = pending.pop() {
        match next {
            Expression::Permission(Name { name, at }) if vocabulary.permission(name.as_str()).is_none() => {
                let name = name.as_str();
                let help =
                    format!("declare it under `permissions:` or grant it to a role: `permissions: [{name}]`");
                let meant = closest(name, vocabulary.permissions().take(suggestions(errors)));
                errors.push(unknown("E031", "permission", name, *at, meant, help));
            }
            Expression::Role(names) => {
                let missing = names.iter().filter(|role| vocabulary.role(role.name.as_str()).is_none());
                let most = suggestions(errors);
                errors.extend(missing.map(|Name { name, at }| {
                    let meant = closest(name.as_str(), vocabulary.roles().take(most));
                    unknown("E032", "role", name.as_str(), *at, meant, "declare it under `roles:`".to_owned())
                }));
            }
            Expression::Via(Name { name, at }) if !authenticators.contains(name) => {
                let meant =
                    closest(name, authenticators.iter().map(|name| &**name).take(suggestions(errors)));
                let help = "declare it under `authenticators:`".to_owned();
                errors.push(unknown("E038", "authenticator", name, *at, meant, help));
            }
            Expression::Compare(comparison) => {
                errors.extend(uncaptured(rule, comparison, None));
            }
            Expression::Not(inner) => pending.push(inner),
            Expression::Condition(name, _) => {
                let inside = Some((name.at, name.name.len()));
                let captured = captures.of_condition(&name.name).iter().rev();
                errors.extend(captured.filter_map(|comparison| uncaptured(rule, comparison, inside)));
            }
            Expression::All(terms) | Expression::Any(terms) => pending.extend(terms),
            _ => {}
        }
    }
}

/// A comparison with a parameter that the rule's key does not capture would never hold.
fn uncaptured(
    rule: &RuleSpec,
    comparison: &Comparison,
    inside: Option<(usize, usize)>,
) -> Option<PolicyError> {
    let captured = |operand: &&Operand| match operand {
        Operand::Path(name) => rule.key.pattern().parameters().any(|(parameter, _)| *parameter == **name),
        Operand::Host(name) => rule.key.host().and_then(HostPattern::parameter) == Some(&**name),
        _ => true,
    };
    let missing = [&comparison.left, &comparison.right].into_iter().find(|operand| !captured(operand))?;
    let (at, len) = inside.unwrap_or((comparison.at, comparison.len));
    let help = match missing {
        Operand::Path(name) => format!("a rule has it if its path does: `/…/{{{name}}}`"),
        _ => "a rule has it if its host does: `GET {name}.example.com/…`".to_owned(),
    };
    let message = format!("`{missing}` is nothing that `{}` captures", rule.key);
    Some(PolicyError::new("E039", rule.place, message).in_requirement(at, len).help(help))
}

pub(crate) fn check_bindings(rule: &RuleSpec, bind: &[BindSpec], errors: &mut Vec<PolicyError>) {
    for name in rule.unbound.iter().filter(|name| !is_bound(name, rule, bind)) {
        let message = format!("`unbound` names `{name}`, which is not bound in this rule");
        errors.push(PolicyError::new("E035", rule.place, message).help("leave it away"));
    }
    let captured = |bind: &&BindSpec| matches!(bind.source, BindSource::Path(_) | BindSource::Host(_));
    if matches!(rule.requirement.kind(), Kind::Public)
        && let Some(bind) = bound(rule, bind).find(captured)
    {
        let name = &bind.source;
        let message = format!("a public rule cannot bind `{{{name}}}` to the caller's organization");
        let help = format!("write `unbound: [{name}]` if anybody may see every organization here");
        errors.push(PolicyError::new("E051", rule.place, message).help(help));
    }
}
