//! What an authenticator has signed, judged (Web Authentication Level 3, §7.1 and §7.2).
//!
//! Attestation is not asked for and not looked at: which make of authenticator somebody has decides nothing here. Presence
//! and verification of the person are always demanded, so that one passkey is two factors.

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{
        ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
        UnparsedPublicKey,
    },
};
use serde_json::Value;

use super::cbor::{self, Item};
use crate::{
    encoding::{base64url, from_base64url},
    secret::same,
};

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;
/// The longest id of a credential (§7.1 step 25).
const MAX_ID: usize = 1023;

/// The algorithms that are offered, best known first (COSE): ES256, EdDSA, RS256.
pub(super) const ALGORITHMS: [i64; 3] = [-7, -8, -257];

/// Where a signature must come from.
pub(super) struct Place<'a> {
    pub(super) origin: &'a str,
    pub(super) rp_id: &'a str,
}

/// A key that an authenticator has made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) id: String,
    pub(super) key: Key,
    pub(super) count: i64,
}

/// The challenge that the client data names, if they are of the ceremony `kind` and of our own page.
fn challenge(client_data: &[u8], kind: &str, place: &Place<'_>) -> Option<String> {
    let data: Value = serde_json::from_slice(client_data).ok()?;
    let framed = data.get("crossOrigin").is_some_and(|value| value != &Value::Bool(false));
    if data.get("type")? != kind || data.get("origin")? != place.origin || framed {
        return None;
    }
    data.get("challenge")?.as_str().map(str::to_owned)
}

/// What precedes the credential in the data of an authenticator: its flags and its counter.
fn flags_and_count(data: &[u8], place: &Place<'_>) -> Option<(u8, i64)> {
    let own = digest(&SHA256, place.rp_id.as_bytes());
    let (flags, count) = (*data.get(32)?, data.get(33..37)?);
    if data.get(..32)? != own.as_ref() || flags & PRESENT == 0 || flags & VERIFIED == 0 {
        return None;
    }
    Some((flags, count.iter().fold(0, |count, byte| (count << 8) | i64::from(*byte))))
}

/// The key of a registration and the challenge it answers; `None` if anything about it is wrong.
pub(super) fn made(client_data: &[u8], attestation: &[u8], place: &Place<'_>) -> Option<(Made, String)> {
    let challenge = challenge(client_data, "webauthn.create", place)?;
    let (object, rest) = cbor::first(attestation)?;
    let data = object.get(&Item::Text("authData".to_owned()))?.bytes()?;
    let (flags, count) = flags_and_count(data, place)?;
    if !rest.is_empty() || flags & ATTESTED == 0 {
        return None;
    }
    // 16 bytes tell the make, two the length of the id.
    let length = data.get(53..55)?.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte));
    let id = data.get(55..55 + length).filter(|id| (1..=MAX_ID).contains(&id.len()))?;
    let (cose, _) = cbor::first(data.get(55 + length..)?)?;
    Some((Made { id: base64url(id), key: Key::of(&cose)?, count }, challenge))
}

/// What an authenticator says when somebody signs in: the challenge, and how often it has signed.
pub(super) fn signed(
    client_data: &[u8],
    data: &[u8],
    signature: &[u8],
    key: &Key,
    place: &Place<'_>,
) -> Option<(String, i64)> {
    let challenge = challenge(client_data, "webauthn.get", place)?;
    let (_, count) = flags_and_count(data, place)?;
    let hash = digest(&SHA256, client_data);
    let message = [data, hash.as_ref()].concat();
    key.verifies(&message, signature).then_some((challenge, count))
}

/// A public key, as it is kept: the name of its algorithm and its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// An uncompressed point of P-256.
    Es256(Vec<u8>),
    Ed25519(Vec<u8>),
    Rs256 {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

impl Key {
    /// A key as COSE writes it (RFC 9052 §7, RFC 9053).
    fn of(cose: &Item) -> Option<Self> {
        let int = |label| cose.get(&Item::Int(label)).and_then(Item::int);
        let bytes = |label| cose.get(&Item::Int(label)).and_then(Item::bytes);
        let sized = |label, size| bytes(label).filter(|bytes| bytes.len() == size);
        match (int(1)?, int(3)?) {
            (2, -7) if int(-1) == Some(1) => {
                Some(Self::Es256([&[4][..], sized(-2, 32)?, sized(-3, 32)?].concat()))
            }
            (1, -8) if int(-1) == Some(6) => Some(Self::Ed25519(sized(-2, 32)?.to_vec())),
            (3, -257) => Some(Self::Rs256 { n: bytes(-1)?.to_vec(), e: bytes(-2)?.to_vec() }),
            _ => None,
        }
    }

    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Es256(point) => format!("ES256.{}", base64url(point)),
            Self::Ed25519(point) => format!("EdDSA.{}", base64url(point)),
            Self::Rs256 { n, e } => format!("RS256.{}.{}", base64url(n), base64url(e)),
        }
    }

    pub(super) fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (name, first) = (parts.next()?, from_base64url(parts.next()?)?);
        match (name, parts.next()) {
            ("ES256", None) => Some(Self::Es256(first)),
            ("EdDSA", None) => Some(Self::Ed25519(first)),
            ("RS256", Some(e)) => Some(Self::Rs256 { n: first, e: from_base64url(e)? }),
            _ => None,
        }
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature).is_ok()
            }
            Self::Ed25519(point) => {
                UnparsedPublicKey::new(&ED25519, point).verify(message, signature).is_ok()
            }
            Self::Rs256 { n, e } => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
        }
    }
}

/// Whether the handle that an authenticator keeps is that of the user.
pub(super) fn is_handle(handle: &str, user_id: &str) -> bool {
    same(handle, &base64url(user_id.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by passkey-authenticator 0.6.0 for the host `id.example.com`.
    mod foreign {
        pub(super) const ID: &str = "voq5uiImu0RwCLEFg22-pA";
        pub(super) const CREATED: &str = "eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIiwiY2hhbGxlbmdlIjoiRmgwTXFpMVNkTTJoSmVTRGNVVnd6andTUGFiUmRWc3By\
             OEF6c3NsRTFRSSIsIm9yaWdpbiI6Imh0dHBzOi8vaWQuZXhhbXBsZS5jb20iLCJjcm9zc09yaWdpbiI6ZmFsc2V9";
        pub(super) const OBJECT: &str = "o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YViUJlkQTsAKdriMqE84HF0LUSqgiRqfQADxZkQh8fexppldAAAAAAAAAAAA\
             AAAAAAAAAAAAAAAAEL6KuboiJrtEcAixBYNtvqSlAQIDJiABIVgg3N5FyzOiStAn9cs2_lleBhJEQ6uQy4UBJOyv5iNn3LMi\
             WCBJjTJfMl17u-OqHRIOadY3QorD2B2zUyPcCcTPcKce-Q";
        pub(super) const ASSERTED: &str = "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0IiwiY2hhbGxlbmdlIjoiOW9WZVpab0xGNzJ0SVhLSE1TMlRWRUhzNC11Rm9UX0ltVDk3\
             RUFkbWhfUSIsIm9yaWdpbiI6Imh0dHBzOi8vaWQuZXhhbXBsZS5jb20iLCJjcm9zc09yaWdpbiI6ZmFsc2V9";
        pub(super) const DATA: &str = "JlkQTsAKdriMqE84HF0LUSqgiRqfQADxZkQh8fexppkdAAAAAQ";
        pub(super) const SIGNATURE: &str =
            "MEUCIDm-L5X_e-WBLEleeNiK52o76RCsECgitTUhmg_Jn-vRAiEArrBDETP3luNdHeZMsiWwyDiSvv8tsrWzxg7vA4WPfm4";
    }

    const PLACE: Place<'_> = Place { origin: "https://id.example.com", rp_id: "id.example.com" };

    fn bytes(text: &str) -> Vec<u8> {
        from_base64url(text).unwrap()
    }

    #[test]
    fn what_a_foreign_authenticator_wrote_is_read_and_its_signature_holds() {
        let (made, challenge) = made(&bytes(foreign::CREATED), &bytes(foreign::OBJECT), &PLACE).unwrap();
        assert_eq!(
            (made.id.as_str(), challenge.as_str()),
            (foreign::ID, "Fh0Mqi1SdM2hJeSDcUVwzjwSPabRdVspr8AzsslE1QI")
        );
        assert_eq!(Key::from_text(&made.key.to_text()), Some(made.key.clone()));
        let (client_data, data, signature) =
            (bytes(foreign::ASSERTED), bytes(foreign::DATA), bytes(foreign::SIGNATURE));
        let (challenge, count) = signed(&client_data, &data, &signature, &made.key, &PLACE).unwrap();
        assert_eq!((challenge.as_str(), count), ("9oVeZZoLF72tIXKHMS2TVEHs4-uFoT_ImT97EAdmh_Q", 1));
        assert!(count > made.count);
        let elsewhere = Place { origin: PLACE.origin, rp_id: "example.com" };
        assert!(signed(&client_data, &data, &signature, &made.key, &elsewhere).is_none());
    }

    #[test]
    fn a_registration_that_is_cut_short_or_of_another_kind_is_no_key() {
        let (client_data, object) = (bytes(foreign::CREATED), bytes(foreign::OBJECT));
        for end in 0..object.len() {
            assert!(made(&client_data, &object[..end], &PLACE).is_none(), "{end}");
        }
        assert!(made(&client_data, &[&object[..], &[0]].concat(), &PLACE).is_none(), "something follows");
        assert!(made(&bytes(foreign::ASSERTED), &object, &PLACE).is_none(), "another ceremony");
        let cose = |members: &[(i64, Item)]| {
            Key::of(&Item::Map(
                members.iter().map(|(label, item)| (Item::Int(*label), item.clone())).collect(),
            ))
        };
        let (int, point) = (Item::Int, || Item::Bytes(vec![1; 32]));
        assert!(cose(&[(1, int(2)), (3, int(-7)), (-1, int(1)), (-2, point()), (-3, point())]).is_some());
        assert!(cose(&[(1, int(1)), (3, int(-8)), (-1, int(6)), (-2, point())]).is_some());
        for bad in [
            cose(&[(1, int(2)), (3, int(-7)), (-1, int(2)), (-2, point()), (-3, point())]),
            cose(&[(1, int(2)), (3, int(-7)), (-1, int(1)), (-2, Item::Bytes(vec![1; 31])), (-3, point())]),
            cose(&[(1, int(2)), (3, int(-7)), (-1, int(1)), (-2, point())]),
            cose(&[(1, int(4)), (3, int(5)), (-1, point())]),
            cose(&[(1, int(1)), (3, int(-7)), (-1, int(6)), (-2, point())]),
        ] {
            assert_eq!(bad, None);
        }
    }
}
