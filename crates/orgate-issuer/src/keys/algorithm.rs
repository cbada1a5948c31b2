//! The signature algorithms and their key pairs, on aws-lc-rs.

use std::fmt;

use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
        UnparsedPublicKey,
    },
};
use serde_json::{Value, json};

use crate::encoding::{base64url, from_base64url};

/// A JWS algorithm (RFC 7518 §3.1) that the issuer signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Algorithm {
    /// ECDSA on P-256: access tokens.
    Es256,
    /// RSA PKCS #1 v1.5 with SHA-256: ID tokens, because clients expect it (OpenID Connect Core §15.1).
    Rs256,
    /// Ed25519 (RFC 8037), for projects that choose it.
    EdDsa,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 3] = [Self::Es256, Self::Rs256, Self::EdDsa];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(super) const fn index(self) -> usize {
        match self {
            Self::Es256 => 0,
            Self::Rs256 => 1,
            Self::EdDsa => 2,
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

impl Algorithm {
    /// Whether the key `jwk`, one of ours, has made the signature.
    pub(super) fn verify(self, jwk: &Value, message: &[u8], signature: &[u8]) -> bool {
        let member = |name: &str| jwk.get(name).and_then(Value::as_str).and_then(from_base64url);
        let holds = match self {
            Self::Es256 => {
                let (Some(x), Some(y)) = (member("x"), member("y")) else { return false };
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Self::EdDsa => {
                let Some(x) = member("x") else { return false };
                UnparsedPublicKey::new(&ED25519, x).verify(message, signature)
            }
            Self::Rs256 => {
                let (Some(n), Some(e)) = (member("n"), member("e")) else { return false };
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
        };
        holds.is_ok()
    }
}

pub(super) enum KeyPair {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair(…)")
    }
}

impl KeyPair {
    /// A new pair; takes long for RSA.
    pub(super) fn generate(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok().map(Self::Es256)
            }
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).ok().map(Self::Rs256),
            Algorithm::EdDsa => Ed25519KeyPair::generate().ok().map(Self::EdDsa),
        }
    }

    pub(super) fn parse(algorithm: Algorithm, pkcs8: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok().map(Self::Es256)
            }
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(pkcs8).ok().map(Self::Rs256),
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(pkcs8).ok().map(Self::EdDsa),
        }
    }

    pub(super) fn to_pkcs8(&self) -> Option<Vec<u8>> {
        match self {
            Self::Es256(pair) => Some(pair.to_pkcs8v1().ok()?.as_ref().to_vec()),
            Self::Rs256(pair) => Some(pair.as_der().ok()?.as_ref().to_vec()),
            Self::EdDsa(pair) => Some(pair.to_pkcs8().ok()?.as_ref().to_vec()),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            Self::Rs256(pair) => {
                let mut signature = vec![0_u8; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Self::EdDsa(pair) => Some(pair.sign(message).as_ref().to_vec()),
        }
    }

    /// The public part (RFC 7518 §6.2.1, §6.3.1).
    pub(super) fn public_jwk(&self, kid: &str) -> Option<Value> {
        match self {
            Self::Es256(pair) => {
                // An uncompressed point (SEC 1 §2.3.3): 0x04, then both coordinates.
                let (tag, point) = pair.public_key().as_ref().split_first()?;
                let (x, y) = point.split_at_checked(32)?;
                (*tag == 4 && y.len() == 32).then(|| {
                    json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid,
                            "x": base64url(x), "y": base64url(y) })
                })
            }
            Self::Rs256(pair) => {
                let (modulus, exponent) = rsa_public_numbers(pair.public_key().as_ref())?;
                Some(json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
                             "n": base64url(modulus), "e": base64url(exponent) }))
            }
            Self::EdDsa(pair) => Some(json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
                                              "kid": kid, "x": base64url(pair.public_key().as_ref()) })),
        }
    }
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017 §A.1.1), without the sign octet of DER.
fn rsa_public_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, rest) = der_element(der, 0x30)?;
    let (modulus, after) = der_element(sequence, 0x02)?;
    let (exponent, end) = der_element(after, 0x02)?;
    let unsigned = |number: &'_ [u8]| number.iter().take_while(|octet| **octet == 0).count();
    (rest.is_empty() && end.is_empty())
        .then(|| Some((modulus.get(unsigned(modulus)..)?, exponent.get(unsigned(exponent)..)?)))?
}

/// The content of the element with `tag` at the front of `der`, and what follows it.
fn der_element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (octets, rest) = rest.split_at_checked(usize::from(*first & 0x7f))?;
        let length = octets
            .iter()
            .try_fold(0_usize, |length, octet| length.checked_mul(256)?.checked_add(usize::from(*octet)))?;
        (length, rest)
    };
    (*found == tag).then(|| rest.split_at_checked(length))?
}
