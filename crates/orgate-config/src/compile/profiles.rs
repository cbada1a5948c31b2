//! Claim shapes that are known by name.
//!
//! Data only: which claims of an issuer's access tokens fill which slot, and which types these tokens have. Everything
//! is optional but `sub`; a profile never fills `claims.*`. What an issuer sends in a form that needs more than a
//! mapping is listed in [`LATER`].

use orgate_verify::TokenTypes;

/// A slot of the principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Subject,
    OrganizationId,
    OrganizationSlug,
    Role,
    Permissions,
}

impl Slot {
    /// The slots by their names in a policy file.
    pub(super) const ALL: [(&'static str, Self); 5] = [
        ("sub", Self::Subject),
        ("org.id", Self::OrganizationId),
        ("org.slug", Self::OrganizationSlug),
        ("role", Self::Role),
        ("permissions", Self::Permissions),
    ];
}

/// How a slot is filled: the first claim that is present.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) slot: Slot,
    pub(super) from: &'static [&'static str],
    /// A prefix that names lose.
    pub(super) strip: Option<&'static str>,
    /// What separates names within one text.
    pub(super) split: Option<&'static str>,
    /// `keys`, or the member of each object that is the name.
    pub(super) pick: Option<&'static str>,
}

const fn from(slot: Slot, from: &'static [&'static str]) -> Source {
    Source { slot, from, strip: None, split: None, pick: None }
}

/// A known claim shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Profile {
    pub(super) name: &'static str,
    pub(super) types: TokenTypes,
    /// Whether it brings the permissions and roles of [`PERMISSIONS`] and [`ROLES`].
    pub(super) brings_names: bool,
    /// `None`: the claims of orgate's own issuer, as `orgate-verify` reads them.
    pub(super) sources: Option<&'static [Source]>,
}

/// The permissions that the profiles `orgate` and `astapa` bring, in the order of their catalogue.
pub(super) const PERMISSIONS: [&str; 7] =
    ["read", "write", "invite", "remove_members", "change_roles", "delete_org", "transfer_ownership"];

/// The roles that the profiles `orgate` and `astapa` bring, strongest first.
pub(super) const ROLES: [&str; 4] = ["owner", "admin", "member", "viewer"];

/// What these roles hold, weakest first: for tools that explain and tabulate. No decision rests on it; at run time a role
/// means permissions only where `roles:` says so.
pub(super) const ROLE_TABLE: [(&str, &[&str]); 4] = [
    ("viewer", &["read"]),
    ("member", &["read", "write"]),
    ("admin", &["read", "write", "invite", "remove_members", "change_roles"]),
    ("owner", &PERMISSIONS),
];

/// Profiles of the whole language that need more than a mapping, or more than this version reads.
pub(super) const LATER: [&str; 3] = ["clerk-v2", "cognito", "entra"];

const fn access_token_or_jwt(name: &'static str, sources: &'static [Source]) -> Profile {
    Profile { name, types: TokenTypes::AccessTokenOrJwt, brings_names: false, sources: Some(sources) }
}

/// Every profile of this version.
pub(super) const ALL: [Profile; 13] = [
    // The companion issuer: RFC 9068 access tokens, `org_id org_slug org_role org_permissions`.
    Profile { name: "orgate", types: TokenTypes::AccessTokenOnly, brings_names: true, sources: None },
    // The same claims; the type of its tokens is not published.
    Profile { name: "astapa", types: TokenTypes::AccessTokenOrJwt, brings_names: true, sources: None },
    // `role` alone; before an organization is chosen both are null. Its own pages also say `roles`, `organization_id`
    // and `permissions`.
    access_token_or_jwt(
        "hellojohn",
        &[
            from(Slot::OrganizationId, &["org_id", "organization_id"]),
            from(Slot::OrganizationSlug, &["org_slug"]),
            from(Slot::Role, &["role", "roles", "org_role"]),
            from(Slot::Permissions, &["permissions"]),
        ],
    ),
    // Astapa's claim names with namespaced permissions.
    access_token_or_jwt(
        "aero2",
        &[
            from(Slot::OrganizationId, &["org_id"]),
            from(Slot::OrganizationSlug, &["org_slug"]),
            from(Slot::Role, &["org_role"]),
            from(Slot::Permissions, &["org_permissions"]),
        ],
    ),
    // An organization and the roles in it; permissions are never in the token.
    access_token_or_jwt("authsome", &[from(Slot::OrganizationId, &["org_id"]), from(Slot::Role, &["roles"])]),
    // TurboStarter's Better Auth: what its JWT plugin signs, with the active organization of the session; roles and
    // permissions stay on the server. The session cookie itself is opaque and is none of a profile's business.
    access_token_or_jwt(
        "better-auth",
        &[from(Slot::OrganizationId, &["activeOrganizationId", "/session/activeOrganizationId"])],
    ),
    // Session tokens of version 1; roles are written `org:admin`.
    access_token_or_jwt(
        "clerk",
        &[
            from(Slot::OrganizationId, &["org_id"]),
            from(Slot::OrganizationSlug, &["org_slug"]),
            Source { strip: Some("org:"), ..from(Slot::Role, &["org_role"]) },
            from(Slot::Permissions, &["org_permissions"]),
        ],
    ),
    // Organizations with "add permissions in the access token"; roles need a claim of the customer's own name.
    access_token_or_jwt(
        "auth0",
        &[
            from(Slot::OrganizationId, &["org_id"]),
            from(Slot::OrganizationSlug, &["org_name"]),
            from(Slot::Permissions, &["permissions"]),
        ],
    ),
    access_token_or_jwt(
        "workos",
        &[
            from(Slot::OrganizationId, &["org_id"]),
            from(Slot::Role, &["roles", "role"]),
            from(Slot::Permissions, &["permissions"]),
        ],
    ),
    // Realm roles. `organization` holds every organization of the user and not the active one, so no slot is filled.
    access_token_or_jwt("keycloak", &[from(Slot::Role, &["/realm_access/roles"])]),
    access_token_or_jwt(
        "zitadel",
        &[
            from(Slot::OrganizationId, &["urn:zitadel:iam:user:resourceowner:id"]),
            from(Slot::OrganizationSlug, &["urn:zitadel:iam:user:resourceowner:primary_domain"]),
            Source { pick: Some("keys"), ..from(Slot::Role, &["urn:zitadel:iam:org:project:roles"]) },
        ],
    ),
    access_token_or_jwt(
        "kinde",
        &[
            from(Slot::OrganizationId, &["org_code"]),
            Source { pick: Some("key"), ..from(Slot::Role, &["roles"]) },
            from(Slot::Permissions, &["permissions"]),
        ],
    ),
    // Tokens for an API resource within an organization; permissions are the scopes.
    access_token_or_jwt(
        "logto",
        &[
            from(Slot::OrganizationId, &["organization_id"]),
            Source { split: Some(" "), ..from(Slot::Permissions, &["scope"]) },
        ],
    ),
];

pub(super) fn find(name: &str) -> Option<&'static Profile> {
    ALL.iter().find(|profile| profile.name == name)
}
