//! Sessions of end users: a cookie with 256 random bits, whose hash is all that is stored.
//!
//! A session ends after seven days without use, after thirty in any case, and at once when it is revoked. Its value
//! changes with each sign-in.

use http::HeaderMap;
use serde_json::json;

use super::{consent, new_session_id, queries, session_event};
use crate::{
    app::App,
    db::{Conn, DbError, Tx},
    events::{Actor, Event, EventType},
    http::{Problem, cookies, problem::Code},
    ids::Kind,
    secret::fingerprint,
};

const IDLE_MS: i64 = 7 * 24 * 3_600_000;
/// The longest life of a session.
pub(crate) const ABS_MS: i64 = 30 * 24 * 3_600_000;
/// How stale `last_seen_at` may be: a session in use is written at most this often.
const SEEN_EVERY_MS: i64 = 10 * 60_000;
/// How long a sign-in is fresh.
const FRESH_MS: i64 = 10 * 60_000;
/// How many cookies are looked at when the project is not known.
const MOST_COOKIES: usize = 16;

/// A sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: String,
    /// The fingerprint of its cookie.
    pub(crate) token_hash: String,
    pub(crate) project_id: String,
    pub(crate) user_id: String,
    pub(crate) active_member_id: Option<String>,
    /// When the person proved to be present, in milliseconds.
    pub(crate) auth_time: i64,
    /// How the person proved themselves (RFC 8176).
    pub(crate) amr: Vec<String>,
    /// What the browser calls itself, to show the person.
    pub(crate) user_agent: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) last_seen_at: i64,
    pub(crate) idle_exp: i64,
    pub(crate) abs_exp: i64,
    /// Set where an access token stands for its cookie.
    pub(crate) bearer: Option<Bearer>,
}

/// What is said by an access token that stands for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bearer {
    /// The organization that it reaches; without one it reaches all of its user.
    pub(crate) org_id: Option<String>,
}

impl Session {
    pub(super) fn start(
        project_id: &str,
        user_id: &str,
        token_hash: String,
        amr: &[&str],
        user_agent: Option<String>,
        now_ms: i64,
    ) -> Self {
        Self {
            id: new_session_id(now_ms),
            token_hash,
            project_id: project_id.to_owned(),
            user_id: user_id.to_owned(),
            active_member_id: None,
            auth_time: now_ms,
            amr: amr.iter().map(|method| (*method).to_owned()).collect(),
            user_agent,
            created_at: now_ms,
            last_seen_at: now_ms,
            idle_exp: now_ms + IDLE_MS,
            abs_exp: now_ms + ABS_MS,
            bearer: None,
        }
    }

    /// Whether what stands for the session lets it into this organization.
    pub(crate) fn reaches(&self, org_id: &str) -> bool {
        let bound = self.bearer.as_ref().and_then(|bearer| bearer.org_id.as_deref());
        bound.is_none_or(|bound| bound == org_id)
    }

    /// Whether the person proved to be present a short while ago: what cannot be undone wants that.
    pub(crate) fn is_fresh(&self, now_ms: i64) -> bool {
        now_ms - self.auth_time <= FRESH_MS
    }

    /// When it ends if it is not used again.
    pub(crate) fn expires_at(&self) -> i64 {
        self.idle_exp.min(self.abs_exp)
    }
}

/// Stores `new` in place of `previous`. The same person keeps the session's id and organization, under a new cookie;
/// another person's session is revoked. `previous` was read before the password was checked: if it was revoked or
/// renewed since, the sign-in starts a session of its own, because a cookie is never given out for a dead one and
/// never takes the place of one given out a moment ago.
pub(crate) async fn replace(
    tx: &mut Tx,
    previous: Option<Session>,
    new: Session,
) -> Result<Session, DbError> {
    let now = new.auth_time;
    let actor = Actor::User(new.user_id.clone());
    if let Some(old) = previous {
        if old.user_id == new.user_id && old.project_id == new.project_id {
            let renewed = Session { id: old.id, active_member_id: old.active_member_id, ..new.clone() };
            if queries::renew_session(tx, &renewed, &old.token_hash).await? {
                tx.record(session_event(&renewed, EventType::SessionRenewed, actor, now));
                return Ok(renewed);
            }
        } else {
            revoke(tx, &old, actor.clone(), now).await?;
        }
    }
    queries::insert_session(tx, &new).await?;
    tx.record(session_event(&new, EventType::SessionCreated, actor, now));
    Ok(new)
}

/// Makes `member` the one that the session acts as, under its cookie or under the one with the hash `cookie`, which takes
/// the place of the one it has; `false` if the session is not what it was.
pub(crate) async fn switch(
    tx: &mut Tx,
    session: &Session,
    member: Option<(&str, &str)>,
    cookie: Option<&str>,
    now_ms: i64,
) -> Result<bool, DbError> {
    let (member_id, org_id) = member.unzip();
    if let Some(hash) = cookie {
        let renewed = Session { token_hash: hash.to_owned(), ..session.clone() };
        if !queries::renew_session(tx, &renewed, &session.token_hash).await? {
            return Ok(false);
        }
    }
    queries::set_active_member(tx, &session.id, member_id).await?;
    tx.record(Event {
        project_id: session.project_id.clone(),
        kind: EventType::SessionOrganizationChanged,
        actor: Actor::User(session.user_id.clone()),
        org_id: org_id.map(str::to_owned),
        target_id: session.id.clone(),
        data: json!({ "user_id": session.user_id, "member_id": member_id }),
        at: now_ms,
    });
    Ok(true)
}

/// Ends a session, as its owner leaves: what was issued for use without it (scope `offline_access`) goes on.
pub(crate) async fn revoke(tx: &mut Tx, session: &Session, actor: Actor, now_ms: i64) -> Result<(), DbError> {
    end(tx, session, actor, false, now_ms).await
}

/// Ends a session and everything that was issued in it: it is not trusted any more.
async fn expel(tx: &mut Tx, session: &Session, actor: Actor, now_ms: i64) -> Result<(), DbError> {
    end(tx, session, actor, true, now_ms).await
}

/// Ends a session, and notes which applications are to be told.
async fn end(
    tx: &mut Tx,
    session: &Session,
    actor: Actor,
    offline_too: bool,
    now_ms: i64,
) -> Result<(), DbError> {
    if queries::revoke_session(tx, &session.id, now_ms).await? {
        for client_id in queries::listeners(tx, &session.id).await? {
            let of = (session.project_id.as_str(), session.user_id.as_str(), session.id.as_str());
            queries::insert_logout(tx, &Kind::Event.new_id(now_ms), &client_id, of, now_ms).await?;
        }
        let offline = queries::revoke_families(tx, &session.id, offline_too, now_ms).await?;
        tx.record(session_event(session, EventType::SessionRevoked, actor.clone(), now_ms));
        record_families(tx, (&session.project_id, &session.user_id), offline, &actor, now_ms);
    }
    Ok(())
}

/// Says that families have ended whose tokens name no session.
fn record_families(
    tx: &mut Tx,
    (project_id, user_id): (&str, &str),
    families: Vec<String>,
    actor: &Actor,
    at: i64,
) {
    for family_id in families {
        tx.record(Event {
            project_id: project_id.to_owned(),
            kind: EventType::TokenRevoked,
            actor: actor.clone(),
            org_id: None,
            target_id: family_id,
            data: json!({ "what": "family", "user_id": user_id }),
            at,
        });
    }
}

/// Ends everything that was issued to one application for a user, whatever the session, and notes that it is to be told.
pub(super) async fn end_application(
    tx: &mut Tx,
    (project_id, user_id): (&str, &str),
    client_id: &str,
    now_ms: i64,
) -> Result<(), DbError> {
    let mut families = Vec::new();
    for (family_id, session_id) in
        consent::queries::revoke_families_of_client(tx, user_id, client_id, now_ms).await?
    {
        families.push(family_id);
        let Some(session_id) = session_id else { continue };
        if queries::listeners(tx, &session_id).await?.iter().any(|one| one == client_id) {
            let of = (project_id, user_id, session_id.as_str());
            queries::insert_logout(tx, &Kind::Event.new_id(now_ms), client_id, of, now_ms).await?;
        }
    }
    let actor = Actor::User(user_id.to_owned());
    record_families(tx, (project_id, user_id), families, &actor, now_ms);
    Ok(())
}

/// Ends every session of a user but `kept`, and everything that was issued to them, on the user's own behalf.
pub(crate) async fn expel_others(
    tx: &mut Tx,
    project_id: &str,
    user_id: &str,
    kept: Option<&str>,
    now_ms: i64,
) -> Result<(), DbError> {
    expel_all(tx, (project_id, user_id), kept, &Actor::User(user_id.to_owned()), now_ms).await
}

/// The same on anybody's behalf.
pub(crate) async fn expel_all(
    tx: &mut Tx,
    (project_id, user_id): (&str, &str),
    kept: Option<&str>,
    actor: &Actor,
    now_ms: i64,
) -> Result<(), DbError> {
    let kept = kept.unwrap_or_default();
    for session in queries::sessions_of(tx, project_id, user_id, now_ms).await? {
        if session.id != kept {
            expel(tx, &session, actor.clone(), now_ms).await?;
        }
    }
    let families = queries::revoke_other_families(tx, user_id, kept, now_ms).await?;
    record_families(tx, (project_id, user_id), families, actor, now_ms);
    Ok(())
}

/// Ends one of the sessions of a user, and everything that was issued in it; `false` if it is none of them.
pub(crate) async fn end_one(tx: &mut Tx, own: &Session, id: &str, now_ms: i64) -> Result<bool, DbError> {
    let all = all_of(tx, &own.project_id, &own.user_id, now_ms).await?;
    let Some(ended) = all.iter().find(|session| session.id == id) else { return Ok(false) };
    expel(tx, ended, Actor::User(own.user_id.clone()), now_ms).await?;
    Ok(true)
}

/// The live sessions of a user, newest first.
pub(crate) async fn all_of(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
    now_ms: i64,
) -> Result<Vec<Session>, DbError> {
    queries::sessions_of(conn, project_id, user_id, now_ms).await
}

/// The live session of the browser in `project_id`.
pub(crate) async fn of_project(
    app: &App,
    headers: &HeaderMap,
    project_id: &str,
) -> Result<Option<Session>, DbError> {
    let name = cookies::session_name(&app.settings, &app.public, project_id);
    let Some(token) = cookies::read(headers, &name) else { return Ok(None) };
    let found = queries::session(&mut *app.db.read().await?, &fingerprint(&token), app.now_ms()).await?;
    match found.filter(|session| session.project_id == project_id) {
        Some(session) => seen(app, session).await.map(Some),
        None => Ok(None),
    }
}

/// The one live session of the browser, whatever its project.
pub(crate) async fn of_any_project(app: &App, headers: &HeaderMap) -> Result<Option<Session>, Problem> {
    let mut conn = app.db.read().await?;
    let mut found: Option<Session> = None;
    for (name, value) in cookies::all(headers).take(MOST_COOKIES) {
        if let Some(session) = by_cookie(app, &mut conn, headers, &name, &value).await?
            && found.replace(session).is_some()
        {
            return Err(
                Problem::new(Code::ProjectRequired).detail("the browser is signed in to several projects")
            );
        }
    }
    drop(conn);
    match found {
        Some(session) => Ok(Some(seen(app, session).await?)),
        None => Ok(None),
    }
}

async fn by_cookie(
    app: &App,
    conn: &mut Conn,
    headers: &HeaderMap,
    name: &str,
    value: &str,
) -> Result<Option<Session>, DbError> {
    let pattern = cookies::session_name(&app.settings, &app.public, "{project}");
    let (before, after) = pattern.split_once("{project}").unwrap_or((pattern.as_str(), ""));
    if !name.starts_with(before) || !name.ends_with(after) || cookies::read(headers, name).is_none() {
        return Ok(None);
    }
    let found = queries::session(conn, &fingerprint(value), app.now_ms()).await?;
    Ok(found.filter(|session| cookies::session_name(&app.settings, &app.public, &session.project_id) == name))
}

/// Moves the end of a session in use.
async fn seen(app: &App, mut session: Session) -> Result<Session, DbError> {
    let now = app.now_ms();
    if now - session.last_seen_at < SEEN_EVERY_MS {
        return Ok(session);
    }
    session.last_seen_at = now;
    session.idle_exp = now + IDLE_MS;
    let (id, idle_exp) = (session.id.clone(), session.idle_exp);
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move { queries::touch_session(tx, &id, now, idle_exp).await })
        })
        .await?;
    Ok(session)
}
