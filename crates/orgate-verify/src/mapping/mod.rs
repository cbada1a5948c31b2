//! From claims to a [`Principal`].
//!
//! A mapping has a source for each slot of the principal: subject, organization, roles, permissions, and the claims that
//! a policy names. Registered claims that mean the same everywhere (client, session, token id, scope, authentication,
//! confirmation) are read by `registered`. Nothing else of a token is kept. A value of the wrong type refuses the token;
//! only a permission whose text cannot be a permission name is dropped, since no rule could ask for it.

mod clerk;
mod reference;
mod registered;
mod source;

use std::{collections::BTreeMap, fmt};

use orgate_claims::{
    ClaimValue, IssuerUrl, NameError, Organization, OrganizationId, Permission, Principal, RoleName, Slug,
    SubjectId, wire,
};

pub use reference::{ClaimRef, ClaimRefError};
pub use source::{ClaimSource, Pick};

use self::source::BareString;
use crate::{
    VerifyError,
    VerifyErrorKind::{Malformed, MalformedClaim, MissingClaim},
    json::{Map, Value, parse_object},
};

/// Which claims make the principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimMapping {
    subject: ClaimSource,
    organization_id: Option<ClaimSource>,
    organization_slug: Option<ClaimSource>,
    roles: Option<ClaimSource>,
    permissions: Option<Permissions>,
    org_ver: Option<ClaimRef>,
    claims: BTreeMap<Box<str>, (ClaimKind, ClaimSource)>,
}

/// How the slot `permissions` is filled.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Permissions {
    From(ClaimSource),
    /// The features of a session token of Clerk.
    ClerkV2,
}

/// Whether a policy compares a claim as one value or asks what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimKind {
    /// A string, a whole number or a boolean.
    Scalar,
    /// A set of strings.
    Set,
}

/// Why a source does not fit its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MappingError {
    /// It names no claim.
    NoClaim,
    /// `split` or `pick` on a slot that holds one value.
    NotASet,
    /// What picks one value on a slot that holds a set.
    NotOneValue,
    /// A rename to no name, or to several on a slot that holds one value.
    BadRename,
    /// An empty separator.
    EmptySeparator,
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoClaim => "a slot needs at least one claim to come from",
            Self::NotASet => "`split` and `pick` make sets; this slot holds one value",
            Self::NotOneValue => "this slot holds a set and not one value",
            Self::BadRename => "a name must become exactly one other here, and at least one in a set",
            Self::EmptySeparator => "`split` needs a separator",
        })
    }
}

impl std::error::Error for MappingError {}

impl ClaimMapping {
    /// The claims of the companion issuer: `sub`, `org_id`, `org_slug`, `org_role`, `org_permissions`, `org_ver`.
    #[must_use]
    pub fn orgate() -> Self {
        let slot = |name| Some(ClaimSource::new(vec![ClaimRef::name(name)]).strings_only());
        Self {
            subject: ClaimSource::new(vec![ClaimRef::name("sub")]).strings_only(),
            organization_id: slot(wire::ORG_ID),
            organization_slug: slot(wire::ORG_SLUG),
            roles: slot(wire::ORG_ROLE),
            permissions: slot(wire::ORG_PERMISSIONS).map(Permissions::From),
            org_ver: Some(ClaimRef::name(wire::ORG_VER)),
            claims: BTreeMap::new(),
        }
    }

    /// Only `sub`: no organization, no roles, no permissions.
    #[must_use]
    pub fn none() -> Self {
        Self {
            subject: ClaimSource::new(vec![ClaimRef::name("sub")]),
            organization_id: None,
            organization_slug: None,
            roles: None,
            permissions: None,
            org_ver: None,
            claims: BTreeMap::new(),
        }
    }

    /// The slot `sub`, which every token must fill.
    ///
    /// # Errors
    /// [`MappingError`] if the source does not fit a single value.
    pub fn subject(mut self, source: ClaimSource) -> Result<Self, MappingError> {
        self.subject = single(source)?;
        Ok(self)
    }

    /// The slot `org.id`.
    ///
    /// # Errors
    /// [`MappingError`] if the source does not fit a single value.
    pub fn organization_id(mut self, source: ClaimSource) -> Result<Self, MappingError> {
        self.organization_id = Some(single(source)?);
        Ok(self)
    }

    /// The slot `org.slug`. It counts only together with `org.id`.
    ///
    /// # Errors
    /// [`MappingError`] if the source does not fit a single value.
    pub fn organization_slug(mut self, source: ClaimSource) -> Result<Self, MappingError> {
        self.organization_slug = Some(single(source)?);
        Ok(self)
    }

    /// The slot `role`, a set; a bare string is one role.
    ///
    /// # Errors
    /// [`MappingError`] if the source does not fit a set.
    pub fn roles(mut self, source: ClaimSource) -> Result<Self, MappingError> {
        self.roles = Some(set(source)?);
        Ok(self)
    }

    /// The slot `permissions`, a set.
    ///
    /// # Errors
    /// [`MappingError`] if the source does not fit a set.
    pub fn permissions(mut self, source: ClaimSource) -> Result<Self, MappingError> {
        self.permissions = Some(Permissions::From(set(source)?));
        Ok(self)
    }

    /// The slot `permissions`, from `fea`, `o.per` and `o.fpm` of a session token of Clerk (version 2).
    #[must_use]
    pub fn clerk_v2_permissions(mut self) -> Self {
        self.permissions = Some(Permissions::ClerkV2);
        self
    }

    /// A claim that the policy names `reference`.
    ///
    /// # Errors
    /// [`MappingError`] if the source does not fit `kind`.
    pub fn claim(
        mut self,
        reference: &str,
        kind: ClaimKind,
        source: ClaimSource,
    ) -> Result<Self, MappingError> {
        let source = match kind {
            ClaimKind::Scalar => single(source)?,
            ClaimKind::Set => set(source)?,
        };
        self.claims.insert(reference.into(), (kind, source));
        Ok(self)
    }

    /// Whether the two make the same of a token, as far as both keep it: a claim that only one of them keeps for its
    /// policy does not count.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        let common = |a: &Self, b: &Self| {
            let kept = a.claims.iter().filter(|(name, _)| b.claims.contains_key(*name));
            Self { claims: kept.map(|(name, claim)| (name.clone(), claim.clone())).collect(), ..a.clone() }
        };
        common(self, other) == common(other, self)
    }

    /// The principal that a token of `issuer` with these claims would give, for `explain` and for tests of a policy.
    ///
    /// SECURITY: nothing is verified here, not even a time. What comes out is no more than a principal that was built by
    /// hand; a permit holds only what came out of a [`Verified`](crate::Verified).
    ///
    /// # Errors
    /// A [`VerifyError`] if the text is not one strict JSON object, or if a claim has the wrong form.
    pub fn read_unproven(&self, issuer: &IssuerUrl, claims: &str) -> Result<Principal, VerifyError> {
        let claims = parse_object(claims.as_bytes())
            .map_err(|fault| VerifyError::new(Malformed, format!("the text of the claims {fault}")))?;
        self.principal(issuer, &claims)
    }

    /// The principal that `claims`, which are proven, speak of.
    pub(crate) fn principal(&self, issuer: &IssuerUrl, claims: &Map<'_>) -> Result<Principal, VerifyError> {
        let subject = name(&self.subject, claims, SubjectId::parse)?.ok_or_else(|| missing(&self.subject))?;
        let id = optional_name(self.organization_id.as_ref(), claims, OrganizationId::parse)?;
        let slug = optional_name(self.organization_slug.as_ref(), claims, Slug::parse)?;
        let of = id.as_ref().map(OrganizationId::as_str);
        let roles = match &self.roles {
            Some(source) => read_set(source, claims, BareString::OneElement, of, |reference, items| {
                let parse = |item: &&str| RoleName::parse(item).map_err(|fault| malformed(reference, &fault));
                items.iter().map(parse).collect::<Result<Vec<_>, _>>()
            })?,
            None => None,
        };
        let permissions: Option<Vec<Permission>> = match &self.permissions {
            Some(Permissions::From(source)) => {
                read_set(source, claims, BareString::Malformed, of, |_, items| {
                    Ok(items.iter().filter_map(|item| Permission::parse(item).ok()).collect())
                })?
            }
            Some(Permissions::ClerkV2) => clerk::permissions(claims)?
                .map(|names| names.iter().filter_map(|name| Permission::parse(name).ok()).collect()),
            None => None,
        };
        let builder = Principal::builder(issuer.clone(), subject)
            .organization(id.map(|id| Organization::new(id, slug)))
            .roles(roles.unwrap_or_default())
            .permissions(permissions)
            .org_ver(
                self.org_ver.as_ref().map_or(Ok(None), |reference| registered::counter(reference, claims))?,
            );
        let mut builder = registered::fill(builder, claims)?;
        for (reference, (kind, source)) in &self.claims {
            if let Some(value) = named(*kind, source, claims)? {
                builder = builder.claim(reference, value);
            }
        }
        Ok(builder.build())
    }
}

fn named(kind: ClaimKind, source: &ClaimSource, claims: &Map<'_>) -> Result<Option<ClaimValue>, VerifyError> {
    match (kind, source.find(claims)) {
        (_, None) if source.required => Err(missing(source)),
        (_, None) => Ok(None),
        (ClaimKind::Scalar, Some((_, Value::Bool(value)))) => Ok(Some(ClaimValue::Bool(*value))),
        (ClaimKind::Scalar, Some((reference, value))) => {
            let text = source.scalar(value).map_err(|fault| malformed(reference, &fault))?;
            Ok(Some(ClaimValue::Text(text.into())))
        }
        (ClaimKind::Set, Some(_)) => read_set(source, claims, BareString::Malformed, None, |_, items| {
            Ok(ClaimValue::Set(items.iter().map(|&item| item.into()).collect()))
        }),
    }
}

fn optional_name<T>(
    source: Option<&ClaimSource>,
    claims: &Map<'_>,
    parse: fn(&str) -> Result<T, NameError>,
) -> Result<Option<T>, VerifyError> {
    let Some(source) = source else { return Ok(None) };
    // Some issuers write an empty text where no organization is active.
    match source.find(claims) {
        Some((_, Value::Text(text))) if text.is_empty() && !source.required => Ok(None),
        _ => name(source, claims, parse),
    }
}

fn name<T>(
    source: &ClaimSource,
    claims: &Map<'_>,
    parse: fn(&str) -> Result<T, NameError>,
) -> Result<Option<T>, VerifyError> {
    let Some((reference, text)) = source.scalar_of(claims) else {
        return if source.required { Err(missing(source)) } else { Ok(None) };
    };
    let text = text.map_err(|fault| malformed(reference, &fault))?;
    parse(&text).map(Some).map_err(|fault| malformed(reference, &fault))
}

fn read_set<T>(
    source: &ClaimSource,
    claims: &Map<'_>,
    bare: BareString,
    organization: Option<&str>,
    take: impl FnOnce(&ClaimRef, &[&str]) -> Result<T, VerifyError>,
) -> Result<Option<T>, VerifyError> {
    let Some((reference, value)) = source.find(claims) else {
        return if source.required { Err(missing(source)) } else { Ok(None) };
    };
    let items = source.set(value, bare, organization).map_err(|fault| malformed(reference, &fault))?;
    take(reference, &items).map(Some)
}

fn missing(source: &ClaimSource) -> VerifyError {
    let names = source.from.iter().map(|reference| format!("`{reference}`")).collect::<Vec<_>>().join(" or ");
    VerifyError::new(MissingClaim, format!("the token has no {names}"))
}

fn malformed(claim: &dyn fmt::Display, fault: &dyn fmt::Display) -> VerifyError {
    VerifyError::new(MalformedClaim, format!("the claim `{claim}` {fault}"))
}

fn single(source: ClaimSource) -> Result<ClaimSource, MappingError> {
    if source.split.is_some() || !matches!(source.pick, None | Some(Pick::Only(_))) {
        return Err(MappingError::NotASet);
    }
    if source.rename.values().any(|names| names.len() != 1) {
        return Err(MappingError::BadRename);
    }
    some_claim(source)
}

fn set(source: ClaimSource) -> Result<ClaimSource, MappingError> {
    if matches!(source.pick, Some(Pick::Only(_))) {
        return Err(MappingError::NotOneValue);
    }
    if source.split.as_deref() == Some("") {
        return Err(MappingError::EmptySeparator);
    }
    if source.rename.values().any(Vec::is_empty) {
        return Err(MappingError::BadRename);
    }
    some_claim(source)
}

fn some_claim(source: ClaimSource) -> Result<ClaimSource, MappingError> {
    if source.from.is_empty() { Err(MappingError::NoClaim) } else { Ok(source) }
}

#[cfg(test)]
mod tests;
