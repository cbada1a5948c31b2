//! Who is asking.

use std::{collections::BTreeMap, fmt};

use crate::{
    ClientId, IssuerUrl, OrganizationId, Permission, RoleName, SessionId, Slug, SubjectId, TokenId, UnixTime,
};

/// Who is asking, in which organization, with which rights: the typed reading of one credential.
///
/// A `Principal` can be built freely (for `explain` and in tests); that one was *verified* is said by the types that
/// wrap it, `orgate_verify::Verified` and `orgate::Permit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    issuer: IssuerUrl,
    subject: SubjectId,
    organization: Option<Organization>,
    roles: Vec<RoleName>,
    permissions: Option<Vec<Permission>>,
    scopes: Vec<Box<str>>,
    client: Option<ClientId>,
    session: Option<SessionId>,
    token_id: Option<TokenId>,
    org_ver: Option<u64>,
    issued_at: Option<UnixTime>,
    expires_at: Option<UnixTime>,
    auth_time: Option<UnixTime>,
    acr: Option<Box<str>>,
    amr: Vec<Box<str>>,
    confirmation: Option<Confirmation>,
    method: AuthenticationMethod,
    claims: BTreeMap<Box<str>, ClaimValue>,
}

/// The organization a token was issued for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Organization {
    /// Its id, the claim `org_id`.
    pub id: OrganizationId,
    /// Its slug at the time of issue, where the token names it.
    pub slug: Option<Slug>,
}

impl Organization {
    /// The organization `id`, under the slug the token gives.
    #[must_use]
    pub fn new(id: OrganizationId, slug: Option<Slug>) -> Self {
        Self { id, slug }
    }
}

/// What the sender must prove beyond holding the token (`cnf`, RFC 7800): one thing, or two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    key: Option<Box<str>>,
    certificate: Option<[u8; 32]>,
}

impl Confirmation {
    /// That the sender holds this key and this certificate, where each is named; `None` if neither is.
    #[must_use]
    pub fn new(key: Option<Box<str>>, certificate: Option<[u8; 32]>) -> Option<Self> {
        (key.is_some() || certificate.is_some()).then_some(Self { key, certificate })
    }

    /// `jkt`: the RFC 7638 thumbprint of a DPoP key (RFC 9449 §6.1), in base64url.
    #[must_use]
    pub fn key_thumbprint(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// `x5t#S256`: the SHA-256 of a client certificate (RFC 8705 §3.1).
    #[must_use]
    pub fn certificate_thumbprint(&self) -> Option<[u8; 32]> {
        self.certificate
    }
}

/// How the request was authenticated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthenticationMethod {
    /// A signed access token.
    #[default]
    Token,
    /// A signed webhook delivery.
    Webhook,
    /// A static key of the application.
    ApiKey,
}

impl AuthenticationMethod {
    /// The word for it in headers and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Webhook => "webhook",
            Self::ApiKey => "api_key",
        }
    }
}

/// The value of a claim that a policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClaimValue {
    /// A string, or a whole number in decimal form.
    Text(Box<str>),
    /// `true` or `false`.
    Bool(bool),
    /// An array of strings, in the order of the token.
    Set(Vec<Box<str>>),
}

impl Principal {
    /// Starts a principal: `subject` of `issuer`, with nothing else known.
    #[must_use]
    pub fn builder(issuer: IssuerUrl, subject: SubjectId) -> PrincipalBuilder {
        PrincipalBuilder(Self {
            issuer,
            subject,
            organization: None,
            roles: Vec::new(),
            permissions: None,
            scopes: Vec::new(),
            client: None,
            session: None,
            token_id: None,
            org_ver: None,
            issued_at: None,
            expires_at: None,
            auth_time: None,
            acr: None,
            amr: Vec::new(),
            confirmation: None,
            method: AuthenticationMethod::Token,
            claims: BTreeMap::new(),
        })
    }

    /// Who vouches for all that follows.
    #[must_use]
    pub fn issuer(&self) -> &IssuerUrl {
        &self.issuer
    }

    /// The person or machine, unique within the issuer.
    #[must_use]
    pub fn subject(&self) -> &SubjectId {
        &self.subject
    }

    /// The active organization; `None` for a token without one.
    #[must_use]
    pub fn organization(&self) -> Option<&Organization> {
        self.organization.as_ref()
    }

    /// The roles held in the organization. Tokens of the companion issuer carry exactly one.
    #[must_use]
    pub fn roles(&self) -> &[RoleName] {
        &self.roles
    }

    /// The permissions the credential itself carries; empty if it carries none.
    #[must_use]
    pub fn permissions(&self) -> &[Permission] {
        self.permissions.as_deref().unwrap_or_default()
    }

    /// Whether the credential spoke of permissions at all. An empty list is an answer, an absent one is not: only
    /// then may a policy derive permissions from roles.
    #[must_use]
    pub fn has_permissions_claim(&self) -> bool {
        self.permissions.is_some()
    }

    /// The OAuth scopes of the token (`scope`, RFC 8693 §4.2).
    #[must_use]
    pub fn scopes(&self) -> &[Box<str>] {
        &self.scopes
    }

    /// The OAuth client.
    #[must_use]
    pub fn client(&self) -> Option<&ClientId> {
        self.client.as_ref()
    }

    /// The sign-in this token belongs to.
    #[must_use]
    pub fn session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// The id of the token.
    #[must_use]
    pub fn token_id(&self) -> Option<&TokenId> {
        self.token_id.as_ref()
    }

    /// The organization's change counter when the token was issued (`org_ver`): a later change can name the tokens
    /// that are older than itself without comparing clocks.
    #[must_use]
    pub fn org_ver(&self) -> Option<u64> {
        self.org_ver
    }

    /// When the token was issued (`iat`).
    #[must_use]
    pub fn issued_at(&self) -> Option<UnixTime> {
        self.issued_at
    }

    /// When the credential ends (`exp`); `None` for a credential that does not end by itself.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixTime> {
        self.expires_at
    }

    /// When the person last proved to be present (`auth_time`, OpenID Connect Core §2).
    #[must_use]
    pub fn auth_time(&self) -> Option<UnixTime> {
        self.auth_time
    }

    /// The class of that proof (`acr`).
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.acr.as_deref()
    }

    /// The methods of that proof (`amr`, RFC 8176).
    #[must_use]
    pub fn amr(&self) -> &[Box<str>] {
        &self.amr
    }

    /// What the bearer must prove beyond holding the token.
    #[must_use]
    pub fn confirmation(&self) -> Option<&Confirmation> {
        self.confirmation.as_ref()
    }

    /// How the request was authenticated.
    #[must_use]
    pub fn authentication_method(&self) -> AuthenticationMethod {
        self.method
    }

    /// A claim that the policy names, by its reference there.
    #[must_use]
    pub fn claim(&self, reference: &str) -> Option<&ClaimValue> {
        self.claims.get(reference)
    }

    /// All claims that the policy names, by reference.
    pub fn claims(&self) -> impl Iterator<Item = (&str, &ClaimValue)> {
        self.claims.iter().map(|(name, value)| (&**name, value))
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.subject)?;
        match &self.organization {
            Some(organization) => write!(f, " in {}", organization.id),
            None => Ok(()),
        }
    }
}

/// Builds a [`Principal`]; each method sets one thing and replaces what it set before.
#[derive(Clone, Debug)]
pub struct PrincipalBuilder(Principal);

impl PrincipalBuilder {
    /// Done.
    #[must_use]
    pub fn build(self) -> Principal {
        self.0
    }

    /// The active organization.
    #[must_use]
    pub fn organization(mut self, organization: Option<Organization>) -> Self {
        self.0.organization = organization;
        self
    }

    /// The roles in it.
    #[must_use]
    pub fn roles(mut self, roles: Vec<RoleName>) -> Self {
        self.0.roles = roles;
        self
    }

    /// The permissions in it; `None` where the credential does not speak of permissions.
    #[must_use]
    pub fn permissions(mut self, permissions: Option<Vec<Permission>>) -> Self {
        self.0.permissions = permissions;
        self
    }

    /// The OAuth scopes.
    #[must_use]
    pub fn scopes(mut self, scopes: Vec<Box<str>>) -> Self {
        self.0.scopes = scopes;
        self
    }

    /// The OAuth client.
    #[must_use]
    pub fn client(mut self, client: Option<ClientId>) -> Self {
        self.0.client = client;
        self
    }

    /// The sign-in.
    #[must_use]
    pub fn session(mut self, session: Option<SessionId>) -> Self {
        self.0.session = session;
        self
    }

    /// The id of the token.
    #[must_use]
    pub fn token_id(mut self, token_id: Option<TokenId>) -> Self {
        self.0.token_id = token_id;
        self
    }

    /// The organization's change counter at issue.
    #[must_use]
    pub fn org_ver(mut self, org_ver: Option<u64>) -> Self {
        self.0.org_ver = org_ver;
        self
    }

    /// When the credential was issued.
    #[must_use]
    pub fn issued_at(mut self, at: Option<UnixTime>) -> Self {
        self.0.issued_at = at;
        self
    }

    /// When it ends.
    #[must_use]
    pub fn expires_at(mut self, at: Option<UnixTime>) -> Self {
        self.0.expires_at = at;
        self
    }

    /// When the person last proved to be present.
    #[must_use]
    pub fn auth_time(mut self, at: Option<UnixTime>) -> Self {
        self.0.auth_time = at;
        self
    }

    /// The class of that proof.
    #[must_use]
    pub fn acr(mut self, acr: Option<Box<str>>) -> Self {
        self.0.acr = acr;
        self
    }

    /// The methods of that proof.
    #[must_use]
    pub fn amr(mut self, amr: Vec<Box<str>>) -> Self {
        self.0.amr = amr;
        self
    }

    /// What the bearer must prove.
    #[must_use]
    pub fn confirmation(mut self, confirmation: Option<Confirmation>) -> Self {
        self.0.confirmation = confirmation;
        self
    }

    /// How the request was authenticated.
    #[must_use]
    pub fn authentication_method(mut self, method: AuthenticationMethod) -> Self {
        self.0.method = method;
        self
    }

    /// A claim that the policy names.
    #[must_use]
    pub fn claim(mut self, reference: &str, value: ClaimValue) -> Self {
        self.0.claims.insert(reference.into(), value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_permission_list_is_an_answer_and_an_absent_one_is_not() {
        let ann = || {
            Principal::builder(IssuerUrl::parse("https://i").unwrap(), SubjectId::parse("usr_ann").unwrap())
        };
        let silent = ann().build();
        assert!(!silent.has_permissions_claim());
        assert!(silent.permissions().is_empty());
        let empty = ann().permissions(Some(Vec::new())).build();
        assert!(empty.has_permissions_claim());
        assert!(empty.permissions().is_empty());
    }
}
