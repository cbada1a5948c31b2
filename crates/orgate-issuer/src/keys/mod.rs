//! Signing keys: made once, kept sealed, held parsed.
//!
//! The rules: at most one active key per project and algorithm (a unique index holds it); the private part is in the
//! database only sealed with the installation's secret and in memory only as a parsed key pair; signing never parses.
//! A missing key is made when it is first asked for, and everybody who asks waits: a key set (RFC 7517) never lacks a
//! key that is about to be used. Rotation is not here yet; the states for it are in the schema.

mod algorithm;
mod development;
mod queries;
pub(crate) mod routes;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use serde_json::{Value, json};
use tokio::sync::Mutex;

pub(crate) use self::algorithm::Algorithm;
use self::algorithm::KeyPair;
pub use self::development::DevelopmentKey;
use crate::{
    db::{BoxFuture, Db, DbError, Tx},
    events::{Actor, Event, EventType},
    ids::Kind,
    secret::{Secrets, random_token},
};

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
    pub(crate) fn public_jwk(&self) -> &Value {
        &self.public_jwk
    }
}

type Ring = HashMap<(String, Algorithm), Arc<SigningKey>>;

/// The keys of all projects.
#[derive(Debug)]
pub(crate) struct Keys {
    db: Db,
    secrets: Arc<Secrets>,
    ring: RwLock<Ring>,
    // One lock per algorithm: nobody who wants a curve key waits for somebody's RSA key.
    making: [Mutex<()>; Algorithm::ALL.len()],
}

impl Keys {
    pub(crate) fn new(db: Db, secrets: Arc<Secrets>) -> Self {
        Self { db, secrets, ring: RwLock::default(), making: Default::default() }
    }

    /// The active key of `project` for `algorithm`; made, if there is none.
    pub(crate) async fn active(
        &self,
        project: &str,
        algorithm: Algorithm,
        now_ms: i64,
    ) -> Result<Arc<SigningKey>, KeyError> {
        let wanted = (project.to_owned(), algorithm);
        if let Some(key) = self.held(&wanted) {
            return Ok(key);
        }
        let Some(making) = self.making.get(algorithm.index()) else { return Err(KeyError::Crypto) };
        let _one_at_a_time = making.lock().await;
        if let Some(key) = self.held(&wanted) {
            return Ok(key);
        }
        let key = match self.load(project, algorithm).await? {
            Some(key) => key,
            None => self.make(project, algorithm, now_ms).await?,
        };
        let key = Arc::new(key);
        self.ring.write().unwrap_or_else(PoisonError::into_inner).insert(wanted, Arc::clone(&key));
        Ok(key)
    }

    /// What the project's key set shows: every key a verifier may meet.
    pub(crate) async fn published(&self, project: &str, now_ms: i64) -> Result<Vec<Value>, KeyError> {
        let mut keys = Vec::new();
        for algorithm in Algorithm::ALL {
            keys.push(self.active(project, algorithm, now_ms).await?.public_jwk().clone());
        }
        Ok(keys)
    }

    fn held(&self, wanted: &(String, Algorithm)) -> Option<Arc<SigningKey>> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).get(wanted).map(Arc::clone)
    }

    async fn load(&self, project: &str, algorithm: Algorithm) -> Result<Option<SigningKey>, KeyError> {
        let mut conn = self.db.read().await?;
        let Some(stored) = queries::active(&mut conn, project, algorithm.as_str()).await? else {
            return Ok(None);
        };
        let unreadable = || KeyError::Unreadable(stored.kid.clone());
        let private = self
            .secrets
            .open_sealed(&context(project, &stored.kid, algorithm), &stored.private_enc)
            .ok_or_else(unreadable)?;
        let pair = KeyPair::parse(algorithm, &private).ok_or_else(unreadable)?;
        let public_jwk = pair.public_jwk(&stored.kid).ok_or_else(unreadable)?;
        Ok(Some(SigningKey { kid: stored.kid, algorithm, pair, public_jwk }))
    }

    async fn make(&self, project: &str, algorithm: Algorithm, now_ms: i64) -> Result<SigningKey, KeyError> {
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
        let stored = queries::StoredKey {
            private_enc: self
                .secrets
                .seal(&context(project, &kid, algorithm), &private)
                .ok_or(KeyError::Crypto)?,
            kid: kid.clone(),
        };
        let public_jwk = pair.public_jwk(&kid).ok_or(KeyError::Crypto)?;
        let (project, public) = (project.to_owned(), public_jwk.to_string());
        let ours = {
            let project = project.clone();
            self.db
                .write(move |tx| -> BoxFuture<'_, Result<bool, DbError>> {
                    Box::pin(async move {
                        let alg = algorithm.as_str();
                        if !queries::insert(tx, &project, alg, &stored, &public, now_ms).await? {
                            return Ok(false);
                        }
                        tx.record(Event {
                            project_id: project,
                            kind: EventType::KeyCreated,
                            actor: Actor::System,
                            org_id: None,
                            target_id: stored.kid,
                            data: json!({ "alg": alg }),
                            at: now_ms,
                        });
                        Ok(true)
                    })
                })
                .await?
        };
        if ours {
            return Ok(SigningKey { kid, algorithm, pair, public_jwk });
        }
        // Another process of this installation was first; its key is the active one.
        self.load(&project, algorithm).await?.ok_or(KeyError::Crypto)
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
