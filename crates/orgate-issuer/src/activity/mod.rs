//! How much is going on: sign-ins, sign-ups and tokens by the minute, as operators see it.
//!
//! Nothing is written while somebody waits: a count is an addition in memory, and every few seconds a task adds what has
//! come together to the rows of the database, as does the end of the issuer. So several processes add up, and what one of
//! them loses that is killed are its last seconds. These are pictures; what happened to whom is in the events.
//!
//! Sign-ins and sign-ups that came about are counted by their events, after the commit, so none is counted that was undone
//! or forgotten whichever way it came; what failed, and tokens, by whoever answers.

mod queries;
pub(crate) mod routes;
mod window;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        PoisonError, RwLock, Weak,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use crate::{
    app::App,
    db::{Conn, DbError},
    events::{Actor, Event, EventType},
};

const FLUSH_EVERY: Duration = Duration::from_secs(5);
const MINUTE_MS: i64 = 60_000;
/// How long minutes are kept.
const KEEP_MINUTES: i64 = 30 * 24 * 60;
/// The most projects, times minutes, that are held in memory. What does not fit, while the database cannot be reached, is
/// not counted.
const MOST_HELD: usize = 20_000;
/// The most rows of one transaction: nobody's sign-in waits for more.
const MOST_AT_ONCE: usize = 500;

macro_rules! kinds {
    ($($variant:ident $name:literal)*) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Count { $($variant,)* }

        impl Count {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

kinds! {
    SignIn "sign_in"
    FailedSignIn "failed_sign_in"
    SignUp "sign_up"
    AuthorizationCode "authorization_code"
    RefreshToken "refresh_token"
    ClientCredentials "client_credentials"
    TokenExchange "token_exchange"
    DeviceCode "device_code"
    SessionToken "session_token"
}

impl Count {
    /// The tokens that each kind of grant gives.
    const TOKENS: [Self; 6] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
        Self::TokenExchange,
        Self::DeviceCode,
        Self::SessionToken,
    ];

    /// The tokens that `grant_type` gives; `urn:ietf:params:oauth:grant-type:` may stand before its name.
    pub(crate) fn of_grant(grant_type: &str) -> Option<Self> {
        let name = grant_type.rsplit(':').next().unwrap_or_default().replace('-', "_");
        Self::TOKENS.into_iter().find(|one| one.as_str() == name)
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.as_str() == name)
    }

    const fn place(self) -> usize {
        self as usize
    }
}

/// The numbers of a project in a minute, each at the place of its kind.
type Numbers = [AtomicI64; Count::ALL.len()];

/// What has been counted and is in no row yet, by minute and project.
type Held = BTreeMap<i64, HashMap<String, Numbers>>;

/// A number that is to be added to a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Addition {
    project_id: String,
    minute: i64,
    kind: &'static str,
    n: i64,
}

/// The counters of this process.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    held: RwLock<Held>,
    /// Held for reading by whoever adds rows and memory up, and for writing while the one becomes the other.
    moving: tokio::sync::RwLock<()>,
}

impl Activity {
    /// One more. The first of a project after each flush makes room for the numbers; the others add to one of them.
    pub(crate) fn count(&self, project_id: &str, kind: Count, now_ms: i64) {
        self.add(project_id, now_ms.div_euclid(MINUTE_MS), kind, 1);
    }

    fn add(&self, project_id: &str, minute: i64, kind: Count, n: i64) {
        let added = |held: &Held| {
            let number = held.get(&minute)?.get(project_id)?.get(kind.place())?;
            number.fetch_add(n, Ordering::Relaxed);
            Some(())
        };
        if added(&self.held.read().unwrap_or_else(PoisonError::into_inner)).is_some() {
            return;
        }
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.values().map(HashMap::len).sum::<usize>() < MOST_HELD {
            held.entry(minute).or_default().entry(project_id.to_owned()).or_default();
        }
        added(&held);
    }

    /// Counts what was committed.
    pub(crate) fn note(&self, event: &Event) {
        let kind = match (event.kind, &event.actor) {
            (EventType::SessionCreated | EventType::SessionRenewed, _) => Count::SignIn,
            // Whom an operator or the bootstrap file made did not sign up.
            (EventType::UserCreated, Actor::User(_)) => Count::SignUp,
            _ => return,
        };
        self.count(&event.project_id, kind, event.at);
    }

    /// What is in memory of a project.
    fn held_of(&self, project_id: &str) -> Vec<(i64, Count, i64)> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let own = held.iter().filter_map(|(minute, all)| Some((*minute, all.get(project_id)?)));
        own.flat_map(|(minute, numbers)| {
            let kinds = Count::ALL.iter().zip(numbers);
            kinds.map(move |(kind, n)| (minute, *kind, n.load(Ordering::Relaxed)))
        })
        .collect()
    }

    /// Takes everything out of memory, in the order in which rows are locked.
    fn take(&self) -> Vec<Addition> {
        let held = std::mem::take(&mut *self.held.write().unwrap_or_else(PoisonError::into_inner));
        let mut taken = Vec::new();
        for (minute, all) in held {
            for (project_id, numbers) in all {
                let counted = Count::ALL.iter().zip(numbers).map(|(kind, n)| (kind, n.into_inner()));
                taken.extend(counted.filter(|(_, n)| *n > 0).map(|(kind, n)| Addition {
                    project_id: project_id.clone(),
                    minute,
                    kind: kind.as_str(),
                    n,
                }));
            }
        }
        taken.sort();
        taken
    }

    fn put_back(&self, additions: &[Addition]) {
        for one in additions {
            if let Some(kind) = Count::parse(one.kind) {
                self.add(&one.project_id, one.minute, kind, one.n);
            }
        }
    }
}

/// Adds what is in memory to the rows. What cannot be written stays in memory.
pub(crate) async fn flush(app: &App) -> Result<(), DbError> {
    let _moving = app.activity.moving.write().await;
    let taken = app.activity.take();
    let mut rest = taken.as_slice();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.len().min(MOST_AT_ONCE));
        let additions = now.to_vec();
        let written = app.db.write::<_, DbError>(move |tx| {
            Box::pin(async move {
                for one in &additions {
                    queries::add(tx, one).await?;
                }
                Ok(())
            })
        });
        if let Err(error) = written.await {
            app.activity.put_back(rest);
            return Err(error);
        }
        rest = later;
    }
    Ok(())
}

/// Flushes until the issuer is shut down or dropped.
pub(crate) async fn run(app: Weak<App>) {
    let mut rounds = tokio::time::interval(FLUSH_EVERY);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let Some(app) = app.upgrade().filter(|app| !app.closing.load(Ordering::Acquire)) else { return };
        if let Err(error) = flush(&app).await {
            tracing::error!(%error, "what was counted could not be written; it is tried again");
        }
    }
}

/// Forgets minutes that are long over, a bounded number of rows at a time.
pub(crate) async fn purge(conn: &mut Conn, now_ms: i64) -> Result<u64, DbError> {
    queries::purge(conn, now_ms.div_euclid(MINUTE_MS) - KEEP_MINUTES).await
}

#[cfg(test)]
mod tests;
