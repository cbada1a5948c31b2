//! How one key follows another.
//!
//! `next` is shown a day before it signs, so that every verifier has it by then; the one that signed before is shown
//! until the last token it has signed is over, and then nothing is left that could sign. Whoever looks does what is due:
//! there is no clockwork that could stand still. A key that leaked is not retired but removed at once, with everything
//! that waits beside it.

use std::fmt;

use serde_json::json;

use super::{Algorithm, KeyError, Keys, LINGER_MS, State, queries, queries::StoredKey};
use crate::{
    clock::rfc3339,
    db::{BoxFuture, Db, DbError, Tx},
    events::{Actor, Event, EventType},
};

/// A signing key as its operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyInfo {
    /// The project whose tokens it signs.
    pub project: String,
    /// Its name in the key set.
    pub kid: String,
    /// What it signs with.
    pub algorithm: &'static str,
    /// `next`, `active` or `retiring`.
    pub state: &'static str,
    /// When this state ends, if that is known (RFC 3339).
    pub until: Option<String>,
}

/// How many keys of a project are remembered that are gone.
const MOST_REMOVED: i64 = 20;

/// What became of a signing key, and what will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) state: State,
    pub(crate) created_at: i64,
    pub(super) active_at: Option<i64>,
    pub(super) retire_at: Option<i64>,
    pub(super) remove_at: Option<i64>,
}

impl Life {
    /// Since when its state lasts.
    pub(crate) fn since(&self) -> i64 {
        let since = match self.state {
            State::Next => None,
            State::Active => self.active_at,
            State::Retiring => self.retire_at,
            State::Removed => self.remove_at,
        };
        since.unwrap_or(self.created_at)
    }

    /// When it began to sign or will; never, for one that was removed before.
    pub(crate) fn signs_from(&self) -> Option<i64> {
        let was_removed_first = |at: &i64| self.state == State::Removed && self.remove_at < Some(*at);
        self.active_at.filter(|at| !was_removed_first(at))
    }

    /// When it signed last, if that is over.
    pub(crate) fn signs_until(&self) -> Option<i64> {
        match self.state {
            State::Next | State::Active => None,
            State::Retiring => self.retire_at,
            State::Removed => self.retire_at.or_else(|| self.signs_from().and(self.remove_at)),
        }
    }

    /// When it went out of the key set or will, if that is known.
    pub(crate) fn shown_until(&self) -> Option<i64> {
        self.remove_at
    }
}

/// Why no key follows.
#[derive(Debug)]
pub(crate) enum RotateError {
    Key(KeyError),
    /// One is waiting already.
    Waiting {
        kid: String,
        until: String,
    },
}

impl<E: Into<KeyError>> From<E> for RotateError {
    fn from(error: E) -> Self {
        Self::Key(error.into())
    }
}

impl fmt::Display for RotateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(error) => error.fmt(f),
            Self::Waiting { kid, until } => write!(
                f,
                "the key `{kid}` is shown already and signs from {until} on\nhelp: wait for it, or replace a key that \
                 leaked at once with `--now`"
            ),
        }
    }
}

impl Keys {
    /// The keys of all projects.
    pub(crate) async fn list(&self) -> Result<Vec<KeyInfo>, KeyError> {
        let mut conn = self.db.read().await?;
        let mut all = Vec::new();
        for project in queries::projects(&mut conn).await? {
            all.extend(queries::living(&mut conn, &project).await?.into_iter().map(|key| KeyInfo {
                project: project.clone(),
                algorithm: key.algorithm.as_str(),
                state: key.state.as_str(),
                until: until(&key).and_then(rfc3339),
                kid: key.kid,
            }));
        }
        Ok(all)
    }

    /// The keys of one project, those that sign nothing any more included as far as they are remembered: by algorithm, the
    /// oldest first. What is missing is made, and what is due is done before.
    pub(crate) async fn lives(&self, project: &str, now_ms: i64) -> Result<Vec<Life>, KeyError> {
        self.published(project, now_ms).await?;
        self.read(project, now_ms).await?;
        let mut conn = self.db.read().await?;
        let mut lives = queries::lives(&mut conn, project, MOST_REMOVED).await?;
        lives.sort_by_key(|life| (life.algorithm.index(), life.created_at));
        Ok(lives)
    }

    /// Shows a key that will sign in a day; with `at_once`, signs with a new one and forgets every other of the
    /// algorithm.
    pub(crate) async fn rotate(
        &self,
        project: &str,
        algorithm: Algorithm,
        at_once: bool,
        (actor, now_ms): (Actor, i64),
    ) -> Result<String, RotateError> {
        let living = queries::living(&mut *self.db.read().await?, project).await?;
        let of_algorithm = living.into_iter().filter(|key| key.algorithm == algorithm);
        let (state, revoked) = if at_once {
            (State::Active, of_algorithm.map(|key| key.kid).collect())
        } else {
            let waiting = of_algorithm.into_iter().find(|key| key.state == State::Next);
            if let Some(key) = waiting {
                let until = until(&key).and_then(rfc3339).unwrap_or_default();
                return Err(RotateError::Waiting { kid: key.kid, until });
            }
            (State::Next, Vec::new())
        };
        let key = self.generate(project, algorithm, state, now_ms).await?;
        let kid = key.kid.clone();
        if !self.store(project, key, revoked, (actor, now_ms)).await? {
            // Somebody else put one in its place meanwhile.
            return Err(DbError::Unavailable("another key was made at the same time".to_owned()).into());
        }
        self.read(project, now_ms).await?;
        Ok(kid)
    }
}

fn until(key: &StoredKey) -> Option<i64> {
    match key.state {
        State::Next => key.active_at,
        State::Retiring => key.remove_at,
        State::Active | State::Removed => None,
    }
}

/// Whether the time of its state is over.
pub(super) fn is_due(key: &StoredKey, now_ms: i64) -> bool {
    until(key).is_some_and(|until| until <= now_ms)
}

/// Does what is due. Everything is looked at again inside: another process may have done it.
pub(super) async fn advance(db: &Db, project: &str, now_ms: i64) -> Result<(), DbError> {
    let project = project.to_owned();
    db.write(move |tx| -> BoxFuture<'_, Result<(), DbError>> {
        Box::pin(async move {
            for key in queries::living(tx, &project).await? {
                if !is_due(&key, now_ms) {
                    continue;
                }
                let (alg, itself) = (key.algorithm.as_str(), (&Actor::System, now_ms));
                match key.state {
                    State::Next if queries::is_next(tx, &key.kid).await? => {
                        queries::retire(tx, &project, alg, now_ms, now_ms + LINGER_MS).await?;
                        if queries::promote(tx, &key.kid, now_ms).await? {
                            record(tx, &project, EventType::KeyRotated, (&key.kid, alg), itself);
                        }
                    }
                    State::Retiring if queries::remove(tx, &key.kid, now_ms).await? => {
                        record(tx, &project, EventType::KeyRemoved, (&key.kid, alg), itself);
                    }
                    _ => {}
                }
            }
            Ok(())
        })
    })
    .await
}

/// Stores `key` after `revoked` are gone.
pub(super) async fn store(
    tx: &mut Tx,
    project: &str,
    key: &StoredKey,
    revoked: &[String],
    (actor, now_ms): (&Actor, i64),
) -> Result<bool, DbError> {
    let alg = key.algorithm.as_str();
    for kid in revoked {
        if queries::remove(tx, kid, now_ms).await? {
            record(tx, project, EventType::KeyRevoked, (kid, alg), (actor, now_ms));
        }
    }
    if !queries::insert(tx, project, key).await? {
        return Ok(false);
    }
    record(tx, project, EventType::KeyCreated, (&key.kid, alg), (actor, now_ms));
    Ok(true)
}

fn record(tx: &mut Tx, project: &str, kind: EventType, (kid, alg): (&str, &str), (actor, at): (&Actor, i64)) {
    tx.record(Event {
        project_id: project.to_owned(),
        kind,
        actor: actor.clone(),
        org_id: None,
        target_id: kid.to_owned(),
        data: json!({ "alg": alg }),
        at,
    });
}
