//! Proofs that whoever sends a token holds the key it is bound to (DPoP, RFC 9449).
//!
//! The rule: a proof is good for one request, one token, one key and a short time; everything in it that could be another
//! request's is compared before its signature is looked at, and what it says of itself it is believed in only after that.
//! Whether a proof was seen before is the caller's to remember ([`Proof::fingerprint`]), as is the header it came in.
//!
//! The target must be https, or this machine, at the host of the request; or one that is configured ([`PublicUrls`]):
//! behind a proxy that ends TLS nobody here knows what the client saw.

mod nonce;
mod target;

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use orgate_claims::UnixTime;

pub use self::{
    nonce::{NonceAge, NonceError, Nonces},
    target::{PublicUrlError, PublicUrls},
};
use crate::{
    Algorithm,
    json::{self, Map, Value},
    jws,
    key::KeyUse,
};

/// The longest proof that is looked at, in bytes.
pub const MAX_PROOF_BYTES: usize = 8 * 1024;
/// How old a proof may be, in seconds.
const LIFETIME: i64 = 60;
/// How far the client's clock may differ from ours, in seconds.
const LEEWAY: i64 = 30;

/// What a proof must be for.
#[derive(Clone, Copy, Debug)]
pub struct Proven<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// The host that it was sent to, with or without a port, where it names one.
    pub authority: Option<&'a str>,
    /// Its path as received, without the query.
    pub path: &'a str,
    /// Where clients see the service.
    pub public_urls: &'a PublicUrls,
    /// The hash of the access token that it carries ([`token_hash`]).
    pub token_hash: &'a str,
    /// The thumbprint of the key that the token is bound to: `jkt` of its `cnf` (RFC 9449 §6.1).
    pub thumbprint: &'a str,
    /// What a nonce of the proof must be one of; `None` where proofs need none.
    pub nonces: Option<&'a Nonces>,
}

/// A proof that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    fingerprint: u128,
    key: u128,
    stale_at: UnixTime,
    renews_nonce: bool,
}

impl Proof {
    /// What tells it from every other: of its `jti` and its key. Who has seen it before [`Self::stale_at`] refuses it.
    #[must_use]
    pub fn fingerprint(self) -> u128 {
        self.fingerprint
    }

    /// What tells its key from others.
    #[must_use]
    pub fn key(self) -> u128 {
        self.key
    }

    /// Whether its nonce is about to end, so that whoever made it is to be told the one of now.
    #[must_use]
    pub fn renews_nonce(self) -> bool {
        self.renews_nonce
    }

    /// The first second at which it would be refused for its age.
    #[must_use]
    pub fn stale_at(self) -> UnixTime {
        self.stale_at
    }
}

/// Why a proof is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofError {
    /// Not a compact JWS of at most 8 KiB with strict JSON in it, or a header parameter that changes how it is read.
    Malformed,
    /// `typ` is not `dpop+jwt`.
    WrongType,
    /// `alg` is not supported, or a symmetric one.
    UnsupportedAlgorithm,
    /// `jwk` is missing, private, or not a key for `alg`.
    BadKey,
    /// The token is bound to another key.
    OtherKey,
    /// This claim is missing or has the wrong type.
    Claim(&'static str),
    /// `ath` is not the hash of the token.
    OtherToken,
    /// `htm` is another method.
    OtherMethod,
    /// `htu` is another scheme, host or path.
    OtherTarget,
    /// `iat` lies too far back, or ahead.
    Stale,
    /// `nonce` is missing or none of ours: the client is to try again with the one it is given (RFC 9449 §9).
    Nonce,
    /// The signature does not hold.
    BadSignature,
}

impl std::fmt::Display for ProofError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the DPoP proof is not a JWT that can be read in one way",
            Self::WrongType => "the `typ` of the DPoP proof is not `dpop+jwt`",
            Self::UnsupportedAlgorithm => "the `alg` of the DPoP proof is not supported",
            Self::BadKey => "the DPoP proof has no public key that belongs to its `alg`",
            Self::OtherKey => "the token is bound to another key than that of the DPoP proof",
            Self::Claim(name) => return write!(f, "the `{name}` of the DPoP proof is missing or malformed"),
            Self::OtherToken => "the DPoP proof is for another token",
            Self::OtherMethod => "the DPoP proof is for another method",
            Self::OtherTarget => "the DPoP proof is for another address",
            Self::Stale => "the DPoP proof is too old, or made in the future",
            Self::Nonce => "the DPoP proof must carry the nonce it was given",
            Self::BadSignature => "the signature of the DPoP proof does not hold",
        })
    }
}

impl std::error::Error for ProofError {}

/// Checks the proof in the header `DPoP` of a request (RFC 9449 §4.3).
///
/// # Errors
/// [`ProofError`]: the first check that failed.
pub fn check(proof: &str, proven: &Proven<'_>, now: UnixTime) -> Result<Proof, ProofError> {
    run(proof, proven, true, now).map(|(proof, _)| proof)
}

/// Checks the proof of a request for a token that does not exist yet (RFC 9449 §5): whichever key it is, the token will
/// be bound to it. Gives its thumbprint. `token_hash` and `thumbprint` of `proven` are not looked at.
///
/// # Errors
/// [`ProofError`]: the first check that failed.
pub fn check_new(proof: &str, proven: &Proven<'_>, now: UnixTime) -> Result<(Proof, String), ProofError> {
    run(proof, proven, false, now)
}

fn run(
    proof: &str,
    proven: &Proven<'_>,
    has_token: bool,
    now: UnixTime,
) -> Result<(Proof, String), ProofError> {
    if proof.len() > MAX_PROOF_BYTES {
        return Err(ProofError::Malformed);
    }
    let compact = jws::split(proof).map_err(|_| ProofError::Malformed)?;
    let part = |part| jws::decode(part).map_err(|_| ProofError::Malformed);
    let (header, claims, signature) =
        (part(compact.header)?, part(compact.payload)?, part(compact.signature)?);
    let header = json::parse_object(&header).map_err(|_| ProofError::Malformed)?;
    let claims = json::parse_object(&claims).map_err(|_| ProofError::Malformed)?;
    let (key, thumbprint) = key(&header)?;
    if has_token && thumbprint != proven.thumbprint {
        return Err(ProofError::OtherKey);
    }
    let said = judge(&claims, proven, has_token, now)?;
    if !key.verify(compact.signing_input.as_bytes(), &signature) {
        return Err(ProofError::BadSignature);
    }
    let folded = |bytes: &[u8]| bytes.first_chunk().map_or(0, |half| u128::from_be_bytes(*half));
    let fingerprint = digest::digest(&digest::SHA256, format!("{thumbprint}.{}", said.id).as_bytes());
    let proof = Proof {
        fingerprint: folded(fingerprint.as_ref()),
        key: folded(thumbprint.as_bytes()),
        stale_at: said.issued_at.plus(LIFETIME + LEEWAY + 1),
        renews_nonce: said.nonce == Some(NonceAge::Previous),
    };
    Ok((proof, thumbprint))
}

/// What a proof names its token by: `ath` (RFC 9449 §4.2).
#[must_use]
pub fn token_hash(token: &str) -> String {
    hash(token)
}

/// The algorithms that a proof may be signed with, as a challenge names them (RFC 9449 §7.1).
#[must_use]
pub fn algorithms() -> String {
    let names = Algorithm::ALL.iter().filter(|one| !one.is_symmetric()).map(|one| one.as_str());
    names.collect::<Vec<_>>().join(" ")
}

/// The key that a proof is signed with, and its thumbprint (RFC 7638).
fn key(header: &Map<'_>) -> Result<(KeyUse, String), ProofError> {
    if ["crit", "b64", "zip"].iter().any(|&name| header.contains_key(name)) {
        return Err(ProofError::Malformed);
    }
    let text = |name| header.get(name).and_then(Value::as_text);
    // A media type, so that case does not count; `application/` may be left away (RFC 7515 §4.1.9).
    let typ = text("typ").ok_or(ProofError::WrongType)?.to_ascii_lowercase();
    if typ.strip_prefix("application/").unwrap_or(&typ) != "dpop+jwt" {
        return Err(ProofError::WrongType);
    }
    let algorithm = text("alg").and_then(|name| name.parse::<Algorithm>().ok());
    let algorithm = algorithm.filter(|one| !one.is_symmetric()).ok_or(ProofError::UnsupportedAlgorithm)?;
    let jwk = header.get("jwk").ok_or(ProofError::BadKey)?;
    let key = KeyUse::of_jwk(jwk, algorithm).map_err(|_| ProofError::BadKey)?;
    let Value::Map(jwk) = jwk else { return Err(ProofError::BadKey) };
    Ok((key, thumbprint(jwk).ok_or(ProofError::BadKey)?))
}

/// RFC 7638 §3.2, RFC 8037 §2: the required members in the order of their names, without white space. Their values were
/// found to be base64url or registered names, so that nothing is escaped.
fn thumbprint(jwk: &Map<'_>) -> Option<String> {
    let member = |name: &str| jwk.get(name)?.as_text();
    let kind = member("kty")?;
    let names: &[&str] = match kind {
        "EC" => &["crv", "kty", "x", "y"],
        "RSA" => &["e", "kty", "n"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let members = names.iter().map(|name| Some(format!("\"{name}\":\"{}\"", member(name)?)));
    let members: Vec<String> = members.collect::<Option<_>>()?;
    Some(hash(&format!("{{{}}}", members.join(","))))
}

/// What a proof says of itself.
struct Said<'c> {
    id: &'c str,
    issued_at: UnixTime,
    nonce: Option<NonceAge>,
}

/// Compares what a proof says of the request.
fn judge<'c>(
    claims: &'c Map<'_>,
    proven: &Proven<'_>,
    has_token: bool,
    now: UnixTime,
) -> Result<Said<'c>, ProofError> {
    let text = |name: &'static str| match claims.get(name).and_then(Value::as_text) {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(ProofError::Claim(name)),
    };
    let id = text("jti")?;
    if has_token && text("ath")? != proven.token_hash {
        return Err(ProofError::OtherToken);
    }
    if text("htm")? != proven.method {
        return Err(ProofError::OtherMethod);
    }
    if !proven.public_urls.is_target(text("htu")?, proven.authority, proven.path) {
        return Err(ProofError::OtherTarget);
    }
    let Some(Value::Integer(issued_at)) = claims.get("iat") else { return Err(ProofError::Claim("iat")) };
    let age = now.seconds().saturating_sub(*issued_at);
    if !(-LEEWAY..=LIFETIME + LEEWAY).contains(&age) {
        return Err(ProofError::Stale);
    }
    let nonce = match proven.nonces {
        None => None,
        Some(nonces) => {
            let given = claims.get("nonce").and_then(Value::as_text);
            Some(given.and_then(|nonce| nonces.accept(nonce, now)).ok_or(ProofError::Nonce)?)
        }
    };
    Ok(Said { id, issued_at: UnixTime::from_seconds(*issued_at), nonce })
}

fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

#[cfg(test)]
mod tests;
