//! Mail domains of organizations: whoever has a confirmed address at one may join by their own word, or joins when they sign
//! in. Both are off unless an organization wants them.
//!
//! A domain is the organization's when it shows a line that only its owner can put there, or when an operator says so; it
//! has one owner in a project, by constraint. What those who join become is what whoever set it could give them now, as with
//! an invitation. Who was removed does not come back this way, and who left only by their own word.

mod name;
mod queries;
mod welcome;

use serde_json::{Value, json};

pub(crate) use self::welcome::{join, suggested, welcome};
use crate::{
    app::App,
    clock::rfc3339,
    db::{Conn, Constraint, DbError, Tx},
    events::{Actor, Event, EventType},
    http::{Problem, paging::Page, problem::Code},
    ids::Kind,
    members::{self, Caller, Held, Inviter},
    roles::{
        self,
        authority::{Deed, authority},
    },
    secret::random_token,
    throttle::{self, Admission},
};

/// How many domains an organization may list.
const MOST: i64 = 50;
/// Where a domain shows whose it is.
const PLACE: &str = "/.well-known/orgate-domain.txt";
/// The largest file that is looked at, in bytes.
const MOST_BYTES: usize = 16 * 1024;

/// What becomes of those who have an address at a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Off,
    /// They are told of the organization, and join by their own word.
    Suggest,
    /// They join when they sign in.
    AutoJoin,
}

impl Mode {
    pub(crate) const NAMES: [&'static str; 3] = ["off", "suggest", "auto_join"];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Suggest => "suggest",
            Self::AutoJoin => "auto_join",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Off, Self::Suggest, Self::AutoJoin].into_iter().find(|mode| mode.as_str() == word)
    }
}

/// A domain that an organization calls its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Domain {
    pub(crate) id: String,
    pub(crate) project_id: String,
    pub(crate) org_id: String,
    name: String,
    proof: String,
    mode: Mode,
    role: String,
    /// `None` if they are gone.
    inviter: Option<Inviter>,
    verified_at: Option<i64>,
    verified_by: Option<String>,
    pub(crate) ver: i64,
    created_at: i64,
    updated_at: i64,
}

impl Domain {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "organization_id": self.org_id,
            "domain": self.name,
            "mode": self.mode.as_str(),
            "role": self.role,
            "status": if self.verified_at.is_some() { "verified" } else { "pending" },
            "verified_at": self.verified_at.map(rfc3339),
            "verified_by": self.verified_by,
            "proof": { "url": self.url(), "line": self.line() },
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
        })
    }

    pub(crate) fn is_verified(&self) -> bool {
        self.verified_at.is_some()
    }

    fn url(&self) -> String {
        format!("https://{}{PLACE}", self.name)
    }

    /// What one of the lines of the file has to be.
    fn line(&self) -> String {
        format!("orgate-domain={}", self.proof)
    }

    /// What an event says of it.
    fn told(&self) -> Value {
        json!({
            "domain": self.name,
            "mode": self.mode.as_str(),
            "role": self.role,
            "verified": self.verified_at.is_some(),
        })
    }
}

/// What is said about a domain; what is absent stays, or is as usual.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) mode: Option<Mode>,
    pub(crate) role: Option<String>,
    /// An operator's word.
    pub(crate) verified: Option<bool>,
}

/// The domain called `reference`, its id or its name.
pub(crate) async fn find(conn: &mut Conn, org_id: &str, reference: &str) -> Result<Option<Domain>, DbError> {
    queries::find(conn, org_id, &Kind::Domain.canonical(reference)).await
}

/// A part of the domains of an organization.
pub(crate) async fn list(conn: &mut Conn, org_id: &str, page: &Page) -> Result<Vec<Domain>, DbError> {
    queries::list(conn, org_id, page).await
}

/// Lists a domain as the organization's. Whoever calls this holds the organization.
pub(crate) async fn create(
    tx: &mut Tx,
    held: &Held,
    caller: &Caller,
    (domain, wish): (&str, Wish),
    now_ms: i64,
) -> Result<Domain, Problem> {
    let name = name::read(domain)?;
    if held.personal {
        return Err(Code::PersonalOrganization.into());
    }
    let role = wish.role.unwrap_or_else(|| "member".to_owned());
    may_give(tx, held, caller, &role).await?;
    if queries::count(tx, &held.org_id).await? >= MOST {
        return Err(
            Problem::new(Code::Conflict).detail(format!("an organization lists at most {MOST} domains"))
        );
    }
    let verified = wish.verified.unwrap_or(false);
    let new = Domain {
        id: Kind::Domain.new_id(now_ms),
        project_id: held.project_id.clone(),
        org_id: held.org_id.clone(),
        name,
        proof: random_token().map_err(|_| Code::Internal)?,
        mode: wish.mode.unwrap_or(Mode::Off),
        role,
        inviter: inviter(caller),
        verified_at: verified.then_some(now_ms),
        verified_by: verified.then(|| "operator".to_owned()),
        ver: 1,
        created_at: now_ms,
        updated_at: now_ms,
    };
    taken(queries::insert(tx, &new).await)?;
    record(tx, &caller.actor, EventType::DomainAdded, &new, json!({ "after": new.told() }), now_ms);
    Ok(new)
}

/// Refuses a role that whoever answers for it cannot give.
async fn may_give(tx: &mut Tx, held: &Held, caller: &Caller, role: &str) -> Result<(), Problem> {
    let role = roles::find(tx, &held.org_id, role).await?.ok_or_else(members::unknown_role)?;
    Ok(authority(&caller.power, Deed::Give(&role))?)
}

/// Whoever changes what becomes of others answers for it.
fn inviter(caller: &Caller) -> Option<Inviter> {
    match (&caller.own, &caller.actor) {
        (Some(own), _) => Some(Inviter::Member(own.id.clone())),
        (None, Actor::Operator(id)) => Some(Inviter::Operator(id.clone())),
        (None, _) => None,
    }
}

fn taken<T>(stored: Result<T, DbError>) -> Result<T, Problem> {
    match stored {
        Err(DbError::Conflict(Constraint::Unique)) => Err(Problem::new(Code::DomainTaken).field("domain")),
        other => Ok(other?),
    }
}

/// Changes what becomes of those at a domain, and on an operator's word whose it is.
pub(crate) async fn update(
    tx: &mut Tx,
    held: &Held,
    caller: &Caller,
    (before, wish): (Domain, Wish),
    now_ms: i64,
) -> Result<Domain, Problem> {
    let mut after = before.clone();
    if wish.mode.is_some() || wish.role.is_some() {
        after.mode = wish.mode.unwrap_or(after.mode);
        after.role = wish.role.unwrap_or(after.role);
        may_give(tx, held, caller, &after.role).await?;
        after.inviter = inviter(caller);
    }
    match wish.verified {
        Some(true) if before.verified_at.is_none() => {
            after.verified_at = Some(now_ms);
            after.verified_by = Some("operator".to_owned());
        }
        Some(false) => (after.verified_at, after.verified_by) = (None, None),
        _ => {}
    }
    store(tx, &caller.actor, (before, after), now_ms).await
}

async fn store(
    tx: &mut Tx,
    actor: &Actor,
    (before, mut after): (Domain, Domain),
    now_ms: i64,
) -> Result<Domain, Problem> {
    if after == before {
        return Ok(before);
    }
    after.ver += 1;
    after.updated_at = now_ms;
    taken(queries::update(tx, &after).await)?;
    let kind = match (before.verified_at, after.verified_at) {
        (None, Some(_)) => EventType::DomainVerified,
        _ => EventType::DomainUpdated,
    };
    record(tx, actor, kind, &after, json!({ "before": before.told(), "after": after.told() }), now_ms);
    Ok(after)
}

/// Lists a domain no more. Who joined by it stays.
pub(crate) async fn delete(
    tx: &mut Tx,
    caller: &Caller,
    domain: &Domain,
    now_ms: i64,
) -> Result<(), DbError> {
    queries::delete(tx, &domain.id).await?;
    record(tx, &caller.actor, EventType::DomainRemoved, domain, json!({ "before": domain.told() }), now_ms);
    Ok(())
}

/// Looks whether the domain shows that it is the organization's.
pub(crate) async fn look(app: &App, domain: &Domain) -> Result<(), Problem> {
    let (secrets, org_id, now) = (app.secrets.clone(), domain.org_id.clone(), app.now_ms());
    let admitted = app
        .db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move { throttle::admit_proof(tx, &secrets, &org_id, now).await })
        })
        .await?;
    if let Admission::Wait(seconds) = admitted {
        let often =
            Problem::new(Code::RateLimited).detail("domains of this organization were looked at too often");
        return Err(often.after(seconds));
    }
    let unproven = |why: &str| Problem::new(Code::DomainUnproven).detail(why);
    let (url, reach) = (domain.url(), app.reach());
    let parsed = url::Url::parse(&url).map_err(|_| Code::Internal)?;
    reach.check(&parsed).map_err(|_| unproven("the domain is not one that is looked at"))?;
    let courier = app.settings.courier.as_ref();
    let courier = courier.ok_or_else(|| unproven("this issuer looks at no addresses; ask an operator"))?;
    // Why not is for the operator: it would tell what is at an address.
    let text = courier.get(&url, &reach, MOST_BYTES).await.map_err(|why| {
        tracing::info!(org.id = %domain.org_id, domain.id = %domain.id, why, "a domain was not shown to be somebody's");
        unproven("the file was not there")
    })?;
    let line = domain.line();
    match text.lines().any(|one| one.trim() == line) {
        true => Ok(()),
        false => Err(unproven("the file does not have the line")),
    }
}

/// Notes that the domain has shown to be the organization's.
pub(crate) async fn verify(
    tx: &mut Tx,
    caller: &Caller,
    domain: Domain,
    now_ms: i64,
) -> Result<Domain, Problem> {
    if domain.verified_at.is_some() {
        return Ok(domain);
    }
    let after = Domain { verified_at: Some(now_ms), verified_by: Some("file".to_owned()), ..domain.clone() };
    store(tx, &caller.actor, (domain, after), now_ms).await
}

fn record(tx: &mut Tx, actor: &Actor, kind: EventType, domain: &Domain, data: Value, now_ms: i64) {
    tx.record(Event {
        project_id: domain.project_id.clone(),
        kind,
        actor: actor.clone(),
        org_id: Some(domain.org_id.clone()),
        target_id: domain.id.clone(),
        data,
        at: now_ms,
    });
}
