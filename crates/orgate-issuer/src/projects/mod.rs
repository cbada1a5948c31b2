//! Projects: the tenants of an installation. Everything else belongs to exactly one of them.

pub(crate) mod dress;
pub(crate) mod logo;
pub(crate) mod origins;
mod profile;
mod queries;
pub(crate) mod routes;
mod signing_keys;

use serde_json::{Value, json};

pub(crate) use self::profile::ClaimsProfile;
use crate::{
    db::{Conn, DbError, Tx},
    events::{Actor, Event, EventType},
    http::{Problem, brand::Colour, problem::Code},
    keys::Algorithm,
};

/// How long an access token lives if nobody says otherwise.
pub(crate) const ACCESS_TTL_MS: i64 = 5 * MINUTE_MS;
/// The longest an access token may live.
pub(crate) const MAX_ACCESS_TTL_MS: i64 = 24 * 60 * MINUTE_MS;
/// How long an invitation waits, at least and at most.
pub(crate) const INVITATION_TTL_MS: std::ops::RangeInclusive<i64> = 5 * MINUTE_MS..=30 * DAY_MS;
const REFRESH_IDLE_TTL_MS: i64 = 30 * DAY_MS;
const REFRESH_ABS_TTL_MS: i64 = 90 * DAY_MS;
const REFRESH_GRACE_MS: i64 = 10_000;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// A project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Project {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Whether tokens and pages know organizations.
    pub(crate) org_enabled: bool,
    /// Whether each new user gets an organization.
    pub(crate) personal_orgs: bool,
    /// Whom access tokens are for.
    pub(crate) audience: Vec<String>,
    /// Which other origins may use the end users' cookie.
    pub(crate) trusted_origins: Vec<String>,
    pub(crate) access_algorithm: Algorithm,
    pub(crate) id_algorithm: Algorithm,
    pub(crate) access_ttl_ms: i64,
    /// How long a refresh token may lie unused.
    pub(crate) refresh_idle_ttl_ms: i64,
    /// How long one sign-in may be refreshed at all.
    pub(crate) refresh_abs_ttl_ms: i64,
    /// How long the previous refresh token still gives its successor.
    pub(crate) refresh_grace_ms: i64,
    /// In whose words its access tokens speak.
    pub(crate) claims_profile: ClaimsProfile,
    /// Who may make organizations.
    pub(crate) org_creation: OrganizationCreation,
    /// How many organizations one user may own, the personal one apart.
    pub(crate) max_orgs_per_user: Option<i64>,
    /// How long an invitation waits if nobody says otherwise.
    pub(crate) invitation_ttl_ms: i64,
    /// What the buttons of its pages are coloured in.
    pub(crate) brand_color: Option<Colour>,
    /// Which logo it has.
    pub(crate) logo_tag: Option<String>,
}

/// Who may make organizations. Operators always may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrganizationCreation {
    /// Every user.
    Any,
    /// Users whose address is confirmed.
    Verified,
    /// Operators alone.
    Operator,
}

impl OrganizationCreation {
    pub(crate) const ALL: [Self; 3] = [Self::Any, Self::Verified, Self::Operator];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Verified => "verified",
            Self::Operator => "operator",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

impl Project {
    /// A project with the usual lifetimes.
    pub(crate) fn new(id: String, name: String, audience: Vec<String>) -> Self {
        Self {
            id,
            name,
            org_enabled: false,
            personal_orgs: false,
            audience,
            trusted_origins: Vec::new(),
            access_algorithm: Algorithm::Es256,
            id_algorithm: Algorithm::Rs256,
            access_ttl_ms: ACCESS_TTL_MS,
            refresh_idle_ttl_ms: REFRESH_IDLE_TTL_MS,
            refresh_abs_ttl_ms: REFRESH_ABS_TTL_MS,
            refresh_grace_ms: REFRESH_GRACE_MS,
            claims_profile: ClaimsProfile::Orgate,
            org_creation: OrganizationCreation::Any,
            max_orgs_per_user: None,
            invitation_ttl_ms: 7 * DAY_MS,
            brand_color: None,
            logo_tag: None,
        }
    }

    /// The project as its operators see it.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "org_enabled": self.org_enabled,
            "personal_orgs": self.personal_orgs,
            "audience": self.audience,
            "trusted_origins": self.trusted_origins,
            "access_ttl": self.access_ttl_ms / 1000,
            "refresh_grace": self.refresh_grace_ms / 1000,
            "access_token_alg": self.access_algorithm.as_str(),
            "id_token_alg": self.id_algorithm.as_str(),
            "claims_profile": self.claims_profile.as_str(),
            "org_creation": self.org_creation.as_str(),
            "max_orgs_per_user": self.max_orgs_per_user,
            "invitation_ttl": self.invitation_ttl_ms / 1000,
            "brand_color": self.brand_color.map(Colour::shown),
            "logo": self.logo_tag.as_deref().map(|tag| logo::path(&self.id, tag)),
        })
    }
}

/// The project `id`.
pub(crate) async fn find(conn: &mut Conn, id: &str) -> Result<Option<Project>, DbError> {
    queries::find(conn, id).await
}

/// The same inside a change: until its end nobody else changes the project, so that what is written back is what was read.
pub(crate) async fn find_to_change(tx: &mut Tx, id: &str) -> Result<Option<Project>, DbError> {
    queries::lock(tx, id).await?;
    queries::find(tx, id).await
}

/// The only project, if there is exactly one.
pub(crate) async fn only(conn: &mut Conn) -> Result<Option<Project>, DbError> {
    let ids = queries::first_ids(conn).await?;
    match ids.as_slice() {
        [id] => queries::find(conn, id).await,
        _ => Ok(None),
    }
}

/// Refuses if the project has organizations switched off.
pub(crate) async fn require_organizations(conn: &mut Conn, id: &str) -> Result<(), Problem> {
    match queries::find(conn, id).await? {
        None => Err(Code::NotFound.into()),
        Some(project) if !project.org_enabled => Err(Code::OrganizationsDisabled.into()),
        Some(_) => Ok(()),
    }
}

/// The ids of all projects.
pub(crate) async fn all_ids(conn: &mut Conn) -> Result<Vec<String>, DbError> {
    queries::all_ids(conn).await
}

/// Stores a new project.
pub(crate) async fn create(tx: &mut Tx, project: &Project, now_ms: i64) -> Result<(), DbError> {
    queries::insert(tx, project, now_ms).await
}

/// Stores another logo, or none, and gives its tag for [`Project::logo_tag`].
pub(crate) async fn set_logo(
    tx: &mut Tx,
    id: &str,
    logo: Option<&logo::Logo>,
) -> Result<Option<String>, DbError> {
    let stored = logo.map(logo::Logo::stored);
    let stored = stored.as_ref().map(|(media_type, content)| (*media_type, content.as_str()));
    queries::set_logo(tx, id, stored).await?;
    Ok(logo.map(logo::Logo::tag))
}

/// Stores what changed about a project and says so in its events.
pub(crate) async fn update(
    tx: &mut Tx,
    before: &Project,
    after: &Project,
    actor: Actor,
    now_ms: i64,
) -> Result<(), DbError> {
    if before == after {
        return Ok(());
    }
    queries::update(tx, after, now_ms).await?;
    tx.record(Event {
        project_id: after.id.clone(),
        kind: EventType::ProjectUpdated,
        actor,
        org_id: None,
        target_id: after.id.clone(),
        data: json!({ "before": before.to_json(), "after": after.to_json() }),
        at: now_ms,
    });
    Ok(())
}

#[cfg(test)]
mod tests;
