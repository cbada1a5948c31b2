//! Roles that an organization makes for itself.
//!
//! Whoever changes them holds the organization ([`members::hold`](crate::members::hold)), so that none is deleted while
//! somebody gets it.

use serde_json::{Value, json};

use super::{
    Role,
    authority::{Deed, Power, authority},
    catalogue, queries,
};
use crate::{
    clock::rfc3339,
    db::{Conn, DbError, Tx},
    events::{Actor, Event, EventType},
    http::{Problem, paging::Page, problem::Code},
    ids::Kind,
};

/// How many roles of its own an organization may have.
const MOST: i64 = 100;
const MAX_NAME: usize = 100;
const MAX_DESCRIPTION: usize = 200;
/// The rank of a role whose maker does not say.
const USUAL_RANK: i64 = 1;

/// A role as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Custom {
    pub(crate) id: String,
    pub(crate) role: Role,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) ver: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

impl Custom {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "key": self.role.key,
            "slug": self.role.key,
            "name": self.name,
            "description": self.description,
            "rank": self.role.rank,
            "permissions": self.role.permissions,
            "built_in": false,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
        })
    }
}

/// A built-in role in the same shape.
pub(crate) fn built_in_json(role: &Role) -> Value {
    json!({
        "id": role.key,
        "key": role.key,
        "slug": role.key,
        "name": role.key,
        "description": "",
        "rank": role.rank,
        "permissions": role.permissions,
        "built_in": true,
        "created_at": null,
        "updated_at": null,
    })
}

/// Where and by whom roles are changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Desk<'a> {
    pub(crate) project_id: &'a str,
    pub(crate) org_id: &'a str,
    pub(crate) actor: &'a Actor,
    pub(crate) power: &'a Power,
    pub(crate) now_ms: i64,
}

/// What is said about a role; what is absent stays, or is as usual.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) key: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) rank: Option<i64>,
    pub(crate) permissions: Option<Vec<String>>,
}

/// The role called `reference`, its key or its id.
pub(crate) async fn find(conn: &mut Conn, org_id: &str, reference: &str) -> Result<Option<Custom>, DbError> {
    queries::custom(conn, org_id, &Kind::Role.canonical(reference)).await
}

/// The organization's own roles.
pub(crate) async fn list(conn: &mut Conn, org_id: &str, page: &Page) -> Result<Vec<Custom>, DbError> {
    queries::customs(conn, org_id, page).await
}

/// Makes a role.
pub(crate) async fn create(tx: &mut Tx, desk: Desk<'_>, wish: Wish) -> Result<Custom, Problem> {
    let name = wish.name.ok_or_else(|| Problem::invalid("name", "is missing"))?;
    let key = wish.key.unwrap_or_else(|| key_of(&name));
    check_key(&key)?;
    if super::exists(&key) {
        return Err(Code::RoleTaken.into());
    }
    let described = wish.description.unwrap_or_default();
    check_words(&name, &described)?;
    let rank = wish.rank.unwrap_or(USUAL_RANK);
    let named = wish.permissions.ok_or_else(|| Problem::invalid("permissions", "is missing"))?;
    queries::lock_catalogue(tx, desk.project_id).await?;
    let permissions = catalogue::settle(tx, desk.project_id, named).await?;
    check_rank(rank)?;
    authority(desk.power, Deed::Define { rank, permissions: &keys(&permissions) })?;
    if queries::custom(tx, desk.org_id, &key).await?.is_some() {
        return Err(Code::RoleTaken.into());
    }
    if queries::count(tx, desk.org_id).await? >= MOST {
        return Err(Problem::new(Code::Conflict)
            .detail(format!("an organization has at most {MOST} roles of its own")));
    }
    let made = Custom {
        id: Kind::Role.new_id(desk.now_ms),
        role: Role { key, rank, permissions: keys(&permissions) },
        name: name.trim().to_owned(),
        description: described,
        ver: 1,
        created_at: desk.now_ms,
        updated_at: desk.now_ms,
    };
    queries::insert_role(tx, desk.project_id, desk.org_id, &made).await?;
    queries::set_permissions(tx, desk.project_id, &made.id, &permissions).await?;
    record(tx, desk, EventType::RoleCreated, &made.id, json!({ "after": made.to_json() }));
    Ok(made)
}

/// Changes a role. What its members may do changes with it, so the organization's change counter moves.
pub(crate) async fn update(
    tx: &mut Tx,
    desk: Desk<'_>,
    before: Custom,
    wish: Wish,
) -> Result<Custom, Problem> {
    if wish.key.is_some_and(|key| key != before.role.key) {
        return Err(Problem::invalid("slug", "of a role does not change"));
    }
    let mut after = before.clone();
    after.name = wish.name.map_or(after.name, |name| name.trim().to_owned());
    after.description = wish.description.unwrap_or(after.description);
    check_words(&after.name, &after.description)?;
    after.role.rank = wish.rank.unwrap_or(after.role.rank);
    check_rank(after.role.rank)?;
    queries::lock_catalogue(tx, desk.project_id).await?;
    let named = wish.permissions.unwrap_or_else(|| before.role.permissions.clone());
    let permissions = catalogue::settle(tx, desk.project_id, named).await?;
    after.role.permissions = keys(&permissions);
    let was = Deed::Define { rank: before.role.rank, permissions: &before.role.permissions };
    authority(desk.power, was)?;
    let is = Deed::Define { rank: after.role.rank, permissions: &after.role.permissions };
    authority(desk.power, is)?;
    if after == before {
        return Ok(before);
    }
    after.ver += 1;
    after.updated_at = desk.now_ms;
    queries::update_role(tx, &after).await?;
    if after.role != before.role {
        queries::set_permissions(tx, desk.project_id, &after.id, &permissions).await?;
        queries::touch_organization(tx, desk.org_id).await?;
    }
    let data = json!({ "before": before.to_json(), "after": after.to_json() });
    record(tx, desk, EventType::RoleUpdated, &after.id, data);
    Ok(after)
}

/// Deletes a role. Whoever has it gets `instead`; without one it must be nobody's.
pub(crate) async fn delete(
    tx: &mut Tx,
    desk: Desk<'_>,
    role: Custom,
    instead: Option<&str>,
) -> Result<(), Problem> {
    let was = Deed::Define { rank: role.role.rank, permissions: &role.role.permissions };
    authority(desk.power, was)?;
    let mut reassigned = 0;
    if let Some(key) = instead {
        let other = super::find(tx, desk.org_id, key).await?.filter(|other| other.key != role.role.key);
        let other = other.ok_or_else(|| Problem::new(Code::UnknownRole).field("reassign_to"))?;
        authority(desk.power, Deed::Change { from: &role.role, to: &other })?;
        reassigned = queries::reassign(tx, desk.org_id, (&role.role.key, &other.key), desk.now_ms).await?;
    }
    if queries::in_use(tx, desk.org_id, &role.role.key).await? {
        return Err(Code::RoleInUse.into());
    }
    queries::delete_role(tx, &role.id).await?;
    let data = json!({ "before": role.to_json(), "reassigned_to": instead, "reassigned": reassigned });
    record(tx, desk, EventType::RoleDeleted, &role.id, data);
    Ok(())
}

fn keys(permissions: &[(String, i64)]) -> Vec<String> {
    permissions.iter().map(|(key, _)| key.clone()).collect()
}

/// A key from a name.
fn key_of(name: &str) -> String {
    let mut key = String::new();
    for c in name.trim().chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_alphanumeric() {
            key.push(c);
        } else if !key.is_empty() && !key.ends_with('-') {
            key.push('-');
        }
    }
    key.truncate(MAX_KEY);
    key.trim_end_matches('-').to_owned()
}

const MAX_KEY: usize = 63;

fn check_key(key: &str) -> Result<(), Problem> {
    let letters = key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
    let begins = key.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    // An id holds a prefix and `_`: a key that looks like one could be mistaken for it.
    if !letters || !begins || key.len() > MAX_KEY || key.starts_with("rol_") {
        return Err(Problem::invalid(
            "slug",
            "has 1 to 63 lower-case letters, digits, `-` and `_`, and begins with a letter",
        ));
    }
    Ok(())
}

fn check_rank(rank: i64) -> Result<(), Problem> {
    if (0..=2).contains(&rank) { Ok(()) } else { Err(Problem::invalid("rank", "is 0, 1 or 2")) }
}

fn check_words(name: &str, description: &str) -> Result<(), Problem> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Problem::invalid("name", "has 1 to 100 characters, none of them a control character"));
    }
    if description.chars().count() > MAX_DESCRIPTION || description.chars().any(char::is_control) {
        return Err(Problem::invalid(
            "description",
            "has at most 200 characters, none of them a control character",
        ));
    }
    Ok(())
}

fn record(tx: &mut Tx, desk: Desk<'_>, kind: EventType, id: &str, data: Value) {
    tx.record(Event {
        project_id: desk.project_id.to_owned(),
        kind,
        actor: desk.actor.clone(),
        org_id: Some(desk.org_id.to_owned()),
        target_id: id.to_owned(),
        data,
        at: desk.now_ms,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_spelling() {
        for good in ["billing", "a", "read-only", "tier_2"] {
            assert!(check_key(good).is_ok(), "{good}");
        }
        for bad in ["", "Billing", "2nd", "-a", "a b", "bílling", "rol_x", &"a".repeat(64)] {
            assert!(check_key(bad).is_err(), "{bad}");
        }
        assert_eq!(key_of(" Billing & Plans "), "billing-plans");
        assert!(check_key(&key_of("日本")).is_err(), "a name without letters needs a key");
    }
}
