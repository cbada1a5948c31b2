//! The keys of one project as they are in memory: read together, replaced together.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicI64, Ordering},
};

use orgate_claims::IssuerUrl;
use orgate_verify::{Binding, KeySet, StaticKeys, TokenTypes, TrustedIssuer, Verifier};
use serde_json::{Value, json};

use super::{Algorithm, FRESH_MS, SigningKey, State, StoredKey};
use crate::encoding::from_base64url;

/// A key that somebody may meet.
pub(super) struct Entry {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) state: State,
    pub(super) jwk: Value,
    /// What signs; of the active keys only.
    pub(super) signer: Option<Arc<SigningKey>>,
}

/// All of them.
pub(crate) struct Ring {
    /// When it was last seen to be so.
    read_at: AtomicI64,
    entries: Vec<Entry>,
    verifier: OnceLock<Option<Verifier>>,
}

impl Ring {
    pub(super) fn new(read_at: i64, entries: Vec<Entry>) -> Self {
        Self { read_at: read_at.into(), entries, verifier: OnceLock::new() }
    }

    pub(super) fn is_fresh(&self, now_ms: i64) -> bool {
        (0..FRESH_MS).contains(&(now_ms - self.read_at.load(Ordering::Relaxed)))
    }

    /// Whether these are still the keys; if so, that is known of now.
    pub(super) fn is_still(&self, stored: &[StoredKey], now_ms: i64) -> bool {
        let same = self.entries.len() == stored.len()
            && self
                .entries
                .iter()
                .zip(stored)
                .all(|(ours, key)| ours.kid == key.kid && ours.state == key.state);
        if same {
            self.read_at.store(now_ms, Ordering::Relaxed);
        }
        same
    }

    /// What verifies the tokens that these keys have signed in the name of `issuer`, bound ones included.
    pub(crate) fn verifier(&self, issuer: &str) -> Option<&Verifier> {
        self.verifier.get_or_init(|| self.make_verifier(issuer)).as_ref()
    }

    /// The claims of an ID token that one of these keys has signed, however long ago it ended; `None` for anything else.
    pub(crate) fn id_token(&self, token: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let header: Value = serde_json::from_slice(&from_base64url(header)?).ok()?;
        let said = |name: &str| header.get(name).and_then(Value::as_str);
        let entry = self.entries.iter().find(|entry| Some(entry.kid.as_str()) == said("kid"))?;
        let is_id_token = said("typ") == Some("JWT") && said("alg") == Some(entry.algorithm.as_str());
        let signature = from_base64url(signature)?;
        (is_id_token && entry.algorithm.verify(&entry.jwk, signed.as_bytes(), &signature))
            .then(|| serde_json::from_slice(&from_base64url(payload)?).ok())?
    }

    fn make_verifier(&self, issuer: &str) -> Option<Verifier> {
        let (keys, _) = KeySet::from_jwks(self.key_set().to_string().as_bytes()).ok()?;
        let trusted = TrustedIssuer::with_any_audience(IssuerUrl::parse(issuer).ok()?)
            .types(TokenTypes::ACCESS_TOKEN)
            .algorithms(vec![
                orgate_verify::Algorithm::Es256,
                orgate_verify::Algorithm::Rs256,
                orgate_verify::Algorithm::EdDsa,
            ])
            .ok()?
            .leeway(0)
            .ok()?
            .dpop(Binding::Allowed);
        Verifier::new(vec![(trusted, Arc::new(StaticKeys::new(keys)))]).ok()
    }

    pub(super) fn active(&self, algorithm: Algorithm) -> Option<Arc<SigningKey>> {
        let of_algorithm = |entry: &&Entry| entry.state == State::Active && entry.algorithm == algorithm;
        self.entries.iter().find(of_algorithm)?.signer.clone()
    }

    pub(super) fn signer(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.entries.iter().find(|entry| entry.kid == kid)?.signer.clone()
    }

    /// The key set (RFC 7517 §5): by algorithm, what is in use before what will be and what was.
    pub(crate) fn key_set(&self) -> Value {
        let mut keys: Vec<&Entry> = self.entries.iter().collect();
        keys.sort_by_key(|entry| (entry.algorithm.index(), entry.state.rank()));
        let keys: Vec<&Value> = keys.into_iter().map(|entry| &entry.jwk).collect();
        json!({ "keys": keys })
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|entry| &entry.kid)).finish()
    }
}
