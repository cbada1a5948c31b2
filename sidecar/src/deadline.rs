//! A timer that costs nothing while things move.
//!
//! Created on the first wait and reused after that, so an exchange that never has to wait never touches the timer
//! wheel. It measures one wait, not the sum of all: progress disarms it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// The longest that one wait may take.
#[derive(Debug)]
pub(crate) struct Deadline {
    after: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl Deadline {
    /// Not armed yet; each wait may take `after`.
    pub(crate) fn new(after: Duration) -> Self {
        Self { after, sleep: None, armed: false }
    }

    /// Called while waiting: arms the timer the first time, and is ready once the wait has taken too long.
    pub(crate) fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.armed {
            self.armed = true;
            let at = Instant::now() + self.after;
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(at),
                None => self.sleep = Some(Box::pin(tokio::time::sleep_until(at))),
            }
        }
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    /// Something moved: the next wait starts anew.
    pub(crate) fn disarm(&mut self) {
        self.armed = false;
    }
}
