//! What becomes of an organization: another name, another state, the end. Whoever calls this holds it.

use serde_json::{Value, json};

use super::{
    CreateError, Organization, checked_name, is_logo, metadata, queries,
    slug::{self},
};
use crate::{
    db::{Constraint, DbError, Tx},
    events::{Event, EventType},
    http::{Problem, problem::Code},
    members::{self, Caller},
};

/// How long nobody else can take a slug that was given up.
const SLUG_WAITS_MS: i64 = 90 * 24 * 3_600_000;

/// What is to be different; what is absent stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    pub(crate) name: Option<String>,
    pub(crate) slug: Option<String>,
    /// `Some(None)` takes it away.
    pub(crate) logo_url: Option<Option<String>>,
    pub(crate) public_metadata: Option<Value>,
    pub(crate) private_metadata: Option<Value>,
    pub(crate) status: Option<String>,
    /// `Some(None)` takes the limit away.
    pub(crate) max_members: Option<Option<i64>>,
    /// Whether metadata comes as a whole; otherwise it is a merge patch.
    pub(crate) whole: bool,
}

impl Change {
    /// `before` with the change, checked.
    fn of(self, before: &Organization) -> Result<Organization, Problem> {
        let mut after = before.clone();
        if let Some(name) = self.name {
            checked_name(&name).ok_or(CreateError::Name)?.clone_into(&mut after.name);
        }
        if let Some(slug) = self.slug {
            slug::check(&slug).map_err(CreateError::Slug)?;
            after.slug = slug;
        }
        if let Some(logo_url) = self.logo_url {
            if logo_url.as_deref().is_some_and(|url| !is_logo(url)) {
                return Err(CreateError::Logo.into());
            }
            after.logo_url = logo_url;
        }
        let whole = self.whole;
        let settle = |field: &str, before: &Value, value: Value| match whole {
            true => metadata::whole(field, value),
            false => metadata::merged(field, before, value),
        };
        if let Some(value) = self.public_metadata {
            after.public_metadata = settle("public_metadata", &before.public_metadata, value)?;
        }
        if let Some(value) = self.private_metadata {
            after.private_metadata = settle("private_metadata", &before.private_metadata, value)?;
        }
        if let Some(status) = self.status {
            if !matches!(status.as_str(), "active" | "suspended") {
                return Err(Problem::invalid("status", "is `active` or `suspended`"));
            }
            after.status = status;
        }
        if let Some(most) = self.max_members {
            if most.is_some_and(|most| most < before.member_count.max(1)) {
                let why = format!("the organization has {} members", before.member_count);
                return Err(Problem::invalid("max_members", why));
            }
            after.max_members = most;
        }
        Ok(after)
    }
}

/// Changes an organization.
pub(crate) async fn update(
    tx: &mut Tx,
    before: &Organization,
    change: Change,
    by: &Caller,
    now_ms: i64,
) -> Result<Organization, Problem> {
    let after = change.of(before)?;
    if after == *before {
        return Ok(after);
    }
    match queries::update(tx, &after, now_ms).await {
        Err(DbError::Conflict(Constraint::Unique)) => return Err(CreateError::SlugTaken.into()),
        other => other?,
    }
    if after.slug != before.slug {
        if queries::slug_waits(tx, &after.project_id, &after.slug, (&after.id, now_ms)).await? {
            return Err(CreateError::SlugTaken.into());
        }
        queries::bury_slug(tx, before, now_ms + SLUG_WAITS_MS).await?;
    }
    let kind = match (before.status == after.status, after.is_active()) {
        (true, _) => EventType::OrganizationUpdated,
        (false, true) => EventType::OrganizationActivated,
        (false, false) => {
            members::leave_all_sessions(tx, &after.id).await?;
            EventType::OrganizationSuspended
        }
    };
    let data = json!({
        "before": told(before),
        "after": told(&after),
        "private_metadata_changed": before.private_metadata != after.private_metadata,
    });
    record(tx, &after, by, kind, data, now_ms);
    Ok(queries::find(tx, &after.project_id, &after.id).await?.ok_or(Code::Internal)?)
}

/// Deletes an organization with everything in it. Its slug waits.
pub(crate) async fn delete(
    tx: &mut Tx,
    organization: &Organization,
    by: &Caller,
    now_ms: i64,
) -> Result<(), Problem> {
    if organization.personal {
        return Err(Code::PersonalOrganization.into());
    }
    members::leave_all_sessions(tx, &organization.id).await?;
    queries::bury_slug(tx, organization, now_ms + SLUG_WAITS_MS).await?;
    queries::delete(tx, &organization.id).await?;
    let data = json!({ "before": told(organization), "member_count": organization.member_count });
    record(tx, organization, by, EventType::OrganizationDeleted, data, now_ms);
    Ok(())
}

/// What an event says: never what only operators see.
fn told(organization: &Organization) -> Value {
    json!({
        "name": organization.name,
        "slug": organization.slug,
        "logo_url": organization.logo_url,
        "status": organization.status,
        "max_members": organization.max_members,
        "public_metadata": organization.public_metadata,
    })
}

fn record(tx: &mut Tx, organization: &Organization, by: &Caller, kind: EventType, data: Value, now_ms: i64) {
    tx.record(Event {
        project_id: organization.project_id.clone(),
        kind,
        actor: by.actor.clone(),
        org_id: Some(organization.id.clone()),
        target_id: organization.id.clone(),
        data,
        at: now_ms,
    });
}
