//! A key for a developer's own machine: it signs tokens of an issuer that nobody serves.
//!
//! Its file says what it is for. It is nobody's secret but that of the machine it lies on, because nothing believes it but a
//! gate that was told to.

use serde_json::{Value, json};

use super::{Algorithm, KeyPair, SigningKey};
use crate::encoding::{base64url, from_base64url};

/// The name of the key, so that a token that leaves the machine is known for what it is.
const KID: &str = "development-only";

/// A key that signs development tokens.
#[derive(Debug)]
pub struct DevelopmentKey(SigningKey);

impl DevelopmentKey {
    /// A new one; `None` if the operating system has no randomness.
    #[must_use]
    pub fn generate() -> Option<Self> {
        Self::of(KeyPair::generate(Algorithm::Es256)?)
    }

    /// What [`to_text`](Self::to_text) wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let file: Value = serde_json::from_str(text).ok()?;
        let private = from_base64url(file.get("private")?.as_str()?)?;
        Self::of(KeyPair::parse(Algorithm::Es256, &private)?)
    }

    fn of(pair: KeyPair) -> Option<Self> {
        let public_jwk = pair.public_jwk(KID)?;
        Some(Self(SigningKey { kid: KID.to_owned(), algorithm: Algorithm::Es256, pair, public_jwk }))
    }

    /// The file of the key.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        let private = base64url(&self.0.pair.to_pkcs8()?);
        let text = json!({
            "what": "a key for development only: `orgate proxy --dev-issuer` believes whatever is signed with it",
            "kid": KID,
            "private": private,
        });
        Some(format!("{text:#}\n"))
    }

    /// The public part, as a key set (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> String {
        json!({"keys": [self.0.public_jwk()]}).to_string()
    }

    /// A signed access token with these claims.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> Option<String> {
        self.0.sign(orgate_claims::wire::ACCESS_TOKEN_TYP, claims).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file_and_is_never_shown() {
        let key = DevelopmentKey::generate().unwrap();
        let text = key.to_text().unwrap();
        let again = DevelopmentKey::parse(&text).unwrap();
        assert_eq!(again.jwks(), key.jwks());
        assert!(text.contains("development only") && !key.jwks().contains("\"d\""));
        let private = serde_json::from_str::<Value>(&text).unwrap()["private"].as_str().unwrap().to_owned();
        assert!(!format!("{key:?}").contains(&private));
        assert!(DevelopmentKey::parse("{}").is_none());
        assert_eq!(key.sign(&json!({"sub": "u"})).unwrap().split('.').count(), 3);
    }
}
