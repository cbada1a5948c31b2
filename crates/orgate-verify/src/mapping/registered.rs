//! The claims that mean the same in every access token (RFC 7519 §4.1, RFC 9068 §2.2, RFC 7800, OpenID Connect Core §2).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
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
    let unsupported =
        || malformed(&"cnf", &"asks for a proof that is not supported; `jkt` and `x5t#S256` are");
    let members = match claims.get("cnf") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Map(members)) => members,
        Some(_) => return Err(malformed(&"cnf", &"is not an object")),
    };
    let (mut key, mut certificate) = (None, None);
    for (name, value) in members.iter() {
        let thumbprint = || {
            let text = value.as_text()?;
            let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
            Some((text, bytes))
        };
        let no_thumbprint = || malformed(&"cnf", &"has a thumbprint that is no SHA-256 in base64url");
        match &**name {
            "jkt" => key = Some(thumbprint().ok_or_else(no_thumbprint)?.0.into()),
            "x5t#S256" => certificate = Some(thumbprint().ok_or_else(no_thumbprint)?.1),
            _ => return Err(unsupported()),
        }
    }
    Confirmation::new(key, certificate).map(Some).ok_or_else(unsupported)
}
