//! A principal, as one policy sees it.

use orgate_claims::Principal;

use crate::{
    PermissionsFrom, Policy,
    bind::BindTarget,
    set::Set,
    vocabulary::{AUTHENTICATED, ORGANIZATION},
};

/// What one policy knows of a principal: the facts it asks for as bits, and the values it binds. Made once per token
/// and kept beside it under the policy's generation; the only input of a decision.
#[derive(Clone, Debug)]
pub struct Subject {
    facts: Set,
    org_id: Option<Box<str>>,
    org_slug: Option<Box<str>>,
    sub: Box<str>,
    generation: u64,
}

impl Subject {
    pub(crate) fn facts(&self) -> &Set {
        &self.facts
    }

    /// The policy this was made for ([`Policy::generation`]). Another policy numbers its facts otherwise.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The value of a bind target; an empty text counts as absent.
    pub(crate) fn value(&self, target: BindTarget) -> Option<&str> {
        let value = match target {
            BindTarget::OrganizationId => self.org_id.as_deref(),
            BindTarget::OrganizationSlug => self.org_slug.as_deref(),
            BindTarget::Subject => Some(&*self.sub),
        };
        value.filter(|value| !value.is_empty())
    }
}

impl Policy {
    /// The principal as this policy sees it. Permissions and roles that the policy does not know are left out; roles
    /// are expanded to permissions only as [`PermissionsFrom`] says.
    #[must_use]
    pub fn subject(&self, principal: &Principal) -> Subject {
        self.subject_from(principal, self.permissions_from())
    }

    /// [`Policy::subject`], where the issuer of the principal has a choice of its own.
    #[must_use]
    pub fn subject_from(&self, principal: &Principal, from: PermissionsFrom) -> Subject {
        let vocabulary = self.vocabulary();
        let mut facts = vocabulary.empty_set();
        facts.insert(AUTHENTICATED);
        if principal.organization().is_some() {
            facts.insert(ORGANIZATION);
        }
        let (token, roles) = match from {
            PermissionsFrom::Token => (true, false),
            PermissionsFrom::Role => (false, true),
            PermissionsFrom::Union => (true, true),
            PermissionsFrom::TokenElseRole => (true, !principal.has_permissions_claim()),
        };
        if token {
            for permission in principal.permissions() {
                if let Some(number) = vocabulary.permission(permission.as_str()) {
                    facts.insert(number);
                }
            }
        }
        for role in principal.roles() {
            if let Some(number) = vocabulary.role(role.as_str()) {
                facts.insert(number);
            }
            if let Some(grants) = self.grants(role.as_str()).filter(|_| roles) {
                facts.extend(grants);
            }
        }
        let organization = principal.organization();
        Subject {
            facts,
            org_id: organization.map(|organization| organization.id.as_str().into()),
            org_slug: organization
                .and_then(|organization| organization.slug.as_ref())
                .map(|slug| slug.as_str().into()),
            sub: principal.subject().as_str().into(),
            generation: self.generation(),
        }
    }

    /// The permissions that `subject` has under this policy, sorted by name.
    #[must_use]
    pub fn effective_permissions(&self, subject: &Subject) -> Vec<&str> {
        self.vocabulary().permissions_in(subject.facts())
    }
}
