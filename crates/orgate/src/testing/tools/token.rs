//! A token that somebody has in hand, verified as a door would.

use std::sync::Arc;

use orgate_claims::{Principal, UnixTime};
use orgate_config::{KeyLocation, PolicyFile};
use orgate_remote::{HttpClient, KeySettings, Location, RemoteKeys};
use orgate_verify::{KeySet, KeySource, StaticKeys, TrustedIssuer, Verifier, VerifyErrorKind};

use crate::{Code, credentials::is_token, from_file};

/// Whoever a token was proven to speak of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Proven {
    /// The caller.
    pub principal: Principal,
    /// The name of the issuer in the policy file.
    pub issuer: String,
}

/// Why a token is refused.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Unproven {
    /// What a client would be told.
    pub code: Code,
    /// The reason; never holds a part of the token.
    pub detail: String,
}

/// Verifies a token by the issuers of a policy, and fetches the keys of the one that it names. Needs a tokio runtime.
///
/// # Errors
/// [`Unproven`], also if the keys cannot be had.
pub async fn prove(file: &PolicyFile, token: &str, now: UnixTime) -> Result<Proven, Unproven> {
    let unproven = |code: Code, detail: String| Unproven { code, detail };
    if !is_token(token) {
        return Err(unproven(Code::BadRequest, "a bearer token has no such characters".to_owned()));
    }
    let client = HttpClient::new();
    let mut issuers: Vec<(TrustedIssuer, Arc<dyn KeySource>)> = Vec::new();
    for issuer in &file.issuers {
        let location = match &issuer.keys {
            KeyLocation::Discover => Location::Discover,
            KeyLocation::JwksUri(uri) => Location::JwksUri(uri.clone()),
            KeyLocation::File(path) => Location::File(path.clone()),
            KeyLocation::Secret(source) => {
                let environment = |name: &str| std::env::var(name).ok();
                let keys = from_file::secret_keys(&issuer.name, &issuer.trust, source, &environment)
                    .map_err(|error| unproven(Code::KeysUnavailable, error.to_string()))?;
                issuers.push((issuer.trust.clone(), keys));
                continue;
            }
            KeyLocation::Nowhere => {
                let no_keys: Arc<dyn KeySource> = Arc::new(StaticKeys::new(KeySet::empty()));
                issuers.push((issuer.trust.clone(), no_keys));
                continue;
            }
            // No policy file has such an issuer.
            KeyLocation::Known(_) => continue,
        };
        let settings = KeySettings::new(issuer.trust.url().clone(), location);
        let keys = RemoteKeys::new(settings, client.clone())
            .map_err(|error| unproven(Code::KeysUnavailable, format!("issuer `{}`: {error}", issuer.name)))?;
        issuers.push((issuer.trust.clone(), keys));
    }
    let verifier = Verifier::new(issuers).map_err(|error| unproven(Code::InvalidToken, error.to_string()))?;
    let mut result = verifier.verify_at(token, now);
    if let Err(error) = &result {
        let is_about_keys =
            matches!(error.kind(), VerifyErrorKind::KeysUnavailable | VerifyErrorKind::UnknownKey);
        let source = error.issuer().filter(|_| is_about_keys).and_then(|issuer| verifier.key_source(issuer));
        if let Some(source) = source {
            source.refresh().await.map_err(|error| unproven(Code::KeysUnavailable, error.to_string()))?;
            result = verifier.verify_at(token, now);
        }
    }
    let verified = result.map_err(|error| unproven(error.kind().into(), error.to_string()))?;
    let url = verified.principal().issuer().clone();
    let issuer = file.issuers.iter().find(|issuer| *issuer.trust.url() == url);
    let issuer = issuer.map(|issuer| issuer.name.clone()).unwrap_or_default();
    Ok(Proven { principal: verified.into_principal(), issuer })
}
