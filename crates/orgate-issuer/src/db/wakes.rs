//! Who waits until somebody's rights end, by project.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use super::{Db, DbError, Engine};

/// Whoever waits, and the ways to wake them. Cloning is cheap.
#[derive(Clone, Default)]
pub(crate) struct Wakes(Arc<Mutex<HashMap<String, watch::Sender<u64>>>>);

impl fmt::Debug for Wakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wakes")
    }
}

impl Wakes {
    /// Changes from now on after each commit that may have ended somebody's rights in the project. It says that there may be
    /// something to read, never what: a wake too many costs one look.
    pub(crate) fn watch(&self, project_id: &str) -> watch::Receiver<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody waits there any more: a name that is not watched takes no room for good.
        all.retain(|_, sender| sender.receiver_count() > 0);
        all.entry(project_id.to_owned()).or_insert_with(|| watch::channel(0).0).subscribe()
    }

    /// Wakes whoever waits in the project.
    pub(crate) fn wake(&self, project_id: &str) {
        if let Some(sender) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(project_id) {
            sender.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Wakes everybody.
    pub(crate) fn wake_all(&self) {
        for sender in self.0.lock().unwrap_or_else(PoisonError::into_inner).values() {
            sender.send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}

impl Db {
    /// Who waits until rights end.
    pub(crate) fn wakes(&self) -> &Wakes {
        self.listener.wakes()
    }

    /// Hears of what others commit to the same database, and wakes whoever waits for it. Never ends where there is nobody to
    /// hear; otherwise when the connection is lost, or cannot be made.
    pub(crate) async fn hear_others(&self) -> DbError {
        match &self.engine {
            Engine::Sqlite { .. } => std::future::pending().await,
            Engine::Postgres(pools) => pools.hear(self.wakes()).await,
        }
    }
}
