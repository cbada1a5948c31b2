//! Keys of a project, for programs: `Authorization: Bearer sk_…`.
//!
//! A key without scopes may all that the operator may now who made it, in this one project. One with scopes may what these
//! name and nothing else, whatever becomes of its maker. It is shown once, and ends when it is deleted.

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::{Operator, Rank, queries};
use crate::{
    app::Shared,
    clock::rfc3339,
    db::{Conn, DbError, Tx},
    events::{Actor, Event, EventType},
    http::{Problem, body::Json, paging::Page, problem::Code},
    ids::Kind,
    openapi::{Members, Named, Routes, body, delete, get, list, object, one_of, operators, text, time},
    secret::{fingerprint, random_token},
};

/// What every key begins with, so that scanners of repositories know what they found.
pub(crate) const PREFIX: &str = "sk_";
/// The least that a key has behind its prefix where a person chose it.
pub(crate) const LEAST: usize = 32;
/// The right to read the change feed.
pub(crate) const FEED: &str = "feed";
/// What a key can be good for.
pub(crate) const SCOPES: [&str; 1] = [FEED];
/// How many keys a project has at most.
const MOST: i64 = 100;
const MAX_NAME: usize = 100;
const MAX_SECRET: usize = 200;
/// How many characters of a key are kept to know it by.
const HINT: usize = 4;

/// A key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProjectKey {
    pub(crate) id: String,
    pub(crate) project_id: String,
    pub(crate) name: String,
    pub(super) hint: String,
    /// What it is good for; none is everything.
    pub(crate) scopes: Vec<String>,
    /// The operator who made it.
    pub(crate) created_by: Option<String>,
    pub(super) created_at: i64,
}

impl ProjectKey {
    /// Whether it may do what `scope` names.
    pub(crate) fn may(&self, scope: &str) -> bool {
        self.scopes.is_empty() || self.scopes.iter().any(|one| one == scope)
    }

    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "hint": format!("{PREFIX}…{}", self.hint),
            "scopes": self.scopes,
            "created_by": self.created_by,
            "created_at": rfc3339(self.created_at),
        })
    }
}

/// The key that a request shows; `None` if it shows none that counts.
pub(crate) async fn presented(conn: &mut Conn, headers: &HeaderMap) -> Result<Option<ProjectKey>, DbError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Ok(None) };
    let Some((scheme, secret)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
        return Ok(None);
    };
    let secret = secret.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || !secret.starts_with(PREFIX) {
        return Ok(None);
    }
    queries::key_by_hash(conn, &fingerprint(secret)).await
}

/// Whether the key with this id is still there.
pub(crate) async fn stands(conn: &mut Conn, id: &str) -> Result<bool, DbError> {
    queries::key_stands(conn, id).await
}

/// Stores a key whose secret is `secret`, and gives it.
pub(crate) async fn store(
    tx: &mut Tx,
    (project_id, name): (&str, &str),
    (secret, scopes): (&str, Vec<String>),
    (actor, created_by): (Actor, Option<String>),
    now_ms: i64,
) -> Result<ProjectKey, DbError> {
    let last: Vec<char> = secret.chars().rev().take(HINT).collect();
    let key = ProjectKey {
        id: Kind::ProjectKey.new_id(now_ms),
        project_id: project_id.to_owned(),
        name: name.to_owned(),
        hint: last.into_iter().rev().collect(),
        scopes,
        created_by,
        created_at: now_ms,
    };
    queries::insert_key(tx, &key, &fingerprint(secret)).await?;
    record(tx, &key, EventType::ProjectKeyCreated, actor, now_ms);
    Ok(key)
}

/// Whether a text that a person chose can be a key: long enough to be beyond guessing, if it is random.
pub(crate) fn is_fit(secret: &str) -> bool {
    let rest = secret.strip_prefix(PREFIX).unwrap_or_default();
    (LEAST..=MAX_SECRET).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Makes the key called `name` of the bootstrap file the one with this secret; `false` if another project has that.
pub(crate) async fn settle(
    tx: &mut Tx,
    (project_id, name): (&str, &str),
    (secret, scopes): (&str, &[String]),
    now_ms: i64,
) -> Result<bool, DbError> {
    let stored = queries::key_by_hash(tx, &fingerprint(secret)).await?;
    if let Some(key) = &stored {
        if key.project_id != project_id {
            return Ok(false);
        }
        if key.name == name && key.scopes == scopes {
            return Ok(true);
        }
    }
    let all = queries::keys(tx, project_id, "", MOST).await?;
    for key in all.into_iter().filter(|key| key.created_by.is_none() && key.name == name).chain(stored) {
        revoke(tx, &key, Actor::Setup, now_ms).await?;
    }
    store(tx, (project_id, name), (secret, scopes.to_vec()), (Actor::Setup, None), now_ms).await?;
    Ok(true)
}

/// Ends a key.
pub(crate) async fn revoke(tx: &mut Tx, key: &ProjectKey, actor: Actor, now_ms: i64) -> Result<(), DbError> {
    if queries::delete_key(tx, &key.id).await? {
        record(tx, key, EventType::ProjectKeyRevoked, actor, now_ms);
    }
    Ok(())
}

fn record(tx: &mut Tx, key: &ProjectKey, kind: EventType, actor: Actor, at: i64) {
    tx.record(Event {
        project_id: key.project_id.clone(),
        kind,
        actor,
        org_id: None,
        target_id: key.id.clone(),
        data: json!({ "name": key.name, "scopes": key.scopes }),
        at,
    });
}

pub(super) fn router() -> Routes {
    let all = "/api/platform/projects/{project}/keys";
    let about =
        |name: &'static str, summary: &'static str| operators(name, summary).refuses(&[Code::Forbidden]);
    let wish = body().with("name", text()).may("scopes", list(one_of(SCOPES)));
    let made = about("createProjectKey", "A new key for programs, with its secret")
        .takes(wish)
        .gives(201, members().with("secret", text()))
        .refuses(&[Code::Conflict]);
    Routes::new()
        .at(
            all,
            get(show, about("listProjectKeys", "The keys of a project").lists(PROJECT_KEY)).post(make, made),
        )
        .at(
            &format!("{all}/{{key}}"),
            delete(end, about("deleteProjectKey", "End a key of a project").gives_nothing()),
        )
}

fn members() -> Members {
    object()
        .with("id", text())
        .with("name", text())
        .with("hint", text())
        .with("scopes", list(one_of(SCOPES)))
        .with("created_by", text().or_null())
        .with("created_at", time())
}

const PROJECT_KEY: Named = Named("ProjectKey", || members().done());

async fn show(
    State(app): State<Shared>,
    operator: Operator,
    Path(project): Path<String>,
    page: Page,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    operator.require(&mut conn, &project, Rank::Viewer).await?;
    let rows = queries::keys(&mut conn, &project, &page.after, page.rows()).await?;
    let rows = rows.iter().map(|key| (key.id.clone(), key.to_json())).collect();
    Ok(axum::Json(page.answer(rows)).into_response())
}

async fn make(
    State(app): State<Shared>,
    operator: Operator,
    Path(project): Path<String>,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    operator.require(&mut *app.db.read().await?, &project, Rank::Admin).await?;
    let name = body.required_text("name")?.trim().to_owned();
    let mut scopes = body.texts("scopes")?.unwrap_or_default();
    body.finish()?;
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Problem::invalid("name", format!("has 1 to {MAX_NAME} characters that can be seen")));
    }
    if let Some(unknown) = scopes.iter().find(|one| !SCOPES.contains(&one.as_str())) {
        let shown: String = unknown.chars().take(50).collect();
        return Err(Problem::invalid("scopes", format!("`{shown}` is none of: {}", SCOPES.join(", "))));
    }
    scopes.sort_unstable();
    scopes.dedup();
    let secret = format!("{PREFIX}{}", random_token()?);
    let (shown, now) = (secret.clone(), app.now_ms());
    let key = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                // Nobody makes a key for what they have lost meanwhile.
                operator.require(tx, &project, Rank::Admin).await?;
                if queries::count_keys(tx, &project).await? >= MOST {
                    let why = format!("a project has at most {MOST} keys");
                    return Err(Problem::new(Code::Conflict).detail(why));
                }
                let by = (Actor::Operator(operator.id.clone()), Some(operator.id));
                Ok(store(tx, (&project, &name), (&secret, scopes), by, now).await?)
            })
        })
        .await?;
    let mut body = key.to_json();
    if let Some(object) = body.as_object_mut() {
        object.insert("secret".to_owned(), shown.into());
    }
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response())
}

async fn end(
    State(app): State<Shared>,
    operator: Operator,
    Path((project, key)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    operator.require(&mut *app.db.read().await?, &project, Rank::Admin).await?;
    let now = app.now_ms();
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                operator.require(tx, &project, Rank::Admin).await?;
                let id = Kind::ProjectKey.canonical(&key);
                let key = queries::key(tx, &project, &id).await?.ok_or(Code::NotFound)?;
                revoke(tx, &key, Actor::Operator(operator.id), now).await?;
                Ok(StatusCode::NO_CONTENT)
            })
        })
        .await
}
