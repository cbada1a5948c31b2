//! From rules as read to rules as judged.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use orgate_claims::{Permission, RoleName};

use crate::{
    PathOptions, Place, PolicyError, Requirement, RuleKey,
    audience::Audiences,
    bind::{BindSpec, with_defaults},
    conditions::{self, ConditionSpec},
    decision::{Found, RuleId, RuleMatch},
    judge::{Refused, between_rules, read_keys, vocabulary_of},
    key::Methods,
    limit::{self, Limit},
    lint,
    methods::MethodNumbers,
    names::{MAX_ERRORS, check_bindings, check_names, expand_roles, limits},
    requirement::Kind,
    rule::Rule,
    set::Set,
    shapes::Shapes,
    shared::{Shared, Terms},
    subject::Subject,
    table::{Table, Walk, Won},
    target::RequestTarget,
    vocabulary::Vocabulary,
};

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
    /// What the roles of a profile hold, for the tools: they explain and tabulate by it, and no decision expands it.
    /// Where `roles` declares something, that is the table.
    pub role_table: Vec<(RoleName, Vec<Permission>)>,
    /// Where permissions come from.
    pub permissions_from: PermissionsFrom,
    /// Bindings besides the default ones.
    pub bind: Vec<BindSpec>,
    /// Conditions that rules may name.
    pub conditions: Vec<ConditionSpec>,
    /// The authenticators that `via(…)` may name.
    pub authenticators: Vec<Box<str>>,
    /// How paths are compared; the keys of the rules are read by it.
    pub paths: PathOptions,
    /// Whether a path is brought into its one form before it is read, and goes on so.
    pub normalize: bool,
}

impl PolicySpec {
    /// From how many rules on one kind of problem is told before the next is looked for: whoever waits for an answer about
    /// thousands of rules gets one soon.
    pub const MANY_RULES: usize = 2_000;
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
    /// A requirement that is judged beside the one that is enforced, and reported.
    pub shadow: Option<Requirement>,
    /// Whether the caller's rights are asked for anew at each request (`fresh: live`).
    pub live: bool,
    /// How often its callers may ask.
    pub limit: Option<Limit>,
    /// Whether a `%2F` is accepted in what its final `**` stands for.
    pub encoded_slash: bool,
    /// Where the key stands.
    pub place: Place,
}

impl RuleSpec {
    /// A rule that binds what it can and hides nothing.
    #[must_use]
    pub fn new(key: RuleKey, requirement: Requirement, place: Place) -> Self {
        let (unbound, shadow, limit) = (Vec::new(), None, None);
        Self {
            key,
            requirement,
            unbound,
            hide: false,
            shadow,
            live: false,
            limit,
            encoded_slash: false,
            place,
        }
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
    paths: PathOptions,
    pub(crate) normalize: bool,
    /// Whether a rule accepts encoded slashes.
    pub(crate) encoded_slashes: bool,
    table: Table,
    rules: Vec<Rule>,
    terms: Vec<Terms>,
    vocabulary: Vocabulary,
    grants: HashMap<Box<str>, Set>,
    role_table: Vec<(Box<str>, Set)>,
    permissions_from: PermissionsFrom,
    /// The claims that rules compare, by slot.
    claims: Vec<Box<str>>,
    generation: u64,
}

impl Policy {
    /// Checks and compiles.
    ///
    /// # Errors
    /// Every problem that was found, in the order of the file; at least one.
    pub fn compile(spec: PolicySpec) -> Result<Self, Vec<PolicyError>> {
        Self::judge(spec, None).map_err(|refused| refused.errors)
    }

    /// The same, with what somebody should look at besides ([`PolicySpec::warnings`]), and with word of what was not looked
    /// for.
    pub fn compile_and_warn(spec: PolicySpec) -> (Result<Self, Refused>, Vec<PolicyError>) {
        let mut warnings = Vec::new();
        let judged = Self::judge(spec, Some(&mut warnings));
        (judged, warnings)
    }

    fn judge(mut spec: PolicySpec, warnings: Option<&mut Vec<PolicyError>>) -> Result<Self, Refused> {
        static GENERATION: AtomicU64 = AtomicU64::new(1);
        let errors = limits(&spec);
        if !errors.is_empty() {
            return Err(Refused { errors, complete: true }); // what is too large is not looked at
        }
        let mut errors = Vec::new();
        read_keys(&mut spec, &mut errors);
        if !conditions::put_in_place(&mut spec, &mut errors) {
            return Err(Refused { errors, complete: true });
        }
        let grants = expand_roles(&spec.roles, &mut errors);
        let vocabulary = vocabulary_of(&spec);
        let bind = with_defaults(&spec.bind);
        let claims = conditions::claims(&spec, &bind, &mut errors);
        errors.extend(conditions::too_many(&vocabulary, &claims));
        let mut methods = MethodNumbers::default();
        let captures = conditions::Captures::of(&spec.conditions);
        for rule in &spec.rules {
            if let Methods::Named(names) = rule.key.methods()
                && names.iter().any(|name| methods.add(name.as_str()).is_none())
            {
                let message =
                    format!("the rules name more than {} unusual methods", MethodNumbers::MAX_CUSTOM);
                errors.push(PolicyError::new("E090", rule.place, message));
            }
            if errors.len() >= MAX_ERRORS {
                break;
            }
            check_names(rule, (&spec.authenticators, &captures), &vocabulary, &mut errors);
            check_bindings(rule, &bind, &mut errors);
            errors.extend(limit::without_callers(rule));
        }
        let is_large = spec.rules.len() > PolicySpec::MANY_RULES;
        let mut complete = true;
        if is_large && !errors.is_empty() {
            complete = false;
        } else {
            let mut audiences = Audiences::new(&spec, &bind, &vocabulary);
            if errors.len() < MAX_ERRORS {
                let shapes = Shapes::new(&spec);
                errors.extend(between_rules(&shapes, &bind, &mut audiences, &methods));
            }
            if let Some(warnings) = warnings.filter(|_| !is_large || errors.is_empty()) {
                *warnings = lint::warnings(&spec, &bind, &mut audiences);
            }
        }
        if !errors.is_empty() {
            errors.sort_by_key(|error| error.place);
            return Err(Refused { errors, complete });
        }
        let numbered = |names: &mut dyn Iterator<Item = &Permission>| {
            let mut set = vocabulary.empty_set();
            names
                .filter_map(|name| vocabulary.permission(name.as_str()))
                .for_each(|number| set.insert(number));
            set
        };
        let written: Vec<(Box<str>, Set)> = grants
            .iter()
            .map(|(role, names)| (role.as_str().into(), numbered(&mut names.iter().copied())))
            .collect();
        let grants = written.iter().cloned().collect();
        let of_profile = || {
            spec.role_table.iter().map(|(role, names)| (role.as_str().into(), numbered(&mut names.iter())))
        };
        let role_table = if written.is_empty() { of_profile().collect() } else { written };
        let mut shared = Shared::default();
        let rules = spec.rules.into_iter();
        let rules: Vec<Rule> =
            rules.map(|rule| Rule::compile(rule, &bind, &claims, &vocabulary, &mut shared)).collect();
        let table = Table::build(rules.iter().map(|rule| (&*rule.key, rule.terms)), methods, spec.paths);
        let generation = GENERATION.fetch_add(1, Ordering::Relaxed);
        let permissions_from = spec.permissions_from;
        Ok(Self {
            paths: spec.paths,
            normalize: spec.normalize,
            encoded_slashes: rules.iter().any(|rule| rule.encoded_slash),
            table,
            terms: shared.terms,
            rules,
            vocabulary,
            grants,
            role_table,
            permissions_from,
            claims,
            generation,
        })
    }

    /// The rule that wins `target`. Pure: the same policy and target give the same answer.
    #[must_use]
    pub fn find<'p>(&'p self, target: &'p RequestTarget<'p>) -> Found<'p> {
        let found = match self.table.find(target) {
            Walk::Rule(won) => self.matched(won, target),
            Walk::MethodNotCovered => return Found::MethodNotCovered,
            Walk::Nothing => None,
        };
        found.map_or(Found::NoRule, Found::Rule)
    }

    /// A rule that fits `target`.
    #[inline]
    pub(crate) fn matched<'p>(&'p self, won: Won, target: &'p RequestTarget<'p>) -> Option<RuleMatch<'p>> {
        let (rule, terms) = (self.rules.get(usize::from(won.rule))?, self.terms.get(usize::from(won.terms))?);
        Some(RuleMatch { policy: self, rule, terms, id: RuleId(won.rule), target })
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

    /// How paths are compared.
    #[must_use]
    pub fn paths(&self) -> PathOptions {
        self.paths
    }

    /// The keys of the rules, in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = &RuleKey> {
        self.rules.iter().map(|rule| &*rule.key)
    }

    /// How many rules there are.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// The rules, each as key and requirement, in the order of the file.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rules.iter().map(|rule| (rule.key.as_str(), rule.requirement().as_str()))
    }

    /// Whether no rule ever asks for a token, so that the policy can be enforced without any issuer.
    #[must_use]
    pub fn needs_no_issuer(&self) -> bool {
        self.rules.iter().all(|rule| match rule.requirement().kind() {
            Kind::Public | Kind::Deny => true,
            Kind::Optional => false,
            Kind::Expression(_) => rule.demand.authenticator.is_some(),
        })
    }

    /// The permissions the policy knows.
    pub fn permissions(&self) -> impl Iterator<Item = &str> {
        self.vocabulary.permissions()
    }

    /// The roles the policy knows.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.vocabulary.roles()
    }

    /// What `role` grants by itself and by what it extends, sorted by name; `None` for a role whose grants the policy
    /// does not know, and whose tokens must bring their permissions themselves.
    #[must_use]
    pub fn role_grants(&self, role: &str) -> Option<Vec<&str>> {
        self.grants(role).map(|grants| self.vocabulary.permissions_in(grants))
    }

    /// The claims that rules compare, by slot: what an issuer's mapping must keep besides the principal's own parts.
    pub fn claim_names(&self) -> impl Iterator<Item = &str> {
        self.claims.iter().map(|name| &**name)
    }

    pub(crate) fn compiled_rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(crate) fn role_table(&self) -> &[(Box<str>, Set)] {
        &self.role_table
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
