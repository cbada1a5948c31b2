//! A caller described by hand, for the tools.
//!
//! Such a caller has the token that an issuer would make which goes by the role table of the policy: `roles:` of the file,
//! else what the profile says that its roles hold. Permissions that are named replace what the roles hold, as they would
//! in a token.

use orgate_claims::{
    ClaimValue, IssuerUrl, NameError, Organization, OrganizationId, Permission, Principal, PrincipalBuilder,
    RoleName, Slug, SubjectId,
};

use crate::{IssuerSpec, PolicyFile, document::closest};

/// Whom a caller is taken for who is not named.
pub const SOMEBODY: &str = "usr_example";

/// What is known of a caller who is described by hand.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// Who it is; [`SOMEBODY`] by default.
    pub sub: Option<String>,
    /// The id of the active organization.
    pub org_id: Option<String>,
    /// Its slug.
    pub org_slug: Option<String>,
    /// The roles held in it.
    pub roles: Vec<String>,
    /// What the token says of permissions; `None` stands for what the roles hold.
    pub permissions: Option<Vec<String>>,
    /// The claims that rules may compare, by the name that a rule gives them.
    pub claims: Vec<(String, ClaimValue)>,
}

impl Caller {
    /// The principal, as the verified token of such a caller would give it.
    ///
    /// # Errors
    /// A sentence, if a name is none.
    pub fn principal(&self, file: &PolicyFile) -> Result<Principal, String> {
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
        let builder = builder.permissions(Some(permissions));
        let with_claims = |builder: PrincipalBuilder, (name, value): &(String, ClaimValue)| {
            builder.claim(name, value.clone())
        };
        Ok(self.claims.iter().fold(builder, with_claims).build())
    }
}

fn name<T>(what: &str, text: &str, parse: fn(&str) -> Result<T, NameError>) -> Result<T, String> {
    parse(text).map_err(|error| format!("the {what} `{}` {error}", text.escape_debug()))
}

/// The principal of raw claims, a JSON object, read by the mapping of one issuer of the file: the one that is named, else
/// the one whose URL is `iss`, else the only one. Nothing is verified.
///
/// # Errors
/// A sentence, if there is no such issuer or if a token with these claims would be refused.
pub fn from_claims(
    file: &PolicyFile,
    claims: &str,
    iss: Option<&str>,
    issuer: Option<&str>,
) -> Result<Principal, String> {
    let trust = &issuer_of(file, iss, issuer)?.trust;
    trust
        .claim_mapping()
        .read_unproven(trust.url(), claims)
        .map_err(|error| format!("a token with these claims is refused: {error}"))
}

fn issuer_of<'f>(
    file: &'f PolicyFile,
    iss: Option<&str>,
    issuer: Option<&str>,
) -> Result<&'f IssuerSpec, String> {
    let names = || file.issuers.iter().map(|issuer| issuer.name.as_str());
    if let Some(wanted) = issuer {
        return file.issuer(wanted).ok_or_else(|| {
            let help = match closest(wanted, names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the policy trusts: {}", names().collect::<Vec<_>>().join(", ")),
            };
            format!("the policy has no issuer named `{wanted}`\nhelp: {help}")
        });
    }
    match (iss, file.issuers.as_slice()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn file(more: &str) -> PolicyFile {
        let text = format!(
            "version: 1\nissuers:\n  main: {{issuer: \"https://i.example\", audience: a, profile: orgate}}\n  other: {{issuer: \"https://j.example\", audience: a, profile: hellojohn}}\n{more}rules:\n  GET /docs: read\n"
        );
        crate::compile("orgate.yaml", text.as_bytes(), &|_| None).unwrap()
    }

    fn held(file: &PolicyFile, roles: &[&str], permissions: Option<&[&str]>) -> String {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let description =
            Caller { roles: owned(roles), permissions: permissions.map(owned), ..Caller::default() };
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
        let roles = |iss, issuer| from_claims(&file, claims, iss, issuer).map(|p| p.roles().len());
        assert_eq!(roles(None, Some("other")), Ok(1));
        assert_eq!(roles(None, Some("main")), Ok(0));
        assert_eq!(roles(Some("https://j.example"), None), Ok(1));
        assert!(roles(None, Some("othr")).unwrap_err().contains("did you mean `other`?"));
        assert!(roles(None, None).unwrap_err().contains("several issuers"));
        assert!(roles(Some("https://x.example"), None).unwrap_err().contains("none of the policy's issuers"));
        let refused = |claims: &str| from_claims(&file, claims, None, Some("main")).unwrap_err();
        assert!(refused(r#"{"org_id": "acme"}"#).contains("the token has no `sub`"));
        assert!(refused(r#"{"sub": "u1", "sub": "u2"}"#).contains("names a member twice"));
        assert!(refused("{").contains("is not JSON"));
    }
}
