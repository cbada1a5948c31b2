//! Why a request is decided as it is, for people.
//!
//! The decision itself is [`RuleMatch::decide`] and nothing else; this module only tells its parts: how the method was
//! covered, which other rules have the path, whether each binding holds, and which roles would get in. It allocates, and
//! no door calls it.

use crate::{
    BindTarget, Facts, Limit, Place, Policy, RequestTarget, RuleMatch, Subject, atom::Seen, check::Verdict,
    key::Methods, requirement::Kind, rule::Rule,
};

/// How a rule speaks for a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodFit {
    /// It names it.
    Named,
    /// It names GET, which answers HEAD.
    GetForHead,
    /// It says `ANY`.
    Any,
}

/// A bound value of a rule, as it stands in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding<'p> {
    /// Its name in a policy file: that of a path parameter, or `header.x-org-id` and the like.
    pub parameter: &'p str,
    /// Its value in the request, decoded; `None` where the request has several.
    pub value: Option<String>,
    /// What it may equal, each with the caller's value.
    pub targets: Vec<(BindTarget, Option<String>)>,
    /// Whether it equals one of them.
    pub holds: bool,
}

/// A comparison, or a demand on how the caller signed in, as it stands in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// What is compared, as one would write it.
    pub text: String,
    /// Whether it holds.
    pub holds: bool,
}

/// A rule of a policy, as the tools list it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleEntry<'p> {
    /// Its key as written.
    pub key: &'p str,
    /// Its requirement as written.
    pub requirement: &'p str,
    /// Where it stands.
    pub place: Place,
    /// Whether it covers the method that was asked for.
    pub covers_method: bool,
    /// Whether it lets anybody in.
    pub can_allow: bool,
    /// Whether it keeps anybody out.
    pub can_deny: bool,
    /// How often its callers may ask.
    pub limit: Option<Limit>,
    /// Whether it accepts encoded slashes.
    pub encoded_slash: bool,
}

/// The parts of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation<'p> {
    /// How the rule covers the method.
    pub method: MethodFit,
    /// Every bound parameter, in the order of the path.
    pub bindings: Vec<Binding<'p>>,
    /// Everything that is judged per request, in no order that carries meaning.
    pub compared: Vec<Compared>,
    /// Whether the requirement holds of the caller, whatever the bindings say.
    pub holds: bool,
    /// The permissions whose lack made it fail.
    pub missing: Vec<&'p str>,
}

impl<'p> RuleMatch<'p> {
    /// The parts of what [`decide`](Self::decide) says of `subject`.
    #[must_use]
    pub fn explain(&self, subject: Option<&Subject>, facts: &Facts<'_>) -> Explanation<'p> {
        let method = match self.rule.key.methods() {
            Methods::Any => MethodFit::Any,
            Methods::Named(names) if names.iter().any(|name| name.as_str() == self.target.method()) => {
                MethodFit::Named
            }
            Methods::Named(_) => MethodFit::GetForHead,
        };
        let nobody = self.policy.nobody();
        let scene = self.scene(subject.unwrap_or(&nobody), facts);
        let known = subject.map(|_| scene);
        let present = self.rule.bindings.iter().filter(|binding| binding.is_present(self.target, facts));
        let bindings = present.map(|binding| {
            let value = match binding.value.see(scene) {
                Seen::Text(value) => Some(value.into_owned()),
                Seen::Absent | Seen::Bool(_) | Seen::Set(_) => None,
            };
            let targets = binding.theirs(known);
            let holds = value.is_some() && targets.iter().any(|(_, theirs)| *theirs == value);
            Binding { parameter: &binding.name, value, targets, holds }
        });
        let bindings = bindings.collect();
        let demand = &self.rule.demand;
        let vocabulary = self.policy.vocabulary();
        let compared = demand.atoms.iter().map(|(number, atom)| Compared {
            text: vocabulary.fact_name(*number),
            holds: known.is_some_and(|scene| atom.holds(scene)),
        });
        let compared = compared.collect();
        let holds = match (self.rule.requirement().kind(), subject) {
            (Kind::Public | Kind::Optional, _) => true,
            (Kind::Expression(_), Some(subject)) => {
                self.policy.made(subject) && demand.holds(scene, |_| false)
            }
            (Kind::Deny, _) | (Kind::Expression(_), None) => false,
        };
        let missing = subject
            .filter(|_| !holds)
            .map(|subject| self.missing_permissions(subject, facts))
            .unwrap_or_default();
        Explanation { method, bindings, compared, holds, missing }
    }

    /// The [roles](Policy::table_roles) whose holders would be let in if the request spoke of their own organization and
    /// everything that it compares held.
    #[must_use]
    pub fn allowed_roles(&self) -> Vec<&'p str> {
        self.policy.table_roles().filter(|role| self.rule.admits(self.policy, role)).collect()
    }
}

impl Policy {
    /// Every rule whose host and path cover those of `target`, whatever its methods, in the order of the file.
    #[must_use]
    pub fn rules_on<'p>(&'p self, target: &RequestTarget<'_>) -> Vec<RuleEntry<'p>> {
        let paths = self.paths();
        let mut path: Vec<Box<str>> = target.segments().map(|segment| paths.literal(segment)).collect();
        if paths.distinct_slash && target.ends_in_slash() {
            path.push("".into());
        }
        let path: Vec<&str> = path.iter().map(|segment| &**segment).collect();
        let at_host = |rule: &&Rule| {
            rule.key.host().is_none_or(|host| target.host().is_some_and(|name| host.matches(name)))
        };
        let covering =
            self.compiled_rules().iter().filter(at_host).filter(|rule| rule.key.pattern().matches(&path));
        covering.map(|rule| rule.entry(target.method())).collect()
    }

    /// Every rule, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = RuleEntry<'_>> {
        self.compiled_rules().iter().map(|rule| rule.entry("ANY"))
    }
}

impl Rule {
    pub(crate) fn entry(&self, method: &str) -> RuleEntry<'_> {
        let covers_method = match self.key.methods() {
            Methods::Any => true,
            Methods::Named(names) => {
                let names = |method| names.iter().any(|name| name.as_str() == method);
                names(method) || method == "HEAD" && names("GET")
            }
        };
        RuleEntry {
            key: self.key.as_str(),
            requirement: self.requirement().as_str(),
            place: self.place,
            covers_method,
            can_allow: !matches!(self.requirement().kind(), Kind::Deny),
            can_deny: match self.requirement().kind() {
                Kind::Public => false,
                Kind::Optional => !self.bindings.is_empty(),
                Kind::Deny | Kind::Expression(_) => true,
            },
            limit: self.limit,
            encoded_slash: self.encoded_slash,
        }
    }

    /// Whether whoever holds `role` in the organization that the request speaks of can be let in.
    pub(crate) fn admits(&self, policy: &Policy, role: &str) -> bool {
        self.verdict(policy, role) != Verdict::Never
    }

    /// When whoever holds `role` in the organization that the request speaks of is let in.
    pub(crate) fn verdict(&self, policy: &Policy, role: &str) -> Verdict {
        match (self.requirement().kind(), &self.demand.check) {
            (Kind::Public | Kind::Optional, _) => Verdict::Always,
            (Kind::Expression(_), Some(check)) => {
                let open: Vec<u16> = self.demand.atoms.iter().map(|(number, _)| *number).collect();
                check.verdict(&policy.role_facts(role), &open)
            }
            (Kind::Expression(_), None) | (Kind::Deny, _) => Verdict::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use orgate_claims::{
        IssuerUrl, Organization, OrganizationId, Permission, Principal, RoleName, SubjectId, UnixTime,
    };

    use super::*;
    use crate::{Found, PolicySpec, Requirement, RuleKey, RuleSpec};

    fn policy() -> Policy {
        let rules = [
            ("GET /orgs/**", "read"),
            ("GET|DELETE /orgs/{org_id}", "delete_org and read"),
            ("POST /orgs/{org_id}", "deny"),
        ];
        let rules = (1u32..).zip(rules).map(|(line, (key, requirement))| {
            let place = Place { file: 0, line, column: 3 };
            RuleSpec::new(RuleKey::parse(key).unwrap(), Requirement::parse(requirement).unwrap(), place)
        });
        let permission = |name: &str| Permission::parse(name).unwrap();
        let role = |name: &str| RoleName::parse(name).unwrap();
        Policy::compile(PolicySpec {
            rules: rules.collect(),
            permissions: ["read", "delete_org"].map(permission).into(),
            role_table: vec![
                (role("viewer"), vec![permission("read")]),
                (role("owner"), vec![permission("read"), permission("delete_org")]),
            ],
            ..PolicySpec::default()
        })
        .unwrap()
    }

    fn viewer(org: &str) -> Principal {
        let organization = Organization::new(OrganizationId::parse(org).unwrap(), None);
        Principal::builder(IssuerUrl::parse("https://i").unwrap(), SubjectId::parse("ann").unwrap())
            .organization(Some(organization))
            .permissions(Some(vec![Permission::parse("read").unwrap()]))
            .build()
    }

    #[test]
    fn every_part_of_a_decision_is_told() {
        let policy = policy();
        let facts = Facts::at(UnixTime::from_seconds(0));
        let target = RequestTarget::parse("HEAD", "/orgs/acme").unwrap();
        let Found::Rule(found) = policy.find(&target) else { panic!("a rule") };
        let subject = policy.subject(&viewer("globex"));
        let explanation = found.explain(Some(&subject), &facts);
        assert_eq!(explanation.method, MethodFit::GetForHead);
        assert!(!explanation.holds);
        assert_eq!(explanation.missing, ["delete_org"]);
        let [binding] = explanation.bindings.as_slice() else { panic!("one binding") };
        assert_eq!(
            (binding.parameter, binding.value.as_deref(), binding.holds),
            ("org_id", Some("acme"), false)
        );
        assert_eq!(binding.targets, [(BindTarget::OrganizationId, Some("globex".to_owned()))]);
        assert_eq!(found.allowed_roles(), ["owner"]);

        let own = policy.subject(&viewer("acme"));
        assert!(found.explain(Some(&own), &facts).bindings[0].holds);
        assert!(!found.explain(None, &facts).holds);
    }

    #[test]
    fn the_rules_on_a_path_are_listed_with_whether_they_cover_the_method() {
        let policy = policy();
        let target = RequestTarget::parse("DELETE", "/orgs/acme").unwrap();
        let found: Vec<_> =
            policy.rules_on(&target).into_iter().map(|rule| (rule.place.line, rule.covers_method)).collect();
        assert_eq!(found, [(1, false), (2, true), (3, false)]);
        assert_eq!(policy.entries().count(), 3);
    }
}
