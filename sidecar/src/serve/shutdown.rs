//! One word for all listeners: finish, and, said twice, stop.

use tokio_util::sync::CancellationToken;

/// A signal in two steps, shared by everything that runs: [`Shutdown::drain`], then [`Shutdown::abort`].
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    abort: CancellationToken,
}

impl Shutdown {
    /// Nothing asked for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Finish what is under way and take nothing new.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Stop at once; implies [`Shutdown::drain`].
    pub fn abort(&self) {
        self.drain.cancel();
        self.abort.cancel();
    }

    /// Whether [`Shutdown::drain`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Resolves once [`Shutdown::drain`] was called.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Resolves once [`Shutdown::abort`] was called.
    pub async fn aborting(&self) {
        self.abort.cancelled().await;
    }
}
