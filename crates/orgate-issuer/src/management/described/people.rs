//! Invitations and teams, as the document has them.

use super::{Family, MEMBER};
use crate::{
    http::problem::Code,
    openapi::{
        Members, Named, Operation, anyone, body, email, flag, number, object, one_of, own, text, texts, time,
    },
};

impl Family {
    pub(in crate::management) fn list_invitations(self) -> Operation {
        let names = ["listInvitations", "listInvitationsOfOwnOrganization"];
        self.about(names, "The invitations of an organization").query("status", text()).lists(INVITATION)
    }

    pub(in crate::management) fn invite(self) -> Operation {
        let new = body()
            .with("email", email())
            .may("role", text())
            .may("expires_in", number())
            .may("invited_by", text())
            .may("teams", texts());
        let new = if self == Self::Operators { new.may("return_token", flag()) } else { new };
        self.role_change(["invite", "inviteToOwnOrganization"], "Invite somebody by mail")
            .query("return_token", text())
            .takes(new)
            .gives(201, INVITATION)
            .once()
            .refuses(&[
                Code::UnknownTeam,
                Code::AlreadyMember,
                Code::AlreadyInvited,
                Code::InvitationLimit,
                SUSPENDED,
                Code::RateLimited,
            ])
    }

    pub(in crate::management) fn read_invitation(self) -> Operation {
        self.about(["readInvitation", "readInvitationOfOwnOrganization"], "An invitation")
            .gives(200, INVITATION)
    }

    pub(in crate::management) fn resend_invitation(self) -> Operation {
        let names = ["resendInvitation", "resendInvitationOfOwnOrganization"];
        self.role_change(names, "Mail an invitation again, with another link")
            .gives(200, INVITATION)
            .refuses(&[Code::AlreadyInvited, Code::InvitationLimit, SUSPENDED, Code::RateLimited])
            .refuses(&DEAD)
    }

    pub(in crate::management) fn revoke_invitation(self) -> Operation {
        let names = ["revokeInvitation", "revokeInvitationOfOwnOrganization"];
        self.role_change(names, "Take an invitation back").gives_nothing().refuses(&DEAD)
    }
}

impl Family {
    pub(in crate::management) fn list_teams(self) -> Operation {
        self.about(["listTeams", "listTeamsOfOwnOrganization"], "The teams of an organization").lists(TEAM)
    }

    pub(in crate::management) fn create_team(self) -> Operation {
        let new = team(body().with("name", text()));
        self.change(["createTeam", "createTeamOfOwnOrganization"], "A new team")
            .takes(new)
            .gives(201, TEAM)
            .once()
            .refuses(&[Code::TeamTaken, Code::Conflict, Code::PersonalOrganization])
    }

    pub(in crate::management) fn read_team(self) -> Operation {
        self.about(["readTeam", "readTeamOfOwnOrganization"], "A team").gives(200, TEAM)
    }

    pub(in crate::management) fn change_team(self) -> Operation {
        self.change(["changeTeam", "changeTeamOfOwnOrganization"], "Change a team")
            .takes(team(body().may("name", text())))
            .gives(200, TEAM)
            .refuses(&[Code::TeamTaken])
    }

    pub(in crate::management) fn replace_team(self) -> Operation {
        self.change(["replaceTeam", "replaceTeamOfOwnOrganization"], "Replace what is said about a team")
            .takes(team(body().with("name", text())))
            .gives(200, TEAM)
            .refuses(&[Code::TeamTaken])
    }

    pub(in crate::management) fn delete_team(self) -> Operation {
        self.change(["deleteTeam", "deleteTeamOfOwnOrganization"], "Delete a team").gives_nothing()
    }

    pub(in crate::management) fn list_team_members(self) -> Operation {
        let names = ["listTeamMembers", "listTeamMembersOfOwnOrganization"];
        self.about(names, "Who is in a team").lists(MEMBER)
    }

    pub(in crate::management) fn add_team_member(self) -> Operation {
        self.change(["addTeamMember", "addTeamMemberInOwnOrganization"], "Put a member into a team")
            .takes(body().with("user_id", text()))
            .gives(201, MEMBER)
            .once()
            .refuses(&[Code::NotAMember, Code::AlreadyTeamMember])
    }

    pub(in crate::management) fn remove_team_member(self) -> Operation {
        let names = ["removeTeamMember", "removeTeamMemberInOwnOrganization"];
        self.change(names, "Take a member out of a team").gives_nothing()
    }
}

/// What is said about a team.
fn team(members: Members) -> Members {
    members.may("slug", text()).may("description", text()).may("is_default", flag())
}

const TEAM: Named = Named("Team", || {
    object()
        .with("id", text())
        .with("organization_id", text())
        .with("name", text())
        .with("slug", text())
        .with("description", text())
        .with("is_default", flag())
        .with("member_count", number())
        .with("created_at", time())
        .with("updated_at", time())
        .done()
});

const SUSPENDED: Code = Code::OrganizationSuspended;

/// What has ended.
const DEAD: [Code; 4] =
    [Code::InvitationExpired, Code::InvitationRevoked, Code::InvitationUsed, Code::InvitationDeclined];

pub(in crate::management) fn look_at_invitation() -> Operation {
    anyone("lookAtInvitation", "What an invitation is about, for whoever has its token")
        .gives(200, OFFER)
        .refuses(&[Code::InvitationInvalid, Code::OrganizationsDisabled])
        .refuses(&DEAD)
}

/// What stands in the way of an answer.
fn answer(name: &'static str, summary: &'static str) -> Operation {
    own(name, summary)
        .or_by_token()
        .refuses(&[
            Code::InvitationInvalid,
            Code::InvitationEmailMismatch,
            Code::EmailNotVerified,
            Code::OrganizationsDisabled,
        ])
        .refuses(&DEAD)
}

pub(in crate::management) fn accept(name: &'static str) -> Operation {
    answer(name, "Accept an invitation").gives(201, MEMBER).gives(200, MEMBER).refuses(&[
        SUSPENDED,
        Code::AlreadyMember,
        Code::MemberLimit,
        Code::PersonalOrganization,
        Code::RefusedByHook,
        Code::InvalidValue,
    ])
}

pub(in crate::management) fn decline(name: &'static str) -> Operation {
    answer(name, "Turn an invitation down").gives(200, object().with("status", one_of(["declined"])))
}

pub(in crate::management) fn own_invitations() -> Operation {
    own("listOwnInvitations", "What one is invited to oneself")
        .or_by_token()
        .lists(OWN_INVITATION)
        .refuses(&[Code::EmailNotVerified, Code::OrganizationsDisabled])
}

const INVITATION: Named = Named("Invitation", || {
    object()
        .with("id", text())
        .with("organization_id", text())
        .with("email", email())
        .with("role", text())
        .with("teams", texts())
        .with("status", one_of(crate::invitations::State::ALL.map(crate::invitations::State::as_str)))
        .with("invited_by", text().or_null())
        .with("accepted_by", text().or_null())
        .with("member_id", text().or_null())
        .with("created_at", time())
        .with("sent_at", time())
        .with("expires_at", time())
        .may("token", text())
        .may("link", text())
        .done()
});

const OFFER: Named = Named("Offer", || {
    object()
        .with("organization", object().with("name", text()).with("logo_url", text().or_null()))
        .with("role", text())
        .with("email", text())
        .with("expires_at", time())
        .done()
});

const OWN_INVITATION: Named = Named("OwnInvitation", || {
    let organization = object()
        .with("id", text())
        .with("name", text())
        .with("slug", text())
        .with("logo_url", text().or_null());
    object()
        .with("id", text())
        .with("organization", organization)
        .with("role", text())
        .with("created_at", time())
        .with("expires_at", time())
        .done()
});
