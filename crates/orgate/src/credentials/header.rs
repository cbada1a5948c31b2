//! A header whose whole value is the token.

use http::{HeaderMap, HeaderName};

use super::{CredentialError, is_token};

pub(super) fn extract<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, CredentialError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(CredentialError::Several);
    }
    match value.to_str().map(|value| value.trim_matches([' ', '\t'])) {
        Ok(token) if is_token(token) => Ok(Some(token)),
        _ => Err(CredentialError::Malformed),
    }
}
