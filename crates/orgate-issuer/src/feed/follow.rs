//! What wakes the readers besides the commits of this process: other issuers, and whoever else writes to the database.

use std::{
    collections::HashMap,
    sync::{Weak, atomic::Ordering},
    time::Duration,
};

use super::queries;
use crate::{
    app::App,
    db::{Db, DbError},
};

/// How often the numbers of the projects are looked at while somebody reads. It bounds how late something is seen that
/// nobody told of: a command beside the issuer, or news that were lost on the way.
const EVERY: Duration = Duration::from_millis(500);

/// Goes on until the issuer is shut down or dropped.
pub(crate) async fn run(app: Weak<App>) {
    let mut rounds = tokio::time::interval(EVERY);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut heads = HashMap::new();
    let mut hearing: Option<tokio::task::JoinHandle<()>> = None;
    loop {
        rounds.tick().await;
        let Some(app) = app.upgrade().filter(|app| !app.closing.load(Ordering::Acquire)) else {
            if let Some(task) = hearing {
                task.abort();
            }
            return;
        };
        if app.feed.is_empty() {
            continue;
        }
        if hearing.as_ref().is_none_or(tokio::task::JoinHandle::is_finished) {
            hearing = Some(tokio::spawn(hear(app.db.clone())));
        }
        match look(&app.db, &mut heads).await {
            Ok(()) => app.feed.looked(),
            Err(error) => tracing::debug!(%error, "the change feed could not be looked at"),
        }
    }
}

async fn hear(db: Db) {
    let error = db.hear_others().await;
    tracing::debug!(%error, "nothing is heard of other issuers for a moment");
}

/// Wakes the readers of the projects that are further than they were.
async fn look(db: &Db, heads: &mut HashMap<String, i64>) -> Result<(), DbError> {
    let now = queries::heads(&mut *db.read().await?).await?;
    for (project_id, seq) in &now {
        if heads.get(project_id) != Some(seq) {
            db.wakes().wake(project_id);
        }
    }
    *heads = now.into_iter().collect();
    Ok(())
}
