//! Passkeys: keys that live with people, made and used by Web Authentication.
//!
//! A challenge is stored by its hash, for one ceremony of one project, and goes when it is answered. Signing in names no user,
//! so that nothing can be learnt: the authenticator says whose key it is. A counter that does not grow is a copy, and is
//! refused; one that stays at nothing says nothing (keys that travel between devices have none).
//!
//! No library does this: the one for it brings some eighty crates, among them an RSA that we keep out. What is judged here
//! is short (§7 of the specification) and over the signatures that are there; a foreign authenticator tests it.

mod cbor;
mod ceremony;
mod queries;

use serde_json::{Value, json};

use self::ceremony::{Key, Place};
use crate::{
    app::App,
    clock::rfc3339,
    db::{Conn, DbError, Tx},
    encoding::{base64url, from_base64url},
    http::body::Object,
    ids::Kind,
    projects::Project,
    secret::fingerprint,
    users::User,
};

/// How long a challenge may wait.
const CHALLENGE_MS: i64 = 5 * 60_000;
/// How many passkeys a user may have.
const MOST: usize = 20;
const MAX_NAME: usize = 100;

/// A passkey, as its owner sees it.
#[derive(Clone, Debug)]
pub(crate) struct Passkey {
    pub(crate) id: String,
    credential_id: String,
    pub(crate) name: String,
    pub(crate) created_at: i64,
    pub(crate) last_used_at: Option<i64>,
}

impl Passkey {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "created_at": rfc3339(self.created_at),
            "last_used_at": self.last_used_at.and_then(rfc3339),
        })
    }
}

/// What keys are bound to: the host of the public URL.
fn rp_id(app: &App) -> String {
    let url = url::Url::parse(app.public.origin()).ok();
    url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

/// Stores a challenge, for a new key of `session_id` or for signing in.
pub(crate) async fn challenge(
    tx: &mut Tx,
    project_id: &str,
    challenge: &str,
    session_id: Option<&str>,
    now_ms: i64,
) -> Result<(), DbError> {
    queries::purge_challenges(tx, now_ms).await?;
    queries::insert_challenge(tx, &fingerprint(challenge), project_id, session_id, now_ms + CHALLENGE_MS)
        .await
}

/// What a browser needs to have a key made (`PublicKeyCredentialCreationOptionsJSON`).
pub(crate) async fn creation_options(
    app: &App,
    project: &Project,
    user: &User,
    challenge: &str,
) -> Result<Value, DbError> {
    let known = queries::of_user(&mut *app.db.read().await?, &user.id).await?;
    let exclude: Vec<_> =
        known.iter().map(|one| json!({ "type": "public-key", "id": one.credential_id })).collect();
    let params: Vec<_> =
        ceremony::ALGORITHMS.iter().map(|alg| json!({ "type": "public-key", "alg": alg })).collect();
    Ok(json!({
        "rp": { "id": rp_id(app), "name": project.name },
        "user": {
            "id": base64url(user.id.as_bytes()),
            "name": user.email,
            "displayName": user.name.as_ref().unwrap_or(&user.email),
        },
        "challenge": challenge,
        "pubKeyCredParams": params,
        "timeout": CHALLENGE_MS,
        "excludeCredentials": exclude,
        "authenticatorSelection":
            { "residentKey": "required", "requireResidentKey": true, "userVerification": "required" },
        "attestation": "none",
    }))
}

/// What a browser needs to sign in (`PublicKeyCredentialRequestOptionsJSON`).
pub(crate) fn request_options(app: &App, challenge: &str) -> Value {
    json!({
        "challenge": challenge,
        "timeout": CHALLENGE_MS,
        "rpId": rp_id(app),
        "userVerification": "required",
        "allowCredentials": [],
    })
}

/// The bytes of a member of a credential's response.
fn part(credential: &Value, name: &str) -> Option<Vec<u8>> {
    from_base64url(credential.get("response")?.get(name)?.as_str()?)
}

/// The name of a key: what its owner calls it, in one line of bounded length.
fn name_of(wish: &str) -> String {
    let name: String = wish.trim().chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    if name.is_empty() { "Passkey".to_owned() } else { name }
}

/// A new key, judged; what is left is whether its challenge is ours.
#[derive(Clone, Debug)]
pub(crate) struct New {
    made: ceremony::Made,
    challenge: String,
    name: String,
}

impl New {
    /// Reads `RegistrationResponseJSON`; `None` if anything about it is wrong.
    pub(crate) fn read(app: &App, credential: &Value, name: Option<String>) -> Option<Self> {
        let (origin, rp_id) = (app.public.origin(), rp_id(app));
        let place = Place { origin, rp_id: &rp_id };
        let (client_data, object) =
            (part(credential, "clientDataJSON")?, part(credential, "attestationObject")?);
        let (made, challenge) = ceremony::made(&client_data, &object, &place)?;
        Some(Self { made, challenge, name: name_of(&name.unwrap_or_default()) })
    }

    /// Stores the key for the user of the session that asked for it; `None` if it did not, or the key is known, or there are
    /// too many.
    pub(crate) async fn store(
        self,
        tx: &mut Tx,
        project_id: &str,
        (session_id, user_id): (&str, &str),
        now_ms: i64,
    ) -> Result<Option<Passkey>, DbError> {
        let asked = queries::take_challenge(tx, &fingerprint(&self.challenge), project_id, now_ms).await?;
        if asked != Some(Some(session_id.to_owned())) || queries::of_user(tx, user_id).await?.len() >= MOST {
            return Ok(None);
        }
        let passkey = Passkey {
            id: Kind::Passkey.new_id(now_ms),
            credential_id: self.made.id,
            name: self.name,
            created_at: now_ms,
            last_used_at: None,
        };
        let key = self.made.key.to_text();
        let stored = queries::insert(tx, project_id, user_id, &passkey, (&key, self.made.count)).await?;
        Ok(stored.then_some(passkey))
    }
}

/// A signature of a key that is known, judged; what is left is whether its challenge is ours.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    pub(crate) user_id: String,
    passkey_id: String,
    challenge: String,
    count: i64,
}

/// Reads `AuthenticationResponseJSON`; `None` if anything about it is wrong.
pub(crate) async fn signed(
    app: &App,
    project: &Project,
    credential: &Value,
) -> Result<Option<Signed>, DbError> {
    let Some(id) = credential.get("rawId").or_else(|| credential.get("id")).and_then(Value::as_str) else {
        return Ok(None);
    };
    let found = queries::by_credential(&mut *app.db.read().await?, &project.id, id).await?;
    Ok(found.and_then(|stored| {
        let (origin, rp_id) = (app.public.origin(), rp_id(app));
        let place = Place { origin, rp_id: &rp_id };
        let key = Key::from_text(&stored.public_key)?;
        let data = part(credential, "authenticatorData")?;
        let signature = part(credential, "signature")?;
        let client_data = part(credential, "clientDataJSON")?;
        // The authenticator was told no user, so it must say whose key it is (§7.2 step 6).
        let handle = credential.get("response")?.get("userHandle")?.as_str()?;
        if !ceremony::is_handle(handle, &stored.user_id) {
            return None;
        }
        let (challenge, count) = ceremony::signed(&client_data, &data, &signature, &key, &place)?;
        Some(Signed { user_id: stored.user_id, passkey_id: stored.id, challenge, count })
    }))
}

impl Signed {
    /// Uses the challenge up and notes the counter; `false` if one of them has been seen.
    pub(crate) async fn accept(&self, tx: &mut Tx, project_id: &str, now_ms: i64) -> Result<bool, DbError> {
        let asked = queries::take_challenge(tx, &fingerprint(&self.challenge), project_id, now_ms).await?;
        if asked != Some(None) {
            return Ok(false);
        }
        let counted = queries::count(tx, &self.passkey_id, self.count, now_ms).await?;
        if !counted {
            tracing::warn!(user.id = %self.user_id, passkey.id = %self.passkey_id, "a passkey's counter did not grow");
        }
        Ok(counted)
    }
}

/// A credential that came as text in a form.
pub(crate) fn parse(text: &str) -> Option<Value> {
    let members = Object::parse(text.as_bytes()).ok()?.into_members();
    Some(Value::Object(members.into_iter().collect()))
}

/// The passkeys of a user, oldest first.
pub(crate) async fn of_user(conn: &mut Conn, user_id: &str) -> Result<Vec<Passkey>, DbError> {
    queries::of_user(conn, user_id).await
}

/// Gives a passkey of a user another name; `false` if there is none.
pub(crate) async fn rename(tx: &mut Tx, user_id: &str, id: &str, name: &str) -> Result<bool, DbError> {
    queries::rename(tx, user_id, id, &name_of(name)).await
}

/// Removes a passkey of a user; `false` if there is none.
pub(crate) async fn remove(tx: &mut Tx, user_id: &str, id: &str) -> Result<bool, DbError> {
    queries::remove(tx, user_id, id).await
}

/// Forgets challenges that nobody answered, a bounded number at a time.
pub(crate) async fn purge(conn: &mut Conn, now_ms: i64) -> Result<u64, DbError> {
    queries::purge_challenges(conn, now_ms).await
}
