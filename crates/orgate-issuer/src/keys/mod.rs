//! Signing keys: made once, kept sealed, held parsed.
//!
//! The rules: at most one active key per project and algorithm (a unique index holds it); the private part is in the
//! database only sealed with the installation's secret and in memory only as a parsed key pair; signing never parses.
//! A missing key is made when it is first asked for, and everybody who asks waits: a key set (RFC 7517) never lacks a
//! key that is about to be used. How one key follows another is in `life`. What is in memory is read again each second,
//! so that all processes of an installation sign with the same keys.

mod algorithm;
mod development;
mod life;
mod proven;
mod queries;
mod ring;
pub(crate) mod routes;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use serde_json::{Value, json};
use tokio::sync::Mutex;

pub(crate) use self::proven::{signed_by_project, unproven};
pub(crate) use self::{
    algorithm::Algorithm,
    life::{Life, RotateError},
    ring::Ring,
};
use self::{algorithm::KeyPair, queries::StoredKey, ring::Entry};
pub use self::{development::DevelopmentKey, life::KeyInfo};
use crate::{
    db::{BoxFuture, Db, DbError, Tx},
    events::Actor,
    ids::Kind,
    secret::{Secrets, random_token},
};

/// How long what was read of the keys is believed.
const FRESH_MS: i64 = 1_000;
/// How long a key is shown before it signs: twice what a key set may be kept for, and then a day for those that keep it
/// longer.
const AHEAD_MS: i64 = 24 * 3_600_000;
/// How long a key is shown after it signed: the longest life of a token, and what clocks may differ.
const LINGER_MS: i64 = (24 * 60 + 10) * 60_000;

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Shown, and not used yet.
    Next,
    Active,
    /// Shown for what it has signed.
    Retiring,
    Removed,
}

impl State {
    pub(crate) const ALL: [Self; 4] = [Self::Next, Self::Active, Self::Retiring, Self::Removed];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Removed => "removed",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Active => 0,
            Self::Next => 1,
            Self::Retiring => 2,
            Self::Removed => 3,
        }
    }
}

/// Why there is no key.
#[derive(Debug)]
pub(crate) enum KeyError {
    Db(DbError),
    /// A key in the database cannot be opened or read.
    Unreadable(String),
    /// The cryptography library refused.
    Crypto,
}

impl From<DbError> for KeyError {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl std::error::Error for KeyError {}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Db(error) => error.fmt(f),
            Self::Unreadable(kid) => write!(f, "signing key `{kid}` cannot be read with this secret"),
            Self::Crypto => f.write_str("the cryptography library refused to make or use a key"),
        }
    }
}

/// A key that signs.
pub(crate) struct SigningKey {
    kid: String,
    algorithm: Algorithm,
    pair: KeyPair,
    public_jwk: Value,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("alg", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A compact JWS (RFC 7515 §7.1) of `claims` with `typ` in its header.
    pub(crate) fn sign(&self, typ: &str, claims: &impl serde::Serialize) -> Result<String, KeyError> {
        let header = json!({ "alg": self.algorithm.as_str(), "kid": self.kid, "typ": typ }).to_string();
        let claims = serde_json::to_vec(claims).map_err(|_| KeyError::Crypto)?;
        let mut token = crate::encoding::base64url(header.as_bytes());
        token.push('.');
        token.push_str(&crate::encoding::base64url(&claims));
        let signature = self.pair.sign(token.as_bytes()).ok_or(KeyError::Crypto)?;
        token.push('.');
        token.push_str(&crate::encoding::base64url(&signature));
        Ok(token)
    }

    /// The key as others see it (RFC 7517).
    fn public_jwk(&self) -> &Value {
        &self.public_jwk
    }
}

/// The keys of all projects.
#[derive(Debug)]
pub(crate) struct Keys {
    db: Db,
    secrets: Arc<Secrets>,
    rings: RwLock<HashMap<String, Arc<Ring>>>,
    // One lock per algorithm: nobody who wants a curve key waits for somebody's RSA key.
    making: [Mutex<()>; Algorithm::ALL.len()],
}

impl Keys {
    pub(crate) fn new(db: Db, secrets: Arc<Secrets>) -> Self {
        Self { db, secrets, rings: RwLock::default(), making: Default::default() }
    }

    /// The active key of `project` for `algorithm`; made, if there is none.
    pub(crate) async fn active(
        &self,
        project: &str,
        algorithm: Algorithm,
        now_ms: i64,
    ) -> Result<Arc<SigningKey>, KeyError> {
        if let Some(key) = self.ring(project, now_ms).await?.active(algorithm) {
            return Ok(key);
        }
        let Some(making) = self.making.get(algorithm.index()) else { return Err(KeyError::Crypto) };
        let _one_at_a_time = making.lock().await;
        if let Some(key) = self.read(project, now_ms).await?.active(algorithm) {
            return Ok(key);
        }
        let key = self.generate(project, algorithm, State::Active, now_ms).await?;
        self.store(project, key, Vec::new(), (Actor::System, now_ms)).await?;
        // If another process of this installation was first, its key is the active one.
        self.read(project, now_ms).await?.active(algorithm).ok_or(KeyError::Crypto)
    }

    /// Every key a verifier may meet; those that are missing are made first.
    pub(crate) async fn published(&self, project: &str, now_ms: i64) -> Result<Arc<Ring>, KeyError> {
        for algorithm in Algorithm::ALL {
            self.active(project, algorithm, now_ms).await?;
        }
        self.ring(project, now_ms).await
    }

    /// The keys of the project as they were read a moment ago.
    pub(crate) async fn ring(&self, project: &str, now_ms: i64) -> Result<Arc<Ring>, KeyError> {
        let held = self.rings.read().unwrap_or_else(PoisonError::into_inner).get(project).map(Arc::clone);
        match held.filter(|ring| ring.is_fresh(now_ms)) {
            Some(ring) => Ok(ring),
            None => self.read(project, now_ms).await,
        }
    }

    /// Reads them again, after whatever is due has been done. A private key is opened and parsed once.
    async fn read(&self, project: &str, now_ms: i64) -> Result<Arc<Ring>, KeyError> {
        let mut stored = queries::living(&mut *self.db.read().await?, project).await?;
        if stored.iter().any(|key| life::is_due(key, now_ms)) {
            life::advance(&self.db, project, now_ms).await?;
            stored = queries::living(&mut *self.db.read().await?, project).await?;
        }
        let held = self.rings.read().unwrap_or_else(PoisonError::into_inner).get(project).map(Arc::clone);
        if let Some(ring) = held.as_ref().filter(|ring| ring.is_still(&stored, now_ms)) {
            return Ok(Arc::clone(ring));
        }
        let mut entries = Vec::with_capacity(stored.len());
        for key in stored {
            let known = held.as_ref().and_then(|ring| ring.signer(&key.kid));
            let signer = match (key.state, known) {
                (State::Active, Some(known)) => Some(known),
                (State::Active, None) => Some(Arc::new(self.open(project, &key)?)),
                _ => None,
            };
            let jwk =
                serde_json::from_str(&key.public_jwk).map_err(|_| KeyError::Unreadable(key.kid.clone()))?;
            entries.push(Entry { kid: key.kid, algorithm: key.algorithm, state: key.state, jwk, signer });
        }
        let ring = Arc::new(Ring::new(now_ms, entries));
        self.rings
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(project.to_owned(), Arc::clone(&ring));
        Ok(ring)
    }

    fn open(&self, project: &str, stored: &StoredKey) -> Result<SigningKey, KeyError> {
        let unreadable = || KeyError::Unreadable(stored.kid.clone());
        let algorithm = stored.algorithm;
        let private = self
            .secrets
            .open_sealed(&context(project, &stored.kid, algorithm), &stored.private_enc)
            .ok_or_else(unreadable)?;
        let pair = KeyPair::parse(algorithm, &private).ok_or_else(unreadable)?;
        let public_jwk = pair.public_jwk(&stored.kid).ok_or_else(unreadable)?;
        Ok(SigningKey { kid: stored.kid.clone(), algorithm, pair, public_jwk })
    }

    /// A new key, not stored yet.
    async fn generate(
        &self,
        project: &str,
        algorithm: Algorithm,
        state: State,
        now_ms: i64,
    ) -> Result<StoredKey, KeyError> {
        // An RSA key takes hundreds of milliseconds of a core.
        let pair = tokio::task::spawn_blocking(move || KeyPair::generate(algorithm))
            .await
            .ok()
            .flatten()
            .ok_or(KeyError::Crypto)?;
        // Random, so that it says nothing about when or how often keys are made.
        let random = random_token().map_err(|_| KeyError::Crypto)?;
        let kid = format!("{}_{}", Kind::Key.prefix(), random.get(..22).unwrap_or(&random));
        let private = pair.to_pkcs8().ok_or(KeyError::Crypto)?;
        let place = context(project, &kid, algorithm);
        Ok(StoredKey {
            algorithm,
            state,
            public_jwk: pair.public_jwk(&kid).ok_or(KeyError::Crypto)?.to_string(),
            private_enc: self.secrets.seal(&place, &private).ok_or(KeyError::Crypto)?,
            created_at: now_ms,
            active_at: Some(if state == State::Next { now_ms + AHEAD_MS } else { now_ms }),
            remove_at: None,
            kid,
        })
    }

    /// Stores `key` in place of `revoked`, all at once; `false` if another one is active already.
    async fn store(
        &self,
        project: &str,
        key: StoredKey,
        revoked: Vec<String>,
        (actor, now_ms): (Actor, i64),
    ) -> Result<bool, DbError> {
        let project = project.to_owned();
        self.db
            .write(move |tx| -> BoxFuture<'_, Result<bool, DbError>> {
                Box::pin(async move { life::store(tx, &project, &key, &revoked, (&actor, now_ms)).await })
            })
            .await
    }
}

/// Seals every key with the secret in use; gives how many.
pub(crate) async fn seal_anew(tx: &mut Tx, secrets: &Secrets) -> Result<u64, KeyError> {
    let mut count = 0;
    for key in queries::all(tx).await? {
        let unreadable = || KeyError::Unreadable(key.kid.clone());
        let algorithm = Algorithm::parse(&key.alg).ok_or_else(unreadable)?;
        let context = context(&key.project_id, &key.kid, algorithm);
        let private = secrets.open_sealed(&context, &key.private_enc).ok_or_else(unreadable)?;
        let sealed = secrets.seal(&context, &private).ok_or(KeyError::Crypto)?;
        queries::set_sealed(tx, &key.kid, &sealed).await?;
        count += 1;
    }
    Ok(count)
}

/// Where a sealed private key belongs: it opens nowhere else.
fn context(project: &str, kid: &str, algorithm: Algorithm) -> String {
    format!("signing key {project} {kid} {}", algorithm.as_str())
}

#[cfg(test)]
mod tests;
