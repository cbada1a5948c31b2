//! The claims that mean the same in every access token (RFC 7519 §4.1, RFC 9068 §2.2, RFC 7800, OpenID Connect Core §2).

use orgate_claims::{ClientId, Confirmation, NameError, PrincipalBuilder, SessionId, TokenId, wire};

use super::{ClaimRef, ClaimSource, malformed, source::BareString};
use crate::{
    VerifyError,
    claims_check::timestamp,
    json::{Map, Value},
};

/// Fills in what the registered claims say.
pub(super) fn fill(builder: PrincipalBuilder, claims: &Map<'_>) -> Result<PrincipalBuilder, VerifyError> {
    let client = match name(claims, wire::CLIENT_ID, ClientId::parse)? {
        Some(client) => Some(client),
        None => name(claims, "azp", ClientId::parse)?,
    };
    Ok(builder
        .client(client)
        .session(name(claims, wire::SID, SessionId::parse)?)
        .token_id(name(claims, "jti", TokenId::parse)?)
        .issued_at(timestamp(claims, "iat")?)
        .expires_at(timestamp(claims, "exp")?)
        .auth_time(timestamp(claims, "auth_time")?)
        .acr(name(claims, "acr", |text| Ok(text.into()))?)
        .amr(words(claims, "amr", None)?)
        // A string with spaces (RFC 8693 §4.2), or an array as some issuers write it: each has one reading.
        .scopes(words(claims, "scope", Some(" "))?)
        .confirmation(confirmation(claims)?))
}

/// A whole number that counts up from zero, such as `org_ver`.
pub(super) fn counter(reference: &ClaimRef, claims: &Map<'_>) -> Result<Option<u64>, VerifyError> {
    match reference.find(claims) {
        None => Ok(None),
        Some(Value::Integer(n)) if *n >= 0 => Ok(Some(n.unsigned_abs())),
        Some(_) => Err(malformed(reference, &"is not a whole number from 0 on")),
    }
}

fn name<T>(
    claims: &Map<'_>,
    claim: &'static str,
    parse: fn(&str) -> Result<T, NameError>,
) -> Result<Option<T>, VerifyError> {
    super::name(&ClaimSource::new(vec![ClaimRef::name(claim)]).strings_only(), claims, parse)
}

fn words(claims: &Map<'_>, claim: &'static str, split: Option<&str>) -> Result<Vec<Box<str>>, VerifyError> {
    let mut source = ClaimSource::new(vec![ClaimRef::name(claim)]);
    if let Some(separator) = split {
        source = source.split(separator);
    }
    let words = super::read_set(&source, claims, BareString::OneElement, None, |_, items| {
        Ok(items.iter().map(|&item| item.into()).collect())
    })?;
    Ok(words.unwrap_or_default())
}

/// What the bearer must prove. SECURITY: a confirmation that is not understood refuses the token; read as absent, it
/// would turn a bound token into a bearer token.
fn confirmation(claims: &Map<'_>) -> Result<Option<Confirmation>, VerifyError> {
    let members = match claims.get("cnf") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Map(members)) => members,
        Some(_) => return Err(malformed(&"cnf", &"is not an object")),
    };
    let mut entries =
        members.iter().map(|(name, value)| (&**name, value.as_text().filter(|text| !text.is_empty())));
    match (entries.next(), entries.next()) {
        (Some(("jkt", Some(thumbprint))), None) => Ok(Some(Confirmation::KeyThumbprint(thumbprint.into()))),
        (Some(("x5t#S256", Some(thumbprint))), None) => {
            Ok(Some(Confirmation::CertificateThumbprint(thumbprint.into())))
        }
        _ => Err(malformed(&"cnf", &"asks for a proof that is not supported; `jkt` or `x5t#S256` alone is")),
    }
}
