//! `Authorization: Bearer …` (RFC 6750 §2.1).

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use super::{CredentialError, is_token};

/// The token of the one `Authorization` header. Other schemes are not ours: a request with `Basic` credentials is
/// anonymous here. The scheme is compared without regard to case (RFC 9110 §11.1).
pub(super) fn extract(headers: &HeaderMap) -> Result<Option<&str>, CredentialError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(CredentialError::Several);
    }
    let value = value.to_str().map_err(|_| CredentialError::Malformed)?.trim_matches([' ', '\t']);
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.contains([',', '\t']) {
        return Err(CredentialError::Malformed);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = rest.trim_start_matches(' ');
    // A comma would be a second credential.
    if !is_token(token) {
        return Err(CredentialError::Malformed);
    }
    Ok(Some(token))
}

/// Leaves the schemes that are not ours.
pub(super) fn remove(headers: &mut HeaderMap) {
    let is_ours = |value: &HeaderValue| {
        let value = value.as_bytes().trim_ascii_start();
        value.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
            && value.get(6).is_none_or(|next| !next.is_ascii_alphanumeric())
    };
    if headers.get_all(AUTHORIZATION).iter().any(is_ours) {
        let others: Vec<_> =
            headers.get_all(AUTHORIZATION).iter().filter(|value| !is_ours(value)).cloned().collect();
        headers.remove(AUTHORIZATION);
        for value in others {
            headers.append(AUTHORIZATION, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extracted(values: &[&[u8]]) -> Result<Option<String>, CredentialError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        extract(&headers).map(|token| token.map(str::to_owned))
    }

    #[test]
    fn the_scheme_is_case_insensitive_and_the_token_is_not_touched() {
        for value in [&b"Bearer a.b.c"[..], b"bearer a.b.c", b"BEARER   a.b.c", b" Bearer a.b.c "] {
            assert_eq!(extracted(&[value]), Ok(Some("a.b.c".to_owned())));
        }
    }

    #[test]
    fn other_schemes_are_no_credential_of_ours() {
        for value in [
            &b"Basic dXNlcjpwYXNz"[..],
            b"DPoP a.b.c",
            b"Token a.b.c",
            b"Bearera.b.c",
            b"Bearer:a.b.c",
            b"a.b.c",
        ] {
            assert_eq!(extracted(&[value]), Ok(None));
        }
        assert_eq!(extracted(&[]), Ok(None));
    }

    #[test]
    fn two_credentials_are_refused() {
        for values in
            [[&b"Bearer a.b.c"[..], b"Bearer a.b.c"], [b"Basic eA", b"Bearer a.b.c"], [b"", b"Bearer a.b.c"]]
        {
            assert_eq!(extracted(&values), Err(CredentialError::Several));
        }
    }

    #[test]
    fn what_is_there_and_unreadable_is_not_absent() {
        for value in [
            &b"Bearer"[..],
            b"Bearer ",
            b"Bearer a.b.c x",
            b"Bearer a.b.c, Bearer d.e.f",
            b"Bearer a.b.c; x",
            b"Bearer\ta.b.c",
            b"Bearer \"a.b.c\"",
            b"Bearer a.b.c\xa0",
            b"Bearer a.b.c=",
        ] {
            let got = extracted(&[value]);
            assert_ne!(got, Ok(Some("a.b.c".to_owned())));
            assert!(got.is_err() || value.starts_with(b"Bearer\t"), "{value:?}: {got:?}");
        }
    }
}
