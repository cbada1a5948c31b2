//! The header `Stripe-Signature`: `t=1492774577,v1=5257a8…,v0=6ffbb5…`.
//!
//! Pairs of other names are other schemes and are passed over, as Stripe asks ("to prevent downgrade attacks, ignore all
//! schemes that are not v1"). A second `t` would give the delivery two times, so it is refused.

use super::{AuthenticatorError, from_hex, webhook::MAX_SIGNATURES};

/// The time of the delivery as written, and its signatures of the scheme `v1`.
pub(super) struct Signed<'h> {
    pub(super) timestamp: &'h str,
    pub(super) signatures: Vec<[u8; 32]>,
}

pub(super) fn read(header: &str) -> Result<Signed<'_>, AuthenticatorError> {
    let mut timestamp = None;
    let mut signatures = Vec::new();
    for pair in header.split(',') {
        match pair.trim_matches([' ', '\t']).split_once('=') {
            Some(("t", _)) if timestamp.is_some() => return Err(AuthenticatorError::Malformed),
            Some(("t", text)) => timestamp = Some(text),
            Some(("v1", text)) => {
                if signatures.len() == MAX_SIGNATURES {
                    return Err(AuthenticatorError::Malformed);
                }
                signatures.push(from_hex(text).ok_or(AuthenticatorError::Malformed)?);
            }
            Some(_) => {}
            None => return Err(AuthenticatorError::Malformed),
        }
    }
    let timestamp = timestamp.ok_or(AuthenticatorError::Malformed)?;
    if signatures.is_empty() {
        return Err(AuthenticatorError::Malformed);
    }
    Ok(Signed { timestamp, signatures })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_read_in_one_way_or_refused() {
        let (one, two) = ("0a".repeat(32), "ff".repeat(32));
        let header = format!("t=12,v1={one},v0=xyz, v1={two}");
        let signed = read(&header).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(signed.timestamp, "12");
        assert_eq!(signed.signatures, [[0x0a; 32], [0xff; 32]]);
        for header in [
            String::new(),
            "t=12".to_owned(),
            format!("v1={one}"),
            format!("t=12,t=13,v1={one}"),
            format!("t=12,v0={one}"),
            format!("t=12,v1={}", one.get(1..).unwrap()),
            format!("t=12,v1={one},"),
            format!("T=12,v1={one}"),
            format!("t=12{}", format!(",v1={one}").repeat(17)),
        ] {
            assert_eq!(
                read(&header).map(|signed| signed.signatures.len()),
                Err(AuthenticatorError::Malformed),
                "{header}"
            );
        }
    }
}
