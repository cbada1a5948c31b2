//! The organizations' API as the OpenAPI document has it: the same operations in both families, each by its own name.

mod api_keys;
mod domains;
mod people;

pub(super) use self::{
    domains::{join_suggested, suggested_organizations},
    people::{accept, decline, look_at_invitation, own_invitations},
};
use crate::{
    http::problem::Code,
    login::account::SESSION,
    openapi::{
        Members, Named, Operation, Shape, anything, body, both, flag, list, number, object, one_of,
        operators, own, text, texts, time,
    },
    tokens::session_token::SESSION_TOKEN,
};

/// A family of paths, as it is described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Operators,
    EndUsers,
}

impl Family {
    /// What every operation has: who asks is looked up, and the policy judges.
    pub(super) fn about(
        self,
        [of_operators, of_end_users]: [&'static str; 2],
        summary: &'static str,
    ) -> Operation {
        let operation = match self {
            Self::Operators => operators(of_operators, summary),
            Self::EndUsers => {
                own(of_end_users, summary).or_by_token().refuses(&[Code::OrganizationSuspended])
            }
        };
        operation.refuses(&[
            Code::BadRequest,
            Code::NotFound,
            Code::Forbidden,
            Code::OrganizationsDisabled,
            Code::PreconditionFailed,
        ])
    }

    /// The same of an operation that changes something.
    fn change(self, names: [&'static str; 2], summary: &'static str) -> Operation {
        self.about(names, summary).refuses(&[Code::InvalidValue])
    }

    /// The same of one that the application is asked about.
    fn asked(self, names: [&'static str; 2], summary: &'static str) -> Operation {
        self.change(names, summary).refuses(&[Code::RefusedByHook])
    }

    pub(super) fn list_organizations(self) -> Operation {
        let names = ["listOrganizations", "listMyOrganizations"];
        self.about(names, "The organizations of a project, or of a user").lists(ORGANIZATION)
    }

    pub(super) fn create_organization(self) -> Operation {
        let new = settings(body().with("name", text()));
        let new = match self {
            Self::Operators => new
                .may("creator_end_user_id", text())
                .may("created_by", text())
                .may("private_metadata", anything()),
            Self::EndUsers => new,
        };
        self.asked(["createOrganization", "createOwnOrganization"], "A new organization, with its owner")
            .takes(new)
            .gives(201, ORGANIZATION)
            .once()
            .refuses(&[
                Code::UnknownUser,
                Code::SlugTaken,
                Code::SlugReserved,
                Code::OrganizationLimit,
                Code::EmailNotVerified,
            ])
    }

    pub(super) fn read_organization(self) -> Operation {
        self.about(["readOrganization", "readOwnOrganization"], "An organization").gives(200, ORGANIZATION)
    }

    pub(super) fn change_organization(self) -> Operation {
        let names = ["changeOrganization", "changeOwnOrganization"];
        self.update(
            names,
            "Change an organization; metadata is a merge patch (RFC 7396)",
            body().may("name", text()),
        )
    }

    pub(super) fn replace_organization(self) -> Operation {
        let names = ["replaceOrganization", "replaceOwnOrganization"];
        self.update(names, "Replace what an organization says of itself", body().with("name", text()))
    }

    fn update(self, names: [&'static str; 2], summary: &'static str, change: Members) -> Operation {
        let change = settings(change);
        let change = match self {
            Self::Operators => change
                .may("private_metadata", anything().or_null())
                .may("status", one_of(STATES))
                .may("max_members", number().or_null()),
            Self::EndUsers => change,
        };
        self.asked(names, summary)
            .takes(change)
            .gives(200, ORGANIZATION)
            .refuses(&[Code::SlugTaken, Code::SlugReserved])
    }

    pub(super) fn delete_organization(self) -> Operation {
        self.asked(
            ["deleteOrganization", "deleteOwnOrganization"],
            "Delete an organization with everything in it",
        )
        .query("confirm", text())
        .gives_nothing()
        .refuses(&[Code::PersonalOrganization, Code::ReauthenticationRequired])
    }

    pub(super) fn transfer(self) -> Operation {
        self.member_matter(
            ["transferOrganization", "transferOwnOrganization"],
            "Make another member the owner",
        )
        .takes(body().may("member_id", text()).may("to", text()))
        .once()
        .gives(
            200,
            object().with("organization_id", text()).with("owner", MEMBER).with("previous_owner", MEMBER),
        )
    }

    /// What can be in the way of another role.
    fn role_change(self, names: [&'static str; 2], summary: &'static str) -> Operation {
        self.change(names, summary).refuses(&[
            Code::RoleNotGrantable,
            Code::PermissionNotHeld,
            Code::UnknownRole,
            Code::OwnerMustTransfer,
            Code::PersonalOrganization,
            Code::Conflict,
            Code::ReauthenticationRequired,
        ])
    }

    /// The same of one that the application is asked about.
    fn member_matter(self, names: [&'static str; 2], summary: &'static str) -> Operation {
        self.role_change(names, summary).refuses(&[Code::RefusedByHook])
    }

    pub(super) fn list_members(self) -> Operation {
        let names = ["listMembers", "listMembersOfOwnOrganization"];
        self.about(names, "The members of an organization")
            .query("role", text())
            .query("q", text())
            .lists(MEMBER)
    }

    pub(super) fn add_member(self) -> Operation {
        self.member_matter(["addMember", "addMemberToOwnOrganization"], "A new member")
            .takes(body().with("user_id", text()).may("role", text()))
            .gives(201, MEMBER)
            .once()
            .refuses(&[Code::UnknownUser, Code::AlreadyMember, Code::MemberLimit])
    }

    pub(super) fn read_member(self) -> Operation {
        self.about(
            ["readMember", "readMemberOfOwnOrganization"],
            "A member, by the membership's id or the user's",
        )
        .gives(200, MEMBER)
    }

    pub(super) fn change_member(self) -> Operation {
        self.member_change(["changeMember", "changeMemberOfOwnOrganization"])
    }

    pub(super) fn replace_member(self) -> Operation {
        self.member_change(["replaceMember", "replaceMemberOfOwnOrganization"])
    }

    fn member_change(self, names: [&'static str; 2]) -> Operation {
        self.member_matter(names, "Another role or state of a member; `owner` transfers the organization")
            .takes(body().may("role", text()).may("status", one_of(STATES)))
            .gives(200, MEMBER)
    }

    pub(super) fn remove_member(self) -> Operation {
        self.member_matter(["removeMember", "removeMemberOfOwnOrganization"], "Remove a member")
            .gives_nothing()
    }

    pub(super) fn leave(self) -> Operation {
        self.member_matter(["leaveOrganization", "leaveOwnOrganization"], "Leave an organization")
            .gives_nothing()
    }

    pub(super) fn list_roles(self) -> Operation {
        self.about(["listRoles", "listRolesOfOwnOrganization"], "The roles of an organization").lists(ROLE)
    }

    pub(super) fn create_role(self) -> Operation {
        let wish = body().with("name", text()).with("permissions", texts());
        self.role_wish(
            ["createRole", "createRoleOfOwnOrganization"],
            "A role of the organization's own",
            wish,
        )
        .gives(201, ROLE)
        .once()
    }

    pub(super) fn read_role(self) -> Operation {
        self.about(["readRole", "readRoleOfOwnOrganization"], "A role").gives(200, ROLE)
    }

    pub(super) fn change_role(self) -> Operation {
        let wish = body().may("name", text()).may("permissions", texts());
        self.role_wish(["changeRole", "changeRoleOfOwnOrganization"], "Change a role", wish).gives(200, ROLE)
    }

    pub(super) fn replace_role(self) -> Operation {
        let wish = body().with("name", text()).with("permissions", texts());
        self.role_wish(["replaceRole", "replaceRoleOfOwnOrganization"], "Replace a role", wish)
            .gives(200, ROLE)
    }

    fn role_wish(self, names: [&'static str; 2], summary: &'static str, wish: Members) -> Operation {
        let wish =
            wish.may("slug", text()).may("key", text()).may("description", text()).may("rank", number());
        self.role_change(names, summary).takes(wish).refuses(&[
            Code::BuiltIn,
            Code::RoleTaken,
            Code::UnknownPermission,
            Code::PermissionsTooLarge,
        ])
    }

    pub(super) fn delete_role(self) -> Operation {
        self.role_change(["deleteRole", "deleteRoleOfOwnOrganization"], "Delete a role")
            .query("reassign_to", text())
            .gives(200, object().with("id", text()).with("deleted", flag()))
            .refuses(&[Code::BuiltIn, Code::RoleInUse])
    }

    pub(super) fn list_permissions_of_organization(self) -> Operation {
        let names = ["listPermissionsOfOrganization", "listPermissionsOfOwnOrganization"];
        self.about(names, "What a role of the organization can permit").lists(PERMISSION)
    }
}

pub(super) fn list_permissions() -> Operation {
    Family::Operators.about(["listPermissions", ""], "The permissions of a project").lists(PERMISSION)
}

pub(super) fn create_permission() -> Operation {
    permission_change("createPermission", "A new permission")
        .takes(body().with("key", text()).may("description", text()))
        .gives(201, PERMISSION)
        .once()
}

pub(super) fn change_permission() -> Operation {
    permission_change("changePermission", "Describe a permission")
        .takes(body().with("description", text()))
        .gives(200, PERMISSION)
}

pub(super) fn delete_permission() -> Operation {
    permission_change("deletePermission", "Delete a permission that no role has").gives_nothing()
}

fn permission_change(name: &'static str, summary: &'static str) -> Operation {
    Family::Operators.change([name, ""], summary).refuses(&[
        Code::BuiltIn,
        Code::PermissionTaken,
        Code::PermissionInUse,
        Code::Conflict,
    ])
}

/// A session that works in another organization.
pub(super) fn switched(name: &'static str, summary: &'static str) -> Operation {
    Family::EndUsers.change(["", name], summary).gives(200, SESSION)
}

/// The session, and a token of it if one was wanted.
pub(super) fn with_token() -> Shape {
    both(SESSION, object().may("token", SESSION_TOKEN))
}

/// The same in the words of others.
pub(super) fn switch_org() -> Operation {
    own("switchOrg", "Work in an organization, or in none (an empty `org_id`)")
        .or_by_token()
        .takes(body().may("org_id", text()))
        .gives(200, object().with("session_id", text()).with("org_id", text().or_null()))
        .refuses(&[Code::NotFound, Code::OrganizationsDisabled])
}

/// What an organization says of itself.
fn settings(members: Members) -> Members {
    members
        .may("slug", text())
        .may("logo_url", text().or_null())
        .may("public_metadata", anything().or_null())
        .may("metadata", anything().or_null())
}

const STATES: [&str; 2] = ["active", "suspended"];

const ORGANIZATION: Named = Named("Organization", || {
    object()
        .with("id", text())
        .with("tenant_id", text())
        .with("project_id", text())
        .with("name", text())
        .with("slug", text())
        .with("logo_url", text().or_null())
        .with("status", one_of(STATES))
        .with("is_personal", flag())
        .with("member_count", number())
        .with("max_members", number().or_null())
        .with("public_metadata", anything())
        .with("metadata", anything())
        .with("created_at", time())
        .with("updated_at", time())
        .may("private_metadata", anything())
        .may("role", text())
        .may("member_id", text())
        .done()
});

const MEMBER: Named = Named("Member", || {
    object()
        .with("id", text())
        .with("organization_id", text())
        .with("user_id", text())
        .with("email", text().or_null())
        .with("name", text().or_null())
        .with("role", text())
        .with("permissions", list(text()))
        .with("status", one_of(STATES))
        .with("joined_at", time())
        .done()
});

const ROLE: Named = Named("Role", || {
    object()
        .with("id", text())
        .with("key", text())
        .with("slug", text())
        .with("name", text())
        .with("description", text())
        .with("rank", number())
        .with("permissions", texts())
        .with("built_in", flag())
        .with("created_at", time().or_null())
        .with("updated_at", time().or_null())
        .done()
});

const PERMISSION: Named = Named("Permission", || {
    object()
        .with("key", text())
        .with("description", text())
        .with("built_in", flag())
        .with("created_at", time().or_null())
        .done()
});
