//! The organizations' API, for operators and for end users.
//!
//! Two families of paths lead to one set of handlers: `/api/platform/projects/{project}/orgs…` with the operators' cookie and
//! `{prefix}/organizations…` with the end users' session. [`Call`] says who is asking and judges the request by
//! `policy.yaml`; the operations judge what is done to whom. Whoever is no member learns nothing: 404. A member who lacks the
//! right gets 403.

mod active;
mod api_keys;
mod asking;
mod audit;
mod call;
mod catalogue;
pub(crate) mod denied;
mod described;
mod domains;
pub(crate) mod inside;
mod invitations;
mod invited;
mod members;
mod organizations;
mod policy;
mod roles;
mod teams;

pub(crate) use self::call::{Call, Who};
use self::{call::Plane, described::Family};
use crate::{
    http::problem::Code,
    openapi::{Operation, Routes, body, delete, get, one_of, own, patch, post, put, text},
};

/// Both families.
pub(crate) fn router(prefix: &str) -> Routes {
    let operators = "/api/platform/projects/{project}";
    Routes::new()
        .merge(
            organization_routes(operators, "orgs", Family::Operators)
                .merge(catalogue_routes(operators))
                .merge(audit::routes(operators))
                .told(Plane::operators(operators)),
        )
        .under(prefix, end_users)
}

/// What end users call, below `base`; our own pages do too.
pub(crate) fn end_users(base: &str) -> Routes {
    let organization = format!("{base}/organizations/{{org}}");
    let anew =
        described::switched("activateOrganization", "Work in an organization, with a new session cookie");
    let same = described::switched("switchOrganization", "Work in an organization");
    let chosen = own("chooseOrganization", "Work in an organization, or in none")
        .or_by_token()
        .query("return", one_of(["token"]))
        .takes(body().may("org_id", text()))
        .gives(200, described::with_token())
        .refuses(&[Code::NotFound, Code::OrganizationsDisabled]);
    organization_routes(base, "organizations", Family::EndUsers)
        .at(&format!("{organization}/leave"), post(members::leave, Family::EndUsers.leave()))
        .at(&format!("{organization}/activate"), post(active::activate, anew))
        .at(&format!("{organization}/switch"), post(active::switch, same))
        .told(Plane::end_users(base))
        .at(&format!("{base}/session/active-organization"), put(active::put, chosen))
        .at(&format!("{base}/me/switch-org"), post(active::switch_org, described::switch_org()))
        .merge(of_invited(base))
        .at(
            &format!("{base}/me/organizations/suggested"),
            get(domains::suggested, described::suggested_organizations())
                .post(domains::join, described::join_suggested()),
        )
}

/// What those do who are invited.
fn of_invited(base: &str) -> Routes {
    let one = format!("{base}/invitations/{{token}}");
    let by_body = |operation: Operation| operation.takes(body().with("token", text()));
    Routes::new()
        .at(&one, get(invited::read, described::look_at_invitation()))
        .at(&format!("{one}/accept"), post(invited::accept, described::accept("acceptInvitation")))
        .at(&format!("{one}/decline"), post(invited::decline, described::decline("declineInvitation")))
        .at(
            &format!("{base}/invitations/accept"),
            post(invited::accept_by_body, by_body(described::accept("acceptInvitationByBody"))),
        )
        .at(
            &format!("{base}/invitations/decline"),
            post(invited::decline_by_body, by_body(described::decline("declineInvitationByBody"))),
        )
        .at(&format!("{base}/me/invitations"), get(invited::own, described::own_invitations()))
        .at(
            &format!("{base}/me/invitations/{{invitation}}/accept"),
            post(invited::accept, described::accept("acceptOwnInvitation")),
        )
        .at(
            &format!("{base}/me/invitations/{{invitation}}/decline"),
            post(invited::decline, described::decline("declineOwnInvitation")),
        )
}

fn organization_routes(base: &str, name: &str, of: Family) -> Routes {
    let all = format!("{base}/{name}");
    let one = format!("{all}/{{org}}");
    Routes::new()
        .at(
            &all,
            get(organizations::list, of.list_organizations())
                .post(organizations::create, of.create_organization()),
        )
        .at(
            &one,
            get(organizations::show, of.read_organization())
                .patch(organizations::patch, of.change_organization())
                .put(organizations::put, of.replace_organization())
                .delete(organizations::delete, of.delete_organization()),
        )
        .at(&format!("{one}/transfer-ownership"), post(members::transfer, of.transfer()))
        .at(
            &format!("{one}/members"),
            get(members::list, of.list_members()).post(members::create, of.add_member()),
        )
        .at(
            &format!("{one}/members/{{member}}"),
            get(members::show, of.read_member())
                .patch(members::change, of.change_member())
                .put(members::change, of.replace_member())
                .delete(members::remove, of.remove_member()),
        )
        .at(&format!("{one}/roles"), get(roles::list, of.list_roles()).post(roles::create, of.create_role()))
        .at(
            &format!("{one}/roles/{{role}}"),
            get(roles::show, of.read_role())
                .patch(roles::patch, of.change_role())
                .put(roles::put, of.replace_role())
                .delete(roles::delete, of.delete_role()),
        )
        .at(&format!("{one}/audit"), get(audit::of_organization, of.read_audit()))
        .at(
            &format!("{one}/api-keys"),
            get(api_keys::list, of.list_api_keys()).post(api_keys::create, of.create_api_key()),
        )
        .at(
            &format!("{one}/api-keys/{{key}}"),
            get(api_keys::show, of.read_api_key()).delete(api_keys::revoke, of.revoke_api_key()),
        )
        .at(
            &format!("{one}/invitations"),
            get(invitations::list, of.list_invitations()).post(invitations::create, of.invite()),
        )
        .at(
            &format!("{one}/invitations/{{invitation}}"),
            get(invitations::show, of.read_invitation()).delete(invitations::revoke, of.revoke_invitation()),
        )
        .at(
            &format!("{one}/invitations/{{invitation}}/resend"),
            post(invitations::resend, of.resend_invitation()),
        )
        .merge(team_routes(&one, of))
        .merge(domain_routes(&one, of))
        .at(
            &format!("{one}/permissions"),
            get(catalogue::of_organization, of.list_permissions_of_organization()),
        )
}

fn domain_routes(organization: &str, of: Family) -> Routes {
    let one = format!("{organization}/domains/{{domain}}");
    Routes::new()
        .at(
            &format!("{organization}/domains"),
            get(domains::list, of.list_domains()).post(domains::create, of.create_domain()),
        )
        .at(
            &one,
            get(domains::show, of.read_domain())
                .patch(domains::change, of.change_domain())
                .put(domains::change, of.replace_domain())
                .delete(domains::delete, of.remove_domain()),
        )
        .at(&format!("{one}/verify"), post(domains::verify, of.verify_domain()))
}

fn team_routes(organization: &str, of: Family) -> Routes {
    let one = format!("{organization}/teams/{{team}}");
    Routes::new()
        .at(
            &format!("{organization}/teams"),
            get(teams::list, of.list_teams()).post(teams::create, of.create_team()),
        )
        .at(
            &one,
            get(teams::show, of.read_team())
                .patch(teams::change, of.change_team())
                .put(teams::replace, of.replace_team())
                .delete(teams::delete, of.delete_team()),
        )
        .at(
            &format!("{one}/members"),
            get(teams::members, of.list_team_members()).post(teams::add, of.add_team_member()),
        )
        .at(&format!("{one}/members/{{member}}"), delete(teams::remove, of.remove_team_member()))
}

fn catalogue_routes(base: &str) -> Routes {
    Routes::new()
        .at(
            &format!("{base}/permissions"),
            get(catalogue::list, described::list_permissions())
                .post(catalogue::create, described::create_permission()),
        )
        // A permission may hold `/`.
        .at(
            &format!("{base}/permissions/{{*permission}}"),
            patch(catalogue::describe, described::change_permission())
                .delete(catalogue::delete, described::delete_permission()),
        )
}

#[cfg(test)]
pub(crate) mod tests;
