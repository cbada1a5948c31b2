//! One public key of an issuer, and what it may be used for (RFC 7517, RFC 7518 §6, RFC 8037 §2).
//!
//! The algorithm belongs to the key: it follows from `kty`, `crv` and `alg` of the JWK, never from a token. A JWK that
//! is not fit to verify with is skipped with a reason; the others of its set still serve. Keys are checked when they are
//! loaded, by our own rules first and then by the signature library, so that no request meets an unfit one.

use std::fmt;

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, crypto::aws_lc};

use crate::{
    Algorithm,
    json::{Map, Value},
};

/// A public key that is fit to verify with.
#[derive(Debug)]
pub(crate) struct Key {
    kid: Option<Box<str>>,
    algorithm: Algorithm,
    material: DecodingKey,
}

/// Why a key of a set is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// It is not a JSON object.
    NotAnObject,
    /// It publishes private members (`d`, `p`, `k` …).
    PrivateMaterial,
    /// `kty` is missing or not one of RSA, EC, OKP.
    UnknownKeyType,
    /// `crv` is missing or not the one that is supported for its `kty`.
    UnknownCurve,
    /// `use` is not `sig`.
    NotForSignatures,
    /// `key_ops` lacks `verify`.
    NotForVerification,
    /// `alg` is not supported.
    UnsupportedAlgorithm,
    /// `alg` does not belong to `kty` and `crv`.
    AlgorithmMismatch,
    /// A member is missing, has the wrong type, or is not strict base64url of the right length.
    MalformedMember(&'static str),
    /// An RSA modulus below 2048 or above 8192 bits.
    BadModulusSize,
    /// An RSA exponent that is even, one, or above 32 bits.
    BadExponent,
    /// A point that is not on its curve, or that the signature library refuses.
    BadPoint,
    /// An Ed25519 point of small order, under which signatures can be made without the private key.
    SmallOrder,
    /// Another key of the set has the same `kid`: which one is meant cannot be known.
    RepeatedKid,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAnObject => "it is not a JSON object",
            Self::PrivateMaterial => "it publishes secret key material; withdraw it and make a new one",
            Self::UnknownKeyType => "its `kty` is not RSA, EC or OKP",
            Self::UnknownCurve => "its `crv` is not supported; P-256 and Ed25519 are",
            Self::NotForSignatures => "its `use` is not `sig`",
            Self::NotForVerification => "its `key_ops` lacks `verify`",
            Self::UnsupportedAlgorithm => "its `alg` is not supported",
            Self::AlgorithmMismatch => "its `alg` does not belong to its `kty`",
            Self::MalformedMember(name) => return write!(f, "its `{name}` is missing or malformed"),
            Self::BadModulusSize => "its RSA modulus is not of 2048 to 8192 bits",
            Self::BadExponent => "its RSA exponent is not an odd number from 3 to 2^32",
            Self::BadPoint => "its point is not on the curve",
            Self::SmallOrder => "its point has small order",
            Self::RepeatedKid => "another key has the same `kid`",
        })
    }
}

impl Key {
    /// Reads one member of `keys`.
    pub(crate) fn from_jwk(jwk: &Value<'_>) -> Result<Self, SkipReason> {
        let Value::Map(jwk) = jwk else { return Err(SkipReason::NotAnObject) };
        if ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"].iter().any(|&name| jwk.contains_key(name)) {
            return Err(SkipReason::PrivateMaterial);
        }
        let kid = optional_text(jwk, "kid")?.map(Into::into);
        check_purpose(jwk)?;
        let (algorithm, material) = match jwk.get("kty").and_then(Value::as_text) {
            Some("RSA") => (Algorithm::Rs256, rsa(jwk)?),
            Some("EC") => (Algorithm::Es256, p256(jwk)?),
            Some("OKP") => (Algorithm::EdDsa, ed25519(jwk)?),
            _ => return Err(SkipReason::UnknownKeyType),
        };
        match optional_text(jwk, "alg")?.map(str::parse::<Algorithm>) {
            None => {}
            Some(Ok(stated)) if stated == algorithm => {}
            Some(Ok(_)) => return Err(SkipReason::AlgorithmMismatch),
            Some(Err(_)) => return Err(SkipReason::UnsupportedAlgorithm),
        }
        Ok(Self { kid, algorithm, material })
    }

    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether this key may be used under `algorithm`.
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithm == algorithm
    }

    /// Whether `signature` over `message` holds under this key.
    pub(crate) fn verify(&self, message: &[u8], signature: &Vec<u8>) -> bool {
        let algorithm = match self.algorithm {
            Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
            Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
            Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        };
        // SECURITY: the provider is named here instead of asked for, so that no other crate in the process can decide
        // by features or by `install_default` which one verifies.
        (aws_lc::DEFAULT_PROVIDER.verifier_factory)(&algorithm, &self.material)
            .is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
    }
}

fn check_purpose(jwk: &Map<'_>) -> Result<(), SkipReason> {
    if optional_text(jwk, "use")?.is_some_and(|usage| usage != "sig") {
        return Err(SkipReason::NotForSignatures);
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::List(operations)) if operations.iter().any(|op| op.as_text() == Some("verify")) => Ok(()),
        Some(Value::List(_)) => Err(SkipReason::NotForVerification),
        Some(_) => Err(SkipReason::MalformedMember("key_ops")),
    }
}

fn rsa(jwk: &Map<'_>) -> Result<DecodingKey, SkipReason> {
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
    RsaPublicKeyComponents { n: &n, e: &e }
        .to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256)
        .map_err(|_| SkipReason::MalformedMember("n"))?;
    Ok(DecodingKey::from_rsa_raw_components(&n, &e))
}

fn p256(jwk: &Map<'_>) -> Result<DecodingKey, SkipReason> {
    if jwk.get("crv").and_then(Value::as_text) != Some("P-256") {
        return Err(SkipReason::UnknownCurve);
    }
    // SEC 1 §2.3.3: an uncompressed point.
    let point = [&[4][..], &coordinate(jwk, "x")?, &coordinate(jwk, "y")?].concat();
    ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, &point).map_err(|_| SkipReason::BadPoint)?;
    Ok(DecodingKey::from_ec_der(&point))
}

fn ed25519(jwk: &Map<'_>) -> Result<DecodingKey, SkipReason> {
    if jwk.get("crv").and_then(Value::as_text) != Some("Ed25519") {
        return Err(SkipReason::UnknownCurve);
    }
    let point = coordinate(jwk, "x")?;
    // The sign bit does not matter to the order, nor to whether `y` is reduced.
    let mut y = point;
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    y.reverse();
    if SMALL_ORDER.contains(&y) {
        return Err(SkipReason::SmallOrder);
    }
    if y >= FIELD_PRIME {
        return Err(SkipReason::BadPoint);
    }
    ParsedPublicKey::new(&signature::ED25519, point).map_err(|_| SkipReason::BadPoint)?;
    Ok(DecodingKey::from_ed_der(&point))
}

/// A big-endian number (RFC 7518 §2, `Base64urlUInt`). Leading zeros, which some issuers write, change no number.
fn integer(jwk: &Map<'_>, name: &'static str) -> Result<Vec<u8>, SkipReason> {
    let bytes = decoded(jwk, name)?;
    Ok(bytes.into_iter().skip_while(|&byte| byte == 0).collect())
}

fn coordinate(jwk: &Map<'_>, name: &'static str) -> Result<[u8; 32], SkipReason> {
    decoded(jwk, name)?.try_into().map_err(|_| SkipReason::MalformedMember(name))
}

fn decoded(jwk: &Map<'_>, name: &'static str) -> Result<Vec<u8>, SkipReason> {
    let text = jwk.get(name).and_then(Value::as_text).ok_or(SkipReason::MalformedMember(name))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| SkipReason::MalformedMember(name))
}

fn optional_text<'j>(jwk: &'j Map<'_>, name: &'static str) -> Result<Option<&'j str>, SkipReason> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text)),
        Some(_) => Err(SkipReason::MalformedMember(name)),
    }
}

/// 2^255 - 19, big-endian.
const FIELD_PRIME: [u8; 32] = number(0x7f, 0xff, 0xed);

/// The `y` of every point whose order divides 8, big-endian and reduced or not (RFC 7748 §5 field; the points are those
/// of order 1, 2, 4 and 8 on the curve of RFC 8032 §5.1).
const SMALL_ORDER: [[u8; 32]; 7] = [
    number(0, 0, 0),
    number(0, 0, 1),
    number(0x7f, 0xff, 0xec),
    number(0x7f, 0xff, 0xed),
    number(0x7f, 0xff, 0xee),
    [
        0x05, 0xfc, 0x53, 0x6d, 0x88, 0x02, 0x38, 0xb1, 0x39, 0x33, 0xc6, 0xd3, 0x05, 0xac, 0xdf, 0xd5, 0xf0,
        0x98, 0xef, 0xf2, 0x89, 0xf4, 0xc3, 0x45, 0xb0, 0x27, 0xb2, 0xc2, 0x8f, 0x95, 0xe8, 0x26,
    ],
    [
        0x7a, 0x03, 0xac, 0x92, 0x77, 0xfd, 0xc7, 0x4e, 0xc6, 0xcc, 0x39, 0x2c, 0xfa, 0x53, 0x20, 0x2a, 0x0f,
        0x67, 0x10, 0x0d, 0x76, 0x0b, 0x3c, 0xba, 0x4f, 0xd8, 0x4d, 0x3d, 0x70, 0x6a, 0x17, 0xc7,
    ],
];

/// 32 bytes that are `middle` throughout but for the first and the last.
const fn number(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

#[cfg(test)]
mod tests;
