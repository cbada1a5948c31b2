//! What is judged of the claims before the signature: type, time and audience.
//!
//! These claims are not yet proven, so they decide only to refuse; a token that gets past here still needs its signature.
//! Judging them first means that no key is looked for, and no key set fetched, for a token that could not be accepted.

use orgate_claims::{UnixTime, wire};

use crate::{
    Audience, TrustedIssuer, VerifyError,
    VerifyErrorKind::{Expired, MalformedClaim, MissingClaim, NotYetValid, WrongAudience},
    json::{Map, Value},
};

/// The largest whole number that every JSON reader understands alike (RFC 7493 §2.2); as a time, 285 million years away.
pub(crate) const MAX_SAFE_INTEGER: i64 = 1 << 53;

/// Judges the claims of a token of `issuer` as of `now`, and gives its `exp`.
pub(crate) fn check(
    issuer: &TrustedIssuer,
    typ: Option<&str>,
    claims: &Map<'_>,
    now: UnixTime,
) -> Result<UnixTime, VerifyError> {
    issuer.token_types().check(typ, claims)?;
    if let Some(telltale) = issuer.access_token_telltale() {
        telltale.check(claims)?;
    }
    if issuer.is_rfc9068() {
        check_rfc9068(claims)?;
    }
    let expires_at = timestamp(claims, "exp")?;
    let expires_at = expires_at.ok_or_else(|| VerifyError::new(MissingClaim, "the token has no `exp`"))?;
    check_times(issuer, claims, Some(expires_at), now)?;
    check_audience(issuer, claims)?;
    Ok(expires_at)
}

/// RFC 9068 §2.2; `iss`, `exp`, `aud` and `sub` are needed in every token.
fn check_rfc9068(claims: &Map<'_>) -> Result<(), VerifyError> {
    let is_there = |name: &str| claims.get(name).is_some_and(|value| *value != Value::Null);
    match [wire::CLIENT_ID, "iat", "jti"].into_iter().find(|name| !is_there(name)) {
        None => Ok(()),
        Some(name) => {
            let detail = format!("the token has no `{name}`, as access tokens by RFC 9068 have");
            Err(VerifyError::new(MissingClaim, detail))
        }
    }
}

/// The time a claim holds: whole seconds from 0 to 2^53; `null` counts as absent.
pub(crate) fn timestamp(claims: &Map<'_>, name: &'static str) -> Result<Option<UnixTime>, VerifyError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Integer(seconds)) if (0..=MAX_SAFE_INTEGER).contains(seconds) => {
            Ok(Some(UnixTime::from_seconds(*seconds)))
        }
        Some(_) => Err(not_a_time(name)),
    }
}

fn not_a_time(name: &'static str) -> VerifyError {
    VerifyError::new(MalformedClaim, format!("the claim `{name}` is not a time in whole seconds"))
}

/// Judges `exp`, if there is one, `nbf` and `iat`.
pub(crate) fn check_times(
    issuer: &TrustedIssuer,
    claims: &Map<'_>,
    expires_at: Option<UnixTime>,
    now: UnixTime,
) -> Result<(), VerifyError> {
    let leeway = i64::from(issuer.leeway_seconds());
    // SECURITY: a restriction that cannot be read is not the absence of one.
    let not_before = match claims.get("nbf") {
        Some(Value::Null) => return Err(not_a_time("nbf")),
        _ => timestamp(claims, "nbf")?,
    };
    let issued_at = timestamp(claims, "iat")?;
    if expires_at.is_some_and(|at| now >= at.plus(leeway)) {
        return Err(VerifyError::new(Expired, "the token has expired"));
    }
    let latest = now.plus(leeway);
    if not_before.is_some_and(|at| at > latest) {
        return Err(VerifyError::new(NotYetValid, "the `nbf` of the token lies ahead"));
    }
    if issued_at.is_some_and(|at| at > latest) {
        return Err(VerifyError::new(NotYetValid, "the `iat` of the token lies ahead"));
    }
    Ok(())
}

pub(crate) fn check_audience(issuer: &TrustedIssuer, claims: &Map<'_>) -> Result<(), VerifyError> {
    let present = |name: &'static str| {
        claims.get(name).filter(|value| **value != Value::Null).map(|value| (name, value))
    };
    let (name, value) = match present("aud").or_else(|| issuer.claim_for_audience().and_then(present)) {
        Some(found) => found,
        None if *issuer.audience() == Audience::Any => return Ok(()),
        None => {
            let or = issuer.claim_for_audience().map_or(String::new(), |claim| format!(" and no `{claim}`"));
            return Err(VerifyError::new(MissingClaim, format!("the token has no `aud`{or}")));
        }
    };
    let malformed = || {
        let message = format!("the claim `{name}` is neither a string nor an array of strings");
        VerifyError::new(MalformedClaim, message)
    };
    let named: Vec<&str> = match value {
        Value::Text(one) => vec![one],
        Value::List(many) => many.iter().map(Value::as_text).collect::<Option<_>>().ok_or_else(malformed)?,
        _ => return Err(malformed()),
    };
    match issuer.audience() {
        Audience::OneOf(ours) if !named.iter().any(|name| ours.iter().any(|our| our == name)) => {
            Err(VerifyError::new(WrongAudience, "the token is meant for another audience"))
        }
        Audience::OneOf(_) | Audience::Any => Ok(()),
    }
}
