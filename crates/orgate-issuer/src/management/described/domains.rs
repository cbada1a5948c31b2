//! The mail domains of organizations.

use super::{Family, MEMBER};
use crate::{
    domains::Mode,
    http::problem::Code,
    openapi::{Members, Named, Operation, body, flag, object, one_of, own, text, time, uri},
};

impl Family {
    pub(in super::super) fn list_domains(self) -> Operation {
        self.about(["listDomains", "listDomainsOfOwnOrganization"], "The mail domains of an organization")
            .lists(DOMAIN)
    }

    pub(in super::super) fn create_domain(self) -> Operation {
        self.role_change(["addDomain", "addDomainToOwnOrganization"], "A mail domain")
            .takes(self.wish(body().with("domain", text())))
            .gives(201, DOMAIN)
            .once()
            .refuses(&[Code::DomainTaken, Code::DomainPublic])
    }

    fn wish(self, members: Members) -> Members {
        let wish = members.may("mode", one_of(Mode::NAMES)).may("role", text());
        match self {
            Self::Operators => wish.may("verified", flag()),
            Self::EndUsers => wish,
        }
    }

    pub(in super::super) fn read_domain(self) -> Operation {
        self.about(["readDomain", "readDomainOfOwnOrganization"], "A mail domain, by its id or its name")
            .gives(200, DOMAIN)
    }

    pub(in super::super) fn change_domain(self) -> Operation {
        self.domain_change(["changeDomain", "changeDomainOfOwnOrganization"])
    }

    pub(in super::super) fn replace_domain(self) -> Operation {
        self.domain_change(["replaceDomain", "replaceDomainOfOwnOrganization"])
    }

    fn domain_change(self, names: [&'static str; 2]) -> Operation {
        self.role_change(names, "What becomes of those who have an address at a domain")
            .takes(self.wish(body()))
            .gives(200, DOMAIN)
            .refuses(&[Code::DomainTaken])
    }

    pub(in super::super) fn remove_domain(self) -> Operation {
        self.change(["removeDomain", "removeDomainOfOwnOrganization"], "List a domain no more")
            .gives_nothing()
    }

    pub(in super::super) fn verify_domain(self) -> Operation {
        let names = ["verifyDomain", "verifyDomainOfOwnOrganization"];
        self.change(names, "Look whether a domain shows that it is the organization's")
            .gives(200, DOMAIN)
            .refuses(&[Code::DomainTaken, Code::DomainUnproven, Code::RateLimited])
    }
}

const DOMAIN: Named = Named("Domain", || {
    object()
        .with("id", text())
        .with("organization_id", text())
        .with("domain", text())
        .with("mode", one_of(Mode::NAMES))
        .with("role", text())
        .with("status", one_of(["pending", "verified"]))
        .with("verified_at", time().or_null())
        .with("verified_by", one_of(["file", "operator"]).or_null())
        .with("proof", object().with("url", uri()).with("line", text()))
        .with("created_at", time())
        .with("updated_at", time())
        .done()
});

pub(in super::super) fn suggested_organizations() -> Operation {
    own("listSuggestedOrganizations", "The organization that may be joined by one's address")
        .or_by_token()
        .gives_all(SUGGESTED)
        .refuses(&[Code::OrganizationsDisabled])
}

pub(in super::super) fn join_suggested() -> Operation {
    own("joinSuggestedOrganization", "Join the organization that is suggested")
        .or_by_token()
        .takes(body().with("organization_id", text()))
        .gives(201, MEMBER)
        .once()
        .refuses(&[
            Code::NotFound,
            Code::AlreadyMember,
            Code::MemberLimit,
            Code::PersonalOrganization,
            Code::RefusedByHook,
            Code::OrganizationsDisabled,
        ])
}

const SUGGESTED: Named = Named("SuggestedOrganization", || {
    object()
        .with("id", text())
        .with("name", text())
        .with("slug", text())
        .with("logo_url", text().or_null())
        .with("role", text())
        .done()
});
