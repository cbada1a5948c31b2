//! Refresh tokens: derived, not stored.
//!
//! `ort_` and base64url of family (16 bytes) ‖ counter (8) ‖ the first 16 bytes of an HMAC over both. The database has
//! one row for a family, with the counter that is valid now. So a copy of the database holds no token, and the
//! successor of a token can be made again for a client that did not get the answer.

use uuid::Uuid;

use crate::{
    encoding::{base64url, from_base64url},
    ids::Kind,
    secret::Secrets,
};

const PREFIX: &str = "ort_";
const CODE: usize = 16;
const LENGTH: usize = 16 + 8 + CODE;

/// What a refresh token says, after its code was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RefreshToken {
    pub(super) family_id: String,
    pub(super) counter: i64,
}

/// The token number `counter` of the family.
pub(super) fn derive(secrets: &Secrets, family_id: &str, counter: i64) -> Option<String> {
    let family = Kind::Family.uuid_of(family_id)?;
    let mut bytes = Vec::with_capacity(LENGTH);
    bytes.extend_from_slice(family.as_bytes());
    bytes.extend_from_slice(&u64::try_from(counter).ok()?.to_be_bytes());
    let code = secrets.sign_refresh(&bytes);
    bytes.extend_from_slice(code.as_ref().get(..CODE)?);
    Some(format!("{PREFIX}{}", base64url(&bytes)))
}

/// Reads a token that we made; `None` for everything else.
pub(super) fn parse(secrets: &Secrets, token: &str) -> Option<RefreshToken> {
    let bytes = from_base64url(token.strip_prefix(PREFIX)?)?;
    if bytes.len() != LENGTH {
        return None;
    }
    let (message, code) = bytes.split_at_checked(LENGTH - CODE)?;
    if !secrets.verify_refresh(message, code) {
        return None;
    }
    let (family, counter) = message.split_at_checked(16)?;
    Some(RefreshToken {
        family_id: Kind::Family.with_uuid(Uuid::from_slice(family).ok()?),
        counter: i64::try_from(u64::from_be_bytes(counter.try_into().ok()?)).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_tokens_are_read() {
        let secrets = Secrets::ephemeral().unwrap();
        let family_id = Kind::Family.new_id(1_700_000_000_000);
        let token = derive(&secrets, &family_id, 7).unwrap();
        assert_eq!(parse(&secrets, &token), Some(RefreshToken { family_id: family_id.clone(), counter: 7 }));
        assert_eq!(derive(&secrets, &family_id, 7).unwrap(), token, "the successor can be made again");
        assert_ne!(derive(&secrets, &family_id, 8).unwrap(), token);
        for at in PREFIX.len()..token.len() {
            let mut changed = token.clone();
            let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
            changed.replace_range(at..=at, other);
            assert_eq!(parse(&secrets, &changed), None, "position {at}");
        }
        let mut short = token.clone();
        short.pop();
        for wrong in ["", "ort_", &short, &format!("{token}A"), token.strip_prefix(PREFIX).unwrap()] {
            assert_eq!(parse(&secrets, wrong), None);
        }
        assert_eq!(parse(&Secrets::ephemeral().unwrap(), &token), None);
    }
}
