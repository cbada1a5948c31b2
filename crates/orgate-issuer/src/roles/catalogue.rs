//! The permissions of a project: those that are built in, and its own behind them, in the order in which they were added.

use orgate_claims::Permission;
use orgate_config::matrix;
use serde_json::{Value, json};

use super::{fit_into_a_token, queries};
use crate::{
    clock::rfc3339,
    db::{Conn, Constraint, DbError, Tx},
    events::{Actor, Event, EventType},
    http::{Problem, paging::Page, problem::Code},
    projects,
};

/// How many permissions of its own a project may have.
const MOST: i64 = 1000;
/// The first position behind what is built in.
const FIRST: i64 = 100;
const MAX_DESCRIPTION: usize = 200;

/// A permission of the catalogue.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) description: String,
    pub(crate) created_at: Option<i64>,
}

impl Entry {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "key": self.key,
            "description": self.description,
            "built_in": self.created_at.is_none(),
            "created_at": self.created_at.map(rfc3339),
        })
    }
}

/// The built-in permissions, in their order.
pub(crate) fn built_in() -> &'static [&'static str] {
    matrix::permissions(super::OWNER).unwrap_or_default()
}

/// All permissions of the project, in the order of the catalogue, with their positions.
async fn positions(conn: &mut Conn, project_id: &str) -> Result<Vec<(String, i64)>, DbError> {
    let mut all: Vec<(String, i64)> =
        (0_i64..).zip(built_in()).map(|(at, key)| ((*key).to_owned(), at)).collect();
    all.extend(queries::own_permissions(conn, project_id).await?);
    Ok(all)
}

/// All permissions of the project: what nobody holds more than.
pub(crate) async fn everything(conn: &mut Conn, project_id: &str) -> Result<Vec<String>, DbError> {
    Ok(positions(conn, project_id).await?.into_iter().map(|(key, _)| key).collect())
}

/// The named permissions in the order of the catalogue, each once.
pub(crate) async fn settle(
    tx: &mut Tx,
    project_id: &str,
    named: Vec<String>,
) -> Result<Vec<(String, i64)>, Problem> {
    let all = positions(tx, project_id).await?;
    if let Some(unknown) = named.iter().find(|one| !all.iter().any(|(key, _)| key == *one)) {
        let shown: String = unknown.chars().take(100).collect();
        return Err(Problem::new(Code::UnknownPermission)
            .detail(format!("`{shown}` is not in the catalogue of the project"))
            .field("permissions"));
    }
    let settled: Vec<(String, i64)> = all.into_iter().filter(|(key, _)| named.contains(key)).collect();
    // As they stand, and in the words of the project's tokens, which may be more.
    let project = projects::find(tx, project_id).await?.ok_or(Code::NotFound)?;
    let keys: Vec<String> = settled.iter().map(|(key, _)| key.clone()).collect();
    if !fit_into_a_token(&keys) || !fit_into_a_token(&project.claims_profile.permissions(keys)) {
        return Err(Problem::new(Code::PermissionsTooLarge).field("permissions"));
    }
    Ok(settled)
}

/// A page of the catalogue: what is built in stands on the first one. Each entry comes with what the next page begins behind.
pub(crate) async fn list(
    conn: &mut Conn,
    project_id: &str,
    page: &Page,
) -> Result<Vec<(String, Value)>, Problem> {
    let first = page.after.is_empty();
    let after = match page.after.as_str() {
        "" => 0,
        text => text.parse::<i64>().map_err(|_| Problem::invalid("cursor", "is not one of ours"))?,
    };
    let built_in = (0_i64..).zip(built_in()).filter(|(at, _)| first || *at > after).map(|(at, key)| {
        let entry = Entry { key: (*key).to_owned(), description: String::new(), created_at: None };
        (at.to_string(), entry.to_json())
    });
    let mut rows: Vec<(String, Value)> = built_in.collect();
    for (position, entry) in queries::permissions(conn, project_id, after, page.rows()).await? {
        rows.push((position.to_string(), entry.to_json()));
    }
    Ok(rows)
}

/// Adds a permission.
pub(crate) async fn add(
    tx: &mut Tx,
    project_id: &str,
    (key, description): (&str, &str),
    actor: Actor,
    now_ms: i64,
) -> Result<Entry, Problem> {
    Permission::parse(key).map_err(|error| Problem::invalid("key", error.to_string()))?;
    check_description(description)?;
    if built_in().contains(&key) {
        return Err(Code::PermissionTaken.into());
    }
    queries::lock_catalogue(tx, project_id).await?;
    let (count, last) = queries::size(tx, project_id).await?;
    if count >= MOST {
        return Err(Problem::new(Code::Conflict)
            .detail(format!("a project has at most {MOST} permissions of its own")));
    }
    let position = last.map_or(FIRST, |last| last + 1);
    let stored = queries::insert_permission(tx, project_id, (key, description), position, now_ms).await;
    match stored {
        Err(DbError::Conflict(Constraint::Unique)) => return Err(Code::PermissionTaken.into()),
        other => other?,
    }
    let entry = Entry { key: key.to_owned(), description: description.to_owned(), created_at: Some(now_ms) };
    record(
        tx,
        project_id,
        (EventType::PermissionCreated, actor),
        key,
        json!({ "after": entry.to_json() }),
        now_ms,
    );
    Ok(entry)
}

/// Describes a permission anew.
pub(crate) async fn describe(
    tx: &mut Tx,
    project_id: &str,
    (key, description): (&str, &str),
    actor: Actor,
    now_ms: i64,
) -> Result<Entry, Problem> {
    check_description(description)?;
    if built_in().contains(&key) {
        return Err(Code::BuiltIn.into());
    }
    queries::lock_catalogue(tx, project_id).await?;
    let before = queries::permission(tx, project_id, key).await?.ok_or(Code::NotFound)?;
    queries::describe(tx, project_id, key, description, now_ms).await?;
    let after = Entry { description: description.to_owned(), ..before.clone() };
    let data = json!({ "before": before.to_json(), "after": after.to_json() });
    record(tx, project_id, (EventType::PermissionUpdated, actor), key, data, now_ms);
    Ok(after)
}

/// Removes a permission that no role has.
pub(crate) async fn remove(
    tx: &mut Tx,
    project_id: &str,
    key: &str,
    actor: Actor,
    now_ms: i64,
) -> Result<(), Problem> {
    if built_in().contains(&key) {
        return Err(Code::BuiltIn.into());
    }
    queries::lock_catalogue(tx, project_id).await?;
    let before = queries::permission(tx, project_id, key).await?.ok_or(Code::NotFound)?;
    if queries::permission_in_use(tx, project_id, key).await? {
        return Err(Code::PermissionInUse.into());
    }
    queries::delete_permission(tx, project_id, key).await?;
    let data = json!({ "before": before.to_json() });
    record(tx, project_id, (EventType::PermissionDeleted, actor), key, data, now_ms);
    Ok(())
}

fn check_description(text: &str) -> Result<(), Problem> {
    if text.chars().count() > MAX_DESCRIPTION || text.chars().any(char::is_control) {
        return Err(Problem::invalid(
            "description",
            format!("has at most {MAX_DESCRIPTION} characters, none of them a control character"),
        ));
    }
    Ok(())
}

fn record(tx: &mut Tx, project_id: &str, (kind, actor): (EventType, Actor), key: &str, data: Value, at: i64) {
    tx.record(Event {
        project_id: project_id.to_owned(),
        kind,
        actor,
        org_id: None,
        target_id: key.to_owned(),
        data,
        at,
    });
}
