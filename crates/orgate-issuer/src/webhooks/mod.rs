//! Webhooks: applications are told of events as Standard Webhooks describes it.
//!
//! Deliveries are made of the events, which are there already: an endpoint keeps the number of the last event it has seen
//! (`position`), and whoever moves it on writes the deliveries in the same transaction. So nothing is lost with a process
//! and nothing is made twice, whichever of several processes does it. A delivery is claimed by moving its attempts on. It
//! arrives at least once; `webhook-id` is the id of the event and the same each time.

pub(crate) mod delivery;
mod queries;
pub(crate) mod routes;
mod signing;

use serde_json::{Value, json};
use url::Url;

use crate::{
    clock::rfc3339,
    db::{Conn, DbError, Tx},
    events::{Actor, Event, EventType},
    http::{Problem, problem::Code},
    ids::Kind,
    reach::Reach,
    secret::Secrets,
};

/// The most endpoints of a project.
const MOST_ENDPOINTS: i64 = 50;
const MAX_URL: usize = 2048;
const MAX_DESCRIPTION: usize = 200;
/// The most words of an endpoint's types.
const MOST_TYPES: usize = 50;
/// How long deliveries are kept that are over.
const KEEP_MS: i64 = 30 * 24 * 3_600_000;
/// The most events that one request sends again.
const MOST_REPLAYED: i64 = 1_000;
/// The type of a delivery that is a test.
const TEST: &str = "webhook.test";

/// Where an application wants to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) id: String,
    pub(crate) project_id: String,
    pub(crate) url: String,
    /// Types of events, families such as `member.*`, or `*`.
    pub(crate) types: Vec<String>,
    pub(crate) description: String,
    pub(crate) active: bool,
    pub(crate) position: i64,
    pub(crate) failing_since: Option<i64>,
    pub(crate) previous_until: Option<i64>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

impl Endpoint {
    /// Whether it wants events of this type.
    fn wants(&self, kind: &str) -> bool {
        self.types.iter().any(|wanted| match wanted.strip_suffix('*') {
            Some(family) => kind.starts_with(family),
            None => wanted == kind,
        })
    }

    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "url": self.url,
            "types": self.types,
            "description": self.description,
            "status": if self.active { "active" } else { "disabled" },
            "failing_since": self.failing_since.and_then(rfc3339),
            "previous_secret_until": self.previous_until.and_then(rfc3339),
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
        })
    }
}

/// What is to be different, or to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) url: Option<String>,
    pub(crate) types: Option<Vec<String>>,
    pub(crate) description: Option<String>,
    pub(crate) active: Option<bool>,
}

/// Who wishes it, when, and what may be sent to.
pub(crate) struct Desk<'a> {
    pub(crate) project_id: &'a str,
    pub(crate) actor: Actor,
    pub(crate) now_ms: i64,
    pub(crate) reach: &'a Reach,
    pub(crate) secrets: &'a Secrets,
}

impl Wish {
    /// Puts what is wished into `endpoint`, checked.
    fn apply(self, endpoint: &mut Endpoint, reach: &Reach) -> Result<(), Problem> {
        if let Some(url) = self.url {
            let parsed = Url::parse(&url).ok().filter(|_| url.len() <= MAX_URL);
            let parsed =
                parsed.ok_or_else(|| Problem::invalid("url", "is an address of at most 2048 characters"))?;
            reach.check(&parsed).map_err(|why| Problem::invalid("url", why))?;
            endpoint.url = parsed.into();
        }
        if let Some(types) = self.types {
            if types.is_empty() || types.len() > MOST_TYPES {
                return Err(Problem::invalid("types", "names 1 to 50 types of events"));
            }
            if let Some(unknown) = types.iter().find(|one| !EventType::is_known(one)) {
                let why = format!(
                    "`{unknown}` is neither a type of events, nor a family such as `member.*`, nor `*`"
                );
                return Err(Problem::invalid("types", why));
            }
            endpoint.types = types;
        }
        if let Some(description) = self.description {
            if description.chars().count() > MAX_DESCRIPTION || description.chars().any(char::is_control) {
                return Err(Problem::invalid(
                    "description",
                    "has at most 200 characters, none of them a control character",
                ));
            }
            endpoint.description = description;
        }
        endpoint.active = self.active.unwrap_or(endpoint.active);
        Ok(())
    }
}

/// Stores a new endpoint, which is told of everything from now on; gives it with its secret.
pub(crate) async fn create(tx: &mut Tx, desk: Desk<'_>, wish: Wish) -> Result<(Endpoint, String), Problem> {
    // Whoever else makes one waits here, so that the count holds, and the last event is the last.
    let position = queries::hold(tx, desk.project_id).await?.ok_or(Code::NotFound)?;
    if queries::count(tx, desk.project_id).await? >= MOST_ENDPOINTS {
        return Err(Problem::new(Code::Conflict).detail("a project has at most 50 endpoints"));
    }
    let mut endpoint = Endpoint {
        id: Kind::Webhook.new_id(desk.now_ms),
        project_id: desk.project_id.to_owned(),
        url: String::new(),
        types: Vec::new(),
        description: String::new(),
        active: true,
        position,
        failing_since: None,
        previous_until: None,
        created_at: desk.now_ms,
        updated_at: desk.now_ms,
    };
    wish.apply(&mut endpoint, desk.reach)?;
    let secret = signing::new_secret()?;
    let sealed = signing::seal(desk.secrets, &endpoint.id, &secret).ok_or(Code::Internal)?;
    queries::insert(tx, &endpoint, &sealed).await?;
    record(tx, &desk, EventType::WebhookCreated, &endpoint);
    Ok((endpoint, secret))
}

/// Changes an endpoint.
pub(crate) async fn update(tx: &mut Tx, desk: Desk<'_>, id: &str, wish: Wish) -> Result<Endpoint, Problem> {
    let before = find(tx, desk.project_id, id).await?.ok_or(Code::NotFound)?;
    let mut after = before.clone();
    wish.apply(&mut after, desk.reach)?;
    if after == before {
        return Ok(after);
    }
    after.updated_at = desk.now_ms;
    if after.active && !before.active {
        after.failing_since = None;
    }
    queries::update(tx, &after).await?;
    record(tx, &desk, EventType::WebhookUpdated, &after);
    Ok(after)
}

/// Removes an endpoint with everything that was on its way.
pub(crate) async fn delete(tx: &mut Tx, desk: Desk<'_>, id: &str) -> Result<(), Problem> {
    let endpoint = find(tx, desk.project_id, id).await?.ok_or(Code::NotFound)?;
    queries::delete(tx, &endpoint.id).await?;
    record(tx, &desk, EventType::WebhookDeleted, &endpoint);
    Ok(())
}

/// Gives the endpoint another secret; the one before signs beside it for `overlap_ms`.
pub(crate) async fn rotate(
    tx: &mut Tx,
    desk: Desk<'_>,
    id: &str,
    overlap_ms: i64,
) -> Result<(Endpoint, String), Problem> {
    let mut endpoint = find(tx, desk.project_id, id).await?.ok_or(Code::NotFound)?;
    let secret = signing::new_secret()?;
    let sealed = signing::seal(desk.secrets, &endpoint.id, &secret).ok_or(Code::Internal)?;
    endpoint.previous_until = Some(desk.now_ms + overlap_ms);
    queries::rotate(tx, &endpoint.id, &sealed, desk.now_ms + overlap_ms, desk.now_ms).await?;
    record(tx, &desk, EventType::WebhookSecretRotated, &endpoint);
    Ok((endpoint, secret))
}

fn record(tx: &mut Tx, desk: &Desk<'_>, kind: EventType, endpoint: &Endpoint) {
    tx.record(event(kind, desk.actor.clone(), endpoint, desk.now_ms));
}

/// An event says nothing of the address: it may hold a secret.
fn event(kind: EventType, actor: Actor, endpoint: &Endpoint, at: i64) -> Event {
    Event {
        project_id: endpoint.project_id.clone(),
        kind,
        actor,
        org_id: None,
        target_id: endpoint.id.clone(),
        data: json!({ "types": endpoint.types, "active": endpoint.active }),
        at,
    }
}

/// An endpoint of the project.
pub(crate) async fn find(conn: &mut Conn, project_id: &str, id: &str) -> Result<Option<Endpoint>, DbError> {
    queries::find(conn, project_id, &Kind::Webhook.canonical(id)).await
}

/// Forgets deliveries that are long over, a bounded number at a time.
pub(crate) async fn purge(conn: &mut Conn, now_ms: i64) -> Result<u64, DbError> {
    queries::purge(conn, now_ms - KEEP_MS).await
}

/// Seals every secret under the one in use; gives how many endpoints there are.
pub(crate) async fn seal_anew(tx: &mut Tx, secrets: &Secrets) -> Result<u64, DbError> {
    let mut count = 0;
    for (id, sealed, previous) in queries::all_sealed(tx).await? {
        let anew = |sealed: &str| {
            let secret = signing::open(secrets, &id, sealed)?;
            signing::seal(secrets, &id, &secret)
        };
        let unreadable = || DbError::Inconsistent("the secret of a webhook cannot be read".to_owned());
        let current = anew(&sealed).ok_or_else(unreadable)?;
        let previous = previous.map(|sealed| anew(&sealed).ok_or_else(unreadable)).transpose()?;
        queries::set_sealed(tx, &id, &current, previous.as_deref()).await?;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
pub(crate) mod tests;
