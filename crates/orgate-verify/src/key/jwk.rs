//! From the members of a JWK to the public key in them (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
//!
//! Our own rules come first and the signature library's second, so that a key that both would read differently, or that
//! only one of them knows to be weak, is read by neither.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    VerificationAlgorithm,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{SkipReason, weak};
use crate::{Algorithm, json::Map};

/// A public key whose numbers were found fit.
pub(super) enum PublicKey {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point (SEC 1 §2.3.3).
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519([u8; 32]),
}

impl PublicKey {
    pub(super) fn read(jwk: &Map<'_>) -> Result<Self, SkipReason> {
        let curve = || optional_text(jwk, "crv");
        match optional_text(jwk, "kty")? {
            Some("RSA") => rsa(jwk),
            Some("EC") => match curve()? {
                Some("P-256") => point::<32>(jwk).map(Self::P256),
                Some("P-384") => point::<48>(jwk).map(Self::P384),
                _ => Err(SkipReason::UnknownCurve),
            },
            Some("OKP") if curve()? == Some("Ed25519") => ed25519(jwk),
            Some("OKP") => Err(SkipReason::UnknownCurve),
            _ => Err(SkipReason::UnknownKeyType),
        }
    }

    /// What it can be used under at all.
    pub(super) fn algorithms(&self) -> &'static [Algorithm] {
        use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        match self {
            Self::Rsa { .. } => &[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512],
            Self::P256(_) => &[Es256],
            Self::P384(_) => &[Es384],
            Self::Ed25519(_) => &[EdDsa],
        }
    }

    /// The key as the signature library keeps it for one of [`algorithms`](Self::algorithms). Nothing is parsed later.
    pub(super) fn parse(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, SkipReason> {
        let point = |scheme: &'static dyn VerificationAlgorithm, bytes: &[u8]| {
            ParsedPublicKey::new(scheme, bytes).map_err(|_| SkipReason::BadPoint)
        };
        match self {
            Self::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .to_parsed_public_key(rsa_scheme(algorithm).ok_or(SkipReason::AlgorithmMismatch)?)
                .map_err(|_| SkipReason::MalformedMember("n")),
            Self::P256(bytes) => point(&ECDSA_P256_SHA256_FIXED, bytes),
            Self::P384(bytes) => point(&ECDSA_P384_SHA384_FIXED, bytes),
            Self::Ed25519(bytes) => point(&ED25519, bytes),
        }
    }
}

/// The padding and the hash. Each has the bound of 2048 to 8192 bits in it, besides ours.
fn rsa_scheme(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn rsa(jwk: &Map<'_>) -> Result<PublicKey, SkipReason> {
    let n = integer(jwk, "n")?;
    let e = integer(jwk, "e")?;
    let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    if !(2048..=8192).contains(&bits) {
        return Err(SkipReason::BadModulusSize);
    }
    let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    if e.len() > 4 || !odd(&e) || e == [1] {
        return Err(SkipReason::BadExponent);
    }
    if !odd(&n) {
        return Err(SkipReason::MalformedMember("n"));
    }
    if weak::is_of_roca(&n) {
        return Err(SkipReason::WeakModulus);
    }
    Ok(PublicKey::Rsa { n, e })
}

fn point<const SIZE: usize>(jwk: &Map<'_>) -> Result<Vec<u8>, SkipReason> {
    Ok([&[4][..], &coordinate::<SIZE>(jwk, "x")?, &coordinate::<SIZE>(jwk, "y")?].concat())
}

fn ed25519(jwk: &Map<'_>) -> Result<PublicKey, SkipReason> {
    let point = coordinate(jwk, "x")?;
    weak::check_ed25519(point)?;
    Ok(PublicKey::Ed25519(point))
}

/// A big-endian number (RFC 7518 §2, `Base64urlUInt`). Leading zeros, which some issuers write, change no number.
fn integer(jwk: &Map<'_>, name: &'static str) -> Result<Vec<u8>, SkipReason> {
    let bytes = decoded(jwk, name)?;
    Ok(bytes.into_iter().skip_while(|&byte| byte == 0).collect())
}

fn coordinate<const SIZE: usize>(jwk: &Map<'_>, name: &'static str) -> Result<[u8; SIZE], SkipReason> {
    decoded(jwk, name)?.try_into().map_err(|_| SkipReason::MalformedMember(name))
}

fn decoded(jwk: &Map<'_>, name: &'static str) -> Result<Vec<u8>, SkipReason> {
    let text = optional_text(jwk, name)?.ok_or(SkipReason::MalformedMember(name))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| SkipReason::MalformedMember(name))
}

pub(super) fn optional_text<'j>(jwk: &'j Map<'_>, name: &'static str) -> Result<Option<&'j str>, SkipReason> {
    jwk.get(name).map(|value| value.as_text().ok_or(SkipReason::MalformedMember(name))).transpose()
}
