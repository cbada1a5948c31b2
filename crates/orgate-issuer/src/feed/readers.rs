//! Who reads the feed at the moment, and whether what they are told is current.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How many may read the feed of one project at once, by one process.
const MOST: usize = 64;
/// After how long without a look at the database nobody is told that nothing has happened.
const STALE: Duration = Duration::from_secs(2);

/// The readers of all projects.
#[derive(Debug)]
pub(crate) struct Readers {
    count: Mutex<HashMap<String, usize>>,
    looked_at: Mutex<Instant>,
}

impl Default for Readers {
    fn default() -> Self {
        Self { count: Mutex::default(), looked_at: Mutex::new(Instant::now()) }
    }
}

/// The place of one reader, free again when it is dropped.
pub(super) struct Place {
    readers: Arc<Readers>,
    project_id: String,
}

impl Readers {
    /// A place among the readers of a project, if there is one.
    pub(super) fn place(self: &Arc<Self>, project_id: &str) -> Option<Place> {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let own = count.entry(project_id.to_owned()).or_default();
        if *own >= MOST {
            return None;
        }
        *own += 1;
        Some(Place { readers: Arc::clone(self), project_id: project_id.to_owned() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Notes that the database was looked at.
    pub(super) fn looked(&self) {
        *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Whether it was looked at a moment ago.
    pub(super) fn is_current(&self) -> bool {
        self.looked_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < STALE
    }
}

impl Place {
    pub(super) fn readers(&self) -> &Readers {
        &self.readers
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut count = self.readers.count.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = count.get_mut(&self.project_id) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                count.remove(&self.project_id);
            }
        }
    }
}
