//! Who is told what was committed.

use std::sync::{Arc, OnceLock};

use super::Tx;
use crate::events::Event;

/// Takes the events of a transaction.
type Ear = Box<dyn Fn(Vec<Event>) + Send + Sync>;

/// Who is told, once there is somebody.
#[derive(Clone, Default)]
pub(super) struct Listener(Arc<OnceLock<Ear>>);

impl Listener {
    /// The first one stays.
    pub(super) fn set(&self, listener: impl Fn(Vec<Event>) + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(listener));
    }

    /// To be called once after each commit, and after nothing else.
    pub(super) fn committed(&self, tx: &mut Tx) {
        let events = std::mem::take(&mut tx.events);
        if let Some(listener) = self.0.get()
            && !events.is_empty()
        {
            listener(events);
        }
    }
}
