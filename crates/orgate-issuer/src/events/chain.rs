//! The chain that the events of a project are: whoever changes, removes or moves one is found.
//!
//! The form that is hashed, version 1. `chain` of an event is the SHA-256, in base64url without padding, of this array
//! as RFC 8785 writes JSON:
//!
//! ```text
//! ["orgate event 1", chain of the event before ("" for the first), project_id, seq, id, type, actor_kind,
//!  actor_id or null, org_id or null, target_id, commitment, at]
//! ```
//!
//! `commitment` is the SHA-256, written likewise, of `salt`, a full stop, and `data` as it is stored. The salt is 128
//! random bits. Once data and salt are gone (`erased_by`), nothing can be learned of the data from the commitment, and the
//! chain holds as before. No key is needed for anybody's check; what a key is good for is the signed head
//! ([`super::head`]), kept where the database is not.

use serde_json::{Value, json};

use super::{Event, EventType, queries};
use crate::{
    db::{Conn, DbError},
    encoding::base64url,
    ids::Kind,
    secret::{fingerprint, random_bytes},
};

/// How many rows are held at once.
pub(super) const PAGE: i64 = 500;

/// The member of [`EventType::UserErased`] that names the organizations whose events are forgotten.
pub(crate) const ERASED: &str = "erased_organizations";

/// A row as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) project_id: String,
    pub(super) seq: i64,
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) actor_kind: String,
    pub(super) actor_id: Option<String>,
    pub(super) org_id: Option<String>,
    pub(super) target_id: String,
    pub(super) data: String,
    pub(super) at: i64,
    /// Gone with the data.
    pub(super) salt: Option<String>,
    pub(super) commitment: String,
    pub(super) chain: String,
    /// The number of the event that tells of the erasure.
    pub(super) erased_by: Option<i64>,
}

impl Stored {
    /// The row of `event`, not chained yet.
    fn new(seq: i64, event: &Event) -> Self {
        Self {
            project_id: event.project_id.clone(),
            seq,
            id: Kind::Event.new_id(event.at),
            kind: event.kind.as_str().to_owned(),
            actor_kind: event.actor.kind().to_owned(),
            actor_id: event.actor.id().map(storable),
            org_id: event.org_id.as_deref().map(storable),
            target_id: storable(&event.target_id),
            data: event.data.to_string(),
            at: event.at,
            salt: None,
            commitment: String::new(),
            chain: String::new(),
            erased_by: None,
        }
    }

    /// Puts the row behind the one with the chain `previous`.
    fn bind_to(&mut self, previous: &str) -> Result<(), DbError> {
        let salt = random_bytes::<16>().map_err(|error| DbError::Unavailable(error.to_string()))?;
        let salt = base64url(&salt);
        self.commitment = commitment(&salt, &self.data);
        self.salt = Some(salt);
        self.chain = self.hash(previous);
        Ok(())
    }

    /// What `chain` has to be behind `previous`.
    pub(super) fn hash(&self, previous: &str) -> String {
        let form = json!([
            "orgate event 1",
            previous,
            self.project_id,
            self.seq,
            self.id,
            self.kind,
            self.actor_kind,
            self.actor_id,
            self.org_id,
            self.target_id,
            self.commitment,
            self.at
        ]);
        fingerprint(&form.to_string())
    }
}

/// As the database keeps a text.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

pub(super) fn commitment(salt: &str, data: &str) -> String {
    fingerprint(&format!("{salt}.{data}"))
}

/// Stores the events of one project behind the last one. The row of the project is locked until the commit, so nobody else
/// does that meanwhile: numbers and chain have no gap and no fork.
pub(super) async fn append(conn: &mut Conn, project_id: &str, events: &[&Event]) -> Result<(), DbError> {
    let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
    let first = queries::advance(conn, project_id, count).await? - count + 1;
    // A row that somebody removed leaves nothing to hold on to; that is for whoever verifies, and stops nobody's work.
    let mut previous = queries::chain_at(conn, project_id, first - 1).await?.unwrap_or_default();
    for (seq, event) in (first..).zip(events) {
        let mut row = Stored::new(seq, event);
        row.bind_to(&previous)?;
        queries::insert(conn, &row).await?;
        if event.kind == EventType::UserErased {
            for org_id in erased_organizations(&event.data) {
                queries::erase(conn, project_id, org_id, seq).await?;
            }
        }
        previous = row.chain;
    }
    Ok(())
}

/// Chains the rows of before there was a chain; part of a step of the schema.
pub(crate) async fn chain_what_is_there(conn: &mut Conn) -> Result<(), DbError> {
    for project_id in queries::projects(conn).await? {
        let (mut previous, mut after) = (String::new(), i64::MIN);
        loop {
            let rows = queries::page(conn, &project_id, after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            for mut row in rows {
                row.bind_to(&previous)?;
                queries::set_chain(conn, &row).await?;
                previous = row.chain;
            }
        }
    }
    Ok(())
}

/// The organizations of whose events the data is gone with a person, which were about that person alone. That something
/// happened, when, and by whom (an id, which leads nowhere any more) stays.
fn erased_organizations(data: &Value) -> impl Iterator<Item = &str> {
    data.get(ERASED).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Whether the event may be the reason that the data of a row of `org_id` is gone.
pub(super) fn tells_of_erasure(event: &Stored, org_id: Option<&str>) -> bool {
    let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
    event.kind == EventType::UserErased.as_str() && erased_organizations(&data).any(|id| Some(id) == org_id)
}
