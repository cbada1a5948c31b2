//! What a policy says of a request that is over, of which only a part is known.
//!
//! A log tells method, host, path, roles, permissions and organization of a request, and neither its header fields nor the
//! claims of its token; and some segments of its path may be left out. The answer is a verdict only where it is the same
//! whatever the rest was. Nothing is guessed: [`Verdict::Unknown`] says what would have to be known.

use std::fmt;

use crate::{
    Access, Found, Place, Policy, Relation, RequestTarget, RuleMatch, Subject,
    atom::{Atom, Value},
    bind::Bound,
    check,
    pattern::{Pattern, Segment},
    requirement::Operator,
    table::Won,
};

/// Who made a request that is over, as far as that is known.
#[derive(Clone, Copy, Debug)]
pub enum Witnessed<'s> {
    /// Nobody: it carried no credential.
    Nobody,
    /// Somebody whose credential was refused.
    Refused,
    /// This caller.
    Caller(&'s Subject),
    /// Whether there was a credential is not known.
    Unread,
}

/// What is not known of a request and would have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gap {
    /// Segments of its path.
    Path,
    /// Its credential.
    Credential,
    /// Header fields or parameters of the query.
    Fields,
    /// Who the caller is, or claims of the token.
    Claims,
    /// How, or how long ago, the caller signed in.
    SignIn,
    /// Whether the issuer would still have vouched for the token (`fresh: live`).
    Standing,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "parts of the path",
            Self::Credential => "the credential",
            Self::Fields => "header fields or the query",
            Self::Claims => "the subject or claims of the token",
            Self::SignIn => "how the caller signed in",
            Self::Standing => "whether the token still stood (`fresh: live`)",
        })
    }
}

/// What can be said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It would be let through.
    Allow,
    /// It would be refused.
    Deny,
    /// That depends on something that is not known.
    Unknown(Gap),
}

/// What a policy says of a request that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recalled<'p> {
    /// The rule that wins, and where it stands; `None` where there is none, or where it depends on what is not known.
    pub rule: Option<(&'p str, Place)>,
    /// What can be said.
    pub verdict: Verdict,
}

impl Policy {
    /// What this policy says of a request. `hidden` are the segments of the target's path that are not known; what stands
    /// in their place is not looked at, and none of them is the id or the slug of the caller's organization.
    #[must_use]
    pub fn recall<'p>(
        &'p self,
        target: &'p RequestTarget<'p>,
        hidden: &[usize],
        caller: Witnessed<'_>,
    ) -> Recalled<'p> {
        let winner = match self.find(target) {
            Found::Rule(found) => Some(found),
            Found::NoRule | Found::MethodNotCovered => None,
        };
        let of = |found: Option<&RuleMatch<'_>>| {
            found.map_or(Verdict::Deny, |found| found.recalled(hidden, caller))
        };
        let verdict = of(winner.as_ref());
        let rule = winner.map(|found| (found.rule(), found.place()));
        // Where a segment is hidden, a rule that names it may have won.
        let others = self.rivals(target, hidden);
        if others.is_empty() {
            return Recalled { rule, verdict };
        }
        let agreed = others.iter().all(|other| of(Some(other)) == verdict);
        Recalled { rule: None, verdict: if agreed { verdict } else { Verdict::Unknown(Gap::Path) } }
    }

    /// The rules that win some of the paths that the target can stand for, besides the one that wins it as it is.
    fn rivals<'p>(&'p self, target: &'p RequestTarget<'p>, hidden: &[usize]) -> Vec<RuleMatch<'p>> {
        if hidden.is_empty() {
            return Vec::new();
        }
        let paths = self.paths();
        let segments = target.segments().enumerate().map(|(at, text)| {
            if hidden.contains(&at) { Segment::Any } else { Segment::Literal(paths.literal(text)) }
        });
        let slash = (paths.distinct_slash && target.ends_in_slash()).then(|| Segment::Literal("".into()));
        let known = Pattern::of(segments.chain(slash).collect());
        let rules = (0u16..).zip(self.compiled_rules());
        let rivals = rules.filter(|(_, rule)| {
            let host = rule.key.host();
            host.is_none_or(|host| target.host().is_some_and(|name| host.matches(name)))
                && rule.entry(target.method()).covers_method
                && matches!(rule.key.pattern().relation(&known), Relation::Within | Relation::Crossing)
        });
        let rivals = rivals.map(|(number, rule)| Won { rule: number, terms: rule.terms });
        rivals.filter_map(|won| self.matched(won, target)).collect()
    }
}

/// Whether a part of a demand holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Holds,
    Fails,
    Open(Gap),
}

impl RuleMatch<'_> {
    fn recalled(&self, hidden: &[usize], caller: Witnessed<'_>) -> Verdict {
        let subject = match (self.access(), caller) {
            (Access::Public, _) => return Verdict::Allow,
            (Access::Nobody, _) => return Verdict::Deny,
            (_, Witnessed::Unread) => return Verdict::Unknown(Gap::Credential),
            (Access::Authenticator(name), Witnessed::Caller(subject))
                if subject.authenticator() == Some(name) =>
            {
                subject
            }
            (Access::Authenticator(_), _) => return Verdict::Unknown(Gap::Credential),
            (Access::Optional, Witnessed::Nobody) => return self.recalled_of_nobody(),
            (_, Witnessed::Nobody | Witnessed::Refused) => return Verdict::Deny,
            (_, Witnessed::Caller(subject)) if subject.authenticator().is_some() => {
                return Verdict::Unknown(Gap::Credential);
            }
            (_, Witnessed::Caller(subject)) => subject,
        };
        let mut gap = None;
        for binding in self.rule.bindings.iter() {
            match binding_part(binding, self, subject, hidden) {
                Part::Holds => {}
                Part::Fails => return Verdict::Deny,
                Part::Open(open) => gap = gap.or(Some(open)),
            }
        }
        match self.requirement_part(subject, hidden) {
            Part::Fails => Verdict::Deny,
            Part::Open(open) => Verdict::Unknown(gap.unwrap_or(open)),
            Part::Holds => match gap.or(self.rule.live.then_some(Gap::Standing)) {
                Some(gap) => Verdict::Unknown(gap),
                None => Verdict::Allow,
            },
        }
    }

    /// Nobody is let in where the request must speak of somebody's own.
    fn recalled_of_nobody(&self) -> Verdict {
        if self.rule.is_bound() {
            Verdict::Deny
        } else if self.rule.bindings.is_empty() {
            Verdict::Allow
        } else {
            Verdict::Unknown(Gap::Fields)
        }
    }

    fn requirement_part(&self, subject: &Subject, hidden: &[usize]) -> Part {
        let demand = &self.rule.demand;
        let Some(check) = &demand.check else { return Part::Holds };
        let mut facts = subject.facts().clone();
        let (mut open, mut gap) = (Vec::new(), None);
        for (number, atom) in demand.atoms.iter() {
            match atom_part(atom, self, subject, hidden) {
                Part::Holds => facts.insert(*number),
                Part::Fails => {}
                Part::Open(why) => {
                    open.push(*number);
                    gap = gap.or(Some(why));
                }
            }
        }
        match check.verdict(&facts, &open) {
            check::Verdict::Always => Part::Holds,
            check::Verdict::Never => Part::Fails,
            check::Verdict::Sometimes => Part::Open(gap.unwrap_or(Gap::Claims)),
        }
    }

    /// A value, if it is known; else what is missing.
    fn value<'a>(
        &'a self,
        value: &'a Value,
        subject: &'a Subject,
        hidden: &[usize],
    ) -> Result<Option<&'a str>, Gap> {
        Ok(match value {
            Value::Segment(at) if hidden.contains(at) => return Err(Gap::Path),
            Value::Segment(at) => self.target.segment(*at),
            Value::Query(_) | Value::Header(_) => return Err(Gap::Fields),
            Value::Claim(_) | Value::Subject => return Err(Gap::Claims),
            Value::Host => self.host(),
            Value::OrganizationId => subject.organization_id(),
            Value::OrganizationSlug => subject.organization_slug(),
            Value::Text(text) => Some(text),
            // Only claims are compared with it, and those are not known.
            Value::Bool(_) => return Err(Gap::Claims),
        })
    }
}

fn binding_part(binding: &Bound, found: &RuleMatch<'_>, subject: &Subject, hidden: &[usize]) -> Part {
    let value = match found.value(&binding.value, subject, hidden) {
        Ok(value) => value,
        // It is nothing of the caller's organization, and may be something else of the caller's.
        Err(Gap::Path) if binding.targets.iter().all(|(target, _)| target.is_organization()) => {
            return Part::Fails;
        }
        Err(gap) => return Part::Open(gap),
    };
    let mut open = None;
    for (_, target) in binding.targets.iter() {
        match found.value(target, subject, hidden) {
            Ok(theirs) if theirs.is_some() && theirs == value => return Part::Holds,
            Ok(_) => {}
            Err(gap) => open = Some(gap),
        }
    }
    open.map_or(Part::Fails, Part::Open)
}

fn atom_part(atom: &Atom, found: &RuleMatch<'_>, subject: &Subject, hidden: &[usize]) -> Part {
    let part = |holds: bool| if holds { Part::Holds } else { Part::Fails };
    match atom {
        Atom::Acr(_) | Atom::Fresh(_) => Part::Open(Gap::SignIn),
        Atom::Via(name) => part(subject.authenticator() == Some(name)),
        Atom::Compare { left, operator, right } => {
            let (left, right) =
                match (found.value(left, subject, hidden), found.value(right, subject, hidden)) {
                    (Ok(left), Ok(right)) => (left, right),
                    (Err(gap), _) | (_, Err(gap)) => return Part::Open(gap),
                };
            match (operator, left, right) {
                (Operator::Equal, Some(left), Some(right)) => part(left == right),
                (Operator::Unequal, Some(left), Some(right)) => part(left != right),
                _ => Part::Fails,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use orgate_claims::{
        IssuerUrl, Organization, OrganizationId, Permission, Principal, RoleName, Slug, SubjectId,
    };

    use super::*;
    use crate::{BindSource, BindSpec, BindTarget, Place, PolicySpec, Requirement, RuleKey, RuleSpec};

    fn policy(rules: &[(&str, &str)]) -> Policy {
        // The query is bound only where a rule has `/q`.
        let by_query = rules.iter().any(|(key, _)| key.contains("/q"));
        let rules = rules.iter().map(|(key, requirement)| {
            let live = requirement.starts_with("live ");
            let requirement = Requirement::parse(requirement.trim_start_matches("live ")).unwrap();
            RuleSpec { live, ..RuleSpec::new(RuleKey::parse(key).unwrap(), requirement, Place::default()) }
        });
        let bind =
            |name: &str, target| BindSpec { source: BindSource::parse(name).unwrap(), targets: vec![target] };
        let mut bindings = vec![bind("user", BindTarget::Subject)];
        bindings.extend(by_query.then(|| bind("query.org", BindTarget::OrganizationId)));
        Policy::compile(PolicySpec {
            rules: rules.collect(),
            permissions: ["read", "write"].map(|name| Permission::parse(name).unwrap()).into(),
            known_roles: ["owner"].map(|name| RoleName::parse(name).unwrap()).into(),
            authenticators: vec!["ci".into()],
            bind: bindings,
            ..PolicySpec::default()
        })
        .unwrap()
    }

    fn reader() -> Principal {
        let slug = Some(Slug::parse("acme").unwrap());
        Principal::builder(IssuerUrl::parse("https://i").unwrap(), SubjectId::parse("usr_a").unwrap())
            .organization(Some(Organization::new(OrganizationId::parse("org_acme").unwrap(), slug)))
            .permissions(Some(vec![Permission::parse("read").unwrap()]))
            .build()
    }

    /// What `rules` say of GET `path`, in which segments in braces are hidden.
    fn told(rules: &[(&str, &str)], path: &str, caller: &str) -> String {
        let policy = policy(rules);
        let subject = policy.subject(&reader());
        let proven = policy.subject(&reader()).authenticated_by("ci");
        let caller = match caller {
            "reader" => Witnessed::Caller(&subject),
            "ci" => Witnessed::Caller(&proven),
            "nobody" => Witnessed::Nobody,
            "refused" => Witnessed::Refused,
            _ => Witnessed::Unread,
        };
        let target = RequestTarget::parse("GET", path).unwrap();
        let hidden: Vec<usize> =
            target.segments().enumerate().filter(|(_, s)| s.starts_with('{')).map(|(at, _)| at).collect();
        match policy.recall(&target, &hidden, caller).verdict {
            Verdict::Allow => "allow".to_owned(),
            Verdict::Deny => "deny".to_owned(),
            Verdict::Unknown(gap) => format!("{gap:?}"),
        }
    }

    #[test]
    fn what_the_log_tells_is_decided_and_the_rest_is_not_guessed() {
        for (requirement, caller, expected) in [
            ("read", "reader", "allow"),
            ("write", "reader", "deny"),
            ("read and fresh(5m)", "reader", "SignIn"),
            ("write and fresh(5m)", "reader", "deny"),
            ("read or fresh(5m)", "reader", "allow"),
            ("read and acr(\"mfa\")", "reader", "SignIn"),
            ("sub == \"usr_a\"", "reader", "Claims"),
            ("org.slug == \"acme\"", "reader", "allow"),
            ("org.slug != \"acme\"", "reader", "deny"),
            ("header.x-a == \"1\"", "reader", "Fields"),
            ("read or header.x-a == \"1\"", "reader", "allow"),
            ("header.x-a == \"1\" or not header.x-a == \"1\"", "reader", "allow"),
            ("live read", "reader", "Standing"),
            ("live write", "reader", "deny"),
            ("public", "unread", "allow"),
            ("deny", "unread", "deny"),
            ("read", "unread", "Credential"),
            ("read", "nobody", "deny"),
            ("read", "refused", "deny"),
            ("optional", "refused", "deny"),
            ("public", "refused", "allow"),
            ("via(ci)", "ci", "allow"),
            ("via(ci)", "reader", "Credential"),
            ("via(ci)", "nobody", "Credential"),
            ("read", "ci", "Credential"),
        ] {
            assert_eq!(told(&[("GET /a", requirement)], "/a", caller), expected, "{requirement} {caller}");
        }
        assert_eq!(told(&[("GET /a", "read")], "/b", "reader"), "deny", "no rule");
    }

    #[test]
    fn bindings_are_judged_by_what_is_known_of_them() {
        for (rule, requirement, path, caller, expected) in [
            ("GET /orgs/{org_id}", "read", "/orgs/org_acme", "reader", "allow"),
            ("GET /orgs/{org_id}", "read", "/orgs/org_evil", "reader", "deny"),
            ("GET /orgs/{org_id}", "read", "/orgs/{org_id}", "reader", "deny"),
            ("GET /orgs/{org}", "read", "/orgs/acme", "reader", "allow"),
            ("GET /orgs/{org_id}", "optional", "/orgs/{org_id}", "nobody", "deny"),
            ("GET /users/{user}", "read", "/users/{user}", "reader", "Path"),
            ("GET /users/{user}", "write", "/users/{user}", "reader", "deny"),
            ("GET /users/{user}", "read", "/users/usr_a", "reader", "Claims"),
            ("GET /q/a", "read", "/q/a", "reader", "Fields"),
            ("GET /q/a", "write", "/q/a", "reader", "deny"),
            ("GET /q/a", "optional", "/q/a", "nobody", "Fields"),
            ("GET /d/{x}", "read and path.x == \"1\"", "/d/{x}", "reader", "Path"),
        ] {
            assert_eq!(told(&[(rule, requirement)], path, caller), expected, "{rule}: {requirement} {path}");
        }
    }

    #[test]
    fn a_hidden_segment_may_be_one_that_another_rule_names() {
        let docs = ("GET /docs/{id}", "read");
        assert_eq!(told(&[docs], "/docs/{id}", "reader"), "allow");
        assert_eq!(told(&[docs, ("GET /docs/open", "public")], "/docs/{id}", "reader"), "allow");
        assert_eq!(told(&[docs, ("GET /docs/secret", "write")], "/docs/{id}", "reader"), "Path");
        assert_eq!(told(&[docs, ("GET /docs/secret", "write")], "/docs/7", "reader"), "allow");
        assert_eq!(told(&[docs, ("POST /docs/secret", "write")], "/docs/{id}", "reader"), "allow");
        assert_eq!(told(&[("GET /docs/secret", "read")], "/docs/{id}", "reader"), "Path", "or no rule");
        let below = [("GET /**", "read"), ("GET /docs/7/**", "write")];
        assert_eq!(told(&below, "/docs/{id}/{*}", "reader"), "Path");
        assert_eq!(told(&[("GET /**", "read"), ("GET /docs/**", "write")], "/docs/{id}", "reader"), "deny");
    }
}
