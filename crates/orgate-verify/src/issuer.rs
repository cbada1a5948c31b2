//! Whom we believe, and under which conditions.
//!
//! Everything a token is judged by comes from here: never from the token, never from the key set alone.

use std::fmt;

use orgate_claims::IssuerUrl;

use crate::{Algorithm, Binding, ClaimMapping, Telltale, TokenTypes};

/// An issuer whose tokens are accepted, and on which terms.
///
/// Without further calls: the [default](Algorithm::DEFAULT) algorithms; access tokens by type only; 30 seconds of leeway;
/// the claims of [`ClaimMapping::orgate`]; no tokens that are bound to their sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedIssuer {
    url: IssuerUrl,
    audience: Audience,
    algorithms: Vec<Algorithm>,
    audience_claim: Option<&'static str>,
    types: TokenTypes,
    telltale: Option<Telltale>,
    is_rfc9068: bool,
    leeway: u32,
    mapping: ClaimMapping,
    pub(crate) key_binding: Binding,
    pub(crate) certificate_binding: Binding,
}

/// For whom a token must be meant (RFC 7519 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// `aud`, or the claim that stands in for it, must name one of these.
    OneOf(Vec<String>),
    /// Whatever `aud` says, or nothing: every token of the issuer, for whichever service, is accepted.
    Any,
}

/// The place of an issuer in its [`Verifier`](crate::Verifier).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerIndex(pub(crate) usize);

impl IssuerIndex {
    /// The position in the list that the verifier was made from.
    #[must_use]
    pub fn as_usize(self) -> usize {
        self.0
    }
}

/// Why these terms cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustError {
    /// No audience, or an empty one.
    NoAudience,
    /// No algorithm.
    NoAlgorithm,
    /// Algorithms with a secret beside algorithms with published keys.
    MixedAlgorithms,
    /// More leeway than 300 seconds.
    LeewayTooLong,
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAudience => "an issuer needs at least one audience, and none may be empty",
            Self::NoAlgorithm => "an issuer needs at least one algorithm",
            Self::MixedAlgorithms => {
                "an issuer signs either with a secret (HS256, HS384, HS512) or with a key that it publishes"
            }
            Self::LeewayTooLong => "the leeway can be 300 seconds at most",
        })
    }
}

impl std::error::Error for TrustError {}

impl TrustedIssuer {
    /// The longest leeway, in seconds.
    pub const MAX_LEEWAY: u32 = 300;

    /// Trusts `url` for tokens that name one of `audiences`.
    ///
    /// # Errors
    /// [`TrustError::NoAudience`] if there is none, or an empty one.
    pub fn new(url: IssuerUrl, audiences: Vec<String>) -> Result<Self, TrustError> {
        if audiences.is_empty() || audiences.iter().any(String::is_empty) {
            return Err(TrustError::NoAudience);
        }
        Ok(Self::with_audience(url, Audience::OneOf(audiences)))
    }

    /// Trusts every token of `url`, also those made for other services and those without `aud`.
    ///
    /// SECURITY: whoever receives such a token can use it here. Only for issuers that write no audience.
    #[must_use]
    pub fn with_any_audience(url: IssuerUrl) -> Self {
        Self::with_audience(url, Audience::Any)
    }

    fn with_audience(url: IssuerUrl, audience: Audience) -> Self {
        Self {
            url,
            audience,
            audience_claim: None,
            algorithms: Algorithm::DEFAULT.to_vec(),
            types: TokenTypes::ACCESS_TOKEN,
            telltale: None,
            is_rfc9068: false,
            leeway: 30,
            mapping: ClaimMapping::orgate(),
            key_binding: Binding::Off,
            certificate_binding: Binding::Off,
        }
    }

    /// Accepts only `algorithms`.
    ///
    /// # Errors
    /// [`TrustError::NoAlgorithm`] if the list is empty. [`TrustError::MixedAlgorithms`] if some have secrets and others
    /// published keys: a public key must never be taken for a secret (RFC 8725 §2.1).
    pub fn algorithms(mut self, algorithms: Vec<Algorithm>) -> Result<Self, TrustError> {
        let symmetric = algorithms.iter().filter(|algorithm| algorithm.is_symmetric()).count();
        if algorithms.is_empty() {
            return Err(TrustError::NoAlgorithm);
        }
        if symmetric != 0 && symmetric != algorithms.len() {
            return Err(TrustError::MixedAlgorithms);
        }
        self.algorithms = algorithms;
        Ok(self)
    }

    /// Accepts tokens of these types.
    #[must_use]
    pub fn types(mut self, types: TokenTypes) -> Self {
        self.types = types;
        self
    }

    /// Refuses tokens that do not show that they are access tokens.
    #[must_use]
    pub fn telltale(mut self, telltale: Telltale) -> Self {
        self.telltale = Some(telltale);
        self
    }

    /// Refuses tokens without the claims that every access token by RFC 9068 §2.2 has: `client_id`, `iat` and `jti`,
    /// besides those that are needed anyway.
    #[must_use]
    pub fn rfc9068(mut self) -> Self {
        self.is_rfc9068 = true;
        self
    }

    /// Reads from this claim for whom a token is meant if it has no `aud`: some issuers write it elsewhere. A token that
    /// has an `aud` is judged by that alone, and one that has neither is refused.
    #[must_use]
    pub fn audience_claim(mut self, claim: &'static str) -> Self {
        self.audience_claim = Some(claim);
        self
    }

    /// Allows the issuer's clock to differ by `seconds`.
    ///
    /// # Errors
    /// [`TrustError::LeewayTooLong`] above [`MAX_LEEWAY`](Self::MAX_LEEWAY).
    pub fn leeway(mut self, seconds: u32) -> Result<Self, TrustError> {
        if seconds > Self::MAX_LEEWAY {
            return Err(TrustError::LeewayTooLong);
        }
        self.leeway = seconds;
        Ok(self)
    }

    /// Reads the principal from these claims.
    #[must_use]
    pub fn mapping(mut self, mapping: ClaimMapping) -> Self {
        self.mapping = mapping;
        self
    }

    /// The exact `iss`.
    #[must_use]
    pub fn url(&self) -> &IssuerUrl {
        &self.url
    }

    /// For whom its tokens must be meant.
    #[must_use]
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// The algorithms it may sign with.
    #[must_use]
    pub fn allowed_algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// The types its tokens may have.
    #[must_use]
    pub fn token_types(&self) -> TokenTypes {
        self.types
    }

    /// What its access tokens show and its other tokens do not.
    #[must_use]
    pub fn access_token_telltale(&self) -> Option<Telltale> {
        self.telltale
    }

    /// Whether its tokens must have the claims of RFC 9068.
    #[must_use]
    pub fn is_rfc9068(&self) -> bool {
        self.is_rfc9068
    }

    /// The claim that stands in for `aud` where there is none.
    #[must_use]
    pub fn claim_for_audience(&self) -> Option<&'static str> {
        self.audience_claim
    }

    /// How far its clock may differ, in seconds.
    #[must_use]
    pub fn leeway_seconds(&self) -> u32 {
        self.leeway
    }

    /// Which claims make the principal.
    #[must_use]
    pub fn claim_mapping(&self) -> &ClaimMapping {
        &self.mapping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url() -> IssuerUrl {
        IssuerUrl::parse("https://issuer.example").unwrap()
    }

    #[test]
    fn terms_that_would_accept_nothing_or_too_much_cannot_be_made() {
        assert_eq!(TrustedIssuer::new(url(), vec![]).unwrap_err(), TrustError::NoAudience);
        assert_eq!(TrustedIssuer::new(url(), vec![String::new()]).unwrap_err(), TrustError::NoAudience);
        let issuer = TrustedIssuer::new(url(), vec!["api".to_owned()]).unwrap();
        assert_eq!(issuer.clone().algorithms(vec![]).unwrap_err(), TrustError::NoAlgorithm);
        let mixed = vec![Algorithm::Rs256, Algorithm::Hs256];
        assert_eq!(issuer.clone().algorithms(mixed).unwrap_err(), TrustError::MixedAlgorithms);
        assert!(issuer.clone().algorithms(vec![Algorithm::Hs256, Algorithm::Hs512]).is_ok());
        assert_eq!(issuer.clone().leeway(301).unwrap_err(), TrustError::LeewayTooLong);
        assert_eq!(issuer.leeway(300).unwrap().leeway_seconds(), 300);
    }

    #[test]
    fn the_default_terms_are_the_strict_ones() {
        let issuer = TrustedIssuer::new(url(), vec!["api".to_owned()]).unwrap();
        assert_eq!(issuer.token_types(), TokenTypes::ACCESS_TOKEN);
        assert_eq!(issuer.leeway_seconds(), 30);
        assert_eq!(issuer.allowed_algorithms(), Algorithm::DEFAULT);
        assert_eq!(issuer.claim_mapping(), &ClaimMapping::orgate());
    }
}
