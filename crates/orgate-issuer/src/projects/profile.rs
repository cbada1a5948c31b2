//! In whose words the access tokens of a project speak.
//!
//! The four claims of `orgate` are always there; a profile adds what an application that was written for another system
//! looks for. Nothing of it can name more rights than the role has.

use serde_json::{Map, Value, json};

/// A vocabulary for access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClaimsProfile {
    /// `org_id`, `org_slug`, `org_role`, `org_permissions`, `org_ver`.
    Orgate,
    /// The same, and `role` as HelloJohn writes it, and `permissions`.
    HelloJohn,
    /// The permissions with the names of Aero2, and `token_use`.
    Aero2,
}

/// What the permissions of the catalogue are called there.
const AERO2: [(&str, &[&str]); 7] = [
    ("read", &["org:read"]),
    ("write", &["org:write"]),
    ("invite", &["org:members:write"]),
    ("remove_members", &["org:members:write"]),
    ("change_roles", &["org:manage", "org:members:write"]),
    ("delete_org", &["org:delete"]),
    ("transfer_ownership", &["org:transfer"]),
];

impl ClaimsProfile {
    pub(crate) const ALL: [Self; 3] = [Self::Orgate, Self::HelloJohn, Self::Aero2];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Orgate => "orgate",
            Self::HelloJohn => "hellojohn",
            Self::Aero2 => "aero2",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == name)
    }

    /// What `org_permissions` says of these permissions.
    pub(crate) fn permissions(self, permissions: Vec<String>) -> Vec<String> {
        if self != Self::Aero2 {
            return permissions;
        }
        let mut named: Vec<String> = Vec::new();
        for permission in permissions {
            // A permission of the project's own has its name everywhere.
            let own = [permission.as_str()];
            let names = AERO2.iter().find(|(key, _)| *key == permission).map_or(&own[..], |(_, names)| names);
            for name in names {
                if !named.iter().any(|known| known == name) {
                    named.push((*name).to_owned());
                }
            }
        }
        named
    }

    /// Adds what only this profile writes. `organization` is the role and its permissions.
    pub(crate) fn add(self, claims: &mut Map<String, Value>, organization: Option<(&str, &[String])>) {
        match (self, organization) {
            (Self::Orgate, _) | (Self::HelloJohn, None) => {}
            (Self::HelloJohn, Some((role, permissions))) => {
                claims.insert("role".to_owned(), json!(role));
                claims.insert("permissions".to_owned(), json!(permissions));
            }
            (Self::Aero2, _) => {
                claims.insert("token_use".to_owned(), json!("access"));
            }
        }
    }
}
