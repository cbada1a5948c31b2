//! Claim shapes that are known by name.
//!
//! Data only: which claims of an issuer's access tokens fill which slot, which types these tokens have, what tells them
//! from its other tokens, and where they say whom they are for. Everything is optional but `sub`; a profile never fills
//! `claims.*`. The one shape that takes more than a mapping, the features of Clerk, is decoded by `orgate-verify`.

use orgate_verify::{ClaimMapping, ClaimRef, ClaimSource, MappingError, Pick, Telltale, TokenTypes};

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

    /// Fills this slot of `mapping`.
    pub(super) fn fill(
        self,
        mapping: ClaimMapping,
        source: ClaimSource,
    ) -> Result<ClaimMapping, MappingError> {
        match self {
            Self::Subject => mapping.subject(source),
            Self::OrganizationId => mapping.organization_id(source),
            Self::OrganizationSlug => mapping.organization_slug(source),
            Self::Role => mapping.roles(source),
            Self::Permissions => mapping.permissions(source),
        }
    }
}

/// How a slot is filled: the first claim that is present.
#[derive(Clone, Copy, Debug)]
struct Source {
    slot: Slot,
    from: &'static [&'static str],
    /// A prefix that names lose.
    strip: Option<&'static str>,
    /// What separates names within one text.
    split: Option<&'static str>,
    pick: Option<Picked>,
    /// A claim whose text gives the value behind a prefix.
    behind: Option<(&'static str, &'static str)>,
}

/// [`Pick`], as a constant.
#[derive(Clone, Copy, Debug)]
enum Picked {
    Member(&'static str),
    KeysOfOrganization,
    Only(Option<&'static str>),
}

const fn from(slot: Slot, from: &'static [&'static str]) -> Source {
    Source { slot, from, strip: None, split: None, pick: None, behind: None }
}

impl Source {
    const fn picking(self, pick: Picked) -> Self {
        Self { pick: Some(pick), ..self }
    }

    fn build(&self) -> Option<ClaimSource> {
        let from = self.from.iter().map(|name| ClaimRef::parse(name).ok()).collect::<Option<Vec<_>>>()?;
        let mut built = ClaimSource::new(from);
        if let Some(prefix) = self.strip {
            built = built.strip(prefix);
        }
        if let Some(separator) = self.split {
            built = built.split(separator);
        }
        if let Some((claim, prefix)) = self.behind {
            built = built.or_behind(ClaimRef::parse(claim).ok()?, prefix);
        }
        Some(match self.pick {
            None => built,
            Some(Picked::Member(member)) => built.pick(Pick::Member(member.into())),
            Some(Picked::KeysOfOrganization) => built.pick(Pick::KeysOfOrganization),
            Some(Picked::Only(member)) => built.pick(Pick::Only(member.map(Into::into))),
        })
    }
}

/// A known claim shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Profile {
    pub(super) name: &'static str,
    pub(super) types: TokenTypes,
    /// Whether its tokens have every claim that RFC 9068 asks for.
    pub(super) is_rfc9068: bool,
    /// Whether it brings the permissions and roles of [`PERMISSIONS`] and [`ROLES`].
    pub(super) brings_names: bool,
    /// What its access tokens have and its other tokens have not.
    pub(super) telltale: Option<Telltale>,
    /// The claim that says whom a token is for where it has no `aud`.
    pub(super) audience_claim: Option<&'static str>,
    shape: Shape,
}

/// Which claims fill which slot.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// The claims of orgate's own issuer, as `orgate-verify` reads them.
    Orgate,
    Claims(&'static [Source]),
    /// Claims, and permissions from Clerk's features.
    ClerkV2(&'static [Source]),
}

impl Profile {
    /// The claims that fill the slots.
    pub(super) fn mapping(&self) -> ClaimMapping {
        let (start, sources) = match self.shape {
            Shape::Orgate => return ClaimMapping::orgate(),
            Shape::Claims(sources) => (ClaimMapping::none(), sources),
            Shape::ClerkV2(sources) => (ClaimMapping::none().clerk_v2_permissions(), sources),
        };
        sources.iter().fold(start, |mapping, source| {
            let filled = source.build().and_then(|built| source.slot.fill(mapping.clone(), built).ok());
            filled.unwrap_or(mapping)
        })
    }
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

const fn claims(name: &'static str, sources: &'static [Source]) -> Profile {
    Profile {
        name,
        types: TokenTypes::ALL,
        is_rfc9068: false,
        brings_names: false,
        telltale: None,
        audience_claim: None,
        shape: Shape::Claims(sources),
    }
}

/// A session of Clerk that is still pending, for want of a second factor or an organization, is nobody's yet.
const SIGNED_IN: Telltale = Telltale::SaysNothingElse("sts", &["active"]);

/// Every profile.
pub(super) const ALL: [Profile; 16] = [
    // The companion issuer: RFC 9068 access tokens, `org_id org_slug org_role org_permissions`.
    Profile {
        types: TokenTypes::ACCESS_TOKEN,
        is_rfc9068: true,
        brings_names: true,
        shape: Shape::Orgate,
        ..claims("orgate", &[])
    },
    // The same claims; the type of its tokens is not published.
    Profile { brings_names: true, shape: Shape::Orgate, ..claims("astapa", &[]) },
    // `role` alone; before an organization is chosen both are null. Its own pages also say `roles`, `organization_id`
    // and `permissions`.
    claims(
        "hellojohn",
        &[
            from(Slot::OrganizationId, &["org_id", "organization_id"]),
            from(Slot::OrganizationSlug, &["org_slug"]),
            from(Slot::Role, &["role", "roles", "org_role"]),
            from(Slot::Permissions, &["permissions"]),
        ],
    ),
    // Astapa's claim names with namespaced permissions.
    claims(
        "aero2",
        &[
            from(Slot::OrganizationId, &["org_id"]),
            from(Slot::OrganizationSlug, &["org_slug"]),
            from(Slot::Role, &["org_role"]),
            from(Slot::Permissions, &["org_permissions"]),
        ],
    ),
    // An organization and the roles in it; permissions are never in the token.
    claims("authsome", &[from(Slot::OrganizationId, &["org_id"]), from(Slot::Role, &["roles"])]),
    // TurboStarter's Better Auth: what its JWT plugin signs, with the active organization of the session; roles and
    // permissions stay on the server. The session cookie itself is opaque and is none of a profile's business.
    claims(
        "better-auth",
        &[from(Slot::OrganizationId, &["activeOrganizationId", "/session/activeOrganizationId"])],
    ),
    // Session tokens of version 1; roles are written `org:admin`. No `aud` unless a template adds one; `azp` is the
    // origin of the application, which Clerk's own libraries check.
    Profile {
        telltale: Some(SIGNED_IN),
        audience_claim: Some("azp"),
        ..claims(
            "clerk",
            &[
                from(Slot::OrganizationId, &["org_id"]),
                from(Slot::OrganizationSlug, &["org_slug"]),
                Source { strip: Some("org:"), ..from(Slot::Role, &["org_role"]) },
                from(Slot::Permissions, &["org_permissions"]),
            ],
        )
    },
    // Session tokens of version 2.
    Profile {
        telltale: Some(SIGNED_IN),
        audience_claim: Some("azp"),
        shape: Shape::ClerkV2(&[
            from(Slot::OrganizationId, &["/o/id"]),
            from(Slot::OrganizationSlug, &["/o/slg"]),
            from(Slot::Role, &["/o/rol"]),
        ]),
        ..claims("clerk-v2", &[])
    },
    // Organizations with "add permissions in the access token"; roles need a claim of the customer's own name.
    claims(
        "auth0",
        &[
            from(Slot::OrganizationId, &["org_id"]),
            from(Slot::OrganizationSlug, &["org_name"]),
            from(Slot::Permissions, &["permissions"]),
        ],
    ),
    claims(
        "workos",
        &[
            from(Slot::OrganizationId, &["org_id"]),
            from(Slot::Role, &["roles", "role"]),
            from(Slot::Permissions, &["permissions"]),
        ],
    ),
    // Realm roles, which hold in every organization. `organization` is a text, an array of aliases, or a map from aliases to attributes and perhaps the
    // `id`; it says which organization is meant only where it names one.
    Profile {
        telltale: Some(Telltale::Says("typ", &["Bearer", "DPoP"])),
        ..claims(
            "keycloak",
            &[
                from(Slot::OrganizationId, &["organization"]).picking(Picked::Only(Some("id"))),
                from(Slot::OrganizationSlug, &["organization"]).picking(Picked::Only(None)),
                from(Slot::Role, &["/realm_access/roles"]),
            ],
        )
    },
    claims(
        "zitadel",
        &[
            from(Slot::OrganizationId, &["urn:zitadel:iam:user:resourceowner:id"]),
            from(Slot::OrganizationSlug, &["urn:zitadel:iam:user:resourceowner:primary_domain"]),
            // Each role names the organizations in which it was granted.
            from(Slot::Role, &["urn:zitadel:iam:org:project:roles"]).picking(Picked::KeysOfOrganization),
        ],
    ),
    claims(
        "kinde",
        &[
            from(Slot::OrganizationId, &["org_code"]),
            from(Slot::Role, &["roles"]).picking(Picked::Member("key")),
            from(Slot::Permissions, &["permissions"]),
        ],
    ),
    // Tokens for an API within an organization name it; tokens for the organization itself have it in `aud` alone.
    claims(
        "logto",
        &[
            Source {
                behind: Some(("aud", "urn:logto:organization:")),
                ..from(Slot::OrganizationId, &["organization_id"])
            },
            Source { split: Some(" "), ..from(Slot::Permissions, &["scope"]) },
        ],
    ),
    // Access tokens of user pools: no `aud` unless a resource was asked for, groups as roles, scopes as permissions.
    Profile {
        telltale: Some(Telltale::Says("token_use", &["access"])),
        audience_claim: Some("client_id"),
        ..claims(
            "cognito",
            &[
                from(Slot::Role, &["cognito:groups"]),
                Source { split: Some(" "), ..from(Slot::Permissions, &["scope"]) },
            ],
        )
    },
    // The tenant is the organization. `appid` (version 1) and `azp` (version 2) are in access tokens only.
    Profile {
        telltale: Some(Telltale::HasOneOf(&["azp", "appid"])),
        ..claims(
            "entra",
            &[
                from(Slot::OrganizationId, &["tid"]),
                from(Slot::Role, &["roles"]),
                Source { split: Some(" "), ..from(Slot::Permissions, &["scp"]) },
            ],
        )
    },
];

pub(super) fn find(name: &str) -> Option<&'static Profile> {
    ALL.iter().find(|profile| profile.name == name)
}
