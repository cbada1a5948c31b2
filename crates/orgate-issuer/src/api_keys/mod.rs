//! API keys: how programs of an organization prove themselves, with permissions of their own and without a role.
//!
//! A key can do what was put into it, as far as whoever made it could still give it now: it shrinks with the role of its
//! maker and is dead once they have left. One that an operator made is bound by the catalogue alone. The key itself is
//! shown once. It is opaque: gates ask what it is worth by introspection (RFC 7662), so a key that is revoked is worth
//! nothing as soon as their answers have run out.

mod queries;

use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    db::{Conn, DbError, Tx},
    events::{Event, EventType},
    http::{Problem, paging::Page, problem::Code},
    ids::Kind,
    members::{self, Caller, Held},
    organizations::{self, Organization},
    roles::{
        authority::{Deed, authority},
        catalogue,
    },
    secret::{fingerprint, random_token},
    users,
};

/// What every key begins with, so that gates know whom to ask and scanners of repositories know what they found.
pub(crate) const PREFIX: &str = "oak_";
/// How many keys of an organization can be in use.
const MOST: i64 = 100;
const MAX_NAME: usize = 100;
/// How many characters of a key are kept to know it by.
const HINT: usize = 4;
/// How exactly it is known when a key was last used, in milliseconds: what is exact would be a write for each use.
const USE_GRAIN_MS: i64 = 10 * 60 * 1000;

/// A key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiKey {
    pub(crate) id: String,
    pub(crate) project_id: String,
    pub(crate) org_id: String,
    name: String,
    hint: String,
    permissions: Vec<String>,
    by_operator: bool,
    user_id: Option<String>,
    member_id: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) expires_at: Option<i64>,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl ApiKey {
    fn status(&self, now_ms: i64) -> &'static str {
        if self.revoked_at.is_some() {
            "revoked"
        } else if self.expires_at.is_some_and(|end| end <= now_ms) {
            "expired"
        } else if !self.by_operator && self.member_id.is_none() {
            "orphaned"
        } else {
            "active"
        }
    }

    pub(crate) fn to_json(&self, now_ms: i64) -> Value {
        json!({
            "id": self.id,
            "organization_id": self.org_id,
            "name": self.name,
            "hint": format!("{PREFIX}…{}", self.hint),
            "permissions": self.permissions,
            "status": self.status(now_ms),
            "created_by": self.user_id,
            "created_at": rfc3339(self.created_at),
            "expires_at": self.expires_at.map(rfc3339),
            "last_used_at": self.last_used_at.map(rfc3339),
            "revoked_at": self.revoked_at.map(rfc3339),
        })
    }
}

/// What is said about a new key.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) name: String,
    pub(crate) permissions: Vec<String>,
    /// In how many seconds it ends; `None` is never.
    pub(crate) expires_in: Option<i64>,
}

/// Makes a key and gives it with its secret, which is not seen again.
pub(crate) async fn create(
    tx: &mut Tx,
    held: &Held,
    caller: &Caller,
    wish: Wish,
    now_ms: i64,
) -> Result<(ApiKey, String), Problem> {
    let name = check_name(&wish.name)?;
    let permissions = catalogue::settle(tx, &held.project_id, wish.permissions).await?;
    let permissions: Vec<String> = permissions.into_iter().map(|(key, _)| key).collect();
    // As a role below everybody: whoever may make keys gives what they hold.
    authority(&caller.power, Deed::Define { rank: -1, permissions: &permissions })?;
    if queries::count(tx, &held.org_id, now_ms).await? >= MOST {
        return Err(
            Problem::new(Code::Conflict).detail(format!("an organization has at most {MOST} keys in use"))
        );
    }
    let secret = format!("{PREFIX}{}", random_token().map_err(|_| Code::Internal)?);
    let key = ApiKey {
        id: Kind::ApiKey.new_id(now_ms),
        project_id: held.project_id.clone(),
        org_id: held.org_id.clone(),
        name,
        hint: secret.chars().skip(secret.len() - HINT).collect(),
        permissions,
        by_operator: caller.own.is_none(),
        user_id: caller.own.as_ref().map(|own| own.user_id.clone()),
        member_id: caller.own.as_ref().map(|own| own.id.clone()),
        created_at: now_ms,
        expires_at: wish.expires_in.map(|seconds| now_ms.saturating_add(seconds.saturating_mul(1000))),
        last_used_at: None,
        revoked_at: None,
    };
    queries::insert(tx, &key, &fingerprint(&secret)).await?;
    let data = json!({ "name": key.name, "permissions": key.permissions });
    record(tx, &key, caller, EventType::ApiKeyCreated, data, now_ms);
    Ok((key, secret))
}

fn check_name(name: &str) -> Result<String, Problem> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Problem::invalid("name", format!("has 1 to {MAX_NAME} characters that can be seen")));
    }
    Ok(name.to_owned())
}

/// Ends a key; one that has ended stays as it is.
pub(crate) async fn revoke(tx: &mut Tx, key: &ApiKey, caller: &Caller, now_ms: i64) -> Result<(), DbError> {
    if queries::revoke(tx, &key.id, now_ms).await? {
        record(tx, key, caller, EventType::ApiKeyRevoked, json!({ "name": key.name }), now_ms);
    }
    Ok(())
}

fn record(tx: &mut Tx, key: &ApiKey, caller: &Caller, kind: EventType, data: Value, at: i64) {
    tx.record(Event {
        project_id: key.project_id.clone(),
        kind,
        actor: caller.actor.clone(),
        org_id: Some(key.org_id.clone()),
        target_id: key.id.clone(),
        data,
        at,
    });
}

/// A part of the keys of an organization.
pub(crate) async fn list(conn: &mut Conn, org_id: &str, page: &Page) -> Result<Vec<ApiKey>, DbError> {
    queries::list(conn, org_id, page).await
}

/// The key of this organization with this id.
pub(crate) async fn find(conn: &mut Conn, org_id: &str, id: &str) -> Result<Option<ApiKey>, DbError> {
    queries::find(conn, org_id, &Kind::ApiKey.canonical(id)).await
}

/// A key that counts, and what it is worth now.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) key: ApiKey,
    pub(crate) organization: Organization,
    pub(crate) permissions: Vec<String>,
}

/// What a secret is worth in this project; `None` if nothing.
pub(crate) async fn presented(
    conn: &mut Conn,
    project_id: &str,
    secret: &str,
    now_ms: i64,
) -> Result<Option<Standing>, DbError> {
    let found = queries::by_hash(conn, project_id, &fingerprint(secret)).await?;
    let Some(key) = found.filter(|key| key.status(now_ms) == "active") else { return Ok(None) };
    let organization = organizations::find(conn, project_id, &key.org_id).await?;
    let Some(organization) = organization.filter(Organization::is_active) else { return Ok(None) };
    let Some(ceiling) = ceiling(conn, &key).await? else { return Ok(None) };
    let permissions = key.permissions.iter().filter(|one| ceiling.contains(one)).cloned().collect();
    Ok(Some(Standing { key, organization, permissions }))
}

/// What a key could be given now by whoever made it; `None` once they are no member.
async fn ceiling(conn: &mut Conn, key: &ApiKey) -> Result<Option<Vec<String>>, DbError> {
    if !key.by_operator {
        let Some(member_id) = &key.member_id else { return Ok(None) };
        let Some(maker) = members::find_by_id(conn, member_id).await? else { return Ok(None) };
        let user = users::find(conn, &key.project_id, &maker.user_id).await?;
        if user.is_none_or(|user| !user.active) {
            return Ok(None);
        }
        if !maker.role.is_owner() {
            return Ok(Some(maker.role.permissions));
        }
    }
    catalogue::everything(conn, &key.project_id).await.map(Some)
}

/// Whether it is time to note that `key` is used.
pub(crate) fn use_is_news(key: &ApiKey, now_ms: i64) -> bool {
    key.last_used_at.is_none_or(|at| now_ms.saturating_sub(at) >= USE_GRAIN_MS)
}

/// Notes that a key is used.
pub(crate) async fn note_use(tx: &mut Tx, id: &str, now_ms: i64) -> Result<(), DbError> {
    queries::note_use(tx, id, now_ms).await
}
