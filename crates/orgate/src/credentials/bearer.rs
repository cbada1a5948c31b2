//! `Authorization: Bearer …` (RFC 6750 §2.1), and `Authorization: DPoP …` for tokens that are bound to a key (RFC 9449 §7.1).

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use super::{CredentialError, Scheme, is_token};

/// The token of the one `Authorization` header. Other schemes are not ours: a request with `Basic` credentials is
/// anonymous here. The scheme is compared without regard to case (RFC 9110 §11.1).
pub(super) fn extract(headers: &HeaderMap) -> Result<Option<(&str, Scheme)>, CredentialError> {
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
    let scheme = match () {
        () if scheme.eq_ignore_ascii_case("bearer") => Scheme::Bearer,
        () if scheme.eq_ignore_ascii_case("dpop") => Scheme::Dpop,
        () => return Ok(None),
    };
    let token = rest.trim_start_matches(' ');
    // A comma would be a second credential.
    if !is_token(token) {
        return Err(CredentialError::Malformed);
    }
    Ok(Some((token, scheme)))
}

/// Leaves the schemes that are not ours.
pub(super) fn remove(headers: &mut HeaderMap) {
    let is_ours = |value: &HeaderValue| {
        let value = value.as_bytes().trim_ascii_start();
        [&b"bearer"[..], b"dpop"].iter().any(|ours| {
            value.get(..ours.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(ours))
                && value.get(ours.len()).is_none_or(|next| !next.is_ascii_alphanumeric())
        })
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
        extract(&headers).map(|token| token.map(|(token, scheme)| format!("{scheme:?} {token}")))
    }

    #[test]
    fn the_scheme_is_case_insensitive_and_the_token_is_not_touched() {
        for value in [&b"Bearer a.b.c"[..], b"bearer a.b.c", b"BEARER   a.b.c", b" Bearer a.b.c "] {
            assert_eq!(extracted(&[value]), Ok(Some("Bearer a.b.c".to_owned())));
        }
        for value in [&b"DPoP a.b.c"[..], b"dpop a.b.c", b"DPOP  a.b.c "] {
            assert_eq!(extracted(&[value]), Ok(Some("Dpop a.b.c".to_owned())));
        }
    }

    #[test]
    fn what_ends_at_the_gate_is_ours_alone() {
        for (value, ours) in [
            (&b"Bearer a.b.c"[..], true),
            (b"bearer", true),
            (b"DPoP a.b.c", true),
            (b" dpop\ta", true),
            (b"Basic eA", false),
            (b"Bearers a", false),
            (b"DPoPs a", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
            remove(&mut headers);
            assert_eq!(headers.is_empty(), ours, "{value:?}");
        }
    }

    #[test]
    fn other_schemes_are_no_credential_of_ours() {
        for value in [
            &b"Basic dXNlcjpwYXNz"[..],
            b"DPoPa.b.c",
            b"DPoP:a.b.c",
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
        for values in [
            [&b"Bearer a.b.c"[..], b"Bearer a.b.c"],
            [b"Basic eA", b"Bearer a.b.c"],
            [b"", b"Bearer a.b.c"],
            [b"DPoP a.b.c", b"Bearer a.b.c"],
        ] {
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
            assert_ne!(got, Ok(Some("Bearer a.b.c".to_owned())));
            assert!(got.is_err() || value.starts_with(b"Bearer\t"), "{value:?}: {got:?}");
        }
    }
}
