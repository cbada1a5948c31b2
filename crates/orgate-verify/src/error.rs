//! Why a token is refused.
//!
//! A message names claims and rules, never a byte of the token: it may be logged as it is.

use std::{borrow::Cow, fmt};

use crate::{IssuerIndex, KeyStamp};

/// Why a token was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyError {
    kind: VerifyErrorKind,
    issuer: Option<IssuerIndex>,
    key: Option<KeyStamp>,
    /// Composed from our own words and our own configuration only.
    detail: Cow<'static, str>,
}

impl VerifyError {
    pub(crate) fn new(kind: VerifyErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, issuer: None, key: None, detail: detail.into() }
    }

    /// The one refusal that a key makes.
    pub(crate) fn bad_signature(key: KeyStamp) -> Self {
        let error = Self::new(VerifyErrorKind::BadSignature, "the signature of the token does not hold");
        Self { key: Some(key), ..error }
    }

    pub(crate) fn of(mut self, issuer: IssuerIndex) -> Self {
        self.issuer = Some(issuer);
        self
    }

    /// What is wrong, as a word to branch on.
    #[must_use]
    pub fn kind(&self) -> VerifyErrorKind {
        self.kind
    }

    /// The issuer that the token claims to be of, once that was known to be a trusted one.
    #[must_use]
    pub fn issuer(&self) -> Option<IssuerIndex> {
        self.issuer
    }

    /// The key under which the signature does not hold; `None` for every other kind of refusal.
    ///
    /// As long as this key is the one, the same bytes can never be accepted, whatever the time: this refusal may be
    /// remembered, and no other.
    #[must_use]
    pub fn refuted_by(&self) -> Option<KeyStamp> {
        self.key
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for VerifyError {}

/// The kinds of [`VerifyError`], in the order in which a token is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum VerifyErrorKind {
    /// Longer than [`MAX_TOKEN_BYTES`](crate::MAX_TOKEN_BYTES).
    TooLarge,
    /// A JWE: whoever could decrypt it would still not know who wrote it.
    Encrypted,
    /// Not a compact JWS: shape, base64url, JSON, or the type of a header parameter.
    Malformed,
    /// The header has `crit` or another parameter that changes how the token is to be read (RFC 7515 §4.1.11).
    CriticalHeader,
    /// `alg` names nothing that is supported.
    UnsupportedAlgorithm,
    /// A claim that must be there is not.
    MissingClaim,
    /// A claim has the wrong type or a value that cannot be.
    MalformedClaim,
    /// `iss` is no trusted issuer.
    UnknownIssuer,
    /// `typ`, or the claims, say that this is no access token.
    WrongType,
    /// `alg` is supported but not allowed: by the issuer's configuration, or by the key.
    AlgorithmNotAllowed,
    /// `exp` has passed.
    Expired,
    /// `nbf` or `iat` lies ahead.
    NotYetValid,
    /// `aud` names none of ours.
    WrongAudience,
    /// No key set of the issuer is in hand. Not the token's fault; trying later can help.
    KeysUnavailable,
    /// The key set in hand lacks the `kid`; the caller may refresh once and try again.
    UnknownKey,
    /// The token has no `kid`, and more than one key could have signed it.
    KeyNotNamed,
    /// The signature does not hold.
    BadSignature,
    /// The issuer says that the opaque token does not stand, or never did.
    Inactive,
}

impl VerifyErrorKind {
    /// The word for it in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Encrypted => "encrypted",
            Self::Malformed => "malformed",
            Self::CriticalHeader => "critical_header",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::MissingClaim => "missing_claim",
            Self::MalformedClaim => "malformed_claim",
            Self::UnknownIssuer => "unknown_issuer",
            Self::WrongType => "wrong_type",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongAudience => "wrong_audience",
            Self::KeysUnavailable => "keys_unavailable",
            Self::UnknownKey => "unknown_key",
            Self::KeyNotNamed => "key_not_named",
            Self::BadSignature => "bad_signature",
            Self::Inactive => "inactive",
        }
    }
}

impl fmt::Display for VerifyErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
