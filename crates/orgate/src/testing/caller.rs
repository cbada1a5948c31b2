//! Callers that a test makes up.

#![allow(clippy::panic, reason = "a test ends where it asks for what the policy does not know")]

use std::{fmt, sync::Arc};

use orgate_claims::{
    IssuerUrl, Organization, OrganizationId, Permission, Principal, RoleName, Slug, SubjectId,
};
use orgate_policy::{Facts, Subject, closest};

use super::{Coverage, Outcome};
use crate::{
    Code, Rejection, clock,
    gate::GateParts,
    judge::{Asked, Caller, Judged, unreadable},
};

/// Who asks, and what there is to ask; made by [`Gate::test`](crate::Gate::test). Can be kept and used many times.
#[derive(Clone, Debug)]
pub struct TestCaller {
    parts: Arc<GateParts>,
    signed_in: bool,
    subject: String,
    roles: Vec<RoleName>,
    /// What the token carries; `None`: what follows from the roles.
    permissions: Option<Vec<Permission>>,
    organization: Option<Organization>,
}

impl Caller for Subject {
    fn subject(&self) -> &Subject {
        self
    }
}

impl TestCaller {
    pub(super) fn anonymous(parts: Arc<GateParts>) -> Self {
        Self {
            parts,
            signed_in: false,
            subject: "usr_test".to_owned(),
            roles: Vec::new(),
            permissions: None,
            organization: None,
        }
    }

    /// Somebody with a valid token, and nothing in it yet.
    #[must_use]
    pub fn signed_in(mut self) -> Self {
        self.signed_in = true;
        self
    }

    /// Somebody with this `sub`; otherwise it is `usr_test`.
    #[must_use]
    pub fn as_subject(mut self, subject: &str) -> Self {
        self.subject = subject.to_owned();
        self.signed_in()
    }

    /// Somebody with this role, and with what it grants: by `roles:` in the policy file, or else, for the roles that the
    /// profiles `orgate` and `astapa` bring, by [the built-in matrix](orgate_config::matrix). Used twice, both roles.
    ///
    /// # Panics
    /// If the policy does not know the role: a rule could never ask for it.
    #[must_use]
    #[track_caller]
    pub fn as_role(mut self, role: &str) -> Self {
        let policy = self.parts.policy();
        if !policy.roles().any(|known| known == role) {
            panic!("{}", unknown("role", role, policy.roles()));
        }
        let role = RoleName::parse(role).unwrap_or_else(|error| panic!("the role `{role}` {error}"));
        self.roles.push(role);
        self.signed_in()
    }

    /// Somebody whose token carries exactly these permissions, whatever the roles would grant.
    ///
    /// # Panics
    /// If the policy does not know one of them: a rule could never ask for it.
    #[must_use]
    #[track_caller]
    pub fn with_permissions(mut self, permissions: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut carried = Vec::new();
        for name in permissions {
            let (name, policy) = (name.as_ref(), self.parts.policy());
            if !policy.permissions().any(|known| known == name) {
                panic!("{}", unknown("permission", name, policy.permissions()));
            }
            let permission = Permission::parse(name);
            carried.push(permission.unwrap_or_else(|error| panic!("the permission `{name}`: {error}")));
        }
        self.permissions = Some(carried);
        self.signed_in()
    }

    /// Somebody who acts in this organization: both its id and its slug are `organization`.
    ///
    /// # Panics
    /// If no organization can be called that.
    #[must_use]
    #[track_caller]
    pub fn in_org(self, organization: &str) -> Self {
        self.in_org_with_slug(organization, organization)
    }

    /// Somebody who acts in the organization with this id and this slug.
    ///
    /// # Panics
    /// If no organization can be called that.
    #[must_use]
    #[track_caller]
    pub fn in_org_with_slug(mut self, id: &str, slug: &str) -> Self {
        let id = OrganizationId::parse(id).unwrap_or_else(|error| panic!("the organization `{id}` {error}"));
        let slug = Slug::parse(slug).unwrap_or_else(|error| panic!("the slug `{slug}` {error}"));
        self.organization = Some(Organization::new(id, Some(slug)));
        self.signed_in()
    }

    /// `GET path`.
    #[must_use = "say what is expected: `.allowed()` or `.denied(..)`"]
    pub fn get(&self, path: &str) -> Outcome {
        self.request("GET", path)
    }

    /// `POST path`.
    #[must_use = "say what is expected: `.allowed()` or `.denied(..)`"]
    pub fn post(&self, path: &str) -> Outcome {
        self.request("POST", path)
    }

    /// `PUT path`.
    #[must_use = "say what is expected: `.allowed()` or `.denied(..)`"]
    pub fn put(&self, path: &str) -> Outcome {
        self.request("PUT", path)
    }

    /// `PATCH path`.
    #[must_use = "say what is expected: `.allowed()` or `.denied(..)`"]
    pub fn patch(&self, path: &str) -> Outcome {
        self.request("PATCH", path)
    }

    /// `DELETE path`.
    #[must_use = "say what is expected: `.allowed()` or `.denied(..)`"]
    pub fn delete(&self, path: &str) -> Outcome {
        self.request("DELETE", path)
    }

    /// `method path`; the path as a client would send it, with a query if need be.
    #[must_use = "say what is expected: `.allowed()` or `.denied(..)`"]
    pub fn request(&self, method: &str, path: &str) -> Outcome {
        let policy = self.parts.policy();
        let subject = self.signed_in.then(|| policy.subject(&self.principal()));
        let permissions = subject
            .as_ref()
            .map(|subject| policy.effective_permissions(subject).join(", "))
            .unwrap_or_default();
        let request = format!("{method} {path} as {self}");
        let request =
            if permissions.is_empty() { request } else { format!("{request}, who may {permissions},") };
        let path_and_query = match policy.normalized(path) {
            Ok(normal) => normal,
            Err(error) => {
                let rejection = unreadable(error).rendered(self.parts.deny);
                return Outcome::refused(request, policy, rejection);
            }
        };
        let facts = Facts::at(clock::now());
        let asked = Asked { method, path_and_query: &path_and_query, host: None, facts };
        match self.parts.judge(asked, |_| Ok(subject)) {
            Ok(Judged { refused: Some(rejection), .. }) => Outcome::refused(request, policy, rejection),
            Ok(Judged { rule, .. }) => {
                let rule = rule.and_then(|rule| policy.rule(rule)).unwrap_or_default();
                Outcome::allowed_by(request, policy, rule)
            }
            // Made-up callers bring everything that there is to know of them.
            Err(_) => Outcome::refused(request, policy, Rejection::new(Code::KeysUnavailable)),
        }
    }

    /// Compares the policy with the application's routes, each as its method (or `ANY`) and its template, such as
    /// `("GET", "/orgs/{org_id}")`. axum does not list its routes, so the application does. Who asks does not matter.
    ///
    /// # Panics
    /// If a template is one that no request can match.
    #[must_use]
    #[track_caller]
    pub fn coverage<M: AsRef<str>, T: AsRef<str>>(
        &self,
        routes: impl IntoIterator<Item = (M, T)>,
    ) -> Coverage {
        Coverage::of(self.parts.policy(), routes)
    }

    fn principal(&self) -> Principal {
        let issuer = IssuerUrl::parse("https://test.invalid")
            .unwrap_or_else(|error| panic!("the issuer of a test {error}"));
        let subject = SubjectId::parse(&self.subject)
            .unwrap_or_else(|error| panic!("the subject `{}` {error}", self.subject));
        Principal::builder(issuer, subject)
            .roles(self.roles.clone())
            .permissions(self.permissions.clone().or_else(|| self.by_matrix()))
            .organization(self.organization.clone())
            .build()
    }

    /// What a token carries for the roles that the policy does not expand itself; `None` if that is none of them.
    fn by_matrix(&self) -> Option<Vec<Permission>> {
        let policy = self.parts.policy();
        let roles = self.roles.iter().map(RoleName::as_str);
        let brought: Vec<_> = roles
            .filter(|role| policy.role_grants(role).is_none())
            .filter_map(orgate_config::matrix::permissions)
            .collect();
        let names = brought.iter().flat_map(|names| names.iter());
        (!brought.is_empty()).then(|| names.filter_map(|name| Permission::parse(name).ok()).collect())
    }
}

impl fmt::Display for TestCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.signed_in {
            return f.write_str("anonymous");
        }
        f.write_str(&self.subject)?;
        if !self.roles.is_empty() {
            let roles: Vec<&str> = self.roles.iter().map(RoleName::as_str).collect();
            write!(f, " ({})", roles.join(", "))?;
        }
        match &self.organization {
            Some(organization) => write!(f, " in {}", organization.id),
            None => f.write_str(" in no organization"),
        }
    }
}

fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> String {
    let known: Vec<&str> = known.collect();
    let help = match closest(name, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => format!("the policy knows no {what} at all"),
        None => format!("it knows {}", known.join(", ")),
    };
    format!("the policy knows no {what} `{name}`\n  = help: {help}")
}
