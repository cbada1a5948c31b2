//! A caller described by hand, for the tools.
//!
//! Such a caller has the token that an issuer would make which goes by the role table of the policy: `roles:` of the file,
//! else what the profile says that its roles hold. Permissions that are named replace what the roles hold, as they would
//! in a token.

use orgate_claims::{
    IssuerUrl, NameError, Organization, OrganizationId, Permission, Principal, RoleName, Slug, SubjectId,
};
use orgate_config::{IssuerSpec, PolicyFile};
use serde_json::{Value, json};

/// Whom a caller is taken for who is not named.
pub(crate) const SOMEBODY: &str = "usr_example";

/// What is known of a caller.
#[derive(Clone, Debug, Default)]
pub(crate) struct Description {
    pub(crate) sub: Option<String>,
    pub(crate) org_id: Option<String>,
    pub(crate) org_slug: Option<String>,
    pub(crate) roles: Vec<String>,
    /// `None`: what the roles hold.
    pub(crate) permissions: Option<Vec<String>>,
}

impl Description {
    /// The principal, as the verified token of such a caller would give it.
    pub(crate) fn principal(&self, file: &PolicyFile) -> Result<Principal, String> {
        let issuer = match file.issuers.first() {
            Some(issuer) => issuer.trust.url().clone(),
            None => name("issuer", "https://issuer.invalid", IssuerUrl::parse)?,
        };
        let roles = self.roles.iter().map(|role| name("role", role, RoleName::parse));
        let roles: Vec<RoleName> = roles.collect::<Result<_, _>>()?;
        let permission = |text: &str| Permission::parse(text).map_err(|error| format!("`{text}`: {error}"));
        let permissions: Vec<Permission> = match &self.permissions {
            Some(named) => named.iter().map(|text| permission(text)).collect::<Result<_, _>>()?,
            None => {
                let held = file.policy.table_permissions(self.roles.iter().map(String::as_str));
                held.into_iter().map(permission).collect::<Result<_, _>>()?
            }
        };
        let slug = self.org_slug.as_deref().map(|slug| name("organization's slug", slug, Slug::parse));
        let slug = slug.transpose()?;
        let organization = match &self.org_id {
            Some(id) => Some(Organization::new(name("organization", id, OrganizationId::parse)?, slug)),
            None if slug.is_some() => return Err("a slug needs an organization's id beside it".to_owned()),
            None => None,
        };
        let sub = name("subject", self.sub.as_deref().unwrap_or(SOMEBODY), SubjectId::parse)?;
        let builder = Principal::builder(issuer, sub).organization(organization).roles(roles);
        Ok(builder.permissions(Some(permissions)).build())
    }
}

fn name<T>(what: &str, text: &str, parse: fn(&str) -> Result<T, NameError>) -> Result<T, String> {
    parse(text).map_err(|error| format!("the {what} `{}` {error}", text.escape_debug()))
}

/// The principal of raw claims, read by the mapping of one issuer of the file: the one that is named, else the one that
/// `iss` names, else the only one.
pub(crate) fn from_claims(
    file: &PolicyFile,
    claims: &str,
    issuer: Option<&str>,
) -> Result<Principal, String> {
    let value: Value =
        serde_json::from_str(claims).map_err(|error| format!("the claims are not JSON: {error}"))?;
    let trust = &issuer_of(file, &value, issuer)?.trust;
    trust
        .claim_mapping()
        .read_unproven(trust.url(), claims)
        .map_err(|error| format!("a token with these claims is refused: {error}"))
}

fn issuer_of<'f>(
    file: &'f PolicyFile,
    claims: &Value,
    issuer: Option<&str>,
) -> Result<&'f IssuerSpec, String> {
    let names = || file.issuers.iter().map(|issuer| issuer.name.as_str());
    if let Some(wanted) = issuer {
        return file.issuer(wanted).ok_or_else(|| {
            let help = match orgate_policy::closest(wanted, names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the policy trusts: {}", names().collect::<Vec<_>>().join(", ")),
            };
            format!("the policy has no issuer named `{wanted}`\nhelp: {help}")
        });
    }
    let by_url = claims.get("iss").and_then(Value::as_str);
    match (by_url, file.issuers.as_slice()) {
        (Some(url), issuers) => issuers
            .iter()
            .find(|issuer| issuer.trust.url().as_str() == url)
            .ok_or_else(|| "the `iss` of the claims is none of the policy's issuers".to_owned()),
        (None, [only]) => Ok(only),
        (None, []) => Err("the policy has no issuer, so nothing says how claims are read".to_owned()),
        (None, _) => Err(format!(
            "the policy has several issuers: {}\nhelp: name the one whose claims these are",
            names().collect::<Vec<_>>().join(", ")
        )),
    }
}

/// The principal in the answers of the tools.
pub(crate) fn to_json(file: &PolicyFile, principal: Option<&Principal>) -> Value {
    let Some(principal) = principal else { return Value::Null };
    let organization = principal.organization();
    let subject = file.policy.subject(principal);
    json!({
        "sub": principal.subject().as_str(),
        "org_id": organization.map(|organization| organization.id.as_str()),
        "org_slug": organization.and_then(|organization| organization.slug.as_ref()).map(Slug::as_str),
        "roles": principal.roles().iter().map(RoleName::as_str).collect::<Vec<_>>(),
        "permissions": file.policy.effective_permissions(&subject),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(more: &str) -> PolicyFile {
        let text = format!(
            "version: 1\nissuers:\n  main: {{issuer: \"https://i.example\", audience: a, profile: orgate}}\n  other: {{issuer: \"https://j.example\", audience: a, profile: hellojohn}}\n{more}rules:\n  GET /docs: read\n"
        );
        orgate_config::compile("orgate.yaml", text.as_bytes(), &|_| None).unwrap()
    }

    fn held(file: &PolicyFile, roles: &[&str], permissions: Option<&[&str]>) -> String {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let description = Description {
            roles: owned(roles),
            permissions: permissions.map(owned),
            ..Description::default()
        };
        let principal = description.principal(file).unwrap();
        file.policy.effective_permissions(&file.policy.subject(&principal)).join(" ")
    }

    #[test]
    fn roles_hold_what_the_profile_says_unless_the_file_says_it() {
        let by_profile = file("");
        assert_eq!(held(&by_profile, &["member"], None), "read write");
        assert_eq!(
            held(&by_profile, &["owner"], Some(&["read"])),
            "read",
            "what is named replaces what is held"
        );
        assert_eq!(held(&by_profile, &["stranger"], None), "");
        let by_file = file("roles:\n  member: {grants: [read]}\n");
        assert_eq!(held(&by_file, &["member"], None), "read");
        assert_eq!(held(&by_file, &["owner"], None), "", "only written roles are expanded");
    }

    #[test]
    fn claims_are_read_by_the_mapping_of_their_issuer() {
        let file = file("");
        let claims = r#"{"sub": "u1", "org_id": "acme", "role": "admin"}"#;
        let principal = from_claims(&file, claims, Some("other")).unwrap();
        assert_eq!(principal.roles().len(), 1);
        assert_eq!(from_claims(&file, claims, Some("main")).unwrap().roles().len(), 0);
        let by_url = r#"{"sub": "u1", "iss": "https://j.example", "role": "admin"}"#;
        assert_eq!(from_claims(&file, by_url, None).unwrap().roles().len(), 1);
        for (claims, issuer, problem) in [
            (claims, Some("othr"), "did you mean `other`?"),
            (claims, None, "several issuers"),
            (r#"{"sub": "u1", "iss": "https://x.example"}"#, None, "none of the policy's issuers"),
            (r#"{"org_id": "acme"}"#, Some("main"), "the token has no `sub`"),
            (r#"{"sub": "u1", "sub": "u2"}"#, Some("main"), "names a member twice"),
            ("{", None, "not JSON"),
        ] {
            let error = from_claims(&file, claims, issuer).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
