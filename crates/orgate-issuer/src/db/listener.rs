//! Who is told what was committed.

use std::sync::{Arc, OnceLock};

use super::{Tx, wakes::Wakes};
use crate::events::Event;

/// Takes the events of a transaction.
type Ear = Box<dyn Fn(Vec<Event>) + Send + Sync>;

/// Looks at each event of a transaction, without a wait.
type Eye = Box<dyn Fn(&Event) + Send + Sync>;

/// Who is told, once there is somebody, and who is woken.
#[derive(Clone, Default)]
pub(super) struct Listener {
    ear: Arc<OnceLock<Ear>>,
    eye: Arc<OnceLock<Eye>>,
    wakes: Wakes,
}

impl Listener {
    /// The first one stays.
    pub(super) fn set(&self, listener: impl Fn(Vec<Event>) + Send + Sync + 'static) {
        let _ = self.ear.set(Box::new(listener));
    }

    /// The first one stays.
    pub(super) fn set_eye(&self, eye: impl Fn(&Event) + Send + Sync + 'static) {
        let _ = self.eye.set(Box::new(eye));
    }

    pub(super) fn wakes(&self) -> &Wakes {
        &self.wakes
    }

    /// To be called once after each commit, and after nothing else.
    pub(super) fn committed(&self, tx: &mut Tx) {
        let events = std::mem::take(&mut tx.events);
        for event in events.iter().filter(|event| event.kind.ends_rights()) {
            self.wakes.wake(&event.project_id);
        }
        if let Some(eye) = self.eye.get() {
            events.iter().for_each(eye);
        }
        if let Some(listener) = self.ear.get()
            && !events.is_empty()
        {
            listener(events);
        }
    }
}
