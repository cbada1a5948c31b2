//! What an issuer says of an opaque token (RFC 7662 §2.2), judged as the claims of a token are.
//!
//! The answer comes from the issuer itself, so nothing in it is unproven; what is left to ask is whether it speaks of a token
//! that may be used here. The endpoint also knows refresh tokens and those of other services, so kind, issuer, times and
//! audience are judged as of a JWT, and the same mapping makes the principal. Two things differ, because the standard makes
//! them optional: without `exp` the token stands as long as the issuer says so, and RFC 9068, which is about JWTs, asks for
//! no further claims.

use orgate_claims::UnixTime;

use crate::{
    TrustedIssuer, VerifyError,
    VerifyErrorKind::{Inactive, Malformed, MalformedClaim, UnknownIssuer, WrongType},
    claims_check,
    json::{Map, Value},
    token_types,
};

/// Judges the answer of `issuer` as of `now`, and gives its `exp`, if it has one.
pub(crate) fn check(
    issuer: &TrustedIssuer,
    claims: &Map<'_>,
    now: UnixTime,
) -> Result<Option<UnixTime>, VerifyError> {
    match claims.get("active") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => {
            return Err(VerifyError::new(Inactive, "the issuer says that the token does not stand"));
        }
        _ => return Err(VerifyError::new(Malformed, "the answer has no `active` that is true or false")),
    }
    match present(claims, "iss") {
        None => {}
        Some(Value::Text(url)) if *url == issuer.url().as_str() => {}
        Some(_) => return Err(VerifyError::new(UnknownIssuer, "the token is of another issuer")),
    }
    check_kind(claims)?;
    if let Some(telltale) = issuer.access_token_telltale() {
        telltale.check(claims)?;
    }
    let expires_at = claims_check::timestamp(claims, "exp")?;
    claims_check::check_times(issuer, claims, expires_at, now)?;
    claims_check::check_audience(issuer, claims)?;
    Ok(expires_at)
}

/// SECURITY: a refresh token is active too, and lives for weeks.
fn check_kind(claims: &Map<'_>) -> Result<(), VerifyError> {
    token_types::check_marks(claims, &["access", "access_token"])?;
    for (claim, access) in [
        ("token_type", &["Bearer", "DPoP", "access_token", "at+jwt"][..]),
        ("typ", &["Bearer", "DPoP", "at+jwt", "JWT"]),
    ] {
        let says_so = |value: &Value<'_>| {
            value.as_text().is_some_and(|text| access.iter().any(|name| name.eq_ignore_ascii_case(text)))
        };
        if present(claims, claim).is_some_and(|value| !says_so(value)) {
            let detail = format!("the `{claim}` of the token is none of an access token");
            return Err(VerifyError::new(WrongType, detail));
        }
    }
    let is_bound = |name| {
        present(claims, name).and_then(Value::as_text).is_some_and(|text| text.eq_ignore_ascii_case("dpop"))
    };
    if (is_bound("token_type") || is_bound("typ")) && present(claims, "cnf").is_none() {
        return Err(VerifyError::new(
            MalformedClaim,
            "the token is bound to a key, and `cnf` does not say which",
        ));
    }
    Ok(())
}

fn present<'c, 'm>(claims: &'c Map<'m>, name: &str) -> Option<&'c Value<'m>> {
    claims.get(name).filter(|value| **value != Value::Null)
}
