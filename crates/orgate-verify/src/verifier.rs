//! The way of a token.
//!
//! Size, shape, header, claims, issuer, type, times, audience, key, signature, principal: in this order, and the first
//! that fails decides. The issuer is chosen by its exact `iss` before any key is looked at, so a token of one issuer is
//! never tried with the keys of another. Only [`Verifier::verify_at`] makes a [`Verified`], and
//! [`Verifier::introspected_at`] of what the issuer itself said.

use std::{collections::HashMap, fmt, sync::Arc};

use orgate_claims::{Principal, UnixTime};

use crate::{
    IssuerIndex, KeySource, KeyStamp, TrustedIssuer, VerifyError,
    VerifyErrorKind::{
        AlgorithmNotAllowed, KeyNotNamed, KeysUnavailable, Malformed, MalformedClaim, MissingClaim,
        UnknownIssuer, UnknownKey,
    },
    claims_check::{self, MAX_SAFE_INTEGER},
    introspected,
    json::{self, Map, Value},
    jws::{self, UnverifiedHeader},
    key_set::NoKey,
};

/// Verifies access tokens of a fixed list of issuers.
#[derive(Debug)]
pub struct Verifier {
    issuers: Vec<(TrustedIssuer, Arc<dyn KeySource>)>,
    by_url: HashMap<Box<str>, IssuerIndex>,
}

/// Two issuers of a [`Verifier`] have the same URL, so that a token would not say whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierError {
    issuer: Box<str>,
}

impl fmt::Display for VerifierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the issuer `{}` is listed twice", self.issuer)
    }
}

impl std::error::Error for VerifierError {}

/// A token that was verified: its principal, and how long it stands. Nothing but a [`Verifier`] makes one.
///
/// ```compile_fail
/// // Its fields are nobody else's.
/// fn forge(verified: orgate_verify::Verified) -> orgate_verify::Verified {
///     orgate_verify::Verified { ..verified }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Verified {
    principal: Principal,
    expires_at: UnixTime,
    valid_until: UnixTime,
    issuer: IssuerIndex,
    key: Option<KeyStamp>,
    kid: Option<Box<str>>,
}

impl Verified {
    /// Who the token speaks of.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Who the token speaks of, without the proof.
    #[must_use]
    pub fn into_principal(self) -> Principal {
        self.principal
    }

    /// `exp`, without leeway; far away where the issuer said of an opaque token that it stands, and no `exp`.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// The first second at which the token is refused: `exp` and the leeway. Of what the issuer said it is `exp`, since
    /// from then on it can be asked again.
    #[must_use]
    pub fn valid_until(&self) -> UnixTime {
        self.valid_until
    }

    /// Whose token it is.
    #[must_use]
    pub fn issuer(&self) -> IssuerIndex {
        self.issuer
    }

    /// The key that proved it; `None` where the issuer itself said so.
    #[must_use]
    pub fn key(&self) -> Option<KeyStamp> {
        self.key
    }

    /// What its issuer calls that key, whether or not the token says so; `None` where it has no name.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }
}

/// A token that could be read, before anything in it is proven.
struct Unverified<'t> {
    header: UnverifiedHeader<'t>,
    claims: Map<'t>,
    signing_input: &'t str,
    signature: Vec<u8>,
}

impl Verifier {
    /// Trusts `issuers`, each with its own keys.
    ///
    /// # Errors
    /// [`VerifierError`] if two of them have the same URL.
    pub fn new(issuers: Vec<(TrustedIssuer, Arc<dyn KeySource>)>) -> Result<Self, VerifierError> {
        let mut by_url = HashMap::new();
        for (position, (issuer, _)) in issuers.iter().enumerate() {
            let url: Box<str> = issuer.url().as_str().into();
            if by_url.insert(url.clone(), IssuerIndex(position)).is_some() {
                return Err(VerifierError { issuer: url });
            }
        }
        Ok(Self { issuers, by_url })
    }

    /// Verifies `token` as of `now`.
    ///
    /// Checks, in this order: size (16 KiB), shape (RFC 7515 §7.1), header (§4.1, `crit` refused), claims as strict
    /// JSON, `iss` (RFC 8725 §3.8), `typ` (§3.11), the algorithm against the configuration, `exp`, `nbf`, `iat`, `aud`
    /// (§3.9), the key, the signature, the claims of the mapping, and whether the token may or must be bound. The leeway of the issuer applies to the three
    /// times. Waits for nothing and fetches nothing.
    ///
    /// # Errors
    /// A [`VerifyError`] with the first check that failed. With [`UnknownKey`] and [`KeysUnavailable`] the caller may
    /// [refresh](KeySource::refresh) the keys of [`VerifyError::issuer`] once and call again.
    pub fn verify_at(&self, token: &str, now: UnixTime) -> Result<Verified, VerifyError> {
        let compact = jws::split(token)?;
        let (header, claims) = (jws::decode(compact.header)?, jws::decode(compact.payload)?);
        let signature = jws::decode(compact.signature)?;
        let header = jws::parse_header(&header)?;
        let claims = json::parse_object(&claims)
            .map_err(|fault| VerifyError::new(Malformed, format!("the claims of the token {fault}")))?;
        let index = self.select(&claims)?;
        let token = Unverified { header, claims, signing_input: compact.signing_input, signature };
        self.judge(index, &token, now).map_err(|error| error.of(index))
    }

    /// Makes a principal of what `issuer` answered about an opaque token (RFC 7662), as of `now`.
    ///
    /// The caller vouches for it that `answer` came from the endpoint of that very issuer. It is read as strictly as the
    /// claims of a token; kind, `iss`, times, audience and mapping are judged likewise.
    ///
    /// # Errors
    /// A [`VerifyError`] with the first check that failed. With [`Malformed`] it is the answer that cannot be read, and
    /// nothing is known of the token.
    pub fn introspected_at(
        &self,
        issuer: IssuerIndex,
        answer: &[u8],
        now: UnixTime,
    ) -> Result<Verified, VerifyError> {
        let (trust, _) = self
            .issuers
            .get(issuer.0)
            .ok_or_else(|| VerifyError::new(UnknownIssuer, "the issuer of the token is not trusted"))?;
        let judge = || {
            let claims = json::parse_object(answer).map_err(|fault| {
                VerifyError::new(Malformed, format!("the answer about the token {fault}"))
            })?;
            let expires_at = introspected::check(trust, &claims, now)?;
            let expires_at = expires_at.unwrap_or(UnixTime::from_seconds(MAX_SAFE_INTEGER));
            let principal = trust.claim_mapping().principal(trust.url(), &claims)?;
            trust.check_binding(principal.confirmation())?;
            Ok(Verified { principal, expires_at, valid_until: expires_at, issuer, key: None, kid: None })
        };
        judge().map_err(|error: VerifyError| error.of(issuer))
    }

    /// The trusted issuers with their places.
    pub fn issuers(&self) -> impl Iterator<Item = (IssuerIndex, &TrustedIssuer)> {
        self.issuers.iter().enumerate().map(|(position, (issuer, _))| (IssuerIndex(position), issuer))
    }

    /// The keys of one issuer; `None` if the index is another verifier's.
    #[must_use]
    pub fn key_source(&self, issuer: IssuerIndex) -> Option<&Arc<dyn KeySource>> {
        self.issuers.get(issuer.0).map(|(_, keys)| keys)
    }

    fn select(&self, claims: &Map<'_>) -> Result<IssuerIndex, VerifyError> {
        match claims.get("iss") {
            None | Some(Value::Null) => Err(VerifyError::new(MissingClaim, "the token has no `iss`")),
            Some(Value::Text(url)) => self
                .by_url
                .get(&**url)
                .copied()
                .ok_or_else(|| VerifyError::new(UnknownIssuer, "the issuer of the token is not trusted")),
            Some(_) => Err(VerifyError::new(MalformedClaim, "the claim `iss` is not a string")),
        }
    }

    fn judge(
        &self,
        index: IssuerIndex,
        token: &Unverified<'_>,
        now: UnixTime,
    ) -> Result<Verified, VerifyError> {
        let Unverified { header, claims, signing_input, signature } = token;
        let (issuer, source) = self
            .issuers
            .get(index.0)
            .ok_or_else(|| VerifyError::new(UnknownIssuer, "the issuer of the token is not trusted"))?;
        if !issuer.allowed_algorithms().contains(&header.algorithm) {
            return Err(VerifyError::new(
                AlgorithmNotAllowed,
                "the issuer may not sign with the `alg` of the token",
            ));
        }
        let expires_at = claims_check::check(issuer, header.typ.as_deref(), claims, now)?;
        let keys = source
            .current()
            .ok_or_else(|| VerifyError::new(KeysUnavailable, "no keys of the issuer are loaded"))?;
        let key = keys.find(header.kid.as_deref(), header.algorithm).map_err(|fault| match fault {
            NoKey::Unknown => {
                VerifyError::new(UnknownKey, "the key of the token is not among the issuer's keys")
            }
            NoKey::OtherAlgorithm => {
                VerifyError::new(AlgorithmNotAllowed, "the key of the token is for another `alg`")
            }
            NoKey::Several => {
                VerifyError::new(KeyNotNamed, "the token has no `kid`, and several keys could be meant")
            }
        })?;
        let stamp = keys.stamp(key);
        if !key.verify(signing_input.as_bytes(), signature) {
            return Err(VerifyError::bad_signature(stamp));
        }
        let principal = issuer.claim_mapping().principal(issuer.url(), claims)?;
        issuer.check_binding(principal.confirmation())?;
        Ok(Verified {
            principal,
            expires_at,
            valid_until: expires_at.plus(i64::from(issuer.leeway_seconds())),
            issuer: index,
            key: Some(stamp),
            kid: keys.kid_of(stamp).map(Into::into),
        })
    }
}
