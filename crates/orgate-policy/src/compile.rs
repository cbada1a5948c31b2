//! From rules as read to rules as judged.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use orgate_claims::{Permission, RoleName};

use crate::{
    Place, PolicyError, Requirement, RuleKey,
    bind::{BindSpec, with_defaults},
    check::Check,
    closest,
    decision::{Found, RuleId, RuleMatch},
    key::Methods,
    overlap,
    requirement::{Expression, Kind, Name},
    set::Set,
    subject::Subject,
    table::{MethodNumbers, Table, Walk},
    target::RequestTarget,
    vocabulary::Vocabulary,
};

/// The most rules of one policy.
const MAX_RULES: usize = 20_000;
/// The most permissions.
const MAX_PERMISSIONS: usize = 1_024;
/// The most roles.
const MAX_ROLES: usize = 256;

/// A policy as read, before anything is checked.
#[derive(Clone, Debug, Default)]
pub struct PolicySpec {
    /// The rules, in the order of the file; the order carries no meaning.
    pub rules: Vec<RuleSpec>,
    /// The permissions that rules may name, besides those that roles grant.
    pub permissions: Vec<Permission>,
    /// The roles that rules may name, besides those that `roles` declares.
    pub known_roles: Vec<RoleName>,
    /// What roles grant, for tokens that carry a role and no permissions.
    pub roles: Vec<RoleSpec>,
    /// Where permissions come from.
    pub permissions_from: PermissionsFrom,
    /// Bindings besides the default ones.
    pub bind: Vec<BindSpec>,
}

/// One rule as read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RuleSpec {
    /// Which requests.
    pub key: RuleKey,
    /// What they demand.
    pub requirement: Requirement,
    /// The parameters of this rule that are not bound, although their names are.
    pub unbound: Vec<String>,
    /// Whether another organization's request is answered 404 instead of 403.
    pub hide: bool,
    /// Where the key stands.
    pub place: Place,
}

impl RuleSpec {
    /// A rule that binds what it can and hides nothing.
    #[must_use]
    pub fn new(key: RuleKey, requirement: Requirement, place: Place) -> Self {
        Self { key, requirement, unbound: Vec::new(), hide: false, place }
    }
}

/// One role as read.
#[derive(Clone, Debug)]
pub struct RoleSpec {
    /// Its name.
    pub name: RoleName,
    /// What it grants by itself.
    pub grants: Vec<Permission>,
    /// The roles whose grants it has too.
    pub extends: Vec<RoleName>,
    /// Where its name stands.
    pub place: Place,
}

/// Which of a token's words count as permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PermissionsFrom {
    /// The token's permissions if it speaks of permissions at all, even of none; else what its roles grant.
    #[default]
    TokenElseRole,
    /// Only the token's permissions.
    Token,
    /// Only what its roles grant.
    Role,
    /// Both together.
    Union,
}

/// A policy, checked and compiled. Immutable; replaced as a whole.
#[derive(Debug)]
pub struct Policy {
    table: Table,
    rules: Vec<Rule>,
    vocabulary: Vocabulary,
    grants: HashMap<Box<str>, Set>,
    permissions_from: PermissionsFrom,
    generation: u64,
}

/// One compiled rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) key: RuleKey,
    pub(crate) requirement: Requirement,
    /// `None` for public, optional and deny.
    pub(crate) check: Option<Check>,
    /// Segment index and targets of every bound parameter.
    pub(crate) bindings: Box<[(usize, Box<[crate::BindTarget]>)]>,
    pub(crate) hide: bool,
    pub(crate) place: Place,
}

impl Policy {
    /// Checks and compiles.
    ///
    /// # Errors
    /// Every problem that was found, in the order of the file; at least one.
    pub fn compile(spec: PolicySpec) -> Result<Self, Vec<PolicyError>> {
        static GENERATION: AtomicU64 = AtomicU64::new(1);
        let mut errors = limits(&spec);
        let grants = expand_roles(&spec.roles, &mut errors);
        let permissions = spec.permissions.iter().chain(spec.roles.iter().flat_map(|role| &role.grants));
        let roles = spec.known_roles.iter().chain(spec.roles.iter().map(|role| &role.name));
        let vocabulary = Vocabulary::new(permissions.map(Permission::as_str), roles.map(RoleName::as_str));
        let bind = with_defaults(&spec.bind);
        let mut methods = MethodNumbers::default();
        for rule in &spec.rules {
            if let Methods::Named(names) = rule.key.methods()
                && names.iter().any(|name| methods.add(name.as_str()).is_none())
            {
                let message =
                    format!("the rules name more than {} unusual methods", MethodNumbers::MAX_CUSTOM);
                errors.push(PolicyError::new("E090", rule.place, message));
            }
            check_names(rule, &vocabulary, &mut errors);
            check_bindings(rule, &bind, &mut errors);
        }
        errors.extend(overlap::collisions(&spec.rules, &bind, &methods));
        if !errors.is_empty() {
            errors.sort_by_key(|error| error.place);
            return Err(errors);
        }
        let numbered = |names: &Vec<Permission>| {
            let mut set = vocabulary.empty_set();
            names
                .iter()
                .filter_map(|name| vocabulary.permission(name.as_str()))
                .for_each(|number| set.insert(number));
            set
        };
        let grants = grants.iter().map(|(role, names)| (role.as_str().into(), numbered(names))).collect();
        let rules: Vec<Rule> =
            spec.rules.into_iter().map(|rule| Rule::compile(rule, &bind, &vocabulary)).collect();
        let table = Table::build(rules.iter().map(|rule| (rule.key.methods(), rule.key.pattern())), methods);
        let generation = GENERATION.fetch_add(1, Ordering::Relaxed);
        Ok(Self { table, rules, vocabulary, grants, permissions_from: spec.permissions_from, generation })
    }

    /// The rule that wins `target`. Pure: the same policy and target give the same answer.
    #[must_use]
    pub fn find<'p>(&'p self, target: &'p RequestTarget<'p>) -> Found<'p> {
        match self.table.find(target) {
            Walk::Rule(number) => match self.rules.get(usize::from(number)) {
                Some(rule) => Found::Rule(RuleMatch::new(self, RuleId(number), rule, target)),
                None => Found::NoRule,
            },
            Walk::MethodNotCovered => Found::MethodNotCovered,
            Walk::Nothing => Found::NoRule,
        }
    }

    /// A number that no other policy of this process has; what is derived from a policy is valid only under it.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The key of a rule of this policy, as written; of another policy's rule, whatever stands in its place here.
    #[must_use]
    pub fn rule(&self, id: RuleId) -> Option<&str> {
        self.rules.get(usize::from(id.0)).map(|rule| rule.key.as_str())
    }

    /// Whether `subject` has the permission `name` under this policy; `None` if the policy does not know the name.
    #[must_use]
    pub fn has_permission(&self, subject: &Subject, name: &str) -> Option<bool> {
        self.vocabulary.permission(name).map(|number| self.made(subject) && subject.facts().contains(number))
    }

    /// How many rules there are.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// The rules, each as key and requirement, in the order of the file.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rules.iter().map(|rule| (rule.key.as_str(), rule.requirement.as_str()))
    }

    /// Whether every rule is public, so that the policy can be enforced without any issuer.
    #[must_use]
    pub fn is_all_public(&self) -> bool {
        self.rules.iter().all(|rule| matches!(rule.requirement.kind(), Kind::Public | Kind::Deny))
    }

    /// The permissions the policy knows.
    pub fn permissions(&self) -> impl Iterator<Item = &str> {
        self.vocabulary.permissions()
    }

    /// The roles the policy knows.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.vocabulary.roles()
    }

    pub(crate) fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    pub(crate) fn permissions_from(&self) -> PermissionsFrom {
        self.permissions_from
    }

    pub(crate) fn grants(&self, role: &str) -> Option<&Set> {
        self.grants.get(role)
    }

    /// Whether `subject` was made for this policy.
    #[must_use]
    pub fn made(&self, subject: &Subject) -> bool {
        subject.generation() == self.generation
    }
}

impl Rule {
    fn compile(spec: RuleSpec, bind: &[BindSpec], vocabulary: &Vocabulary) -> Self {
        let check = match spec.requirement.kind() {
            Kind::Expression(expression) => Some(Check::compile(expression, vocabulary)),
            Kind::Public | Kind::Optional | Kind::Deny => None,
        };
        let bindings = bound(&spec, bind).map(|(at, bind)| (at, bind.targets.clone().into())).collect();
        let RuleSpec { key, requirement, hide, place, .. } = spec;
        Self { key, requirement, check, bindings, hide, place }
    }
}

/// The bound parameters of a rule, each with the index of its segment.
fn bound<'r>(rule: &'r RuleSpec, bind: &'r [BindSpec]) -> impl Iterator<Item = (usize, &'r BindSpec)> {
    let unbound = |name: &str| rule.unbound.iter().any(|unbound| unbound == name);
    rule.key
        .pattern()
        .parameters()
        .filter(move |(name, _)| !unbound(name))
        .filter_map(|(name, at)| bind.iter().find(|bind| *bind.parameter == *name).map(|bind| (at, bind)))
}

fn limits(spec: &PolicySpec) -> Vec<PolicyError> {
    let permissions = spec.permissions.len() + spec.roles.iter().map(|role| role.grants.len()).sum::<usize>();
    let counts = [
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
fn expand_roles<'s>(
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

fn check_names(rule: &RuleSpec, vocabulary: &Vocabulary, errors: &mut Vec<PolicyError>) {
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

fn check_bindings(rule: &RuleSpec, bind: &[BindSpec], errors: &mut Vec<PolicyError>) {
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
