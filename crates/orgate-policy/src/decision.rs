//! The verdict of a policy, and why.

use crate::{
    Facts, Place, Policy,
    atom::{Atom, Scene},
    bind::Standing,
    check::explain_failure,
    requirement::Kind,
    rule::{Demand, Rule},
    set::Set,
    shared::Terms,
    subject::Subject,
    target::RequestTarget,
};

/// What [`Policy::find`] found.
#[derive(Debug)]
pub enum Found<'p> {
    /// The rule that wins.
    Rule(RuleMatch<'p>),
    /// No rule has this path.
    NoRule,
    /// Rules have this path, none for this method.
    MethodNotCovered,
}

/// A rule that won a request target.
#[derive(Clone, Copy, Debug)]
pub struct RuleMatch<'p> {
    pub(crate) policy: &'p Policy,
    pub(crate) rule: &'p Rule,
    pub(crate) terms: &'p Terms,
    pub(crate) id: RuleId,
    pub(crate) target: &'p RequestTarget<'p>,
}

/// A rule of one policy, by its place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleId(pub(crate) u16);

/// What a rule needs to know of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access<'p> {
    /// Nothing; credentials are not even looked at.
    Public,
    /// A credential may be absent; one that is there must be valid.
    Optional,
    /// A valid credential.
    Credential,
    /// What the authenticator of this name accepts, instead of a token.
    Authenticator(&'p str),
    /// Nothing; nobody is let in.
    Nobody,
}

/// Allowed or not. Exhaustive on purpose: whoever handles decisions must handle all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The request may go on.
    Allow,
    /// It may not.
    Deny(DenyReason),
}

/// Why a request is denied. Exhaustive on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenyReason {
    /// The rule lets nobody in.
    Denied,
    /// The rule needs a credential and there is none.
    NoCredential,
    /// The caller has no active organization and the rule needs one.
    NoActiveOrganization,
    /// The path speaks of another organization, or of another person.
    OrganizationMismatch,
    /// A permission is missing.
    MissingPermission,
    /// The caller has none of the roles.
    MissingRole,
    /// Something else does not hold.
    ConditionFailed,
    /// Everything holds but how, or how long ago, the caller signed in (RFC 9470).
    StepUp,
}

/// What a new sign-in must bring (RFC 9470 §3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepUp<'p> {
    /// The classes of authentication of which one is needed.
    pub acr: Vec<&'p str>,
    /// How old the sign-in may be, in seconds.
    pub max_age: Option<u32>,
}

impl<'p> RuleMatch<'p> {
    /// Which rule it is; [`Policy::rule`] gives its key.
    #[must_use]
    pub fn id(&self) -> RuleId {
        self.id
    }

    /// The rule's key as written: its name in answers, logs and metrics.
    #[must_use]
    pub fn rule(&self) -> &'p str {
        self.rule.key.as_str()
    }

    /// What it demands, as written.
    #[must_use]
    pub fn requirement(&self) -> &'p str {
        self.rule.requirement().as_str()
    }

    /// Where it stands.
    #[must_use]
    pub fn place(&self) -> Place {
        self.rule.place
    }

    /// The organization, by id or slug, that the rule's path or host binds in this request; `None` where neither binds one.
    /// Headers and parameters may repeat an organization and never choose it, so they do not count.
    #[must_use]
    pub fn organization(&self) -> Option<&'p str> {
        self.terms.bindings.iter().find_map(|binding| binding.organization(self.target, self.host()))
    }

    /// Whether another organization's request is answered as if there were nothing.
    #[must_use]
    pub fn hides(&self) -> bool {
        self.rule.hide
    }

    /// The values of the path's parameters, decoded.
    pub fn parameters(&self) -> impl Iterator<Item = (&'p str, &'p str)> {
        let target = self.target;
        self.rule.key.pattern().parameters().filter_map(move |(name, at)| Some((name, target.segment(at)?)))
    }

    /// The rule's path pattern.
    #[must_use]
    pub fn pattern(&self) -> &'p crate::Pattern {
        self.rule.key.pattern()
    }

    /// What the rule needs to know of the caller.
    #[must_use]
    pub fn access(&self) -> Access<'p> {
        let demand = &*self.terms.demand;
        match demand.requirement.kind() {
            Kind::Public => Access::Public,
            Kind::Optional => Access::Optional,
            Kind::Deny => Access::Nobody,
            Kind::Expression(_) => match &demand.authenticator {
                Some(name) => Access::Authenticator(name),
                None => Access::Credential,
            },
        }
    }

    /// Whether the rule wants the caller's rights as they are now, whatever a token says.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.rule.live
    }

    /// Decides: bindings first, then the requirement, then how the caller signed in. `subject` is `None` for an anonymous
    /// caller, and must have been made by this policy; one made by another is denied.
    #[must_use]
    pub fn decide(&self, subject: Option<&Subject>, facts: &Facts<'_>) -> Decision {
        match (self.access(), subject) {
            (Access::Public, _) => Decision::Allow,
            (Access::Nobody, _) => Decision::Deny(DenyReason::Denied),
            (Access::Optional, None) if !self.speaks_of_somebody(facts) => Decision::Allow,
            (_, None) => Decision::Deny(DenyReason::NoCredential),
            (_, Some(subject)) => self.judge(subject, facts),
        }
    }

    /// Whether a binding of the rule concerns the request, so that nobody can be anonymous.
    fn speaks_of_somebody(&self, facts: &Facts<'_>) -> bool {
        self.terms.bindings.iter().any(|binding| binding.is_present(self.target, facts))
    }

    pub(crate) fn scene<'a>(&'a self, subject: &'a Subject, facts: &'a Facts<'a>) -> Scene<'a> {
        Scene { target: self.target, host: self.host(), subject, facts }
    }

    /// What the variable part of the rule's host stands for in the request.
    #[must_use]
    pub fn host(&self) -> Option<&'p str> {
        self.host_parameter().map(|(_, value)| value)
    }

    fn judge(&self, subject: &Subject, facts: &Facts<'_>) -> Decision {
        let demand = &*self.terms.demand;
        // SECURITY: what one authenticator accepted must not count where another, or a token, is asked for.
        if !self.policy.made(subject) || subject.authenticator() != demand.authenticator.as_deref() {
            return Decision::Deny(DenyReason::ConditionFailed);
        }
        let scene = self.scene(subject, facts);
        for binding in self.terms.bindings.iter() {
            match binding.stands(scene) {
                Standing::Holds => {}
                Standing::NoOrganization => return Decision::Deny(DenyReason::NoActiveOrganization),
                Standing::Mismatch => return Decision::Deny(DenyReason::OrganizationMismatch),
            }
        }
        if demand.holds(scene, |_| false) {
            return Decision::Allow;
        }
        if demand.has_step_up() && demand.holds(scene, Atom::is_step_up) {
            return Decision::Deny(DenyReason::StepUp);
        }
        Decision::Deny(demand.reason(scene))
    }

    fn failure(&self, scene: Scene<'_>) -> (DenyReason, Vec<&'p str>) {
        match self.rule.requirement().kind() {
            Kind::Expression(expression) => {
                let have = self.rule.demand.facts_in(scene);
                explain_failure(expression, &have, self.policy.vocabulary())
            }
            Kind::Public | Kind::Optional | Kind::Deny => (DenyReason::Denied, Vec::new()),
        }
    }

    /// The permissions whose lack made the requirement fail; of alternatives, all. For messages: it allocates.
    #[must_use]
    pub fn missing_permissions(&self, subject: &Subject, facts: &Facts<'_>) -> Vec<&'p str> {
        self.failure(self.scene(subject, facts)).1
    }

    /// What a new sign-in must bring, after [`DenyReason::StepUp`]. For messages: it allocates.
    #[must_use]
    pub fn step_up(&self, subject: &Subject, facts: &Facts<'_>) -> StepUp<'p> {
        let scene = self.scene(subject, facts);
        let mut needed = StepUp::default();
        for (_, atom) in self.rule.demand.atoms.iter().filter(|(_, atom)| !atom.holds(scene)) {
            match atom {
                Atom::Acr(classes) => needed.acr.extend(classes.iter().map(|class| &**class)),
                Atom::Fresh(seconds) => {
                    needed.max_age = Some(needed.max_age.map_or(*seconds, |least| least.min(*seconds)));
                }
                Atom::Compare { .. } | Atom::Via(_) => {}
            }
        }
        needed
    }

    /// Whether the requirement under `shadow:` would let the caller in; `None` where the rule has none. The bindings do not
    /// count, since they are enforced.
    #[must_use]
    pub fn shadow(&self, subject: Option<&Subject>, facts: &Facts<'_>) -> Option<bool> {
        let shadow = self.rule.shadow.as_deref()?;
        Some(match (shadow.requirement.kind(), subject) {
            (Kind::Public | Kind::Optional, _) => true,
            (Kind::Deny, _) | (Kind::Expression(_), None) => false,
            (Kind::Expression(_), Some(subject)) => {
                self.policy.made(subject) && shadow.holds(self.scene(subject, facts), |_| false)
            }
        })
    }
}

impl Demand {
    /// Whether the requirement holds; `assumed` atoms count as true.
    pub(crate) fn holds(&self, scene: Scene<'_>, assumed: impl Fn(&Atom) -> bool) -> bool {
        let atom = |number: u16| {
            let found = self.atoms.iter().find(|(atom, _)| *atom == number);
            found.is_some_and(|(_, atom)| assumed(atom) || atom.holds(scene))
        };
        self.check.as_ref().is_none_or(|check| check.holds_with(scene.subject.facts(), atom))
    }

    pub(crate) fn has_step_up(&self) -> bool {
        self.atoms.iter().any(|(_, atom)| atom.is_step_up())
    }

    /// The facts of the caller, and the atoms that hold; a sign-in counts as good enough.
    pub(crate) fn facts_in(&self, scene: Scene<'_>) -> Set {
        let mut facts = scene.subject.facts().clone();
        for (number, _) in self.atoms.iter().filter(|(_, atom)| atom.is_step_up() || atom.holds(scene)) {
            facts.insert(*number);
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use orgate_claims::{
        IssuerUrl, Organization, OrganizationId, Permission, Principal, RoleName, Slug, SubjectId, UnixTime,
    };

    use super::*;
    use crate::{PolicySpec, Requirement, RoleSpec, RuleKey, RuleSpec};

    fn policy(rules: &[(&str, &str)]) -> Policy {
        let rules = rules.iter().map(|(key, requirement)| {
            RuleSpec::new(
                RuleKey::parse(key).unwrap(),
                Requirement::parse(requirement).unwrap(),
                Place::default(),
            )
        });
        let names = ["read", "write", "invite", "delete_org"];
        Policy::compile(PolicySpec {
            rules: rules.collect(),
            permissions: names.map(|name| Permission::parse(name).unwrap()).into(),
            known_roles: ["owner", "viewer"].map(|name| RoleName::parse(name).unwrap()).into(),
            ..PolicySpec::default()
        })
        .unwrap()
    }

    #[test]
    fn a_rule_names_the_organization_that_its_path_or_host_binds_and_nothing_else() {
        use crate::{
            BindSource, BindSpec,
            BindTarget::{OrganizationId, OrganizationSlug, Subject},
        };
        let bind = |source: &str, targets: &[crate::BindTarget]| BindSpec {
            source: BindSource::parse(source).unwrap(),
            targets: targets.to_vec(),
        };
        let keys = [
            "GET /orgs/{org_slug}/docs",
            "GET /t/{tenant}",
            "GET /teams/{team}",
            "GET /docs",
            "GET {site}.example.com/docs",
        ];
        let rules = keys.map(|key| {
            RuleSpec::new(RuleKey::parse(key).unwrap(), Requirement::parse("read").unwrap(), Place::default())
        });
        let policy = Policy::compile(PolicySpec {
            rules: rules.into(),
            permissions: [Permission::parse("read").unwrap()].into(),
            bind: vec![
                bind("tenant", &[OrganizationId, OrganizationSlug]),
                bind("team", &[OrganizationId, Subject]),
                bind("query.org", &[OrganizationId]),
                bind("header.x-org", &[OrganizationId]),
                bind("host.site", &[OrganizationSlug]),
            ],
            ..PolicySpec::default()
        })
        .unwrap();
        for (host, path, organization) in [
            ("a.example", "/orgs/acme/docs", Some("acme")),
            ("a.example", "/orgs/acm%C3%A9/docs?org=globex", Some("acmé")),
            ("a.example", "/t/acme", Some("acme")),
            // It may be a person.
            ("a.example", "/teams/acme", None),
            ("a.example", "/docs?org=acme", None),
            ("acme.example.com", "/docs", Some("acme")),
        ] {
            let target = policy.target("GET", Some(host), path).unwrap();
            let Found::Rule(found) = policy.find(&target) else { panic!("{path} has a rule") };
            assert_eq!(found.organization(), organization, "{host}{path}");
        }
    }

    fn principal(org: Option<&str>, role: Option<&str>, permissions: Option<&[&str]>) -> Principal {
        let organization = org.map(|id| {
            Organization::new(
                OrganizationId::parse(id).unwrap(),
                Some(Slug::parse(&format!("{id}-slug")).unwrap()),
            )
        });
        Principal::builder(IssuerUrl::parse("https://i").unwrap(), SubjectId::parse("usr_ann").unwrap())
            .organization(organization)
            .roles(role.iter().map(|name| RoleName::parse(name).unwrap()).collect())
            .permissions(
                permissions.map(|names| names.iter().map(|name| Permission::parse(name).unwrap()).collect()),
            )
            .build()
    }

    /// The rule that wins and what it decides, as one line.
    fn verdict(policy: &Policy, request: &str, principal: Option<&Principal>) -> String {
        let facts = Facts::at(UnixTime::from_seconds(0));
        let (method, path) = request.split_once(' ').unwrap();
        let target = RequestTarget::parse(method, path).unwrap();
        match policy.find(&target) {
            Found::NoRule => "no rule".into(),
            Found::MethodNotCovered => "method not covered".into(),
            Found::Rule(found) => {
                let subject = principal.map(|principal| policy.subject(principal));
                let missing = subject
                    .as_ref()
                    .map(|s| found.missing_permissions(s, &facts))
                    .filter(|names| !names.is_empty());
                match found.decide(subject.as_ref(), &facts) {
                    Decision::Allow => format!("{} allow", found.rule()),
                    Decision::Deny(reason) => match missing {
                        Some(names) => format!("{} {reason:?} {}", found.rule(), names.join(",")),
                        None => format!("{} {reason:?}", found.rule()),
                    },
                }
            }
        }
    }

    #[test]
    fn the_most_specific_rule_that_covers_the_method_wins() {
        let policy = policy(&[
            ("GET /files/**", "read"),
            ("GET /files/public/**", "public"),
            ("DELETE /files/{id}", "delete_org"),
            ("ANY /files/{id}/meta", "deny"),
            ("GET /files/public/meta", "public"),
            ("HEAD /files/{id}", "read and write"),
            ("HEAD /files/public", "public"),
            ("GET /", "public"),
        ]);
        let ann = principal(Some("acme"), None, Some(&["read"]));
        for (request, expected) in [
            ("GET /files", "GET /files/** allow"),
            ("GET /files/7", "GET /files/** allow"),
            ("HEAD /files/7", "HEAD /files/{id} MissingPermission write"),
            ("HEAD /files/7/x", "GET /files/** allow"),
            ("GET /files/public", "GET /files/public/** allow"),
            ("GET /files/public/a/b", "GET /files/public/** allow"),
            ("DELETE /files/7", "DELETE /files/{id} MissingPermission delete_org"),
            ("DELETE /files/public", "DELETE /files/{id} MissingPermission delete_org"),
            ("GET /files/7/meta", "ANY /files/{id}/meta Denied"),
            ("POST /files/7", "method not covered"),
            ("PURGE /files/7/meta", "ANY /files/{id}/meta Denied"),
            ("GET /", "GET / allow"),
            ("POST /", "method not covered"),
            ("GET /filesystem", "no rule"),
            ("GET /other", "no rule"),
        ] {
            assert_eq!(verdict(&policy, request, Some(&ann)), expected, "{request}");
        }
    }

    #[test]
    fn another_organization_in_the_path_is_refused_without_being_asked() {
        let policy = policy(&[
            ("GET /orgs/{org_id}", "read"),
            ("GET /o/{org}", "read"),
            ("GET /s/{org_slug}", "optional"),
        ]);
        let ann = principal(Some("acme"), None, Some(&["read"]));
        let nobody = principal(None, None, Some(&["read"]));
        for (request, caller, expected) in [
            ("GET /orgs/acme", Some(&ann), "GET /orgs/{org_id} allow"),
            ("GET /orgs/acme-slug", Some(&ann), "GET /orgs/{org_id} OrganizationMismatch"),
            ("GET /orgs/globex", Some(&ann), "GET /orgs/{org_id} OrganizationMismatch"),
            ("GET /orgs/ACME", Some(&ann), "GET /orgs/{org_id} OrganizationMismatch"),
            ("GET /orgs/acme", Some(&nobody), "GET /orgs/{org_id} NoActiveOrganization"),
            ("GET /orgs/acme", None, "GET /orgs/{org_id} NoCredential"),
            ("GET /o/acme", Some(&ann), "GET /o/{org} allow"),
            ("GET /o/acme-slug", Some(&ann), "GET /o/{org} allow"),
            ("GET /s/acme-slug", Some(&ann), "GET /s/{org_slug} allow"),
            ("GET /s/acme-slug", None, "GET /s/{org_slug} NoCredential"),
            ("GET /s/globex", Some(&ann), "GET /s/{org_slug} OrganizationMismatch"),
        ] {
            assert_eq!(verdict(&policy, request, caller), expected, "{request}");
        }
    }

    #[test]
    fn failures_are_named_by_their_first_kind() {
        let policy = policy(&[
            ("GET /a", "read and write"),
            ("GET /b", "invite or delete_org"),
            ("GET /c", "role(owner)"),
            ("GET /d", "org"),
            ("GET /e", "not read"),
            ("GET /f", "authenticated"),
            ("GET /g", "role(owner) and write"),
        ]);
        let ann = principal(Some("acme"), Some("viewer"), Some(&["read"]));
        let no_org = principal(None, None, Some(&["read"]));
        for (request, caller, expected) in [
            ("GET /a", &ann, "GET /a MissingPermission write"),
            ("GET /a", &no_org, "GET /a NoActiveOrganization write"),
            ("GET /b", &ann, "GET /b MissingPermission invite,delete_org"),
            ("GET /c", &ann, "GET /c MissingRole"),
            ("GET /c", &no_org, "GET /c NoActiveOrganization"),
            ("GET /d", &ann, "GET /d allow"),
            ("GET /d", &no_org, "GET /d NoActiveOrganization"),
            ("GET /e", &ann, "GET /e ConditionFailed"),
            ("GET /f", &no_org, "GET /f allow"),
            ("GET /g", &ann, "GET /g MissingPermission write"),
        ] {
            assert_eq!(verdict(&policy, request, Some(caller)), expected, "{request}");
        }
    }

    #[test]
    fn roles_are_expanded_only_where_the_policy_says_what_they_grant() {
        let owner_without_permissions = principal(Some("acme"), Some("owner"), Some(&[]));
        let owner_only = principal(Some("acme"), Some("owner"), None);
        let plain = policy(&[("GET /a", "read")]);
        assert_eq!(verdict(&plain, "GET /a", Some(&owner_only)), "GET /a MissingPermission read");

        let role = |name: &str, grants: &[&str], extends: &[&str]| RoleSpec {
            name: RoleName::parse(name).unwrap(),
            grants: grants.iter().map(|name| Permission::parse(name).unwrap()).collect(),
            extends: extends.iter().map(|name| RoleName::parse(name).unwrap()).collect(),
            place: Place::default(),
        };
        let rule = RuleSpec::new(
            RuleKey::parse("GET /a").unwrap(),
            Requirement::parse("read").unwrap(),
            Place::default(),
        );
        let expanding = Policy::compile(PolicySpec {
            rules: vec![rule],
            roles: vec![role("viewer", &["read"], &[]), role("owner", &["write"], &["viewer"])],
            ..PolicySpec::default()
        })
        .unwrap();
        assert_eq!(verdict(&expanding, "GET /a", Some(&owner_only)), "GET /a allow");
        let empty = verdict(&expanding, "GET /a", Some(&owner_without_permissions));
        assert_eq!(empty, "GET /a MissingPermission read", "an empty list is an answer");
    }

    #[test]
    fn a_subject_of_another_policy_is_denied() {
        let (one, other) = (policy(&[("GET /a", "read")]), policy(&[("GET /a", "read")]));
        let subject = other.subject(&principal(Some("acme"), None, Some(&["read"])));
        let target = RequestTarget::parse("GET", "/a").unwrap();
        let Found::Rule(found) = one.find(&target) else { panic!("a rule") };
        assert_eq!(
            found.decide(Some(&subject), &Facts::at(UnixTime::from_seconds(0))),
            Decision::Deny(DenyReason::ConditionFailed)
        );
    }

    #[test]
    fn names_that_nobody_declared_are_errors() {
        let rule = |requirement: &str| {
            RuleSpec::new(
                RuleKey::parse("GET /a").unwrap(),
                Requirement::parse(requirement).unwrap(),
                Place::default(),
            )
        };
        let permissions = vec![Permission::parse("delete_org").unwrap()];
        let compile = |requirement| {
            let spec = PolicySpec {
                rules: vec![rule(requirement)],
                permissions: permissions.clone(),
                ..PolicySpec::default()
            };
            Policy::compile(spec).unwrap_err().remove(0)
        };
        let error = compile("not (delete_org and delet_org)");
        assert_eq!((error.code, error.in_requirement), ("E031", Some((20, 9))));
        assert_eq!(error.help.as_deref(), Some("did you mean `delete_org`?"));
        assert_eq!(compile("role(admin)").code, "E032");
    }
}
