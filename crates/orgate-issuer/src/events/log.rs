//! The events as people read them: the audit log.

use serde_json::{Value, json};

use super::{EventType, chain::Stored, queries};
use crate::{
    clock::rfc3339,
    db::{Conn, DbError},
    http::{Problem, body::Form, paging::Page},
};

/// Which events are wanted; an empty text is any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) org_id: String,
    /// A type, or the first part of some and `.*`.
    pub(crate) kind: String,
    pub(crate) actor_id: String,
    pub(crate) target_id: String,
    pub(crate) since: i64,
    pub(crate) until: i64,
}

impl Filter {
    /// Reads `type`, `actor`, `target`, `since` and `until` from a query.
    pub(crate) fn of(query: &Form) -> Result<Self, Problem> {
        let text = |name: &str| query.get(name).unwrap_or_default().to_owned();
        let time = |name: &str, otherwise: i64| match query.get(name) {
            None => Ok(otherwise),
            Some(text) => text
                .parse::<jiff::Timestamp>()
                .map(jiff::Timestamp::as_millisecond)
                .map_err(|_| Problem::invalid(name, "is a time such as 2026-01-31T08:00:00Z")),
        };
        let kind = text("type");
        if !kind.is_empty() && !EventType::is_known(&kind) {
            return Err(Problem::invalid("type", "is a type of events, or `member.*`"));
        }
        Ok(Self {
            org_id: text("organization"),
            kind,
            actor_id: text("actor"),
            target_id: text("target"),
            since: time("since", i64::MIN)?,
            until: time("until", i64::MAX)?,
        })
    }
}

/// A part of the log, newest first, each with its place for a cursor.
pub(crate) async fn list(
    conn: &mut Conn,
    project_id: &str,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<(String, Value)>, Problem> {
    let before = match page.after.as_str() {
        "" => i64::MAX,
        place => place.parse().map_err(|_| Problem::invalid("cursor", "is not one of ours"))?,
    };
    let rows = queries::list(conn, project_id, filter, before, page.rows()).await?;
    Ok(rows.iter().map(|row| (row.seq.to_string(), to_json(row))).collect())
}

/// Everything a user did or had done to them, oldest first, behind `after`; some of it.
pub(crate) async fn about(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
    after: i64,
) -> Result<Vec<(i64, Value)>, DbError> {
    let rows = queries::about(conn, project_id, user_id, after, super::chain::PAGE).await?;
    Ok(rows.iter().map(|row| (row.seq, to_json(row))).collect())
}

/// An event, as the log shows it.
pub(crate) async fn one(conn: &mut Conn, project_id: &str, seq: i64) -> Result<Option<Value>, DbError> {
    Ok(queries::one(conn, project_id, seq).await?.as_ref().map(to_json))
}

/// Numbers and types of the events behind the number `after`, oldest first; some of them.
pub(crate) async fn behind(
    conn: &mut Conn,
    project_id: &str,
    after: i64,
    most: i64,
) -> Result<Vec<(i64, String)>, DbError> {
    queries::behind(conn, project_id, after, most).await
}

/// An event as the log shows it.
fn to_json(row: &Stored) -> Value {
    let mut data: Value = serde_json::from_str(&row.data).unwrap_or_default();
    let mut part = |name: &str| data.as_object_mut().and_then(|data| data.remove(name));
    let (before, after) = (part("before"), part("after"));
    json!({
        "id": row.id,
        "seq": row.seq,
        "action": row.kind,
        "result": if row.kind == EventType::RequestDenied.as_str() { "denied" } else { "success" },
        "actor": { "kind": row.actor_kind, "id": row.actor_id },
        "organization_id": row.org_id,
        "target_id": row.target_id,
        "before": before,
        "after": after,
        "data": data,
        "erased": row.erased_by.is_some(),
        "at": rfc3339(row.at),
        "chain": row.chain,
    })
}
