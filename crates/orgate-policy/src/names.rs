//! Whether a policy names only what exists, and stays within its limits.

use std::collections::HashSet;

use orgate_claims::{Permission, RoleName};

use crate::{
    HostPattern, Place, PolicyError, RoleSpec, RuleSpec,
    bind::BindSpec,
    closest,
    compile::{PolicySpec, bound},
    requirement::{Expression, Kind, Name},
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

pub(crate) fn limits(spec: &PolicySpec) -> Vec<PolicyError> {
    let permissions = spec.permissions.len() + spec.roles.iter().map(|role| role.grants.len()).sum::<usize>();
    let hosts = spec.rules.iter().filter_map(|rule| rule.key.host()).map(HostPattern::suffix_or_host);
    let counts = [
        ("hosts", hosts.collect::<HashSet<_>>().len(), MAX_HOSTS),
        ("rules", spec.rules.len(), MAX_RULES),
        ("permissions", permissions, MAX_PERMISSIONS * 4),
        ("roles", spec.roles.len() + spec.known_roles.len(), MAX_ROLES),
        ("permissions", spec.permissions.len(), MAX_PERMISSIONS),
    ];
    let over = counts.iter().filter(|(_, count, most)| count > most);
    over.map(|(what, count, most)| {
        PolicyError::new(
            "E090",
            Place::default(),
            format!("the policy has {count} {what}; at most {most} are allowed"),
        )
    })
    .collect()
}

/// What each role grants, with everything it extends.
pub(crate) fn expand_roles<'s>(
    roles: &'s [RoleSpec],
    errors: &mut Vec<PolicyError>,
) -> Vec<(&'s RoleName, Vec<Permission>)> {
    let find = |name: &RoleName| roles.iter().find(|role| role.name == *name);
    for role in roles {
        for missing in role.extends.iter().filter(|name| find(name).is_none()) {
            let names = roles.iter().map(|role| role.name.as_str());
            let mut error = PolicyError::new(
                "E032",
                role.place,
                format!("role `{}` extends the unknown role `{missing}`", role.name),
            );
            error.help = closest(missing.as_str(), names).map(|meant| format!("did you mean `{meant}`?"));
            errors.push(error);
        }
    }
    let mut expanded = Vec::new();
    for role in roles {
        let mut grants = Vec::new();
        let mut pending = vec![role];
        let mut seen: Vec<&RoleName> = Vec::new();
        while let Some(next) = pending.pop() {
            if seen.contains(&&next.name) {
                continue;
            }
            seen.push(&next.name);
            grants.extend(next.grants.iter().cloned());
            pending.extend(next.extends.iter().filter_map(find));
        }
        let cyclic = role.extends.iter().filter_map(find).any(|parent| reaches(parent, &role.name, roles));
        if cyclic {
            errors.push(
                PolicyError::new("E033", role.place, format!("role `{}` extends itself", role.name))
                    .help("break the circle of `extends`"),
            );
        }
        expanded.push((&role.name, grants));
    }
    expanded
}

fn reaches(from: &RoleSpec, to: &RoleName, roles: &[RoleSpec]) -> bool {
    let mut pending = vec![from];
    let mut seen: Vec<&RoleName> = Vec::new();
    while let Some(next) = pending.pop() {
        if next.name == *to {
            return true;
        }
        if !seen.contains(&&next.name) {
            seen.push(&next.name);
            pending
                .extend(next.extends.iter().filter_map(|name| roles.iter().find(|role| role.name == *name)));
        }
    }
    false
}

pub(crate) fn check_names(rule: &RuleSpec, vocabulary: &Vocabulary, errors: &mut Vec<PolicyError>) {
    let Kind::Expression(expression) = rule.requirement.kind() else { return };
    let mut pending = vec![expression];
    while let Some(next) = pending.pop() {
        match next {
            Expression::Permission(Name { name, at }) if vocabulary.permission(name.as_str()).is_none() => {
                let meant = closest(name.as_str(), vocabulary.permissions());
                let help = match meant {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!(
                        "declare it under `permissions:` or grant it to a role: `permissions: [{name}]`"
                    ),
                };
                errors.push(
                    PolicyError::new("E031", rule.place, format!("unknown permission `{name}`"))
                        .in_requirement(*at, name.as_str().len())
                        .help(help),
                );
            }
            Expression::Role(names) => {
                for Name { name, at } in
                    names.iter().filter(|role| vocabulary.role(role.name.as_str()).is_none())
                {
                    let meant = closest(name.as_str(), vocabulary.roles());
                    let help = match meant {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => "declare it under `roles:`".to_owned(),
                    };
                    errors.push(
                        PolicyError::new("E032", rule.place, format!("unknown role `{name}`"))
                            .in_requirement(*at, name.as_str().len())
                            .help(help),
                    );
                }
            }
            Expression::Not(inner) => pending.push(inner),
            Expression::All(terms) | Expression::Any(terms) => pending.extend(terms),
            _ => {}
        }
    }
}

pub(crate) fn check_bindings(rule: &RuleSpec, bind: &[BindSpec], errors: &mut Vec<PolicyError>) {
    for name in &rule.unbound {
        let in_path = rule.key.pattern().parameters().any(|(parameter, _)| parameter == name);
        if !in_path || !bind.iter().any(|bind| *bind.parameter == **name) {
            let message = format!("`unbound` names `{name}`, which is not bound in this rule");
            errors.push(PolicyError::new("E035", rule.place, message).help("leave it away"));
        }
    }
    if matches!(rule.requirement.kind(), Kind::Public)
        && let Some((_, bind)) = bound(rule, bind).next()
    {
        let name = &bind.parameter;
        errors.push(
            PolicyError::new(
                "E051",
                rule.place,
                format!("a public rule cannot bind `{{{name}}}` to the caller's organization"),
            )
            .help(format!("write `unbound: [{name}]` if anybody may see every organization here")),
        );
    }
}
