//! A principal, as one policy sees it.

use orgate_claims::{ClaimValue, Principal, UnixTime};

use crate::{
    PermissionsFrom, Policy,
    set::Set,
    vocabulary::{AUTHENTICATED, ORGANIZATION},
};

/// What one policy knows of a principal: the facts it asks for as bits, and the values it binds. Made once per token
/// and kept beside it under the policy's generation; the only input of a decision.
#[derive(Clone, Debug)]
pub struct Subject {
    facts: Set,
    pub(crate) org_id: Option<Box<str>>,
    pub(crate) org_slug: Option<Box<str>>,
    sub: Box<str>,
    /// The claims that the policy compares, by slot.
    claims: Box<[Option<ClaimValue>]>,
    acr: Option<Box<str>>,
    auth_time: Option<UnixTime>,
    authenticator: Option<Box<str>>,
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

    pub(crate) fn sub(&self) -> &str {
        &self.sub
    }

    pub(crate) fn claim(&self, slot: usize) -> Option<&ClaimValue> {
        self.claims.get(slot)?.as_ref()
    }

    pub(crate) fn acr(&self) -> Option<&str> {
        self.acr.as_deref()
    }

    pub(crate) fn auth_time(&self) -> Option<UnixTime> {
        self.auth_time
    }

    /// What authenticated the caller instead of a token.
    #[must_use]
    pub fn authenticator(&self) -> Option<&str> {
        self.authenticator.as_deref()
    }

    /// The same caller, authenticated by `name` instead of by a token.
    #[must_use]
    pub fn authenticated_by(mut self, name: &str) -> Self {
        self.authenticator = Some(name.into());
        self
    }
}

impl Policy {
    /// The principal as this policy sees it. Permissions and roles that the policy does not know are left out; roles
    /// are expanded to permissions only as [`PermissionsFrom`] says.
    #[must_use]
    pub fn subject(&self, principal: &Principal) -> Subject {
        self.subject_from(principal, self.permissions_from())
    }

    /// The principal as this policy sees it, with permissions from where its issuer is said to keep them.
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
            claims: self.claim_names().map(|name| principal.claim(name).cloned()).collect(),
            acr: principal.acr().map(Into::into),
            auth_time: principal.auth_time(),
            authenticator: None,
            generation: self.generation(),
        }
    }

    /// A caller of whom nothing is known, for explanations.
    pub(crate) fn nobody(&self) -> Subject {
        Subject {
            facts: self.vocabulary().empty_set(),
            org_id: None,
            org_slug: None,
            sub: Box::default(),
            claims: Box::default(),
            acr: None,
            auth_time: None,
            authenticator: None,
            generation: self.generation(),
        }
    }

    /// The permissions that `subject` has under this policy, sorted by name.
    #[must_use]
    pub fn effective_permissions(&self, subject: &Subject) -> Vec<&str> {
        self.vocabulary().permissions_in(subject.facts())
    }
}
