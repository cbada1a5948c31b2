//! What is judged of the claims before the signature: type, time and audience.
//!
//! These claims are not yet proven, so they decide only to refuse; a token that gets past here still needs its signature.
//! Judging them first means that no key is looked for, and no key set fetched, for a token that could not be accepted.

use orgate_claims::UnixTime;

use crate::{
    Audience, TokenTypes, TrustedIssuer, VerifyError,
    VerifyErrorKind::{Expired, MalformedClaim, MissingClaim, NotYetValid, WrongAudience, WrongType},
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
    check_type(issuer.token_types(), typ, claims)?;
    let expires_at = check_times(i64::from(issuer.leeway_seconds()), claims, now)?;
    check_audience(issuer.audience(), claims)?;
    Ok(expires_at)
}

/// The time a claim holds: whole seconds from 0 to 2^53; `null` counts as absent.
pub(crate) fn timestamp(claims: &Map<'_>, name: &'static str) -> Result<Option<UnixTime>, VerifyError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Integer(seconds)) if (0..=MAX_SAFE_INTEGER).contains(seconds) => {
            Ok(Some(UnixTime::from_seconds(*seconds)))
        }
        Some(_) => Err(VerifyError::new(
            MalformedClaim,
            format!("the claim `{name}` is not a time in whole seconds"),
        )),
    }
}

fn check_type(types: TokenTypes, typ: Option<&str>, claims: &Map<'_>) -> Result<(), VerifyError> {
    // A media type without its `application/`, in any case (RFC 7515 §4.1.9).
    let short = typ.map(|typ| match typ.get(..12) {
        Some(prefix) if prefix.eq_ignore_ascii_case("application/") => typ.get(12..).unwrap_or_default(),
        _ => typ,
    });
    let is_access_token = short.is_some_and(|typ| typ.eq_ignore_ascii_case("at+jwt"));
    match types {
        TokenTypes::AccessTokenOnly if !is_access_token => {
            return Err(VerifyError::new(WrongType, "the `typ` of the token is not `at+jwt`"));
        }
        TokenTypes::AccessTokenOnly => return Ok(()),
        TokenTypes::AccessTokenOrJwt => {}
    }
    if !is_access_token && short.is_some_and(|typ| !typ.eq_ignore_ascii_case("jwt")) {
        return Err(VerifyError::new(WrongType, "the `typ` of the token is neither `at+jwt` nor `JWT`"));
    }
    if claims.get("token_use").is_some_and(|usage| usage.as_text() != Some("access")) {
        return Err(VerifyError::new(WrongType, "the `token_use` of the token is not `access`"));
    }
    match ["nonce", "at_hash", "c_hash"].into_iter().find(|&name| claims.contains_key(name)) {
        Some(name) => Err(VerifyError::new(WrongType, format!("the token has `{name}`: it is an id token"))),
        None => Ok(()),
    }
}

fn check_times(leeway: i64, claims: &Map<'_>, now: UnixTime) -> Result<UnixTime, VerifyError> {
    let expires_at =
        timestamp(claims, "exp")?.ok_or_else(|| VerifyError::new(MissingClaim, "the token has no `exp`"))?;
    let not_before = timestamp(claims, "nbf")?;
    let issued_at = timestamp(claims, "iat")?;
    if now >= expires_at.plus(leeway) {
        return Err(VerifyError::new(Expired, "the token has expired"));
    }
    let latest = now.plus(leeway);
    if not_before.is_some_and(|at| at > latest) {
        return Err(VerifyError::new(NotYetValid, "the `nbf` of the token lies ahead"));
    }
    if issued_at.is_some_and(|at| at > latest) {
        return Err(VerifyError::new(NotYetValid, "the `iat` of the token lies ahead"));
    }
    Ok(expires_at)
}

fn check_audience(audience: &Audience, claims: &Map<'_>) -> Result<(), VerifyError> {
    let malformed =
        || VerifyError::new(MalformedClaim, "the claim `aud` is neither a string nor an array of strings");
    let named: Vec<&str> = match claims.get("aud") {
        None | Some(Value::Null) => match audience {
            Audience::Any => return Ok(()),
            Audience::OneOf(_) => return Err(VerifyError::new(MissingClaim, "the token has no `aud`")),
        },
        Some(Value::Text(one)) => vec![one],
        Some(Value::List(many)) => {
            many.iter().map(Value::as_text).collect::<Option<_>>().ok_or_else(malformed)?
        }
        Some(_) => return Err(malformed()),
    };
    match audience {
        Audience::OneOf(ours) if !named.iter().any(|name| ours.iter().any(|our| our == name)) => {
            Err(VerifyError::new(WrongAudience, "the token is meant for another audience"))
        }
        Audience::OneOf(_) | Audience::Any => Ok(()),
    }
}
