//! The policy file that the API keeps to, compiled once.

use std::sync::LazyLock;

use orgate_claims::{
    IssuerUrl, Organization, OrganizationId, Permission, Principal, RoleName, SubjectId, UnixTime,
};
use orgate_policy::{Decision, Facts, Found, Policy, RequestTarget};

use crate::http::{Problem, problem::Code};

const FILE: &str = include_str!("policy.yaml");

static POLICY: LazyLock<Option<Policy>> =
    LazyLock::new(|| match orgate_config::compile("policy.yaml", FILE.as_bytes(), &|_| None) {
        Ok(file) => Some(file.policy),
        Err(findings) => {
            tracing::error!(%findings, "the policy of the organizations' API does not compile");
            None
        }
    });

/// Who is asking, in the words of the policy.
pub(super) struct Asker<'a> {
    pub(super) id: &'a str,
    /// A built-in role, or what an operator is. The roles that organizations make are not named: one could be called like these.
    pub(super) role: Option<&'a str>,
    pub(super) permissions: &'a [String],
    pub(super) org_id: Option<&'a str>,
}

/// Refuses unless the policy lets `asker` do `method` at `path`. Whatever is not known is refused.
pub(super) fn judge(method: &str, path: &str, asker: &Asker<'_>, now: UnixTime) -> Result<(), Problem> {
    let policy = POLICY.as_ref().ok_or(Code::Internal)?;
    let target = RequestTarget::parse(method, path).map_err(|_| Code::BadRequest)?;
    let principal = principal(asker).ok_or(Code::Internal)?;
    let subject = policy.subject(&principal);
    let facts = Facts::at(now);
    let Found::Rule(rule) = policy.find(&target) else { return Err(Code::Forbidden.into()) };
    match rule.decide(Some(&subject), &facts) {
        Decision::Allow => Ok(()),
        Decision::Deny(_) => {
            let missing = rule.missing_permissions(&subject, &facts);
            let problem = Problem::new(Code::Forbidden);
            Err(if missing.is_empty() {
                problem
            } else {
                problem.detail(format!("needs `{}`", missing.join("`, `")))
            })
        }
    }
}

fn principal(asker: &Asker<'_>) -> Option<Principal> {
    let permissions: Result<Vec<Permission>, _> =
        asker.permissions.iter().map(|name| Permission::parse(name)).collect();
    let roles: Result<Vec<RoleName>, _> = asker.role.into_iter().map(RoleName::parse).collect();
    let organization = match asker.org_id {
        Some(id) => Some(Organization::new(OrganizationId::parse(id).ok()?, None)),
        None => None,
    };
    let issuer = IssuerUrl::parse("https://issuer.invalid").ok()?;
    let builder = Principal::builder(issuer, SubjectId::parse(asker.id).ok()?);
    Some(builder.organization(organization).roles(roles.ok()?).permissions(Some(permissions.ok()?)).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_compiles_and_warns_of_nothing() {
        let file = orgate_config::compile("policy.yaml", FILE.as_bytes(), &|_| None);
        let file = file.unwrap_or_else(|findings| panic!("{findings}"));
        assert_eq!(file.warnings.to_string(), "");
    }

    #[test]
    fn what_no_rule_names_is_refused() {
        let owner = crate::roles::Role::built_in("owner").unwrap();
        let judged = |method: &str, path: &str, org: &str| {
            let asker = Asker {
                id: "usr_a",
                role: Some("owner"),
                permissions: &owner.permissions,
                org_id: Some(org),
            };
            judge(method, path, &asker, UnixTime::from_seconds(0)).map_err(|problem| problem.code())
        };
        assert_eq!(judged("DELETE", "/organizations/org_a", "org_a"), Ok(()));
        assert_eq!(judged("DELETE", "/organizations/org_b", "org_a"), Err(Code::Forbidden));
        assert_eq!(judged("DELETE", "/organizations", "org_a"), Err(Code::Forbidden));
        assert_eq!(judged("GET", "/elsewhere", "org_a"), Err(Code::Forbidden));
        assert_eq!(judged("GET", "/organizations/org_a/members/%2e%2e", "org_a"), Err(Code::BadRequest));
    }

    #[test]
    fn a_role_of_an_organization_is_never_taken_for_an_operator() {
        let asker = Asker { id: "usr_a", role: None, permissions: &[], org_id: Some("org_a") };
        for path in ["/organizations/org_a/roles", "/permissions"] {
            let judged = judge("POST", path, &asker, UnixTime::from_seconds(0));
            assert_eq!(judged.unwrap_err().code(), Code::Forbidden, "{path}");
        }
    }
}
